"""What must change on a server, against a model of one that takes the changes."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from influx.blueprint import FOR_EVER, Action, Blueprint, Bucket, Right, Task, Token, blueprint
from influx.changes import (
    AlterBucket,
    Change,
    DeleteLeftover,
    Held,
    Leftover,
    MakeBucket,
    MakeToken,
    SeenToken,
    SetUp,
    There,
    keeps_longer,
    leftovers,
    next_step,
    notes,
    permitted,
    plan,
    rights_words,
)
from influx.permissions import Permission
from influx.settings import InfluxSettings
from influx.stack_changes import ApplyStack, RemoveStack, SeenStack, parts_of
from influx.task_changes import AlterTask, DeleteTask, MakeTask, SeenTask
from telemetry.rollup import Retention

SETTINGS = InfluxSettings("http://influxdb:8086", "ops")
OBJECTS = [
    {"kind": "Label", "metadata": {"name": "label"}, "spec": {"name": "OpsWatch"}},
    {"kind": "Variable", "metadata": {"name": "host"}, "spec": {"name": "host", "query": "buckets()"}},
]
WANTED = blueprint(SETTINGS, Retention(), OBJECTS)
TASKS = tuple(SeenTask("1", one.name, one.description, one.flux) for one in WANTED.tasks)
STACKS = (SeenStack("1", "then", parts_of(OBJECTS)),)
DAY = 86_400
ALL = frozenset(Permission)
LOST = "points older than 7d are lost, the oldest of 2026-01-01"

durations = st.one_of(st.just(FOR_EVER), st.integers(3_600, 400 * DAY))
retentions = st.builds(
    Retention,
    *(st.timedeltas(timedelta(hours=1), timedelta(days=200_000)) for _ in range(5)),
)
wishes = st.builds(blueprint, st.just(SETTINGS), retentions, st.sampled_from([None, [], OBJECTS]))


@st.composite
def servers(draw: st.DrawFn, wanted: Blueprint) -> There:
    """A server in any state: somebody's, half made, with tokens of all kinds."""
    if not draw(st.booleans()):
        return There(is_set_up=False)
    names = [one.name for one in wanted.buckets]
    kept = {
        one.name: draw(st.one_of(st.just(one), st.builds(Bucket, st.just(one.name), durations, durations)))
        for one in wanted.buckets
        if draw(st.booleans())
    }
    tokens = {token.name: draw(seen_tokens(token, set(kept))) for token in wanted.tokens if draw(st.booleans())}
    oldest = {name: "2026-01-01T00:00:00Z" for name in names if draw(st.booleans())}
    seen = st.builds(seen_task, st.sampled_from(wanted.tasks), st.integers(0, 9))
    tasks = tuple(draw(st.lists(seen, max_size=5, unique_by=lambda one: one.id)))
    stacks = tuple(SeenStack(f"{number}", f"{number}") for number in range(draw(st.integers(0, 2))))
    return There(True, kept, tokens, oldest, tasks, stacks)


def seen_task(task: Task, way: int) -> SeenTask:
    """A task as it should be, edited, switched off, failing, or somebody else's, by a number; made at that time."""
    seen = SeenTask(f"{way}", task.name, task.description, task.flux, made=f"{way}")
    match way % 5:
        case 1:
            return replace(seen, flux=task.flux + "// edited")
        case 2:
            return replace(seen, is_active=False)
        case 3:
            return replace(seen, failure="no such bucket")
        case 4:
            return replace(seen, description="mine")
    return seen


@st.composite
def seen_tokens(draw: st.DrawFn, token: Token, buckets: set[str]) -> SeenToken:
    held = draw(st.sampled_from(Held))
    possible = sorted((Right(action, name) for action in Action for name in buckets), key=str)
    rights = frozenset(draw(st.lists(st.sampled_from(possible)))) if possible and held is Held.KNOWN else frozenset()
    older = st.builds(Leftover, st.text("0123456789abcdef", min_size=16, max_size=16), st.just(token.description))
    if draw(st.booleans()) and held is Held.KNOWN:
        rights = frozenset(right for right in token.rights if right.bucket in buckets)
    is_ours, is_wide = (held is Held.KNOWN and draw(st.booleans()) for _ in range(2))
    return SeenToken(held, rights, is_ours, is_wide, tuple(draw(st.lists(older, max_size=2))))


def taken(there: There, change: Change) -> There:
    """The model: what a server is like after a change, by InfluxDB's rules."""
    match change:
        case SetUp(bucket=first):
            shard = 3_600 if 0 < first.retention < 2 * DAY else DAY  # the server's own choice
            return replace(there, is_set_up=True, buckets={first.name: replace(first, shard=shard)})
        case MakeBucket(bucket) | AlterBucket(after=bucket):
            assert bucket.retention == FOR_EVER or 3_600 <= bucket.shard <= bucket.retention
            tokens = {  # what is wide has the right on the new one, too
                name: replace(one, rights=one.rights | {Right(action, bucket.name) for action in Action})
                if one.is_wide
                else one
                for name, one in there.tokens.items()
            }
            return replace(there, buckets={**there.buckets, bucket.name: bucket}, tokens=tokens)
        case MakeToken(token):
            assert {right.bucket for right in token.rights} <= set(there.buckets)
            older = there.tokens.get(token.name, SeenToken()).leftovers
            made = SeenToken(Held.KNOWN, token.rights, True, False, older)
            return replace(there, tokens={**there.tokens, token.name: made})
        case MakeTask(task):
            return replace(
                there, tasks=(*there.tasks, SeenTask("new", task.name, task.description, task.flux, made="now"))
            )
        case AlterTask(before, after):
            right = replace(before, flux=after.flux, is_active=True)
            return replace(there, tasks=tuple(right if one == before else one for one in there.tasks))
        case DeleteTask(seen):
            at = there.tasks.index(seen)
            return replace(there, tasks=there.tasks[:at] + there.tasks[at + 1 :])
        case ApplyStack(stack, before):
            others = tuple(one for one in there.stacks if one != before)
            made = SeenStack("new" if before is None else before.id, "a", parts_of(stack.objects))
            return replace(there, stacks=(*others, made))
        case RemoveStack(gone):
            return replace(there, stacks=tuple(one for one in there.stacks if one != gone))
        case DeleteLeftover(leftover, name):
            state = there.tokens[name]
            left = tuple(one for one in state.leftovers if one != leftover)
            return replace(there, tokens={**there.tokens, name: replace(state, leftovers=left)})


def applied(wanted: Blueprint, there: There, permissions: frozenset[Permission]) -> tuple[There, list[Change]]:
    """As opswatch/provisioning.py does it: a step, then another look."""
    made: list[Change] = []
    for _ in range(8):
        step = next_step(wanted, there, permissions)
        if not step:
            return there, made
        for change in step:
            there = taken(there, change)
        made += step
    raise AssertionError(f"it does not come to an end: {made}")


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # on a busy machine drawing takes its time
@given(st.data(), wishes)
def test_with_every_permission_nothing_is_left_to_change(data: st.DataObject, wanted: Blueprint) -> None:
    """From any state of a server, and a second time there is nothing to do."""
    there, _ = applied(wanted, data.draw(servers(wanted)), ALL)

    assert plan(wanted, there) == ()
    assert leftovers(wanted, there) == ()
    if wanted.stack is not None:
        assert len(there.stacks) == (1 if wanted.stack.objects else 0)
    ours = [one.name for one in there.tasks if one.description != "mine"]
    assert sorted(ours) == sorted(task.name for task in wanted.tasks)
    assert applied(wanted, there, ALL) == (there, [])


@given(st.data(), wishes, st.frozensets(st.sampled_from(Permission)))
def test_what_is_left_is_what_was_not_permitted(
    data: st.DataObject, wanted: Blueprint, permissions: frozenset[Permission]
) -> None:
    """Nothing is forgotten: whatever is not as it should be waits for a word that was not said."""
    there, made = applied(wanted, data.draw(servers(wanted)), permissions)

    assert permitted(plan(wanted, there), permissions) == ()
    if there.is_set_up:
        assert all(one.needs is not None and one.needs not in permissions for one in plan(wanted, there))
    assert all(one.needs is None or one.needs in permissions for one in made)


@given(st.data(), wishes)
def test_without_the_word_no_bucket_keeps_less(data: st.DataObject, wanted: Blueprint) -> None:
    """Whatever else is said: every bucket keeps at least what it kept, and no bucket goes."""
    before = data.draw(servers(wanted))
    after, made = applied(wanted, before, ALL - {Permission.DATA_LOSS})

    for name, bucket in before.buckets.items():
        assert not keeps_longer(bucket, after.buckets[name])
    losing = [one for one in made if isinstance(one, AlterBucket) and keeps_longer(one.before, one.after)]
    assert losing == []


@given(st.data(), wishes)
def test_without_the_word_no_token_of_somebody_gives_way(data: st.DataObject, wanted: Blueprint) -> None:
    """One that InfluxDB knows and that we did not make stays in its file, and nothing is deleted."""
    before = data.draw(servers(wanted))
    after, made = applied(wanted, before, ALL - {Permission.REPLACE})

    for name, token in before.tokens.items():
        if token.held is Held.KNOWN and not token.is_ours:
            assert not after.tokens[name].is_ours
    assert not any(isinstance(one, DeleteLeftover) for one in made)


@given(st.data(), wishes)
def test_an_authorization_is_only_deleted_beside_a_token_of_ours(data: st.DataObject, wanted: Blueprint) -> None:
    """Of one that somebody put into the file nobody knows which it is; it may be the one that would be deleted."""
    there = data.draw(servers(wanted))

    for change in leftovers(wanted, there):
        assert there.tokens[change.token].is_ours


@given(retentions)
def test_every_bucket_that_is_wanted_can_be_made(retention: Retention) -> None:
    """At least an hour, a shard no longer than what is kept, and nothing that runs over in InfluxDB's nanoseconds."""
    for bucket in blueprint(SETTINGS, retention).buckets:
        assert bucket.retention == FOR_EVER or 3_600 <= bucket.retention < 2**63 // 10**9
        assert 3_600 <= bucket.shard <= (bucket.retention or 2**63 // 10**9)


def test_the_buckets_are_those_of_the_design() -> None:
    """Names by the prefix, retention by the configuration, shards that fit them."""
    retention = Retention(events=timedelta(days=7), own=timedelta(milliseconds=5_400_500))
    wanted = blueprint(replace(SETTINGS, bucket_prefix="team1"), retention)

    assert wanted.buckets == (
        Bucket("team1_raw", 7 * DAY, DAY),
        Bucket("team1_5m", 180 * DAY, 7 * DAY),
        Bucket("team1_1h", 1_095 * DAY, 30 * DAY),
        Bucket("team1_events", 7 * DAY, 7 * DAY),
        Bucket("team1_self", 5_401, 5_401),
    )


def test_opswatch_reads_and_writes_and_grafana_reads() -> None:
    """No more than that, and only our own."""
    own, grafana = WANTED.tokens
    names = [one.name for one in WANTED.buckets]

    assert own.rights == {Right(action, name) for action in Action for name in names}
    assert grafana.rights == {Right(Action.READ, name) for name in names}
    assert len({own.description, grafana.description}) == 2
    assert all("opswatch" in one.description for one in WANTED.tokens)


@pytest.mark.parametrize(
    ("before", "words", "needs"),
    [
        (Bucket("opswatch_raw", DAY, DAY), "keeps shorter than it should, 1d instead of 7d", None),
        (
            Bucket("opswatch_raw", 30 * DAY, DAY),
            f"keeps longer than it should, 30d instead of 7d: {LOST}",
            "--allow-data-loss",
        ),
        (
            Bucket("opswatch_raw", FOR_EVER, 7 * DAY),
            f"keeps longer than it should, for ever instead of 7d: {LOST}; has shards of 7d instead of 1d",
            "--allow-data-loss",
        ),
        (Bucket("opswatch_raw", 7 * DAY, 3_600), "has shards of 1h instead of 1d", None),
    ],
)
def test_a_bucket_that_is_otherwise_is_told_with_what_would_be_lost(
    before: Bucket, words: str, needs: str | None
) -> None:
    """Retention and shards, and the word that it takes."""
    right = {one.name: one for one in WANTED.buckets}
    there = There(True, {**right, before.name: before}, {}, {before.name: "2026-01-01"})
    (change,) = (one for one in plan(WANTED, there) if isinstance(one, AlterBucket))

    assert (change.words, change.needs) == (words, needs)


def test_a_server_that_is_not_to_be_set_up_gets_nothing() -> None:
    """Also not what needs nobody's word."""
    there = There(is_set_up=False)

    assert next_step(WANTED, there, ALL - {Permission.SET_UP}) == ()
    assert [type(one) for one in next_step(WANTED, there, ALL)] == [SetUp]


def test_what_a_token_may_do_beyond_what_it_must_is_noted_and_waits_for_nobody() -> None:
    """The admin's token in the file works; that it is too much is said."""
    right = {one.name: one for one in WANTED.buckets}
    own, grafana = WANTED.tokens
    there = There(
        True,
        right,
        {
            own.name: SeenToken(Held.KNOWN, own.rights, is_wide=True),
            grafana.name: SeenToken(Held.KNOWN, own.rights, is_ours=True, leftovers=(Leftover("1", "d", "then"),)),
        },
        tasks=TASKS,
        stacks=STACKS,
    )
    said = " ".join(notes(WANTED, there))

    assert plan(WANTED, there) == ()
    assert "the token opswatch may do more than it must: it sees buckets that are not OpsWatch's" in said
    assert "the token grafana may do more than it must: write opswatch_1h" in said
    assert "the authorization 1 ('d', made then) belongs to no token here (--replace-tokens deletes it" in said


def test_rights_on_the_same_buckets_are_told_together() -> None:
    """Nobody reads ten names twice."""
    rights = [Right(Action.READ, "a"), Right(Action.WRITE, "a"), Right(Action.READ, "b")]

    assert rights_words(rights) == "read and write a; read b"


def test_a_token_of_another_prefix_is_made_anew_and_the_plan_says_so() -> None:
    """It sees the buckets that were ours before, and is for those alone; one for all buckets is right as it is."""
    own, _ = WANTED.tokens
    for is_ours in (True, False):
        there = There(True, {}, {own.name: SeenToken(Held.KNOWN, is_ours=is_ours, is_wide=True)})
        made = [one.token.name for one in plan(WANTED, there) if isinstance(one, MakeToken)]
        assert (own.name in made) is is_ours
