"""The windows in which a report asks."""

from hypothesis import given
from hypothesis import strategies as st

from dashboards.reports.period import Period
from dashboards.reports.windows import bounds, merged, parts, stretch

FIVE = 5 * 60 * 10**9


@given(st.integers(1, 9_600), st.integers(1, 400), st.integers(0, 10**6))
def test_windows_cover_the_period_and_nothing_else(count: int, most: int, begin: int) -> None:
    """Part by part, without a gap, each of whole windows; as few as were asked for, or little more."""
    period = Period(begin * FIVE, (begin + count) * FIVE)
    length = stretch(period, FIVE, most)
    asked = parts(period, length)
    windows = [start for part in asked for start in range(part.start, part.stop, part.step)]

    assert length % FIVE == 0
    assert [*windows, period.stop] == list(bounds(period, length))
    assert all((part.stop - part.start) % part.step == 0 for part in asked)
    assert len(windows) <= most
    assert [one.start for one in asked[1:]] == [one.stop for one in asked[:-1]]


@given(st.integers(1, 500), st.integers(1, 30))
def test_every_window_is_in_one_longer_window(count: int, per_group: int) -> None:
    """None is lost and none is twice where windows are put together."""
    period = Period(0, count * FIVE)
    groups = merged(bounds(period, FIVE), bounds(period, per_group * FIVE))

    assert [number for numbers in groups.values() for number in numbers] == list(range(count))
    assert all(len(numbers) <= per_group for numbers in groups.values())
