"""InfluxDB's own figures: those of a real server, and those of whatever else answers."""

from collections.abc import Iterator

import pytest

from influx.connection import InfluxConnection
from influx.server_metrics import points_of, read_metrics
from influx.server_watch import ServerWatch
from influx.store import InfluxStore
from telemetry.influxdb_measurements import INFLUXDB
from telemetry.measurements import BUILT_IN
from telemetry.points import Point
from telemetry.rollup import Retention
from telemetry.schema import MeasurementClass
from tests.collector.doubles import REAL_CLOCK
from tests.influx.server import InfluxServer
from tests.influx.stub import Half, Reply, stub_server

METRICS = "/metrics"
PLAIN = {"Content-Type": "text/plain; version=0.0.4"}
SMALL = b"""# HELP influxdb_uptime_seconds influxdb process uptime in seconds
influxdb_uptime_seconds{id="1"} 12.5
storage_shard_series{bucket="aa",id="1"} 3
storage_shard_series{bucket="aa",id="2"} 4
storage_wal_size{bucket="aa",id="1",path="/var/lib/\\"x\\" {y}"} 100
storage_wal_size{bucket="aa",id="2"} 50
qc_requests_total{org="1",result="success"} 7
qc_requests_total{org="1",result="runtime_error"} 2
task_executor_total_runs_complete{status="failed",task_type="system"} 1
task_scheduler_schedule_delay{quantile="0.5"} NaN
storage_bucket_series_num{bucket="aa"} 90
storage_bucket_series_num{bucket="somebody's"} 5
http_api_request_duration_seconds_sum{path="/api/v2/write",status="2XX"} 2
http_api_request_duration_seconds_count{path="/api/v2/write",status="2XX"} 10
http_api_request_duration_seconds_sum{path="/api/v2/write",status="4XX"} 1
http_api_request_duration_seconds_count{path="/api/v2/write",status="4XX"} 10
go_goroutines 41
"""


def fields(points: Iterator[Point], measurement: str, **tags: str) -> dict[str, object]:
    (found,) = (
        dict(one.fields) for one in points if one.measurement == measurement and dict(one.tags).items() >= tags.items()
    )
    return found


def test_samples_of_many_shards_are_added_up() -> None:
    """And those of calls with every status; what has not happened yet is 0, what is not a number is left out."""
    made = tuple(points_of(read_metrics(SMALL), None, {"aa": "opswatch_raw"}, "here", 7))

    assert fields(iter(made), "influxdb_server") == {"uptime_s": 12.5, "writes": 20, "queries": 0}
    assert fields(iter(made), "influxdb_storage") == {
        "wal_bytes": 150.0,
        "shards": 2.0,
        "compactions_queued": 0.0,
        "write_errors": 0,
        "dropped_values": 0,
    }
    assert fields(iter(made), "influxdb_queries") == {"running": 0.0, "queued": 0.0, "succeeded": 7, "failed": 2}
    assert fields(iter(made), "influxdb_tasks") == {"running": 0.0, "succeeded": 0, "failed": 1}
    assert [dict(one.tags)["bucket"] for one in made if one.measurement == "influxdb_bucket"] == ["opswatch_raw"]
    assert {one.time for one in made} == {7}
    for one in made:
        BUILT_IN.coerce(one)


def test_how_long_calls_took_is_that_of_the_calls_since_the_sample_before() -> None:
    """After a restart, when there are fewer, nothing is said."""
    before = read_metrics(SMALL)
    later = read_metrics(
        SMALL.replace(
            b'_sum{path="/api/v2/write",status="2XX"} 2', b'_sum{path="/api/v2/write",status="2XX"} 3'
        ).replace(b'_count{path="/api/v2/write",status="2XX"} 10', b'_count{path="/api/v2/write",status="2XX"} 14')
    )

    assert fields(points_of(later, before, {}, "here", 7), "influxdb_server")["write_ms"] == pytest.approx(250.0)
    assert "write_ms" not in fields(points_of(before, later, {}, "here", 7), "influxdb_server")
    assert "write_ms" not in fields(points_of(later, None, {}, "here", 7), "influxdb_server")


async def test_a_real_server_says_all_that_is_registered(influx: InfluxServer) -> None:
    """Every measurement and nearly every field, of our buckets by their names."""
    settings = influx.fresh()
    async with InfluxStore.opened(settings, Retention(), BUILT_IN, REAL_CLOCK, "here") as store:
        await store.watch_server()
        await store.look_after()
        await store.watch_server()
        points = store.server_points

    seen = {one.measurement: set(one.fields) for one in points}
    known = {one.name: {field.name for field in one.fields} for one in INFLUXDB}
    assert {name: known[name] - seen.get(name, set()) for name in known if name != "influxdb_bucket"} == {
        name: set() for name in known if name != "influxdb_bucket"
    }
    for one in points:
        BUILT_IN.coerce(one)


@pytest.mark.parametrize(
    "answer",
    [
        Reply(404, b"404 page not found", PLAIN),
        Reply(200, b"<html>hello</html>", {"Content-Type": "text/html"}),
        Reply(200, b"", PLAIN),
        Reply(200, b"influxdb_uptime_seconds not-a-number\n", PLAIN),
        Reply(200, b'influxdb_uptime_seconds{id="', PLAIN),
        Reply(200, b"\xff\xfe influxdb_uptime_seconds NaN\n" * 1_000, PLAIN),
        Half(SMALL[:200]),
    ],
)
async def test_a_server_that_says_nothing_of_itself_harms_nobody(answer: object) -> None:
    """Switched off, a proxy's page, garbage, half an answer: no points, no notes, and it is asked again."""
    async with stub_server() as stub, InfluxConnection.opened(stub.settings()) as connection:
        watch = ServerWatch(connection, BUILT_IN, REAL_CLOCK, "here")
        stub.script(METRICS, [Reply(200, SMALL, PLAIN), answer, Reply(200, SMALL, PLAIN)])  # type: ignore[list-item]
        counts = []
        for _ in range(3):
            await watch.sample({"aa": "opswatch_raw"})
            counts.append(len(watch.points))

        assert counts == [6, 0, 6]
        assert list(watch.notes) == []


async def test_a_bucket_with_too_many_series_is_told() -> None:
    """Of the budget of all its measurements, learned ones among them; a level has that of its samples."""
    registry = BUILT_IN.learning()
    registry.learn("more", ["a"], ["x"])
    budget = sum(one.budget for one in registry if one.measurement_class is MeasurementClass.METRICS)
    async with stub_server() as stub, InfluxConnection.opened(stub.settings()) as connection:
        watch = ServerWatch(connection, registry, REAL_CLOCK, "here")
        names = {"aa": connection.settings.bucket(MeasurementClass.METRICS)}
        many = SMALL.replace(b'{bucket="aa"} 90', f'{{bucket="aa"}} {budget * 0.81:.0f}'.encode())
        stub.script(METRICS, [Reply(200, many, PLAIN)])
        await watch.sample(names)
        (note,) = watch.notes
        await watch.sample({"aa": f"{connection.settings.bucket_prefix}_1h"})
        (level,) = watch.notes

    assert note.startswith(
        f"the bucket {names['aa']} has {budget * 0.81:,.0f} series, and its measurements may have {budget:,}"
    )
    assert level.partition(" has ")[2] == note.partition(" has ")[2]
