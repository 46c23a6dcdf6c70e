"""How reports say changes, periods and shares."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from dashboards.reports.model import Change
from dashboards.reports.period import Period
from dashboards.reports.words import ChangeView, change_view, period_words
from telemetry.times import from_datetime


@pytest.mark.parametrize(
    ("change", "unit", "good", "expected"),
    [
        (Change(0.99, 0.995), "share", "up", ("−0.50 points", "", "worse")),
        (Change(0.995, 0.99), "share", "up", ("+0.50 points", "", "better")),
        (Change(1.0, 1.0), "share", "up", ("±0", "", "")),
        (Change(0.99999, 1.0), "share", "up", ("±0", "", "")),
        (Change(120.0, 100.0), "ms", "down", ("+20 ms", "+20 %", "worse")),
        (Change(104.0, 100.0), "ms", "down", ("+4 ms", "+4 %", "")),
        (Change(1000.0, 1004.0), "ms", "down", ("−4 ms", "±0 %", "")),
        (Change(30.0, 20.0), "percent", "", ("+10.0 points", "+50 %", "")),
        (Change(3.0, 0.0), "count", "down", ("+3", "", "worse")),
        (Change(0.0, 3.0), "count", "down", ("−3", "−100 %", "better")),
        (Change(500.0, 10.0), "s", "down", ("+8 min 10 s", "50 times", "worse")),
    ],
)
def test_a_change_in_words(change: Change, unit: str, good: str, expected: tuple[str, str, str]) -> None:
    """In the figure's unit, in percent, and whether it is good."""
    view = change_view(change, unit, good=good)

    assert (view.text, view.percent, view.trend) == expected


@pytest.mark.parametrize("change", [Change(None, 1.0), Change(1.0, None), Change(None, None)])
def test_where_one_side_is_not_known_there_is_no_change(change: Change) -> None:
    """Never a change from or to 0."""
    view = change_view(change, "ms", good="down")

    assert (change.difference, change.percent) == (None, None)
    assert (view.text, view.trend) == ("", "")


def test_what_was_nothing_has_no_percent() -> None:
    """From 0 to 5 is no percentage."""
    assert Change(5.0, 0.0).percent is None
    assert Change(5.0, 0.0).difference == 5.0


def test_a_change_says_what_it_was_before() -> None:
    """For whoever points at it."""
    assert change_view(Change(0.5, 0.75), "share").title == "before: 75.00 %"
    assert change_view(Change(1.0, None), "ms") == ChangeView(title="nothing is known of the period before")


def test_periods_are_written_without_what_goes_without_saying() -> None:
    """The year once, the day once."""

    def written(*moments: tuple[int, int, int, int]) -> str:
        start, stop = (from_datetime(datetime(*moment, tzinfo=UTC)) for moment in moments)
        return period_words(Period(start, stop), ZoneInfo("UTC"))

    assert written((2026, 11, 17, 12), (2026, 11, 24, 12)) == "17 Nov 12:00 – 24 Nov 2026 12:00"
    assert written((2026, 11, 24, 1), (2026, 11, 24, 12)) == "24 Nov 2026 01:00 – 12:00"
    assert written((2025, 12, 31, 0), (2026, 1, 1, 0)) == "31 Dec 2025 00:00 – 1 Jan 2026 00:00"
