"""Which series a query means. Shell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import duckdb

from embedded.sql import select_series
from telemetry.errors import InvalidQuery, QueryTooLarge
from telemetry.points import FieldValue, canonical_tags
from telemetry.schema import FieldKind, FieldType, Measurement
from telemetry.series import Series, SeriesQuery

MAX_VALUES = 2_000_000  # of one answer in memory; an export streams instead
MAX_SERIES = 20_000


@dataclass(frozen=True, slots=True)
class Selected:
    """A series that a query means, with its key in the store."""

    identifier: int
    series: Series
    type: FieldType
    kind: FieldKind


def select(cursor: duckdb.DuckDBPyConnection, query: SeriesQuery, measurement: Measurement) -> list[Selected]:
    """The series in order. Raises InvalidQuery for a pattern that is none, QueryTooLarge; duckdb.Error."""
    buckets = [field.name for field in measurement.fields if field.histogram]  # they are asked for by name
    try:
        rows = cursor.execute(select_series(query, buckets) + f" LIMIT {MAX_SERIES + 1}").fetchall()
    except duckdb.InvalidInputException as error:
        # The one input that this statement can choke on is somebody's pattern.
        raise InvalidQuery(
            f"a pattern in where is not a regular expression as RE2 knows them: {first_line(error)}", field="where"
        ) from error
    if len(rows) > MAX_SERIES:
        raise QueryTooLarge(f"the query means more than {MAX_SERIES:,} series: narrow it with where", field="where")
    known = {field.name: field for field in measurement.fields}
    found = []
    for identifier, name, tags in rows:
        field = known.get(name)
        kind, value_type = FieldKind.UNTYPED, FieldType.FLOAT
        if field is not None:
            kind, value_type = field.kind, FieldType.TEXT if field.kind is FieldKind.TEXT else field.type
        found.append(Selected(identifier, Series(query.measurement, canonical_tags(tags), name), value_type, kind))
    return sorted(found, key=lambda one: (one.series.tags, one.series.field))


def select_buckets(
    cursor: duckdb.DuckDBPyConnection, query: SeriesQuery, measurement: Measurement, histograms: Sequence[str]
) -> list[Selected]:
    """The buckets of these histograms, as `select`."""
    names = tuple(field.name for histogram in histograms for field in measurement.buckets(histogram))
    return select(cursor, replace(query, fields=names), measurement) if names else []


def typed(kind: FieldType, values: list[Any]) -> Sequence[FieldValue | None]:
    """Values as the registry has them: the store holds integers as doubles, exact up to 2^53."""
    if kind is FieldType.INTEGER:
        return [None if value is None else int(value) for value in values]
    return values


def first_line(error: duckdb.Error) -> str:
    """What an error of the engine says, on one line."""
    return str(error).splitlines()[0][:300] if str(error) else type(error).__name__
