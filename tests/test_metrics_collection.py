"""Metrics from end to end: the host is sampled, passes registry and spool, and is read back from the store."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from collector.attempt import Attempt
from collector.collect import Collector, Setting
from collector.host import HostSampler
from collector.quarantine import Quarantine
from collector.spool import Spool, SpoolLimits
from collector.targets import HttpRequestSpec, ProbeSpec, ServiceSpec
from embedded.store import EmbeddedOptions, EmbeddedStore
from telemetry.clock import Clock
from telemetry.health import Outcome, State
from telemetry.measurements import BUILT_IN
from telemetry.points import FieldValue, Point
from telemetry.schema import MeasurementClass
from telemetry.series import Equals, Function, Latest, Predicate, Raw, SeriesQuery, Window
from telemetry.times import from_datetime
from tests.collector.doubles import NOW, REAL_CLOCK, SECOND, SetClock

OPTIONS = EmbeddedOptions({MeasurementClass.METRICS: timedelta(days=7), MeasurementClass.SELF: timedelta(days=31)})
SHOP = ProbeSpec("shop", "web", "http", HttpRequestSpec("http://shop.example/health"))
EVERYWHERE = Equals("host", "web1")


class Prober:
    """Says what it is told to."""

    outcome = Outcome.OK

    async def attempt(self, spec: ProbeSpec) -> Attempt:
        return Attempt(self.outcome, 20.0)


@dataclass
class Pipeline:
    """Everything between the host and the store, as the server joins it."""

    collector: Collector
    sampler: HostSampler
    prober: Prober
    spool: Spool
    store: EmbeddedStore
    clock: Clock

    async def latest(self, measurement: str, where: Predicate = EVERYWHERE) -> dict[str, FieldValue | None]:
        """The newest value of every field, once everything has landed."""
        assert await self.spool.drain(timedelta(seconds=10))
        stop = from_datetime(self.clock.now()) + 1
        answer = await self.store.read(SeriesQuery(measurement, (), stop - 600 * SECOND, stop, Latest(), where))
        return {one.series.field: one.values[0] for one in answer.series}

    async def tags(self, measurement: str, tag: str) -> set[str]:
        """The values that a tag has in the store."""
        assert await self.spool.drain(timedelta(seconds=10))
        stop = from_datetime(self.clock.now()) + 1
        answer = await self.store.read(SeriesQuery(measurement, (), stop - 600 * SECOND, stop, Latest()))
        return {dict(one.series.tags)[tag] for one in answer.series}


@asynccontextmanager
async def pipeline(directory: Path, clock: Clock = REAL_CLOCK) -> AsyncIterator[Pipeline]:
    quarantine = Quarantine(directory / "quarantine", clock)
    async with (
        EmbeddedStore.opened(directory / "metrics.duckdb", OPTIONS, BUILT_IN) as store,
        Spool.opened(directory / "spool.sqlite", store, quarantine, SpoolLimits(), clock) as spool,
    ):
        prober = Prober()
        services = [ServiceSpec("shop", (SHOP,))]
        collector = Collector(services, prober, spool, BUILT_IN, Setting(clock, "web1"))
        yield Pipeline(collector, HostSampler("web1"), prober, spool, store, clock)


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Pipeline]:
    """A pipeline that has sampled this machine twice."""
    async with pipeline(tmp_path) as opened:
        await opened.collector.sample_host_once(opened.sampler)
        await asyncio.to_thread(sum, range(3_000_000))  # some ticks of the kernel's clock
        assert await opened.collector.sample_host_once(opened.sampler) > 0
        yield opened


async def test_everything_that_was_sampled_can_be_read_back(tmp_path: Path) -> None:
    """Each field of each point of a sample stands in the store with its value and type; nothing was refused."""
    async with pipeline(tmp_path) as opened:
        sampler = opened.sampler
        points = await sampler.sample_once(REAL_CLOCK.now())
        assert await opened.collector.keep(points) == len(points)
        assert await opened.spool.drain(timedelta(seconds=10))
        start, stop = points[0].time, points[0].time + 1
        found = {}
        for measurement in {point.measurement for point in points}:
            answer = await opened.store.read(SeriesQuery(measurement, (), start, stop, Raw()))
            found |= {
                (one.series.measurement, one.series.tags, one.series.field): one.values[0] for one in answer.series
            }

    written = {(one.measurement, one.tags, name): value for one in points for name, value in one.fields.items()}
    assert found == written
    assert opened.collector.statistics.points_rejected == 0


async def test_r108_cpu_usage_is_collected(running: Pipeline) -> None:
    """Share of CPU time in percent, for the total and each core, every mode."""
    total = await running.latest("cpu", Equals("cpu", "cpu-total"))

    assert 0 <= float(total["usage_active"] or 0) <= 100
    assert float(total["usage_active"] or 0) + float(total["usage_idle"] or 0) == pytest.approx(100, abs=0.01)
    assert "cpu-total" in await running.tags("cpu", "cpu")


async def test_r109_memory_is_collected(running: Pipeline) -> None:
    """Used memory in bytes, from which the API says megabytes of 10^6 bytes."""
    memory = await running.latest("mem")

    assert memory["total"] == psutil.virtual_memory().total
    assert 0 < float(memory["used"] or 0) <= float(memory["total"] or 0)


async def test_r110_disks_are_collected(running: Pipeline) -> None:
    """Each mounted filesystem with its share, the root at least."""
    root = await running.latest("disk", Equals("path", "/"))

    assert 0 <= float(root["used_percent"] or 0) <= 100
    assert "/" in await running.tags("disk", "path")


async def test_r111_network_traffic_is_collected(running: Pipeline) -> None:
    """Bytes in and out of every interface since boot, so that their sum can be said."""
    interfaces = await running.tags("net", "interface")

    assert interfaces == set(psutil.net_io_counters(pernic=True))
    assert interfaces <= {name for _, name in socket.if_nameindex()}
    assert set(await running.latest("net")) >= {"bytes_sent", "bytes_recv"}


async def test_load_and_uptime_are_collected(running: Pipeline) -> None:
    """How busy the host is and how long it is up."""
    system = await running.latest("system")

    assert float(system["uptime"] or 0) > 0
    assert system["n_cpus"] == psutil.cpu_count()


async def test_samples_become_a_series(tmp_path: Path) -> None:
    """Samples of one minute, ten seconds apart, can be asked for by window."""
    clock = SetClock()
    async with pipeline(tmp_path, clock.clock) as opened:
        for _ in range(6):
            await opened.collector.sample_host_once(opened.sampler)
            clock.advance(10)
        assert await opened.spool.drain(timedelta(seconds=10))
        start = from_datetime(NOW)
        shape = Window(30 * SECOND, (Function.COUNT,))
        answer = await opened.store.read(SeriesQuery("system", ("load1",), start, start + 60 * SECOND, shape))

    assert [list(one.values) for one in answer.series] == [[3, 3]]


async def test_one_bad_sample_costs_only_itself(tmp_path: Path) -> None:
    """A filesystem that reports nonsense is refused and counted; everything else of the sample is stored."""

    class Strange(HostSampler):
        def sample(self, now: object) -> list[Point]:
            points = super().sample(now)  # type: ignore[arg-type]
            tags = {"host": "web1", "path": "/mnt/strange", "device": "x", "fstype": "nfs", "mode": "rw"}
            return [*points, Point.of("disk", tags, {"total": 2**63}, points[0].time)]

    async with pipeline(tmp_path) as opened:
        sampler = Strange("web1")
        kept = await opened.collector.sample_host_once(sampler)

        assert kept > 3
        assert opened.collector.statistics.points_rejected == 1
        assert "/mnt/strange" not in await opened.tags("disk", "path")
        assert "/" in await opened.tags("disk", "path")


async def test_states_and_samples_survive_a_restart(tmp_path: Path) -> None:
    """After a restart the confirmed state is read back from the store, and the points of before are there."""
    clock = SetClock()
    async with pipeline(tmp_path, clock.clock) as before:
        await before.collector.probe_once(SHOP)
        clock.advance(30)
        before.prober.outcome = Outcome.REFUSED
        await before.collector.probe_once(SHOP)
        assert await before.spool.drain(timedelta(seconds=10))
    clock.advance(30)
    async with pipeline(tmp_path, clock.clock) as after:
        await after.collector.restore(after.store)
        restored = after.collector.services()[0].state
        after.prober.outcome = Outcome.REFUSED
        await after.collector.probe_once(SHOP)

        assert restored is State.UP
        assert after.collector.services()[0].state is State.DOWN
        assert (await after.latest("probe"))["up_s"] == 30.0


async def test_collecting_goes_on_while_the_store_is_away(tmp_path: Path) -> None:
    """With the server's store closed, samples are acknowledged; the next start brings them into the store."""
    quarantine = Quarantine(tmp_path / "quarantine", REAL_CLOCK)
    async with Spool.opened(tmp_path / "spool.sqlite", None, quarantine, SpoolLimits(), REAL_CLOCK) as spool:
        collector = Collector([], Prober(), spool, BUILT_IN, Setting(REAL_CLOCK, "web1"))
        kept = await collector.sample_host_once(HostSampler("web1"))
    async with pipeline(tmp_path) as opened:
        memory = await opened.latest("mem")

        assert kept > 3
        assert memory["total"] == psutil.virtual_memory().total
        assert opened.spool.statistics.delivered_points == kept
