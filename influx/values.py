"""Which values a tag has, and which fields and measurements there are, from InfluxDB. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from influx.annotated_csv import Rows
from influx.flux import Selection, values_query
from influx.parameters import FluxQuery
from influx.predicates import is_exact, meaning, tags_of
from influx.text import decode
from telemetry.errors import PointRejected
from telemetry.schema import Registry, check_name
from telemetry.series import ValuesOf, ValuesQuery

_ASKED = {ValuesOf.FIELD: "_field", ValuesOf.MEASUREMENT: "_measurement"}


class ValuesAnswer:
    """The answer to a `ValuesQuery`, as it is read. Raises InvalidQuery for a pattern that is none."""

    def __init__(self, query: ValuesQuery, registry: Registry) -> None:
        self._query = query
        self._registry = registry
        self._is_meant = meaning(query.where)
        self._is_exact = is_exact(query.where)
        self._asked = _ASKED.get(query.of, query.tag)
        self._found: set[str] = set()

    def questions(self, buckets: Mapping[str, Sequence[str]]) -> Sequence[FluxQuery]:
        """One of each bucket, which are given with the names of their measurements."""
        query = self._query
        if query.of is ValuesOf.TAG and not _can_be(query.tag):
            return ()
        columns = [self._asked]
        if query.of is ValuesOf.FIELD:
            columns.append("_measurement")  # says what a bucket of a histogram is
        if not self._is_exact:
            columns += sorted(tags_of(query.where) - set(columns))
        selections = (
            Selection(bucket, tuple(names), (), query.start, query.stop, query.where)
            for bucket, names in buckets.items()
        )
        asked = (values_query(selection, columns) for selection in selections)
        return [one for one in asked if one is not None]

    def take(self, rows: Rows) -> None:
        """Some more of what came."""
        names = [name for name in rows.header.names[3:]]
        columns = {name: rows.column(3 + place) for place, name in enumerate(names)}
        if "_value" in columns:  # one column, without repetitions
            self._found.update(map(decode, columns["_value"]))
            return
        for row in zip(*columns.values(), strict=True):
            tags = {decode(name): decode(cell) for name, cell in zip(columns, row, strict=True) if cell}
            if self._is_exact or self._is_meant(tags):
                self._found.add(self._value(tags))

    def _value(self, row: Mapping[str, str]) -> str:
        value = row.get(self._asked, "")
        if self._query.of is not ValuesOf.FIELD:
            return value
        measurement = self._registry.get(row.get("_measurement", ""))
        field = None if measurement is None else measurement.field(value)
        # A histogram is one thing to people, not sixty.
        return value if field is None else field.histogram or value

    def values(self) -> tuple[str, ...]:
        """When all rows have been taken."""
        return tuple(sorted(self._found - {""})[: self._query.limit])


def _can_be(tag: str) -> bool:
    try:
        check_name(tag)
    except PointRejected:
        return False
    return True
