"""Which closed days of which tables are in order, and which are in the archive. Shell.

A mark holds until the day gets another row: it is taken away in the transaction that writes the row.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import duckdb

NANOSECONDS_PER_DAY = 86_400 * 1_000_000_000


class Mark(StrEnum):
    """What was done with a day; the value is the table that says so."""

    SORTED = "sorted_day"
    ARCHIVED = "archived_day"


DAY_SCHEMA = tuple(f"CREATE TABLE IF NOT EXISTS {mark} (table_name VARCHAR, day INTEGER)" for mark in Mark)
Taken = list[tuple[Mark, str, int]]


class DayMarks:
    """In memory as in the store; every method but `days` runs in the store's writer thread. Days since 1970 UTC."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._days: dict[tuple[Mark, str], frozenset[int]] = {}
        self._latest: dict[str, int] = {}
        for mark in Mark:
            for table, day in connection.execute(f"SELECT table_name, day FROM {mark}").fetchall():
                self.note(mark, table, day)

    def days(self, mark: Mark, table: str) -> frozenset[int]:
        """The days of a table that bear the mark."""
        return self._days.get((mark, table), frozenset())

    def put(self, mark: Mark, table: str, day: int) -> None:
        """Write a mark, within the caller's transaction or in one of its own; `note` it when it is committed."""
        self._connection.execute(f"INSERT INTO {mark} VALUES ('{table}', {day})")

    def begin(self, mark: Mark, table: str, day: int) -> None:
        """Note a mark that is to be put when the work is done; one that stands from earlier work is taken away."""
        if day in self.days(mark, table):
            self._connection.execute(f"DELETE FROM {mark} WHERE table_name = '{table}' AND day = {day}")
        self.note(mark, table, day)

    def put_if_noted(self, mark: Mark, table: str, day: int) -> None:
        """The work is done: put the mark, in a transaction of its own, unless a row has taken it away meanwhile."""
        if day in self.days(mark, table):
            self.put(mark, table, day)

    def note(self, mark: Mark, table: str, day: int) -> None:
        self._days[mark, table] = self.days(mark, table) | {day}
        self._latest[table] = max(day, self._latest.get(table, day))

    def take(self, table: str, earliest: int, times: Iterable[int]) -> Taken:
        """Take the marks from the days of rows that are about to be written, within the caller's transaction.

        `earliest` (ns) is the least of the times: rows of today, which are nearly all, cost nothing. What is returned
        is for `forget`, once it is committed.
        """
        if table not in self._latest or earliest // NANOSECONDS_PER_DAY > self._latest[table]:
            return []
        touched = {time // NANOSECONDS_PER_DAY for time in times}
        taken = [(mark, table, day) for mark in Mark for day in touched & self.days(mark, table)]
        for mark, name, day in taken:
            self._connection.execute(f"DELETE FROM {mark} WHERE table_name = '{name}' AND day = {day}")
        return taken

    def forget(self, taken: Taken) -> None:
        for mark, table, day in taken:
            self._days[mark, table] = self.days(mark, table) - {day}

    def expire(self, table: str, before: int) -> Taken:
        """Take the marks of the days before one, which are deleted."""
        taken = [(mark, table, day) for mark in Mark for day in self.days(mark, table) if day < before]
        for mark in Mark:
            self._connection.execute(f"DELETE FROM {mark} WHERE table_name = '{table}' AND day < {before}")
        return taken
