"""What a wall clock shows, found by looking at it every minute: slow, and plain enough to be believed."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

MINUTE = 60 * 1_000_000_000
DAY = 1_440  # minutes
# A day of each change of 2026 to and from summer time; UTC has none, so any two days will do.
CHANGES = [
    ("Europe/Berlin", datetime(2026, 3, 29, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 10, 25, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 3, 8, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 11, 1, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 4, 4, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 10, 3, tzinfo=UTC)),
    ("UTC", datetime(2026, 3, 29, tzinfo=UTC)),
    ("UTC", datetime(2026, 12, 31, tzinfo=UTC)),
]


@dataclass(frozen=True)
class Watched:
    """A wall clock, looked at each minute: of nine days before the change, and four after it.

    `came[n]` are the wall times that came with minute `n`: one as a rule, more when the clock goes on by more, none
    when it shows again what it has shown.
    """

    zone: ZoneInfo
    first: int  # ns
    shown: tuple[datetime, ...]
    came: tuple[tuple[datetime, ...], ...]

    def instant(self, minute: int) -> int:
        return self.first + minute * MINUTE

    def starts(self, meant: Callable[[datetime], bool]) -> list[int]:
        """The minutes at which something begins that begins at the wall times that are meant."""
        return [minute for minute, walls in enumerate(self.came) if any(meant(wall) for wall in walls)]


@cache
def watched(zone: str, change: datetime) -> Watched:
    """Look at it."""
    begin = change - timedelta(days=9)
    shown, came = [], []
    latest = begin.astimezone(ZoneInfo(zone)).replace(tzinfo=None) - timedelta(minutes=1)
    for minute in range(13 * DAY):
        wall = (begin + timedelta(minutes=minute)).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        shown.append(wall)
        fresh = []
        while latest < wall:
            latest += timedelta(minutes=1)
            fresh.append(latest)
        came.append(tuple(fresh))
    return Watched(ZoneInfo(zone), int(begin.timestamp()) * 1_000_000_000, tuple(shown), tuple(came))


clocks = st.sampled_from(CHANGES).map(lambda change: watched(*change))
# Within a day and a half of the change; what is asked for then lies within the days that are watched.
minutes = st.integers(9 * DAY - DAY // 2, 10 * DAY + DAY // 2)
# Times of the day, most of them near those that are left out or come twice.
times = st.one_of(
    st.times(), st.sampled_from(range(60, 240)).map(lambda one: datetime(2026, 1, 1, one // 60, one % 60).time())
).map(lambda one: one.replace(second=0, microsecond=0))
