"""`opswatch collect --once`: one sample and one attempt of everything, beside a running server or alone. Shell."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta

from collector.attempt import Attempt
from collector.collect import Collector, Setting
from collector.disk_room import ReservingWriter
from collector.host import HostSampler
from collector.http_probe import HttpProber
from collector.quarantine import Quarantine
from collector.spool import Spool, SpoolLimits
from collector.spool_codec import one_lane
from collector.targets import ProbeSpec
from opswatch.data_directory import DataDirectory
from opswatch.log_record import inert
from opswatch.migration import bring_forward
from opswatch.settings import Settings
from opswatch.state import State
from opswatch.storage import Place, open_storage
from opswatch.system_clock import system_clock
from opswatch.wiring import DRAIN_WITHIN, open_room
from telemetry.errors import DataDirectoryInUse
from telemetry.measurements import BUILT_IN

# CPU is what was used between two looks.
_BETWEEN_LOOKS = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class CollectReport:
    """What was collected. `kept` says whether every point was acknowledged.

    `waiting` is why they are in the spool on disk and not in the store yet; empty when they are, or a server does that.
    """

    host_points: int
    attempts: tuple[tuple[ProbeSpec, Attempt], ...]
    kept: bool
    by_server: bool
    waiting: str

    def lines(self) -> list[str]:
        """For people."""
        lines = [
            inert(
                f"{probe.service}/{probe.name}: {attempt.outcome.word} in {attempt.latency_ms:.0f} ms"
                + (f" ({attempt.message})" if attempt.message else "")
            )
            for probe, attempt in self.attempts
        ]
        return [*lines, inert(f"{self.host_points} points of the host; {self._place()}")]

    def _place(self) -> str:
        if not self.kept:
            return "NOT everything could be kept"
        if self.waiting:
            return f"they wait in the spool, and whatever runs next hands them on ({self.waiting})"
        return "the running server takes them from the spool" if self.by_server else "they are in the store"

    def as_dict(self) -> dict[str, object]:
        """For scripts."""
        probes = [
            {
                "service": probe.service,
                "probe": probe.name,
                "outcome": attempt.outcome.word,
                "latency_ms": round(attempt.latency_ms, 3),
                "code": attempt.code,
                "message": attempt.message,
            }
            for probe, attempt in self.attempts
        ]
        return {
            "host_points": self.host_points,
            "probes": probes,
            "kept": self.kept,
            "by_server": self.by_server,
            "waiting": self.waiting,
        }


async def collect_once(settings: Settings) -> CollectReport:
    """Collect; a running server drains the spool, else this process does. Raises OpsWatchError."""
    clock, host = system_clock(), socket.gethostname()
    directory = DataDirectory(settings.data_dir)
    directory.prepare()
    async with AsyncExitStack() as stack:
        try:
            stack.enter_context(directory.held())
            await asyncio.to_thread(bring_forward, directory, clock.now())
            state = await stack.enter_async_context(State.opened(directory.state))
            registry = await state.learned_schema.registry()
            room = open_room(directory, settings, clock)
            storage = await stack.enter_async_context(
                open_storage(Place(directory, settings, room, clock, host), registry)
            )
        except DataDirectoryInUse:
            storage = None
        quarantine, writer = Quarantine(directory.quarantine, clock), None if storage is None else storage.writer
        lane_of = one_lane if storage is None else storage.lane_of
        spool = await stack.enter_async_context(
            Spool.opened(directory.spool, writer, quarantine, SpoolLimits(), clock, lane_of=lane_of)
        )
        prober = await stack.enter_async_context(HttpProber.opened(clock))
        reserving = ReservingWriter(spool, open_room(directory, settings, clock), BUILT_IN)
        collector = Collector(settings.services, prober, reserving, BUILT_IN, Setting(clock, host))
        if storage is not None:
            await collector.restore(storage.reader)
        points, attempts = await asyncio.gather(_sample_host(collector, host, settings), _attempt_all(collector))
        kept, waiting = collector.statistics.points_lost == 0, ""
        if storage is not None and not await spool.drain(DRAIN_WITHIN):
            waiting = (await spool.refresh()).trouble or "the store takes them too slowly"
        return CollectReport(points, attempts, kept, by_server=storage is None, waiting=waiting)


async def _sample_host(collector: Collector, host: str, settings: Settings) -> int:
    if not settings.host_enabled:
        return 0
    sampler = HostSampler(host)
    await asyncio.sleep(_BETWEEN_LOOKS.total_seconds())
    return await collector.sample_host_once(sampler)


async def _attempt_all(collector: Collector) -> tuple[tuple[ProbeSpec, Attempt], ...]:
    probes = [run.probe for run in collector.schedule()]
    attempts = await asyncio.gather(*(collector.probe_once(probe) for probe in probes))
    return tuple(zip(probes, attempts, strict=True))
