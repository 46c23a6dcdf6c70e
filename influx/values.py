"""Which values a tag has, and which fields and measurements there are, from InfluxDB. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from influx.annotated_csv import Rows
from influx.flux import Selection, values_query
from influx.parameters import FluxQuery
from influx.predicates import can_be, is_exact, meaning, tags_of
from influx.rollup_tasks import field_of
from influx.text import decode, encode_name
from telemetry.schema import Registry
from telemetry.series import ValuesOf, ValuesQuery

_TABLE = 2  # behind this column are those that were asked for
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
        if query.of is ValuesOf.TAG and not can_be(query.tag):
            return ()
        columns = [self._asked]
        if query.of is ValuesOf.FIELD:
            columns.append("_measurement")  # says what a bucket of a histogram is
        if not self._is_exact:
            columns += sorted(set(filter(can_be, tags_of(query.where))) - set(columns))
        selections = (
            Selection(bucket, tuple(names), (), query.start, query.stop, query.where)
            for bucket, names in buckets.items()
        )
        asked = (values_query(selection, columns) for selection in selections)
        return [one for one in asked if one is not None]

    def take(self, rows: Rows) -> None:
        """Some more of what came."""
        columns = {name: rows.column(place) for place, name in enumerate(rows.header.names) if place > _TABLE}
        if "_value" in columns:  # one column, without repetitions
            columns = {encode_name(self._asked): columns["_value"]}
        for cells in set(zip(*columns.values(), strict=True)):
            row = {name: decode(cell) for name, cell in zip(columns, cells, strict=True) if cell}
            if self._is_exact or self._is_meant({decode(name): row[name] for name in row if not name.startswith("_")}):
                self._found.add(self._value(row))

    def _value(self, row: Mapping[str, str]) -> str:
        value = row.get(encode_name(self._asked), "")
        if self._query.of is not ValuesOf.FIELD:
            return value
        measurement = self._registry.get(row.get("_measurement", ""))
        if measurement is not None and measurement.field(value) is None:
            value = field_of(value)  # of a level, where an aggregate stands behind the name
        field = None if measurement is None else measurement.field(value)
        # A histogram is one thing to people, not sixty.
        return value if field is None else field.histogram or value

    def values(self) -> tuple[str, ...]:
        """When all rows have been taken."""
        return tuple(sorted(self._found - {""})[: self._query.limit])
