"""Small stand-ins that the collector's tests share: clocks, destinations, points."""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from telemetry.clock import Clock
from telemetry.points import Point
from telemetry.ports import WRITTEN, WriteOutcome

SECOND = 1_000_000_000
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
START = int(NOW.timestamp()) * SECOND
REAL_CLOCK = Clock(lambda: datetime.now(UTC), time.monotonic)


class SetClock:
    """A clock that creeps at a tenth of the real pace, so that small waits end, and jumps when it is told."""

    def __init__(self) -> None:
        self.wall = NOW
        self.seconds = 1_000.0
        self.clock = Clock(lambda: self.wall, lambda: self.seconds + time.monotonic() / 10)

    def advance(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.seconds += seconds


def hurried_clock() -> Clock:
    """The real wall clock, and a monotonic one a thousand times as fast: what waits a minute waits 60 ms."""
    return Clock(REAL_CLOCK.now, lambda: time.monotonic() * 1_000)


class Destination:
    """Keeps what it is given; `answer` decides what it says of a batch, and only OK means kept."""

    def __init__(self, answer: Callable[[Sequence[Point]], WriteOutcome] = lambda points: WRITTEN) -> None:
        self.answer = answer
        self.batches: list[list[Point]] = []
        self.asked = 0
        self.changed = asyncio.Event()

    @property
    def points(self) -> list[Point]:
        return [point for batch in self.batches for point in batch]

    async def write(self, points: Sequence[Point]) -> WriteOutcome:
        self.asked += 1
        outcome = self.answer(points)
        refused = [one.point for one in outcome.refused]
        if outcome.status.value in {"ok", "partial"}:
            self.batches.append([point for point in points if point not in refused])
        self.changed.set()
        return outcome

    async def until(self, holds: Callable[[], bool], seconds: float = 10) -> None:
        """Wait until something about this destination holds; the test's deadline says when it never will."""
        async with asyncio.timeout(seconds):
            while not holds():
                self.changed.clear()
                await self.changed.wait()


def load(second: float, host: str = "web", measurement: str = "system") -> Point:
    field = "load1" if measurement == "system" else "used_percent"
    return Point.of(measurement, {"host": host}, {field: float(second)}, START + int(second * SECOND))


def lane_of(point: Point) -> str:
    """Two buckets: what `load` makes of "mem" goes to one, all else to the other."""
    return "events" if point.measurement == "mem" else "metrics"
