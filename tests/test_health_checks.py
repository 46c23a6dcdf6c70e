"""Health checks from end to end (R45): a real service, probed, confirmed, stored, and shown by the API's own words."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web

from collector.collect import Collector, Setting
from collector.http_probe import HttpProber
from collector.quarantine import Quarantine
from collector.spool import Spool, SpoolLimits
from collector.targets import HttpExpectation, HttpRequestSpec, ProbeSpec, ServiceSpec
from dashboards.uptime_query import uptimes
from embedded.store import EmbeddedOptions, EmbeddedStore
from telemetry.health import State
from telemetry.measurements import BUILT_IN
from telemetry.schema import MeasurementClass
from telemetry.series import Latest, SeriesQuery
from telemetry.times import from_datetime
from tests.collector.doubles import REAL_CLOCK

HOST = "test-host"


@dataclass
class Target:
    """A service that answers as it is told."""

    status: int = 200
    delay: float = 0.0
    url: str = ""
    asked: int = 0
    headers: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.asked += 1
        await asyncio.sleep(self.delay)
        return web.json_response({"status": "healthy"}, status=self.status)


@pytest.fixture
async def target() -> AsyncIterator[Target]:
    one = Target()
    app = web.Application()
    app.router.add_get("/health", one.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    one.url = f"http://127.0.0.1:{runner.addresses[0][1]}/health"
    yield one
    await runner.cleanup()


@dataclass
class Watch:
    """A collector over a real spool and a real store."""

    collector: Collector
    store: EmbeddedStore
    spool: Spool
    probe: ProbeSpec

    async def state(self) -> State:
        await self.collector.probe_once(self.probe)
        return self.collector.services()[0].state

    async def stored(self) -> dict[str, float | int | str | None]:
        """The newest stored value of each field."""
        assert await self.spool.drain(timedelta(seconds=10))
        now = from_datetime(REAL_CLOCK.now())
        answer = await self.store.read(SeriesQuery("probe", (), now - 3_600 * 10**9, now + 10**9, Latest()))
        newest = max(one.times[0] for one in answer.series)
        return {one.series.field: one.values[0] for one in answer.series if one.times[0] == newest}


@pytest.fixture
async def watch(target: Target, tmp_path: Path) -> AsyncIterator[Watch]:
    probe = ProbeSpec(
        "shop",
        "health",
        "http",
        HttpRequestSpec(target.url),
        HttpExpectation(latency=timedelta(milliseconds=150)),
        timedelta(seconds=2),
        timedelta(milliseconds=400),
    )
    options = EmbeddedOptions({MeasurementClass.METRICS: timedelta(days=7)})
    async with (
        EmbeddedStore.opened(tmp_path / "metrics.duckdb", options, BUILT_IN) as store,
        Spool.opened(
            tmp_path / "spool.sqlite", store, Quarantine(tmp_path / "quarantine", REAL_CLOCK), SpoolLimits(), REAL_CLOCK
        ) as spool,
        HttpProber.opened(REAL_CLOCK) as prober,
    ):
        services = (ServiceSpec("shop", (probe,)),)
        yield Watch(Collector(services, prober, spool, BUILT_IN, Setting(REAL_CLOCK, HOST)), store, spool, probe)


async def test_a_service_goes_through_up_degraded_down_and_back(watch: Watch, target: Target) -> None:
    """R23, R24: confirmed after the thresholds, and every step of it stored."""
    seen = [await watch.state()]
    target.delay = 0.2
    seen += [await watch.state(), await watch.state()]
    target.delay, target.status = 0.0, 503
    seen += [await watch.state(), await watch.state()]
    stored = await watch.stored()
    target.status = 200
    seen.append(await watch.state())

    assert seen == [State.UP, State.UP, State.DEGRADED, State.DEGRADED, State.DOWN, State.UP]
    assert (stored["state"], stored["up"], stored["code"]) == (int(State.DOWN), 0, 503)
    assert stored["message"] == "status 503, expected 200-299"


async def test_a_service_that_hangs_is_down_after_its_timeout(watch: Watch, target: Target) -> None:
    """A probe never takes longer than it may, and says where it waited."""
    target.delay = 5
    await watch.state()

    assert await watch.state() is State.DOWN
    (probe,) = watch.collector.services()[0].probes
    assert probe.outcome is not None
    assert probe.outcome.word == "timeout"
    assert 400 <= (probe.latency_ms or 0) < 2_000


async def test_before_the_first_attempt_nothing_is_known(watch: Watch) -> None:
    """Unknown is not down, and not up either."""
    (service,) = watch.collector.services()

    assert service.state is State.UNKNOWN
    assert service.probes[0].last_attempt is None


async def test_after_a_restart_the_confirmed_state_goes_on(watch: Watch, target: Target) -> None:
    """State and streak are read back, so that a restart neither resolves nor raises anything."""
    target.status = 500
    await watch.state()
    assert await watch.state() is State.DOWN
    await watch.stored()

    async with HttpProber.opened(REAL_CLOCK) as prober:
        services = (ServiceSpec("shop", (watch.probe,)),)
        restarted = Collector(services, prober, watch.spool, BUILT_IN, Setting(REAL_CLOCK, HOST))
        await restarted.restore(watch.store)

    assert restarted.services()[0].state is State.DOWN


async def test_availability_is_computed_from_what_was_observed(watch: Watch, target: Target) -> None:
    """Time that nobody observed is unknown, and counts neither way."""
    await watch.state()
    await asyncio.sleep(0.3)
    await watch.state()
    await watch.stored()

    uptime = (await uptimes(watch.store, REAL_CLOCK.now(), timedelta(hours=24)))["shop"]

    assert uptime.availability == 1.0
    assert uptime.unknown_share > 0.99
