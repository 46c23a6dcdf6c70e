"""Make the rolled-up levels, and make again what late samples touched: the reconciler. Shell.

Every method runs in the store's writer thread and is one transaction, so that what is marked and what is made can
never disagree: a crash leaves the level as it was before, and the next run goes on from there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import duckdb

from embedded.day_marks import DayMarks, Taken
from embedded.rollup_sql import counts_that_differ, make_windows, mark_stale, oldest_from, source_table
from embedded.sql import RAW_TABLE, WIDE_TABLES, integer_list
from telemetry.rollup import LEVELS, Level
from telemetry.rollup_progress import RollupProgress, runs_of
from telemetry.series import GROWTH_LOOKBACK

_HOUR = 3_600 * 1_000_000_000
DAY = 24 * _HOUR
# What one transaction makes at most, so that writers wait for a fraction of a second: of samples, and of windows.
_CHUNK: Mapping[str, int] = {"5m": 2 * _HOUR, "1h": 7 * DAY}


@dataclass(slots=True)
class LevelStatistics:
    """Counted since open."""

    made_windows: int = 0
    repaired_windows: int = 0
    failures: int = 0


class RollupLedger(RollupProgress):
    """The progress of all levels, in memory as in the store's tables."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        super().__init__()
        self._kept: dict[str, int] = {}
        levels = {level.name: level for level in LEVELS}
        for name, until in connection.execute("SELECT level, max(until) FROM rollup_level GROUP BY 1").fetchall():
            if name in levels:
                self.note_made(levels[name], until)
        for name, window in connection.execute("SELECT DISTINCT level, ts FROM rollup_stale").fetchall():
            if name in levels:
                self.note_stale({levels[name]: {window}})
        self._kept.update(connection.execute("SELECT table_name, max(since) FROM kept GROUP BY 1").fetchall())

    def kept_since(self, table: str) -> int | None:
        """From when on a table is whole (ns); None when nothing was ever deleted from it."""
        return self._kept.get(table)

    def touched(self, times: Sequence[int]) -> dict[Level, set[int]]:
        """Which windows, made already and not stale yet, samples written now at these times change; for the
        transaction that does."""
        touched = self.touched_by(times, self.repairable_from)
        return {level: new for level, windows in touched.items() if (new := windows - self.stale(level))}

    def repairable_from(self, level: Level) -> int:
        """Windows before this must stay as they are: part of what they were made from is deleted."""
        since = self._kept.get(source_table(level))
        if since is None:
            return -(2**63)
        lookback = GROWTH_LOOKBACK if source_table(level) == RAW_TABLE else 0
        return -(-(since + lookback) // level.step) * level.step

    def note_kept(self, table: str, since: int) -> None:
        self._kept[table] = since

    def kept_after(self, now: int) -> list[str]:
        """The tables of which it is noted that they are whole from a time on that is still to come."""
        return [table for table, since in self._kept.items() if since > now]


class Reconciler:
    """Does one piece at a time: `step` until it says that there is no more."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, ledger: RollupLedger, marks: DayMarks) -> None:
        self._connection = connection
        self._ledger = ledger
        self._marks = marks
        self.statistics = {level.name: LevelStatistics() for level in LEVELS}

    def step(self, now: int) -> bool:
        """Make one piece of what is due at `now` (ns): stale windows first, finest level first. False: all is made."""
        self._follow_clock_back(now)
        for level in LEVELS:
            try:
                if self._repair(level) or self._advance(level, now):
                    return True
            except duckdb.Error:
                self.statistics[level.name].failures += 1
                raise
        return False

    @property
    def ledger(self) -> RollupLedger:
        return self._ledger

    def check(self, level: Level, start: int, stop: int) -> int:
        """Compare the counts of a level with its source's over [start, stop), mark what differs; how many windows.

        What the ledger does not know of (a store filled from a snapshot, an error of ours) is found by this.
        """
        start = max(start, self._ledger.repairable_from(level))
        stop = min(stop, self._ledger.until(level) or start)
        start, stop = -(-start // _HOUR) * _HOUR, stop // _HOUR * _HOUR
        if start >= stop:
            return 0
        rows = self._connection.execute(counts_that_differ(level, start, stop, _HOUR)).fetchall()
        windows = {window for (hour,) in rows for window in range(hour, hour + _HOUR, level.step)}
        windows -= self._ledger.stale(level)
        if windows:
            coarser = [one for one in LEVELS if one.step >= level.step]
            made_from = {one: {window - window % one.step for window in windows} for one in coarser}
            touched = {one: new for one, some in made_from.items() if (new := some - self._ledger.stale(one))}
            with transaction(self._connection):
                for one, some in touched.items():
                    self._connection.execute(mark_stale(one, some))
            self._ledger.note_stale(touched)
        return len(windows)

    def holds_back(self, table: str) -> int | None:
        """The time from which on rows of a table are still needed to make a level; None when no level needs them."""
        for level in LEVELS:
            until = self._ledger.until(level)
            if source_table(level) == table and until is not None:
                return min((until, *self._ledger.stale(level))) - GROWTH_LOOKBACK
        return None

    def _follow_clock_back(self, now: int) -> None:
        """What a clock noted that was ahead must not stand in the way for as long as it was ahead.

        Windows that are no longer over are not made, and will be; what has been deleted was deleted before `now`.
        """
        if tables := self._ledger.kept_after(now):
            with transaction(self._connection):
                for table in tables:
                    self._connection.execute(f"UPDATE kept SET since = {now} WHERE table_name = '{table}'")
            for table in tables:
                self._ledger.note_kept(table, now)
        for level in LEVELS:
            until, due = self._ledger.until(level), self._ledger.due(level, now)
            if until is not None and until > due:
                early = [window for window in self._ledger.stale(level) if window >= due]
                with transaction(self._connection):
                    self._keep_until(level, due)
                    self._forget_stale(level, early)
                self._ledger.note_made(level, due, early)

    def _repair(self, level: Level) -> bool:
        stale = sorted(self._ledger.stale(level))
        if not stale:
            return False
        until = self._ledger.until(level)
        assert until is not None
        end = stale[0] + _CHUNK[level.name]
        piece = [window for window in stale if window < end]
        whole = [window for window in piece if window >= self._ledger.repairable_from(level)]
        with transaction(self._connection):
            for first, last in runs_of(whole, level.step):
                for statement in make_windows(level, first, last + level.step):
                    self._connection.execute(statement)
            taken = self._marks.take(WIDE_TABLES[level.name], piece[0], whole)
            self._forget_stale(level, piece)
        self._marks.forget(taken)
        self._ledger.note_made(level, until, piece)
        self.statistics[level.name].made_windows += len(whole)
        self.statistics[level.name].repaired_windows += len(whole)
        return True

    def _advance(self, level: Level, now: int) -> bool:
        due = self._ledger.due(level, now)
        known = self._ledger.until(level)
        if known is not None and known >= due:
            return False
        after = -(2**63) if known is None else known
        row = self._connection.execute(oldest_from(source_table(level), after)).fetchone()
        oldest = row[0] if row else None
        if known is None and oldest is None:
            return False
        # Over a stretch without samples there is nothing to make.
        start = due if oldest is None else min(due, oldest - oldest % level.step)
        if known is not None:
            since = self._ledger.kept_since(source_table(level)) or known
            start = max(known, start, min(due, -(-since // level.step) * level.step))
        stop = min(due, start + _CHUNK[level.name])
        if known is None and start >= due:
            return False
        taken: Taken = []
        with transaction(self._connection):
            if start < stop:
                for statement in make_windows(level, start, stop):
                    self._connection.execute(statement)
                # A clock that was ahead has closed days that are now made anew.
                days = range(start, stop + DAY, DAY)
                taken = self._marks.take(WIDE_TABLES[level.name], start, (min(time, stop - 1) for time in days))
            self._keep_until(level, stop)
        self._marks.forget(taken)
        self._ledger.note_made(level, stop)
        self.statistics[level.name].made_windows += (stop - start) // level.step
        return True

    def _keep_until(self, level: Level, until: int) -> None:
        self._connection.execute(f"DELETE FROM rollup_level WHERE level = '{level.name}'")
        self._connection.execute(f"INSERT INTO rollup_level VALUES ('{level.name}', {until})")

    def _forget_stale(self, level: Level, windows: Collection[int]) -> None:
        if windows:
            listed = integer_list(windows)
            self._connection.execute(f"DELETE FROM rollup_stale WHERE level = '{level.name}' AND ts IN {listed}")


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """BEGIN and COMMIT, or ROLLBACK when the block fails."""
    connection.execute("BEGIN")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(duckdb.Error):  # the engine has rolled back already, or died: what it said first counts
            connection.execute("ROLLBACK")
        raise
