"""Keep the store small: expired rows go, closed days are rewritten in order. Shell."""

from __future__ import annotations

from datetime import datetime, timedelta

import duckdb

from embedded.day_marks import NANOSECONDS_PER_DAY, DayMarks, Mark
from embedded.rollup import Reconciler, transaction
from embedded.sql import TABLES, WIDE_TABLES
from telemetry.rollup import Retention
from telemetry.times import from_datetime


def delete_expired(
    connection: duckdb.DuckDBPyConnection,
    retention: Retention,
    reconciler: Reconciler,
    marks: DayMarks,
    now: datetime,
) -> int:
    """Delete what is older than it is kept; the freed blocks are used again. Returns the rows deleted.

    What a level is still to be made from stays until it is made. From when on a table is whole is kept beside it.
    """
    deleted = 0
    for table, age in ages(retention).items():
        bound = from_datetime(now - age)
        needed = reconciler.holds_back(table)
        bound = bound if needed is None else min(bound, needed)
        with transaction(connection):
            row = connection.execute(f"DELETE FROM {table} WHERE ts < {bound}").fetchone()
            if not row or not row[0]:
                continue
            deleted += row[0]
            taken = marks.expire(table, bound // NANOSECONDS_PER_DAY)
            bound = max(bound, reconciler.ledger.kept_since(table) or bound)  # an earlier clock may have been ahead
            connection.execute(f"DELETE FROM kept WHERE table_name = '{table}'")
            connection.execute(f"INSERT INTO kept VALUES ('{table}', {bound})")
        marks.forget(taken)
        reconciler.ledger.note_kept(table, bound)
    return deleted


def ages(retention: Retention) -> dict[str, timedelta]:
    """How long each table is kept."""
    samples = {table: retention.of_class(measurement_class) for measurement_class, table in TABLES.items()}
    return samples | {table: retention.of_level(level) for level, table in WIDE_TABLES.items()}


def closed_days(connection: duckdb.DuckDBPyConnection, table: str, before: int) -> list[int]:
    """The days (since 1970 UTC) of a table that are over before day `before` and have rows."""
    rows = connection.execute(
        f"SELECT DISTINCT ts // {NANOSECONDS_PER_DAY} FROM {table} WHERE ts < {before * NANOSECONDS_PER_DAY}"
    ).fetchall()
    return sorted(day for (day,) in rows)


def closed_unsorted_days(
    connection: duckdb.DuckDBPyConnection, marks: DayMarks, now: datetime
) -> list[tuple[str, int]]:
    """(table, day) of each UTC day of samples that is over and not yet in order."""
    today = from_datetime(now) // NANOSECONDS_PER_DAY
    return [
        (table, day)
        for table in TABLES.values()
        for day in closed_days(connection, table, today)
        if day not in marks.days(Mark.SORTED, table)
    ]


def sort_day(connection: duckdb.DuckDBPyConnection, marks: DayMarks, table: str, day: int) -> None:
    """Rewrite one day by (series, time), in one transaction: half the disk, and one series reads 20 times faster."""
    first, end = day * NANOSECONDS_PER_DAY, (day + 1) * NANOSECONDS_PER_DAY
    with transaction(connection):
        connection.execute(
            f"CREATE TEMP TABLE day_in_order AS SELECT * FROM {table} WHERE ts >= {first} AND ts < {end}"
            " ORDER BY series_id, ts"
        )
        connection.execute(f"DELETE FROM {table} WHERE ts >= {first} AND ts < {end}")
        connection.execute(f"INSERT INTO {table} SELECT * FROM day_in_order")
        connection.execute("DROP TABLE day_in_order")
        marks.put(Mark.SORTED, table, day)
    marks.note(Mark.SORTED, table, day)
