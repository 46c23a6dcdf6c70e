"""Telling people on a real state.sqlite by real webhooks: a server notes what arrives. The clock is set by tests."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web
from pydantic import SecretStr

from alerting.delivery import Deliverer, Post
from alerting.label_match import LabelMatch
from alerting.ledger import Action, AlertChange, Batch, IncidentFacts, PersonAction
from alerting.machine import Alert, Kind, Status, Transition
from alerting.muting import muting_of
from alerting.notifiers.webhook import WebhookSender
from alerting.outbox import Answer, Notice, NoticeKind, Occasion, Outcome, Sender, Told
from alerting.outlook import Muting, Policy, Why
from alerting.receivers import Budget, QuietHours, Receiver, ReceiverKind, WebhookTarget
from alerting.routes import Escalation, Route
from alerting.rules import Severity
from alerting.windows import Window
from opswatch.notices import NoticeWriter
from opswatch.state import State
from telemetry.clock import Clock
from telemetry.points import Tags
from telemetry.times import from_datetime
from tests.alerting.notifiers.test_webhook import serving
from tests.untold import UNTOLD_ENDS, rows

SECOND = 1_000_000_000
START = datetime(2026, 11, 26, 12, tzinfo=UTC)
EVERYTHING = LabelMatch()


def receiver(name: str, **changes: object) -> Receiver:
    """A receiver with a budget that no test but the one of budgets comes to."""
    made = Receiver(name, WebhookTarget(SecretStr("http://127.0.0.1:1/")), budget=Budget(1_000))
    return replace(made, **changes)  # type: ignore[arg-type]


@dataclass
class Mailbox:
    """A sender that notes what it sends, with what tests want answered; `on_send` may do anything else."""

    office: "Office"
    sent: list[Notice] = field(default_factory=list)
    answer: Callable[[Receiver, Notice], Answer] = lambda _receiver, _notice: Answer(Outcome.DELIVERED, "200", "", 1.0)

    async def send(self, receiver: Receiver, notice: Notice, recipients: Sequence[str]) -> Sequence[Answer]:
        return [self.take(receiver, notice)]

    async def receive(self, request: web.Request) -> web.StreamResponse:
        """The server's side of a webhook: the last part of the path names the receiver.

        Who does not know what became of it ("timeout") hears nothing: the connection ends.
        """
        receiver = self.office.receivers[request.path.rpartition("/")[2]]
        found = self.take(receiver, arrived(await request.json()))
        if not found.code.isdigit():
            assert request.transport is not None
            request.transport.abort()
        wait = {} if found.retry_after is None else {"Retry-After": str(found.retry_after // SECOND)}
        return web.Response(status=int(found.code) if found.code.isdigit() else 500, text=found.text, headers=wait)

    def take(self, receiver: Receiver, notice: Notice) -> Answer:
        """What is answered; what is taken is noted."""
        found = self.answer(receiver, notice)
        if found.outcome is Outcome.DELIVERED:
            self.sent.append(notice)
            for told in notice.items:
                line = f"{self.office.seconds:g} {receiver.name}: {told.rule}{_of(told.labels)} {told.occasion}"
                self.office.log.append(line if told.is_open else f"{line}, over")
        return found


def arrived(body: dict[str, Any]) -> Notice:
    """A message as the body of a webhook tells it (docs/webhook-body.md)."""
    counts, created = body["counts"], datetime.fromisoformat(body["created"])
    items = tuple(
        Told(
            one["id"],
            Occasion(one["occasion"]),
            Severity[one["severity"].upper()],
            one["status"] == "firing",
            one["flapping"],
            one["rule"],
            one["service"],
            one["summary"],
            tuple(one["labels"].items()),
            one["value"],
            one["unit"],
            datetime.fromisoformat(one["opened"]),
            None if one["resolved"] is None else datetime.fromisoformat(one["resolved"]),
        )
        for one in body["incidents"]
    )
    return Notice(
        body["id"],
        NoticeKind(body["kind"]),
        body["receiver"],
        created,
        body["host"],
        items,
        counts["left_out"],
        counts["firing"],
        counts["resolved"],
        counts["critical"],
        note=body["note"],
        attempt=body["attempt"],
    )


def _of(labels: Tags) -> str:
    named = dict(labels).get("host", "")
    return f" {named}" if named else ""


@dataclass
class Office:
    """`log` lines are `SECONDS RECEIVER: RULE HOST OCCASION`, with `, over` where the incident is over."""

    state: State
    receivers: dict[str, Receiver]
    routes: tuple[Route, ...]
    escalations: dict[str, Escalation] = field(default_factory=dict)
    duty: dict[str, str] = field(default_factory=dict)
    silences: list[tuple[LabelMatch, float]] = field(default_factory=list)  # until so many seconds
    windows: list[Window] = field(default_factory=list)
    suppressed: dict[str, str] = field(default_factory=dict)  # by rule
    start: datetime = START
    quiet_until: float | None = None
    seconds: float = 0.0
    log: list[str] = field(default_factory=list)
    senders: Mapping[ReceiverKind, Sender] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.mailbox = Mailbox(self)
        self.restart()

    def restart(self) -> None:
        """Another deliverer, as after a start."""
        senders = {**dict.fromkeys(ReceiverKind, self.mailbox), **self.senders}
        write = NoticeWriter("h1", "", lambda _: "1", None, None, ZoneInfo("UTC"))
        self.deliverer = Deliverer(Post(self.state.outbox, senders, write, self.clock, lambda: 0.999), self.receivers)

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.start + timedelta(seconds=self.seconds), lambda: self.seconds)

    @property
    def now(self) -> int:
        return from_datetime(self.start) + int(self.seconds * SECOND)

    def policy(self) -> Policy:
        return Policy(
            self.routes,
            self.escalations,
            self.receivers,
            lambda name: self.duty.get(name, name) if self.duty.get(name, name) in self.receivers else None,
            self._muting,
            self._quiet,
            lambda rule, _: self.suppressed.get(rule, ""),
        )

    def _muting(self, labels: Mapping[str, str]) -> Muting | None:
        for match, until in self.silences:
            if self.seconds < until and match.holds(labels):
                return Muting(Why.SILENCE, f"silenced: {match}", from_datetime(START) + int(until * SECOND))
        return muting_of((), self.windows, self.start + timedelta(seconds=self.seconds))(labels)

    def _quiet(self, quiet: QuietHours, severity: Severity) -> int | None:
        if self.quiet_until is None or self.seconds >= self.quiet_until or severity not in quiet.severities:
            return None
        return from_datetime(START) + int(self.quiet_until * SECOND)

    async def change(self, kind: Kind, severity: Severity | None, *hosts: str, rule: str = "load") -> None:
        """What the evaluator would commit of alerts on these hosts."""
        await commit(self.state, self.now, (kind, severity), *hosts, rule=rule)

    async def fire(self, *hosts: str, severity: Severity = Severity.CRITICAL, rule: str = "load") -> None:
        await self.change(Kind.OPENED, severity, *hosts, rule=rule)

    async def resolve(self, *hosts: str, rule: str = "load") -> None:
        await self.change(Kind.RESOLVED, None, *hosts, rule=rule)

    async def act(self, number: int, action: Action, *, minutes: float = 0) -> None:
        until = START + timedelta(seconds=self.seconds + minutes * 60) if minutes else None
        now = START + timedelta(seconds=self.seconds)
        await self.state.incidents.act(number, PersonAction(action, "anna", "a comment", until), now)

    async def touch(self) -> None:
        await self.state.telling.touch(self.now)

    async def round(self) -> None:
        """What the job does each second."""
        while await self.state.telling.plan(self.policy(), self.now):
            pass
        await self.state.telling.batch(self.policy(), self.now)
        await self.deliverer.deliver_due(await self.state.outbox.waiting(self.now))
        await self.deliverer.idle()

    async def go(self, seconds: float, step: float = 5) -> list[str]:
        """Let time pass; what was delivered meanwhile."""
        before = len(self.log)
        await self.round()
        end = self.seconds + seconds
        while self.seconds < end:
            self.seconds = min(end, self.seconds + step)
            await self.round()
        return self.log[before:]


async def commit(state: State, now: int, what: tuple[Kind, Severity | None], *hosts: str, rule: str = "load") -> None:
    """What the evaluator would commit of alerts on these hosts at `now` (ns)."""
    kind, severity = what
    remembered = {alert.key: alert for alert in await state.ledger.alerts()}
    changes = []
    for host in hosts or ("",):
        tags: Tags = (("host", host),) if host else ()
        before = Alert(rule, tags)
        before = remembered.get(before.key, before)
        status = Status.INACTIVE if severity is None else Status.FIRING
        flapping = kind is Kind.FLAPPING or (before.flapping and severity is not None)
        after = replace(before, status=status, severity=severity, since=now, flapping=flapping)
        made = Transition(now, kind, before.status, status, before.severity, severity, 7.0)
        changes.append(
            AlertChange(after, made, "1", IncidentFacts(f"{rule} is high{f' on {host}' if host else ''}", "", tags, ""))
        )
    await state.ledger.commit(Batch(now, changes))


async def fire(state: State, clock: Clock, *hosts: str, over: bool = False) -> None:
    """Critical incidents begin on these hosts, or are over."""
    what = (Kind.RESOLVED, None) if over else (Kind.OPENED, Severity.CRITICAL)
    await commit(state, from_datetime(clock.now()), what, *hosts)


ANSWERED = Answer(Outcome.DELIVERED, "200", "", 1.0)


def refusing(*names: str, later: bool = True, code: str = "500") -> Callable[[Receiver, Notice], Answer]:
    """Answers for these receivers with an error, for others with success."""
    refused = Answer(Outcome.LATER if later else Outcome.REFUSED, code, "no", 1.0)
    return lambda receiver, _: refused if receiver.name in names else ANSWERED


def plain(lines: Sequence[str]) -> list[str]:
    """Lines of the log without their times."""
    return [line.split(" ", 1)[1] for line in lines]


@asynccontextmanager
async def office(folder: Path, *receivers: Receiver, **facts: object) -> AsyncIterator[Office]:
    """With these receivers, and one route to all of them unless others are given.

    Webhooks go to a server of the test's, whatever their URL.
    """
    named = {one.name: one for one in receivers}
    routes = tuple(Route(f"to {name}", EVERYTHING, name, goes_on=True) for name in named)
    async with State.opened(folder / "state.sqlite") as state:
        it = Office(state, named, **{"routes": routes, **facts})  # type: ignore[arg-type]
        async with serving(it.mailbox.receive) as url:
            for name, one in named.items():
                if isinstance(one.target, WebhookTarget):
                    named[name] = replace(one, target=replace(one.target, url=SecretStr(f"{url}/{name}")))
            it.senders = {ReceiverKind.WEBHOOK: WebhookSender(it.clock), **it.senders}
            it.restart()
            yield it
    assert rows(folder / "state.sqlite", UNTOLD_ENDS) == []
