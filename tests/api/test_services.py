"""`/api/v1/services`: every service and probe, as it stands."""

from datetime import timedelta
from pathlib import Path

import pytest

from telemetry.errors import StoreUnavailable
from telemetry.health import Outcome, State
from telemetry.points import Point
from tests.api.test_series import Failing
from tests.api.world import NOW, NOW_NS, SECOND, World, probe, running, service


def accounted(hours_ago: float, **seconds: float) -> Point:
    tags = {"host": "h1", "kind": "http", "probe": "health", "service": "checkout"}
    known = {"up_s": 0.0, "degraded_s": 0.0, "down_s": 0.0, "unknown_s": 0.0} | seconds
    return Point.of("probe", tags, known, NOW_NS - int(hours_ago * 3_600) * SECOND)


async def test_the_availability_of_a_service_is_that_of_its_report(world: World) -> None:
    """What its worst probe was: one that is always up does not dilute the other."""
    tags = {"host": "h1", "kind": "http", "service": "shop"}
    points = []
    for minute in range(1, 24 * 60, 2):
        down = 120.0 if minute % 360 < 90 else 0.0
        for name, seconds in (("flap", down), ("steady", 0.0)):
            fields = {"up_s": 120.0 - seconds, "degraded_s": 0.0, "down_s": seconds}
            points.append(Point.of("probe", tags | {"probe": name}, fields, NOW_NS - minute * 60 * SECOND))
    await world.write(*points)
    world.catalog.known = (service("shop", probe("flap"), probe("steady")),)
    (one,) = (await (await world.get("/api/v1/services")).json())["services"]
    report = await (await world.get("/api/v1/reports/availability.json", start="-24h")).json()

    assert one["uptime_24h"] == pytest.approx(0.75, abs=0.01)
    assert report["services"][0]["now"]["availability"] == pytest.approx(one["uptime_24h"], abs=0.01)


async def test_a_service_has_the_documented_names(world: World) -> None:
    """Name, status, maintenance, since, probes and uptime_24h, with everything that is known of each probe."""
    await world.write(
        accounted(1, up_s=60), accounted(2, degraded_s=15), accounted(3, down_s=25), accounted(30, down_s=9e3)
    )
    body = await (await world.get("/api/v1/services/checkout")).json()
    unknown_share = body.pop("unknown_24h")

    assert body == {
        "name": "checkout",
        "status": "up",
        "maintenance": False,
        "since": "2026-11-24T10:00:00.000Z",
        "labels": {"team": "shop"},
        "depends_on": ["postgres"],
        "probes": [
            {
                "name": "health",
                "kind": "http",
                "status": "up",
                "outcome": "ok",
                "latency_ms": 12.346,
                "message": "",
                "last_attempt": "2026-11-24T11:59:57.000Z",
                "next_attempt": "2026-11-24T12:00:27.000Z",
                "certificate_days_left": None,
            }
        ],
        "uptime_24h": pytest.approx(0.75),
    }
    assert unknown_share == pytest.approx(1 - 100 / 86_400, rel=1e-3)


async def test_the_list_and_the_one_say_the_same(world: World) -> None:
    """In the order of the configuration."""
    world.catalog.known = (service("b"), service("a/b ü", probe(state=State.DOWN, outcome=Outcome.TIMEOUT)))
    listed = (await (await world.get("/api/v1/services")).json())["services"]
    one = await (await world.get("/api/v1/services/a%2Fb%20%C3%BC")).json()

    assert [found["name"] for found in listed] == ["b", "a/b ü"]
    assert listed[1] == one
    assert (one["status"], one["probes"][0]["outcome"]) == ("down", "timeout")


async def test_before_the_first_attempt_nothing_is_invented(world: World) -> None:
    """Unknown is said as null, never as zero."""
    fresh = probe(state=State.UNKNOWN, since=None, outcome=None, latency_ms=None, last_attempt=None, next_attempt=None)
    world.catalog.known = (service("checkout", fresh), service("empty"))
    first, _ = (await (await world.get("/api/v1/services")).json())["services"]

    assert first["status"] == "unknown"
    assert (first["since"], first["uptime_24h"]) == (None, None)
    assert {first["probes"][0][name] for name in ("outcome", "latency_ms", "last_attempt", "next_attempt")} == {None}


async def test_an_unknown_service_is_404_with_the_near_miss(world: World) -> None:
    """A typing error is told as one."""
    status, field, message = await world.refusal("/api/v1/services/chekout")

    assert (status, field) == (404, "name")
    assert "did you mean checkout?" in message


async def test_a_store_in_trouble_hides_no_state(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Who is down stands in memory; only the uptime is not known then."""
    async with running(tmp_path, reader=Failing(StoreUnavailable("no space"))) as world:
        world.catalog.known = (service("checkout", probe(state=State.DOWN, since=NOW - timedelta(hours=1))),)
        answer = await world.get("/api/v1/services")
        (found,) = (await answer.json())["services"]

    assert answer.status == 200
    assert (found["status"], found["uptime_24h"]) == ("down", None)
    assert not [record for record in caplog.records if record.levelname == "WARNING"]  # a page asks every second
