"""What receivers get over a timeline: exactly that, no less and no more."""

from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from alerting.label_match import LabelMatch
from alerting.ledger import Action
from alerting.machine import Kind
from alerting.outbox import Answer, Outcome
from alerting.outlook import Muting, Why
from alerting.receivers import MINUTE, Budget, QuietHours, ReceiverKind
from alerting.routes import Escalation, Route, Step
from alerting.rules import Severity
from alerting.windows import Cron, Window
from tests.alerting.office import ANSWERED, EVERYTHING, Office, office, plain, receiver, refusing
from tests.untold import rows

LADDER = Escalation("default", (Step(0, "mail"), Step(15 * MINUTE, "phone"), Step(30 * MINUTE, "boss")))
ESCALATING = (Route("all", EVERYTHING, "", "default"),)


def climbing(folder: Path) -> AbstractAsyncContextManager[Office]:
    """An office whose only route climbs the ladder."""
    names = ("mail", "phone", "boss")
    return office(folder, *map(receiver, names), routes=ESCALATING, escalations={"default": LADDER})


async def test_a_receiver_hears_that_it_began_and_that_it_is_over(tmp_path: Path) -> None:
    """Once each, however often it is looked at."""
    async with office(tmp_path, receiver("mail")) as it:
        await it.fire("a")
        assert await it.go(60) == ["10 mail: load a opened"]
        await it.resolve("a")
        assert await it.go(600) == ["310 mail: load a resolved, over"]  # with its group, 300 s after the message before
        assert await it.go(86_400, 600) == []


async def test_what_begins_together_is_told_together(tmp_path: Path) -> None:
    """Of one rule; another rule is another group."""
    async with office(tmp_path, receiver("mail")) as it:
        await it.fire("a")
        await it.go(5)
        await it.fire("b")
        await it.fire("c", rule="disk")
        await it.go(10)
        assert [len(notice.items) for notice in it.mailbox.sent] == [2, 1]


async def test_the_ladder_is_climbed_until_somebody_acknowledges(tmp_path: Path) -> None:
    """Each step once, at its time; and whoever was told hears that it is over."""
    async with climbing(tmp_path) as it:
        await it.fire("a")
        assert await it.go(14 * 60) == ["10 mail: load a opened"]
        assert await it.go(5 * 60) == ["910 phone: load a escalated"]
        await it.act(1, Action.ACKNOWLEDGE)
        assert await it.go(3_600, 30) == []
        await it.resolve("a")
        over = await it.go(600)
        assert plain(over) == [
            "mail: load a resolved, over",
            "phone: load a resolved, over",
        ]


async def test_a_restart_in_the_middle_of_a_ladder_changes_nothing(tmp_path: Path) -> None:
    """It is in the file."""
    async with climbing(tmp_path) as it:
        await it.fire("a")
        await it.go(14 * 60)
        it.restart()
        await it.touch()
        it.seconds += 20 * 60  # away over two steps
        assert sorted(await it.go(600)) == ["2050 boss: load a escalated", "2050 phone: load a escalated"]
        await it.resolve("a")
        over = plain(await it.go(600))
        assert sorted(over) == [f"{name}: load a resolved, over" for name in ("boss", "mail", "phone")]


async def test_a_ladder_at_its_end_goes_on_by_repeat(tmp_path: Path) -> None:
    """Until somebody answers; then it is quiet."""
    route = replace(ESCALATING[0], repeat=((Severity.CRITICAL, 60 * MINUTE),))
    two = Escalation("default", LADDER.steps[:2])
    async with office(
        tmp_path, receiver("mail"), receiver("phone"), routes=(route,), escalations={"default": two}
    ) as it:
        await it.fire("a")
        log = await it.go(2 * 3_600, 30)
        assert plain(log) == [
            "mail: load a opened",
            "phone: load a escalated",
            "mail: load a reminder",
            "phone: load a reminder",
        ]
        await it.act(1, Action.ACKNOWLEDGE)
        assert await it.go(5 * 3_600, 60) == []


async def test_an_acknowledgement_does_not_hold_back_a_rise(tmp_path: Path) -> None:
    """Who acknowledged a warning has not seen the critical; the ladder stays where it is."""
    async with climbing(tmp_path) as it:
        await it.fire("a", severity=Severity.WARNING)
        await it.go(60)
        await it.act(1, Action.ACKNOWLEDGE)
        await it.go(60)
        await it.change(Kind.RAISED, Severity.CRITICAL, "a")
        assert await it.go(3_600, 30) == ["150 mail: load a raised"]


async def test_a_receiver_that_was_away_gets_one_message_of_all(tmp_path: Path) -> None:
    """An hour of refusals, an incident that is over meanwhile: told with one message, that says both."""
    async with office(tmp_path, receiver("mail")) as it:
        good = it.mailbox.answer
        it.mailbox.answer = lambda *_: Answer(Outcome.LATER, "503", "away", 1.0)
        await it.fire("a")
        await it.go(1_800, 10)
        await it.resolve("a")
        await it.fire("b")
        assert await it.go(1_800, 10) == []
        it.mailbox.answer = good
        log = await it.go(600)
        assert plain(log) == ["mail: load b opened", "mail: load a resolved, over"]
        assert len(it.mailbox.sent) == 1
        states = rows(tmp_path / "state.sqlite", "SELECT state, count(*) FROM delivery GROUP BY state ORDER BY state")
        assert ("delivered", 1) in states
        assert {state for state, _ in states} == {"combined", "delivered"}


async def test_a_dead_letter_goes_a_second_way(tmp_path: Path) -> None:
    """After its deadline, or at once when it is refused; and the second hears the end, too."""
    mail = receiver("mail", retry_for=10 * MINUTE, fallback="chat")
    async with office(tmp_path, mail, receiver("chat"), routes=(Route("all", EVERYTHING, "mail"),)) as it:
        it.mailbox.answer = refusing("mail")
        await it.fire("a")
        log = await it.go(1_200, 5)
        assert plain(log) == ["chat: load a opened"]
        assert 600 <= float(log[0].split()[0]) <= 640
        assert it.mailbox.sent[0].note == "mail could not be reached; this comes instead"
        await it.resolve("a")
        assert "chat: load a resolved, over" in plain(await it.go(2_000, 10))


async def test_a_refused_message_is_a_dead_letter_at_once(tmp_path: Path) -> None:
    """It would be refused again."""
    async with office(tmp_path, receiver("mail"), receiver("chat"), routes=(Route("all", EVERYTHING, "mail"),)) as it:
        it.mailbox.answer = refusing("mail", later=False, code="400")
        await it.fire("a")
        assert await it.go(60) == ["15 chat: load a opened"]


async def test_what_the_receiver_asks_to_wait_is_waited(tmp_path: Path) -> None:
    """429 with Retry-After."""
    async with office(tmp_path, receiver("mail")) as it:
        good, asked = it.mailbox.answer, []

        def answer(*_: object) -> Answer:
            asked.append(it.seconds)
            return Answer(Outcome.LATER, "429", "slow down", 1.0, retry_after=2 * MINUTE)

        it.mailbox.answer = answer
        await it.fire("a")
        await it.go(60)
        it.mailbox.answer = good
        assert asked == [10]
        assert await it.go(120) == ["130 mail: load a opened"]


async def test_a_silence_that_ends_while_firing_lets_it_be_told(tmp_path: Path) -> None:
    """At its end; and what is over before is told to nobody."""
    async with office(tmp_path, receiver("mail")) as it:
        it.silences = [(LabelMatch.of({"host": ["a", "b"]}), 600)]
        await it.fire("a", "b", "c")
        assert await it.go(300) == ["10 mail: load c opened"]
        await it.resolve("b")
        assert await it.go(600) == ["610 mail: load a released"]
        await it.resolve("a", "c")
        await it.go(900)
        assert [line for line in it.log if " b " in line] == []


async def test_a_silence_that_comes_before_the_message_takes_it_back(tmp_path: Path) -> None:
    """A deploy script mutes a moment too late: nothing has left the house yet."""
    async with office(tmp_path, receiver("mail")) as it:
        await it.fire("a")
        await it.go(5)
        it.silences = [(EVERYTHING, 600)]
        assert await it.go(300) == []
        await it.resolve("a")
        assert await it.go(900) == []
        why = [row[0] for row in rows(tmp_path / "state.sqlite", "SELECT why FROM reason ORDER BY id")]
        assert why == ["route", "withdrawn", "silence"]


async def test_children_of_what_is_down_are_not_told_and_are_when_it_is_up(tmp_path: Path) -> None:
    """Also when they fired a moment before their parent."""
    children = [f"child{number}" for number in range(50)]
    async with office(tmp_path, receiver("mail")) as it:
        await it.fire(*children, rule="probe_down")
        await it.go(5)
        await it.fire("parent", rule="parent_down")
        it.suppressed = {"probe_down": "service parent (parent_down)"}
        assert await it.go(300) == ["15 mail: parent_down parent opened"]
        await it.resolve("parent", rule="parent_down")
        it.suppressed = {}
        await it.resolve(*children[1:], rule="probe_down")
        assert sorted(plain(await it.go(600))) == [
            "mail: parent_down parent resolved, over",
            "mail: probe_down child0 released",
        ]


async def test_a_snooze_comes_back(tmp_path: Path) -> None:
    """With the ladder from its beginning."""
    async with climbing(tmp_path) as it:
        await it.fire("a")
        await it.go(60)
        await it.act(1, Action.SNOOZE, minutes=60)
        assert await it.go(59 * 60, 30) == []
        log = await it.go(20 * 60, 5)
        assert plain(log) == ["mail: load a back", "phone: load a escalated"]


async def test_a_snooze_of_what_is_acknowledged_comes_back_too(tmp_path: Path) -> None:
    """Who has it wants to be reminded; whoever acknowledges meanwhile is not."""
    async with climbing(tmp_path) as it:
        await it.fire("a", "b")
        await it.go(60)
        for number in (1, 2):
            await it.act(number, Action.ACKNOWLEDGE)
            await it.act(number, Action.SNOOZE, minutes=60)
        await it.go(30 * 60, 30)
        await it.act(2, Action.ACKNOWLEDGE)
        assert plain(await it.go(50 * 60, 5)) == ["mail: load a back", "phone: load a escalated"]


async def test_quiet_hours_let_warnings_wait_and_criticals_through(tmp_path: Path) -> None:
    """A warning is told at their end, if it is still open."""
    quiet = QuietHours(time(22), time(7), ZoneInfo("UTC"))
    async with office(tmp_path, receiver("mail", quiet=quiet)) as it:
        it.quiet_until = 3_600
        await it.fire("a", "b", severity=Severity.WARNING)
        await it.fire("c", rule="disk")
        assert await it.go(1_800, 30) == ["30 mail: disk c opened"]
        await it.resolve("b")
        log = await it.go(3_600, 30)
        assert plain(log) == ["mail: load a released"]


async def test_quiet_hours_of_one_do_not_keep_the_ladder_from_the_others(tmp_path: Path) -> None:
    """The steps behind come at their time; who sleeps hears at the end of the night, if nobody has answered."""
    quiet = QuietHours(time(22), time(7), ZoneInfo("UTC"))
    async with office(
        tmp_path,
        receiver("mail", quiet=quiet),
        receiver("phone"),
        receiver("boss"),
        routes=ESCALATING,
        escalations={"default": LADDER},
    ) as it:
        it.quiet_until = 3_600
        await it.fire("a", severity=Severity.WARNING)
        log = await it.go(3_700, 10)
        assert plain(log) == ["phone: load a escalated", "boss: load a escalated", "mail: load a released"]
        assert [round(float(line.split()[0]) / 60) for line in log] == [15, 30, 60]


async def test_a_step_for_nobody_waits_for_somebody_and_the_next_does_not(tmp_path: Path) -> None:
    """Nobody is on duty when it begins; whoever takes over later hears of what nobody has answered, once."""
    ladder = Escalation("default", (Step(0, "on-duty"), Step(15 * MINUTE, "boss")))
    async with office(
        tmp_path,
        receiver("anna"),
        receiver("ben"),
        receiver("boss"),
        routes=ESCALATING,
        escalations={"default": ladder},
    ) as it:
        await it.fire("a")
        assert plain(await it.go(20 * 60, 10)) == ["boss: load a escalated"]
        for name in ("anna", "ben", "anna"):
            it.duty = {"on-duty": name}
            await it.touch()
            await it.go(600, 10)
        await it.act(1, Action.ACKNOWLEDGE)
        it.duty = {"on-duty": "boss"}
        await it.touch()
        await it.go(600, 10)
        assert plain(it.log[1:]) == ["anna: load a released", "ben: load a opened"]


async def test_who_has_handed_over_is_not_reminded(tmp_path: Path) -> None:
    """The ladder is at its end and goes on by repeat, for whoever is on duty; both hear that it is over."""
    route = replace(ESCALATING[0], repeat=((Severity.CRITICAL, 60 * MINUTE),))
    async with office(
        tmp_path,
        receiver("first"),
        receiver("anna"),
        receiver("ben"),
        routes=(route,),
        escalations={"default": Escalation("default", (Step(0, "on-duty"),))},
        duty={"on-duty": "anna"},
    ) as it:
        await it.fire("a")
        await it.go(600)
        it.duty = {"on-duty": "ben"}
        await it.touch()
        assert plain(await it.go(2 * 3_600, 30)) == ["ben: load a opened", "ben: load a reminder"]
        await it.resolve("a")
        over = plain(await it.go(600))
        assert sorted(over) == ["anna: load a resolved, over", "ben: load a resolved, over"]


async def test_who_is_on_duty_is_told_and_hears_the_end(tmp_path: Path) -> None:
    """Also when another is on duty by then."""
    async with office(
        tmp_path,
        receiver("anna"),
        receiver("ben"),
        routes=(Route("all", EVERYTHING, "on-duty"),),
        duty={"on-duty": "anna"},
    ) as it:
        await it.fire("a")
        assert await it.go(60) == ["10 anna: load a opened"]
        it.duty = {"on-duty": "ben"}
        await it.touch()
        log = await it.go(600)
        assert plain(log) == ["ben: load a opened"]
        await it.resolve("a")
        log = await it.go(900)
        assert sorted(line.split(" ", 1)[1] for line in log) == [
            "anna: load a resolved, over",
            "ben: load a resolved, over",
        ]


async def test_two_routes_to_one_receiver_tell_it_once(tmp_path: Path) -> None:
    """The first of them."""
    routes = (Route("one", EVERYTHING, "mail", goes_on=True), Route("two", EVERYTHING, "mail"))
    async with office(tmp_path, receiver("mail"), routes=routes) as it:
        await it.fire("a")
        assert await it.go(3_000, 60) == ["60 mail: load a opened"]


async def test_what_no_route_means_has_a_reason_to_be_told_to_nobody(tmp_path: Path) -> None:
    """Recorded once."""
    async with office(tmp_path, receiver("mail"), routes=(Route("one", LabelMatch.of({"host": "b"}), "mail"),)) as it:
        await it.fire("a")
        for _ in range(3):
            await it.touch()
            await it.go(60)
        assert it.log == []
        assert rows(tmp_path / "state.sqlite", "SELECT why FROM reason") == [("no_route",)]


@pytest.mark.timeout(300)
async def test_a_storm_comes_criticals_first_within_the_budget(tmp_path: Path) -> None:
    """10,000 incidents, each a group of its own: ten messages in the first minute, one of them a digest of the rest."""
    routes = (Route("all", EVERYTHING, "mail", group_by=("host",)),)
    async with office(tmp_path, receiver("mail", budget=Budget(10)), routes=routes) as it:
        warning = [f"w{number}" for number in range(9_900)]
        critical = [f"c{number}" for number in range(100)]
        await it.fire(*warning, severity=Severity.WARNING)
        await it.fire(*critical)
        await it.go(60)
        sent = it.mailbox.sent
        assert len(sent) == 10
        assert [dict(notice.items[0].labels)["host"][0] for notice in sent[:9]] == ["c"] * 9
        assert (sent[9].firing, sent[9].critical, len(sent[9].items)) == (9_991, 91, 50)
        assert all(told.severity is Severity.CRITICAL for told in sent[9].items)
        await it.resolve(*warning, *critical)
        await it.go(600, 10)
        assert len(it.mailbox.sent) <= 10 + 11 * 10
        assert sum(notice.resolved for notice in it.mailbox.sent) == 10_000


async def test_a_receiver_that_is_no_more_leaves_a_dead_letter(tmp_path: Path) -> None:
    """Its "resolved" has nowhere to go, and that is seen."""
    async with office(tmp_path, receiver("mail")) as it:
        await it.fire("a")
        await it.go(60)
        del it.receivers["mail"]
        it.routes = ()
        await it.resolve("a")
        await it.go(600)
        states = rows(tmp_path / "state.sqlite", "SELECT state, note FROM delivery ORDER BY id")
        assert states == [("delivered", ""), ("dead", "there is no receiver mail any more")]


async def test_an_incident_that_is_over_before_anybody_was_told_is_told_to_nobody(tmp_path: Path) -> None:
    """When the two come before the first look."""
    async with office(tmp_path, receiver("mail")) as it:
        await it.fire("a")
        await it.resolve("a")
        assert await it.go(600) == []


async def test_what_is_being_sent_at_a_kill_is_sent_again_with_its_identifier(tmp_path: Path) -> None:
    """C5: claimed, sent, and killed before the answer was kept."""
    async with office(tmp_path, receiver("mail")) as it:
        await it.fire("a")
        while await it.state.telling.plan(it.policy(), it.now):
            pass
        it.seconds = 10
        await it.state.telling.batch(it.policy(), it.now)
        claimed = await it.state.outbox.claim("mail", it.now, MINUTE)
        assert claimed is not None
        assert await it.state.outbox.claim("mail", it.now, MINUTE) is None
        assert await it.go(30) == []  # leased to one that is no more
        assert await it.state.outbox.reclaim(it.now) == 1
        assert len(await it.go(10)) == 1
        assert it.mailbox.sent[0].id == claimed.identifier
        assert it.mailbox.sent[0].attempt == 2


async def test_messages_of_one_incident_keep_their_order(tmp_path: Path) -> None:
    """Another incident of the receiver is not kept waiting by one that the receiver does not want."""
    async with office(tmp_path, receiver("mail")) as it:
        refused = Answer(Outcome.LATER, "500", "I cannot take this", 1.0)
        it.mailbox.answer = lambda _, notice: refused if notice.items[0].rule == "load" else ANSWERED
        await it.fire("a")
        await it.go(30)
        await it.fire("b", rule="disk")
        assert await it.go(60) == ["40 mail: disk b opened"]


async def test_what_waits_for_a_receiver_that_is_no_more_is_a_dead_letter(tmp_path: Path) -> None:
    """At the next start: nothing waits for ever."""
    async with office(tmp_path, receiver("mail")) as it:
        it.mailbox.answer = refusing("mail")
        await it.fire("a")
        await it.go(30)
        assert await it.state.outbox.abandon(["mail"], it.now) == 0
        assert await it.state.outbox.abandon(["other"], it.now) == 1
        assert rows(tmp_path / "state.sqlite", "SELECT state FROM delivery") == [("dead",)]


@pytest.mark.parametrize(
    ("day", "told_at"),
    [
        ("2026-03-29", "01:30"),  # 02:30 does not exist: it begins at 03:00 summer time, which is 01:00 UTC
        ("2026-10-25", "01:00"),  # 02:30 comes twice: it begins at the first, which is 00:30 UTC
        ("2026-11-01", "02:00"),  # an ordinary Sunday: 02:30 is 01:30 UTC
    ],
)
async def test_a_maintenance_window_is_right_across_both_changes_of_the_clock(
    tmp_path: Path, day: str, told_at: str
) -> None:
    """By the clock of its zone, for half an hour that passes; what is open at its end is told then."""
    zone = ZoneInfo("Europe/Berlin")
    window = Window("sunday", EVERYTHING, 30 * MINUTE, zone, Cron("30 2 * * SUN"))
    start = datetime.fromisoformat(f"{day}T00:00:00+00:00")
    async with office(tmp_path, receiver("mail"), windows=[window], start=start) as it:
        end = datetime.fromisoformat(f"{day}T{told_at}:00+00:00")
        it.seconds = (end - start).total_seconds() - 29 * 60
        await it.fire("a")
        assert await it.go(28 * 60, 30) == []
        log = await it.go(5 * 60, 5)
        assert plain(log) == ["mail: load a released"]
        assert 0 <= float(log[0].split()[0]) - (end - start).total_seconds() <= 15


async def test_a_policy_of_a_moment_ago_leads_to_no_endless_look(tmp_path: Path) -> None:
    """A silence that ended between the two: the look is over, and comes again."""
    async with office(tmp_path, receiver("mail")) as it:
        it.silences = [(EVERYTHING, 600)]
        await it.fire("a")
        it.seconds = 599.999
        policy = it.policy()
        policy.muting({"host": "a"})
        it.silences = [(EVERYTHING, 599.9995)]
        stale = replace(policy, muting=lambda _: Muting(Why.SILENCE, "a silence", it.now - 1))
        assert [await it.state.telling.plan(stale, it.now) for _ in range(3)] == [1, 0, 0]


class Failing:
    """A way of telling that fails before anything is sent."""

    async def send(self, *_: object) -> list[Answer]:
        raise ValueError("a template of nobody's")


async def test_a_message_that_cannot_be_written_is_a_dead_letter_in_time(tmp_path: Path) -> None:
    """Each try is recorded, and it holds up nothing for ever."""
    mail = receiver("mail", retry_for=10 * MINUTE)
    async with office(tmp_path, mail, senders={ReceiverKind.WEBHOOK: Failing()}) as it:
        await it.fire("a")
        await it.go(900, 10)
        assert rows(tmp_path / "state.sqlite", "SELECT DISTINCT state FROM delivery") == [("dead",)]
        assert rows(tmp_path / "state.sqlite", "SELECT DISTINCT code, text FROM attempt") == [
            ("internal", "ValueError")
        ]


async def test_what_waits_for_its_next_try_urges_nobody_after_an_acknowledgement(tmp_path: Path) -> None:
    """The pager was away when it was escalated to, and is back after somebody has answered."""
    two = Escalation("default", LADDER.steps[:2])
    async with office(
        tmp_path, receiver("mail"), receiver("phone"), routes=ESCALATING, escalations={"default": two}
    ) as it:
        it.mailbox.answer = refusing("phone")
        await it.fire("a")
        await it.go(16 * 60)
        await it.act(1, Action.ACKNOWLEDGE)
        it.mailbox.answer = lambda *_: ANSWERED
        assert await it.go(3_600, 30) == []


async def test_after_a_silence_the_ladder_goes_on_step_by_step(tmp_path: Path) -> None:
    """Not with all at once: nobody had the time to answer."""
    async with climbing(tmp_path) as it:
        await it.fire("a")
        await it.go(60)
        it.silences = [(EVERYTHING, 7_200)]
        await it.touch()
        assert await it.go(7_100, 30) == []
        log = await it.go(3_600, 10)
        assert plain(log) == ["phone: load a escalated", "boss: load a escalated"]
        assert float(log[1].split()[0]) - float(log[0].split()[0]) >= 14 * 60


async def test_a_rise_to_another_route_is_repeated_by_that(tmp_path: Path) -> None:
    """Warnings by one, criticals by the other, both to the same."""
    routes = (
        Route("w", LabelMatch.of({"severity": "warning"}), "mail", repeat=((Severity.WARNING, 0),)),
        Route("c", LabelMatch.of({"severity": "critical"}), "mail", repeat=((Severity.CRITICAL, 60 * MINUTE),)),
    )
    async with office(tmp_path, receiver("mail"), routes=routes) as it:
        await it.fire("a", severity=Severity.WARNING)
        await it.go(60)
        await it.change(Kind.RAISED, Severity.CRITICAL, "a")
        assert plain(await it.go(2 * 3_600, 30)) == ["mail: load a raised", "mail: load a reminder"]


async def test_what_waits_for_its_next_try_is_taken_back_by_a_silence(tmp_path: Path) -> None:
    """The receiver had said that it took nothing; when the silence ends it is told as it is then."""
    async with office(tmp_path, receiver("mail")) as it:
        it.mailbox.answer = refusing("mail", code="503")
        await it.fire("a", "b")
        await it.go(120)
        it.silences = [(LabelMatch.of({"host": "a"}), 7_200)]
        await it.touch()
        await it.go(30)
        it.mailbox.answer = lambda *_: ANSWERED
        assert plain(await it.go(1_800, 10)) == ["mail: load b opened"]
        assert plain(await it.go(7_200, 30)) == ["mail: load a released"]
        it.silences = [(EVERYTHING, 20_000)]
        await it.resolve("a")
        assert plain(await it.go(1_800, 30)) == ["mail: load a resolved, over"]


async def test_what_is_taken_back_ends_then(tmp_path: Path) -> None:
    """Not when its next try would have been."""
    async with office(tmp_path, receiver("mail")) as it:
        it.mailbox.answer = refusing("mail", code="503")
        await it.fire("a")
        await it.go(600)
        it.silences = [(EVERYTHING, 7_200)]
        await it.touch()
        await it.round()
        ended = rows(tmp_path / "state.sqlite", "SELECT state, finished, due FROM delivery")
        assert [(state, finished) for state, finished, _ in ended] == [("combined", it.now)]
        assert all(due > it.now for _, _, due in ended)  # type: ignore[operator]


async def test_a_message_whose_fate_is_not_known_is_not_taken_back(tmp_path: Path) -> None:
    """The receiver may have it: so it hears of it again, and of its end."""
    async with office(tmp_path, receiver("mail")) as it:
        it.mailbox.answer = refusing("mail", code="timeout")
        await it.fire("a")
        await it.go(120)
        it.silences = [(EVERYTHING, 7_200)]
        await it.touch()
        it.mailbox.answer = lambda *_: ANSWERED
        assert plain(await it.go(1_800, 10)) == ["mail: load a opened"]
        await it.resolve("a")
        assert plain(await it.go(1_800, 30)) == ["mail: load a resolved, over"]
