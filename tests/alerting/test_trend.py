"""Where a series is going: outliers do not move it, and it is honest about what it cannot know."""

import math
from itertools import combinations
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.trend import HOUR, hours_until

HOURS = [number * HOUR for number in range(24)]


def test_a_line_reaches_its_limit_when_it_does() -> None:
    """From 50 by 1 an hour, 100 is 27 hours after the 23rd."""
    assert hours_until(HOURS, [50.0 + hour for hour in range(24)], 100) == pytest.approx(27)


def test_a_third_of_outliers_does_not_move_it() -> None:
    """A backup that fills the disk for an hour is no trend."""
    values: list[float | None] = [50.0 + hour for hour in range(24)]
    for place in (2, 5, 9, 13, 17, 20, 22):
        values[place] = 99.0
    assert hours_until(HOURS, values, 100) == pytest.approx(27, rel=0.15)


@pytest.mark.parametrize("values", [[50.0] * 24, [50.0 - hour for hour in range(24)]])
def test_what_does_not_go_there_never_gets_there(values: list[float]) -> None:
    """Flat, or away from it."""
    assert hours_until(HOURS, values, 100) == math.inf


def test_a_falling_line_reaches_a_lower_limit() -> None:
    """Free space that runs out."""
    assert hours_until(HOURS, [100.0 - 2 * hour for hour in range(24)], 0) == pytest.approx(27)


def test_what_is_there_already_is_there() -> None:
    """Zero hours, not less than none."""
    assert hours_until(HOURS, [80.0 + hour for hour in range(24)], 100) == 0


def test_less_than_half_of_the_values_says_nothing() -> None:
    """None; with half of them it does."""
    values: list[float | None] = [None if hour % 2 else 50.0 + hour for hour in range(24)]
    assert hours_until(HOURS, values, 100) == pytest.approx(27)
    values[0] = None
    assert hours_until(HOURS, values, 100) is None


@given(st.lists(st.none() | st.floats(-1e6, 1e6), min_size=4, max_size=12), st.floats(-1e6, 1e6))
def test_it_is_the_median_of_all_slopes(values: list[float | None], limit: float) -> None:
    """Against the definition, by brute force."""
    points = [(HOURS[place], value) for place, value in enumerate(values) if value is not None]
    found = hours_until(HOURS[: len(values)], values, limit)
    if len(points) < max(3, (len(values) + 1) // 2):
        assert found is None
        return
    slope = median((b - a) / (y - x) for (x, a), (y, b) in combinations(points, 2))
    end = HOURS[len(values) - 1]
    level = median(value + slope * (end - time) for time, value in points)
    assert found is not None
    assert found >= 0
    if found not in {0.0, math.inf}:
        assert level + slope * found * HOUR == pytest.approx(limit, abs=1e-3)
