"""When jobs run: the one home of APScheduler. Shell.

A job is a function that does one unit of work. Each runs at most once at a time, is never dropped for being
late, and never ends another by failing.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from apscheduler.events import EVENT_JOB_MAX_INSTANCES, JobExecutionEvent
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

from telemetry.clock import Clock
from telemetry.correlation import correlation_id

logger = logging.getLogger(__name__)

Work = Callable[[], Awaitable[object]]

# A wall clock that moves by more than this against the monotonic one was set, by hand or by NTP.
CLOCK_STEP = timedelta(seconds=2)
_CLOCK_LOOK = 1.0  # seconds
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Job:
    """`work` every `interval`, `offset` after the multiples of it; `first` is how soon after start it runs once."""

    key: str
    work: Work
    interval: timedelta
    offset: timedelta = timedelta(0)
    first: timedelta | None = None


@dataclass(slots=True)
class SchedulerStatistics:
    """`skipped` runs found the one before still under way; `steps` counts jumps of the wall clock."""

    skipped: int = 0
    failed: int = 0
    steps: int = 0


class Scheduler:
    """Runs jobs by the wall clock in UTC, and arms them anew when somebody sets that clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._jobs: list[Job] = []
        self._scheduler = AsyncIOScheduler(
            timezone=UTC, job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        )
        self._scheduler.add_listener(self._count_skipped, EVENT_JOB_MAX_INSTANCES)
        self.statistics = SchedulerStatistics()
        self._running: set[asyncio.Task[object]] = set()
        self._stopping = False

    def add(self, job: Job) -> None:
        """Plan a job."""
        self._jobs.append(job)
        self._arm(job, self._clock.now(), job.first)

    def add_once(self, key: str, work: Work, after: timedelta) -> None:
        """Plan one run, `after` from now."""
        job = Job(key, work, after)
        self._scheduler.add_job(self._run, DateTrigger(self._clock.now() + after, timezone=UTC), args=(job,), id=key)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the jobs as long as the block runs; then cancel what is under way and wait for it."""
        self._scheduler.start()
        watch = asyncio.create_task(self._watch_clock(), name="watch clock")
        try:
            yield
        finally:
            self._stopping = True
            self._scheduler.shutdown(wait=False)
            watch.cancel()
            for task in self._running:
                task.cancel()
            await asyncio.gather(watch, *self._running, return_exceptions=True)

    def _arm(self, job: Job, now: datetime, first: timedelta | None) -> None:
        # Multiples of the interval since 1970, so that a restart keeps the rhythm and the spread.
        periods = (now - _EPOCH - job.offset) // job.interval + 1
        start = _EPOCH + job.offset + periods * job.interval
        self._scheduler.add_job(
            self._run,
            IntervalTrigger(seconds=job.interval.total_seconds(), start_date=start, timezone=UTC),
            args=(job,),
            id=job.key,
            replace_existing=True,
            next_run_time=start if first is None else now + first,
        )

    async def _run(self, job: Job) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._running.add(task)
        token = correlation_id.set(f"job_{secrets.token_hex(8)}")
        try:
            await job.work()
        except asyncio.CancelledError:
            if not self._stopping:
                raise  # at a stop it is what we asked for, and no line of a log
        except Exception:
            self.statistics.failed += 1
            logger.exception("job failed; it runs again when it is due", extra={"entity_id": job.key})
        finally:
            correlation_id.reset(token)
            if task is not None:
                self._running.discard(task)

    def _count_skipped(self, event: JobExecutionEvent) -> None:
        self.statistics.skipped += 1
        logger.warning("job skipped: the run before is still under way", extra={"entity_id": event.job_id})

    async def _watch_clock(self) -> None:
        # APScheduler waits for wall times: set back by an hour, it would sleep for that hour. The event loop's
        # own timers follow the monotonic clock, so this task does not.
        wall, monotonic = self._clock.now(), self._clock.monotonic()
        while True:
            await asyncio.sleep(_CLOCK_LOOK)
            now, elapsed = self._clock.now(), self._clock.monotonic() - monotonic
            step = (now - wall) - timedelta(seconds=elapsed)
            wall, monotonic = now, monotonic + elapsed
            if abs(step) > CLOCK_STEP:
                self._rearm(now, step)

    def _rearm(self, now: datetime, step: timedelta) -> None:
        self.statistics.steps += 1
        logger.warning("the wall clock was set; all jobs are armed anew", extra={"step_s": step.total_seconds()})
        for job in self._jobs:
            self._arm(job, now, None)
