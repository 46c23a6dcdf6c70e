"""Which incidents go to whom, together with which others, and who is next when nobody acknowledges. Pure.

How they are written is docs/notifications.md; durations are in ns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alerting.label_match import LabelMatch
from alerting.receivers import HOUR, MINUTE
from alerting.rules import Severity
from telemetry.points import Tags
from telemetry.times import NANOSECONDS_PER_SECOND

GROUP_WAIT = 10 * NANOSECONDS_PER_SECOND
GROUP_INTERVAL = 5 * MINUTE
REPEAT = ((Severity.WARNING, 24 * HOUR), (Severity.CRITICAL, 4 * HOUR))


@dataclass(frozen=True, slots=True)
class Step:
    """So long after the ladder began, and if nobody has acknowledged, this receiver or rotation is told."""

    after: int
    receiver: str


@dataclass(frozen=True, slots=True)
class Escalation:
    """A ladder: its steps in the order of their times."""

    name: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """Incidents that `match` go to `receiver` (a receiver or a rotation; empty: nobody, and that is meant).

    They are told together with others of the route whose labels in `group_by` are the same: the first after
    `group_wait`, later ones `group_interval` after the message before. `repeat`: how often an open incident that nobody
    has acknowledged is told again, by severity; 0 never. `goes_on`: whether later routes are looked at too.
    """

    name: str
    match: LabelMatch
    receiver: str
    escalation: str = ""
    goes_on: bool = False
    group_by: tuple[str, ...] = ("rule",)
    group_wait: int = GROUP_WAIT
    group_interval: int = GROUP_INTERVAL
    repeat: tuple[tuple[Severity, int], ...] = REPEAT

    def repeat_for(self, severity: Severity) -> int:
        """How long until it is told again, in ns; 0: never."""
        return dict(self.repeat).get(severity, 0)

    def group_of(self, labels: Mapping[str, str]) -> Tags:
        """The labels that an incident shares with those told together with it."""
        return tuple((name, labels.get(name, "")) for name in sorted(self.group_by))


def routes_of(routes: Sequence[Route], labels: Mapping[str, str]) -> list[Route]:
    """The routes that an incident takes: the first that means it, and later ones for as long as each goes on."""
    found = []
    for route in routes:
        if route.match.holds(labels):
            found.append(route)
            if not route.goes_on:
                break
    return found
