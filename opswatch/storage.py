"""The store that the settings name, as the rest of the application sees it: whichever it is. Shell."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from collector.disk_room import DiskRoom, Filesystem, default_reserve, filesystem_of
from embedded.archive import Archive
from embedded.engine import EngineOptions
from embedded.store import EmbeddedOptions, EmbeddedStore
from opswatch.backup import CopiedStore
from opswatch.data_directory import DataDirectory
from opswatch.housekeeping import Housekeeping
from opswatch.scheduler import Scheduler
from opswatch.settings import Settings
from telemetry.clock import Clock
from telemetry.points import Tags
from telemetry.ports import PointWriter, SeriesReader, TableExporter
from telemetry.schema import Registry
from telemetry.store_status import LostSamples, StoreCondition, StoreStatistics

LEAST_SPILL = 256 * 10**6  # with which every page can still be answered


class StoreFigures(Protocol):
    """How the store stands; asks it nothing."""

    def take_statistics(self) -> StoreStatistics:
        """The longest commit and query begin anew."""
        ...

    def condition(self, now: datetime) -> StoreCondition:
        """What is broken, odd, lost, and how its levels stand."""
        ...


@dataclass(frozen=True, slots=True)
class Storage:
    """An open store. `tag_sets` are (measurement, tags) of what is in it; `copied` is None where it is no file of ours.

    `plan_jobs` plans what keeps it well.
    """

    kind: str
    writer: PointWriter
    reader: SeriesReader
    exporter: TableExporter
    figures: StoreFigures
    tag_sets: Sequence[tuple[str, Tags]]
    copied: CopiedStore | None
    plan_jobs: Callable[[Scheduler], None]


class EmbeddedFigures:
    """Implements StoreFigures for the embedded store."""

    def __init__(self, store: EmbeddedStore) -> None:
        self._store = store

    def take_statistics(self) -> StoreStatistics:
        return self._store.take_statistics()

    def condition(self, now: datetime) -> StoreCondition:
        lost = (LostSamples(one.start, one.stop, one.reason, one.file) for one in self._store.missing_periods)
        return StoreCondition(self._store.damage, (), tuple(lost), self._store.rollup_status(now))


@asynccontextmanager
async def open_storage(
    directory: DataDirectory, settings: Settings, registry: Registry, room: DiskRoom, clock: Clock
) -> AsyncIterator[Storage]:
    """The store that the settings name, as long as the block runs. Raises StoreUnavailable."""
    spill = spill_limit(filesystem_of(directory.root), settings.disk_reserve)
    engine = EngineOptions(allowed_directories=(directory.exports, directory.archive), spill_limit=spill)
    options = EmbeddedOptions(
        settings.retention, engine, archive=Archive(directory.archive / "metrics"), exports=directory.exports
    )
    async with EmbeddedStore.opened(directory.metrics, options, registry, clock.now()) as store:
        yield Storage(
            kind="embedded",
            writer=store,
            reader=store,
            exporter=store,
            figures=EmbeddedFigures(store),
            tag_sets=store.tag_sets(),
            copied=store,
            plan_jobs=Housekeeping(store, room, clock).plan,
        )


def spill_limit(filesystem: Filesystem, reserve: int | None) -> int:
    """What sorting may take of the disk while it runs: half of what is free beyond the reserve.

    A busy day is put in order there too (some 41 bytes a sample), so a fixed bound would be too small for somebody.
    """
    kept = default_reserve(filesystem.total) if reserve is None else reserve
    return max(LEAST_SPILL, (filesystem.free - kept) // 2)
