"""The ledger's words and doors: what is recorded of alerts, incidents and people's actions. Pure.

One transaction holds a transition with all that follows from it: the alert's state, the incident, the decision, and
the notification that is to be sent. `opswatch/state/ledger.py` implements the doors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from alerting.machine import Alert, Status, Transition
from alerting.rules import Severity
from telemetry.points import Point, Tags


@dataclass(frozen=True, slots=True)
class IncidentFacts:
    """What an incident says of itself, as of its rule when it opened or rose: `service` is empty without one."""

    summary: str
    service: str
    labels: Tags
    runbook: str


@dataclass(frozen=True, slots=True)
class AlertChange:
    """An alert as it is now, with the transition that made it so, if there was one that people would want to know.

    `suppressed_by`: what it depends on and that is in trouble, in words. `resolution`: why its incident ends, if not
    because its values are clear again.
    """

    alert: Alert
    transition: Transition | None
    rule_version: str
    facts: IncidentFacts
    suppressed_by: str = ""
    resolution: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one evaluation changed; `forgotten` are keys of alerts that are gone for good. `time` (ns) by the wall."""

    time: int
    changes: Sequence[AlertChange]
    forgotten: Sequence[str] = ()


class Ledger(Protocol):
    """What the evaluator remembers."""

    async def alerts(self) -> tuple[Alert, ...]:
        """Every alert that is remembered. Raises StoreUnavailable."""
        ...

    async def commit(self, batch: Batch) -> Mapping[str, int]:
        """Keep it, each change with all that follows from it or not at all; the numbers of the open incidents of its
        alerts, by key. Raises StoreUnavailable."""
        ...


class TransitionFeed(Protocol):
    """Transitions that are still to be written as points of `alert`."""

    async def unwritten(self, limit: int) -> Sequence[tuple[int, Point]]:
        """The oldest of them with their numbers. Raises StoreUnavailable."""
        ...

    async def mark_written(self, numbers: Sequence[int]) -> None:
        """These need not be written again. Raises StoreUnavailable."""
        ...


@dataclass(frozen=True, slots=True)
class Incident:
    """One firing-to-resolved span of one alert. `severity` is that of now, or the last; `worst` the worst it had."""

    id: int
    alert: str
    rule: str
    rule_version: str
    tags: Tags
    severity: Severity
    worst: Severity
    status: Status
    flapping: bool
    opened: datetime
    resolved: datetime | None
    resolution: str
    value: float | None
    facts: IncidentFacts
    acknowledged: datetime | None = None
    acknowledged_by: str = ""
    snoozed_until: datetime | None = None
    assigned_to: str = ""

    @property
    def is_open(self) -> bool:
        return self.resolved is None


class EntryKind(StrEnum):
    """What a line of an incident's timeline is about."""

    TRANSITION = "transition"
    DECISION = "decision"
    ACTION = "action"


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One line: a transition (`what` its `Kind`), a decision (its `Cause`), or a person's action (its `Action`).

    `tell`: of a decision, whether somebody is to be told.
    """

    time: datetime
    kind: EntryKind
    what: str
    words: str
    author: str = ""
    value: float | None = None
    severity: Severity | None = None
    status: Status | None = None
    tell: bool = False


class Action(StrEnum):
    """What people do with an incident."""

    ACKNOWLEDGE = "ack"
    SNOOZE = "snooze"
    NOTE = "note"
    ASSIGN = "assign"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class PersonAction:
    """`until` for a snooze; `assignee` for an assignment; `comment` may be empty but for a note."""

    action: Action
    author: str
    comment: str = ""
    until: datetime | None = None
    assignee: str = ""


@dataclass(frozen=True, slots=True)
class IncidentQuery:
    """Newest first. `status` is `open`, `resolved` or empty for both; the others narrow it where they are given.

    `before` is the number that the page before ended with; incidents that were open at any time of [start, stop).
    """

    limit: int = 100
    status: str = ""
    severity: Severity | None = None
    rule: str = ""
    service: str = ""
    start: datetime | None = None
    stop: datetime | None = None
    before: int | None = None


@dataclass(frozen=True, slots=True)
class IncidentPage:
    """`next_before` asks for the next page; None when there is none. `count` of all that were asked for."""

    incidents: tuple[Incident, ...]
    count: int
    next_before: int | None


class IncidentBook(Protocol):
    """Incidents, for people. Every call raises StoreUnavailable when the ledger cannot be used."""

    async def list(self, query: IncidentQuery) -> IncidentPage:
        """Those asked for, newest first."""
        ...

    async def show(self, number: int) -> tuple[Incident, tuple[TimelineEntry, ...]]:
        """One, with everything that happened, oldest first. Raises NotFound."""
        ...

    async def act(self, number: int, action: PersonAction, now: datetime) -> Incident:
        """Do it, and keep who did it. Raises NotFound, Conflict when it is resolved, InvalidRequest."""
        ...


@dataclass(frozen=True, slots=True)
class OpenAlert:
    """An alert that is not inactive, for people; its incident where there is one."""

    alert: Alert
    facts: IncidentFacts
    incident: Incident | None


@dataclass(frozen=True, slots=True)
class FiringCounts:
    """How many incidents are open, by severity, and how many of all nobody has acknowledged."""

    critical: int = 0
    warning: int = 0
    unacknowledged: int = 0
