"""Series queries as DuckDB's SQL, from typed literals only. Pure.

Tables: `series` (series_id, measurement, field, tags) names each series once; `raw`, `events` and `self`, one
per measurement class, hold (ts, series_id, value, text), narrow and without a key; the levels made from `raw` are in
`rollup_5m` and `rollup_1h`, wide rows with every aggregate of one series and window (`embedded/rollup_sql.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from telemetry.rollup import LEVELS, RAW
from telemetry.schema import MeasurementClass
from telemetry.series import (
    GROWTH_LOOKBACK,
    AllOf,
    Equals,
    Exists,
    Function,
    Matches,
    Not,
    OneOf,
    Predicate,
    Segment,
    SeriesQuery,
    ValuesQuery,
)

TABLES: dict[MeasurementClass, str] = {
    MeasurementClass.METRICS: "raw",
    MeasurementClass.EVENTS: "events",
    MeasurementClass.SELF: "self",
}

RAW_TABLE = TABLES[MeasurementClass.METRICS]
WIDE_TABLES: dict[str, str] = {level.name: f"rollup_{level.name}" for level in LEVELS}

SCHEMA = (
    """CREATE TABLE IF NOT EXISTS series
       (series_id INTEGER, measurement VARCHAR, field VARCHAR, tags MAP(VARCHAR, VARCHAR))""",
    *(
        f"CREATE TABLE IF NOT EXISTS {table} (ts BIGINT, series_id INTEGER, value DOUBLE, text VARCHAR)"
        for table in TABLES.values()
    ),
    "CREATE TABLE IF NOT EXISTS sorted_day (table_name VARCHAR, day INTEGER)",  # embedded/day_marks.py
)
# What was lost and when (ns), as far as is known; see embedded/recovery.py.
LOST_SCHEMA = ("CREATE TABLE IF NOT EXISTS missing_period (start BIGINT, stop BIGINT, reason VARCHAR, file VARCHAR)",)

# A sum of finite doubles may overflow; no answer holds an infinity.
_AGGREGATES: dict[Function, str] = {
    Function.MIN: "min(value)",
    Function.MAX: "max(value)",
    Function.MEAN: "if(isfinite(avg(value)), avg(value), NULL)",
    Function.SUM: "if(isfinite(sum(value)), sum(value), NULL)",
    Function.COUNT: "count(value)",
    Function.FIRST: "arg_min(value, ts)",
    Function.LAST: "arg_max(value, ts)",
    Function.INCREASE: "if(isfinite(sum(grown)), sum(grown), NULL)",
    Function.RATE: "if(isfinite(sum(grown)), sum(grown), NULL)",
}
_OF_WIDE_ROWS: dict[Function, str] = {
    Function.MIN: "min(min)",
    Function.MAX: "max(max)",
    Function.MEAN: "if(isfinite(sum(sum)), sum(sum) / sum(count), NULL)",
    Function.SUM: "if(isfinite(sum(sum)), sum(sum), NULL)",
    Function.COUNT: "sum(count)::BIGINT",
    Function.LAST: "arg_max(last, ts)",
    Function.INCREASE: "if(isfinite(sum(inc)), sum(inc), NULL)",
    Function.RATE: "if(isfinite(sum(inc)), sum(inc), NULL)",
}
_OF_ONE_WIDE_ROW: dict[Function, str] = {
    Function.MIN: "min",
    Function.MAX: "max",
    Function.MEAN: "if(isfinite(sum), sum / count, NULL)",
    Function.SUM: "if(isfinite(sum), sum, NULL)",
    Function.COUNT: "count",
    Function.LAST: "last",
    Function.INCREASE: "if(isfinite(inc), inc, NULL)",
    Function.RATE: "if(isfinite(inc), inc, NULL)",
}
_STEPS = {level.name: level.step for level in LEVELS}
_FEW = 40  # series; a longer list of them is planned and looked up slower than what else says the same
_WIDEST = 20_000  # of a map of bits
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


def select_series(query: SeriesQuery, unasked: Sequence[str] = ()) -> str:
    """Which series the query means: (series_id, field, tags); where it names no field, all but the `unasked`."""
    word, names = ("IN", query.fields) if query.fields else ("NOT IN", unasked)
    fields = f" AND field {word} (" + ", ".join(map(text_literal, names)) + ")" if names else ""
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


def select_latest(table: str, query: SeriesQuery, ids: Sequence[int], *, has_text: bool) -> str:
    """(series_id, ts, value, text) of the newest sample of each; without texts, text is NULL."""
    text = "arg_max(text, ts)" if has_text else "NULL"
    return (
        f"SELECT series_id, max(ts), arg_max(value, ts), {text}"
        f" FROM {table} WHERE {_in_range(query.start, query.stop, ids)} GROUP BY series_id"
    )


def select_windows(table: str, axis: range, functions: Sequence[Function], part: Segment, ids: Sequence[int]) -> str:
    """(series_id, numbers of its windows, their values of one function, those of the next, ...), each a list in one and
    the same order, of one part of a query's windows, from its level. `table` is where the samples are.

    Lists, because the rows themselves would take three times as long to become Python's objects.
    """
    windows = _select_windows(table, axis, functions, part, ids)
    columns = "".join(f", list(c{number})" for number in range(len(functions)))
    return f"SELECT series_id, list(number){columns} FROM ({windows}) GROUP BY series_id"


def _select_windows(table: str, axis: range, functions: Sequence[Function], part: Segment, ids: Sequence[int]) -> str:
    number = f"(ts - ({axis.start})) // {axis.step} AS number"
    if part.level == RAW:
        return _select_windows_of_samples(table, number, functions, part, ids)
    wide, step = WIDE_TABLES[part.level], _STEPS[part.level]
    where = _in_range(part.start, part.stop, ids)
    if axis.step == step and axis.start % step == 0:  # each row is a window
        return f"SELECT series_id, {number}, {_columns(_OF_ONE_WIDE_ROW, functions)} FROM {wide} WHERE {where}"
    return f"SELECT series_id, {number}, {_columns(_OF_WIDE_ROWS, functions)} FROM {wide} WHERE {where} GROUP BY ALL"


def _select_windows_of_samples(
    table: str, number: str, functions: Sequence[Function], part: Segment, ids: Sequence[int]
) -> str:
    columns = _columns(_AGGREGATES, functions)
    if not _OF_COUNTERS.intersection(functions):
        where = _in_range(part.start, part.stop, ids)
        return f"SELECT series_id, {number}, {columns} FROM {table} WHERE {where} AND value IS NOT NULL GROUP BY ALL"
    grown = select_grown(table, part.start, part.stop, one_of(ids))
    return f"SELECT series_id, {number}, {columns} FROM ({grown}) GROUP BY ALL"


def _columns(expressions: Mapping[Function, str], functions: Sequence[Function]) -> str:
    return ", ".join(f"{expressions[function]} AS c{number}" for number, function in enumerate(functions))


def select_grown(table: str, start: int, stop: int, which: str) -> str:
    """(series_id, ts, value, grown) of the samples in [start, stop): grown is what a counter has grown by since the
    sample before, NULL where there is none at most GROWTH_LOOKBACK older (telemetry/series.py)."""
    # lag() sees the lookback; the outer WHERE then leaves only the range itself.
    return (
        "SELECT series_id, ts, value, CASE WHEN before IS NULL OR ts - before > "
        f"{GROWTH_LOOKBACK} THEN NULL WHEN value >= previous THEN value - previous ELSE value END AS grown FROM"
        " (SELECT series_id, ts, value, lag(value) OVER by_time AS previous, lag(ts) OVER by_time AS before"
        f" FROM {table} WHERE ts >= {start - GROWTH_LOOKBACK} AND ts < {stop} AND {which} AND value IS NOT NULL"
        f" WINDOW by_time AS (PARTITION BY series_id ORDER BY ts)) WHERE ts >= {start}"
    )


def select_quantiles(table: str, axis: range, quantiles: Sequence[float], members: Sequence[tuple[int, int]]) -> str:
    """(group, number of the window, list of quantiles) by nearest rank; `members` are (series_id, group)."""
    # Written out in decimals, for which DuckDB counts ranks exactly; a binary 0.07 of 100 would be the eighth.
    shares = ", ".join(f"{quantile:.12f}" for quantile in quantiles)
    pairs = ", ".join(f"({int(identifier)}, {int(group)})" for identifier, group in members)
    return (
        f"SELECT pool, (ts - ({axis.start})) // {axis.step}, quantile_disc(value, [{shares}]) FROM {table}"
        f" JOIN (VALUES {pairs}) AS member(series_id, pool) USING (series_id)"
        f" WHERE ts >= {axis.start} AND ts < {axis[-1] + axis.step} AND value IS NOT NULL GROUP BY ALL"
    )


def select_series_with_samples(table: str, query: ValuesQuery, measurements: Sequence[str]) -> str:
    """(measurement, field, tags) of every series of these measurements with a row in the query's range."""
    listed = ", ".join(text_literal(name) for name in measurements)
    return (
        f"SELECT measurement, field, tags FROM series WHERE measurement IN ({listed}) AND {condition(query.where)}"
        f" AND series_id IN (SELECT DISTINCT series_id FROM {table} WHERE ts >= {query.start} AND ts < {query.stop})"
    )


def _tag(name: str) -> str:
    return f"tags[{text_literal(name)}]"


def _in_range(start: int, stop: int, ids: Sequence[int]) -> str:
    return f"ts >= {start} AND ts < {stop} AND {one_of(ids)}"


def one_of(ids: Sequence[int]) -> str:
    """That a row is of one of these series, in the words that the engine is fastest with (docs/performance.md)."""
    first, last = min(ids), max(ids)
    between = f"series_id BETWEEN {int(first)} AND {int(last)}"
    wanted = set(ids)
    if len(wanted) == last - first + 1:
        return between
    if len(wanted) <= _FEW or last - first >= _WIDEST:
        return f"series_id IN {integer_list(ids)}"
    bits = "".join("1" if identifier in wanted else "0" for identifier in range(first, last + 1))
    return f"{between} AND get_bit('{bits}'::BIT, series_id - {first}) = 1"
