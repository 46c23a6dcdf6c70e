"""What mailboxes on a real SMTP server get over a timeline: exactly these mails, at these times."""

import email
import email.policy
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from alerting.label_match import LabelMatch
from alerting.ledger import Action
from alerting.notifiers.email import EmailSender
from alerting.receivers import MINUTE, Budget, EmailTarget, Receiver, ReceiverKind
from alerting.routes import Escalation, Route, Step
from alerting.rules import Severity
from alerting.windows import Cron, Window
from tests.alerting.house import house, load_rule
from tests.alerting.notifiers.test_email import CLOCK, Desk, serving
from tests.alerting.office import EVERYTHING, Office, office

LADDER = Escalation("ladder", (Step(0, "mail"), Step(15 * MINUTE, "boss")))
CLIMBING = (Route("all", EVERYTHING, "", "ladder"),)


@dataclass
class Clerk(Desk):
    """Notes each mail with the time of the story: `SECONDS ADDRESS: SUBJECT`."""

    office: list[Office] = field(default_factory=list)
    log: list[str] = field(default_factory=list)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        answer = await super().handle_DATA(server, session, envelope)
        if answer.startswith("2"):
            (address,) = envelope.rcpt_tos
            self.log.append(f"{self.office[0].seconds:g} {address.split('@')[0]}: {self.mail()['Subject']}")
        return answer

    @property
    def mails(self) -> list[EmailMessage]:
        """All that was taken."""
        found = []
        for one in self.taken:
            assert isinstance(one.content, bytes)
            found.append(email.message_from_bytes(one.content, policy=email.policy.default))
        return found

    def since(self, mark: int) -> list[str]:
        """The log from there on, without its times."""
        return [line.split(" ", 1)[1] for line in self.log[mark:]]


def ended(line: str) -> int:
    """How many ends the subject of a mail tells."""
    if "[RESOLVED]" in line:
        return 1
    found = re.search(r"\[([0-9,]+) resolved\]", line)
    assert found is not None, line
    return int(found[1].replace(",", ""))


@asynccontextmanager
async def mailing(folder: Path, budget: int = 1_000, **facts: object) -> AsyncIterator[tuple[Office, Clerk]]:
    """The receivers mail and boss, each with one address."""
    clerk = Clerk()
    with serving(clerk) as server:
        mail, boss = (
            Receiver(name, EmailTarget((f"{name}@example.com",), server), budget=Budget(budget))
            for name in ("mail", "boss")
        )
        routes = (Route("all", EVERYTHING, "mail"),)
        senders = {ReceiverKind.EMAIL: EmailSender(CLOCK)}
        async with office(folder, mail, boss, senders=senders, **{"routes": routes, **facts}) as it:
            clerk.office.append(it)
            yield it, clerk


async def test_firing_escalation_acknowledgement_and_the_end(tmp_path: Path) -> None:
    """The step behind the acknowledgement never comes; each mail has an identifier of its own."""
    three = Escalation("ladder", (*LADDER.steps, Step(30 * MINUTE, "mail")))
    async with mailing(tmp_path, routes=CLIMBING, escalations={"ladder": three}) as (it, clerk):
        await it.fire("a")
        await it.go(16 * 60)
        await it.act(1, Action.ACKNOWLEDGE)
        await it.go(3_600, 30)
        await it.resolve("a")
        await it.go(600)
    assert clerk.log[:2] == ["10 mail: [CRITICAL] load is high on a", "910 boss: [CRITICAL] load is high on a"]
    assert sorted(clerk.log[2:]) == [f"4570 {name}: [RESOLVED] load is high on a" for name in ("boss", "mail")]
    assert len({mail["Message-ID"] for mail in clerk.mails}) == 4


async def test_nobody_answers(tmp_path: Path) -> None:
    """The same without an acknowledgement: the last step comes."""
    three = Escalation("ladder", (*LADDER.steps, Step(30 * MINUTE, "mail")))
    async with mailing(tmp_path, routes=CLIMBING, escalations={"ladder": three}) as (it, clerk):
        await it.fire("a")
        await it.go(40 * 60, 10)
        await it.resolve("a")
        await it.go(600)
    assert clerk.since(1)[:2] == ["boss: [CRITICAL] load is high on a", "mail: [CRITICAL] load is high on a"]


async def test_mails_of_a_group_are_one_thread(tmp_path: Path) -> None:
    """Of a rule to a receiver, from the first to the last; another rule is another thread."""
    async with mailing(tmp_path) as (it, clerk):
        await it.fire("a")
        await it.fire("a", rule="disk")
        await it.go(60)
        await it.resolve("a")
        await it.resolve("a", rule="disk")
        await it.go(600)
    threads: dict[str, set[str]] = {}
    for mail in clerk.mails:
        threads.setdefault(mail["Subject"].split()[1], set()).add(str(mail["References"]))
        assert mail["In-Reply-To"] == mail["References"]
    assert {rule: len(found) for rule, found in threads.items()} == {"load": 1, "disk": 1}
    assert threads["load"] != threads["disk"]
    assert all(thread.startswith("<") for found in threads.values() for thread in found)


async def test_a_restart_in_the_middle_of_a_ladder(tmp_path: Path) -> None:
    """The step comes at its time, and nothing comes twice."""
    async with mailing(tmp_path, routes=CLIMBING, escalations={"ladder": LADDER}) as (it, clerk):
        await it.fire("a")
        await it.go(14 * 60)
        it.restart()
        await it.state.outbox.reclaim(it.now)
        await it.touch()
        await it.go(600)
        await it.resolve("a")
        await it.go(600)
    assert clerk.log[:2] == ["10 mail: [CRITICAL] load is high on a", "910 boss: [CRITICAL] load is high on a"]
    assert sorted(clerk.since(2)) == [f"{name}: [RESOLVED] load is high on a" for name in ("boss", "mail")]


async def test_a_restart_in_the_middle_of_for(tmp_path: Path) -> None:
    """From samples to mails: what was watched before the stop counts, the stop does not, and nothing is told twice."""
    clerk = Clerk()
    with serving(clerk) as server:
        async with house(tmp_path, load_rule(hold_for=5 * MINUTE)) as samples:
            mail = Receiver("mail", EmailTarget(("mail@example.com",), server))
            senders = {ReceiverKind.EMAIL: EmailSender(CLOCK)}
            routes = (Route("all", EVERYTHING, "mail"),)
            it = Office(samples.state, {"mail": mail}, routes, start=samples.wall, senders=senders)
            clerk.office.append(it)

            async def go(minutes: int, value: float) -> None:
                for _ in range(4 * minutes):
                    await samples.go(timedelta(seconds=15), {"a": value})
                    it.seconds = (samples.wall - it.start).total_seconds()
                    await it.round()

            await go(4, 7)
            samples.restart()
            await samples.evaluator.restore()
            it.restart()
            await it.touch()
            samples.wall += timedelta(minutes=3)
            await go(4, 7)
            first = list(clerk.log)
            await go(8, 1)
    assert [line.split(" ", 1)[1] for line in first] == ["mail: [WARNING] load_high at 7.0"]
    # Four minutes before the stop, of which the window of a minute had to fill first, and what was left after it.
    assert 8 * 60 <= float(first[0].split()[0]) <= 9.5 * 60
    assert len(clerk.log) == 2
    assert clerk.log[1].endswith("mail: [RESOLVED] load_high at 7.0")


async def test_a_server_that_is_away_for_an_hour(tmp_path: Path) -> None:
    """It takes one mail when it is back, which says how things are then."""
    async with mailing(tmp_path) as (it, clerk):
        clerk.data = "451 the disk is full"
        await it.fire("a")
        await it.go(1_800, 10)
        await it.resolve("a")
        await it.fire("b")
        await it.go(1_800, 10)
        assert clerk.log == []
        clerk.data = "250 kept"
        await it.go(600, 10)
        assert clerk.since(0) == ["mail: [1 critical, 1 resolved] load is high on b (and 1 more)"]
        text = clerk.mail().get_body(("plain",))
        assert text is not None
        assert "resolved  load is high on a #1" in text.get_content()
        await it.resolve("b")
        await it.go(600)
        assert clerk.since(1) == ["mail: [RESOLVED] load is high on b"]


async def test_a_silence_that_ends_while_firing(tmp_path: Path) -> None:
    """What is open at its end is told then; what was over before is told to nobody."""
    async with mailing(tmp_path) as (it, clerk):
        it.silences = [(LabelMatch.of({"host": ["a", "b"]}), 600)]
        await it.fire("a", "b")
        await it.go(300)
        await it.resolve("b")
        await it.go(600)
        await it.resolve("a")
        await it.go(600)
    assert clerk.log == ["610 mail: [CRITICAL] load is high on a", "910 mail: [RESOLVED] load is high on a"]


async def test_a_parent_and_fifty_children(tmp_path: Path) -> None:
    """One mail of the parent; of the children those alone that are open when it is up again."""
    async with mailing(tmp_path) as (it, clerk):
        children = [f"child{number}" for number in range(50)]
        it.suppressed = {"probe_down": "service parent"}
        await it.fire("parent", rule="parent_down")
        await it.fire(*children, rule="probe_down")
        await it.go(300)
        await it.resolve("parent", rule="parent_down")
        await it.resolve(*children[2:], rule="probe_down")
        it.suppressed = {}
        await it.go(600)
        await it.resolve(*children[:2], rule="probe_down")
        await it.go(900)
    assert clerk.since(0) == [
        "mail: [CRITICAL] parent_down is high on parent",
        "mail: [RESOLVED] parent_down is high on parent",
        "mail: [2 critical] probe_down is high on child0 (and 1 more)",
        "mail: [2 resolved] probe_down is high on child0 (and 1 more)",
    ]


async def test_a_storm_of_ten_thousand(tmp_path: Path) -> None:
    """Ten mails, nine of the worst and one of all the others; and ten a minute of the ends, until all have ended."""
    routes = (Route("all", EVERYTHING, "mail", group_by=("host",)),)
    async with mailing(tmp_path, 10, routes=routes) as (it, clerk):
        warning, critical = [f"w{number}" for number in range(9_900)], [f"c{number}" for number in range(100)]
        await it.fire(*warning, severity=Severity.WARNING)
        await it.fire(*critical)
        await it.go(60)
        assert clerk.since(0) == [
            *(f"mail: [CRITICAL] load is high on c{number}" for number in range(9)),
            "mail: [91 critical, 9,900 warning] load is high on c9 (and 9,990 more)",
        ]
        await it.resolve(*warning, *critical)
        await it.go(600, 10)
        assert sum(ended(line) for line in clerk.since(10)) == 10_000
        assert len(clerk.log) <= 10 + 11 * 10


@pytest.mark.parametrize(("day", "ends"), [("2026-03-29", "01:30"), ("2026-10-25", "01:00")])
async def test_a_maintenance_window_across_a_change_of_the_clock(tmp_path: Path, day: str, ends: str) -> None:
    """02:30 in Berlin does not exist in March and comes twice in October; half an hour later it is told."""
    window = Window("sunday", EVERYTHING, 30 * MINUTE, ZoneInfo("Europe/Berlin"), Cron("30 2 * * SUN"))
    start, end = (datetime.fromisoformat(f"{day}T{clock}:00+00:00") for clock in ("00:00", ends))
    async with mailing(tmp_path, windows=[window], start=start) as (it, clerk):
        it.seconds = (end - start).total_seconds() - 29 * 60
        await it.fire("a")
        await it.go(28 * 60, 30)
        assert clerk.log == []
        await it.go(5 * 60, 5)
        assert clerk.since(0) == ["mail: [CRITICAL] load is high on a"]
        await it.resolve("a")
        await it.go(600)
        assert clerk.since(1) == ["mail: [RESOLVED] load is high on a"]
