"""Charts of reports as SVG geometry: lines, shades, gaps, axes. Pure.

The drawing stretches with the page, so lines live in a box of 1000 x 100 and all that must keep its shape (text, the
mark of the peak) is placed in percent.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from dashboards.reports.model import Curve
from dashboards.reports.period import Period
from dashboards.units import format_value
from telemetry.times import duration_nanoseconds, from_datetime, to_datetime

WIDTH, HEIGHT = 1000.0, 100.0
_NOTHING = 1e-12  # less than this is drawn as 0
_EDGE = 4.0  # percent: nearer to an end a label would be cut off
_STEEPNESS = (1.0, 2.0, 2.5, 4.0, 5.0, 8.0, 10.0)
# How far apart ticks are, up to which length of the period, and how they are written.
_TICKS = (
    (timedelta(hours=2), timedelta(minutes=20), "%H:%M"),
    (timedelta(hours=7), timedelta(hours=1), "%H:%M"),
    (timedelta(hours=14), timedelta(hours=2), "%H:%M"),
    (timedelta(hours=26), timedelta(hours=4), "%H:%M"),
    (timedelta(days=3), timedelta(hours=12), "%a %H:%M"),
    (timedelta(days=8), timedelta(days=1), "%a %-d"),
    (timedelta(days=16), timedelta(days=2), "%-d %b"),
    (timedelta(days=36), timedelta(days=5), "%-d %b"),
    (timedelta(days=80), timedelta(days=14), "%-d %b"),
)
_MONTHS_APART = 1, 2


@dataclass(frozen=True, slots=True)
class Tick:
    """A moment on the axis, in percent from the left."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class CurveView:
    """`now` and `before` are `points` of unbroken lines; `shades` are `points` of areas from the line to the peaks.

    `gaps` are stretches of which nothing is known, as (from, width) in percent; `levels` are labels of the axis from
    the top down, at 0, 50 and 100 percent; `peak` is where the highest value stands, in percent from left and top.
    """

    now: tuple[str, ...]
    before: tuple[str, ...]
    shades: tuple[str, ...]
    gaps: tuple[tuple[float, float], ...]
    ticks: tuple[Tick, ...]
    levels: tuple[str, ...]
    peak: tuple[float, float] | None
    label: str

    @property
    def is_empty(self) -> bool:
        return not self.now and not self.before


def curve_view(curve: Curve, unit: str, maximum: float | None, label: str, until: int, zone: ZoneInfo) -> CurveView:
    """The drawing of a curve; `until` is where knowledge ends, `maximum` what no value can exceed."""
    known = [value for value in (*curve.now, *curve.before, *curve.peaks) if value is not None]
    top = nice_top(max(known, default=0.0))
    top = top if maximum is None else min(top, maximum)
    period = Period(curve.starts[0], curve.starts[-1])
    return CurveView(
        now=tuple(_lines(curve.now, curve.starts, top)),
        before=tuple(_lines(curve.before, curve.starts, top)),
        shades=tuple(_shades(curve, top)),
        gaps=tuple(_gaps(curve, until)),
        ticks=ticks(period, zone),
        levels=tuple(_level(value, unit) for value in (top, top / 2, 0.0)),
        peak=_peak(curve, top),
        label=label,
    )


def nice_top(value: float) -> float:
    """The next number that is easy to halve: 1, 2, 2.5, 4, 5 or 8 with zeros."""
    if value < _NOTHING:
        return 1.0
    decade = 10.0 ** math.floor(math.log10(value))
    tops = (step * decade for step in _STEEPNESS)
    return next((top for top in tops if value * (1 - 1e-9) <= top < math.inf), value)


def ticks(period: Period, zone: ZoneInfo) -> tuple[Tick, ...]:
    """Hours, days or months as `zone` has them, none too near to the ends."""
    found = []
    for moment, form in _moments(period, zone):
        at = 100 * (from_datetime(moment) - period.start) / period.length
        if _EDGE <= at <= 100 - _EDGE:
            found.append(Tick(round(at, 2), moment.strftime(form)))
    return tuple(found)


def _moments(period: Period, zone: ZoneInfo) -> Iterator[tuple[datetime, str]]:
    begin, end = (to_datetime(at).astimezone(zone) for at in (period.start, period.stop))
    moment = begin.replace(hour=0, minute=0, second=0, microsecond=0)
    for longest, apart, form in _TICKS:
        if period.length <= duration_nanoseconds(longest):
            # On the wall's clock, and back to real moments: a day of 23 hours is a day.
            while moment <= end:
                yield moment, form
                moment += apart
            return
    moment = moment.replace(day=1)
    apart_months = _MONTHS_APART[period.length > duration_nanoseconds(timedelta(days=200))]
    while moment <= end:
        yield moment, "%b"
        for _ in range(apart_months):
            moment = (moment + timedelta(days=32)).replace(day=1)


def _level(value: float, unit: str) -> str:
    return f"{value:g} %" if unit == "percent" else format_value(value, unit) if value else "0"


def _x(starts: Sequence[int], number: int) -> float:
    middle = (starts[number] + starts[number + 1]) / 2
    return (middle - starts[0]) / (starts[-1] - starts[0])


def _y(value: float, top: float) -> float:
    return HEIGHT * (1 - min(1.0, max(0.0, value / top)))


def _runs(values: Sequence[float | None]) -> Iterator[range]:
    begin: int | None = None
    for number, value in enumerate((*values, None)):
        if value is not None:
            begin = number if begin is None else begin
        elif begin is not None:
            yield range(begin, number)
            begin = None


def _lines(values: Sequence[float | None], starts: Sequence[int], top: float) -> Iterator[str]:
    for run in _runs(values):
        points = [(WIDTH * _x(starts, number), _y(values[number] or 0.0, top)) for number in run]
        if len(points) == 1:
            # A single window is a dash as wide as it is, so that it can be seen.
            total = starts[-1] - starts[0]
            points = [(WIDTH * (starts[at] - starts[0]) / total, points[0][1]) for at in (run[0], run[0] + 1)]
        yield _points(points)


def _shades(curve: Curve, top: float) -> Iterator[str]:
    if not curve.peaks:
        return
    for run in _runs(curve.now):
        upper = [(WIDTH * _x(curve.starts, one), _y(curve.peaks[one] or curve.now[one] or 0.0, top)) for one in run]
        lower = [(WIDTH * _x(curve.starts, one), _y(curve.now[one] or 0.0, top)) for one in reversed(run)]
        if len(run) > 1:
            yield _points([*upper, *lower])


def _points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.2f}" for x, y in points)


def _gaps(curve: Curve, until: int) -> Iterator[tuple[float, float]]:
    total = curve.starts[-1] - curve.starts[0]
    unknown = [
        1.0 if value is None and start < until else None
        for value, (start, _) in zip(curve.now, pairwise(curve.starts), strict=True)
    ]
    for run in _runs(unknown):
        begin, end = curve.starts[run[0]], min(until, curve.starts[run[-1] + 1])
        yield round(100 * (begin - curve.starts[0]) / total, 2), round(100 * (end - begin) / total, 2)


def _peak(curve: Curve, top: float) -> tuple[float, float] | None:
    values = [(value, -number) for number, value in enumerate(curve.peaks) if value is not None]
    if not values or not max(values)[0]:
        return None
    value, number = max(values)
    return round(100 * _x(curve.starts, -number), 2), round(_y(value, top), 2)
