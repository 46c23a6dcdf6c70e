"""Series queries as DuckDB's SQL, from typed literals only. Pure.

Tables: `series` (series_id, measurement, field, tags) names each series once; `raw`, `events` and `self`, one
per measurement class, hold (ts, series_id, value, text), narrow and without a key.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from telemetry.schema import MeasurementClass
from telemetry.series import (
    AllOf,
    Equals,
    Exists,
    Function,
    Matches,
    Not,
    OneOf,
    Predicate,
    SeriesQuery,
    Window,
    window_starts,
)

TABLES: dict[MeasurementClass, str] = {
    MeasurementClass.METRICS: "raw",
    MeasurementClass.EVENTS: "events",
    MeasurementClass.SELF: "self",
}

SCHEMA = (
    """CREATE TABLE IF NOT EXISTS series
       (series_id INTEGER, measurement VARCHAR, field VARCHAR, tags MAP(VARCHAR, VARCHAR))""",
    *(
        f"CREATE TABLE IF NOT EXISTS {table} (ts BIGINT, series_id INTEGER, value DOUBLE, text VARCHAR)"
        for table in TABLES.values()
    ),
    "CREATE TABLE IF NOT EXISTS sorted_day (table_name VARCHAR, day INTEGER)",
)

# How far back the sample is looked for that the first sample of a window has grown from (telemetry/series.py).
LEAST_LOOKBACK = 300 * 1_000_000_000

_AGGREGATES: dict[Function, str] = {
    Function.MIN: "min(value)",
    Function.MAX: "max(value)",
    Function.MEAN: "avg(value)",
    Function.SUM: "sum(value)",
    Function.COUNT: "count(value)",
    Function.FIRST: "arg_min(value, ts)",
    Function.LAST: "arg_max(value, ts)",
    Function.INCREASE: "sum(grown)",
    Function.RATE: "sum(grown)",
}
_OF_COUNTERS = {Function.INCREASE, Function.RATE}


def text_literal(text: str) -> str:
    """A string as SQL. DuckDB knows no escapes inside '...' but the doubled quote; NUL ends a statement."""
    if "\x00" in text:
        return "(" + " || chr(0) || ".join(text_literal(part) for part in text.split("\x00")) + ")"
    return "'" + text.replace("'", "''") + "'"


def integer_list(numbers: Iterable[int]) -> str:
    return "(" + ", ".join(str(int(number)) for number in numbers) + ")"


def condition(predicate: Predicate) -> str:
    """A predicate over the tags of `series` that is true or false, never NULL."""
    match predicate:
        case AllOf(predicates):
            return "(" + (" AND ".join(condition(inner) for inner in predicates) or "true") + ")"
        case Not(inner):
            return f"NOT {condition(inner)}"
        case Equals(tag, value):
            return f"coalesce({_tag(tag)} = {text_literal(value)}, false)"
        case OneOf(tag, values):
            listed = ", ".join(text_literal(value) for value in values)
            return f"coalesce({_tag(tag)} IN ({listed}), false)" if values else "false"
        case Matches(tag, pattern):
            return f"coalesce(regexp_matches({_tag(tag)}, {text_literal(pattern)}), false)"
        case Exists(tag):
            return f"({_tag(tag)} IS NOT NULL)"


def select_series(query: SeriesQuery) -> str:
    """Which series the query means: (series_id, field, tags)."""
    fields = ""
    if query.fields:
        fields = " AND field IN (" + ", ".join(text_literal(field) for field in query.fields) + ")"
    return (
        "SELECT series_id, field, tags FROM series"
        f" WHERE measurement = {text_literal(query.measurement)}{fields} AND {condition(query.where)}"
    )


def select_raw(table: str, query: SeriesQuery, ids: Sequence[int], limit: int, cap: int) -> str:
    """(series_id, ts, value, text), by series and time; one more than `limit` of each, to see whether it cut."""
    return (
        f"SELECT series_id, ts, value, text FROM {table} WHERE {_in_range(query.start, query.stop, ids)}"
        f" QUALIFY row_number() OVER (PARTITION BY series_id ORDER BY ts) <= {limit + 1}"
        f" ORDER BY series_id, ts LIMIT {cap + 1}"
    )


def select_in_time_order(table: str, query: SeriesQuery, ids: Sequence[int]) -> str:
    """(ts, series_id, value, text) of a few series by time: what an export streams."""
    return (
        f"SELECT ts, series_id, value, text FROM {table} WHERE {_in_range(query.start, query.stop, ids)}"
        " ORDER BY ts, series_id"
    )


def select_latest(table: str, query: SeriesQuery, ids: Sequence[int]) -> str:
    """(series_id, ts, value, text) of the newest sample of each."""
    return (
        "SELECT series_id, max(ts), arg_max(value, ts), arg_max(text, ts)"
        f" FROM {table} WHERE {_in_range(query.start, query.stop, ids)} GROUP BY series_id"
    )


def select_windows(table: str, query: SeriesQuery, window: Window, ids: Sequence[int]) -> str:
    """(series_id, number of the window, one column per function)."""
    starts = window_starts(query.start, query.stop, window.step)
    first, end = starts[0], starts[-1] + window.step
    columns = ", ".join(_AGGREGATES[function] for function in window.functions)
    number = f"(ts - ({first})) // {window.step}"
    if not _OF_COUNTERS.intersection(window.functions):
        return f"SELECT series_id, {number}, {columns} FROM {table} WHERE {_in_range(first, end, ids)} GROUP BY ALL"
    lookback = first - max(window.step, LEAST_LOOKBACK)
    # lag() sees the lookback; the outer WHERE then leaves only the range itself.
    return (
        f"SELECT series_id, {number}, {columns} FROM (SELECT series_id, ts, value,"
        " CASE WHEN value >= previous THEN value - previous WHEN previous IS NOT NULL THEN value END AS grown FROM"
        " (SELECT series_id, ts, value, lag(value) OVER (PARTITION BY series_id ORDER BY ts) AS previous"
        f" FROM {table} WHERE {_in_range(lookback, end, ids)})) WHERE ts >= {first} GROUP BY ALL"
    )


def _tag(name: str) -> str:
    return f"tags[{text_literal(name)}]"


def _in_range(start: int, stop: int, ids: Sequence[int]) -> str:
    return f"ts >= {start} AND ts < {stop} AND series_id IN {integer_list(ids)}"
