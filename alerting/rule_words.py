"""A rule in words: what it looks at, and from where that is worth telling. Pure."""

from __future__ import annotations

from datetime import timedelta

from alerting.rules import Change, Comparison, Forecast, Ratio, Rule, Selection, Threshold, Value
from alerting.template import with_unit
from telemetry.conditions import written_conditions
from telemetry.errors import InvalidQuery
from telemetry.series import EVERYTHING, Function, quantile_label
from telemetry.times import format_duration

_SIDES = {
    Comparison.ABOVE: "above",
    Comparison.AT_LEAST: "at least",
    Comparison.BELOW: "below",
    Comparison.AT_MOST: "at most",
}


def reads(rule: Rule) -> str:
    """What the rule looks at: `mean of cpu usage_active over 5m, by host`."""
    match rule.expression:
        case Value(of):
            return _selected(of)
        case Ratio(part, whole, percent):
            return f"{_selected(part)} {'in per cent of' if percent else 'as a share of'} {_selected(whole)}"
        case Change(of, against, percent):
            how = "change in per cent" if percent else "difference"
            return f"{how} of {_selected(of)} against {_written(against)} before"
        case Forecast(of, reaches, over):
            by = "" if of.group_by is None else f", by {' and '.join(of.group_by) or 'nothing'}"
            where = _where(of)
            return (
                f"hours until {of.measurement} {of.field}{where} reaches {reaches:g},"
                f" by its slope over {_written(over)}{by}"
            )


def limit_words(threshold: Threshold, unit: str) -> str:
    """`above 90 %, clear at 80 %`."""
    words = f"{_SIDES[threshold.comparison]} {with_unit(threshold.limit, unit)}"
    return words if threshold.clear is None else f"{words}, clear at {with_unit(threshold.clear, unit)}"


def _selected(of: Selection) -> str:
    by = "" if of.group_by is None else f", by {' and '.join(of.group_by) or 'nothing'}"
    if of.function is Function.LAST:
        return f"newest {of.measurement} {of.field}{_where(of)}{by}"
    how = quantile_label(of.quantile) if of.quantile is not None else of.function or Function.MEAN
    return f"{how} of {of.measurement} {of.field}{_where(of)} over {_written(of.window)}{by}"


def _where(of: Selection) -> str:
    if of.where == EVERYTHING:
        return ""
    try:
        return " where " + ", ".join(written_conditions(of.where))
    except InvalidQuery:
        return " where its conditions hold"


def _written(nanoseconds: int) -> str:
    return format_duration(timedelta(microseconds=nanoseconds // 1_000))
