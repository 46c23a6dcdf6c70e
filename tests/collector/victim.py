"""Runs as a process of its own, to be killed or starved: writes to a spool and says what was acknowledged.

`victim.py DIRECTORY kill FIRST` writes points for ever, from second FIRST on, and prints the number of each that
was acknowledged; so does `victim.py DIRECTORY lanes FIRST`, of two lanes of which one can never be delivered.
`victim.py DIRECTORY full` fills the spool against a limit on file size, then has it lifted.
"""

import asyncio
import itertools
import resource
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from collector.quarantine import Quarantine
from collector.spool import Spool, SpoolLimits
from collector.spool_codec import one_lane
from embedded.store import EmbeddedOptions, EmbeddedStore
from telemetry.measurements import BUILT_IN
from telemetry.points import Point
from telemetry.ports import PointWriter, WriteOutcome, WriteStatus
from telemetry.schema import MeasurementClass
from tests.collector.doubles import REAL_CLOCK, lane_of, load

OPTIONS = EmbeddedOptions({MeasurementClass.METRICS: timedelta(days=7), MeasurementClass.SELF: timedelta(days=31)})
LIMITS = SpoolLimits(backlog_per_second=1_000)


class OneLaneAway:
    """A store that takes points of every lane but one."""

    def __init__(self, store: PointWriter) -> None:
        self._store = store

    async def write(self, points: Sequence[Point]) -> WriteOutcome:
        if any(lane_of(point) == "events" for point in points):
            return WriteOutcome(WriteStatus.RETRY, "that bucket is away")
        return await self._store.write(points)


async def write_for_ever(directory: Path, first: int, *, has_lanes: bool) -> None:
    numbers = itertools.count(first)

    async def write(spool: Spool) -> None:
        while True:
            number = next(numbers)
            points = [load(number), load(number, measurement="mem")] if has_lanes else [load(number)]
            if (await spool.write(points)).status is WriteStatus.OK:
                print(number, flush=True)

    quarantine = Quarantine(directory / "quarantine", REAL_CLOCK)
    async with (
        EmbeddedStore.opened(directory / "metrics.duckdb", OPTIONS, BUILT_IN) as store,
        Spool.opened(
            directory / "spool.sqlite",
            OneLaneAway(store) if has_lanes else store,
            quarantine,
            LIMITS,
            REAL_CLOCK,
            lane_of=lane_of if has_lanes else one_lane,
        ) as spool,
    ):
        await asyncio.gather(*(write(spool) for _ in range(20)))


async def fill(directory: Path) -> None:
    """Write until the disk takes no more, then with more room again; print each answer."""
    quarantine = Quarantine(directory / "quarantine", REAL_CLOCK)
    async with Spool.opened(directory / "spool.sqlite", None, quarantine, LIMITS, REAL_CLOCK) as spool:
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
        for number in range(30):
            text = Point.of("probe", {"host": str(number)}, {"message": "x" * 20_000}, number)
            outcome = await spool.write([text])
            print(number, outcome.status.value, outcome.message, flush=True)
            if outcome.status is WriteStatus.RETRY:
                break
        print("trouble", spool.statistics.disk_trouble, flush=True)
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        print("after", (await spool.write([load(0)])).status.value, spool.statistics.disk_trouble, flush=True)


if __name__ == "__main__":
    where, what, *rest = sys.argv[1:]
    if what == "full":
        asyncio.run(fill(Path(where)))
    else:
        asyncio.run(write_for_ever(Path(where), int(rest[0]), has_lanes=what == "lanes"))
