"""What the store is opened with."""

import pytest

from collector.disk_room import Filesystem
from opswatch.storage import LEAST_SPILL, spill_limit

GB = 10**9


@pytest.mark.parametrize(
    ("free", "reserve", "expected"),
    [
        (51 * GB, None, 25 * GB),
        (2 * GB, None, GB // 2),  # the reserve of a large disk is 1 GB
        (2 * GB, 0, GB),
        (GB, None, LEAST_SPILL),
        (0, 0, LEAST_SPILL),
    ],
)
def test_queries_spill_into_what_is_free_beyond_the_reserve(free: int, reserve: int | None, expected: int) -> None:
    """Half of it, and never so little that no page is answered."""
    assert spill_limit(Filesystem(free, 100 * GB), reserve) == expected
