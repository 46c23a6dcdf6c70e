"""From the answers of a store to readings: values, ratios, changes, forecasts, and what is missing."""

import pytest

from alerting.machine import Knowledge
from alerting.questions import Plan, Question, asked_by
from alerting.readings import Answer, readings_of
from alerting.rules import Change, Comparison, Expression, Forecast, Ratio, Rule, Selection, Severity, Threshold, Value
from telemetry.points import Point
from telemetry.series import EVERYTHING, AllOf, Equals, Function, GroupFunction, SeriesResult
from tests import oracle

SECOND = 10**9
MINUTE = 60 * SECOND
NOW = 1_000_000 * MINUTE
DAY = 86_400 * SECOND


def app(field: str, values: dict[str, list[float]], back: int = 0) -> list[Point]:
    """Samples of services in the last minute before `back` ns ago, one a second."""
    return [
        Point.of("app", {"service": name}, {field: value}, NOW - back - (len(some) - number) * SECOND)
        for name, some in values.items()
        for number, value in enumerate(some)
    ]


def read(
    expression: Expression, points: list[Point], freshness: int | None = None
) -> dict[str, tuple[str, float | None]]:
    """What a rule with this expression reads, by service: knowledge and value."""
    rule = Rule("r", expression, ((Severity.WARNING, Threshold(Comparison.ABOVE, 1)),), 15 * SECOND)
    asked = asked_by(expression, lambda _: 0)
    plan = Plan.of(asked)
    answers = {}
    for question in plan.functions:
        query = plan.query(question, NOW)
        answers[question] = Answer(SeriesResult(query, "raw", tuple(oracle.evaluate(points, query))))
    found = readings_of(rule, asked, answers, NOW, lambda *_: freshness)
    return {dict(tags).get("service", ""): (one.knowledge.value, one.value) for tags, one in found.items()}


def events(function: Function = Function.MEAN, **changes: object) -> Selection:
    return Selection("app", "events", function, MINUTE, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("function", "value"),
    [
        (Function.MEAN, 4),
        (Function.MAX, 7),
        (Function.MIN, 2),
        (Function.SUM, 12),
        (Function.COUNT, 3),
        (Function.LAST, 7),
    ],
)
def test_a_value_is_what_the_function_makes_of_the_window(function: Function, value: float) -> None:
    """Of each series its own."""
    assert read(Value(events(function)), app("events", {"a": [3, 2, 7]})) == {"a": ("value", value)}


def test_a_condition_leaves_out_the_others() -> None:
    """Found by the tag that it asks for."""
    points = app("events", {"a": [1], "b": [2]})
    for where in (
        Equals("service", "b"),
        AllOf((Equals("service", "b"),)),
        AllOf((EVERYTHING, Equals("service", "b"))),
    ):
        assert read(Value(events(where=where)), points) == {"b": ("value", 2)}


@pytest.mark.parametrize(
    ("group", "value"), [(None, 3), (GroupFunction.MAX, 4), (GroupFunction.SUM, 6), (GroupFunction.COUNT, 2)]
)
def test_a_group_is_one_alert(group: GroupFunction | None, value: float) -> None:
    """By what fits the function, or as the rule says."""
    points = app("events", {"a": [2], "b": [4]})
    assert read(Value(events(group_by=(), group_function=group)), points) == {"": ("value", value)}


def test_an_absent_part_of_what_is_counted_is_none_of_it() -> None:
    """No errors were counted where there are none; a mean that is absent is not known."""
    points = app("events", {"a": [10, 30]}) + app("errors", {"b": [1, 2]})
    counted = Ratio(Selection("app", "errors", Function.INCREASE, MINUTE), events(Function.INCREASE))
    mean = Ratio(Selection("app", "errors", Function.MEAN, MINUTE), events())
    assert read(counted, points) == {"a": ("value", 0), "b": ("missing", None)}
    assert read(mean, points)["a"] == ("missing", None)


def test_a_ratio_is_in_per_cent_and_little_traffic_says_nothing() -> None:
    """Below `least`, and of nothing, there is nothing to judge."""
    points = app("events", {"a": [0, 40], "b": [0, 5]}) + app("errors", {"a": [0, 10], "b": [0, 5]})
    share = Ratio(Selection("app", "errors", Function.INCREASE, MINUTE), events(Function.INCREASE), least=20)
    assert read(share, points) == {"a": ("value", 25), "b": ("nothing", None)}


def test_a_change_is_against_the_same_time_before() -> None:
    """In per cent or absolutely; without a past it is not known, and of 0 there is no percentage."""
    points = app("events", {"a": [5], "b": [5], "c": [5]}) + app("events", {"a": [10], "c": [0]}, DAY)
    assert read(Change(events(), DAY), points) == {
        "a": ("value", -50),
        "b": ("missing", None),
        "c": ("missing", None),
    }
    assert read(Change(events(), DAY, percent=False), points)["c"] == ("value", 5)


def test_a_forecast_is_in_hours() -> None:
    """And never where it does not go."""
    over = 24 * 60 * MINUTE
    points = [
        Point.of("app", {"service": name}, {"events": 50 + slope * hour}, NOW - over + hour * 60 * MINUTE + SECOND)
        for name, slope in (("a", 1.0), ("b", 0.0))
        for hour in range(24)
    ]
    found = read(Forecast(events(), 100, over), points)
    assert found["a"] == ("value", pytest.approx(27, abs=0.1))
    assert found["b"] == ("nothing", None)


def test_the_newest_sample_may_be_as_old_as_its_series_is_asked() -> None:
    """Older than that it says nothing of now."""
    points = [Point.of("app", {"service": "a"}, {"events": 1}, NOW - 50 * SECOND)]
    newest = Selection("app", "events", Function.LAST, 10 * SECOND)
    asked = asked_by(Value(newest), lambda _: MINUTE)[0]
    assert asked.question.window == MINUTE
    old = Selection("app", "events", Function.LAST, MINUTE)
    assert read(Value(old), points) == {"a": ("value", 1)}
    assert read(Value(events(Function.LAST)), points, freshness=1)["a"] == ("value", 1)


def test_a_confirmed_state_that_is_unknown_is_missing() -> None:
    """Unknown is no value of a state, but the want of one; in a group the others count."""
    points = [
        Point.of("probe", {"service": "shop", "probe": name}, {"state": state}, NOW - SECOND)
        for name, state in (("a", 3), ("b", 2))
    ]
    state = Selection("probe", "state", Function.LAST, MINUTE)
    assert [one[0] for one in read(Value(state), points[:1]).values()] == [Knowledge.MISSING.value]
    grouped = Selection(
        "probe", "state", Function.LAST, MINUTE, group_by=("service",), group_function=GroupFunction.MIN
    )
    assert read(Value(grouped), points) == {"shop": ("value", 2)}


def test_a_thousand_rules_of_one_field_are_one_question() -> None:
    """A predicate that all share is left to the store; different ones are not."""
    many = [Value(events(where=Equals("service", f"s{number}"))) for number in range(1_000)]
    plan = Plan.of(one for expression in many for one in asked_by(expression, lambda _: 0))
    alone = Plan.of(asked_by(many[0], lambda _: 0))
    (question,) = plan.functions
    assert plan.query(question, NOW).where == EVERYTHING
    assert alone.query(next(iter(alone.functions)), NOW).where == Equals("service", "s0")


@pytest.mark.parametrize("window", [MINUTE, 7 * MINUTE, 100 * SECOND + 7])
def test_the_windows_of_a_question_end_where_it_is_asked(window: int) -> None:
    """Whole ones, also of a forecast."""
    query = Question("app", "events", window, windows=24).query(NOW, {Function.MEAN}, EVERYTHING)
    assert len(query.axis) == 24
    assert query.stop == NOW


def test_what_is_no_finite_number_is_missing() -> None:
    """A ratio, or a change, of numbers that are far apart: it could be shown nowhere, and fires nothing."""
    points = app("requests", {"a": [1e-300]}) + app("errors", {"a": [1e300]})
    ratio = Ratio(Selection("app", "errors", Function.SUM, MINUTE), Selection("app", "requests", Function.SUM, MINUTE))
    assert read(ratio, points) == {"a": ("missing", None)}
