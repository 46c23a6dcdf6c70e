"""What a rule read of one tag set over a stretch of time, window by window, so that it can be drawn. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from alerting.rules import Change, Forecast, Ratio, Rule, Selection, Value
from telemetry.health import State
from telemetry.points import Tags
from telemetry.schema import Registry
from telemetry.series import (
    AllOf,
    Equals,
    Function,
    GroupBy,
    Quantile,
    SeriesQuery,
    SeriesResult,
    Window,
)

MOST_WINDOWS = 500
# Of these a window twice as long is twice as much.
_GATHERED = frozenset({Function.SUM, Function.COUNT, Function.INCREASE})
_OVER_TIME = _GATHERED | {Function.RATE}


def is_drawable(rule: Rule, registry: Registry) -> bool:
    """Whether all that the rule reads is in the store; OpsWatch's own rule on its sources reads nothing there."""
    found = ((registry.get(one.measurement), one.field) for one in rule.selections)
    return all(known is not None and (known.field(name) or name in known.histograms) for known, name in found)


def trend_step(rule: Rule, length: int, finest: int) -> int:
    """How long a window of the drawing is, in ns: the rule's own, or a multiple where those would be too many.

    `finest` is what suits the range and the distance of the samples, for a rule that takes the newest sample.
    """
    windows = [one.window for one in rule.selections if one.function is not Function.LAST]
    if not windows or isinstance(rule.expression, Forecast):
        return finest
    longest = max(windows)
    return longest * max(1, -(-length // (longest * MOST_WINDOWS)))


def ends_at(rule: Rule, stop: int, step: int, now: int) -> int:
    """Where the drawing ends, in ns: of what a window gathers, one that is not over yet says too little."""
    if isinstance(rule.expression, Forecast) or all(one.function not in _OVER_TIME for one in rule.selections):
        return stop
    return min(stop, now - now % step)


def trend_queries(rule: Rule, tags: Tags, start: int, stop: int, step: int) -> tuple[SeriesQuery, ...]:
    """What is asked, all on the same axis. Raises InvalidQuery, QueryTooLarge."""
    start -= start % step
    match rule.expression:
        case Value(of):
            return (_query(of, tags, (start, stop), step),)
        case Ratio(part, whole):
            return tuple(_query(of, tags, (start, stop), step) for of in (part, whole))
        case Change(of, against):
            return tuple(_query(of, tags, (start - ago, stop - ago), step) for ago in (0, against))
        case Forecast(of):
            return (_query(of, tags, (start, stop), step, Function.MEAN),)


def trend_values(rule: Rule, results: Sequence[SeriesResult]) -> list[float | None]:
    """What the rule reads of each window; None where it is not known, or there is nothing to judge.

    Of a forecast it is the value that the forecast is made from.
    """
    match rule.expression:
        case Value(of):
            return _scaled(of, results[0])
        case Forecast():
            return _numbers(results[0])
        case Ratio() as ratio:
            pairs = zip(_scaled(ratio.part, results[0]), _scaled(ratio.whole, results[1]), strict=True)
            counts = ratio.part.function in _OVER_TIME
            return [_ratio(ratio, 0.0 if part is None and counts else part, whole) for part, whole in pairs]
        case Change() as change:
            pairs = zip(_scaled(change.of, results[0]), _scaled(change.of, results[1]), strict=True)
            return [_change(change, now, then) for now, then in pairs]


def _query(
    of: Selection, tags: Tags, span: tuple[int, int], step: int, function: Function | None = None
) -> SeriesQuery:
    start, stop = span
    function = function or of.function
    shape: Window | Quantile
    if function is None:
        assert of.quantile is not None
        shape = Quantile(step, (of.quantile,), start)
    else:
        shape = Window(step, (function,), start)
    group = None
    if of.group_by is not None:
        group = GroupBy(of.group_by, None if function is None else of.group_function)
    where = AllOf((of.where, *(Equals(name, value) for name, value in tags)))
    return SeriesQuery(of.measurement, (of.field,), start, stop, shape, where, group)


def _numbers(result: SeriesResult) -> list[float | None]:
    if not result.series:
        return [None] * len(result.query.axis)
    return [float(value) if isinstance(value, int | float) else None for value in result.series[0].values]


def _scaled(of: Selection, result: SeriesResult) -> list[float | None]:
    values = _numbers(result)
    assert isinstance(result.query.shape, Window | Quantile)
    step = result.query.shape.step
    if of.function is Function.LAST:
        return _held(of, values, step)
    if of.function in _GATHERED and step != of.window:
        return [None if value is None else value * of.window / step for value in values]
    return values


def _held(of: Selection, values: Sequence[float | None], step: int) -> list[float | None]:
    """The newest sample counts for as long as the rule looks back for it; a state that is unknown is no value."""
    may_be_unknown = (of.measurement, of.field) == ("probe", "state")
    kept: list[float | None] = []
    newest: float | None = None
    age = 0
    for value in values:
        newest, age = (newest, age + step) if value is None else (value, 0)
        is_known = age <= of.window and not (may_be_unknown and newest == State.UNKNOWN)
        kept.append(newest if is_known else None)
    return kept


def _ratio(ratio: Ratio, part: float | None, whole: float | None) -> float | None:
    if part is None or not whole or whole < ratio.least:
        return None
    return part / whole * (100 if ratio.percent else 1)


def _change(change: Change, now: float | None, then: float | None) -> float | None:
    if now is None or then is None:
        return None
    if not change.percent:
        return now - then
    return (now - then) / abs(then) * 100 if then else None
