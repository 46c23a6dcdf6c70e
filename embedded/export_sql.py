"""Exports as DuckDB's SQL: whole lines of CSV, and the columns of Parquet. Pure.

The text is the one that `telemetry/csv_export.py` makes, byte for byte: RFC 4180 with CRLF, RFC 3339 with as many
decimals as are needed, the shortest numbers that read back to the same bits (DuckDB's text of a DOUBLE is Python's),
and no cell that a spreadsheet takes for a formula. What is the same for a whole series is made once, outside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from embedded.sql import text_literal

_SECOND = 1_000_000_000
# Without quotes and with a delimiter that no line has: the engine writes the lines as they are, and ends each with \n.
CSV_OPTIONS = "(FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '\\x01')"


@dataclass(frozen=True, slots=True)
class Member:
    """A series of an export. `front` is what stands before the value (long) or the fields (wide) in every line of it,
    after the time; `column` says which field it is, `is_integer` and `is_text` how its value is written."""

    identifier: int
    pool: int
    column: int
    front: str
    is_integer: bool
    is_text: bool


@dataclass(frozen=True, slots=True)
class Part:
    """What one file holds: some series over [start, stop) (ns), at most `limit` samples of each (None: all)."""

    members: tuple[Member, ...]
    start: int
    stop: int
    limit: int | None = None


def count_samples(table: str, identifiers: Sequence[int], start: int, stop: int) -> str:
    """(series_id, samples) in the range."""
    listed = ", ".join(str(int(one)) for one in identifiers)
    return (
        f"SELECT series_id, count(*) FROM {table} WHERE ts >= {start} AND ts < {stop} AND series_id IN ({listed})"
        " GROUP BY 1"
    )


def cut_times(table: str, identifiers: Sequence[int], start: int, stop: int, parts: int) -> str:
    """A list of times that cut the samples of the range into about equal parts."""
    listed = ", ".join(str(int(one)) for one in identifiers)
    shares = ", ".join(f"{number / parts:.9f}" for number in range(1, parts))
    return (
        f"SELECT quantile_disc(ts, [{shares}]) FROM {table}"
        f" WHERE ts >= {start} AND ts < {stop} AND series_id IN ({listed})"
    )


def long_lines(table: str, part: Part) -> str:
    """A line per value, series by series, oldest first."""
    has_text = any(member.is_text for member in part.members)
    value = (
        "CASE WHEN is_integer THEN CAST(CAST(value AS BIGINT) AS VARCHAR)"
        f" WHEN value IS NOT NULL THEN CAST(value AS VARCHAR){' ELSE ' + _cell('text') if has_text else ''} END"
    )
    return f"SELECT {_time()} || front || {value} || chr(13) FROM ({_samples(table, part)}) ORDER BY place, ts"


def wide_lines(table: str, part: Part, columns: Sequence[tuple[bool, bool]]) -> str:
    """A line per tag set and time with a cell per column, tag set by tag set; `columns` are (is_integer, is_text)."""
    cells = [_wide_cell(number, *kind) for number, kind in enumerate(columns)]
    joined = " || ',' || ".join(f"coalesce({cell}, '')" for cell in cells)
    return (
        f"SELECT {_time()} || any_value(front) || {joined} || chr(13) FROM ({_samples(table, part)})"
        " GROUP BY pool, ts ORDER BY pool, ts"
    )


def long_columns(
    table: str, part: Part, measurement: str, tags: Sequence[tuple[str, str]], fields: Sequence[str]
) -> str:
    """`time, measurement, TAGS…, field, value, text`; `tags` are (name, expression over pool)."""
    named = ", ".join(f"{expression} AS {_identifier(name)}" for name, expression in tags)
    names = "[" + ", ".join(map(text_literal, fields)) + "]"
    return (
        f"SELECT make_timestamp_ns(ts) AS time, {text_literal(measurement)} AS measurement,"
        f" {named + ', ' if named else ''}{names}[field_number + 1] AS field, value, text"
        f" FROM ({_samples(table, part)}) ORDER BY place, ts"
    )


def wide_columns(
    table: str, part: Part, tags: Sequence[tuple[str, str]], fields: Sequence[tuple[str, bool, bool]]
) -> str:
    """`time, TAGS…, FIELDS…`; `fields` are (name, is_integer, is_text)."""
    named = [f"{expression} AS {_identifier(name)}" for name, expression in tags]
    for number, (name, is_integer, is_text) in enumerate(fields):
        found = f"any_value({'text' if is_text else 'value'}) FILTER (WHERE field_number = {number})"
        # Cast what was found: else what other fields have is cast as well, and may be too large for it.
        named.append(f"{f'CAST({found} AS BIGINT)' if is_integer else found} AS {_identifier(name)}")
    return (
        f"SELECT make_timestamp_ns(ts) AS time, {', '.join(named)} FROM ({_samples(table, part)})"
        " GROUP BY pool, ts ORDER BY pool, ts"
    )


def tag_expression(values: Sequence[str | None]) -> str:
    """The value of a tag by the number of the tag set, NULL where it has none."""
    listed = ", ".join("NULL" if value is None else text_literal(value) for value in values)
    return f"CAST([{listed}] AS VARCHAR[])[pool + 1]"


def _samples(table: str, part: Part) -> str:
    rows = ", ".join(
        f"({member.identifier}, {member.pool}, {number}, {member.column}, {text_literal(member.front)},"
        f" {member.is_integer})"
        for number, member in enumerate(part.members)
    )
    limited = ""
    if part.limit is not None:
        limited = f" QUALIFY row_number() OVER (PARTITION BY series_id ORDER BY ts) <= {part.limit}"
    return (
        f"SELECT ts, value, text, pool, place, field_number, front, is_integer FROM {table}"
        f" JOIN (VALUES {rows}) AS member(series_id, pool, place, field_number, front, is_integer) USING (series_id)"
        f" WHERE ts >= {part.start} AND ts < {part.stop}{limited}"
    )


def _wide_cell(number: int, is_integer: bool, is_text: bool) -> str:  # noqa: FBT001 (what a column is)
    found = f"any_value({'text' if is_text else 'value'}) FILTER (WHERE field_number = {number})"
    if is_text:
        return _cell(found)
    return f"CAST({f'CAST({found} AS BIGINT)' if is_integer else found} AS VARCHAR)"


def _time() -> str:
    fraction = f"((ts % {_SECOND}) + {_SECOND}) % {_SECOND}"

    def digits(unit: int, count: int) -> str:
        return f"'.' || lpad(CAST(({fraction}) // {unit} AS VARCHAR), {count}, '0') || 'Z'"

    return (
        f"strftime(make_timestamp((ts - ({fraction})) // 1000), '%Y-%m-%dT%H:%M:%S') || CASE WHEN ts % {_SECOND} = 0"
        f" THEN 'Z' WHEN ts % 1000000 = 0 THEN {digits(1_000_000, 3)} WHEN ts % 1000 = 0 THEN {digits(1_000, 6)}"
        f" ELSE {digits(1, 9)} END"
    )


def _cell(text: str) -> str:
    """A text disarmed and quoted, as `csv_export.guarded` and csv.writer do it."""
    starts = "('=', '+', '-', '@', chr(9), chr(13), chr(0))"
    guarded = f"(CASE WHEN left({text}, 1) IN {starts} THEN '''' || {text} ELSE {text} END)"
    return (
        f"(CASE WHEN regexp_matches({text}, '[\",\\r\\n]') THEN '\"' || replace({guarded}, '\"', '\"\"') || '\"'"
        f" ELSE {guarded} END)"
    )


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
