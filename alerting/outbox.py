"""The outbox's words and doors: what is to be told to whom, each try of it, and what was answered. Pure.

A delivery is one message to one receiver; its items are what it tells of incidents. Deliveries to one receiver that
tell of the same incident go out in the order in which they were made. Instants are in ns by the wall clock.
`opswatch/state/outbox.py` implements the doors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from alerting.ledger import Incident
from alerting.receivers import Receiver
from alerting.rules import Severity
from telemetry.points import Tags

if TYPE_CHECKING:
    from alerting.outlook import Policy
    from alerting.retries import Verdict

MOST_KEPT_OF_AN_ANSWER = 500  # bytes


class Occasion(StrEnum):
    """Why an incident is told to a receiver."""

    OPENED = "opened"
    RAISED = "raised"
    FLAPPING = "flapping"
    RELEASED = "released"  # a silence, a maintenance, a dependency or quiet hours held it back until now
    ESCALATED = "escalated"
    REMINDER = "reminder"  # still open, nobody has acknowledged
    BACK = "back"  # a snooze is over
    RESOLVED = "resolved"


URGING = frozenset({Occasion.ESCALATED, Occasion.REMINDER, Occasion.BACK})  # to acknowledge: nothing else is new in it


class NoticeKind(StrEnum):
    """What a message is about."""

    ALERT = "alert"
    TEST = "test"
    OWN = "own"  # OpsWatch itself: a dead letter, a broken stage


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    WAITING = "waiting"
    SENDING = "sending"  # leased by the sender; when the lease is over it is tried again
    DELIVERED = "delivered"
    DEAD = "dead"  # refused, or tried until its deadline: a dead letter
    COMBINED = "combined"  # what it tells is part of a later one


class Outcome(StrEnum):
    """What became of one try for one recipient."""

    DELIVERED = "delivered"
    LATER = "later"  # it may work another time
    REFUSED = "refused"  # it will not


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver said to one try. `recipient`: an e-mail address, else empty.

    `code`: a status or SMTP code, or a word (`timeout`, `dns`, `refused`, `tls`, ...). `text`: the first 500 bytes of
    the answer, or what happened. `retry_after` in ns, where the receiver said so.
    """

    outcome: Outcome
    code: str
    text: str
    took_ms: float
    recipient: str = ""
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """One incident in a message, as it is when the message is sent. `page`: its URL, empty where none is known."""

    number: int
    occasion: Occasion
    severity: Severity
    is_open: bool
    flapping: bool
    rule: str
    service: str
    summary: str
    labels: Tags
    value: float | None
    unit: str
    opened: datetime
    resolved: datetime | None
    acknowledged_by: str = ""
    runbook: str = ""
    page: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """What a message says, whatever way it goes; `id` stays the same over every try.

    `items`: the worst first, `left_out` are more that it does not list; `firing`, `resolved` and `critical` count all.
    `thread`: the same for all messages of a group, so that mail programs keep them together. `note`: why it comes this
    way (a digest, a second route), or what a message of OpsWatch itself says. `acknowledge` and `snooze`: links that
    show a page which acts, or empty. `picture`: the trend of the first incident as PNG.
    """

    id: str
    kind: NoticeKind
    receiver: str
    created: datetime
    host: str
    items: tuple[Told, ...] = ()
    left_out: int = 0
    firing: int = 0
    resolved: int = 0
    critical: int = 0
    group: Tags = ()
    thread: str = ""
    note: str = ""
    page: str = ""
    acknowledge: str = ""
    snooze: str = ""
    picture: bytes | None = None
    attempt: int = 1


class Sender(Protocol):
    """One way of telling."""

    async def send(self, receiver: Receiver, notice: Notice, recipients: Sequence[str]) -> Sequence[Answer]:
        """Send it; an answer for each of the recipients (of e-mail; else one).

        Never raises but CancelledError, and always ends within the target's timeout and a little.
        """
        ...


class TrendPicture(Protocol):
    """Draws what an incident is about."""

    async def draw(self, incident: int) -> bytes | None:
        """Its values, thresholds and breach as PNG; None when there is nothing to draw."""
        ...


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that is to be sent now, and nobody else sends it meanwhile.

    `items`: the worst incidents of it, with what is told of each last; `left_out` more; `served`: recipients who have
    it, or refused it for good, on an earlier try; `answers` what those said. `note` says why it comes this way.
    `only`: the one address that it is for; `without`: addresses that get it later, for an older one waits for them.
    """

    number: int
    identifier: str
    kind: NoticeKind
    receiver: str
    route: str
    group: Tags
    created: int
    deadline: int
    attempt: int
    note: str
    items: tuple[tuple[Incident, Occasion], ...]
    left_out: int
    firing: int
    resolved: int
    critical: int
    answers: tuple[Answer, ...] = ()
    is_second_route: bool = False
    only: str = ""
    without: tuple[str, ...] = ()


class TellingDesk(Protocol):
    """Decides who is told."""

    async def touch(self, now: int) -> None:
        """Every open incident is to be looked at again. Raises StoreUnavailable."""
        ...

    async def plan(self, policy: Policy, now: int) -> int:
        """Look at some hundred incidents that are due; how many it were. Raises StoreUnavailable."""
        ...

    async def batch(self, policy: Policy, now: int) -> int:
        """Make messages of what has waited long enough; how many. Raises StoreUnavailable."""
        ...


class Outbox(Protocol):
    """Deliveries on their way. Every call raises StoreUnavailable when the ledger cannot be used."""

    async def claim(self, receiver: str, now: int, lease: int) -> Claimed | None:
        """The next delivery to a receiver, for `lease` (ns) nobody else's; None when there is none to send now."""
        ...

    async def settle(self, claimed: Claimed, answers: Sequence[Answer], verdict: Verdict, now: int) -> None:
        """Keep what was answered and what follows; a dead letter goes to its verdict's `second` receiver as well."""
        ...

    async def reclaim(self, now: int) -> int:
        """What was being sent when the process ended is to be sent again; how many."""
        ...
