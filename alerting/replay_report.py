"""What a rule would have done over a stretch of history, for people. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from alerting.ledger import AlertChange
from alerting.machine import Kind
from alerting.rules import Severity
from telemetry.points import Tags
from telemetry.times import to_datetime


@dataclass(frozen=True, slots=True)
class ReplayedIncident:
    """`resolved` is None for one that was open at the end."""

    tags: Tags
    opened: datetime
    resolved: datetime | None
    worst: Severity


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What a version of a rule would have done in [start, stop). `notes` are for people."""

    rule: str
    version: str
    start: datetime
    stop: datetime
    instants: int
    incidents: tuple[ReplayedIncident, ...]
    notes: tuple[str, ...]

    @property
    def firing(self) -> timedelta:
        """How long its incidents were open, all together."""
        return sum((self._length(one) for one in self.incidents), timedelta())

    @property
    def longest(self) -> timedelta:
        """The longest of them."""
        return max((self._length(one) for one in self.incidents), default=timedelta())

    def _length(self, incident: ReplayedIncident) -> timedelta:
        return (incident.resolved or self.stop) - incident.opened


def incidents_of(changes: Sequence[AlertChange]) -> tuple[ReplayedIncident, ...]:
    """The incidents that transitions make, by when they opened."""
    found: list[ReplayedIncident] = []
    open_now: dict[str, int] = {}
    for change in changes:
        made, key = change.transition, change.alert.key
        if made is None:
            continue
        if made.kind is Kind.OPENED and made.severity_after is not None:
            open_now[key] = len(found)
            found.append(ReplayedIncident(change.alert.tags, to_datetime(made.time), None, made.severity_after))
        elif key in open_now and made.kind is Kind.RAISED and made.severity_after is not None:
            found[open_now[key]] = replace(found[open_now[key]], worst=made.severity_after)
        elif key in open_now and made.kind is Kind.RESOLVED:
            place = open_now.pop(key)
            found[place] = replace(found[place], resolved=to_datetime(made.time))
    return tuple(sorted(found, key=lambda one: one.opened))
