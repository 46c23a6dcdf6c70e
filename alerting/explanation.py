"""Why somebody was, or nobody was, told of an incident, for any minute of it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from alerting.ledger import Incident
from alerting.outbox import DeliveryState, Outcome


@dataclass(frozen=True, slots=True)
class ReasonLine:
    """What one look at an incident decided: `receiver` is empty where it holds for everybody."""

    time: datetime
    receiver: str
    why: str
    tell: bool
    words: str


@dataclass(frozen=True, slots=True)
class AttemptLine:
    """One try for one recipient, and what was answered."""

    time: datetime
    number: int
    recipient: str
    outcome: Outcome
    code: str
    text: str
    took_ms: float


@dataclass(frozen=True, slots=True)
class DeliveryLine:
    """A message: `occasions` are what it tells of the incident that was asked for; `due` the next try, while it waits.

    `incidents`: of how many it tells. `only`: the one address that it is for, while the others of the receiver have it.
    """

    identifier: str
    kind: str
    receiver: str
    route: str
    state: DeliveryState
    created: datetime
    finished: datetime | None
    due: datetime | None
    deadline: datetime
    attempts: int
    note: str
    incidents: tuple[int, ...]
    count: int
    occasions: tuple[str, ...] = ()
    tries: tuple[AttemptLine, ...] = ()
    only: str = ""

    @property
    def whom(self) -> str:
        """The receiver, or the one of its addresses that this is for."""
        return f"{self.only} of {self.receiver}" if self.only else self.receiver

    def as_of(self, at: datetime) -> DeliveryLine:
        """As it stood at that moment, which is not before it was made: nothing that was tried or decided later."""
        tries = tuple(line for line in self.tries if line.time <= at)
        is_finished = self.finished is not None and self.finished <= at
        if is_finished or (self.finished is None and len(tries) == len(self.tries)):
            return replace(self, tries=tries)
        attempts, note = max((line.number for line in tries), default=0), self.note if self.only else ""
        # When its next try was due in that minute is not on record: a try moves it on.
        waiting = DeliveryState.WAITING
        return replace(self, state=waiting, finished=None, due=None, attempts=attempts, note=note, tries=tries)


@dataclass(frozen=True, slots=True)
class Explanation:
    """`words`: sentences about that minute; the lines are all that was decided and sent up to it."""

    incident: Incident
    at: datetime
    words: tuple[str, ...]
    reasons: tuple[ReasonLine, ...]
    deliveries: tuple[DeliveryLine, ...]


class Explainer(Protocol):
    """Answers why. All raise StoreUnavailable."""

    async def explain(self, number: int, at: datetime) -> Explanation:
        """As of a moment. Raises NotFound."""
        ...

    async def deliveries(self, limit: int, receiver: str, state: str, before: str | None) -> Sequence[DeliveryLine]:
        """The newest messages first, of a receiver, in a state, older than one, where given. Raises InvalidRequest."""
        ...

    async def delivery(self, identifier: str) -> DeliveryLine:
        """One message. Raises NotFound."""
        ...


def sentences(
    incident: Incident, reasons: Sequence[ReasonLine], deliveries: Sequence[DeliveryLine], at: datetime
) -> tuple[str, ...]:
    """Who had been told at that moment, and what held back the others; lines as they were, none later than `at`, whose
    zone is that of the times in the sentences."""
    if at < incident.opened:
        return (f"Nobody was told: incident {incident.id} began at {_clock(incident.opened, at)}.",)
    found = [*_told(deliveries, at), *_held(reasons, deliveries, at)]
    return tuple(found) or ("Nobody was told yet: it had not been looked at.",)


def _told(deliveries: Sequence[DeliveryLine], at: datetime) -> Iterator[str]:
    newest: dict[str, DeliveryLine] = {}
    for one in deliveries:
        if one.state is not DeliveryState.COMBINED:
            newest[one.whom] = one
    for name, one in sorted(newest.items()):
        tries = [line for line in one.tries if line.time <= at]
        what = " and ".join(dict.fromkeys(one.occasions))
        last = f" ({_answer(tries[-1])})" if tries else ""
        if any(line.outcome is Outcome.DELIVERED for line in tries):
            refused = [line.recipient for line in tries if line.outcome is Outcome.REFUSED and line.recipient]
            rest = f", but not {', '.join(dict.fromkeys(refused))}" if refused else ""
            yield f"{name} was told “{what}” at {_clock(tries[-1].time, at)}{last}{rest}."
        elif one.state is DeliveryState.DEAD and (one.finished is None or one.finished <= at):
            since = _clock(one.finished or at, at)
            yield f"{name} was not told “{what}”: a dead letter since {since}{last or one.note}."
        elif tries:
            yield f"{name} had not been told “{what}” yet: {_times(len(tries))} since {_clock(one.created, at)}{last}."
        else:
            yield f"{name} was about to be told “{what}”: in the outbox since {_clock(one.created, at)}."


def _held(reasons: Sequence[ReasonLine], deliveries: Sequence[DeliveryLine], at: datetime) -> Iterator[str]:
    """What held back: of everybody the last word, and of each receiver."""
    last: dict[str, ReasonLine] = {}
    for line in reasons:
        last[line.receiver] = line
        if line.tell:
            last.pop("", None)
    sent = {one.receiver for one in deliveries}
    for name, line in sorted(last.items()):
        if line.tell:
            if name not in sent:
                yield f"{name} was to be told, with others of its group, since {_clock(line.time, at)}: {line.words}."
        elif name:
            yield f"{name} was told nothing new since {_clock(line.time, at)}: {line.words}."
        else:
            nobody = "Nobody was told" if not sent else "Nobody was told anything new"
            yield f"{nobody} since {_clock(line.time, at)}: {line.words}."


def _times(tries: int) -> str:
    return "one try" if tries == 1 else f"{tries} tries"


def _answer(line: AttemptLine) -> str:
    text = " ".join(line.text.split())[:80]
    return f"{line.code} {text}".strip()


def _clock(moment: datetime, at: datetime) -> str:
    """As the clock of the reader shows it, which `at` carries."""
    return f"{moment.astimezone(at.tzinfo):%Y-%m-%d %H:%M:%S %Z}"
