"""The scheduler: in time, once at a time, and alive after whatever a job does."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from opswatch.scheduler import Job, Scheduler
from telemetry.clock import Clock
from telemetry.correlation import correlation_id

TENTH = timedelta(milliseconds=100)


def real_clock() -> Clock:
    return Clock(lambda: datetime.now(UTC), asyncio.get_running_loop().time)


class SteppedClock:
    """A clock that can be set back."""

    def __init__(self) -> None:
        self.step = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.step


async def test_a_job_runs_soon_after_start_and_then_again() -> None:
    """`first` says how soon; the interval follows."""
    runs = asyncio.Queue[float]()
    scheduler = Scheduler(real_clock())

    async def work() -> None:
        runs.put_nowait(asyncio.get_running_loop().time())

    scheduler.add(Job("a", work, TENTH, first=timedelta(0)))
    async with scheduler.running():
        times = [await asyncio.wait_for(runs.get(), 5) for _ in range(4)]

    assert all(later > earlier for earlier, later in pairwise(times))


async def test_a_job_that_fails_runs_again_and_others_go_on() -> None:
    """F9: a failing unit ends nothing, and is counted."""
    runs = asyncio.Queue[str]()
    scheduler = Scheduler(real_clock())

    async def fail() -> None:
        runs.put_nowait("failing")
        raise RuntimeError("boom")

    async def succeed() -> None:
        runs.put_nowait("fine")

    scheduler.add(Job("failing", fail, TENTH, first=timedelta(0)))
    scheduler.add(Job("fine", succeed, TENTH, first=timedelta(0)))
    async with scheduler.running():
        seen = [await asyncio.wait_for(runs.get(), 5) for _ in range(8)]

    assert min(seen.count("failing"), seen.count("fine")) >= 2
    assert scheduler.statistics.failed >= 2


async def test_a_run_that_is_still_under_way_is_not_doubled_but_counted() -> None:
    """One at a time; the skipped run is known."""
    scheduler = Scheduler(real_clock())
    started, release = asyncio.Event(), asyncio.Event()
    running = 0

    async def slow() -> None:
        nonlocal running
        running += 1
        assert running == 1
        started.set()
        await release.wait()
        running -= 1

    scheduler.add(Job("slow", slow, TENTH, first=timedelta(0)))
    async with scheduler.running():
        await asyncio.wait_for(started.wait(), 5)
        async with asyncio.timeout(5):
            while scheduler.statistics.skipped == 0:
                await asyncio.sleep(0.02)
        release.set()

    assert scheduler.statistics.skipped >= 1


async def test_stopping_cancels_what_is_under_way() -> None:
    """A stop does not wait for a probe's timeout."""
    scheduler = Scheduler(real_clock())
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    scheduler.add(Job("hang", hang, TENTH, first=timedelta(0)))
    async with asyncio.timeout(5):
        async with scheduler.running():
            await started.wait()

    assert cancelled.is_set()


async def test_each_run_has_a_correlation_id_of_its_own() -> None:
    """What one run logs can be told from what the next one logs."""
    identifiers = asyncio.Queue[str | None]()
    scheduler = Scheduler(real_clock())

    async def work() -> None:
        identifiers.put_nowait(correlation_id.get())

    scheduler.add(Job("a", work, TENTH, first=timedelta(0)))
    async with scheduler.running():
        first, second = [await asyncio.wait_for(identifiers.get(), 5) for _ in range(2)]

    assert first != second
    assert str(first).startswith("job_")


async def test_a_clock_that_is_set_is_noticed_and_the_jobs_go_on() -> None:
    """A23: after a step of the wall clock the jobs are armed anew, and the step is counted."""
    stepped = SteppedClock()
    scheduler = Scheduler(Clock(stepped.now, asyncio.get_running_loop().time))
    runs = asyncio.Queue[None]()

    async def work() -> None:
        runs.put_nowait(None)

    scheduler.add(Job("a", work, TENTH, first=timedelta(0)))
    async with scheduler.running():
        await asyncio.wait_for(runs.get(), 5)
        stepped.step = timedelta(hours=-1)
        async with asyncio.timeout(5):
            while scheduler.statistics.steps == 0:
                await asyncio.sleep(0.02)

    assert scheduler.statistics.steps == 1
