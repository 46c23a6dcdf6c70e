"""F10, G8: each stage of the loop broken once: the heartbeat stops within two intervals, and the stage has a name."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from pydantic import SecretStr

from alerting.dead_mans_switch import Stage
from collector.http_probe import HttpProber
from collector.quarantine import Quarantine
from collector.spool import Spool, SpoolLimits
from embedded.store import EmbeddedOptions, EmbeddedStore
from opswatch.canary import Canary, CanaryParts
from opswatch.heartbeat import Heartbeat
from opswatch.telling_settings import HeartbeatSettings
from telemetry.errors import StoreUnavailable
from telemetry.measurements import BUILT_IN
from telemetry.points import Point
from telemetry.ports import DEFAULT_DEADLINE, WriteOutcome, WriteStatus
from telemetry.series import Raw, SeriesQuery, SeriesResult
from tests.alerting.notifiers.test_webhook import serving
from tests.api.world import SetClock

INTERVAL = timedelta(seconds=60)


@dataclass
class Loop:
    """A canary on a real spool and a real store; any of its stages can be broken."""

    clock: SetClock
    spool: Spool
    store: EmbeddedStore
    broken: set[str] = field(default_factory=set)
    beats: int = 0
    told: list[str] = field(default_factory=list)
    pages: int = 0
    status: int = 200
    hanging: asyncio.Event = field(default_factory=asyncio.Event)
    pause: timedelta = INTERVAL

    async def hang(self, stage: str) -> None:
        """For as long as the test lasts, if this stage is to hang."""
        if f"{stage} hangs" in self.broken:
            await self.hanging.wait()

    async def write(self, points: Sequence[Point]) -> WriteOutcome:
        await self.hang("spool")
        if "a fault of ours" in self.broken:
            raise RuntimeError("nobody thought of that")
        if "spool" in self.broken:
            return WriteOutcome(WriteStatus.RETRY, "the disk is full")
        return await self.spool.write(points)

    async def read(self, query: SeriesQuery, deadline: timedelta = DEFAULT_DEADLINE) -> SeriesResult:
        await self.hang("query")
        if "query" in self.broken:
            raise StoreUnavailable("away")
        found = await self.store.read(query, deadline)
        is_lost = "store" in self.broken or ("judging" in self.broken and not isinstance(query.shape, Raw))
        return replace(found, series=()) if is_lost else found

    def rules_trouble(self, _: datetime) -> str:
        return "no rule has been evaluated" if "rule" in self.broken else ""

    def delivered(self) -> datetime | None:
        return None if "delivery" in self.broken else self.clock.wall

    async def tell(self, words: str) -> None:
        await self.hang("tell")
        if "tell" in self.broken:
            raise StoreUnavailable("the ledger cannot be used")
        self.told.append(words)

    async def answer(self, request: web.Request) -> web.Response:
        if request.path == "/ping":
            await self.hang("outside")
            self.beats += 1
            return web.Response(status=self.status)
        self.pages += 1
        return web.Response(status=503 if "probe" in self.broken else 200)

    async def go(self, canary: Canary, minutes: int) -> None:
        for _ in range(minutes):
            self.clock.advance(self.pause)
            await canary.pulse_once()
            await self.spool.drain(timedelta(seconds=5))


@asynccontextmanager
async def looping(
    folder: Path, *, heartbeat: bool = True, interval: timedelta = INTERVAL
) -> AsyncIterator[tuple[Loop, Canary]]:
    clock = SetClock()
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(
            EmbeddedStore.opened(folder / "metrics.duckdb", EmbeddedOptions(), BUILT_IN)
        )
        quarantine = Quarantine(folder / "quarantine", clock.clock)
        spool = await stack.enter_async_context(
            Spool.opened(folder / "spool.sqlite", store, quarantine, SpoolLimits(), clock.clock)
        )
        prober = await stack.enter_async_context(HttpProber.opened(clock.clock))
        loop = Loop(clock, spool, store, pause=interval)
        url = await stack.enter_async_context(serving(loop.answer))
        parts = CanaryParts(prober, loop, loop, loop.rules_trouble, loop.delivered, loop.tell, clock.clock, "h1")
        outside = HeartbeatSettings(SecretStr(f"{url}/ping"), interval) if heartbeat else None
        canary = Canary(parts, outside)
        canary.begin(url)
        yield loop, canary
        loop.hanging.set()


async def test_while_the_loop_is_whole_the_outside_hears_of_it(tmp_path: Path) -> None:
    """From the moment on that the first point has gone all the way."""
    async with looping(tmp_path) as (loop, canary):
        await loop.go(canary, 1)
        assert loop.beats == 0  # nothing has come back yet
        await loop.go(canary, 5)
        assert loop.beats == 5
        assert (canary.breakage(), canary.trouble(), loop.told) == (None, "", [])


@pytest.mark.parametrize("stage", ["probe", "spool", "store", "query", "rule", "delivery"])
async def test_a_broken_stage_stops_the_heartbeat_and_is_named(tmp_path: Path, stage: str) -> None:
    """Within two intervals; people are told once, and once that it is over."""
    async with looping(tmp_path) as (loop, canary):
        await loop.go(canary, 4)
        loop.broken.add(stage)
        before = loop.beats
        await loop.go(canary, 6)
        assert loop.beats - before <= 3  # the pulse that was under way, and two intervals
        found = canary.breakage()
        assert found is not None
        assert found.stage == stage
        assert len(loop.told) == 1
        assert f"broken at the stage {stage}" in loop.told[0]
        assert canary.trouble() == found.words
        loop.broken.clear()
        await loop.go(canary, 4)
        assert canary.breakage() is None
        assert loop.told[1] == f"the loop is whole again; it was broken at the stage {stage}"


async def test_an_outside_that_does_not_answer_is_not_blamed_on_the_loop(tmp_path: Path) -> None:
    """It is said, without its address; nothing inside is broken by it."""
    async with looping(tmp_path) as (loop, canary):
        await loop.go(canary, 3)
        loop.status = 500
        await loop.go(canary, 5)
        assert canary.breakage() is None
        assert canary.trouble().startswith("the dead man's switch outside does not answer for ")
        assert loop.told == []


async def test_a_clock_that_is_set_breaks_nothing(tmp_path: Path) -> None:
    """A day forward, and two back."""
    async with looping(tmp_path) as (loop, canary):
        await loop.go(canary, 3)
        for days in (1, -2):
            loop.clock.wall += timedelta(days=days)
            await loop.go(canary, 4)
            assert canary.breakage() is None
        assert loop.told == []


async def test_without_an_address_the_loop_is_watched_for_the_page(tmp_path: Path) -> None:
    """Self-knowledge is not for those alone who have somebody outside."""
    async with looping(tmp_path, heartbeat=False) as (loop, canary):
        await loop.go(canary, 3)
        assert (loop.beats, canary.trouble(), Stage.DELIVERY in canary.passes) == (0, "", True)


async def test_a_rule_that_does_not_fire_on_the_canary_is_the_broken_stage(tmp_path: Path) -> None:
    """It is asked and judged as every rule is; its point alone in the store is not enough."""
    async with looping(tmp_path) as (loop, canary):
        await loop.go(canary, 4)
        loop.broken.add("judging")
        await loop.go(canary, 4)
        found = canary.breakage()
        assert found is not None
        assert found.stage is Stage.RULE


async def test_what_could_not_be_told_is_told_when_it_can_be(tmp_path: Path) -> None:
    """The ledger was away as well."""
    async with looping(tmp_path) as (loop, canary):
        await loop.go(canary, 4)
        loop.broken |= {"spool", "tell"}
        await loop.go(canary, 4)
        assert loop.told == []
        loop.broken.remove("tell")
        await loop.go(canary, 2)
        assert [words.split(":")[0] for words in loop.told] == ["the loop is broken at the stage spool"]
        loop.broken.clear()
        await loop.go(canary, 4)
        assert len(loop.told) == 2


@pytest.mark.parametrize(
    ("stage", "named"), [("spool", "spool"), ("query", "query"), ("outside", ""), ("tell", "probe")]
)
async def test_a_stage_that_hangs_is_late_and_the_next_pulse_comes(tmp_path: Path, stage: str, named: str) -> None:
    """An outside that hangs is not blamed on the loop."""
    async with looping(tmp_path, interval=timedelta(seconds=4)) as (loop, canary):
        await loop.go(canary, 3)
        loop.broken |= {f"{stage} hangs", "probe" if stage == "tell" else ""}
        await loop.go(canary, 3)
        found = canary.breakage()
        assert (found.stage if found is not None else "") == named
        loop.broken.clear()
        loop.hanging.set()
        await loop.go(canary, 4)
        assert canary.breakage() is None


async def test_a_query_that_fails_now_and_then_does_not_hide_a_store_that_lost_the_point(tmp_path: Path) -> None:
    """What was late before is late after it."""
    async with looping(tmp_path) as (loop, canary):
        await loop.go(canary, 4)
        loop.broken.add("store")
        for _ in range(4):
            await loop.go(canary, 1)
            loop.broken.add("query")
            await loop.go(canary, 1)
            loop.broken.remove("query")
        found = canary.breakage()
        assert found is not None
        assert found.stage is Stage.STORE
        assert len(loop.told) == 1


async def test_nothing_flickers_between_two_pulses(tmp_path: Path) -> None:
    """The page is asked a moment before each pulse, when the last one was an interval and a little ago."""
    async with looping(tmp_path) as (loop, canary):
        for _ in range(6):
            loop.clock.advance(timedelta(seconds=2))
            assert canary.breakage() is None
            await loop.go(canary, 1)
        loop.clock.advance(INTERVAL * 3)  # and when no pulse comes any more, that is seen
        assert canary.breakage() is not None


async def test_a_fault_of_ours_breaks_a_stage_and_not_the_pulse(tmp_path: Path) -> None:
    """What nobody thought of is told like anything else."""
    async with looping(tmp_path) as (loop, canary):
        await loop.go(canary, 4)
        loop.broken.add("a fault of ours")
        await loop.go(canary, 4)
        assert [words.split(":")[0] for words in loop.told] == ["the loop is broken at the stage spool"]


async def test_a_redirect_is_no_sign_of_life_and_the_address_stays_out_of_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever answers so has not heard it; the URL is a secret, also where nobody can be reached."""
    async with looping(tmp_path) as (loop, canary):
        await loop.go(canary, 3)
        loop.status = 302
        before = canary.passes[Stage.HEARTBEAT]
        await loop.go(canary, 2)
        assert canary.passes[Stage.HEARTBEAT] == before
    nobody = Heartbeat(HeartbeatSettings(SecretStr("http://127.0.0.1:1/hunter2"), INTERVAL))
    assert not await nobody.beat(5)
    assert "hunter2" not in caplog.text
    assert "/ping" not in caplog.text
    assert caplog.text.count("the dead man's switch") == 3
