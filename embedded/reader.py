"""Answer series queries from the store: each in a thread and with a cursor of its own. Shell."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import duckdb

from embedded.engine import is_corrupt
from embedded.recovery import MissingPeriod
from embedded.rollup import RollupLedger
from embedded.selection import Selected, SeriesIndex, first_line
from embedded.sql import TABLES, select_in_time_order, select_latest, select_raw
from embedded.values import read_values
from embedded.windows import WindowedQuery, answer_quantiles, answer_windows
from telemetry.answers import MAX_VALUES, cut, expired, quantiles_from_buckets, too_many_values, typed
from telemetry.errors import QueryTooLarge, StoreDamaged, StoreUnavailable
from telemetry.grouping import finished
from telemetry.points import Tags
from telemetry.rollup import RAW
from telemetry.schema import FieldType, Registry
from telemetry.series import (
    Coverage,
    Quantile,
    Raw,
    Segment,
    SeriesQuery,
    SeriesResult,
    SeriesSamples,
    ValuesQuery,
    Window,
)

T = TypeVar("T")
SLICE_ROWS = 50_000


@dataclass(slots=True)
class ReaderStatistics:
    """Counted since open; `longest_query_s` until it is taken."""

    queries: int = 0
    longest_query_s: float = 0.0


class QueryRunner:
    """Compiles, runs and shapes; every method blocks and runs in a reader thread with that thread's cursor."""

    def __init__(
        self, registry: Registry, ledger: RollupLedger, index: SeriesIndex, missing: Sequence[MissingPeriod] = ()
    ) -> None:
        self._registry = registry
        self._ledger = ledger
        self._index = index
        self._missing = missing
        self.statistics = ReaderStatistics()

    def answer(self, cursor: duckdb.DuckDBPyConnection, query: SeriesQuery) -> SeriesResult:
        """The whole answer. Raises InvalidQuery, QueryTooLarge, StoreUnavailable; duckdb.InterruptException."""
        return self._counted(lambda: self._told(self._answer(cursor, query)))

    def slices(
        self, cursor: duckdb.DuckDBPyConnection, query: SeriesQuery
    ) -> Generator[list[SeriesSamples], None, None]:
        """A raw query in slices, tag set by tag set, oldest first. Raises as `answer`, at any slice."""
        measurement = self._registry.get(query.measurement)
        if measurement is None:
            return
        try:
            by_tags: dict[Tags, list[Selected]] = defaultdict(list)
            for selected in self._index.select(cursor, query, measurement):
                by_tags[selected.series.tags].append(selected)
            for members in by_tags.values():
                yield from _slices_of(cursor, query, TABLES[measurement.measurement_class], members)
        except duckdb.InterruptException:
            raise
        except duckdb.Error as error:
            raise _translated(error) from error

    def values(self, cursor: duckdb.DuckDBPyConnection, query: ValuesQuery) -> tuple[str, ...]:
        """The values asked for. Raises as `answer`."""
        return self._counted(lambda: read_values(cursor, self._ledger, self._registry, query))

    def _told(self, result: SeriesResult) -> SeriesResult:
        """The answer, which says what a damaged store has taken from it."""
        query = result.query
        words = tuple(one.words for one in self._missing if one.overlaps(query.start, query.stop))
        return replace(result, warnings=(*result.warnings, *words)) if words else result

    def _counted(self, work: Callable[[], T]) -> T:
        started = time.perf_counter()
        try:
            return work()
        except duckdb.InterruptException:
            raise
        except duckdb.Error as error:
            raise _translated(error) from error
        finally:
            self.statistics.queries += 1
            elapsed = time.perf_counter() - started
            self.statistics.longest_query_s = max(self.statistics.longest_query_s, elapsed)

    def _answer(self, cursor: duckdb.DuckDBPyConnection, query: SeriesQuery) -> SeriesResult:
        measurement = self._registry.get(query.measurement)
        if measurement is None:
            return SeriesResult(query, RAW, ())
        table = TABLES[measurement.measurement_class]
        if isinstance(query.shape, Window | Quantile | Coverage):
            asked = WindowedQuery(cursor, self._ledger, table, measurement, query)
            if isinstance(query.shape, Quantile):
                return self._quantiles(asked)
            return answer_windows(asked, self._index.select(cursor, query, measurement))
        selected = self._index.select(cursor, query, measurement)
        warnings = self._warnings(query, table)
        if not selected:
            return SeriesResult(query, RAW, (), warnings, _samples(query))
        if isinstance(query.shape, Raw):
            return _raw(cursor, table, query, query.shape, selected, warnings)
        return _latest(cursor, table, query, selected, warnings)

    def _quantiles(self, asked: WindowedQuery) -> SeriesResult:
        query, measurement = asked.query, asked.measurement
        raw_is_whole = asked.is_whole((Segment(RAW, query.axis.start, query.stop),))
        counted = [name for name in query.fields or measurement.histograms if name in measurement.histograms]
        # From the samples where they are kept; a histogram that nobody wrote samples of has its buckets alone.
        from_buckets = [name for name in counted if measurement.field(name) is None or not raw_is_whole]
        exact = [
            one
            for one in self._index.select(asked.cursor, query, measurement)
            if one.type is not FieldType.TEXT and one.series.field not in from_buckets
        ]
        warnings = [quantiles_from_buckets(name) for name in from_buckets if measurement.field(name) is not None]
        buckets = self._index.select_buckets(asked.cursor, query, measurement, from_buckets)
        return answer_quantiles(asked, exact, buckets, warnings)

    def _warnings(self, query: SeriesQuery, table: str) -> tuple[str, ...]:
        since = self._ledger.kept_since(table)
        return (expired(since),) if isinstance(query.shape, Raw) and since is not None and query.start < since else ()


def _raw(
    cursor: duckdb.DuckDBPyConnection,
    table: str,
    query: SeriesQuery,
    shape: Raw,
    selected: Sequence[Selected],
    warnings: tuple[str, ...],
) -> SeriesResult:
    identifiers = [one.identifier for one in selected]
    rows = cursor.execute(select_raw(table, query, identifiers, shape.limit, MAX_VALUES)).fetchall()
    if len(rows) > MAX_VALUES:
        raise too_many_values()
    found: dict[int, tuple[list[int], list[Any]]] = {}
    for identifier, moment, value, text in rows:
        times, values = found.setdefault(identifier, ([], []))
        times.append(moment)
        values.append(text if value is None else value)
    if any(len(times) > shape.limit for times, _ in found.values()):
        warnings = (*warnings, cut(shape.limit))
    series = []
    for one in selected:
        if one.identifier in found:
            times, values = found[one.identifier]
            kept = typed(one.type, values[: shape.limit])
            series.append(SeriesSamples(one.series, times[: shape.limit], kept))
    return SeriesResult(query, RAW, tuple(series), warnings, _samples(query))


def _latest(
    cursor: duckdb.DuckDBPyConnection,
    table: str,
    query: SeriesQuery,
    selected: Sequence[Selected],
    warnings: tuple[str, ...],
) -> SeriesResult:
    identifiers, has_text = [one.identifier for one in selected], any(one.type is FieldType.TEXT for one in selected)
    rows = cursor.execute(select_latest(table, query, identifiers, has_text=has_text)).fetchall()
    found = {identifier: (moment, text if value is None else value) for identifier, moment, value, text in rows}
    series = [
        SeriesSamples(one.series, [found[one.identifier][0]], typed(one.type, [found[one.identifier][1]]))
        for one in selected
        if one.identifier in found
    ]
    return SeriesResult(query, RAW, finished(query, series), warnings, _samples(query))


def _samples(query: SeriesQuery) -> tuple[Segment, ...]:
    return (Segment(RAW, query.start, query.stop),)


def _slices_of(
    cursor: duckdb.DuckDBPyConnection, query: SeriesQuery, table: str, members: Sequence[Selected]
) -> Iterator[list[SeriesSamples]]:
    assert isinstance(query.shape, Raw)
    left = {one.identifier: query.shape.limit for one in members}
    cursor.execute(select_in_time_order(table, query, list(left)))
    carried: list[tuple[int, int, float | None, str | None]] = []
    while fetched := cursor.fetchmany(SLICE_ROWS):
        rows = carried + fetched
        cut = len(rows)
        # The last time may go on in the next rows, and a slice holds a stretch of time whole.
        while len(fetched) == SLICE_ROWS and cut and rows[cut - 1][0] == rows[-1][0]:
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
        SeriesSamples(one.series, found[one.identifier][0], typed(one.type, found[one.identifier][1]))
        for one in members
        if one.identifier in found
    ]


def _translated(error: duckdb.Error) -> Exception:
    if isinstance(error, duckdb.OutOfMemoryException):
        return QueryTooLarge(f"the query needs more memory than the store may use: {first_line(error)}")
    words = f"the embedded store cannot answer: {first_line(error)}"
    if is_corrupt(str(error)):
        return StoreDamaged(words, reason=first_line(error), value="")
    return StoreUnavailable(words)
