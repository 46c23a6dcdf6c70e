"""InfluxDB as the store: a PointWriter and a SeriesReader over one connection, and how it stands. Shell."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta

from influx import advice
from influx.asking import FluxAsker
from influx.buckets import FoundBucket, read_buckets, retention_notes, wanted_retentions
from influx.canary import Canary
from influx.connection import InfluxConnection
from influx.examination import Examination, examine
from influx.reader import InfluxReader
from influx.rollups import Rollups
from influx.server_watch import ServerWatch
from influx.settings import InfluxSettings
from influx.tag_sets import read_tag_sets
from influx.writer import InfluxWriter
from telemetry.clock import Clock
from telemetry.errors import OpsWatchError, StoreUnavailable
from telemetry.points import Point, Tags
from telemetry.ports import DEFAULT_DEADLINE, WriteOutcome, WriteStatus
from telemetry.rollup import Retention, rolled_up
from telemetry.schema import MeasurementClass, Registry
from telemetry.series import SeriesQuery, SeriesResult, SeriesSamples, ValuesQuery
from telemetry.store_status import LevelStatus, StoreStatistics
from telemetry.times import duration_nanoseconds, format_duration, from_datetime

logger = logging.getLogger(__name__)

_AT_START = timedelta(seconds=10)  # that a start waits for it at most; everything works without what it would say


class InfluxStore:
    """Open it with `opened`; `look_after` it every minute."""

    def __init__(
        self, connection: InfluxConnection, retention: Retention, registry: Registry, clock: Clock, host: str
    ) -> None:
        self._connection = connection
        self._retention = retention
        self._wanted = wanted_retentions(connection.settings, retention)
        self._registry = registry
        self._clock = clock
        self._writer = InfluxWriter(connection, registry, clock, Canary(connection, clock, host))
        self._buckets: dict[str, FoundBucket] = {}
        asker = FluxAsker(connection)
        self._rollups = Rollups(connection, registry, clock, self._kept_since, asker)
        self._server = ServerWatch(connection, registry, clock, host)
        self._reader = InfluxReader(connection, registry, self._kept_since, self._rollups.standings, asker)
        self._examination = Examination()
        self._trouble = ""  # of the canary
        self._level_trouble = ""
        self._canary_ms: float | None = None
        self._told: tuple[str, ...] = ()
        self._written_values = self._queries = 0
        self._longest_write = self._longest_read = 0.0

    @classmethod
    @asynccontextmanager
    async def opened(
        cls, settings: InfluxSettings, retention: Retention, registry: Registry, clock: Clock, host: str
    ) -> AsyncIterator[InfluxStore]:
        """The store, as long as the block runs, whether the server answers now or not.

        `retention` is how long the configuration wants things kept; `host` is whose canary it is. Raises
        StoreUnavailable when the token or the authorities cannot be read.
        """
        async with InfluxConnection.opened(settings) as connection:
            store = cls(connection, retention, registry, clock, host)
            try:
                async with asyncio.timeout(_AT_START.total_seconds()):
                    await store.look_after()
            except TimeoutError:  # it accepts connections and says nothing, or too slowly; nobody waits for that
                fault = advice.slow(settings.url, format_duration(_AT_START))
                store._examination = Examination(faults=(fault,))
                store._writer.doubt(fault)
                store._reader.pulse.lost()
                store._tell()
            yield store

    def lane_of(self, point: Point) -> str:
        """The bucket of a point: what holds it up holds up no other."""
        known = self._registry.get(point.measurement)
        return self._connection.settings.bucket(known.measurement_class if known else MeasurementClass.METRICS)

    async def write(self, points: Sequence[Point]) -> WriteOutcome:
        """As the port says; before the canary has come back, nothing is written."""
        started = time.perf_counter()
        try:
            outcome = await self._writer.write(points)
        finally:  # whatever it says or whoever stopped it: it may be there
            self._rollups.touched(point.time for point in points if self._is_rolled_up(point.measurement))
        self._longest_write = max(self._longest_write, time.perf_counter() - started)
        if outcome.status in {WriteStatus.OK, WriteStatus.PARTIAL}:
            self._written_values += sum(len(point.fields) for point in points)
            if self._is_no_use_asking:  # it answers again, long before it is looked after
                self._examination = Examination()
        return outcome

    def _is_rolled_up(self, measurement: str) -> bool:
        known = self._registry.get(measurement)
        return known is not None and rolled_up(known)

    async def read(self, query: SeriesQuery, deadline: timedelta = DEFAULT_DEADLINE) -> SeriesResult:
        """The whole answer. Raises QueryTimedOut, QueryTooLarge, InvalidQuery, StoreUnavailable."""
        with self._timed():
            return await self._reader.read(query, deadline)

    async def values(self, query: ValuesQuery, deadline: timedelta = DEFAULT_DEADLINE) -> tuple[str, ...]:
        """The values asked for, sorted. Raises as `read`."""
        with self._timed():
            return await self._reader.values(query, deadline)

    def stream(self, query: SeriesQuery) -> AsyncGenerator[list[SeriesSamples]]:
        """A raw query in bounded slices; see the port."""
        self._queries += 1
        return self._reader.stream(query)

    async def tag_sets(self) -> tuple[tuple[str, Tags], ...]:
        """Measurement and tags of what it holds of the class metrics; nothing where it cannot be asked now."""
        if self._is_no_use_asking:
            return ()
        stop = from_datetime(self._clock.now()) + 1
        bucket = self._connection.settings.bucket(MeasurementClass.METRICS)
        found = self._buckets.get(bucket)
        kept = found.retention if found is not None else None
        start = stop - duration_nanoseconds(kept or self._wanted[bucket])
        try:
            return await read_tag_sets(self._connection, self._registry, (start, stop), _AT_START)
        except OpsWatchError as error:
            words = "which series InfluxDB holds is not known; those that are pushed are counted anew"
            logger.warning(words, extra={"reason": error.message})
            return ()

    async def look_after(self) -> None:
        """Ask the server who it is and whether the buckets are there, and send the canary. Never raises for what it
        finds: that is in `notes`, and where the server keeps nothing, everything waits."""
        self._examination = await examine(self._connection, self._clock, self._retention)
        # Anything else may heal at any moment, and is seen at the next write; another product never will.
        self._writer.hold(self._examination.faults[0] if self._examination.is_another else "")
        self._trouble = ""
        if not self._examination.faults:
            started = time.perf_counter()
            outcome = await self._writer.prove()
            is_well = outcome.status is WriteStatus.OK
            self._canary_ms = (time.perf_counter() - started) * 1_000 if is_well else None
            self._trouble = outcome.message if outcome.status is not WriteStatus.OK else ""
            try:
                self._buckets = await read_buckets(self._connection)
            except StoreUnavailable as error:
                logger.debug("the retentions of the buckets cannot be read", extra={"reason": error.message})
        self._tell()

    async def roll_up(self) -> None:
        """Find windows of the levels that are missing or wrong, and have them made; several times a minute."""
        if self._examination.faults or not self._buckets:
            return  # that is told already, and nobody knows how far back what is there may be relied on
        try:
            await self._rollups.roll_up()
            self._level_trouble = ""
        except OpsWatchError as error:
            self._level_trouble = f"the rolled-up levels cannot be looked at: {error.message}"
            logger.debug("the levels cannot be looked at", extra={"reason": error.message})

    async def watch_server(self) -> None:
        """Ask the server how it is, once a minute; its answer is in `server_points`."""
        if not self._is_no_use_asking:
            await self._server.sample({found.id: name for name, found in self._buckets.items()})

    @property
    def server_points(self) -> Sequence[Point]:
        """What the server said of itself at last."""
        return self._server.points

    @property
    def address(self) -> str:
        """Where the server is, as people know it."""
        return self._connection.settings.url

    @property
    def canary_ms(self) -> float | None:
        """How long the last point took to be written and read back; None where it did not come back."""
        return self._canary_ms

    def level_status(self, now: datetime) -> tuple[LevelStatus, ...]:
        """How each rolled-up level stands; asks nothing."""
        return self._rollups.status(now)

    def _tell(self) -> None:
        if self.notes != self._told:
            self._told = self.notes
            for note in self.notes:
                logger.warning("InfluxDB is not as it should be", extra={"reason": note})

    @property
    def _is_no_use_asking(self) -> bool:
        """It was looked after, and did not even say who it is, or is another product; that is in the log already."""
        return bool(self._examination.faults) and (self._examination.is_another or not self._examination.version)

    @property
    def version(self) -> str:
        """What the server says that it is; empty before it has said so."""
        return self._examination.version.removeprefix("v")

    @property
    def faults(self) -> tuple[str, ...]:
        """What keeps it from being the store, in sentences with the way out; as it was looked after last."""
        return tuple(filter(None, (self._trouble, *self._examination.faults)))

    @property
    def notes(self) -> tuple[str, ...]:
        """The faults, and what is odd with the server without being one."""
        odd = retention_notes(self._buckets, self._wanted)
        levels = (self._level_trouble,) if self._level_trouble and not self.faults else ()
        return (*self.faults, *self._examination.warnings, *odd, *levels, *self._rollups.notes, *self._server.notes)

    def take_statistics(self) -> StoreStatistics:
        """How it stands; asks nothing. The longest write and query begin anew."""
        taken = StoreStatistics(
            written_values=self._written_values,
            queries=self._queries,
            series=None,
            file_bytes=None,
            longest_commit_ms=self._longest_write * 1000,
            longest_query_ms=self._longest_read * 1000,
        )
        self._longest_write = self._longest_read = 0.0
        return taken

    def _kept_since(self, bucket: str) -> int | None:
        found = self._buckets.get(bucket)
        kept = None if found is None else found.retention
        return None if kept is None else from_datetime(self._clock.now() - kept)

    @contextmanager
    def _timed(self) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self._queries += 1
            self._longest_read = max(self._longest_read, time.perf_counter() - started)
