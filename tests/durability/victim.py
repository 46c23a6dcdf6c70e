"""Runs as a process of its own, to be killed: writes through spool and store, and says what was acknowledged.

`victim.py DIRECTORY FIRST STEP COUNT` writes batches of 50 points, number FIRST on, for ever, and prints the number of
each batch after its acknowledgement. The COUNTth time that the write path comes to STEP it kills itself with SIGKILL;
STEP `never` waits for somebody else to do it, and STEP `liar` prints a number before the batch is acknowledged, as a
commit that returns early would. `inside` in DIRECTORY holds a byte: how many transactions were open at the end.
"""

import asyncio
import itertools
import mmap
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from collector.quarantine import Quarantine
from collector.spool import Spool, SpoolLimits
from embedded.store import EmbeddedOptions, EmbeddedStore
from telemetry.measurements import BUILT_IN
from telemetry.points import Point
from telemetry.ports import WriteStatus
from telemetry.times import to_datetime
from tests.collector.doubles import REAL_CLOCK

BATCH = 50
WRITERS = 20
SECOND = 10**9
START = 1_795_500_000 * SECOND
LATE_EVERY = 7  # every seventh batch lies before what is rolled up already
STEPS = (
    "spool BEGIN",
    "spool INSERT",
    "spool COMMIT",
    "spool DELETE",
    "acknowledged",
    "store BEGIN",
    "store flush",
    "store DELETE FROM raw",
    "store INSERT INTO raw",
    "store INSERT INTO rollup_stale",
    "store COMMIT",
    "store committed",
    "store INSERT INTO rollup_5m",
)


class Steps:
    """Counts the steps of the write path; the one that was asked for is the last."""

    def __init__(self, directory: Path, step: str, count: int) -> None:
        path = directory / "inside"
        path.write_bytes(b"\0\0")
        with path.open("r+b") as stream:
            self._inside = mmap.mmap(stream.fileno(), 2)
        self._step = step
        self._left = count
        self.seen: Counter[str] = Counter()

    def at(self, step: str) -> None:
        self.seen[step] += 1
        if step == self._step:
            self._left -= 1
            if self._left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def enter(self, which: int) -> None:
        self._inside[which] = 1

    def leave(self, which: int) -> None:
        self._inside[which] = 0

    def of_spool(self, statement: str) -> None:
        """What SQLite is about to run."""
        word = statement.split(maxsplit=1)[0]
        if word == "BEGIN":
            self.enter(0)
        self.at(f"spool {word}")
        if word == "COMMIT":
            self.leave(0)


class WatchedConnection:
    """A DuckDB connection that says what it is about to run."""

    def __init__(self, connection: Any, steps: Steps) -> None:
        self._connection = connection
        self._steps = steps

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, statement: str, *parameters: Any) -> Any:
        if statement == "BEGIN":
            self._steps.enter(1)
        for step in STEPS:
            if step.startswith("store ") and statement.startswith(step.removeprefix("store ")):
                self._steps.at(step)
        answer = self._connection.execute(statement, *parameters)
        if statement == "COMMIT":
            self._steps.leave(1)
            self._steps.at("store committed")
        return answer


class WatchedAppender:
    """An appender that says when it is about to flush."""

    def __init__(self, appender: Any, steps: Steps) -> None:
        self._appender = appender
        self._steps = steps

    def __getattr__(self, name: str) -> Any:
        return getattr(self._appender, name)

    def flush(self) -> None:
        self._appender.flush()
        self._steps.at("store flush")


def batch(number: int) -> list[Point]:
    """The points of a batch: of which batch they are is their value, and their time is nobody else's."""
    first = number * BATCH - (10**9 if number % LATE_EVERY == 0 else 0)  # milliseconds
    return [
        Point.of("system", {"host": f"h{point % 5}"}, {"load1": float(number)}, START + (first + point) * 10**6)
        for point in range(BATCH)
    ]


async def write_for_ever(directory: Path, first: int, steps: Steps, *, is_liar: bool) -> None:
    numbers = itertools.count(first)

    async def write(spool: Spool) -> None:
        while True:
            number = next(numbers)
            if is_liar:
                print(number, flush=True)
            if (await spool.write(batch(number))).status is WriteStatus.OK and not is_liar:
                steps.at("acknowledged")
                print(number, flush=True)

    async def roll_up(store: EmbeddedStore) -> None:
        while True:
            await store.roll_up(to_datetime(START - 10**5 * SECOND))
            await asyncio.sleep(0.05)

    quarantine = Quarantine(directory / "quarantine", REAL_CLOCK)
    limits = SpoolLimits(backlog_per_second=1_000)
    async with (
        EmbeddedStore.opened(directory / "metrics.duckdb", EmbeddedOptions(), BUILT_IN) as store,
        Spool.opened(directory / "spool.sqlite", store, quarantine, limits, REAL_CLOCK) as spool,
    ):
        watch(store, spool, steps)
        print("ready", flush=True)
        await asyncio.gather(*(write(spool) for _ in range(WRITERS)), roll_up(store))


def watch(store: EmbeddedStore, spool: Spool, steps: Steps) -> None:
    """Look on from outside: nothing of what is tested is replaced."""
    spool._file._connection.set_trace_callback(steps.of_spool)
    writer = store._writer
    connection = WatchedConnection(writer._connection, steps)
    writer._connection = connection  # type: ignore[assignment]
    store._reconciler._connection = connection  # type: ignore[assignment]
    writer._appenders = {
        table: WatchedAppender(appender, steps) if table == "raw" else appender  # type: ignore[misc]
        for table, appender in writer._appenders.items()
    }


if __name__ == "__main__":
    folder, first, step, count = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    asyncio.run(write_for_ever(folder, first, Steps(folder, step, count), is_liar=step == "liar"))
