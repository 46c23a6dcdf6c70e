"""Rollups: what is kept of old samples, and which level answers a query. Pure.

The one definition of the levels raw → 5m → 1h (design.md 4). `embedded/` prints it as SQL, `influx/` as Flux; a test
compares both with an oracle. Every kind of field keeps its `count`, so that whatever is summarised can be checked
against what it was made of.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from telemetry.schema import FieldKind, Measurement, MeasurementClass
from telemetry.series import Function, Segment

_MINUTE = 60 * 1_000_000_000


class Aggregate(StrEnum):
    """What is kept of the samples of one window. `inc` is `Function.INCREASE`."""

    MIN = "min"
    MAX = "max"
    SUM = "sum"
    COUNT = "count"
    LAST = "last"
    INCREASE = "inc"


_AGGREGATES: Mapping[FieldKind, tuple[Aggregate, ...]] = {
    FieldKind.GAUGE: (Aggregate.MIN, Aggregate.MAX, Aggregate.SUM, Aggregate.COUNT),
    FieldKind.COUNTER: (Aggregate.INCREASE, Aggregate.LAST, Aggregate.COUNT),
    FieldKind.STATE: (Aggregate.MIN, Aggregate.MAX, Aggregate.LAST, Aggregate.COUNT),
    FieldKind.DURATION: (Aggregate.SUM, Aggregate.COUNT),
    FieldKind.HISTOGRAM: (Aggregate.SUM, Aggregate.COUNT),
    # Pushed by somebody who does not say what it is: it may be asked either way.
    FieldKind.UNTYPED: tuple(Aggregate),
    FieldKind.TEXT: (),
}

# `first` is of no kind: nothing that people ask of a year needs it.
_NEEDED: Mapping[Function, tuple[Aggregate, ...] | None] = {
    Function.MIN: (Aggregate.MIN,),
    Function.MAX: (Aggregate.MAX,),
    Function.MEAN: (Aggregate.SUM, Aggregate.COUNT),
    Function.SUM: (Aggregate.SUM,),
    Function.COUNT: (Aggregate.COUNT,),
    Function.FIRST: None,
    Function.LAST: (Aggregate.LAST,),
    Function.INCREASE: (Aggregate.INCREASE,),
    Function.RATE: (Aggregate.INCREASE,),
}


@dataclass(frozen=True, slots=True)
class Level:
    """A level of resolution: its name, the length of its windows in ns, the level it is made from.

    A window is rolled up `grace` ns after its end, when what was on its way has arrived; what comes later is repaired.
    """

    name: str
    step: int
    source: str
    grace: int


RAW = "raw"
FIVE_MINUTES = Level("5m", 5 * _MINUTE, RAW, _MINUTE)
ONE_HOUR = Level("1h", 60 * _MINUTE, FIVE_MINUTES.name, 2 * _MINUTE)
LEVELS: tuple[Level, ...] = (FIVE_MINUTES, ONE_HOUR)  # finest first: each is made from the one before it


@dataclass(frozen=True, slots=True)
class Retention:
    """How long each level of the class metrics, and the classes without levels, are kept."""

    raw: timedelta = timedelta(days=7)
    five_minutes: timedelta = timedelta(days=180)
    one_hour: timedelta = timedelta(days=1_095)
    events: timedelta = timedelta(days=400)
    own: timedelta = timedelta(days=31)

    def of_level(self, name: str) -> timedelta:
        """Of a level of the class metrics."""
        return {RAW: self.raw, FIVE_MINUTES.name: self.five_minutes, ONE_HOUR.name: self.one_hour}[name]

    def of_class(self, measurement_class: MeasurementClass) -> timedelta:
        """Of the samples themselves."""
        match measurement_class:
            case MeasurementClass.METRICS:
                return self.raw
            case MeasurementClass.EVENTS:
                return self.events
            case MeasurementClass.SELF:
                return self.own


def aggregates(kind: FieldKind) -> tuple[Aggregate, ...]:
    """What every rolled-up level keeps of a field of this kind."""
    return _AGGREGATES[kind]


def kinds_with(aggregate: Aggregate) -> tuple[FieldKind, ...]:
    """The kinds of field that keep this aggregate."""
    return tuple(kind for kind, kept in _AGGREGATES.items() if aggregate in kept)


def is_answered(kind: FieldKind, functions: Iterable[Function]) -> bool:
    """Whether rolled-up levels of a field of this kind can answer all these functions."""
    kept = _AGGREGATES[kind]
    needed = [_NEEDED[function] for function in functions]
    return all(some is not None and set(some) <= set(kept) for some in needed)


def rolled_up(measurement: Measurement) -> bool:
    """Whether there are levels of this measurement at all."""
    return measurement.measurement_class is MeasurementClass.METRICS


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a level is: every window that begins before `until` (ns) is made and, as far as is known, right."""

    level: Level
    until: int


def plan_levels(axis: range, origin: int, standings: Sequence[Standing], *, answered: bool) -> tuple[Segment, ...]:
    """Which level is read for which of the query's windows: the coarsest that fits for the past, finer for the end.

    `axis` are the query's windows; a seam lies between two of them, so that each is answered from one level. A level
    fits where its windows make up the query's. `answered` is whether levels keep what is asked for at all.
    """
    segments = []
    position, end = axis.start, axis[-1] + axis.step
    for standing in sorted(standings, key=lambda one: -one.level.step):
        step = standing.level.step
        if not answered or axis.step % step or origin % step:
            continue
        seam = min(end, axis.start + (standing.until - axis.start) // axis.step * axis.step)
        if seam > position:
            segments.append(Segment(standing.level.name, position, seam))
            position = seam
    if position < end:
        segments.append(Segment(RAW, position, end))
    return tuple(segments)


def coarsest(segments: Iterable[Segment]) -> str:
    """The name of the coarsest level among them."""
    order = [RAW, *(level.name for level in LEVELS)]
    return max((segment.level for segment in segments), key=order.index, default=RAW)


def windows_touched(level: Level, times: Iterable[int]) -> set[int]:
    """The starts of the level's windows that samples at these times (ns) lie in."""
    return {time - time % level.step for time in times}
