"""What must change on a server so that it is as it should be: from what was seen to a list of changes. Pure.

Changes go by stages: those of a later one can only be made when the earlier ones are (a right is for a bucket's id).
What OpsWatch makes there is a kind of `Change` with its stage, something wanted in the Blueprint, and something seen in
There; those of tasks and dashboards have modules of their own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

from influx.blueprint import FOR_EVER, Blueprint, Bucket, Right, Token, kept_words
from influx.permissions import Permission, Stage
from influx.stack_changes import ApplyStack, RemoveStack, SeenStack, stack_changes
from influx.task_changes import AlterTask, DeleteTask, MakeTask, SeenTask, task_changes, task_notes


class Held(Enum):
    """What the file of a token holds."""

    NOTHING = "nothing"
    UNKNOWN = "a token that InfluxDB does not know"
    KNOWN = "a token that InfluxDB knows"


@dataclass(frozen=True, slots=True)
class Leftover:
    """An authorization with a description of ours whose token is not in our file. `made` is when, as InfluxDB says."""

    id: str
    description: str
    made: str


@dataclass(frozen=True, slots=True)
class SeenToken:
    """How one of our tokens stands. `rights` are those that were tried and granted, of the buckets that exist.

    `is_ours` when an apply made what is in the file; `is_wide` when it sees buckets that are not ours.
    """

    held: Held = Held.NOTHING
    rights: frozenset[Right] = frozenset()
    is_ours: bool = False
    is_wide: bool = False
    leftovers: tuple[Leftover, ...] = ()


@dataclass(frozen=True, slots=True)
class There:
    """What was seen on a server. `oldest` is of buckets that keep longer than they should: the time of what would go.

    Buckets by name; tokens by our name for them; tasks of our names, whoever made them; stacks of our name.
    """

    is_set_up: bool
    buckets: Mapping[str, Bucket] = field(default_factory=dict)
    tokens: Mapping[str, SeenToken] = field(default_factory=dict)
    oldest: Mapping[str, str] = field(default_factory=dict)
    tasks: tuple[SeenTask, ...] = ()
    stacks: tuple[SeenStack, ...] = ()


@dataclass(frozen=True, slots=True)
class SetUp:
    """Make user, organisation and the first bucket of a server that nobody has set up."""

    org: str
    bucket: Bucket
    stage = Stage.SET_UP
    needs = Permission.SET_UP
    kind = "set up"

    @property
    def subject(self) -> str:
        return "server"

    @property
    def words(self) -> str:
        return f"has not been set up; make its owner, the organisation {self.org} and the bucket {self.bucket.name}"


@dataclass(frozen=True, slots=True)
class MakeBucket:
    """Make a bucket that is missing."""

    bucket: Bucket
    stage = Stage.BUCKETS
    needs = None
    kind = "make bucket"

    @property
    def subject(self) -> str:
        return f"bucket {self.bucket.name}"

    @property
    def words(self) -> str:
        return f"is missing; make it, {kept(self.bucket)}"


@dataclass(frozen=True, slots=True)
class AlterBucket:
    """Give a bucket its retention and its shards. `oldest` is the time of the oldest point that would be lost."""

    before: Bucket
    after: Bucket
    oldest: str = ""
    stage = Stage.BUCKETS
    kind = "alter bucket"

    @property
    def needs(self) -> Permission | None:
        return Permission.DATA_LOSS if keeps_longer(self.before, self.after) else None

    @property
    def subject(self) -> str:
        return f"bucket {self.after.name}"

    @property
    def words(self) -> str:
        return "; ".join(self._differences())

    def _differences(self) -> Iterator[str]:
        before, after = (kept_words(one.retention) for one in (self.before, self.after))
        if keeps_longer(self.before, self.after):
            since = f", the oldest of {self.oldest}" if self.oldest else ""
            yield f"keeps longer than it should, {before} instead of {after}: points older than {after} are lost{since}"
        elif self.before.retention != self.after.retention:
            yield f"keeps shorter than it should, {before} instead of {after}"
        if self.before.shard != self.after.shard:
            yield f"has shards of {kept_words(self.before.shard)} instead of {kept_words(self.after.shard)}"


@dataclass(frozen=True, slots=True)
class MakeToken:
    """Make a token and put it into its file. `replaces` when that holds one that we did not make."""

    token: Token
    reason: str
    replaces: bool = False
    stage = Stage.TOKENS
    kind = "make token"

    @property
    def needs(self) -> Permission | None:
        return Permission.REPLACE if self.replaces else None

    @property
    def subject(self) -> str:
        return f"token {self.token.name}"

    @property
    def words(self) -> str:
        return f"{self.reason}; make one that may {rights_words(self.token.rights)}"


@dataclass(frozen=True, slots=True)
class DeleteLeftover:
    """Delete an authorization of ours that no file of ours has the token of."""

    leftover: Leftover
    token: str
    stage = Stage.LEFTOVERS
    needs = Permission.REPLACE
    kind = "delete token"

    @property
    def subject(self) -> str:
        return f"token {self.token}"

    @property
    def words(self) -> str:
        return f"delete the older authorization {leftover_words(self.leftover)}"


Change = (
    SetUp
    | MakeBucket
    | AlterBucket
    | MakeToken
    | DeleteLeftover
    | MakeTask
    | AlterTask
    | DeleteTask
    | ApplyStack
    | RemoveStack
)


def plan(wanted: Blueprint, there: There) -> tuple[Change, ...]:
    """What must change, in the order in which it can be done; nothing when all is right."""
    changes: list[Change] = []
    buckets = there.buckets
    if not there.is_set_up:
        first = wanted.buckets[0]
        changes.append(SetUp(wanted.org, first))
        buckets = {first.name: first}
    for bucket in wanted.buckets:
        seen = buckets.get(bucket.name)
        if seen is None:
            changes.append(MakeBucket(bucket))
        elif seen != bucket:
            changes.append(AlterBucket(seen, bucket, there.oldest.get(bucket.name, "")))
    missing = {bucket.name for bucket in wanted.buckets} - set(there.buckets)
    for token in wanted.tokens:
        changes += _token_changes(token, there.tokens.get(token.name, SeenToken()), missing)
    return (*changes, *task_changes(wanted.tasks, there.tasks), *stack_changes(wanted.stack, there.stacks))


def leftovers(wanted: Blueprint, there: There) -> tuple[DeleteLeftover, ...]:
    """The older authorizations of ours. No drift, since another OpsWatch on the same buckets may live by them.

    None where the file's token was put there by somebody: then nobody can say which of them it belongs to.
    """
    seen = ((token, there.tokens.get(token.name, SeenToken())) for token in wanted.tokens)
    return tuple(
        DeleteLeftover(one, token.name)
        for token, state in seen
        if state.held is Held.KNOWN and state.is_ours
        for one in state.leftovers
    )


def notes(wanted: Blueprint, there: There) -> Iterator[str]:
    """What somebody should know, though nothing waits for it."""
    yield from task_notes(wanted.tasks, there.tasks)
    for token in wanted.tokens:
        state = there.tokens.get(token.name, SeenToken())
        if more := state.rights - token.rights:
            yield f"the token {token.name} may do more than it must: {rights_words(more)}"
        if state.is_wide:
            yield f"the token {token.name} may do more than it must: it sees buckets that are not OpsWatch's"
        for one in state.leftovers:
            yield f"the authorization {leftover_words(one)} belongs to no token here" + (
                f" ({Permission.REPLACE} deletes it, if no other OpsWatch lives by it)"
                if state.is_ours or state.held is not Held.KNOWN
                else ", or to the one that somebody put into the file"
            )


def permitted(changes: Collection[Change], permissions: Collection[Permission]) -> tuple[Change, ...]:
    """Those that need nobody's word, or have it; on a server that is not to be set up, none."""
    if Permission.SET_UP not in permissions and any(isinstance(one, SetUp) for one in changes):
        return ()
    return tuple(one for one in changes if one.needs is None or one.needs in permissions)


def next_step(wanted: Blueprint, there: There, permissions: Collection[Permission]) -> tuple[Change, ...]:
    """The permitted changes of the first stage that has any: what is to be done before looking again."""
    changes: tuple[Change, ...] = plan(wanted, there)
    due = permitted((*changes, *leftovers(wanted, there)), permissions)
    first = min((one.stage for one in due), default=None)
    return tuple(one for one in due if one.stage is first)


def keeps_longer(one: Bucket, other: Bucket) -> bool:
    """Whether giving `one` the retention of `other` loses points."""
    if other.retention in {FOR_EVER, one.retention}:
        return False
    return one.retention == FOR_EVER or one.retention > other.retention


def kept(bucket: Bucket) -> str:
    """What a bucket is like, for people."""
    return f"keeping {kept_words(bucket.retention)} in shards of {kept_words(bucket.shard)}"


def rights_words(rights: Collection[Right]) -> str:
    """Rights on the same buckets together: `read and write a, b; read c`."""
    actions: dict[str, list[str]] = {}
    for right in sorted(rights, key=lambda one: (one.bucket, one.action)):
        actions.setdefault(right.bucket, []).append(right.action)
    buckets: dict[str, list[str]] = {}
    for bucket, words in actions.items():
        buckets.setdefault(" and ".join(words), []).append(bucket)
    return "; ".join(f"{words} {', '.join(names)}" for words, names in buckets.items())


def leftover_words(leftover: Leftover) -> str:
    return f"{leftover.id} ({leftover.description!r}, made {leftover.made})"


def _token_changes(token: Token, seen: SeenToken, missing: Collection[str]) -> Iterator[MakeToken]:
    """`missing` are the buckets that do not exist yet, on which nobody can have a right that is for a bucket's id."""
    lacking = token.rights - seen.rights
    # It is for all buckets, and those that will be made are among them; one that we made is for its buckets alone,
    # also where it sees some of another prefix.
    if seen.is_wide and not seen.is_ours:
        lacking = frozenset(right for right in lacking if right.bucket not in missing)
    match seen.held:
        case Held.NOTHING:
            yield MakeToken(token, "there is none in its file")
        case Held.UNKNOWN:
            # One that somebody put there may be another server's, and in no other file.
            yield MakeToken(token, "InfluxDB does not know the one in its file", not seen.is_ours)
        case Held.KNOWN if lacking:
            yield MakeToken(token, f"the one in its file may not {rights_words(lacking)}", not seen.is_ours)
