"""The query algebra in plain Python: what every store must answer, said as simply as can be."""

import re
from itertools import pairwise

from telemetry.points import FieldValue, Point
from telemetry.series import (
    AllOf,
    Equals,
    Exists,
    Function,
    Latest,
    Matches,
    Not,
    OneOf,
    Predicate,
    Raw,
    Series,
    SeriesQuery,
    SeriesSamples,
    Window,
    window_starts,
)

LOOKBACK = 300 * 10**9


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
    answer = []
    found = stored(points)
    for series in sorted(found, key=lambda one: (one.tags, one.field)):
        wanted = series.measurement == query.measurement and (not query.fields or series.field in query.fields)
        if wanted and holds(query.where, dict(series.tags)):
            answer += evaluate_series(series, sorted(found[series].items()), query)
    return answer


def evaluate_series(series: Series, samples: list[tuple[int, FieldValue]], query: SeriesQuery) -> list[SeriesSamples]:
    inside = [sample for sample in samples if query.start <= sample[0] < query.stop]
    match query.shape:
        case Raw(limit):
            kept = inside[:limit]
        case Latest():
            kept = inside[-1:]
        case Window():
            return windows(series, samples, query)
    return [SeriesSamples(series, [time for time, _ in kept], [value for _, value in kept])] if kept else []


def windows(series: Series, samples: list[tuple[int, FieldValue]], query: SeriesQuery) -> list[SeriesSamples]:
    window = query.shape
    assert isinstance(window, Window)
    axis = list(window_starts(query.start, query.stop, window.step))
    numbers = [(time, value) for time, value in samples if not isinstance(value, str)]
    if not any(axis[0] <= time < axis[-1] + window.step for time, _ in numbers):
        return []
    earliest = axis[0] - max(window.step, LOOKBACK)
    grown = {}
    for (before, old), (time, new) in pairwise(numbers):
        if before >= earliest:
            grown[time] = new - old if new >= old else new
    answer = []
    for function in window.functions:
        values = []
        for start in axis:
            part = [(time, value) for time, value in numbers if start <= time < start + window.step]
            values.append(combine(function, part, [grown[time] for time, _ in part if time in grown], window.step))
        answer.append(SeriesSamples(series, axis, values, function))
    return answer


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
