"""The range in the URL, and the step that suits it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.time_range import parse_range, step_for
from telemetry.errors import InvalidRequest

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SECOND = 1_000_000_000


def test_without_parameters_the_page_looks_back_from_now() -> None:
    """Its own default, live."""
    shown = parse_range(None, None, "1h", NOW)

    assert (shown.is_live, shown.preset) == (True, "1h")
    assert shown.stop - shown.start == 3_600 * SECOND


def test_an_absolute_range_is_no_preset_and_not_live() -> None:
    """What was zoomed into stays where it is."""
    shown = parse_range("2026-11-24T10:00:00Z", "2026-11-24T10:05:00Z", "1h", NOW)

    assert (shown.is_live, shown.preset) == (False, None)


@pytest.mark.parametrize(("start", "stop"), [("tomorrowish", None), ("now", "-1h"), ("now", "now")])
def test_a_range_that_makes_no_sense_names_its_parameter(start: str, stop: str | None) -> None:
    """A bad time, or a stop that is not after the start."""
    with pytest.raises(InvalidRequest) as caught:
        parse_range(start, stop, "1h", NOW)

    assert caught.value.field in {"start", "stop"}


@given(st.integers(60, 10 * 365 * 86_400), st.integers(1, 86_400))
def test_a_step_gives_some_300_points_and_no_false_gaps(length: int, interval: int) -> None:
    """Never more points than a screen shows, always longer than the distance of two samples, and even windows."""
    step = step_for(length * SECOND, timedelta(seconds=interval))

    assert step >= 1.5 * interval * SECOND
    assert length * SECOND / step <= 300
    assert step % (interval * SECOND) == 0 or step >= 10 * interval * SECOND
