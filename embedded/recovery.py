"""A store file that cannot be opened: set aside, never deleted, and filled again from what there is. Shell.

From the snapshots of closed days, and from what can still be read of the damaged file itself. What neither has is told
as a missing period, for as long as it would have been kept.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from embedded.archive import Archive
from embedded.day_marks import NANOSECONDS_PER_DAY
from embedded.engine import EngineOptions, damage_marker, is_lacking, open_engine
from embedded.rollup_sql import LEVEL_STEPS
from embedded.set_aside import (
    Begun,
    free_name,
    log_of,
    read_journal,
    remove_journal,
    set_log_aside,
    sync,
    write_journal,
)
from embedded.sql import RAW_TABLE, TABLES, WIDE_TABLES, text_literal
from telemetry.errors import StoreDamaged, StoreUnavailable
from telemetry.times import from_datetime, to_datetime

logger = logging.getLogger(__name__)

_LINKED = ".salvage"  # a second name of a damaged file, beside which the good part of its log is put
_BROKEN_ENTRY = re.compile(r"entry at byte position ([0-9]+)")
# What is said, in these classes, when the file that is written fails; and sometimes when one that is read does.
_OF_NEW_FILE = (duckdb.IOException, duckdb.FatalException, duckdb.InternalException, duckdb.TransactionException)
_TABLES = (*TABLES.values(), *WIDE_TABLES.values())


@dataclass(frozen=True, slots=True)
class MissingPeriod:
    """Samples of [start, stop) are lost, at most; `start` None: from whenever on. `file` is what was set aside."""

    start: datetime | None
    stop: datetime
    reason: str
    file: str

    def overlaps(self, start: int, stop: int) -> bool:
        """Whether it has a moment in common with [start, stop), in ns."""
        return from_datetime(self.stop) > start and (self.start is None or from_datetime(self.start) < stop)

    @property
    def words(self) -> str:
        """For whoever reads an answer that lacks it."""
        begin = "the beginning" if self.start is None else f"{self.start:%Y-%m-%d %H:%M} UTC"
        return (
            f"samples from {begin} to {self.stop:%Y-%m-%d %H:%M} UTC were lost with a damaged store,"
            " and are not in this answer"
        )


@dataclass(frozen=True, slots=True)
class Recovery:
    """What opening may do about a file that cannot be opened: the archive to fill a new one from, and when it is."""

    archive: Archive
    now: datetime


def recover(path: Path, options: EngineOptions, recovery: Recovery, damage: StoreDamaged) -> None:
    """Put a new store in the place of a damaged one, filled as far as can be. Raises StoreUnavailable.

    Whoever is killed at any moment, or has no room, loses nothing: the next start goes on by the journal (`resume`).
    """
    begun = Begun(free_name(path, recovery.now), damage.reason)
    with _told(path, begun):
        write_journal(path, begun)
        # The file first: as long as it is in its place nothing has happened, and its log is in its place too.
        path.rename(begun.aside)
        sync(path.parent)
    logger.error("the store is damaged; set aside", extra={"path": str(begun.aside)})
    _fill_place(path, options, recovery, begun)


def resume(path: Path, options: EngineOptions, recovery: Recovery) -> None:
    """Before a store is opened: end what an earlier start has begun, and fill one that is not there.

    Raises StoreUnavailable.
    """
    with _told(path, None):
        begun = read_journal(path)
        if path.exists():
            if begun is not None:
                remove_journal(path, was_damaged=begun.aside.exists())
            return
        if begun is None:  # what is left of one that somebody has taken away
            damage_marker(path).unlink(missing_ok=True)
            set_log_aside(path, free_name(path, recovery.now))
    if begun is None and not recovery.archive.series_files():
        return  # an empty one is made
    _fill_place(path, options, recovery, begun)


def _fill_place(path: Path, options: EngineOptions, recovery: Recovery, begun: Begun | None) -> None:
    """Nothing is at `path`: fill a new file beside it, and put it there when it is whole and on the disk."""
    new = path.with_name(path.name + ".new")
    with _told(path, begun):
        aside = begun.aside if begun is not None and begun.aside.exists() else None
        if begun is not None:
            set_log_aside(path, begun.aside)
        for leftover in (new, log_of(new)):
            leftover.unlink(missing_ok=True)
        with_files = EngineOptions(options.memory_limit, options.threads, (recovery.archive.folder, path.parent))
        connection = open_engine(new, with_files)
        try:
            filled = _Filling(connection, recovery.archive, aside)
            filled.fill()
            missing = filled.missing(recovery.now)
            reason = "its file was not there" if begun is None else begun.reason
            _keep_missing(connection, missing, reason + filled.late_words(), aside)
            filled.keep_progress()
            # Closing does this as well, but says nothing when it fails: everything would stay in a log that is not
            # put in place.
            connection.execute("DETACH DATABASE IF EXISTS damaged")
            connection.execute("CHECKPOINT")
        finally:
            connection.close()
            if begun is not None:
                _remove_link(begun.aside)
        if log_of(new).exists() and log_of(new).stat().st_size:
            raise StoreUnavailable(f"{log_of(new)} could not be written into its file")
        sync(new)
        new.replace(path)
        sync(path.parent)
        log_of(new).unlink(missing_ok=True)
        if begun is not None:
            remove_journal(path, was_damaged=True)
    if missing:
        start, stop = missing[0][0], missing[-1][1]
        logger.error(
            "the store was lost and is filled again; samples of a period are missing",
            extra={"path": str(aside or path), "start": _words(start), "stop": _words(stop)},
        )


@contextmanager
def _told(path: Path, begun: Begun | None) -> Iterator[None]:
    """Whatever stops it, as StoreUnavailable with the way out."""
    try:
        yield
    except (OSError, duckdb.Error, StoreUnavailable) as error:
        words = f"no new store can be made at {path}: {error}"
        if begun is not None:
            words += f". Nothing is lost by this: the next start reads {begun.aside.name} again"
        if is_lacking(str(error)):
            words += f"; make room first (df -h {path.parent})"
        raise StoreUnavailable(words, field="data_dir", value=str(path)) from error


def missing_periods(connection: duckdb.DuckDBPyConnection) -> tuple[MissingPeriod, ...]:
    """What is missing in this store, oldest first."""
    rows = connection.execute("SELECT start, stop, reason, file FROM missing_period ORDER BY stop, start").fetchall()
    return tuple(
        MissingPeriod(None if start is None else to_datetime(start), to_datetime(stop), reason, file)
        for start, stop, reason, file in rows
    )


class _Filling:
    """Fills an empty store; remembers which days of samples are whole."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, archive: Archive, aside: Path | None) -> None:
        self._connection = connection
        self._archive = archive
        self._lost_tail = False  # of the damaged file's log: what was committed last
        self._readable = aside is not None and self._attach(aside)
        self._whole: set[int] = set()
        self._torn: set[int] = set()
        self._unknown_days = not self._readable  # whether the damaged file had days that nobody knows of

    def fill(self) -> None:
        if not self._fill_series():
            return
        for table in _TABLES:
            archived = self._archive.days(table)
            days = sorted({*archived, *self._days_of_damaged(table)})
            for day in days:
                first, end = day * NANOSECONDS_PER_DAY, (day + 1) * NANOSECONDS_PER_DAY
                # The damaged file first: it is newer than any snapshot of it.
                sources = [f"damaged.main.{table} WHERE ts >= {first} AND ts < {end}"] * self._readable
                if day in archived:
                    sources.append(_parquet(archived[day]))
                whole = any(self._insert(table, source) for source in sources)
                if table == RAW_TABLE:
                    (self._whole if whole else self._torn).add(day)

    def missing(self, now: datetime) -> list[tuple[int | None, int]]:
        """The periods of samples that are not there, as (start, stop) in ns."""
        instant = from_datetime(now)
        known = sorted(self._whole)
        if not known:
            return [(None, instant)] if self._unknown_days or self._torn or self._lost_tail else []
        periods: list[tuple[int | None, int]] = [
            (day * NANOSECONDS_PER_DAY, (day + 1) * NANOSECONDS_PER_DAY)
            for day in sorted(self._torn)
            if day < known[-1]
        ]
        if self._unknown_days or any(day > known[-1] for day in self._torn):
            periods.append((min(instant, (known[-1] + 1) * NANOSECONDS_PER_DAY), instant))
        elif self._lost_tail:
            row = self._connection.execute(f"SELECT max(ts) FROM {RAW_TABLE} WHERE ts < {instant}").fetchone()
            periods.append((row[0] if row else None, instant))
        return [(start, stop) for start, stop in periods if start is None or start < stop]

    def late_words(self) -> str:
        """Of a file that nobody can read: what else may have been in it."""
        files = self._archive.series_files()
        if self._readable or not files:
            return ""
        # The names of the series are written last, with every round of snapshots.
        since = datetime.fromtimestamp(files[0].stat().st_mtime, UTC)
        return f"; lost is also what came after {since:%Y-%m-%d %H:%M} UTC for earlier days"

    def _attach(self, aside: Path) -> bool:
        fault, log = self._fault_of(aside), log_of(aside)
        if fault is None or not log.exists():
            return fault is None
        # The log alone may be broken: what was committed before the broken entry is good, and so is the file itself.
        self._lost_tail = True
        linked = aside.with_name(aside.name + _LINKED)
        place = _BROKEN_ENTRY.search(fault)
        _remove_link(aside)  # of a start that was killed
        try:
            os.link(aside, linked)
        except OSError:  # a file system without links
            shutil.copyfile(aside, linked)
        if place is not None:
            with log_of(linked).open("wb") as cut, log.open("rb") as whole:
                cut.write(whole.read(int(place[1])))
        if place is not None and self._fault_of(linked) is None:
            return True
        log_of(linked).unlink(missing_ok=True)
        return self._fault_of(linked) is None

    def _fault_of(self, file: Path) -> str | None:
        """Attach a file as `damaged`; what keeps it from being read, or None."""
        try:
            self._connection.execute("DETACH DATABASE IF EXISTS damaged")
            self._connection.execute(f"ATTACH {text_literal(str(file.absolute()))} AS damaged (READ_ONLY)")
            self._connection.execute("SELECT count(*) FROM damaged.main.series")
        except duckdb.Error as error:
            if is_lacking(str(error)):
                raise
            return str(error)
        return None

    def _fill_series(self) -> bool:
        sources = ["damaged.main.series"] * self._readable + [_parquet(file) for file in self._archive.series_files()]
        return any(self._insert("series", source) for source in sources)

    def _days_of_damaged(self, table: str) -> Iterable[int]:
        if not self._readable:
            return ()
        try:
            days = f"SELECT DISTINCT ts // {NANOSECONDS_PER_DAY} FROM damaged.main.{table}"
            return [day for (day,) in self._connection.execute(days).fetchall()]
        except duckdb.Error as error:
            if is_lacking(str(error)):
                raise
            self._unknown_days = self._unknown_days or table == RAW_TABLE
            return ()

    def _insert(self, table: str, source: str) -> bool:
        try:
            self._connection.execute(f"INSERT INTO {table} SELECT * FROM {source}")
        except duckdb.Error as error:
            # A part that is lost is told as missing for good: it must be the source that is broken, not the new file.
            if is_lacking(str(error)) or (isinstance(error, _OF_NEW_FILE) and self._can_be_read(source)):
                raise
            logger.warning("a part cannot be read", extra={"path": source[:200], "reason": str(error)[:200]})
            return False
        return True

    def _can_be_read(self, source: str) -> bool:
        try:
            self._connection.execute(f"SELECT bit_xor(hash(part)) FROM (SELECT * FROM {source}) AS part").fetchall()
        except duckdb.Error:
            return False
        return True

    def keep_progress(self) -> None:
        """How far the levels are, and from when on each table is whole; with what the damaged file says of it.

        Where a level differs from its samples, the reconciler's comparison finds it.
        """
        for level, table in WIDE_TABLES.items():
            row = self._connection.execute(f"SELECT max(ts) FROM {table}").fetchone()
            if row and row[0] is not None:
                until = row[0] + LEVEL_STEPS[level]
                self._connection.execute(f"INSERT INTO rollup_level VALUES ('{level}', {until})")
        if self._readable:
            self._insert("missing_period", "(SELECT DISTINCT * FROM damaged.main.missing_period)")
            # One of a level that is not made so far is made in its turn.
            made = "damaged.main.rollup_stale JOIN rollup_level USING (level) WHERE ts < until"
            self._insert("rollup_stale", f"(SELECT DISTINCT level, ts FROM {made})")
            self._insert("kept", "(SELECT table_name, max(since) FROM damaged.main.kept GROUP BY 1)")
        for table in _TABLES:
            # Of a day that was half deleted its first sample tells where the rest begins: what was made of the other
            # half must not be compared with samples that are no more.
            self._connection.execute(
                f"INSERT INTO kept SELECT '{table}', min(ts) FROM {table} HAVING count(*) > 0"
                f" AND '{table}' NOT IN (SELECT table_name FROM kept)"
            )


def _remove_link(aside: Path) -> None:
    linked = aside.with_name(aside.name + _LINKED)
    for one in (linked, log_of(linked)):
        one.unlink(missing_ok=True)


def _keep_missing(
    connection: duckdb.DuckDBPyConnection, missing: list[tuple[int | None, int]], reason: str, aside: Path | None
) -> None:
    for start, stop in missing:
        connection.execute(
            "INSERT INTO missing_period VALUES (?, ?, ?, ?)", [start, stop, reason[:500], aside.name if aside else ""]
        )


def _parquet(file: Path) -> str:
    return f"read_parquet({text_literal(str(file.absolute()))})"


def _words(instant: int | None) -> str:
    return "the beginning" if instant is None else to_datetime(instant).isoformat()
