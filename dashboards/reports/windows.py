"""The windows in which a report asks, and what it makes of the answers. Pure.

A period is cut into windows of one length and, where that does not divide it, a shorter rest, so that nothing of the
next period gets into a figure. Figures of a whole period are put together from its windows: each window is answered
from the level that still has it, and a whole period often reaches over several.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from dashboards.reports.period import Period
from telemetry.points import Tags
from telemetry.series import Function, SeriesResult
from telemetry.times import NANOSECONDS_PER_SECOND

_MINUTE = 60 * NANOSECONDS_PER_SECOND
# What people count in: no stretch of 7 or 35 minutes.
_LENGTHS = tuple(
    minutes * _MINUTE
    for minutes in (5, 10, 15, 30, 60, 120, 180, 240, 360, 480, 720, 1_440, 2_880, 4_320, 5_760, 7_200, 10_080)
)

Column = list[float | None]
Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """Windows of one length: one query."""

    start: int
    stop: int
    step: int


def stretch(period: Period, step: int, most: int) -> int:
    """A round length, of whole steps, of which a period has at most so many."""
    for length in _LENGTHS:
        if length % step == 0 and period.length <= length * most:
            return length
    return -(-period.length // (most * step)) * step


def parts(period: Period, length: int) -> tuple[Part, ...]:
    """The queries for windows of this length, and for the rest where there is one."""
    middle = period.stop - period.length % length
    found = []
    if middle > period.start:
        found.append(Part(period.start, middle, length))
    if period.stop > middle:
        found.append(Part(middle, period.stop, period.stop - middle))
    return tuple(found)


def bounds(period: Period, length: int) -> tuple[int, ...]:
    """Where the windows begin, and where the last one ends."""
    return (*range(period.start, period.stop, length), period.stop)


def columns(results: Sequence[SeriesResult], tags: Sequence[str]) -> dict[Key, dict[tuple[str, Function], Column]]:
    """The answers to a period's parts as one: by the values of some tags, then by field and function.

    Where a series is missing from one part, its windows hold None. Series that agree in the tags are not added up:
    ask for them grouped.
    """
    sizes = [len(result.query.axis) for result in results]
    found: dict[Key, dict[tuple[str, Function], Column]] = {}
    for number, result in enumerate(results):
        before = sum(sizes[:number])
        for one in result.series:
            if one.function is None:
                continue
            mine = found.setdefault(key_of(one.series.tags, tags), {})
            column = mine.setdefault((one.series.field, one.function), [None] * sum(sizes))
            for offset, value in enumerate(one.values):
                if value is not None and not isinstance(value, str):
                    column[before + offset] = float(value)
    return found


def key_of(known: Tags, tags: Sequence[str]) -> Key:
    """The values of the tags, in their order; empty where there is none."""
    values = dict(known)
    return tuple(values.get(tag, "") for tag in tags)


def known(column: Sequence[float | None]) -> list[float]:
    return [value for value in column if value is not None]


def ratio(sums: Sequence[float | None], counts: Sequence[float | None]) -> Column:
    """Window by window the mean: sum by count."""
    return [total / count if total is not None and count else None for total, count in zip(sums, counts, strict=True)]


def lengths_s(starts: Sequence[int], until: int) -> Iterator[float]:
    """How long each window is, as far as it lies before `until`, in seconds."""
    for start, stop in pairwise(starts):
        yield max(0, min(stop, until) - start) / NANOSECONDS_PER_SECOND


def merged(starts: Sequence[int], wanted: Sequence[int]) -> Mapping[int, range]:
    """For each longer window, by its number, the numbers of those in it; both begin and end at the same moments."""
    numbers: dict[int, range] = {}
    position = 0
    for number, stop in enumerate(wanted[1:]):
        begin = position
        while position < len(starts) - 1 and starts[position] < stop:
            position += 1
        numbers[number] = range(begin, position)
    return numbers
