"""Windowed queries: which level answers which part, and the answer as a matrix. Shell."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from embedded.rollup import RollupLedger
from embedded.selection import Selected
from embedded.sql import RAW_TABLE, WIDE_TABLES, select_quantiles, select_windows
from telemetry.answers import check_size, expired, pool_of, quantiles_of_buckets, typed
from telemetry.grouping import finished
from telemetry.points import FieldValue
from telemetry.rollup import LEVELS, RAW, coarsest, is_answered, plan_levels
from telemetry.schema import FieldKind, FieldType, Measurement
from telemetry.series import (
    Coverage,
    Function,
    Quantile,
    Segment,
    Series,
    SeriesQuery,
    SeriesResult,
    SeriesSamples,
    Window,
)

_KEEP_INTEGERS = {Function.MIN, Function.MAX, Function.SUM, Function.FIRST, Function.LAST, Function.INCREASE}
Matrix = dict[int, list[list[Any]]]  # by series_id: a column per function, a value per window


@dataclass(frozen=True, slots=True)
class WindowedQuery:
    """A query that has windows, with all that answering it needs. `table` is where the samples are."""

    cursor: duckdb.DuckDBPyConnection
    ledger: RollupLedger
    table: str
    measurement: Measurement
    query: SeriesQuery

    def segments(self, kind: FieldKind, functions: Sequence[Function]) -> tuple[Segment, ...]:
        """From which levels a field of this kind is read."""
        standings = self.ledger.standings() if self.table == RAW_TABLE else ()
        shape = self.query.shape
        assert isinstance(shape, Window | Quantile | Coverage)
        return plan_levels(self.query.axis, shape.origin, standings, answered=is_answered(kind, functions))

    def is_whole(self, segments: Sequence[Segment]) -> bool:
        """Whether nothing that a part is to be read from has been deleted."""
        return not self.cut(segments)

    def cut(self, segments: Sequence[Segment]) -> list[tuple[int, str]]:
        """(from when on it is whole, level) of each part whose beginning has been deleted."""
        tables = {RAW: self.table, **WIDE_TABLES}
        bounds = [(self.ledger.kept_since(tables[part.level]), part) for part in segments]
        return [(since, part.level) for since, part in bounds if since is not None and part.start < since]


def answer_windows(asked: WindowedQuery, selected: Sequence[Selected]) -> SeriesResult:
    """The answer of `Window` and `Coverage`. Raises QueryTooLarge; duckdb.Error."""
    shape, axis = asked.query.shape, asked.query.axis
    functions = shape.functions if isinstance(shape, Window) else (Function.COUNT,)
    numeric = [one for one in selected if one.type is not FieldType.TEXT]
    check_size(asked.query, len(numeric) * len(functions))
    answer: list[SeriesSamples] = []
    plans = _by_plan(asked, numeric, functions)
    for segments, members in plans.items():
        matrix = read_matrix(asked, functions, segments, [one.identifier for one in members])
        for one in members:
            if one.identifier not in matrix:
                continue
            columns = matrix[one.identifier]
            if isinstance(shape, Coverage):
                answer.append(SeriesSamples(one.series, axis, [count or 0 for count in columns[0]]))
                continue
            answer += [
                SeriesSamples(one.series, axis, _window_values(one, function, column, axis.step), function)
                for function, column in zip(functions, columns, strict=True)
            ]
    return result(asked, answer, list(plans))


def answer_quantiles(
    asked: WindowedQuery, exact: Sequence[Selected], buckets: Sequence[Selected], warnings: Sequence[str]
) -> SeriesResult:
    """The answer of `Quantile`: of `exact` series from their samples, of `buckets` from what they count."""
    shape = asked.query.shape
    assert isinstance(shape, Quantile)
    check_size(asked.query, len(exact) * len(shape.quantiles) + len(buckets))
    plan = asked.segments(FieldKind.HISTOGRAM, [Function.SUM]) if buckets else ()
    series = [*_exact(asked, shape, exact), *_from_buckets(asked, buckets, plan)]
    raw = (Segment(RAW, asked.query.axis.start, asked.query.axis[-1] + asked.query.axis.step),)
    return result(asked, series, [plan, *([raw] if exact else [])], warnings)


def result(
    asked: WindowedQuery,
    series: Sequence[SeriesSamples],
    plans: Sequence[Sequence[Segment]],
    warnings: Sequence[str] = (),
) -> SeriesResult:
    """The finished answer, which says what it was read from, and what is missing."""
    told = list(warnings)
    if cuts := [cut for segments in plans for cut in asked.cut(segments)]:
        since, level = max(cuts)
        is_last = level == LEVELS[-1].name or asked.table != RAW_TABLE
        told.append(expired(since) + ("" if is_last else "; rolled-up levels answer longer steps, as every=1h"))
    longest = max(plans, key=len, default=())
    level = coarsest(part for segments in plans for part in segments)
    return SeriesResult(asked.query, level, finished(asked.query, series), tuple(told), tuple(longest))


def read_matrix(
    asked: WindowedQuery, functions: Sequence[Function], segments: Sequence[Segment], identifiers: Sequence[int]
) -> Matrix:
    """Every window of the series, each part from its level; series without a sample are not in it."""
    axis = asked.query.axis
    everyone = list(range(len(axis)))
    matrix: Matrix = {}
    for part in segments:
        statement = select_windows(asked.table, axis, functions, part, identifiers)
        for identifier, numbers, *found in asked.cursor.execute(statement).fetchall():
            if numbers == everyone:
                matrix[identifier] = found
                continue
            columns = matrix.get(identifier)
            if columns is None:
                columns = matrix[identifier] = [[None] * len(axis) for _ in functions]
            for column, values in zip(columns, found, strict=True):
                for number, value in zip(numbers, values, strict=True):
                    column[number] = value
    return matrix


def _by_plan(
    asked: WindowedQuery, selected: Sequence[Selected], functions: Sequence[Function]
) -> dict[tuple[Segment, ...], list[Selected]]:
    segments = {kind: asked.segments(kind, functions) for kind in {one.kind for one in selected}}
    plans: dict[tuple[Segment, ...], list[Selected]] = defaultdict(list)
    for one in selected:
        plans[segments[one.kind]].append(one)
    return plans


def _window_values(
    one: Selected, function: Function, values: list[float | int | None], step: int
) -> Sequence[FieldValue | None]:
    if function is Function.COUNT:
        return values
    if function is Function.RATE:
        seconds = step / 1_000_000_000
        values = [None if value is None else value / seconds for value in values]
    elif one.type is FieldType.INTEGER and function in _KEEP_INTEGERS:
        return typed(FieldType.INTEGER, values)
    return values


def _exact(asked: WindowedQuery, shape: Quantile, selected: Sequence[Selected]) -> list[SeriesSamples]:
    if not selected:
        return []
    axis = asked.query.axis
    pools: dict[Series, list[Selected]] = defaultdict(list)
    for one in selected:
        pools[pool_of(asked.query, one.series)].append(one)
    members = [(one.identifier, number) for number, some in enumerate(pools.values()) for one in some]
    columns: Matrix = {}
    rows = asked.cursor.execute(select_quantiles(asked.table, axis, shape.quantiles, members)).fetchall()
    for pool, number, values in rows:
        found = columns.setdefault(pool, [[None] * len(axis) for _ in shape.quantiles])
        for column, value in zip(found, values, strict=True):
            column[number] = value
    return [
        SeriesSamples(series, axis, typed(some[0].type, column), quantile=share)
        for number, (series, some) in enumerate(pools.items())
        if number in columns
        for share, column in zip(shape.quantiles, columns[number], strict=True)
    ]


def _from_buckets(asked: WindowedQuery, selected: Sequence[Selected], plan: Sequence[Segment]) -> list[SeriesSamples]:
    if not selected:
        return []
    matrix = read_matrix(asked, [Function.SUM], plan, [one.identifier for one in selected])
    counts = [(one.series, matrix[one.identifier][0]) for one in selected if one.identifier in matrix]
    return quantiles_of_buckets(asked.query, asked.measurement, counts)
