"""Curves as geometry: lines that break where nothing is known, axes that people can read."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dashboards.reports.curves import HEIGHT, WIDTH, curve_view, nice_top, ticks
from dashboards.reports.model import Curve
from dashboards.reports.period import MAX_LENGTH, Period
from telemetry.times import duration_nanoseconds, from_datetime

HOUR = 3_600 * 10**9
UTC_ZONE = ZoneInfo("UTC")
START = from_datetime(datetime(2026, 11, 17, tzinfo=UTC))


def curve(
    now: list[float | None], before: list[float | None] | None = None, peaks: list[float | None] | None = None
) -> Curve:
    starts = tuple(START + number * HOUR for number in range(len(now) + 1))
    return Curve(starts, tuple(now), tuple(before or [None] * len(now)), tuple(peaks or ()))


def drawn(line: str) -> list[tuple[float, float]]:
    return [tuple(map(float, pair.split(","))) for pair in line.split()]  # type: ignore[misc]


def test_a_gap_breaks_the_line_and_is_hatched() -> None:
    """Two runs, and between them a stretch in percent; what lies in the future is no gap."""
    view = curve_view(curve([1.0, 1.0, None, 1.0, None]), "ms", None, "x", START + 4 * HOUR, UTC_ZONE)

    assert len(view.now) == 2
    assert view.gaps == ((40.0, 20.0),)


def test_a_single_window_is_a_dash_as_wide_as_it_is() -> None:
    """Else nobody could see it."""
    view = curve_view(curve([None, 4.0, None, None]), "ms", None, "x", START + 4 * HOUR, UTC_ZONE)

    assert drawn(view.now[0]) == [(250.0, 0.0), (500.0, 0.0)]


def test_both_periods_have_one_axis() -> None:
    """The line of the period before stands where its values are on the axis of this one."""
    view = curve_view(curve([10.0, 10.0], [40.0, 40.0]), "ms", None, "x", START + 2 * HOUR, UTC_ZONE)

    assert view.levels == ("40 ms", "20 ms", "0")
    assert {y for _, y in drawn(view.now[0])} == {75.0}
    assert {y for _, y in drawn(view.before[0])} == {0.0}


def test_the_peak_is_marked_where_it_was() -> None:
    """In the middle of its window, at its height; no axis of shares goes beyond the whole."""
    view = curve_view(curve([10.0, 20.0], peaks=[30.0, 95.0]), "percent", 100.0, "x", START + 2 * HOUR, UTC_ZONE)

    assert view.peak == (75.0, 5.0)
    assert view.levels[0] == "100 %"


def test_nothing_known_is_drawn_as_nothing() -> None:
    """No line, and the whole stretch is a gap."""
    view = curve_view(curve([None, None]), "ms", None, "x", START + 2 * HOUR, UTC_ZONE)

    assert view.is_empty
    assert view.gaps == ((0.0, 100.0),)


@pytest.mark.parametrize(
    ("value", "top"), [(0, 1), (0.03, 0.04), (1, 1), (1.2, 2), (23, 25), (26, 40), (99, 100), (1e9, 1e9)]
)
def test_the_top_of_an_axis_is_a_round_number(value: float, top: float) -> None:
    """One that is easy to halve."""
    assert nice_top(value) == pytest.approx(top)


@given(st.floats(1e-9, 1e15))
def test_the_top_is_never_below_the_value_and_at_most_twice_it(value: float) -> None:
    """So that no line is squashed or cut."""
    assert value * (1 - 1e-9) <= nice_top(value) <= 2 * value * (1 + 1e-9)


@example([5e-324], None)
@example([1.7e308], None)
@given(
    st.lists(st.none() | st.floats(0, 1.7e308), min_size=1, max_size=50),
    st.none() | st.floats(0, 1.7e308),
)
def test_every_line_stays_in_its_box(now: list[float | None], before: float | None) -> None:
    """Whatever the values, and from left to right."""
    view = curve_view(curve(now, [before] * len(now)), "ms", None, "x", START + len(now) * HOUR, UTC_ZONE)

    for line in (*view.now, *view.before):
        points = drawn(line)
        assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)
        assert [x for x, _ in points] == sorted(x for x, _ in points)
    assert sum(value is not None for value in now) > 0 or not view.now


def test_a_week_has_its_days() -> None:
    """At local midnight, with their names."""
    week = Period(START + 12 * HOUR, START + (7 * 24 + 12) * HOUR)

    assert [tick.text for tick in ticks(week, UTC_ZONE)] == [
        "Wed 18", "Thu 19", "Fri 20", "Sat 21", "Sun 22", "Mon 23", "Tue 24",
    ]  # fmt: skip
    assert ticks(week, UTC_ZONE)[0].at == pytest.approx(100 * 12 / 168, abs=0.01)


def test_days_of_summer_time_are_marked_at_midnight() -> None:
    """The night with an hour more does not shift the marks after it."""
    berlin = ZoneInfo("Europe/Berlin")
    start = from_datetime(datetime(2026, 10, 23, tzinfo=berlin))
    week = Period(start, from_datetime(datetime(2026, 10, 28, tzinfo=berlin)))
    hours = [round(tick.at / 100 * week.length / HOUR, 1) for tick in ticks(week, berlin)]

    assert hours == [24.0, 48.0, 73.0, 97.0]


@given(
    st.timedeltas(timedelta(minutes=5), MAX_LENGTH),
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)),
    st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kolkata"]),
)
def test_an_axis_never_has_more_marks_than_fit(length: timedelta, start: datetime, zone: str) -> None:
    """At most thirteen, from left to right, none at the edge, none twice."""
    begin = from_datetime(start.replace(tzinfo=UTC))
    found = ticks(Period(begin, begin + duration_nanoseconds(length)), ZoneInfo(zone))
    places = [tick.at for tick in found]

    assert len(found) <= 13
    assert places == sorted(set(places))
    assert all(4 <= place <= 96 for place in places)
