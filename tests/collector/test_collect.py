"""The collector: attempts become points and states, and no failure of one reaches another."""

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.attempt import Attempt
from collector.collect import Collector, Setting, spread
from collector.targets import HttpRequestSpec, ProbeSpec, ServiceSpec
from telemetry.errors import QueryTimedOut, StoreUnavailable
from telemetry.health import Outcome, State
from telemetry.measurements import BUILT_IN
from telemetry.points import Point
from telemetry.ports import DEFAULT_DEADLINE, WRITTEN, Refused, WriteOutcome, WriteStatus
from telemetry.series import SeriesQuery, SeriesResult, SeriesSamples
from tests.collector.doubles import NOW, START, Destination, SetClock, load
from tests.oracle import evaluate

OK = Attempt(Outcome.OK, 12.5, code=200)
REFUSED = Attempt(Outcome.REFUSED, 1.0, "nothing listens on port 80")


def probe(service: str = "shop", name: str = "web", **settings: object) -> ProbeSpec:
    request = HttpRequestSpec(f"http://{service}.example/health")
    return ProbeSpec(service, name, "http", request, **settings)  # type: ignore[arg-type]


class Prober:
    """Answers with what it is told; an exception is raised, an event waited for."""

    def __init__(self, answer: Attempt | Exception = OK) -> None:
        self.answer = answer
        self.hold: asyncio.Event | None = None

    async def attempt(self, spec: ProbeSpec) -> Attempt:
        if self.hold is not None:
            await self.hold.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class History:
    """A SeriesReader over points in memory, or one that fails."""

    def __init__(self, points: list[Point], failure: Exception | None = None) -> None:
        self._points = points
        self._failure = failure
        self.queries: list[SeriesQuery] = []

    async def read(self, query: SeriesQuery, deadline: timedelta = DEFAULT_DEADLINE) -> SeriesResult:
        self.queries.append(query)
        if self._failure is not None:
            raise self._failure
        return SeriesResult(query, "raw", tuple(evaluate(self._points, query)))

    async def stream(self, query: SeriesQuery) -> AsyncIterator[list[SeriesSamples]]:
        yield []


class World:
    """A collector with everything around it."""

    def __init__(self, *probes: ProbeSpec, concurrency: int = 100) -> None:
        self.prober = Prober()
        self.writer = Destination()
        self.clock = SetClock()
        names = dict.fromkeys(one.service for one in probes)
        services = [ServiceSpec(name, tuple(one for one in probes if one.service == name)) for name in names]
        setting = Setting(self.clock.clock, "watcher", concurrency)
        self.collector = Collector(services, self.prober, self.writer, BUILT_IN, setting)

    def state(self) -> State:
        return self.collector.services()[0].state


async def test_an_attempt_becomes_one_acknowledged_point() -> None:
    """probe_once returns the attempt once its point is written, with state and accounting in it."""
    world = World(probe())
    attempt = await world.collector.probe_once(probe())
    (point,) = world.writer.points

    assert attempt is OK
    assert point == BUILT_IN.coerce(point)
    assert point.tags == (("host", "watcher"), ("kind", "http"), ("probe", "web"), ("service", "shop"))
    assert (point.time, point.fields["up"], point.fields["state"], point.fields["code"]) == (START, 1, 2, 200)


async def test_the_state_follows_the_thresholds() -> None:
    """One failure of two is remembered as a streak, two in a row are down, one success is up again."""
    world = World(probe())
    states = []
    for answer in (OK, REFUSED, OK, REFUSED, REFUSED, OK):
        world.prober.answer = answer
        await world.collector.probe_once(probe())
        world.clock.advance(30)
        states.append(world.state())

    assert states == [State.UP, State.UP, State.UP, State.UP, State.DOWN, State.UP]
    assert [point.fields["streak"] for point in world.writer.points] == [0, 1, 0, 1, 0, 0]
    assert sum(float(point.fields["up_s"]) for point in world.writer.points) == 120.0
    assert sum(float(point.fields["down_s"]) for point in world.writer.points) == 30.0


async def test_services_say_what_came_last_and_what_comes_next() -> None:
    """Before the first attempt everything is unknown; afterwards outcome, latency, message and the next time."""
    world = World(probe(), probe("mail", "smtp"))
    world.collector.expect_first(probe("mail", "smtp"), NOW + timedelta(seconds=7))
    world.prober.answer = REFUSED
    await world.collector.probe_once(probe())
    shop, mail = world.collector.services()
    (web,), (smtp,) = shop.probes, mail.probes

    assert (web.outcome, web.latency_ms, web.message) == (Outcome.REFUSED, 1.0, "nothing listens on port 80")
    assert (web.last_attempt, web.next_attempt) == (NOW, NOW + timedelta(seconds=30))
    assert (smtp.state, smtp.outcome, smtp.last_attempt) == (State.UNKNOWN, None, None)
    assert smtp.next_attempt == NOW + timedelta(seconds=7)


async def test_g7_a_defect_of_a_probe_is_an_outcome_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """An exception of ours is logged with the probe's name, says nothing of the target, and the next attempt comes."""
    world = World(probe())
    world.prober.answer = RuntimeError("a defect")
    attempt = await world.collector.probe_once(probe())
    world.prober.answer = OK
    await world.collector.probe_once(probe())

    assert attempt.outcome is Outcome.ERROR
    assert [getattr(record, "entity_id", "") for record in caplog.records if record.exc_info] == ["shop/web"]
    assert "up" not in world.writer.points[0].fields
    assert world.state() is State.UP


async def test_g5_trouble_of_our_own_is_unknown_never_down() -> None:
    """However often OpsWatch itself fails, the target is not called down."""
    world = World(probe())
    await world.collector.probe_once(probe())
    world.prober.answer = RuntimeError("out of descriptors")
    for _ in range(3):
        await world.collector.probe_once(probe())

    assert world.state() is State.UNKNOWN


async def test_a24_after_a_suspend_the_gap_is_unknown() -> None:
    """Two hours without attempts: two intervals are accounted, the rest belongs to nobody, and the state stands."""
    world = World(probe())
    await world.collector.probe_once(probe())
    world.clock.advance(7_200)
    await world.collector.probe_once(probe())

    assert world.writer.points[1].fields["up_s"] == 60.0
    assert world.state() is State.UP


@pytest.mark.parametrize("step", [86_400, -3_600, -5])
async def test_a23_a_clock_that_steps_gives_no_negative_seconds(step: float) -> None:
    """Forward at most two intervals are accounted, backward nothing."""
    world = World(probe())
    await world.collector.probe_once(probe())
    world.clock.advance(step)
    await world.collector.probe_once(probe())

    assert world.writer.points[1].fields["up_s"] == (60.0 if step > 0 else 0.0)


async def test_only_so_many_attempts_run_at_once() -> None:
    """A fleet that hangs together is bounded; statistics say how long the last one waited for its place."""
    probes = [probe(f"service{number}") for number in range(10)]
    world = World(*probes, concurrency=3)
    world.prober.hold = asyncio.Event()
    tasks = [asyncio.create_task(world.collector.probe_once(one)) for one in probes]
    while world.collector.statistics.running < 3:
        await asyncio.sleep(0)
    world.clock.advance(2)
    running = world.collector.statistics.running
    world.prober.hold.set()
    await asyncio.gather(*tasks)

    assert running == 3
    assert world.collector.statistics.attempts == 10
    assert world.collector.statistics.running == 0
    assert world.collector.statistics.late_ms == pytest.approx(2_000, abs=200)


async def test_a_cancelled_attempt_leaves_nothing_behind() -> None:
    """At shutdown an attempt is dropped without a point, a state, or a place that is never given back."""
    world = World(probe(), concurrency=1)
    world.prober.hold = asyncio.Event()
    task = asyncio.create_task(world.collector.probe_once(probe()))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    world.prober.hold = None
    await world.collector.probe_once(probe())

    assert world.collector.statistics.running == 0
    assert len(world.writer.points) == 1


# What it writes


async def test_a22_points_that_the_registry_refuses_leave_the_others_alone(caplog: pytest.LogCaptureFixture) -> None:
    """Each refused point is counted, and told of once, not with every sample."""
    world = World()
    bad = Point.of("system", {"host": "a"}, {"load1": float("nan")}, START)
    strange = Point.of("nonsense", {}, {"a": 1.0}, START)
    for _ in range(3):
        assert await world.collector.keep([load(0), bad, strange, load(1)]) == 2

    assert world.writer.batches == [[load(0), load(1)]] * 3
    assert world.collector.statistics.points_rejected == 6
    assert len(caplog.records) == 2


@pytest.mark.parametrize(
    ("outcome", "kept", "lost", "rejected"),
    [
        (WRITTEN, 2, 0, 0),
        (WriteOutcome(WriteStatus.RETRY, "disk full"), 0, 2, 0),
        (WriteOutcome(WriteStatus.PARTIAL, refused=(Refused(load(1), "too long"),)), 1, 0, 1),
    ],
    ids=["ok", "retry", "partial"],
)
async def test_what_was_not_acknowledged_is_counted(outcome: WriteOutcome, kept: int, lost: int, rejected: int) -> None:
    """keep says how many points are safe, and the statistics where the others are."""
    world = World()
    world.writer.answer = lambda points: outcome

    assert await world.collector.keep([load(0), load(1)]) == kept
    assert (world.collector.statistics.points_lost, world.collector.statistics.points_rejected) == (lost, rejected)


async def test_a_sample_of_the_host_is_kept() -> None:
    """The sampler is asked for now, and what it gives is written."""

    class Sampler:
        async def sample_once(self, now: datetime) -> list[Point]:
            return [Point.of("system", {"host": "watcher"}, {"load1": 1.0}, int(now.timestamp()) * 10**9)]

    world = World()

    assert await world.collector.sample_host_once(Sampler()) == 1
    assert [point.time for point in world.writer.points] == [START]


# After a restart


async def written_before(*answers: Attempt) -> tuple[list[Point], SetClock]:
    world = World(probe())
    for answer in answers:
        world.prober.answer = answer
        await world.collector.probe_once(probe())
        world.clock.advance(30)
    return world.writer.points, world.clock


async def test_state_and_streak_survive_a_restart() -> None:
    """One failure before the restart and one after make the two that the threshold asks for."""
    points, clock = await written_before(OK, REFUSED)
    world = World(probe(), probe("mail"))
    world.clock.wall = clock.wall
    await world.collector.restore(History(points))
    restored = world.state()
    world.prober.answer = REFUSED
    await world.collector.probe_once(probe())

    assert restored is State.UP
    assert world.state() is State.DOWN
    assert world.writer.points[-1].fields["up_s"] == 30.0


async def test_g5_what_is_older_than_two_intervals_is_not_believed() -> None:
    """After a night off, nothing is known: neither up nor down."""
    points, clock = await written_before(OK)
    world = World(probe(), probe("slow", interval=timedelta(hours=24)))
    world.clock.wall = clock.wall + timedelta(seconds=31)
    history = History(points)
    await world.collector.restore(history)

    assert world.state() is State.UNKNOWN
    assert len(history.queries) == 1


@pytest.mark.parametrize("failure", [StoreUnavailable("locked"), QueryTimedOut("10 s")], ids=lambda one: one.code)
async def test_a_store_that_cannot_be_read_does_not_stop_the_start(
    failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """Without the stored states every probe begins as unknown, and the log says why."""
    world = World(probe())
    await world.collector.restore(History([], failure))

    assert world.state() is State.UNKNOWN
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


async def test_without_probes_nothing_is_asked() -> None:
    """A configuration without services starts, and reads nothing back."""
    history = History([])
    await World().collector.restore(history)

    assert history.queries == []


# Spread over time

NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=20)


@given(NAMES, NAMES, st.timedeltas(timedelta(seconds=1), timedelta(days=1)))
def test_an_offset_lies_within_its_interval(service: str, name: str, interval: timedelta) -> None:
    """The first attempt comes within one interval, and at the same place after every restart."""
    one = probe(service, name, interval=interval)

    assert timedelta(0) <= spread(one) < interval
    assert spread(one) == spread(probe(service, name, interval=interval))


def test_a_fleet_is_spread_evenly() -> None:
    """A thousand probes of one interval: no tenth of it holds much more than a tenth of them."""
    world = World(*(probe(f"service{number}") for number in range(1_000)))
    tenths = [int(planned.offset / timedelta(seconds=3)) for planned in world.collector.schedule()]

    assert len(tenths) == 1_000
    assert all(60 <= tenths.count(tenth) <= 140 for tenth in range(10))


def test_the_place_of_a_probe_is_the_same_on_every_machine() -> None:
    """The hash is fixed: this value may never change between releases."""
    (planned,) = World(probe()).collector.schedule()

    assert planned.key == "probe:shop/web"
    assert planned.offset == timedelta(seconds=20, microseconds=89_308)
