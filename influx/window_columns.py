"""Windows of series: what InfluxDB made of them, and growth and quantiles from the samples themselves. Pure."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from operator import sub

from influx.annotated_csv import GarbledAnswer
from influx.samples import Values
from telemetry.answers import MAX_VALUES
from telemetry.errors import QueryTooLarge
from telemetry.histogram import nearest_rank
from telemetry.points import FieldValue
from telemetry.series import GROWTH_LOOKBACK, Function, Series

Column = list[FieldValue | None]

_WRAP = 2**64  # InfluxDB adds integers up in 64 bits, for means as well, and says nothing when that is not enough
SURELY_FEW = 1_024  # samples: so many integers up to 2^53 cannot reach 2^63


class WindowColumns:
    """One value per window and series, None where there is none. Raises GarbledAnswer for what is in no window."""

    def __init__(self, axis: range) -> None:
        self._axis = axis
        self._everyone = list(range(len(axis)))
        self._last: tuple[object, list[int]] = (None, [])
        self.columns: dict[Series, Column] = {}

    def take(self, series: Series, times: list[int] | None, values: Values) -> None:
        """Values at the starts of their windows (ns); of the only window where there are no times."""
        numbers = [0] if times is None else self._numbers(times)
        if len(numbers) != len(values):
            raise GarbledAnswer("a series has several values of one window")
        if numbers == self._everyone and series not in self.columns:
            self.columns[series] = list(values)
            return
        column = self.columns.setdefault(series, [None] * len(self._axis))
        for number, value in zip(numbers, values, strict=True):
            column[number] = value

    def _numbers(self, times: list[int]) -> list[int]:
        if times is not self._last[0]:  # many series have their windows at the same times
            start, step = self._axis.start, self._axis.step
            # A first window that is cut by what InfluxDB takes is stamped at the cut.
            numbers = [(time - start) // step for time in times]
            if not 0 <= min(numbers) <= max(numbers) < len(self._axis):
                raise GarbledAnswer("a value belongs to no window that was asked for")
            self._last = times, numbers
        return self._last[1]


class Growth:
    """What counters have grown by in each window (telemetry/series.py), from samples in order of time."""

    def __init__(self, axis: range) -> None:
        self._axis = axis
        self._before: dict[Series, tuple[int, float]] = {}
        self._sums: dict[Series, dict[int, float]] = {}

    def take(self, series: Series, times: Sequence[int], values: Values) -> None:
        """Further samples; they may begin a lookback before the windows."""
        if None in values:
            known = [(time, value) for time, value in zip(times, values, strict=True) if value is not None]
            times, values = [time for time, _ in known], [value for _, value in known]
        if not times:
            return
        numbers: list[float] = values  # type: ignore[assignment]
        if series in self._before:
            time, number = self._before[series]
            grown = _growth([time, *times], [number, *numbers])
        else:
            grown = [None, *_growth(times, numbers)]
        self._before[series] = times[-1], numbers[-1]
        for number, first, stop in _parts(times, self._axis):
            sums = self._sums.setdefault(series, {})
            part = grown[first:stop]
            if None in part:
                part = [one for one in part if one is not None]
            if part:
                sums[number] = sums.get(number, 0) + sum(part)  # type: ignore[arg-type]

    def has(self, series: Series) -> bool:
        """Whether it has a sample in the windows."""
        return series in self._sums

    def columns(self) -> Mapping[Series, Column]:
        """Of every series that has a sample in the windows."""
        everyone = range(len(self._axis))
        return {
            series: [_finite(sums[number]) if number in sums else None for number in everyone]
            for series, sums in self._sums.items()
        }


class Pools:
    """The samples of each window, taken together; QueryTooLarge for more than MAX_VALUES."""

    def __init__(self, axis: range) -> None:
        self._axis = axis
        self._count = 0
        self._windows: dict[Series, dict[int, list[float]]] = {}

    def __len__(self) -> int:
        return len(self._windows)

    def take(self, pool: Series, times: Sequence[int], values: Values) -> None:
        """Further samples of one of the pool's series, in order of time."""
        self._count += len(values)
        if self._count > MAX_VALUES:
            raise QueryTooLarge(
                f"quantiles of more than {MAX_VALUES:,} samples: shorten the range, or narrow it with where",
                field="q",
            )
        windows = self._windows.setdefault(pool, {})
        for number, first, stop in _parts(times, self._axis):
            windows.setdefault(number, []).extend(one for one in values[first:stop] if one is not None)  # type: ignore[misc]

    def columns(self, shares: Sequence[float]) -> Iterator[tuple[Series, float, Column]]:
        """(pool, quantile, its value in each window), by nearest rank."""
        for pool, windows in self._windows.items():
            found: list[Column] = [[None] * len(self._axis) for _ in shares]
            for number, values in windows.items():
                values.sort()
                for column, share in zip(found, shares, strict=True):
                    column[number] = values[nearest_rank(len(values), share) - 1] if values else None
            yield from ((pool, share, column) for share, column in zip(shares, found, strict=True))


def unwrapped(
    function: Function, values: Values, least: Values, greatest: Values, counts: Values
) -> Sequence[FieldValue | None]:
    """Sums or means of integers as they are, by what else is known of each window. Raises QueryTooLarge."""
    return [
        value if None in (value, *bounds) else _unwrapped(function, value, *bounds)  # type: ignore[arg-type]
        for value, *bounds in zip(values, least, greatest, counts, strict=True)
    ]


def _unwrapped(function: Function, value: float, low: int, high: int, count: int) -> float:
    if max(abs(low), abs(high)) * count < _WRAP // 2:
        return value
    # The sum is between so many times the least and the greatest; half a wrap is left for what came in between.
    if (high - low) * count >= _WRAP // 2:
        raise QueryTooLarge(
            f"InfluxDB cannot add up {count:,} integers from {low:,} to {high:,}: ask for shorter windows",
            field="every",
        )
    total = value if function is Function.SUM else round(value * count)
    wraps = ((low + high) * count // 2 - total + _WRAP // 2) // _WRAP
    return value + wraps * _WRAP if function is Function.SUM else value + wraps * (_WRAP / count)


def _growth(times: Sequence[int], numbers: Sequence[float]) -> list[float | None]:
    """What each sample but the first has grown by since the one before it; None where that is too old."""
    grown = list(map(sub, numbers[1:], numbers))
    if grown and min(grown) < 0:  # a reset counts whole
        grown = [number if one < 0 else one for one, number in zip(grown, numbers[1:], strict=True)]
    gaps = list(map(sub, times[1:], times))
    if gaps and max(gaps) > GROWTH_LOOKBACK:
        return [one if gap <= GROWTH_LOOKBACK else None for one, gap in zip(grown, gaps, strict=True)]
    return list(grown)


def _parts(times: Sequence[int], axis: range) -> Iterator[tuple[int, int, int]]:
    """(window, from, to) of the samples of each window that has some."""
    position, end = bisect_left(times, axis.start), axis.start + len(axis) * axis.step
    while position < len(times) and times[position] < end:
        number = (times[position] - axis.start) // axis.step
        stop = bisect_left(times, axis.start + (number + 1) * axis.step, position)
        yield number, position, stop
        position = stop


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
