"""Points through the Spool and InfluxWriter into InfluxDB against a bare POST of the same compressed lines. Shell."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import tempfile
import time
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from pydantic import SecretStr

from bench.measure import Bar, Comparison, alternate
from bench.processes import Server, influxdb, missing
from collector.quarantine import Quarantine
from collector.spool import Spool, SpoolLimits
from influx.canary import Canary
from influx.connection import InfluxConnection, InfluxSettings
from influx.encoder import Encoder
from influx.writer import InfluxWriter
from telemetry.clock import Clock
from telemetry.measurements import BUILT_IN
from telemetry.points import Point
from telemetry.ports import WRITTEN
from telemetry.schema import MeasurementClass

SERIES, COMMITS, PAIRS = 500, 200, 7
START = 1_795_500_000 * 10**9
CLOCK = Clock(lambda: datetime.now(UTC), time.monotonic)
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


async def through_the_spool(settings: InfluxSettings) -> float:
    """Seconds from the first write until the last point is in InfluxDB."""
    points = batches()
    with tempfile.TemporaryDirectory() as name:
        async with (
            InfluxConnection.opened(settings) as connection,
            Spool.opened(
                Path(name) / "spool.sqlite",
                InfluxWriter(connection, BUILT_IN, CLOCK, Canary(connection, CLOCK, "bench")),
                Quarantine(Path(name) / "quarantine", CLOCK),
                SpoolLimits(backlog_per_second=1_000),
                CLOCK,
            ) as spool,
        ):
            started = time.perf_counter()
            for batch in points:
                assert await spool.write(batch) == WRITTEN
            assert await spool.drain(timedelta(seconds=120))
            return time.perf_counter() - started


async def by_a_bare_post(settings: InfluxSettings) -> float:
    """Seconds for the same lines, ready-made and compressed, one POST after the other on one connection."""
    bodies = [gzip.compress("\n".join(Encoder(BUILT_IN).encode(batch).lines).encode(), 1) for batch in batches()]
    async with InfluxConnection.opened(settings) as connection:
        started = time.perf_counter()
        for body in bodies:
            answer = await connection.write(settings.bucket(MeasurementClass.METRICS), body, is_gzip=True)
            assert answer.status == 204, answer.text
        return time.perf_counter() - started


def made(server: Server) -> InfluxSettings:
    """Settings with buckets that are there."""
    org = json.loads(server.get("/api/v2/orgs?org=o"))["orgs"][0]["id"]
    settings = InfluxSettings(server.url, "o", SecretStr(server.token), bucket_prefix="bench")
    for one in MeasurementClass:
        server.post("/api/v2/buckets", json.dumps({"orgID": org, "name": settings.bucket(one)}).encode())
    return settings


def main() -> str:
    """The line to report."""
    if absent := missing("influxd"):
        return f"write through the spool into InfluxDB: skipped, {absent}"
    with tempfile.TemporaryDirectory() as name, influxdb(Path(name)) as server:
        settings = made(server)
        asyncio.run(by_a_bare_post(settings))  # warm: the series are known
        ours, peer = alternate(
            lambda: asyncio.run(through_the_spool(settings)), lambda: asyncio.run(by_a_bare_post(settings)), PAIRS
        )
    return Comparison(
        f"spool and InfluxWriter, {SERIES} points a commit, speed vs a bare POST of the same gzip lines",
        ours,
        peer,
        f"s per {SERIES * COMMITS:,} points",
        Bar(0.5, 0.7, at_least=True),
    ).report()


if __name__ == "__main__":
    print(main())
