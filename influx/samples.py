"""Rows of an answer as series: whose they are, at which times, and with what values. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from influx.annotated_csv import GarbledAnswer, Header, Instants, Rows
from influx.predicates import meaning
from influx.text import decode
from telemetry.answers import MAX_VALUES, check_series, too_many_values
from telemetry.points import FieldValue, canonical_tags
from telemetry.schema import FieldType, Measurement
from telemetry.series import Predicate, Series

Values = Sequence[FieldValue | None]
_NO_TAGS = frozenset({"", "result", "table", "_start", "_stop", "_time", "_value", "_field", "_measurement"})
_WHOLE = frozenset({"long", "unsignedLong"})


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the columns of a table are; `identity` are those that say whose its rows are."""

    time: int | None
    value: int
    datatype: str
    field: int
    identity: tuple[int, ...]
    tags: tuple[tuple[str, int], ...]
    known: dict[tuple[str, ...], Series | None]

    @classmethod
    def of(cls, header: Header) -> _Layout:
        """Raises GarbledAnswer when it has no value, or belongs to no field."""
        places = {name: number for number, name in enumerate(header.names)}
        if "_value" not in places or "_field" not in places:
            raise GarbledAnswer(f"a table has no _value or no _field: {', '.join(header.names)[:200]}")
        tags = tuple((decode(name), place) for name, place in places.items() if name not in _NO_TAGS)
        value, field = places["_value"], places["_field"]
        identity = (field, *(place for _, place in tags))
        return cls(places.get("_time"), value, header.datatypes[value], field, identity, tags, {})


class SeriesRows:
    """Reads the rows of one measurement's series; remembers what comes again and again.

    `are_counts` says that values are numbers of samples, of texts too. `suffix` is what stands behind the names of
    fields there, as in levels.
    Methods raise GarbledAnswer, and QueryTooLarge for too many series.
    """

    def __init__(
        self, measurement: Measurement, where: Predicate, *, are_counts: bool = False, suffix: str = ""
    ) -> None:
        self._are_counts = are_counts
        self._suffix = suffix
        self._measurement = measurement
        self._fields = {field.name: field for field in measurement.fields}
        self._is_meant = meaning(where)
        self._instants = Instants()
        self._layouts: dict[Header, _Layout] = {}
        self._now: tuple[Header | None, _Layout | None] = (None, None)
        self._count = 0
        self._last: tuple[Sequence[str], list[int]] = ((), [])

    def series(self, rows: Rows) -> Series | None:
        """Whose rows they are; None where they are not meant, or hold a text in a field of numbers or the reverse."""
        layout = self._layout(rows.header)
        key = tuple(map(rows.first, layout.identity))
        if key in layout.known:
            return layout.known[key]
        tags = {name: decode(cell) for name, place in layout.tags if (cell := rows.first(place))}
        name = decode(rows.first(layout.field)).removesuffix(self._suffix)
        field = self._fields.get(name)
        is_text = field is not None and field.type is FieldType.TEXT
        series = None
        wanted = {"string"} if is_text and not self._are_counts else _WHOLE | {"double"}
        if layout.datatype in wanted and self._is_meant(tags):
            series = Series(self._measurement.name, canonical_tags(tags), name)
            self._count += 1
            check_series(self._count)
        layout.known[key] = series
        return series

    def times(self, rows: Rows) -> list[int]:
        """In ns; not to be changed, for it is one and the same list where times come again."""
        layout = self._layout(rows.header)
        if layout.time is None:
            raise GarbledAnswer("a table has no _time")
        cells = rows.column(layout.time)
        if cells != self._last[0]:
            self._last = cells, self._instants.of(cells)
        return self._last[1]

    def values(self, rows: Rows) -> Values:
        """As InfluxDB has them: whole numbers, doubles or texts; what is not finite is None."""
        layout = self._layout(rows.header)
        cells = rows.column(layout.value)
        if layout.datatype == "string":
            return list(map(decode, cells))
        try:
            return list(map(int, cells)) if layout.datatype in _WHOLE else _finite(list(map(float, cells)))
        except ValueError:
            return [_number(cell) if cell else None for cell in cells]

    def type_of(self, series: Series) -> FieldType:
        """The type that the registry has for its field."""
        field = self._fields.get(series.field)
        return FieldType.FLOAT if field is None else field.type

    def _layout(self, header: Header) -> _Layout:
        before, layout = self._now
        if header is before and layout is not None:
            return layout
        layout = self._layouts.get(header)
        if layout is None:
            layout = self._layouts[header] = _Layout.of(header)
        self._now = header, layout
        return layout


class Samples:
    """The samples of many series, as they were stored. Raises QueryTooLarge for more than MAX_VALUES."""

    def __init__(self, reader: SeriesRows) -> None:
        self._reader = reader
        self._count = 0
        self._found: dict[Series, tuple[list[int], list[FieldValue | None]]] = {}

    def take(self, rows: Rows) -> None:
        """Some more."""
        series = self._reader.series(rows)
        if series is None:
            return
        self._count += len(rows)
        if self._count > MAX_VALUES:
            raise too_many_values()
        times, values = self._found.setdefault(series, ([], []))
        times += self._reader.times(rows)
        values += self._reader.values(rows)

    def found(self) -> Mapping[Series, tuple[list[int], Values]]:
        """By series, in the registry's types."""
        return {
            series: (times, as_registered(self._reader.type_of(series), values))
            for series, (times, values) in self._found.items()
        }


def as_registered(kind: FieldType, values: Values) -> Values:
    """Numbers in the type that the registry has for them, whoever wrote them and however."""
    match kind:
        case FieldType.INTEGER:
            return values if _are(int, values) else [None if value is None else int(value) for value in values]
        case FieldType.FLOAT:
            return values if _are(float, values) else [None if value is None else float(value) for value in values]
        case FieldType.TEXT:
            return values


def _are(kind: type, values: Values) -> bool:
    return set(map(type, values)) <= {kind, type(None)}


def _finite(values: list[float]) -> list[float | None]:
    if all(map(math.isfinite, values)):
        return values  # type: ignore[return-value]
    return [value if math.isfinite(value) else None for value in values]


def _number(cell: str) -> float | int | None:
    try:
        value = int(cell) if cell.lstrip("-").isdigit() else float(cell)
    except ValueError as error:
        raise GarbledAnswer(f"{cell[:60]!r} is no number") from error
    return value if math.isfinite(value) else None
