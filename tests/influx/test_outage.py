"""InfluxDB goes away while points come: a count made by the test says that none is lost and none is there twice."""

import asyncio
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from collector.quarantine import Quarantine
from collector.spool import Spool, SpoolLimits
from influx.canary import Canary
from influx.connection import InfluxConnection
from influx.writer import InfluxWriter
from telemetry.measurements import BUILT_IN
from telemetry.points import Point
from telemetry.ports import WRITTEN
from telemetry.schema import MeasurementClass
from tests.collector.doubles import SECOND, START, hurried_clock
from tests.influx import server
from tests.influx.plain_query import rows


@pytest.mark.skipif(shutil.which("influxd") is None, reason=server.NOT_HERE)
async def test_a4_a_server_that_is_killed_and_stopped_costs_nothing(tmp_path: Path) -> None:
    """Killed while it is written to, stopped later; every point that was acknowledged is there once."""
    # A flag, so that it is one of our own, which may be killed.
    with server.running("--query-concurrency=8") as influx:
        settings, clock = influx.fresh(), hurried_clock()
        quarantine = Quarantine(tmp_path / "quarantine", clock)
        async with (
            InfluxConnection.opened(settings) as connection,
            Spool.opened(
                tmp_path / "spool.sqlite",
                InfluxWriter(connection, BUILT_IN, clock, Canary(connection, clock, "h")),
                quarantine,
                SpoolLimits(),
                clock,
            ) as spool,
        ):
            for second in range(60):
                points = [
                    Point.of("system", {"host": f"h{number}"}, {"load1": 1.0}, START + second * SECOND)
                    for number in range(100)
                ]
                assert await spool.write(points) == WRITTEN
                if second == 20:
                    assert influx.process is not None
                    influx.process.kill()
                    influx.process.wait()
                if second in {30, 50}:
                    await asyncio.to_thread(influx.start)
                if second == 40:
                    await asyncio.to_thread(influx.stop)
            assert await spool.drain(timedelta(seconds=60))
            assert (spool.refused_points, spool.statistics.dropped.total()) == (0, 0)
        bucket = settings.bucket(MeasurementClass.METRICS)
        (row,) = await asyncio.to_thread(
            rows,
            influx,
            f'from(bucket: "{bucket}") |> range(start: 0, stop: 2260-01-01T00:00:00Z)'
            ' |> filter(fn: (r) => r._measurement == "system") |> group() |> count()',
        )
        assert int(row["_value"]) == 6_000
