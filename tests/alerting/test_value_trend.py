"""What a rule read, to be drawn: the same as what it is judged by, window by window."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.rules import Change, Comparison, Expression, Forecast, Ratio, Rule, Selection, Severity, Threshold, Value
from alerting.value_trend import MOST_WINDOWS, ends_at, is_drawable, trend_queries, trend_step, trend_values
from telemetry.measurements import BUILT_IN
from telemetry.series import (
    AllOf,
    Equals,
    Function,
    GroupBy,
    Quantile,
    Series,
    SeriesQuery,
    SeriesResult,
    SeriesSamples,
    Window,
)

MINUTE = 60 * 10**9
HOUR = 60 * MINUTE
TAGS = (("host", "web"),)
MEAN = Selection("system", "load1", Function.MEAN, 5 * MINUTE)
GROWTH = Selection("app", "events", Function.INCREASE, 5 * MINUTE, group_by=("service",))
STATE = Selection("probe", "state", Function.LAST, 2 * MINUTE)


def rule(expression: Expression) -> Rule:
    thresholds = ((Severity.WARNING, Threshold(Comparison.ABOVE, 5.0)),)
    return Rule("some", expression, thresholds, 15 * 10**9)


def answered(query: SeriesQuery, values: Sequence[float | None]) -> SeriesResult:
    assert len(values) == len(query.axis)
    series = Series(query.measurement, TAGS, query.fields[0])
    return SeriesResult(query, "raw", (SeriesSamples(series, query.axis, values, Function.MEAN),))


def read(expression: Expression, step: int, *columns: Sequence[float | None]) -> list[float | None]:
    queries = trend_queries(rule(expression), TAGS, 0, len(columns[0]) * step, step)
    return trend_values(
        rule(expression), [answered(query, column) for query, column in zip(queries, columns, strict=True)]
    )


def test_a_value_is_asked_for_as_its_rule_asks_and_of_this_tag_set_alone() -> None:
    """Its own conditions and function, its groups, and each of the tags."""
    of = replace(GROWTH, where=Equals("service", "shop"))
    (query,) = trend_queries(rule(Value(of)), (("service", "shop"),), HOUR + 7, 2 * HOUR, 5 * MINUTE)

    assert query.shape == Window(5 * MINUTE, (Function.INCREASE,), HOUR)
    assert query.group_by == GroupBy(("service",))
    assert query.where == AllOf((Equals("service", "shop"), Equals("service", "shop")))


def test_a_quantile_is_one_of_samples() -> None:
    """Not a quantile of means."""
    of = Selection("app", "latency_ms", None, 5 * MINUTE, 0.95, group_by=("service",))
    (query,) = trend_queries(rule(Value(of)), TAGS, 0, HOUR, 5 * MINUTE)

    assert query.shape == Quantile(5 * MINUTE, (0.95,), 0)


def test_windows_that_are_longer_than_the_rules_count_for_one_of_its_windows() -> None:
    """Else a sum over twice the time would seem to be twice as much, and cross the threshold in the drawing alone."""
    assert read(Value(GROWTH), 10 * MINUTE, [200.0, None, 40.0]) == [100.0, None, 20.0]
    assert read(Value(MEAN), 10 * MINUTE, [200.0, None, 40.0]) == [200.0, None, 40.0]


def test_the_newest_sample_counts_for_as_long_as_the_rule_looks_back() -> None:
    """And not longer: then nothing is known."""
    newest = Value(replace(MEAN, function=Function.LAST, window=2 * MINUTE))

    assert read(newest, MINUTE, [1.0, None, None, None, 4.0]) == [1.0, 1.0, 1.0, None, 4.0]


def test_a_state_that_is_unknown_is_no_value() -> None:
    """Nor is the one before it."""
    assert read(Value(STATE), MINUTE, [2.0, 3.0, None, 0.0]) == [2.0, None, None, 0.0]


def test_a_share_of_nothing_and_of_too_little_is_none() -> None:
    """Where there is enough, what was not counted is 0."""
    ratio = Ratio(replace(GROWTH, field="errors"), GROWTH, percent=True, least=20)

    assert read(ratio, 5 * MINUTE, [5.0, 1.0, None, 3.0], [100.0, 10.0, 50.0, None]) == [5.0, None, 0.0, None]
    gauges = Ratio(replace(MEAN, field="load5"), MEAN, percent=False)
    assert read(gauges, 5 * MINUTE, [5.0, None, 1.0], [10.0, 10.0, 0.0]) == [0.5, None, None]


@pytest.mark.parametrize(("percent", "expected"), [(True, [50.0, None, None]), (False, [5.0, 3.0, None])])
def test_a_change_is_against_the_same_window_before(percent: bool, expected: list[float | None]) -> None:
    """Of nothing there is no percentage."""
    change = Change(MEAN, 24 * HOUR, percent)
    queries = trend_queries(rule(change), TAGS, 0, HOUR, 5 * MINUTE)

    assert [query.start for query in queries] == [0, -24 * HOUR]
    assert [len(query.axis) for query in queries] == [12, 12]
    assert read(change, 5 * MINUTE, [15.0, 3.0, 1.0], [10.0, 0.0, None]) == expected


def test_of_a_forecast_the_values_are_drawn_that_it_is_made_from() -> None:
    """Hours say nothing beside per cent."""
    forecast = Forecast(Selection("disk", "used_percent", Function.LAST, MINUTE), 100.0, 6 * HOUR)

    assert trend_step(rule(forecast), HOUR, 42) == 42
    assert read(forecast, MINUTE, [70.0, None, 71.0]) == [70.0, None, 71.0]


def test_a_tag_set_without_samples_is_a_line_without_points() -> None:
    """As long as the axis."""
    (query,) = trend_queries(rule(Value(MEAN)), TAGS, 0, HOUR, 5 * MINUTE)

    assert trend_values(rule(Value(MEAN)), [SeriesResult(query, "raw", ())]) == [None] * 12


@given(st.integers(1, 400 * 24 * HOUR), st.sampled_from([MINUTE, 5 * MINUTE, HOUR]))
def test_a_step_is_the_rules_own_window_or_a_multiple_of_it(length: int, window: int) -> None:
    """So that no drawing has more windows than anybody can see."""
    step = trend_step(rule(Value(replace(MEAN, window=window))), length, MINUTE)

    assert step % window == 0
    assert length / step <= MOST_WINDOWS
    assert step == window or length > window * MOST_WINDOWS


def test_a_window_that_is_not_over_is_left_out_where_it_gathers() -> None:
    """Of errors in five minutes, the first of them have few."""
    now = HOUR + 7 * MINUTE

    assert ends_at(rule(Value(GROWTH)), now, 5 * MINUTE, now) == HOUR + 5 * MINUTE
    assert ends_at(rule(Value(MEAN)), now, 5 * MINUTE, now) == now


def test_what_is_not_in_the_store_cannot_be_drawn() -> None:
    """A measurement that nobody has pushed, and OpsWatch's own rule on its sources; a histogram can."""
    assert is_drawable(rule(Value(MEAN)), BUILT_IN)
    assert is_drawable(rule(Value(Selection("app", "latency_ms", None, MINUTE, 0.5))), BUILT_IN)
    assert not is_drawable(rule(Value(replace(MEAN, field="load7"))), BUILT_IN)
    assert not is_drawable(rule(Value(replace(MEAN, measurement="source_blind"))), BUILT_IN)
