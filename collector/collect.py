"""The collector: attempts and samples become points, states are confirmed and remembered. Shell."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Protocol

from collector.attempt import Attempt, one_line
from collector.confirmation import ProbeMemory, confirm, probe_point, remembered
from collector.places import Places
from collector.targets import ProbeSpec, ServiceSpec
from telemetry.clock import Clock
from telemetry.errors import OpsWatchError, PointRejected
from telemetry.health import Outcome, ProbeStatus, ServiceStatus
from telemetry.points import FieldValue, Point, Tags, canonical_tags
from telemetry.ports import PointWriter, SeriesReader, WriteStatus
from telemetry.schema import Registry
from telemetry.series import Latest, SeriesQuery
from telemetry.times import duration_nanoseconds, from_datetime, to_datetime

logger = logging.getLogger(__name__)

_MAX_TOLD = 1_000


class Prober(Protocol):
    """Asks a target once; an outcome, never an exception, for whatever the target does."""

    async def attempt(self, spec: ProbeSpec) -> Attempt: ...


class Sampler(Protocol):
    """Samples the host."""

    async def sample_once(self, now: datetime) -> list[Point]: ...


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A probe's place in time: `offset` after the multiples of its interval."""

    probe: ProbeSpec
    offset: timedelta

    @property
    def key(self) -> str:
        return f"probe:{self.probe.service}/{self.probe.name}"


@dataclass(slots=True)
class CollectorStatistics:
    """Counted since start; `late_ms` is the longest wait for a free place since it was last taken."""

    attempts: int = 0
    running: int = 0
    points_rejected: int = 0
    points_lost: int = 0
    late_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Setting:
    """Where and when the collector works: the clock, this host's name, how many attempts may run at once."""

    clock: Clock
    host: str
    concurrency: int = 100


class Collector:
    """Runs probes and the host sampler, one unit per call, and knows what came last."""

    def __init__(
        self, services: Sequence[ServiceSpec], prober: Prober, writer: PointWriter, registry: Registry, setting: Setting
    ) -> None:
        self._services = tuple(services)
        self._prober = prober
        self._writer = writer
        self._registry = registry
        self._clock = setting.clock
        self._host = setting.host
        self._places = Places(setting.concurrency)
        self._memories: dict[ProbeSpec, ProbeMemory] = {
            probe: ProbeMemory() for service in services for probe in service.probes
        }
        self._next: dict[ProbeSpec, datetime] = {}
        self._told: set[tuple[str, str | None]] = set()  # measurements and fields whose refusal is in the log
        self.statistics = CollectorStatistics()

    async def restore(self, reader: SeriesReader) -> None:
        """Read the confirmed states back, once at start; without them every probe begins as unknown."""
        if not self._memories:
            return
        now = self._clock.now()
        stop = from_datetime(now) + 1
        longest = max(probe.interval for probe in self._memories)
        query = SeriesQuery("probe", ("state", "streak"), stop - 2 * duration_nanoseconds(longest) - 1, stop, Latest())
        try:
            answer = await reader.read(query, timedelta(seconds=10))
        except OpsWatchError as error:
            logger.warning("the confirmed states cannot be read back", extra={"reason": error.message})
            return
        stored: dict[Tags, dict[str, tuple[int, FieldValue | None]]] = {}
        for one in answer.series:
            stored.setdefault(one.series.tags, {})[one.series.field] = (one.times[0], one.values[0])
        for probe in self._memories:
            fields = stored.get(probe_tags(probe, self._host), {})
            if "state" in fields:
                at, state = fields["state"]
                _, streak = fields.get("streak", (at, 0))
                self._memories[probe] = remembered(int(state or 0), int(streak or 0), to_datetime(at), now, probe)

    async def probe_once(self, probe: ProbeSpec) -> Attempt:
        """One attempt: ask, confirm, write. Returns once the point is acknowledged."""
        waited = self._clock.monotonic()
        async with self._places.taken():
            self.statistics.late_ms = max(self.statistics.late_ms, (self._clock.monotonic() - waited) * 1000)
            self.statistics.running += 1
            try:
                attempt = await self._attempt(probe)
            finally:
                self.statistics.running -= 1
        now = self._clock.now()
        before = self._memories.get(probe, ProbeMemory())
        memory, accounting = confirm(before, attempt, now, probe)
        self._memories[probe] = memory
        self._next[probe] = now + probe.interval
        self.statistics.attempts += 1
        if memory.state is not before.state:
            _report(probe, before, memory, attempt)
        await self.keep([probe_point(probe, self._host, attempt, memory, accounting)])
        return attempt

    async def sample_host_once(self, sampler: Sampler) -> int:
        """One sample of the host; how many points were acknowledged."""
        return await self.keep(await sampler.sample_once(self._clock.now()))

    async def keep(self, points: Iterable[Point]) -> int:
        """Pass points through the registry and have them acknowledged; how many were."""
        accepted = []
        for point in points:
            try:
                accepted.append(self._registry.coerce(point))
            except PointRejected as error:
                self._reject(point.measurement, error.field, error.message)
        outcome = await self._writer.write(accepted)
        if outcome.status in {WriteStatus.OK, WriteStatus.PARTIAL}:
            for refused in outcome.refused:
                self._reject(refused.point.measurement, None, refused.reason)
            return len(accepted) - len(outcome.refused)
        self.statistics.points_lost += len(accepted)
        return 0

    def services(self) -> tuple[ServiceStatus, ...]:
        """What is known of every service at this moment."""
        return tuple(
            ServiceStatus(
                service.name,
                service.labels,
                service.depends_on,
                tuple(self._status(probe) for probe in service.probes),
            )
            for service in self._services
        )

    def schedule(self) -> tuple[PlannedRun, ...]:
        """Each probe with its place, spread over its interval by a hash of its name: stable over restarts."""
        return tuple(PlannedRun(probe, spread(probe)) for probe in self._memories)

    def expect_first(self, probe: ProbeSpec, at: datetime) -> None:
        """Say when the first attempt comes, for the pages that have nothing else to show."""
        self._next[probe] = at

    def _reject(self, measurement: str, field: str | None, reason: str) -> None:
        self.statistics.points_rejected += 1
        # Counted always, told once: what is refused now is likely to be refused with every sample.
        if (measurement, field) not in self._told and len(self._told) < _MAX_TOLD:
            self._told.add((measurement, field))
            logger.warning("a point was refused", extra={"entity_id": measurement, "reason": reason})

    async def _attempt(self, probe: ProbeSpec) -> Attempt:
        try:
            return await self._prober.attempt(probe)
        except Exception as error:
            # A defect of ours says nothing of the target, and must not end its probe for good.
            logger.exception("the probe itself failed", extra={"entity_id": f"{probe.service}/{probe.name}"})
            return Attempt(Outcome.ERROR, 0.0, one_line(f"OpsWatch failed to ask: {type(error).__name__}"))

    def _status(self, probe: ProbeSpec) -> ProbeStatus:
        memory = self._memories[probe]
        status = ProbeStatus(
            probe.name,
            probe.kind,
            probe.target,
            probe.interval,
            memory.state,
            memory.since,
            last_attempt=memory.last_attempt,
            next_attempt=self._next.get(probe),
        )
        if memory.last is None:
            return status
        return replace(
            status,
            outcome=memory.last.outcome,
            latency_ms=memory.last.latency_ms,
            message=memory.last.message,
            certificate_days_left=memory.last.certificate_days_left,
        )


def spread(probe: ProbeSpec) -> timedelta:
    """An offset within the probe's interval, by a stable hash of its service and name."""
    digest = blake2b(f"{probe.service}/{probe.name}".encode(), digest_size=8).digest()
    microseconds = probe.interval // timedelta(microseconds=1)
    return timedelta(microseconds=microseconds * int.from_bytes(digest, "big") >> 64)


def probe_tags(probe: ProbeSpec, host: str) -> Tags:
    """The tags of a probe's points, in canonical order."""
    return canonical_tags({"host": host, "kind": probe.kind, "probe": probe.name, "service": probe.service})


def _report(probe: ProbeSpec, before: ProbeMemory, memory: ProbeMemory, attempt: Attempt) -> None:
    logger.info(
        "%s is %s, was %s",
        f"{probe.service}/{probe.name}",
        memory.state.word,
        before.state.word,
        extra={"entity_id": probe.service, "outcome": attempt.outcome.word, "reason": attempt.message},
    )
