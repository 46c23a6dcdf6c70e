"""The state machine of one alert: from a reading to its next state, and the transition if it changed. Pure.

`step` is the same for live evaluation, for tests of rules and for replay over history.

Each severity has a track of its own, a trigger with a dead band and two delays::

    out ──breached──► pending ──for── ► on ──cleared──► leaving ──keep_firing_for──► out
             ▲            │ not breached  ▲                │ not cleared
             └────────────┘               └────────────────┘

The alert fires with the worst severity whose track is on or leaving. A missing value leaves the tracks as they are:
missing knowledge neither fires nor resolves. Delays count time that was watched: between two readings at most two
intervals, so that neither a stop, a gap nor a clock that was set makes an alert fire or resolve. A breach that was
pending when nothing was known for longer than `for` (at least two intervals) begins anew.

Flapping lies above the tracks: an alert that opened and closed more often than its rule allows stays open until it
has calmed down to half of that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, IntEnum, StrEnum
from math import isfinite

from alerting.rules import NoData, Rule, Severity, Threshold, alert_key
from telemetry.points import Tags


class Status(StrEnum):
    """Of an alert (design.md, "Vocabulary")."""

    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"
    RECOVERING = "recovering"
    UNKNOWN = "unknown"


class Phase(IntEnum):
    """Of one severity of an alert."""

    OUT = 0
    PENDING = 1
    ON = 2
    LEAVING = 3


@dataclass(frozen=True, slots=True)
class Track:
    """`held`: ns of watched time that it has been pending or leaving."""

    phase: Phase = Phase.OUT
    held: int = 0

    @property
    def is_open(self) -> bool:
        """Whether it counts for the alert's severity."""
        return self.phase in {Phase.ON, Phase.LEAVING}


class Knowledge(Enum):
    """What a reading says."""

    VALUE = "value"
    NOTHING = "nothing"  # it is known that there is nothing to judge: no traffic, no growth
    MISSING = "missing"  # it is not known


@dataclass(frozen=True, slots=True)
class Reading:
    """What the rule's expression came to for one tag set; `reason` says why where there is no value."""

    knowledge: Knowledge
    value: float | None = None
    reason: str = ""

    @classmethod
    def of(cls, value: float) -> Reading:
        """A value; what is no finite number says nothing, and could be shown nowhere."""
        return cls(Knowledge.VALUE, value) if isfinite(value) else cls.missing("it comes to no finite number")

    @classmethod
    def missing(cls, reason: str) -> Reading:
        """Nothing is known, for this reason."""
        return cls(Knowledge.MISSING, None, reason)

    @classmethod
    def nothing(cls, reason: str) -> Reading:
        """There is nothing to judge, for this reason."""
        return cls(Knowledge.NOTHING, None, reason)


@dataclass(frozen=True, slots=True)
class Alert:
    """One rule on one tag set. Instants in ns; `known` is the newest one with a reading that was not missing.

    `severity` is None unless it is open: firing, recovering, or unknown while an incident is. `warning` and `critical`
    are the tracks. `flips` are the instants within the rule's flapping window at which the tracks opened or closed.
    `incident` is the number of the open incident, None before the ledger has given one.
    """

    rule: str
    tags: Tags
    status: Status = Status.INACTIVE
    severity: Severity | None = None
    since: int = 0
    known: int | None = None
    value: float | None = None
    reason: str = ""
    warning: Track = Track()
    critical: Track = Track()
    flips: tuple[int, ...] = ()
    flapping: bool = False
    incident: int | None = None

    @property
    def key(self) -> str:
        """Its identity: `alerting.rules.alert_key`."""
        return alert_key(self.rule, self.tags)

    @property
    def is_open(self) -> bool:
        """Whether an incident of it is open."""
        return self.severity is not None

    @property
    def is_raw_open(self) -> bool:
        """Whether it would be open without flap damping."""
        return self.warning.is_open or self.critical.is_open


class Kind(StrEnum):
    """What a transition means for people."""

    OPENED = "opened"
    RAISED = "raised"
    LOWERED = "lowered"
    FLAPPING = "flapping"
    STEADY = "steady"  # no longer flapping
    RESOLVED = "resolved"
    PENDING = "pending"
    DROPPED = "dropped"  # what was pending is over
    RECOVERING = "recovering"
    RELAPSED = "relapsed"
    UNKNOWN = "unknown"
    KNOWN = "known"


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of an alert at an instant (ns), with the value that made it and, where there is one, the reason."""

    time: int
    kind: Kind
    before: Status
    after: Status
    severity_before: Severity | None
    severity_after: Severity | None
    value: float | None
    reason: str = ""


def step(alert: Alert, reading: Reading, rule: Rule, now: int) -> tuple[Alert, Transition | None]:
    """The alert after a reading at `now`, the end of the evaluated window in ns; and what changed, if anything did."""
    missing = reading.knowledge is Knowledge.MISSING
    if missing and rule.no_data is NoData.UNKNOWN:
        after = alert if alert.status is Status.UNKNOWN else replace(alert, status=Status.UNKNOWN, since=now)
        return _told(alert, replace(after, value=None, reason=reading.reason), now)
    watched, stale = _watched(alert, rule, now)
    tracks = {
        severity: _advanced(
            Track() if stale and track.phase is Phase.PENDING else track,
            _side(rule.threshold(severity), reading, rule),
            watched,
            rule,
        )
        for severity, track in ((Severity.WARNING, alert.warning), (Severity.CRITICAL, alert.critical))
    }
    after = replace(
        alert,
        known=now,  # also where it is missing: the rule says what its absence means, and that is knowledge
        value=reading.value,
        reason=reading.reason,
        warning=tracks[Severity.WARNING],
        critical=tracks[Severity.CRITICAL],
    )
    after = _damped(after, alert, rule, now)
    status = _status(after)
    return _told(alert, replace(after, status=status, since=now if status is not alert.status else alert.since), now)


def is_quiet(alert: Alert, reading: Reading, rule: Rule) -> bool:
    """Whether `step` would change nothing but `known`, `value` and `reason`: most alerts are, most of the time."""
    if alert.status is not Status.INACTIVE or alert.flips or reading.value is None:
        return False
    return not any(threshold.is_breached(reading.value) for _, threshold in rule.thresholds)


def _watched(alert: Alert, rule: Rule, now: int) -> tuple[int, bool]:
    """How much time to count since the reading before, and whether that is too long ago for what was pending."""
    if alert.known is None:
        return 0, False
    passed = now - alert.known
    return max(0, min(passed, 2 * rule.interval)), passed > max(rule.hold_for, 2 * rule.interval)


class _Side(Enum):
    GOOD = "good"
    BAND = "band"  # between the clear value and the limit
    BAD = "bad"


def _side(threshold: Threshold | None, reading: Reading, rule: Rule) -> _Side:
    if threshold is None or reading.knowledge is Knowledge.NOTHING:
        return _Side.GOOD
    if reading.knowledge is Knowledge.MISSING:
        return _Side.BAD if rule.no_data is NoData.ALERT else _Side.GOOD
    assert reading.value is not None
    if threshold.is_breached(reading.value):
        return _Side.BAD
    return _Side.GOOD if threshold.is_cleared(reading.value) else _Side.BAND


def _advanced(track: Track, side: _Side, watched: int, rule: Rule) -> Track:
    match track.phase:
        case Phase.OUT | Phase.PENDING:
            if side is not _Side.BAD:
                return Track()
            held = 0 if track.phase is Phase.OUT else track.held + watched
            return Track(Phase.ON) if held >= rule.hold_for else Track(Phase.PENDING, held)
        case _:
            if side is not _Side.GOOD:
                return Track(Phase.ON)
            held = 0 if track.phase is Phase.ON else track.held + watched
            return Track() if held >= rule.keep_firing_for else Track(Phase.LEAVING, held)


def _damped(after: Alert, before: Alert, rule: Rule, now: int) -> Alert:
    """With flips, flapping and severity as they are now."""
    if rule.flapping is None:
        return replace(after, flips=(), flapping=False, severity=_worst(after))
    flips = tuple(flip for flip in before.flips if now - rule.flapping.window < flip <= now)
    if after.is_raw_open is not before.is_raw_open:
        flips = (*flips, now)
    most = rule.flapping.transitions
    flapping = len(flips) > (most // 2 if before.flapping else most)
    worst = _worst(after)
    if flapping and before.severity is not None:
        worst = before.severity if worst is None else max(worst, before.severity)
    return replace(after, flips=flips, flapping=flapping and worst is not None, severity=worst)


def _worst(alert: Alert) -> Severity | None:
    if alert.critical.is_open:
        return Severity.CRITICAL
    return Severity.WARNING if alert.warning.is_open else None


def _status(alert: Alert) -> Status:
    phases = {alert.warning.phase, alert.critical.phase}
    if alert.severity is not None:
        return Status.FIRING if Phase.ON in phases else Status.RECOVERING
    return Status.PENDING if Phase.PENDING in phases else Status.INACTIVE


def _told(before: Alert, after: Alert, now: int) -> tuple[Alert, Transition | None]:
    kind = _kind(before, after)
    if kind is None:
        return after, None
    transition = Transition(
        now, kind, before.status, after.status, before.severity, after.severity, after.value, after.reason
    )
    return after, transition


_BY_STATUS = {
    Status.PENDING: Kind.PENDING,
    Status.INACTIVE: Kind.DROPPED,
    Status.RECOVERING: Kind.RECOVERING,
    Status.FIRING: Kind.RELAPSED,
    Status.UNKNOWN: Kind.UNKNOWN,
}


def _kind(before: Alert, after: Alert) -> Kind | None:
    """What matters most of what changed; None when nothing did that people would want to know."""
    if after.severity is not before.severity:
        if before.severity is None:
            return Kind.OPENED
        if after.severity is None:
            return Kind.RESOLVED
        return Kind.RAISED if after.severity > before.severity else Kind.LOWERED
    if after.flapping is not before.flapping:
        return Kind.FLAPPING if after.flapping else Kind.STEADY
    if after.status is before.status:
        return None
    return Kind.KNOWN if before.status is Status.UNKNOWN else _BY_STATUS[after.status]
