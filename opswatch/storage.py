"""The store that the settings name, as the rest of the application sees it: whichever it is. Shell."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from collector.disk_room import DiskRoom, Filesystem, default_reserve, filesystem_of
from collector.spool_codec import one_lane
from embedded.archive import Archive
from embedded.engine import EngineOptions
from embedded.store import EmbeddedOptions, EmbeddedStore
from embedded.stream_export import StreamExporter, StreamOptions
from influx.settings import InfluxSettings
from influx.store import InfluxStore
from opswatch.backup import CopiedStore
from opswatch.data_directory import DataDirectory
from opswatch.housekeeping import Housekeeping
from opswatch.scheduler import Job, Scheduler
from opswatch.self_provision import AGAIN, SelfProvision
from opswatch.settings import Settings
from telemetry.clock import Clock
from telemetry.points import Point, Tags
from telemetry.ports import PointWriter, SeriesReader, TableExporter
from telemetry.schema import Registry
from telemetry.store_status import LostSamples, StoreCondition, StoreStatistics

LOOK_AFTER = timedelta(minutes=1)
ROLL_UP = timedelta(seconds=20)
LEAST_SPILL = 256 * 10**6  # with which every page can still be answered


class StoreFigures(Protocol):
    """How the store stands; asks it nothing."""

    def take_statistics(self) -> StoreStatistics:
        """The longest commit and query begin anew."""
        ...

    def condition(self, now: datetime) -> StoreCondition:
        """What is broken, odd, lost, and how its levels stand."""
        ...

    def server_points(self) -> Sequence[Point]:
        """What a server said of itself at last."""
        ...


@dataclass(frozen=True, slots=True)
class Storage:
    """An open store. `tag_sets` are (measurement, tags) of what is in it; `copied` is None where it is no file of ours.

    `plan_jobs` plans what keeps it well. Points of different lanes may fail apart from each other.
    """

    kind: str
    writer: PointWriter
    reader: SeriesReader
    exporter: TableExporter
    figures: StoreFigures
    tag_sets: Sequence[tuple[str, Tags]]
    copied: CopiedStore | None
    plan_jobs: Callable[[Scheduler], None]
    lane_of: Callable[[Point], str]


class EmbeddedFigures:
    """Implements StoreFigures for the embedded store."""

    def __init__(self, store: EmbeddedStore) -> None:
        self._store = store

    def take_statistics(self) -> StoreStatistics:
        return self._store.take_statistics()

    def condition(self, now: datetime) -> StoreCondition:
        lost = (LostSamples(one.start, one.stop, one.reason, one.file) for one in self._store.missing_periods)
        return StoreCondition(self._store.damage, (), tuple(lost), self._store.rollup_status(now))

    def server_points(self) -> Sequence[Point]:
        return ()


class InfluxFigures:
    """Implements StoreFigures for InfluxDB."""

    def __init__(self, store: InfluxStore, provision: SelfProvision | None) -> None:
        self._store = store
        self._provision = provision

    def take_statistics(self) -> StoreStatistics:
        return self._store.take_statistics()

    def condition(self, now: datetime) -> StoreCondition:
        own = (self._provision.note,) if self._provision is not None and self._provision.note else ()
        return StoreCondition(
            notes=(*own, *self._store.notes),
            levels=self._store.level_status(now),
            address=self._store.address,
            version=self._store.version,
            canary_ms=self._store.canary_ms,
        )

    def server_points(self) -> Sequence[Point]:
        return self._store.server_points


@dataclass(frozen=True, slots=True)
class Place:
    """Where a store is opened, and what it needs there; `host` is this machine's name."""

    directory: DataDirectory
    settings: Settings
    room: DiskRoom
    clock: Clock
    host: str


def open_storage(place: Place, registry: Registry) -> AbstractAsyncContextManager[Storage]:
    """The store that the settings name, as long as the block runs. Raises StoreUnavailable."""
    if place.settings.influx is None:
        return _embedded(place, registry)
    return _influx(place, place.settings.influx, registry)


@asynccontextmanager
async def _influx(place: Place, settings: InfluxSettings, registry: Registry) -> AsyncIterator[Storage]:
    exports, options = place.directory.exports, StreamOptions(engine=EngineOptions(spill_limit=spill_of(place)))
    wanted = place.settings.provision
    provision = None if wanted is None else SelfProvision(place.settings, wanted, place.clock)
    if provision is not None and settings.token_file is not None and not settings.token_file.exists():
        await provision.attempt()  # else the first job does it, and a command without a server need not
    async with InfluxStore.opened(settings, place.settings.retention, registry, place.clock, place.host) as store:
        yield Storage(
            kind="influxdb",
            writer=store,
            reader=store,
            exporter=StreamExporter(store, registry, exports, options),
            figures=InfluxFigures(store, provision),
            tag_sets=await store.tag_sets(),
            copied=None,
            plan_jobs=lambda scheduler: _plan_influx(scheduler, store, provision),
            lane_of=store.lane_of,
        )


async def _provisioned(provision: SelfProvision, store: InfluxStore) -> None:
    if not provision.is_done:
        await provision.attempt()
        await store.look_after()  # what it said before is no longer so


def _plan_influx(scheduler: Scheduler, store: InfluxStore, provision: SelfProvision | None) -> None:
    if provision is not None and not provision.is_done:
        scheduler.add(Job("provision", lambda: _provisioned(provision, store), AGAIN, first=timedelta(0)))
    scheduler.add(Job("InfluxDB", store.look_after, LOOK_AFTER, LOOK_AFTER / 2))
    scheduler.add(Job("rollups", store.roll_up, ROLL_UP, first=timedelta(0)))
    scheduler.add(Job("InfluxDB's metrics", store.watch_server, LOOK_AFTER, first=timedelta(0)))


@asynccontextmanager
async def _embedded(place: Place, registry: Registry) -> AsyncIterator[Storage]:
    directory, settings, clock = place.directory, place.settings, place.clock
    engine = EngineOptions(allowed_directories=(directory.exports, directory.archive), spill_limit=spill_of(place))
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
            plan_jobs=Housekeeping(store, place.room, clock).plan,
            lane_of=one_lane,
        )


def spill_of(place: Place) -> int:
    """What sorting may take of the disk of the data directory while it runs, in bytes."""
    return spill_limit(filesystem_of(place.directory.root), place.settings.disk_reserve)


def spill_limit(filesystem: Filesystem, reserve: int | None) -> int:
    """What sorting may take of the disk while it runs: half of what is free beyond the reserve.

    A busy day is put in order there too (some 41 bytes a sample), so a fixed bound would be too small for somebody.
    """
    kept = default_reserve(filesystem.total) if reserve is None else reserve
    return max(LEAST_SPILL, (filesystem.free - kept) // 2)
