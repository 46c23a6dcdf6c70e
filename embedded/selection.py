"""Which series a query means. Shell."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from threading import Lock

import duckdb

from embedded.sql import select_series
from telemetry.answers import MAX_SERIES, check_series
from telemetry.errors import InvalidQuery
from telemetry.points import canonical_tags
from telemetry.schema import Field, FieldKind, FieldType, Measurement
from telemetry.series import Predicate, Series, SeriesQuery

_MAX_REMEMBERED = 50_000  # series of all questions together; some 30 MB


@dataclass(frozen=True, slots=True)
class Selected:
    """A series that a query means, with its key in the store."""

    identifier: int
    series: Series
    type: FieldType
    kind: FieldKind


_Key = tuple[str, tuple[str, ...], Predicate]


@dataclass(frozen=True, slots=True)
class _Kept:
    generation: int
    measurement: Measurement  # by which the types were told
    selected: tuple[Selected, ...]


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
    check_series(len(rows))
    known = {field.name: field for field in measurement.fields}
    return in_order(
        described(identifier, Series(query.measurement, canonical_tags(tags), name), known.get(name))
        for identifier, name, tags in rows
    )


def described(identifier: int, series: Series, field: Field | None) -> Selected:
    """A series with what the registry knows of its field."""
    kind, value_type = FieldKind.UNTYPED, FieldType.FLOAT
    if field is not None:
        kind, value_type = field.kind, FieldType.TEXT if field.kind is FieldKind.TEXT else field.type
    return Selected(identifier, series, value_type, kind)


def in_order(selected: Iterable[Selected]) -> list[Selected]:
    """By tags, then field, as every answer is."""
    return sorted(selected, key=lambda one: (one.series.tags, one.series.field))


class SeriesIndex:
    """Remembers which series a question means, until another is made: they are asked for again and again.

    `generation` tells how often series were made; it grows once they are committed.
    """

    def __init__(self, generation: Callable[[], int]) -> None:
        self._generation = generation
        self._lock = Lock()  # every reader thread comes here
        self._kept: OrderedDict[_Key, _Kept] = OrderedDict()
        self._size = 0

    def select(
        self, cursor: duckdb.DuckDBPyConnection, query: SeriesQuery, measurement: Measurement
    ) -> Sequence[Selected]:
        """As the function; what it returns is not to be changed."""
        key = (query.measurement, query.fields, query.where)
        generation = self._generation()  # before the store is asked: what is made meanwhile is seen next time
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None and kept.generation == generation and kept.measurement is measurement:
                self._kept.move_to_end(key)
                return kept.selected
        found = tuple(select(cursor, query, measurement))
        with self._lock:
            self._forget(key)
            self._kept[key] = _Kept(generation, measurement, found)
            self._size += len(found) + 1
            while self._size > _MAX_REMEMBERED:
                self._forget(next(iter(self._kept)))
        return found

    def select_buckets(
        self,
        cursor: duckdb.DuckDBPyConnection,
        query: SeriesQuery,
        measurement: Measurement,
        histograms: Sequence[str],
    ) -> Sequence[Selected]:
        """The buckets of these histograms, as `select`."""
        names = tuple(field.name for histogram in histograms for field in measurement.buckets(histogram))
        return self.select(cursor, replace(query, fields=names), measurement) if names else ()

    def _forget(self, key: _Key) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._size -= len(kept.selected) + 1


def first_line(error: duckdb.Error) -> str:
    """What an error of the engine says, on one line."""
    return str(error).splitlines()[0][:300] if str(error) else type(error).__name__
