"""Liveness, readiness, the story's health answer and our own metrics."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from api.doors import LostPeriod, RollupHealth, ServerHealth
from telemetry.errors import StoreUnavailable
from telemetry.health import State
from telemetry.points import Point
from telemetry.series import SeriesQuery, SeriesResult
from tests.api.test_series import Failing
from tests.api.world import NOW, NOW_NS, SECOND, World, probe, running, service


def point(measurement: str, tags: dict[str, str], fields: dict[str, Any], age: float = 5, host: str = "h1") -> Point:
    return Point.of(measurement, {"host": host} | tags, fields, NOW_NS - int(age * SECOND))


HOST = [
    point("cpu", {"cpu": "cpu-total"}, {"usage_active": 41.5}),
    point("cpu", {"cpu": "cpu-total"}, {"usage_active": 99.0}, age=15),
    point("cpu", {"cpu": "cpu0"}, {"usage_active": 77.0}),
    point("mem", {}, {"used": 1_234_567_890}),
    point("disk", {"path": "/", "device": "a", "fstype": "ext4"}, {"used_percent": 20.0}),
    point("disk", {"path": "/data", "device": "b", "fstype": "ext4"}, {"used_percent": 63.25}),
    point("net", {"interface": "eth0"}, {"bytes_sent": 1_000, "bytes_recv": 20_000}),
    point("net", {"interface": "eth1"}, {"bytes_sent": 300_000, "bytes_recv": 4_000_000}),
    point("net", {"interface": "lo"}, {"bytes_sent": 2**40, "bytes_recv": 2**40}),
    point("cpu", {"cpu": "cpu-total"}, {"usage_active": 1.0}, age=1, host="another"),
]


async def health(world: World) -> dict[str, Any]:
    answer = await world.get("/api/v1/health")
    assert answer.status == 200
    body: dict[str, Any] = await answer.json()
    return body


async def test_the_health_answer_has_the_storys_numbers(world: World) -> None:
    """CPU of cpu-total, memory in 10^6 bytes, the fullest mount, bytes of all interfaces but loopback; of this host."""
    await world.write(*HOST)
    body = await health(world)

    assert body["system_metrics"] == {
        "cpu_usage_percent": 41.5,
        "memory_usage_mb": 1234.568,
        "disk_usage_percent": 63.25,
        "network_io_bytes": 4_321_000,
        "log_rotation_status": "healthy",
    }
    assert body["last_updated"] == "2026-11-24T12:00:00.000Z"
    assert set(body) == {
        "service_status",
        "event_stats",
        "connection_status",
        "system_metrics",
        "last_updated",
        "age_seconds",
    }


async def test_the_health_answer_knows_the_services(world: World) -> None:
    """How many are in which state, which is which, and the worst."""
    world.catalog.known = (
        service("a"),
        service("b", probe(state=State.DEGRADED)),
        service("c", probe(state=State.DOWN)),
    )
    status = (await health(world))["service_status"]

    assert status == {
        "status": "down",
        "up": 1,
        "degraded": 1,
        "down": 1,
        "unknown": 0,
        "services": {"a": "up", "b": "degraded", "c": "down"},
    }


async def test_what_is_not_known_is_null(world: World) -> None:
    """No sample, or only old ones: null, never zero and never invented."""
    await world.write(point("cpu", {"cpu": "cpu-total"}, {"usage_active": 41.5}, age=301))
    metrics = (await health(world))["system_metrics"]

    assert [metrics.pop("log_rotation_status"), *metrics.values()] == ["healthy", None, None, None, None]


@pytest.mark.parametrize("status", ["healthy", "warning", "critical"])
async def test_the_log_rotation_is_told_as_it_is(world: World, status: str) -> None:
    """In the story's three words."""
    world.own[0] = replace(world.own[0], log_rotation_status=status)

    assert (await health(world))["system_metrics"]["log_rotation_status"] == status


async def test_the_connection_status_tells_of_store_and_spool(world: World) -> None:
    """What waits, since when, and why."""
    world.own[0] = replace(world.own[0], spool_trouble="no space left", spool_dropped_points=3, catch_up_s=90.0)

    assert (await health(world))["connection_status"] == {
        "status": "degraded",
        "store": {
            "kind": "embedded",
            "address": None,
            "version": None,
            "canary_ms": None,
            "longest_write_ms": None,
            "longest_query_ms": None,
            "levels": [],
            "series": 7,
            "file_bytes": 4_096,
            "notes": [],
            "missing": [],
        },
        "spool": {
            "pending_batches": 2,
            "oldest_seconds": 0.5,
            "catch_up_seconds": 90.0,
            "dropped_points": 3,
            "trouble": "no space left",
        },
    }


async def test_a_store_that_does_not_say_how_large_it_is_is_not_small(world: World) -> None:
    """InfluxDB counts elsewhere: null, not 0; and what is odd with it is told."""
    odd = ("the clock of InfluxDB is 90s ahead of ours",)
    world.own[0] = replace(
        world.own[0], store_kind="influxdb", store_series=None, store_file_bytes=None, store_notes=odd
    )

    store = (await health(world))["connection_status"]["store"]
    assert (store["kind"], store["series"], store["file_bytes"], store["notes"]) == ("influxdb", None, None, list(odd))
    page = await (await world.get("/status")).text()
    assert odd[0] in page
    assert "None" not in page


async def test_the_database_s_performance_is_told(world: World) -> None:
    """R68: who the server is, how long it takes, how far its levels are; on the status page too."""
    level = RollupHealth("5m", NOW - timedelta(minutes=6), 360.0, 0, 2, 0)
    world.own[0] = replace(
        world.own[0],
        store_kind="influxdb",
        server=ServerHealth("http://influxdb:8086", "2.9.1", 12.3456),
        longest_write_ms=40.0,
        longest_query_ms=7.25,
        rollups=(level,),
    )
    store = (await health(world))["connection_status"]["store"]
    page = await (await world.get("/status")).text()

    assert {
        name: store[name] for name in ("address", "version", "canary_ms", "longest_write_ms", "longest_query_ms")
    } == {
        "address": "http://influxdb:8086",
        "version": "2.9.1",
        "canary_ms": 12.346,
        "longest_write_ms": 40.0,
        "longest_query_ms": 7.25,
    }
    assert store["levels"] == [
        {
            "level": "5m",
            "until": "2026-11-24T11:54:00.000Z",
            "behind_seconds": 360.0,
            "missed_windows": 0,
            "late_windows": 2,
        }
    ]
    assert "InfluxDB 2.9.1 at http://influxdb:8086, a test point is back after 12 ms" in page
    world.own[0] = replace(world.own[0], server=ServerHealth("http://influxdb:8086", "", None))
    assert (
        "InfluxDB at http://influxdb:8086, a test point does not come back" in await (await world.get("/status")).text()
    )


LOST = LostPeriod(NOW - timedelta(hours=30), NOW - timedelta(hours=6), "not a DuckDB file", "metrics.duckdb.broken-1")


async def test_a_lost_period_is_named_wherever_somebody_looks(world: World) -> None:
    """The health answer, readiness (which it does not take away), and the top of every page."""
    world.own[0] = replace(world.own[0], lost=(LOST,))
    ready = await world.get("/ready", "")
    page = await (await world.get("/")).text()

    assert (await health(world))["connection_status"]["store"]["missing"] == [
        {
            "start": "2026-11-23T06:00:00.000Z",
            "stop": "2026-11-24T06:00:00.000Z",
            "reason": "not a DuckDB file",
            "file": "metrics.duckdb.broken-1",
        }
    ]
    assert (ready.status, await ready.json()) == (200, {"status": "ready", "reasons": ["history_missing"]})
    assert "from 2026-11-23 06:00 UTC to 2026-11-24 06:00 UTC are lost" in page


async def test_a_store_in_trouble_leaves_the_figures_unknown(tmp_path: Path) -> None:
    """The health answer is what people look at then: 200, degraded, and nulls."""
    async with running(tmp_path, reader=Failing(StoreUnavailable("no space"))) as world:
        body = await health(world)

    assert body["connection_status"]["status"] == "degraded"
    assert body["system_metrics"]["cpu_usage_percent"] is None
    assert body["service_status"]["up"] == 1


class Counting:
    """A store that counts what it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def read(self, query: SeriesQuery, deadline: timedelta = timedelta(0)) -> SeriesResult:
        self.asked += 1
        await asyncio.sleep(0)
        return SeriesResult(query, "raw", ())

    async def stream(self, query: object) -> Any:
        raise AssertionError
        yield


async def test_the_health_answer_is_computed_once_for_all_and_says_its_age(tmp_path: Path) -> None:
    """However many ask: one computation every two seconds."""
    reader = Counting()
    async with running(tmp_path, reader=reader) as world:
        await asyncio.gather(*(health(world) for _ in range(20)))
        once = reader.asked
        world.clock.advance(timedelta(seconds=1.5))
        aged = await health(world)
        same = reader.asked
        world.clock.advance(timedelta(seconds=1))
        fresh = await health(world)

    assert once == same
    assert reader.asked == 2 * once
    assert (aged["age_seconds"], aged["last_updated"]) == (1.5, "2026-11-24T12:00:00.000Z")
    assert (fresh["age_seconds"], fresh["last_updated"]) == (0.0, "2026-11-24T12:00:02.500Z")


async def test_liveness_asks_nobody(world: World) -> None:
    """/health is 200 without store, state or readiness."""
    world.own.clear()
    answer = await world.get("/health", "")

    assert (answer.status, await answer.json()) == (200, {"status": "ok"})


async def test_readiness_gives_codes_and_nothing_else(world: World) -> None:
    """503 with reason codes until it can serve; anonymous, so no details."""
    ready = await world.get("/ready", "")
    world.own[0] = replace(world.own[0], reasons=("store_unavailable", "spool_full"))
    not_ready = await world.get("/ready", "")

    assert (ready.status, await ready.json()) == (200, {"status": "ready", "reasons": []})
    assert (not_ready.status, await not_ready.json()) == (
        503,
        {"status": "not_ready", "reasons": ["store_unavailable", "spool_full"]},
    )


async def test_our_own_metrics_are_prometheus_text(world: World) -> None:
    """As the exposition door gives them, with the version of the format."""
    answer = await world.get("/metrics")

    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert await answer.text() == "# TYPE opswatch_up gauge\nopswatch_up 1\n"
