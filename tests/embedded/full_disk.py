"""Runs as a process of its own, whose files may grow no further: a store whose disk fills in the middle of a commit.

`full_disk.py FOLDER` prints what the test wants to know, one word each.
"""

import asyncio
import resource
import shutil
import signal
import sys
from pathlib import Path

from embedded.store import EmbeddedOptions, EmbeddedStore
from telemetry.measurements import BUILT_IN
from telemetry.points import Point
from telemetry.ports import WriteStatus
from telemetry.series import Raw, SeriesQuery
from telemetry.times import to_datetime

START = 1_795_521_600 * 10**9
LIMIT = 300_000  # bytes of a file
EVERYTHING = SeriesQuery("system", (), START, START + 10**15, Raw(1_000_000))


def batch(number: int) -> list[Point]:
    times = range(number * 1_000, number * 1_000 + 1_000)
    return [Point.of("system", {"host": "a"}, {"load1": float(time)}, START + time * 10**9) for time in times]


async def holds(store: EmbeddedStore, batches: int) -> bool:
    """Whether the store has every value of so many batches, and no other."""
    (series,) = (await store.read(EVERYTHING)).series
    return list(series.values) == list(range(batches * 1_000))


async def main(folder: Path) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    taken = 0
    async with EmbeddedStore.opened(folder / "metrics.duckdb", EmbeddedOptions(), BUILT_IN) as store:
        resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, resource.RLIM_INFINITY))
        while (outcome := await store.write(batch(taken))).status is WriteStatus.OK:
            taken += 1
        print("File too large" in outcome.message, outcome.status.value, await holds(store, taken))
        print((await store.write(batch(taken))).status.value, await holds(store, taken))
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        for number in (taken, taken + 1):
            print((await store.write(batch(number))).status.value)
        await store.roll_up(to_datetime(START + 10**15))
        shutil.copytree(folder, folder.with_name("killed"))  # as a kill would leave it, with its log
    for name in (folder, folder.with_name("killed")):
        async with EmbeddedStore.opened(name / "metrics.duckdb", EmbeddedOptions(), BUILT_IN) as store:
            print(await holds(store, taken + 2))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
