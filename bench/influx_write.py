"""Points by InfluxWriter, and through the Spool before it, against a bare POST of the same compressed lines. Shell.

The bare POST gets its lines ready-made; InfluxWriter makes and compresses them. The Spool commits to its file first,
with fsync; sixteen writers share its commits, as agents do, and the bare POST has sixteen senders then.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import TypeVar

from pydantic import SecretStr

from bench.measure import Bar, Comparison, alternate
from bench.processes import Server, influxdb, missing
from collector.quarantine import Quarantine
from collector.spool import Spool, SpoolLimits
from influx.canary import Canary
from influx.connection import InfluxConnection
from influx.encoder import Encoder
from influx.settings import InfluxSettings
from influx.writer import InfluxWriter
from telemetry.clock import Clock
from telemetry.measurements import BUILT_IN
from telemetry.points import Point
from telemetry.ports import WRITTEN
from telemetry.schema import MeasurementClass

SERIES, COMMITS, PAIRS, WRITERS = 500, 320, 5, 16
START = 1_795_500_000 * 10**9
CLOCK = Clock(lambda: datetime.now(UTC), time.monotonic)
T = TypeVar("T")
_runs = count()


def batches() -> list[list[Point]]:
    """One value of each of 500 series per commit, a tenth of a second apart; each run's times are its own."""
    tags = [(("host", f"host-{number:03d}"),) for number in range(SERIES)]
    chance = random.Random(1)
    start = START + next(_runs) * COMMITS * 10**8
    return [
        [Point("system", tag, {"load1": round(chance.uniform(0, 8), 2)}, start + commit * 10**8) for tag in tags]
        for commit in range(COMMITS)
    ]


async def written(batches: list[T], write: Callable[[T], Awaitable[None]], writers: int) -> float:
    """Seconds until all of them are written, by so many at once."""
    waiting = iter(batches)

    async def work() -> None:
        for batch in waiting:
            await write(batch)

    started = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(writers)))
    return time.perf_counter() - started


@asynccontextmanager
async def writer(settings: InfluxSettings) -> AsyncIterator[InfluxWriter]:
    async with InfluxConnection.opened(settings) as connection:
        yield InfluxWriter(connection, BUILT_IN, CLOCK, Canary(connection, CLOCK, "bench"))


async def by_the_writer(settings: InfluxSettings) -> float:
    """Seconds for a batch after the other."""
    async with writer(settings) as door:

        async def write(batch: list[Point]) -> None:
            assert await door.write(batch) == WRITTEN

        return await written(batches(), write, 1)


async def through_the_spool(settings: InfluxSettings) -> float:
    """Seconds from the first write until the last point is in InfluxDB."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        limits = SpoolLimits(backlog_per_second=1_000)
        async with (
            writer(settings) as door,
            Spool.opened(path / "spool.sqlite", door, Quarantine(path / "quarantine", CLOCK), limits, CLOCK) as spool,
        ):

            async def write(batch: list[Point]) -> None:
                assert await spool.write(batch) == WRITTEN

            started = time.perf_counter()
            await written(batches(), write, WRITERS)
            assert await spool.drain(timedelta(seconds=120))
            return time.perf_counter() - started


async def by_a_bare_post(settings: InfluxSettings, senders: int) -> float:
    """Seconds for the same lines, ready-made and compressed."""
    bodies = [gzip.compress("\n".join(Encoder(BUILT_IN).encode(batch).lines).encode(), 1) for batch in batches()]
    bucket = settings.bucket(MeasurementClass.METRICS)
    async with InfluxConnection.opened(settings) as connection:

        async def write(body: bytes) -> None:
            answer = await connection.write(bucket, body, is_gzip=True)
            assert answer.status == 204, answer.text

        return await written(bodies, write, senders)


def made(server: Server) -> InfluxSettings:
    """Settings with buckets that are there."""
    org = json.loads(server.get("/api/v2/orgs?org=o"))["orgs"][0]["id"]
    settings = InfluxSettings(server.url, "o", SecretStr(server.token), bucket_prefix="bench")
    for one in MeasurementClass:
        server.post("/api/v2/buckets", json.dumps({"orgID": org, "name": settings.bucket(one)}).encode())
    return settings


def main() -> str:
    """The lines to report."""
    if absent := missing("influxd"):
        return f"write through the spool into InfluxDB: skipped, {absent}"
    with tempfile.TemporaryDirectory() as name, influxdb(Path(name)) as server:
        settings = made(server)
        asyncio.run(by_a_bare_post(settings, 1))  # warm: the series are known
        return "\n".join(
            compare(
                f"{title}, {SERIES} points a commit, speed vs a bare POST of the same gzip lines", ours, settings, n
            )
            for title, ours, n in (
                ("InfluxWriter", by_the_writer, 1),
                (f"spool (fsync) and InfluxWriter, {WRITERS} writers", through_the_spool, WRITERS),
            )
        )


def compare(
    title: str, ours: Callable[[InfluxSettings], Coroutine[None, None, float]], settings: InfluxSettings, senders: int
) -> str:
    """The line of one way."""
    first, second = alternate(
        lambda: asyncio.run(ours(settings)), lambda: asyncio.run(by_a_bare_post(settings, senders)), PAIRS
    )
    return Comparison(title, first, second, f"s per {SERIES * COMMITS:,} points", Bar(0.5, 0.7, at_least=True)).report()


if __name__ == "__main__":
    print(main())
