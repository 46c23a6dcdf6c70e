"""The words of telling: an incident as far as telling goes, what its receivers know, and what follows. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from alerting.outbox import Occasion
from alerting.receivers import QuietHours, Receiver
from alerting.routes import Escalation, Route
from alerting.rules import Severity
from telemetry.points import Tags


class Why(StrEnum):
    """Why somebody is, or is not, told; what is recorded of each look that changed something."""

    ROUTE = "route"
    ESCALATION = "escalation"
    REPEAT = "repeat"
    OVER = "over"
    DEPENDENCY = "dependency"
    SILENCE = "silence"
    MAINTENANCE = "maintenance"
    SNOOZE = "snooze"
    ACKNOWLEDGED = "acknowledged"
    NO_ROUTE = "no_route"
    NOBODY = "nobody"  # a route that is meant to reach nobody
    QUIET = "quiet"
    WITHDRAWN = "withdrawn"
    UNKNOWN_RECEIVER = "unknown_receiver"


@dataclass(frozen=True, slots=True)
class Subject:
    """An incident as far as telling goes. Instants in ns by the wall clock.

    `labels`: its tags and labels, and `rule`, `service`, `severity`. `risen`: when it last became worse (or opened).
    `held`: what held it back when it was looked at last, as `Outlook.held`. `suppressed_by`: what it depends on and is
    in trouble itself, in words.
    """

    number: int
    labels: Mapping[str, str]
    severity: Severity
    flapping: bool
    risen: int
    resolved: bool = False
    acknowledged: int | None = None
    acknowledged_by: str = ""
    snoozed_until: int | None = None
    held: str = ""
    suppressed_by: str = ""

    @property
    def is_answered(self) -> bool:
        """Whether somebody has acknowledged it as bad as it is now."""
        return self.acknowledged is not None and self.acknowledged >= self.risen


@dataclass(frozen=True, slots=True)
class Known:
    """What a receiver has been told of an incident: the worst severity, whether flapping, the last time (ns).

    `first_unsent`: nothing of it has left the house yet, so that it can be taken back. `over`: that it ended, too.
    """

    receiver: str
    route: str
    group: Tags
    severity: Severity
    flapping: bool
    last: int
    first_unsent: bool = False
    over: bool = False


@dataclass(frozen=True, slots=True)
class Ladder:
    """How far the escalation of a route has come for an incident: `done` steps since `began` (ns)."""

    route: str
    began: int
    done: int = 0


@dataclass(frozen=True, slots=True)
class Telling:
    """One incident is to be told to a receiver; it goes out with others of the same receiver, route and group."""

    receiver: str
    route: str
    group: Tags
    occasion: Occasion
    severity: Severity


@dataclass(frozen=True, slots=True)
class Reason:
    """Why somebody (`receiver`; empty: anybody) is told or not, in words for people."""

    why: Why
    words: str
    tell: bool = False
    receiver: str = ""


@dataclass(frozen=True, slots=True)
class Muting:
    """A silence or a maintenance window that mutes an incident until `until` (ns), in words for people."""

    why: Why
    words: str
    until: int


@dataclass(frozen=True, slots=True)
class Policy:
    """How people are told, at this moment.

    `on_duty`: the receiver behind a name, by rotations too; None where there is none. `muting`: what mutes an incident
    with these labels now. `quiet_until`: when the quiet hours end that hold a severity back now (ns), or None.
    `suppressed`: what an alert of this rule on these tags depends on and is in trouble itself, in words.
    """

    routes: Sequence[Route]
    escalations: Mapping[str, Escalation]
    receivers: Mapping[str, Receiver]
    on_duty: Callable[[str], str | None]
    muting: Callable[[Mapping[str, str]], Muting | None]
    quiet_until: Callable[[QuietHours, Severity], int | None]
    suppressed: Callable[[str, Tags], str] = lambda _rule, _tags: ""

    def receiver(self, name: str) -> Receiver | None:
        """The receiver behind the name of one, or of a rotation."""
        found = self.on_duty(name)
        return None if found is None else self.receivers.get(found)


@dataclass(slots=True)
class Outlook:
    """What follows from a look. `due`: when to look again (ns), None: when something changes.

    `held`: what holds it back as a whole, for the next look. `known` are entries that are new or changed, `withdrawn`
    receivers whose telling has not left the house and must not.
    """

    tellings: list[Telling] = field(default_factory=list)
    reasons: list[Reason] = field(default_factory=list)
    known: dict[str, Known] = field(default_factory=dict)
    ladders: dict[str, Ladder] = field(default_factory=dict)
    withdrawn: list[str] = field(default_factory=list)
    is_answered: bool = False
    held: str = ""
    due: int | None = None

    def look_at(self, instant: int) -> None:
        """Look again then at the latest."""
        self.due = instant if self.due is None else min(self.due, instant)


def labels_of(rule: str, service: str, severity: Severity, labels: Tags) -> dict[str, str]:
    """The labels that routes, silences and windows look at."""
    own = {"rule": rule, "severity": severity.word}
    return {**dict(labels), **own, **({"service": service} if service else {})}
