"""A store that fails is left alone for longer and longer, within bounds."""

from datetime import timedelta

import pytest

from collector.spool_backoff import backoff_seconds


def test_the_wait_between_attempts_grows_to_a_minute_and_stays_there() -> None:
    """Also after a week of failures the wait is between one second and a minute."""
    waits = [backoff_seconds(failures, None) for failures in (*range(1, 50), 1_000, 100_000) for _ in range(20)]

    assert min(waits) >= 1
    assert 50 < max(waits) <= 60
    assert max(backoff_seconds(1, None) for _ in range(100)) <= 2


@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [(120, 120, 120), (1e9, 600, 600), (0, 1, 2), (-5, 1, 2)],
    ids=["2 min", "30 years", "0", "-5"],
)
def test_a7_what_the_store_asks_for_is_the_least(asked: float, least: float, most: float) -> None:
    """Retry-After is obeyed up to ten minutes, and never shortens the wait."""
    assert least <= backoff_seconds(1, timedelta(seconds=asked)) <= most
