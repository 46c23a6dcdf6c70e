"""Which jobs there are, and when each runs. Shell."""

from __future__ import annotations

import logging
from datetime import timedelta

from collector.collect import Collector, PlannedRun, Sampler
from embedded.store import EmbeddedStore
from opswatch.scheduler import Job, Scheduler
from opswatch.self_watch import SelfWatch
from opswatch.settings import Settings
from telemetry.clock import Clock

logger = logging.getLogger(__name__)

SELF_INTERVAL = timedelta(seconds=10)
_HOUSEKEEPING = timedelta(hours=1)
_ROLLUPS = timedelta(minutes=1)
_OLDEST_CHECKED = 30  # days
# A new probe need not wait for its place in a long interval before people see something of it; but not all at once.
_FIRST_WITHIN = timedelta(seconds=5)
_SECOND_HOST_SAMPLE = timedelta(seconds=1)


def plan(
    scheduler: Scheduler, collector: Collector, sampler: Sampler, watch: SelfWatch, settings: Settings, clock: Clock
) -> None:
    """Plan everything that is collected."""
    scheduler.add(Job("self", watch.sample_once, SELF_INTERVAL, first=timedelta(0)))
    if not settings.collection_enabled:
        logger.warning("METRICS_COLLECTION_ENABLED is false: nothing is sampled or probed")
        return
    if settings.host_enabled:
        _plan_host(scheduler, collector, sampler, watch, settings.host_interval, clock)
    for run in collector.schedule():
        _plan_probe(scheduler, collector, run, clock)


def plan_housekeeping(scheduler: Scheduler, store: EmbeddedStore, clock: Clock) -> None:
    """Plan what keeps the store small and its levels whole.

    Retention and order a few minutes past the hour, when a day that is over has its last points.
    """

    async def retention() -> None:
        deleted = await store.delete_expired(clock.now())
        if deleted:
            logger.info("expired samples deleted", extra={"rows": deleted})

    async def order() -> None:
        days = await store.sort_closed_days(clock.now())
        if days:
            logger.info("closed days rewritten in order", extra={"days": days})

    async def rollups() -> None:
        await store.roll_up(clock.now())

    days_checked = 0

    async def coverage() -> None:
        # The newest day each time, and of the older ones another each time: an error is found and mended within days.
        nonlocal days_checked
        now = clock.now()
        older = now - timedelta(days=2 + days_checked % _OLDEST_CHECKED)
        days_checked += 1
        found = await store.check_rollups(now - timedelta(days=1), now)
        found += await store.check_rollups(older, older + timedelta(days=1))
        if found:
            logger.warning("rolled-up windows differ from their samples; they are made again", extra={"windows": found})

    scheduler.add(Job("rollups", rollups, _ROLLUPS, timedelta(seconds=17), first=timedelta(seconds=5)))
    scheduler.add(Job("rollup coverage", coverage, _HOUSEKEEPING, timedelta(minutes=19), first=timedelta(minutes=3)))
    scheduler.add(Job("retention", retention, _HOUSEKEEPING, timedelta(minutes=7), first=timedelta(minutes=1)))
    scheduler.add(Job("sort closed days", order, _HOUSEKEEPING, timedelta(minutes=11), first=timedelta(minutes=2)))


def _plan_host(
    scheduler: Scheduler, collector: Collector, sampler: Sampler, watch: SelfWatch, interval: timedelta, clock: Clock
) -> None:
    watch.first_sample_due = clock.now() + _SECOND_HOST_SAMPLE

    async def sample() -> None:
        if await collector.sample_host_once(sampler):
            watch.first_sample_due = None

    scheduler.add(Job("host", sample, interval, first=timedelta(0)))
    # The first sample has no CPU, which is a difference of two: a second one soon shows it.
    scheduler.add_once("host, second sample", sample, _SECOND_HOST_SAMPLE)


def _plan_probe(scheduler: Scheduler, collector: Collector, run: PlannedRun, clock: Clock) -> None:
    first = min(_FIRST_WITHIN, run.probe.interval) * (run.offset / run.probe.interval)
    collector.expect_first(run.probe, clock.now() + first)

    async def attempt() -> None:
        await collector.probe_once(run.probe)

    scheduler.add(Job(run.key, attempt, run.probe.interval, run.offset, first))
