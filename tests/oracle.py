"""The query algebra in plain Python: what every store must answer, said as simply as can be."""

import math
import re
from fractions import Fraction
from itertools import pairwise

from telemetry.points import FieldValue, Point
from telemetry.series import (
    AllOf,
    Coverage,
    Equals,
    Exists,
    Function,
    GroupBy,
    GroupFunction,
    Latest,
    Matches,
    Not,
    OneOf,
    Predicate,
    Quantile,
    Raw,
    Series,
    SeriesQuery,
    SeriesSamples,
    ValuesOf,
    ValuesQuery,
    Window,
)

HOUR = 3_600 * 10**9


def holds(predicate: Predicate, tags: dict[str, str]) -> bool:
    match predicate:
        case AllOf(predicates):
            return all(holds(inner, tags) for inner in predicates)
        case Not(inner):
            return not holds(inner, tags)
        case Equals(tag, value):
            return tags.get(tag) == value
        case OneOf(tag, values):
            return tags.get(tag) in values
        case Matches(tag, pattern):
            return tag in tags and re.search(pattern, tags[tag]) is not None
        case Exists(tag):
            return tag in tags


def stored(points: list[Point]) -> dict[Series, dict[int, FieldValue]]:
    """Every series with its samples; the last value written for a time wins."""
    series: dict[Series, dict[int, FieldValue]] = {}
    for point in points:
        for name, value in point.fields.items():
            series.setdefault(Series(point.measurement, point.tags, name), {})[point.time] = value
    return series


def evaluate(points: list[Point], query: SeriesQuery) -> list[SeriesSamples]:
    """The series of the answer, sorted by tags and field."""
    found = stored(points)
    chosen = [
        series
        for series in sorted(found, key=lambda one: (one.tags, one.field))
        if series.measurement == query.measurement
        and (series.field in query.fields if query.fields else "_le_" not in series.field)
        and holds(query.where, dict(series.tags))
    ]
    if isinstance(query.shape, Quantile):
        answer = quantiles({series: sorted(found[series].items()) for series in chosen}, query, query.shape)
    else:
        answer = [one for series in chosen for one in evaluate_series(series, sorted(found[series].items()), query)]
        if query.group_by is not None:
            answer = group(answer, query.group_by)
    return answer if query.top is None else top(answer, query.top)


def evaluate_series(series: Series, samples: list[tuple[int, FieldValue]], query: SeriesQuery) -> list[SeriesSamples]:
    inside = [sample for sample in samples if query.start <= sample[0] < query.stop]
    match query.shape:
        case Raw(limit):
            kept = inside[:limit]
        case Latest():
            kept = inside[-1:]
        case _:
            return windows(series, samples, query)
    return [SeriesSamples(series, [time for time, _ in kept], [value for _, value in kept])] if kept else []


def axis_of(query: SeriesQuery) -> list[int]:
    """Every window that the range touches, found by walking from the origin."""
    shape = query.shape
    assert not isinstance(shape, Raw | Latest)
    first = shape.origin + math.floor(Fraction(query.start - shape.origin, shape.step)) * shape.step
    return [first + number * shape.step for number in range(math.ceil(Fraction(query.stop - first, shape.step)))]


def windows(series: Series, samples: list[tuple[int, FieldValue]], query: SeriesQuery) -> list[SeriesSamples]:
    window, axis = query.shape, axis_of(query)
    assert isinstance(window, Window | Coverage)
    numbers = [(time, value) for time, value in samples if not isinstance(value, str)]
    if not any(axis[0] <= time < axis[-1] + window.step for time, _ in numbers):
        return []
    parts = [[sample for sample in numbers if start <= sample[0] < start + window.step] for start in axis]
    if isinstance(window, Coverage):
        return [SeriesSamples(series, axis, [len(part) for part in parts])]
    grown = {
        time: new - old if new >= old else new
        for (before, old), (time, new) in pairwise(numbers)
        if time - before <= HOUR
    }
    return [
        SeriesSamples(
            series,
            axis,
            [
                combine(function, part, [grown[time] for time, _ in part if time in grown], window.step)
                for part in parts
            ],
            function,
        )
        for function in window.functions
    ]


def combine(function: Function, part: list[tuple[int, float]], grown: list[float], step: int) -> float | None:
    values = [value for _, value in part]
    match function:
        case Function.COUNT:
            return len(values) or None
        case Function.INCREASE:
            return sum(grown) if grown else None
        case Function.RATE:
            return sum(grown) / (step / 1e9) if grown else None
    if not values:
        return None
    match function:
        case Function.MIN:
            return min(values)
        case Function.MAX:
            return max(values)
        case Function.MEAN:
            return sum(values) / len(values)
        case Function.SUM:
            return sum(values)
        case Function.FIRST:
            return values[0]
        case Function.LAST:
            return values[-1]


def quantiles(
    found: dict[Series, list[tuple[int, FieldValue]]], query: SeriesQuery, shape: Quantile
) -> list[SeriesSamples]:
    """Samples of a group's series together; of so many the smallest that at least the share q do not exceed."""
    axis = axis_of(query)
    pools: dict[Series, list[tuple[int, float]]] = {}
    for series, samples in found.items():
        tags = series.tags
        if query.group_by is not None:
            tags = tuple(pair for pair in tags if pair[0] in query.group_by.tags)
        pool = pools.setdefault(Series(series.measurement, tags, series.field), [])
        pool += [
            (time, value)
            for time, value in samples
            if not isinstance(value, str) and axis[0] <= time < axis[-1] + shape.step
        ]
    answer = []
    for series in sorted(pools, key=lambda one: (one.tags, one.field)):
        if not pools[series]:
            continue
        for share in shape.quantiles:
            values = []
            for start in axis:
                part = sorted(value for time, value in pools[series] if start <= time < start + shape.step)
                least = [one for rank, one in enumerate(part, 1) if Fraction(rank, len(part)) >= Fraction(str(share))]
                values.append(least[0] if least else None)
            answer.append(SeriesSamples(series, axis, values, quantile=share))
    return answer


def group(series: list[SeriesSamples], by: GroupBy) -> list[SeriesSamples]:
    """Window by window, over the series of a group that have a value there."""
    names: list[tuple[Series, Function | None]] = []
    for one in series:
        tags = tuple(pair for pair in one.series.tags if pair[0] in by.tags)
        name = (Series(one.series.measurement, tags, one.series.field), one.function)
        if name not in names:
            names.append(name)
    answer = []
    for name, function in sorted(names, key=lambda pair: (pair[0].tags, pair[0].field)):
        members = [
            one
            for one in series
            if one.function == function
            and one.series.field == name.field
            and tuple(pair for pair in one.series.tags if pair[0] in by.tags) == name.tags
        ]
        values: list[FieldValue | None] = []
        for number in range(len(members[0].times)):
            known = [value for one in members if (value := one.values[number]) is not None]
            values.append(grouped_value(by.function or usual(function), known) if known else None)  # type: ignore[arg-type]
        answer.append(SeriesSamples(name, members[0].times, values, function))
    return answer


def usual(function: Function | None) -> GroupFunction:
    if function in (None, Function.SUM, Function.COUNT, Function.INCREASE, Function.RATE):
        return GroupFunction.SUM
    return {Function.MIN: GroupFunction.MIN, Function.MAX: GroupFunction.MAX}.get(function, GroupFunction.MEAN)


def grouped_value(function: GroupFunction, values: list[float]) -> float:
    match function:
        case GroupFunction.MIN:
            return min(values)
        case GroupFunction.MAX:
            return max(values)
        case GroupFunction.MEAN:
            return sum(values) / len(values)
        case GroupFunction.SUM:
            return sum(values)
        case GroupFunction.COUNT:
            return len(values)


def top(series: list[SeriesSamples], count: int) -> list[SeriesSamples]:
    """Of each field, those with the greatest mean of what is known of their first function."""
    means: dict[str, dict[object, float]] = {}
    for one in series:
        numbers = [value for value in one.values if value is not None and not isinstance(value, str)]
        ranking = means.setdefault(one.series.field, {})
        if one.series.tags not in ranking:
            ranking[one.series.tags] = math.fsum(numbers) / len(numbers) if numbers else -math.inf
    kept = []
    for one in series:
        ranking = means[one.series.field]
        mine = ranking[one.series.tags]
        before = [tags for tags, mean in ranking.items() if mean > mine]
        equal_before = list(ranking)[: list(ranking).index(one.series.tags)]
        before += [tags for tags in equal_before if ranking[tags] == mine]
        if mine > -math.inf and len(before) < count:
            kept.append(one)
    return kept


def values_of(points: list[Point], query: ValuesQuery) -> tuple[str, ...]:
    """What there is among the series with a sample in the range."""
    found = set()
    for series, samples in stored(points).items():
        inside = any(query.start <= time < query.stop for time in samples)
        if not inside or query.measurement not in ("", series.measurement) or not holds(query.where, dict(series.tags)):
            continue
        match query.of:
            case ValuesOf.MEASUREMENT:
                found.add(series.measurement)
            case ValuesOf.FIELD:
                found.add(series.field.split("_le_")[0])
            case ValuesOf.TAG:
                found.add(dict(series.tags).get(query.tag, ""))
    return tuple(sorted(found - {""}))[: query.limit]
