"""Rollups as DuckDB's SQL, from the definition in `telemetry/rollup.py`. Pure.

One wide row per series and window with all its aggregates; those that a kind of field does not keep are NULL. Five
narrow rows instead would take 1.7 times the disk and read five times slower (engines.md, later findings).
"""

from __future__ import annotations

from collections.abc import Iterable

from embedded.sql import RAW_TABLE, WIDE_TABLES, select_grown, text_literal
from telemetry.rollup import LEVELS, RAW, Aggregate, Level, kinds_with

_COLUMNS = ", ".join(
    f"{aggregate} {'INTEGER' if aggregate is Aggregate.COUNT else 'DOUBLE'}" for aggregate in Aggregate
)

ROLLUP_SCHEMA = (
    *(
        f"CREATE TABLE IF NOT EXISTS {table} (ts BIGINT, series_id INTEGER, {_COLUMNS})"
        for table in WIDE_TABLES.values()
    ),
    # Every window of the level that begins before `until` is made.
    "CREATE TABLE IF NOT EXISTS rollup_level (level VARCHAR, until BIGINT)",
    # Windows that are made, but no longer right: late samples touched them. Written with the samples, in one commit.
    "CREATE TABLE IF NOT EXISTS rollup_stale (level VARCHAR, ts BIGINT)",
    # From when on a table is whole: what was older is deleted.
    "CREATE TABLE IF NOT EXISTS kept (table_name VARCHAR, since BIGINT)",
    # The kind of each series' field, as the registry of this process has it.
    "CREATE TABLE IF NOT EXISTS series_kind (series_id INTEGER, kind VARCHAR)",
)


LEVEL_STEPS = {level.name: level.step for level in LEVELS}


def source_table(level: Level) -> str:
    """What a level is made from."""
    return RAW_TABLE if level.source == RAW else WIDE_TABLES[level.source]


def make_windows(level: Level, start: int, stop: int) -> tuple[str, str]:
    """The statements that make the level's windows of [start, stop) anew; both ends are windows' starts."""
    table = WIDE_TABLES[level.name]
    made = _from_samples(level, start, stop) if level.source == RAW else _from_windows(level, start, stop)
    return f"DELETE FROM {table} WHERE ts >= {start} AND ts < {stop}", f"INSERT INTO {table} {made}"


def oldest_from(table: str, start: int) -> str:
    """The time of the oldest row at or after `start`."""
    return f"SELECT min(ts) FROM {table} WHERE ts >= {start}"


def counts_that_differ(level: Level, start: int, stop: int, step: int) -> str:
    """The starts of stretches of `step` ns within [start, stop) where a level counts other than its source."""
    counted = "count(value)" if level.source == RAW else "sum(count)"
    source = f"{source_table(level)} JOIN series_kind USING (series_id)" if level.source == RAW else source_table(level)
    kinds = f" AND kind IN {_kinds(Aggregate.COUNT)}" if level.source == RAW else ""
    return (
        f"SELECT coalesce(made.stretch, source.stretch) FROM (SELECT {_window('ts', step)} AS stretch, sum(count) AS n"
        f" FROM {WIDE_TABLES[level.name]} WHERE ts >= {start} AND ts < {stop} GROUP BY 1) AS made"
        f" FULL JOIN (SELECT {_window('ts', step)} AS stretch, {counted} AS n FROM {source}"
        f" WHERE ts >= {start} AND ts < {stop}{kinds} GROUP BY 1 HAVING n > 0) AS source"
        " ON made.stretch = source.stretch WHERE made.n IS DISTINCT FROM source.n"
    )


def mark_stale(level: Level, windows: Iterable[int]) -> str:
    """Remember windows that are to be made again."""
    rows = ", ".join(f"({text_literal(level.name)}, {int(window)})" for window in sorted(windows))
    return f"INSERT INTO rollup_stale VALUES {rows}"


def _from_samples(level: Level, start: int, stop: int) -> str:
    growing = f"series_id IN (SELECT series_id FROM series_kind WHERE kind IN {_kinds(Aggregate.INCREASE)})"
    grown = select_grown(RAW_TABLE, start, stop, growing)
    columns = {
        Aggregate.MIN: "min(value)",
        Aggregate.MAX: "max(value)",
        Aggregate.SUM: "sum(value)",
        Aggregate.COUNT: "count(value)",
        Aggregate.LAST: "arg_max(value, ts)",
    }
    kept = ", ".join(
        f"{column} FILTER (WHERE kind IN {_kinds(aggregate)}) AS {aggregate}" for aggregate, column in columns.items()
    )
    beginning = f"{_window('ts', level.step)} AS beginning"
    return (
        f"SELECT beginning, series_id, {', '.join(columns)}, inc FROM"
        f" (SELECT {beginning}, series_id, {kept} FROM {RAW_TABLE} JOIN series_kind USING (series_id)"
        f" WHERE ts >= {start} AND ts < {stop} AND value IS NOT NULL AND kind IN {_kinds(Aggregate.COUNT)}"
        f" GROUP BY ALL) LEFT JOIN (SELECT {beginning}, series_id, sum(grown) AS inc FROM ({grown}) GROUP BY ALL)"
        " USING (beginning, series_id) ORDER BY series_id, beginning"
    )


def _from_windows(level: Level, start: int, stop: int) -> str:
    return (
        f"SELECT {_window('ts', level.step)} AS beginning, series_id, min(min), max(max), sum(sum), sum(count),"
        f" arg_max(last, ts), sum(inc) FROM {WIDE_TABLES[level.source]} WHERE ts >= {start} AND ts < {stop}"
        " GROUP BY ALL ORDER BY series_id, beginning"
    )


def _window(column: str, step: int) -> str:
    # The remainder of a negative number is negative in SQL; windows before 1970 begin at their start as all others do.
    return f"({column} - (({column} % {step}) + {step}) % {step})"


def _kinds(aggregate: Aggregate) -> str:
    return "(" + ", ".join(text_literal(kind.value) for kind in kinds_with(aggregate)) + ")"
