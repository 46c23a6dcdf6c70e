"""Join what is collected and pushed to the spool, and the spool to the store. Shell."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from collector.collect import Collector, Setting
from collector.disk_room import ReservingWriter
from collector.http_probe import HttpProber
from collector.intake import Intake, IntakeSettings
from collector.quarantine import Quarantine
from collector.replay import Replay, ReplayParts
from collector.spool import Spool, SpoolLimits
from opswatch.state.learned_schema import StoredSchema
from opswatch.storage import Place, Storage
from telemetry.schema import Registry


@dataclass(frozen=True, slots=True)
class WritePath:
    """Where points come in. `pushed` takes those of applications, `replay` what stores refused before."""

    spool: Spool
    prober: HttpProber
    writer: ReservingWriter
    collector: Collector
    pushed: Intake
    replay: Replay


@asynccontextmanager
async def open_write_path(
    place: Place, storage: Storage, registry: Registry, learned: StoredSchema
) -> AsyncIterator[WritePath]:
    """The way of every point, as long as the block runs. Raises StoreUnavailable."""
    directory, clock, room = place.directory, place.clock, place.room
    quarantine = Quarantine(directory.quarantine, clock)
    async with AsyncExitStack() as stack:
        spool = await stack.enter_async_context(
            Spool.opened(directory.spool, storage.writer, quarantine, SpoolLimits(), clock, lane_of=storage.lane_of)
        )
        reserving = ReservingWriter(spool, room, registry)
        prober = await stack.enter_async_context(HttpProber.opened(clock))
        collector = Collector(place.settings.services, prober, reserving, registry, Setting(clock, place.host))
        await collector.restore(storage.reader)
        known = IntakeSettings(place.settings.retention.raw, storage.tag_sets)
        intake = Intake(reserving, registry, learned, quarantine, clock, known)
        parts = ReplayParts(intake, registry, storage.writer, room)
        yield WritePath(spool, prober, reserving, collector, intake, Replay(quarantine, directory.root, parts))
