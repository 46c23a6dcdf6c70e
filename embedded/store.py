"""The embedded store: a PointWriter and a SeriesReader over one DuckDB file. Shell."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import product
from pathlib import Path
from typing import TypeVar

import duckdb

from embedded.archive import Archive
from embedded.copy import copy_store
from embedded.day_marks import DayMarks
from embedded.engine import EngineOptions, damage_marker, explained, is_corrupt, open_engine, took_too_much
from embedded.export import ExportQuestion, prepare_export, remove_leftovers
from embedded.reader import QueryRunner
from embedded.reader_pool import ReaderPool
from embedded.recovery import MissingPeriod, Recovery, missing_periods, recover, resume
from embedded.retention import ages, closed_unsorted_days, delete_expired, sort_day
from embedded.rollup import DAY, Reconciler, RollupLedger
from embedded.selection import SeriesIndex
from embedded.snapshots import Snapshots
from embedded.sql import TABLES, WIDE_TABLES
from embedded.writer import BatchWriter
from telemetry.errors import StoreDamaged, StoreUnavailable
from telemetry.points import Point, Tags
from telemetry.ports import DEFAULT_DEADLINE, TableExport, TableForm, WriteOutcome, WriteStatus
from telemetry.rollup import LEVELS, Level, Retention
from telemetry.schema import Registry
from telemetry.series import SeriesQuery, SeriesResult, SeriesSamples, ValuesQuery
from telemetry.store_status import LevelStatus, StoreStatistics
from telemetry.times import NANOSECONDS_PER_SECOND, from_datetime, to_datetime

logger = logging.getLogger(__name__)

T = TypeVar("T")

# After a failed checkpoint, and other faults of its own, the engine refuses everything until it is opened anew.
_DEAD = re.compile(r"FATAL Error|has been invalidated")
_LONGEST_WAIT = 30.0  # seconds between two tries to open it anew
_LATE = timedelta(hours=1)  # what comes so late is in the first snapshot of a day still


@dataclass(frozen=True, slots=True)
class EmbeddedOptions:
    """`readers` is how many queries run at once, the others wait. Without an `archive` there are no snapshots."""

    retention: Retention = field(default_factory=Retention)
    engine: EngineOptions = field(default_factory=EngineOptions)
    readers: int = 4
    archive: Archive | None = None
    exports: Path | None = None  # where exports put their files while they are made


class EmbeddedStore:
    """Writes in one thread, reads in a few, each with a cursor of its own. Open it with `opened`."""

    def __init__(self, path: Path, options: EmbeddedOptions, registry: Registry) -> None:
        self._path = path
        self._options = options
        self._snapshots: Snapshots | None = None
        if options.archive is not None:
            self._snapshots = Snapshots(options.archive, self._in_writer, self._pool, lambda: self._marks)
        self._registry = registry
        # The engine is opened anew when it has died: each has a number, and what one says is not held against the next.
        self._number, self._dead = 0, -1
        self._tries, self._next_try, self._last_words = 0, 0.0, ""
        self._start()
        if options.exports is not None:
            remove_leftovers(options.exports)
        self._write_thread = ThreadPoolExecutor(1, "store-write")

    def _start(self) -> None:
        self._connection = open_engine(self._path, self._options.engine)
        try:
            self._load(self._registry)
        except duckdb.Error as error:
            self._connection.close()
            raise explained(self._path, error) from error

    def _load(self, registry: Registry) -> None:
        self._rollups = RollupLedger(self._connection)
        self._marks = DayMarks(self._connection)
        self._reconciler = Reconciler(self._connection, self._rollups, self._marks)
        self._writer = BatchWriter(self._connection, registry, self._rollups, self._marks)
        index = SeriesIndex(lambda: self._writer.statistics.series_made)
        self.missing_periods: tuple[MissingPeriod, ...] = missing_periods(self._connection)
        self._queries = QueryRunner(registry, self._rollups, index, self.missing_periods)
        self.damage = ""  # what was found broken while it was open
        self._readers = ReaderPool(self._connection, self._options.readers, partial(self._translated, self._number))

    @classmethod
    @asynccontextmanager
    async def opened(
        cls, path: Path, options: EmbeddedOptions, registry: Registry, now: datetime | None = None
    ) -> AsyncIterator[EmbeddedStore]:
        """The store, as long as the block runs. Raises StoreUnavailable naming the file and the way out.

        Given the time and an archive, a damaged file is set aside and a new one filled (embedded/recovery.py).
        """
        store = await asyncio.to_thread(cls._open, path, options, registry, now)
        try:
            yield store
        finally:
            await store.close()

    @classmethod
    def _open(cls, path: Path, options: EmbeddedOptions, registry: Registry, now: datetime | None) -> EmbeddedStore:
        if options.archive is None or now is None:
            return cls(path, options, registry)
        recovery = Recovery(options.archive, now)
        resume(path, options.engine, recovery)
        try:
            return cls(path, options, registry)
        except StoreDamaged as damage:
            recover(path, options.engine, recovery, damage)
            return cls(path, options, registry)

    async def write(self, points: Sequence[Point]) -> WriteOutcome:
        """Commit a batch as one transaction; RETRY when the engine cannot."""

        def write() -> WriteOutcome:
            outcome = self._writer.write(points)
            if _DEAD.search(outcome.message):
                self._dead = self._number
            return outcome

        try:
            outcome = await self._in_writer(write)
        except StoreUnavailable as error:
            if not self._is_dead:
                raise
            return WriteOutcome(WriteStatus.RETRY, error.message)
        if outcome.status is WriteStatus.RETRY and is_corrupt(outcome.message):
            self._note_damage(outcome.message)
        return outcome

    def tag_sets(self) -> tuple[tuple[str, Tags], ...]:
        """Measurement and tags of everything that is stored, as of opening; before the first write."""
        return self._writer.tag_sets()

    async def read(self, query: SeriesQuery, deadline: timedelta = DEFAULT_DEADLINE) -> SeriesResult:
        """The whole answer. Raises QueryTimedOut, QueryTooLarge, InvalidQuery, StoreUnavailable."""
        readers = await self._pool()
        return await readers.within(deadline, lambda cursor: self._queries.answer(cursor, query))

    async def values(self, query: ValuesQuery, deadline: timedelta = DEFAULT_DEADLINE) -> tuple[str, ...]:
        """The values asked for, sorted. Raises as `read`."""
        readers = await self._pool()
        return await readers.within(deadline, lambda cursor: self._queries.values(cursor, query))

    async def stream(self, query: SeriesQuery) -> AsyncGenerator[list[SeriesSamples]]:
        """A raw query in bounded slices; see the port."""
        readers = await self._pool()
        async with readers.for_stream() as cursor:
            slices = self._queries.slices(cursor, query)
            try:
                while (samples := await readers.run(cursor, lambda: next(slices, None))) is not None:
                    yield samples
            finally:
                slices.close()

    async def prepare(self, query: SeriesQuery, form: TableForm, *, unlimited: bool) -> TableExport:
        """An export of samples, to be run by its `pieces`. Raises as `read`; StoreUnavailable without a folder."""
        if self._options.exports is None:
            raise StoreUnavailable("this store has no folder for exports")
        return await prepare_export(
            await self._pool(), self._registry, self._options.exports, ExportQuestion(query, form, unlimited=unlimited)
        )

    async def copy_to(self, target: Path) -> None:
        """A whole copy as of now, as a new file in an allowed directory, beside writers and readers.

        Raises StoreUnavailable, also when too many exports are under way.
        """
        readers = await self._pool()
        async with readers.for_stream() as cursor:
            await readers.run(cursor, lambda: copy_store(cursor, target))

    async def delete_expired(self, now: datetime) -> int:
        """Delete what is older than it is kept, but nothing a level is still to be made from; returns the rows."""
        return await self._in_writer(
            lambda: delete_expired(self._connection, self._options.retention, self._reconciler, self._marks, now)
        )

    async def snapshot_closed_days(self, now: datetime) -> int:
        """Write the days that are over, and have changed since, to the archive; returns how many.

        The copy runs beside writers and readers. Raises StoreUnavailable.
        """
        if self._snapshots is None:
            return 0
        return await self._snapshots.write(now, self._whole_days(now), ages(self._options.retention))

    def _whole_days(self, now: datetime) -> dict[str, int]:
        """Of each table the first day that is not over yet, or not made yet."""
        over = from_datetime(now - _LATE) // DAY
        days = dict.fromkeys(TABLES.values(), over)
        for level in LEVELS:
            days[WIDE_TABLES[level.name]] = min(over, (self._rollups.until(level) or 0) // DAY)
        return days

    async def roll_up(self, now: datetime) -> None:
        """Make every window of every level that is due, and again those that late samples touched.

        Piece by piece; writers get in between. Raises StoreUnavailable; what was made until then stays.
        """
        instant = from_datetime(now)
        while await self._in_writer(lambda: self._reconciler.step(instant)):
            pass

    async def check_rollups(self, start: datetime, stop: datetime) -> int:
        """Compare the counts of every level with those of its source, day by day.

        Returns how many windows differ; they are made again by the next `roll_up`.
        """
        found = 0
        days = range(from_datetime(start) // DAY * DAY, from_datetime(stop), DAY)
        for level, day in product(LEVELS, days):
            found += await self._in_writer(partial(self._check, level, day))
        return found

    def _check(self, level: Level, day: int) -> int:
        return self._reconciler.check(level, day, day + DAY)

    def rollup_status(self, now: datetime) -> tuple[LevelStatus, ...]:
        """How each level stands; asks no query."""
        instant = from_datetime(now)
        return tuple(self._level_status(level, instant) for level in LEVELS)

    def _level_status(self, level: Level, now: int) -> LevelStatus:
        until, statistics = self._rollups.until(level), self._reconciler.statistics[level.name]
        return LevelStatus(
            level=level.name,
            until=None if until is None else to_datetime(until),
            lag_s=0.0 if until is None else max(0, now - until) / NANOSECONDS_PER_SECOND,
            missed_windows=self._rollups.missed(level, now),
            late_windows=len(self._rollups.stale(level)),
            made_windows=statistics.made_windows,
            failures=statistics.failures,
        )

    async def sort_closed_days(self, now: datetime) -> int:
        """Rewrite in order what was written on days that are over; returns the days. Writers get in between days."""
        days = await self._in_writer(lambda: closed_unsorted_days(self._connection, self._marks, now))
        for table, day in days:
            await self._in_writer(lambda table=table, day=day: sort_day(self._connection, self._marks, table, day))  # type: ignore[misc]
        return len(days)

    def take_statistics(self) -> StoreStatistics:
        """How it stands; asks no query. The longest commit and query begin anew."""
        writing, reading = self._writer.statistics, self._queries.statistics
        taken = StoreStatistics(
            written_values=writing.written_values,
            queries=reading.queries,
            series=self._writer.series_count,
            file_bytes=sum(_size(path) for path in (self._path, self._path.with_name(self._path.name + ".wal"))),
            longest_commit_ms=writing.longest_commit_s * 1000,
            longest_query_ms=reading.longest_query_s * 1000,
        )
        writing.longest_commit_s = reading.longest_query_s = 0.0
        return taken

    async def _in_writer(self, work: Callable[[], T]) -> T:
        def run() -> T:
            self._open_anew_where_dead()
            try:
                return work()
            except duckdb.Error as error:
                if _DEAD.search(str(error)):
                    self._dead = self._number
                raise

        try:
            future = asyncio.get_running_loop().run_in_executor(self._write_thread, run)
        except RuntimeError as error:
            raise StoreUnavailable("the embedded store is closed") from error
        return await self._translated(None, future)

    async def _pool(self) -> ReaderPool:
        """The readers of the engine that lives. Raises StoreUnavailable while there is none."""
        if self._is_dead:
            await self._in_writer(lambda: None)
        return self._readers

    @property
    def _is_dead(self) -> bool:
        return self._dead >= self._number

    def _open_anew_where_dead(self) -> None:
        """In the writer thread, before its work. Raises StoreUnavailable while the engine cannot be opened."""
        if not self._is_dead or self.damage:
            return
        if time.perf_counter() < self._next_try:
            raise StoreUnavailable(self._last_words)
        if not self._tries:
            logger.error("the store's engine has given up; it is opened anew", extra={"path": str(self._path)})
        # Whoever still reads is stopped: the engine ends with its last connection, and only then another can begin.
        self._readers.stop()
        self._connection.close()
        writing, reading, made = self._writer.statistics, self._queries.statistics, self._reconciler.statistics
        self._number = self._dead = self._number + 1
        try:
            self._start()
        except (StoreUnavailable, OSError) as error:
            wait = min(_LONGEST_WAIT, 2.0 ** min(self._tries, 10))
            self._tries, self._next_try = self._tries + 1, time.perf_counter() + wait
            self._last_words = f"the embedded store is being opened anew: {error}"
            logger.warning("the store cannot be opened anew", extra={"reason": str(error), "again_s": wait})
            if isinstance(error, StoreDamaged) and is_corrupt(error.reason):
                self._note_damage(error.reason)
            raise StoreUnavailable(self._last_words) from error
        self._tries, self._dead = 0, -1
        self._writer.statistics, self._queries.statistics, self._reconciler.statistics = writing, reading, made
        logger.warning("the store is open again", extra={"path": str(self._path)})

    async def _translated(self, number: int | None, work: asyncio.Future[T]) -> T:
        try:
            return await work
        except StoreDamaged as error:
            self._note_damage(error.reason)
            raise
        except duckdb.Error as error:
            too_much = took_too_much(error, self._options.engine)
            if number is not None and too_much is not None:
                raise too_much from error
            if number is not None and _DEAD.search(str(error)):
                self._dead = max(self._dead, number)
            if is_corrupt(str(error)):
                self._note_damage(str(error))
            raise StoreUnavailable(f"the embedded store failed: {str(error)[:300]}") from error

    def _note_damage(self, reason: str) -> None:
        """The next start sets the file aside; until then what can be read is read."""
        with suppress(OSError):
            damage_marker(self._path).write_text(reason[:1_000], encoding="utf-8")
        self.damage = reason[:300]

    async def close(self) -> None:
        """Wait for what is being written, stop what is being read, close the file."""

        def close() -> None:
            # A day that is being rewritten is given up; a batch that is being written waits in the spool.
            with suppress(duckdb.Error):  # it may have died, and not be open again
                self._connection.interrupt()
            self._write_thread.shutdown(wait=True)
            self._readers.close()
            self._connection.close()

        await asyncio.to_thread(close)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
