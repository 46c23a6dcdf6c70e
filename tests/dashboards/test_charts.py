"""From numbers to what is drawn: gaps stay gaps, nothing is invented."""

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.charts import combined, newest, strip, thinned
from dashboards.sparkline import paths
from dashboards.units import format_seconds, format_share, format_value
from dashboards.uptime import Slot, Uptime
from telemetry.series import Function, Raw, Series, SeriesQuery, SeriesResult, SeriesSamples

VALUES = st.lists(st.none() | st.floats(-1e9, 1e9), max_size=60)


@given(VALUES)
def test_a_line_is_broken_exactly_where_values_are_missing(values: list[float | None]) -> None:
    """As many runs as there are stretches of known values, all inside the picture."""
    known = "".join(" " if value is None else "x" for value in values).split()
    runs = paths(values, 100, 24)

    assert len(runs) == len(known)
    for run in runs:
        for point in run.split():
            x, y = (float(number) for number in point.split(","))
            assert -0.1 <= y <= 24.1
            assert -0.1 <= x <= 150


@given(VALUES, st.integers(1, 10))
def test_thinning_keeps_the_known_and_invents_nothing(values: list[float | None], count: int) -> None:
    """A group without a value stays without one."""
    for at, value in enumerate(thinned(values, count)):
        group = [one for one in values[at * count : (at + 1) * count] if one is not None]
        assert (value is None) is (not group)
        assert value is None or min(group) - 1e-3 <= value <= max(group) + 1e-3


def test_several_series_become_one_number_as_the_panel_says() -> None:
    """Where none has a value, there is none."""
    query = SeriesQuery("cpu", (), 0, 1, Raw())
    series = tuple(
        SeriesSamples(Series("cpu", (), "x"), (0, 1, 2), values, Function.MEAN)
        for values in ((1.0, None, None), (3.0, 4.0, None))
    )
    result = SeriesResult(query, "raw", series)

    assert combined(result, "max") == [3.0, 4.0, None]
    assert combined(result, "sum") == [4.0, 4.0, None]
    assert combined(result, "mean") == [2.0, 4.0, None]


def test_an_old_value_is_not_now() -> None:
    """What was known five windows ago says nothing about this one."""
    assert newest([1.0, None, None, None, None]) is None
    assert newest([1.0, 2.0, None]) == 2.0


def test_a_slot_shows_the_worst_that_is_known_and_how_much_is() -> None:
    """Unknown is hatched, down is never hidden by it."""
    slots = (Slot(0, 100.0), Slot(100, 100.0, up_s=100.0), Slot(200, 100.0, up_s=40.0, down_s=2.0))
    views = strip(Uptime(slots), ZoneInfo("UTC"))

    assert [(view.state, view.known) for view in views] == [("unknown", 0), ("up", 10), ("down", 4)]
    assert "down for 2 s" in views[2].label


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "percent", "–"),
        (12.345, "percent", "12.3 %"),
        (0, "bytes", "0 B"),
        (1_500_000, "bytes", "1.5 MB"),
        (999_600, "bytes", "1 MB"),
        (1_234, "bytes_per_second", "1.23 kB/s"),
        (0.305, "ms", "0.305 ms"),
        (352.4, "ms", "352 ms"),
        (2_500, "ms", "2.50 s"),
        (5_640, "s", "1 h 34 min"),
        (1_234, "count", "1,234"),
    ],
)
def test_numbers_read_as_people_say_them(value: float | None, unit: str, text: str) -> None:
    """About three digits, with their unit."""
    assert format_value(value, unit) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(1.0, "100 %"), (0.0, "0 %"), (0.99999, "99.99 %"), (0.00001, "0.01 %"), (0.5, "50.00 %"), (None, "–")],
)
def test_a_share_is_never_rounded_to_all_or_nothing(share: float | None, text: str) -> None:
    """99.999 % is not 100 %."""
    assert format_share(share) == text


def test_a_duration_has_at_most_two_units() -> None:
    """Days and hours, not seconds."""
    assert format_seconds(3 * 86_400 + 4 * 3_600 + 59) == "3 d 4 h"
