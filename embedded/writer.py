"""Write points into the store: one thread, one transaction per batch. Shell.

The tables have no key, so idempotence is ours: a sample newer than its series' high-water mark cannot
collide and is appended; any other replaces what stands at its series and time (measured in
`docs/performance.md`; a primary key would cost five times the disk).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import duckdb

from embedded.day_marks import DayMarks
from embedded.rollup import RollupLedger
from embedded.rollup_sql import mark_stale
from embedded.sql import RAW_TABLE, TABLES, WIDE_TABLES, integer_list
from telemetry.points import Point, Tags
from telemetry.ports import WRITTEN, Refused, WriteOutcome, WriteStatus
from telemetry.schema import FieldKind, Registry

Row = tuple[int, int, float | None, str | None]


@dataclass(slots=True)
class SeriesEntry:
    """What the writer remembers of one series. A mark that is too high costs time, never correctness."""

    identifier: int
    mark: int


@dataclass(slots=True)
class TableBatch:
    """The rows of one commit for one table: those that cannot collide, and by (series, time) those that may."""

    fresh: list[Row] = field(default_factory=list)
    late: dict[tuple[int, int], Row] = field(default_factory=dict)

    def times(self) -> list[int]:
        """The times of all its rows, in ns."""
        return [*(row[0] for row in self.fresh), *(time for _, time in self.late)]


@dataclass(slots=True)
class WriterStatistics:
    """Counted since open; `longest_commit_s` until it is taken."""

    written_values: int = 0
    series_made: int = 0  # and committed
    longest_commit_s: float = 0.0


class BatchWriter:
    """Owns the writing connection; every method runs in the store's writer thread."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, registry: Registry, ledger: RollupLedger, marks: DayMarks
    ) -> None:
        self._connection = connection
        self._registry = registry
        self._ledger = ledger
        self._marks = marks
        self._series: dict[tuple[str, Tags], dict[str, SeriesEntry]] = {}
        self._tag_sets: Counter[str] = Counter()
        self._created: list[tuple[int, str, str, dict[str, str], tuple[str, Tags]]] = []
        self._next_identifier = 1
        self.statistics = WriterStatistics()
        self._load()
        self._appenders = {table: connection.appender(table) for table in (*TABLES.values(), "series", "series_kind")}
        connection.execute("CREATE TEMP TABLE late (ts BIGINT, series_id INTEGER, value DOUBLE, text VARCHAR)")
        self._late_appender = connection.appender("late")

    @property
    def series_count(self) -> int:
        return self._next_identifier - 1

    def write(self, points: Sequence[Point]) -> WriteOutcome:
        """Commit a batch, whole. Any failure of the engine leaves nothing of it, and says RETRY."""
        started = time.perf_counter()
        batches, refused, values = self._sort_out(points)
        try:
            self._commit(batches)
        except duckdb.Error as error:
            self._roll_back()
            return WriteOutcome(WriteStatus.RETRY, f"the embedded store cannot commit: {str(error)[:300]}")
        self.statistics.series_made += len(self._created)
        self._created.clear()
        self.statistics.written_values += values
        self.statistics.longest_commit_s = max(self.statistics.longest_commit_s, time.perf_counter() - started)
        return WriteOutcome(WriteStatus.PARTIAL, refused=tuple(refused)) if refused else WRITTEN

    def _load(self) -> None:
        marks: dict[int, int] = {}
        for table in (*WIDE_TABLES.values(), *TABLES.values()):
            marks.update(self._connection.execute(f"SELECT series_id, max(ts) FROM {table} GROUP BY 1").fetchall())
        rows = []
        # A store that was filled again may have rows of series whose names are lost: nobody else is to get those.
        self._next_identifier = max(marks, default=0) + 1
        for row in self._connection.execute("SELECT series_id, measurement, field, tags FROM series").fetchall():
            self._next_identifier = max(self._next_identifier, row[0] + 1)
            if row[0] in marks:
                rows.append(row)
        self._forget_series_without_samples(marks)
        for identifier, measurement, name, tags in rows:
            self._tag_sets[measurement] += (measurement, tuple(sorted(tags.items()))) not in self._series
            key = (measurement, tuple(sorted(tags.items())))
            self._series.setdefault(key, {})[name] = SeriesEntry(identifier, marks[identifier])
        self._load_kinds([(identifier, self._kind(measurement, name)) for identifier, measurement, name, _ in rows])

    def _forget_series_without_samples(self, marks: Mapping[int, int]) -> None:
        # Containers come and go, and each is a series: those whose last window is deleted must not use up the budget.
        doomed = [
            identifier
            for (identifier,) in self._connection.execute("SELECT series_id FROM series").fetchall()
            if identifier not in marks
        ]
        if doomed:
            self._connection.execute(f"DELETE FROM series WHERE series_id IN {integer_list(doomed)}")

    def _load_kinds(self, kinds: list[tuple[int, str]]) -> None:
        # Another version, or another learned schema, may have called them otherwise.
        if set(kinds) != set(self._connection.execute("SELECT series_id, kind FROM series_kind").fetchall()):
            self._connection.execute("DELETE FROM series_kind")
            appender = self._connection.appender("series_kind")
            appender.append_rows(kinds)
            appender.flush()

    def _kind(self, measurement: str, name: str) -> str:
        known = self._registry.get(measurement)
        field = None if known is None else known.field(name)
        return (FieldKind.UNTYPED if field is None else field.kind).value

    def tag_sets(self) -> tuple[tuple[str, Tags], ...]:
        """Measurement and tags of everything that has series."""
        return tuple(self._series)

    def _sort_out(self, points: Sequence[Point]) -> tuple[dict[str, TableBatch], list[Refused], int]:
        batches: dict[str, TableBatch] = {}
        refused: list[Refused] = []
        values = 0
        # Points of one measurement come together: what is known of it is looked up once for all of them.
        measurement, batch = None, TableBatch()
        for point in points:
            if measurement is None or point.measurement != measurement.name:
                measurement = self._registry.get(point.measurement)
                if measurement is None:
                    refused.append(Refused(point, f"measurement {point.measurement!r} is not registered"))
                    continue
                batch = batches.setdefault(TABLES[measurement.measurement_class], TableBatch())
            entries = self._series.get((point.measurement, point.tags))
            if entries is None:
                if self._tag_sets[point.measurement] >= measurement.budget:
                    words = f"{point.measurement} has {measurement.budget:,} tag sets, all that it may have"
                    refused.append(Refused(point, words))
                    continue
                entries = self._series[point.measurement, point.tags] = {}
                self._tag_sets[point.measurement] += 1
            values += len(point.fields)
            self._place(point, entries, batch)
        return {table: one for table, one in batches.items() if one.fresh or one.late}, refused, values

    def _place(self, point: Point, entries: dict[str, SeriesEntry], batch: TableBatch) -> None:
        # The hottest lines of the store: once per value written.
        moment = point.time
        for name, value in point.fields.items():
            entry = entries.get(name)
            if entry is None:
                entry = entries[name] = self._create(point, name)
            row: Row = (
                (moment, entry.identifier, None, value)
                if isinstance(value, str)
                else (moment, entry.identifier, value, None)
            )
            if moment > entry.mark:
                entry.mark = moment
                batch.fresh.append(row)
            else:
                batch.late[entry.identifier, moment] = row

    def _create(self, point: Point, name: str) -> SeriesEntry:
        entry = SeriesEntry(self._next_identifier, -(2**63))
        self._next_identifier += 1
        key = (point.measurement, point.tags)
        self._created.append((entry.identifier, point.measurement, name, dict(point.tags), key))
        return entry

    def _commit(self, batches: dict[str, TableBatch]) -> None:
        self._connection.execute("BEGIN")
        if self._created:
            self._appenders["series"].append_rows([row[:4] for row in self._created])
            self._appenders["series"].flush()
            self._appenders["series_kind"].append_rows(
                [(identifier, self._kind(measurement, name)) for identifier, measurement, name, _, _ in self._created]
            )
            self._appenders["series_kind"].flush()
        times = {table: batch.times() for table, batch in batches.items()}
        taken = [mark for table, some in times.items() for mark in self._marks.take(table, min(some), some)]
        stale = self._ledger.touched(times.get(RAW_TABLE, ()))
        for level, windows in stale.items():
            self._connection.execute(mark_stale(level, windows))
        for table, batch in batches.items():
            if batch.fresh:
                appender = self._appenders[table]
                appender.append_rows(batch.fresh)
                appender.flush()
            if batch.late:
                self._replace(table, list(batch.late.values()))
        self._connection.execute("COMMIT")
        self._ledger.note_stale(stale)
        self._marks.forget(taken)

    def _replace(self, table: str, rows: list[Row]) -> None:
        earliest, latest = min(row[0] for row in rows), max(row[0] for row in rows)
        self._late_appender.append_rows(rows)
        self._late_appender.flush()
        self._connection.execute(
            f"DELETE FROM {table} USING late WHERE {table}.series_id = late.series_id AND {table}.ts = late.ts"
            f" AND {table}.ts BETWEEN {earliest} AND {latest}"
        )
        self._connection.execute(f"INSERT INTO {table} SELECT * FROM late")
        self._connection.execute("DELETE FROM late")

    def _roll_back(self) -> None:
        # The marks stay as they are: too high is safe. Series that were never committed must be forgotten.
        for appender in (*self._appenders.values(), self._late_appender):
            with suppress(duckdb.Error):  # the engine may have died
                appender.clear()
        with suppress(duckdb.Error):  # BEGIN itself failed, or the engine has rolled back already
            self._connection.execute("ROLLBACK")
        for _, _, name, _, key in self._created:
            del self._series[key][name]
            if not self._series[key]:
                del self._series[key]
                self._tag_sets[key[0]] -= 1
        self._created.clear()
