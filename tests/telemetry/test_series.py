"""The query algebra: senseless questions are refused when they are made."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.errors import InvalidQuery, QueryTooLarge
from telemetry.series import Latest, Raw, SeriesQuery, Window, window_starts

SECOND = 1_000_000_000
YEAR = 365 * 86_400 * SECOND


def test_an_empty_range_is_refused() -> None:
    """stop must be after start."""
    with pytest.raises(InvalidQuery, match="stop must be after start"):
        SeriesQuery("cpu", (), 5, 5, Latest())


@pytest.mark.parametrize(("length", "step"), [(11_001, "2s"), (11_000 * 301, "10m"), (11_000 * 3_601, "2h")])
def test_the_step_that_is_proposed_is_one_that_levels_answer(length: int, step: str) -> None:
    """Whole hours, or whole five minutes; seconds only where neither is that long."""
    with pytest.raises(QueryTooLarge, match=f"ask for every={step} or more"):
        SeriesQuery("cpu", (), 0, length * 10**9, Window(10**9 // 2))


def test_ten_years_at_one_second_is_refused_with_a_way_out() -> None:
    """E6: the message says how many windows that is and which step would do."""
    with pytest.raises(QueryTooLarge, match=r"315,360,000 windows .* ask for every=8h or more"):
        SeriesQuery("cpu", (), 0, 10 * YEAR, Window(SECOND))


@pytest.mark.parametrize("limit", [0, -1, 1_000_001])
def test_a_raw_limit_has_bounds(limit: int) -> None:
    """A limit of nothing, or of everything, is refused."""
    with pytest.raises(InvalidQuery, match="limit must be from 1"):
        SeriesQuery("cpu", (), 0, 1, Raw(limit))


@given(
    start=st.integers(min_value=-(10**15), max_value=10**15),
    length=st.integers(min_value=1, max_value=10**15),
    step=st.integers(min_value=10**12, max_value=10**14),
)
def test_windows_are_aligned_and_cover_the_range(start: int, length: int, step: int) -> None:
    """Each window starts at a multiple of the step, and each instant of the range lies in one."""
    starts = window_starts(start, start + length, step)

    assert all(moment % step == 0 for moment in starts)
    assert starts[0] <= start < starts[0] + step
    assert starts[-1] < start + length <= starts[-1] + step
