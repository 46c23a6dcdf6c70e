"""What the wiring works out for the parts."""

import pytest

from collector.disk_room import Filesystem
from opswatch.wiring import LEAST_SPILL, MOST_SPILL, spill_limit

GB = 10**9


@pytest.mark.parametrize(
    ("free", "reserve", "expected"),
    [
        (50 * GB, None, MOST_SPILL),
        (2 * GB, None, GB),  # the reserve of a large disk is 1 GB
        (2 * GB, GB // 2, GB + GB // 2),
        (GB, None, LEAST_SPILL),
        (0, 0, LEAST_SPILL),
    ],
)
def test_queries_spill_into_what_is_free_beyond_the_reserve(free: int, reserve: int | None, expected: int) -> None:
    """At most 2 GB, and never so little that no page is answered."""
    assert spill_limit(Filesystem(free, 100 * GB), reserve) == expected
