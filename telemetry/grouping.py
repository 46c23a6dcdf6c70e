"""What comes after the windows: one series for many, and the few that matter. Pure.

The same code for every store, for what windows leave is small.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from telemetry.points import FieldValue, Tags
from telemetry.series import (
    GroupBy,
    GroupFunction,
    Quantile,
    Series,
    SeriesQuery,
    SeriesSamples,
    Window,
    natural_grouping,
)

Numbers = Sequence[float | int]

_COMBINE: Mapping[GroupFunction, Callable[[Numbers], float | int]] = {
    GroupFunction.MIN: min,
    GroupFunction.MAX: max,
    GroupFunction.MEAN: lambda numbers: sum(numbers) / len(numbers),
    GroupFunction.SUM: sum,
    GroupFunction.COUNT: len,
}


def finished(query: SeriesQuery, series: Iterable[SeriesSamples]) -> tuple[SeriesSamples, ...]:
    """The answer after `group_by` and `top`, in order. `series` come after the query's windows, in any order.

    After `Quantile` they are grouped already, because samples are pooled before they are ranked.
    """
    found = list(series)
    if query.group_by is not None and all(one.quantile is None for one in found):
        found = grouped(query.group_by, found)
    found.sort(key=_order(query))
    return tuple(found if query.top is None else greatest(found, query.top))


def group_tags(tags: Tags, group_by: GroupBy) -> Tags:
    """The tags by which a series belongs to its group."""
    return tuple((name, value) for name, value in tags if name in group_by.tags)


def grouped(group_by: GroupBy, series: Iterable[SeriesSamples]) -> list[SeriesSamples]:
    """One series for all that agree in the group's tags, per field and function."""
    members: dict[tuple[Series, object], list[SeriesSamples]] = defaultdict(list)
    for one in series:
        group = Series(one.series.measurement, group_tags(one.series.tags, group_by), one.series.field)
        members[group, one.function].append(one)
    answer = []
    for (group, _), some in members.items():
        function = some[0].function
        wanted = group_by.function or natural_grouping(function)
        answer.append(SeriesSamples(group, some[0].times, _combined(some, wanted), function))
    return answer


def _combined(some: Sequence[SeriesSamples], function: GroupFunction) -> list[FieldValue | None]:
    combine = _COMBINE[function]
    values: list[FieldValue | None] = []
    for row in zip(*(one.values for one in some), strict=True):
        known = [value for value in row if value is not None and not isinstance(value, str)]
        value = combine(known) if known else None
        # Sums of finite numbers may overflow; no answer holds an infinity.
        values.append(value if value is None or math.isfinite(value) else None)
    return values


def greatest(series: Sequence[SeriesSamples], count: int) -> list[SeriesSamples]:
    """Of each field the so many tag sets with the greatest values, in the order they came in.

    What counts is the mean of the values that are known, of the first function where there are several; ties go to
    the first in order, and what has no number is never among them.
    """
    ranked: dict[str, dict[Tags, float]] = defaultdict(dict)
    for one in series:
        numbers = [value for value in one.values if value is not None and not isinstance(value, str)]
        if one.series.tags not in ranked[one.series.field]:
            ranked[one.series.field][one.series.tags] = _mean(numbers) if numbers else -math.inf
    kept = set()
    for field, by_tags in ranked.items():
        best = sorted(by_tags, key=lambda tags: -by_tags[tags])[:count]  # stable: the first of equals stays first
        kept |= {(field, tags) for tags in best if by_tags[tags] > -math.inf}
    return [one for one in series if (one.series.field, one.series.tags) in kept]


def _mean(numbers: Numbers) -> float:
    try:
        return math.fsum(numbers) / len(numbers)
    except OverflowError:  # a sum beyond the greatest double, of numbers that are not
        return math.fsum(number / len(numbers) for number in numbers)


def _order(query: SeriesQuery) -> Callable[[SeriesSamples], tuple[object, ...]]:
    shape = query.shape
    asked: Sequence[object] = ()
    if isinstance(shape, Window):
        asked = shape.functions
    elif isinstance(shape, Quantile):
        asked = shape.quantiles

    def order(one: SeriesSamples) -> tuple[object, ...]:
        made_by = one.quantile if one.quantile is not None else one.function
        return one.series.tags, one.series.field, asked.index(made_by) if made_by in asked else 0

    return order
