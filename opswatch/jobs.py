"""Which jobs there are, and when each runs. Shell."""

from __future__ import annotations

import logging
from datetime import timedelta

from collector.collect import Collector, PlannedRun, Sampler
from opswatch.scheduler import Job, Scheduler
from opswatch.self_watch import SelfWatch
from opswatch.settings import Settings
from telemetry.clock import Clock

logger = logging.getLogger(__name__)

SELF_INTERVAL = timedelta(seconds=10)
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
