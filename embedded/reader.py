"""Answer series queries from the store: each in a thread and with a cursor of its own. Shell."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from embedded.sql import TABLES, select_in_time_order, select_latest, select_raw, select_series, select_windows
from telemetry.errors import InvalidQuery, QueryTooLarge, StoreUnavailable
from telemetry.points import FieldValue, Tags, canonical_tags
from telemetry.schema import FieldKind, FieldType, Measurement, Registry
from telemetry.series import Function, Latest, Raw, Series, SeriesQuery, SeriesResult, SeriesSamples, window_starts

MAX_VALUES = 2_000_000  # of one answer in memory; an export streams instead
MAX_SERIES = 20_000
SLICE_ROWS = 50_000

_KEEP_INTEGERS = {Function.MIN, Function.MAX, Function.SUM, Function.FIRST, Function.LAST, Function.INCREASE}


@dataclass(slots=True)
class ReaderStatistics:
    """Counted since open; `longest_query_s` until it is taken."""

    queries: int = 0
    longest_query_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Selected:
    """A series that a query means, with its key in the store."""

    identifier: int
    series: Series
    type: FieldType


class QueryRunner:
    """Compiles, runs and shapes; every method blocks and runs in a reader thread with that thread's cursor."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.statistics = ReaderStatistics()

    def answer(self, cursor: duckdb.DuckDBPyConnection, query: SeriesQuery) -> SeriesResult:
        """The whole answer. Raises InvalidQuery, QueryTooLarge, StoreUnavailable; duckdb.InterruptException."""
        started = time.perf_counter()
        try:
            return self._answer(cursor, query)
        except duckdb.InterruptException:
            raise
        except duckdb.Error as error:
            raise _translated(error) from error
        finally:
            self.statistics.queries += 1
            elapsed = time.perf_counter() - started
            self.statistics.longest_query_s = max(self.statistics.longest_query_s, elapsed)

    def slices(
        self, cursor: duckdb.DuckDBPyConnection, query: SeriesQuery
    ) -> Generator[list[SeriesSamples], None, None]:
        """A raw query in slices, tag set by tag set, oldest first. Raises as `answer`, at any slice."""
        measurement = self._registry.get(query.measurement)
        if measurement is None:
            return
        try:
            by_tags: dict[Tags, list[Selected]] = defaultdict(list)
            for selected in self._select(cursor, query, measurement):
                by_tags[selected.series.tags].append(selected)
            for members in by_tags.values():
                yield from _slices_of(cursor, query, TABLES[measurement.measurement_class], members)
        except duckdb.InterruptException:
            raise
        except duckdb.Error as error:
            raise _translated(error) from error

    def _answer(self, cursor: duckdb.DuckDBPyConnection, query: SeriesQuery) -> SeriesResult:
        measurement = self._registry.get(query.measurement)
        if measurement is None:
            return SeriesResult(query, "raw", ())
        table = TABLES[measurement.measurement_class]
        selected = self._select(cursor, query, measurement)
        if not selected:
            return SeriesResult(query, "raw", ())
        if isinstance(query.shape, Raw):
            return _raw(cursor, table, query, query.shape, selected)
        if isinstance(query.shape, Latest):
            return _latest(cursor, table, query, selected)
        return _windows(cursor, table, query, [one for one in selected if one.type is not FieldType.TEXT])

    def _select(
        self, cursor: duckdb.DuckDBPyConnection, query: SeriesQuery, measurement: Measurement
    ) -> list[Selected]:
        try:
            rows = cursor.execute(select_series(query) + f" LIMIT {MAX_SERIES + 1}").fetchall()
        except duckdb.InvalidInputException as error:
            # The one input that this statement can choke on is somebody's pattern.
            raise InvalidQuery(
                f"a pattern in where is not a regular expression as RE2 knows them: {_first_line(error)}", field="where"
            ) from error
        if len(rows) > MAX_SERIES:
            raise QueryTooLarge(f"the query means more than {MAX_SERIES:,} series: narrow it with where", field="where")
        found = []
        for identifier, name, tags in rows:
            field = measurement.field(name)
            kind = FieldType.FLOAT if field is None else field.type
            if field is not None and field.kind is FieldKind.TEXT:
                kind = FieldType.TEXT
            found.append(Selected(identifier, Series(query.measurement, canonical_tags(tags), name), kind))
        return sorted(found, key=lambda one: (one.series.tags, one.series.field))


def _raw(
    cursor: duckdb.DuckDBPyConnection, table: str, query: SeriesQuery, shape: Raw, selected: Sequence[Selected]
) -> SeriesResult:
    identifiers = [one.identifier for one in selected]
    rows = cursor.execute(select_raw(table, query, identifiers, shape.limit, MAX_VALUES)).fetchall()
    if len(rows) > MAX_VALUES:
        raise QueryTooLarge(
            f"the answer has more than {MAX_VALUES:,} values: shorten the range, narrow it with where,"
            " or ask for windows with every",
            field="limit",
        )
    found: dict[int, tuple[list[int], list[Any]]] = {}
    for identifier, moment, value, text in rows:
        times, values = found.setdefault(identifier, ([], []))
        times.append(moment)
        values.append(text if value is None else value)
    warnings = []
    if any(len(times) > shape.limit for times, _ in found.values()):
        warnings.append(f"only the first {shape.limit:,} samples of a series are shown; ask again from the last time")
    series = []
    for one in selected:
        if one.identifier in found:
            times, values = found[one.identifier]
            kept = _typed(one.type, values[: shape.limit])
            series.append(SeriesSamples(one.series, times[: shape.limit], kept))
    return SeriesResult(query, "raw", tuple(series), tuple(warnings))


def _latest(
    cursor: duckdb.DuckDBPyConnection, table: str, query: SeriesQuery, selected: Sequence[Selected]
) -> SeriesResult:
    rows = cursor.execute(select_latest(table, query, [one.identifier for one in selected])).fetchall()
    found = {identifier: (moment, text if value is None else value) for identifier, moment, value, text in rows}
    return SeriesResult(
        query,
        "raw",
        tuple(
            SeriesSamples(one.series, [found[one.identifier][0]], _typed(one.type, [found[one.identifier][1]]))
            for one in selected
            if one.identifier in found
        ),
    )


def _windows(
    cursor: duckdb.DuckDBPyConnection, table: str, query: SeriesQuery, selected: Sequence[Selected]
) -> SeriesResult:
    window = query.shape
    assert not isinstance(window, Raw | Latest)
    axis = window_starts(query.start, query.stop, window.step)
    if len(axis) * len(selected) * len(window.functions) > MAX_VALUES:
        raise QueryTooLarge(
            f"{len(selected):,} series of {len(axis):,} windows are more than {MAX_VALUES:,} values:"
            " lengthen every, shorten the range, or narrow it with where",
            field="every",
        )
    if not selected:
        return SeriesResult(query, "raw", ())
    rows = cursor.execute(select_windows(table, query, window, [one.identifier for one in selected])).fetchall()
    columns: dict[int, list[list[Any]]] = {}
    for identifier, number, *values in rows:
        series_columns = columns.get(identifier)
        if series_columns is None:
            series_columns = columns[identifier] = [[None] * len(axis) for _ in window.functions]
        for column, value in zip(series_columns, values, strict=True):
            column[number] = value
    answer = [
        SeriesSamples(one.series, axis, _window_values(one, function, column, window.step), function)
        for one in selected
        if one.identifier in columns
        for function, column in zip(window.functions, columns[one.identifier], strict=True)
    ]
    return SeriesResult(query, "raw", tuple(answer))


def _window_values(
    one: Selected, function: Function, values: list[float | int | None], step: int
) -> Sequence[FieldValue | None]:
    if function is Function.COUNT:
        return values
    if function is Function.RATE:
        seconds = step / 1_000_000_000
        return [None if value is None else value / seconds for value in values]
    if one.type is FieldType.INTEGER and function in _KEEP_INTEGERS:
        return _typed(FieldType.INTEGER, values)
    # A sum of finite doubles may overflow; no answer holds an infinity.
    return [value if value is None or math.isfinite(value) else None for value in values]


def _slices_of(
    cursor: duckdb.DuckDBPyConnection, query: SeriesQuery, table: str, members: Sequence[Selected]
) -> Iterator[list[SeriesSamples]]:
    assert isinstance(query.shape, Raw)
    left = {one.identifier: query.shape.limit for one in members}
    cursor.execute(select_in_time_order(table, query, list(left)))
    carried: list[tuple[int, int, float | None, str | None]] = []
    while rows := cursor.fetchmany(SLICE_ROWS):
        rows = carried + rows
        # The last time may go on in the next rows, and a slice holds a stretch of time whole.
        cut = len(rows)
        while cut and rows[cut - 1][0] == rows[-1][0]:
            cut -= 1
        carried = rows[cut:]
        if samples := _sliced(rows[:cut], members, left):
            yield samples
        if not any(left.values()):
            return
    if samples := _sliced(carried, members, left):
        yield samples


def _sliced(
    rows: Sequence[tuple[int, int, float | None, str | None]], members: Sequence[Selected], left: dict[int, int]
) -> list[SeriesSamples]:
    found: dict[int, tuple[list[int], list[Any]]] = {}
    for moment, identifier, value, text in rows:
        if left[identifier]:
            left[identifier] -= 1
            times, values = found.setdefault(identifier, ([], []))
            times.append(moment)
            values.append(text if value is None else value)
    return [
        SeriesSamples(one.series, found[one.identifier][0], _typed(one.type, found[one.identifier][1]))
        for one in members
        if one.identifier in found
    ]


def _typed(kind: FieldType, values: list[Any]) -> Sequence[FieldValue | None]:
    if kind is FieldType.INTEGER:
        return [None if value is None else int(value) for value in values]
    return values


def _translated(error: duckdb.Error) -> Exception:
    if isinstance(error, duckdb.OutOfMemoryException):
        return QueryTooLarge(f"the query needs more memory than the store may use: {_first_line(error)}")
    return StoreUnavailable(f"the embedded store cannot answer: {_first_line(error)}")


def _first_line(error: duckdb.Error) -> str:
    return str(error).splitlines()[0][:300]
