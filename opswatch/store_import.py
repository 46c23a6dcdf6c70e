"""Takes what an embedded store holds into InfluxDB: samples that are still kept there, and every level. Shell."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from embedded.whole_store import Part, WholeStore
from influx.connection import InfluxConnection
from influx.plain_writer import PlainWriter
from influx.rollup_tasks import level_registry, rolled_up_field
from influx.settings import InfluxSettings
from opswatch.data_directory import DataDirectory
from opswatch.settings import Settings
from opswatch.state import State
from telemetry.clock import Clock
from telemetry.errors import ConfigurationError, Fault, NotFound
from telemetry.points import Point
from telemetry.rollup import Level, Retention
from telemetry.schema import FieldKind, Registry
from telemetry.times import from_datetime

_AT_THE_EDGE = timedelta(minutes=10)  # what is about to be deleted there is not worth a refusal


@dataclass(frozen=True, slots=True)
class Moved:
    """How much was taken over: values by part (`raw`, `events`, `self`, `5m`, `1h`); what was left out, by reason."""

    values: Mapping[str, int]
    left_out: Counter[str] = field(default_factory=Counter)


class ImportProgress:
    """Shows nothing; what it is told may be shown by others."""

    def begin(self, part: Part) -> None:
        """A part is about to be taken."""

    def add(self, part: Part, rows: int) -> None:
        """So many of its rows are there."""


def store_of(settings: Settings, named: Path | None) -> tuple[InfluxSettings, Path]:
    """Where to, and the file to take from: that of the data directory, or of another one that was named.

    Raises ConfigurationError where the store is not InfluxDB, NotFound where there is no file.
    """
    if settings.influx is None:
        source = str(settings.config_file) if settings.config_file else "environment"
        hint = "set storage.kind to influxdb, or OPSWATCH_STORAGE: what is taken over goes to the store that is named"
        raise ConfigurationError([Fault("the store is embedded, and takes nothing over", source, hint=hint)])
    place = settings.data_dir if named is None else named
    file = DataDirectory(place).metrics if place.is_dir() else place
    if not file.is_file():
        raise NotFound(f"there is no store {file}: name the data directory of the OpsWatch to take over from")
    return settings.influx, file


async def take_over(
    settings: Settings, influx: InfluxSettings, file: Path, clock: Clock, progress: ImportProgress
) -> Moved:
    """Everything in the file that the buckets keep. Again does no harm: the same points overwrite.

    Raises StoreUnavailable when another process has the file open, or InfluxDB does not take it.
    """
    registry = await _registry_of(settings, file)
    now = clock.now()
    store = await asyncio.to_thread(WholeStore.opened, file)
    try:
        async with InfluxConnection.opened(influx) as connection:
            values: Counter[str] = Counter()
            left_out: Counter[str] = Counter()
            for part in await asyncio.to_thread(lambda: list(store.parts(_since(settings.retention, now)))):
                progress.begin(part)
                writer = PlainWriter(connection, _bucket(influx, part), _fields(registry, part.level), clock)
                pieces = store.samples(part) if part.level is None else store.windows(part, rolled_up_field)
                async for rows, points in _in_thread(pieces):
                    await writer.write(points)
                    progress.add(part, rows)
                    values[part.name] += rows
                left_out.update(writer.left_out)
    finally:
        await asyncio.to_thread(store.close)
    return Moved(values, left_out)


async def _registry_of(settings: Settings, file: Path) -> Registry:
    """What is known with what was learned there; from another data directory it is learned here too."""
    there, here = DataDirectory(file.parent), DataDirectory(settings.data_dir)
    if not there.state.exists():
        async with State.opened(here.state) as state:
            return await state.learned_schema.registry()
    async with State.opened(there.state) as state:
        registry = await state.learned_schema.registry()
    if there.root.resolve() != here.root.resolve():
        here.prepare()
        async with State.opened(here.state) as state:
            known = await state.learned_schema.registry()
            learned = [
                known.learn(one.name, one.tags, [some.name for some in one.fields if some.kind is FieldKind.UNTYPED])
                for one in registry
                if any(some.kind is FieldKind.UNTYPED for some in one.fields)
            ]
            await state.learned_schema.save(learned)
    return registry


def _since(retention: Retention, now: datetime) -> Callable[[str], int]:
    kept = {
        "raw": retention.raw,
        "events": retention.events,
        "self": retention.own,
        "5m": retention.five_minutes,
        "1h": retention.one_hour,
    }
    return lambda name: from_datetime(now - kept[name] + _AT_THE_EDGE)


def _bucket(influx: InfluxSettings, part: Part) -> str:
    return influx.bucket(part.measurement_class) if part.level is None else influx.level_bucket(part.level)


def _fields(registry: Registry, level: Level | None) -> Registry:
    return registry if level is None else level_registry(registry)


async def _in_thread(pieces: Iterator[tuple[int, list[Point]]]) -> AsyncIterator[tuple[int, list[Point]]]:
    """What an iterator that blocks gives."""
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece
