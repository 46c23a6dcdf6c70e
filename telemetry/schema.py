"""The schema registry: which measurements there are, with their tags, fields, types and units. Pure.

The names and types of the host's measurements are Telegraf's (plugins cpu, mem, swap, disk, net,
system), so that dashboards made for Telegraf work on this data.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from telemetry.errors import PointRejected
from telemetry.points import FieldValue, Point

MAX_TAG_LENGTH = 1_024  # characters; InfluxDB's series key holds some 65,000 bytes in all
MAX_TEXT_LENGTH = 4_096  # characters of a text field
MAX_NAME_LENGTH = 200  # characters of a learned measurement, tag or field
MAX_LEARNED_MEASUREMENTS = 1_000
MAX_FIELDS = 500  # of one measurement
LEARNED_BUDGET = 10_000  # tag sets
MAX_EXACT_INTEGER = 2**53  # beyond, a double rounds; the embedded store holds doubles
# Windows and lookbacks around a time must fit 64 bits as well.
EARLIEST, LATEST = -(2**63) + 2**47, 2**63 - 2**47  # ns: 1677-09-22 and 2262-04-10, a day inside
RESERVED_NAMES = frozenset({"time", "result", "table", "error"})  # InfluxDB takes some and then fails every query


class MeasurementClass(StrEnum):
    """What a measurement is kept as (design.md 4)."""

    METRICS = "metrics"
    EVENTS = "events"
    SELF = "self"


class FieldType(StrEnum):
    FLOAT = "float"
    INTEGER = "integer"
    TEXT = "text"


class FieldKind(StrEnum):
    """How a field may be aggregated."""

    GAUGE = "gauge"
    COUNTER = "counter"
    STATE = "state"
    DURATION = "duration"  # an amount since the previous point, as seconds spent in something: sums
    HISTOGRAM = "histogram"  # a bucket: how many values fell into it since the previous point (telemetry/histogram.py)
    UNTYPED = "untyped"  # nobody has said what it is
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Field:
    """`unit` in UCUM-like words: `percent`, `bytes`, `ms`, `s`, `1`, `days`.

    A bucket says whose histogram it is of (`histogram`, the name of that value) and its `upper_bound`.
    """

    name: str
    type: FieldType
    kind: FieldKind
    unit: str = "1"
    description: str = ""
    histogram: str = ""
    upper_bound: float = math.inf


@dataclass(frozen=True, slots=True)
class Measurement:
    """`tags` in fixed order; `budget` is how many tag sets it may have: more are refused, and somebody is told."""

    name: str
    measurement_class: MeasurementClass
    tags: tuple[str, ...]
    fields: tuple[Field, ...]
    budget: int
    description: str
    is_learned: bool = False

    def field(self, name: str) -> Field | None:
        """The field of this name, or None."""
        return next((field for field in self.fields if field.name == name), None)

    @property
    def plain_fields(self) -> tuple[Field, ...]:
        """The fields without the buckets of histograms, which nobody reads one by one."""
        return tuple(field for field in self.fields if field.kind is not FieldKind.HISTOGRAM)

    def buckets(self, histogram: str) -> tuple[Field, ...]:
        """The buckets of the histogram of this name, by bound; none when it has none."""
        return tuple(field for field in self.fields if field.histogram == histogram != "")

    @property
    def histograms(self) -> tuple[str, ...]:
        """The names of what has a histogram."""
        return tuple(dict.fromkeys(field.histogram for field in self.fields if field.histogram))


class Registry:
    """The measurements that are known, and the door through which every point passes."""

    def __init__(self, measurements: Iterable[Measurement]) -> None:
        self._measurements = {measurement.name: measurement for measurement in measurements}
        self._coercions: dict[str, dict[str, Callable[[str, FieldValue], FieldValue]]] = {
            measurement.name: {field.name: _COERCIONS[field.type] for field in measurement.fields}
            for measurement in self._measurements.values()
        }
        self._types = {
            measurement.name: {field.name: field.type for field in measurement.fields}
            for measurement in self._measurements.values()
        }

    def learning(self) -> Registry:
        """A registry of the same measurements that may learn more, which leaves this one as it is."""
        return Registry(self._measurements.values())

    def learn(self, name: str, tags: Iterable[str], fields: Iterable[str]) -> Measurement:
        """Take a measurement that somebody pushes, or further numeric fields of one that is known.

        What is learned is numeric, stored as float, of no known kind. The tags are those of the first point; later
        ones change nothing. Raises PointRejected for a name that no store could query, and past the caps.
        """
        known = self._measurements.get(name)
        wanted = dict.fromkeys(fields)
        if known is None:
            learned = sum(one.is_learned for one in self._measurements.values())
            if learned >= MAX_LEARNED_MEASUREMENTS:
                raise PointRejected(
                    f"measurement {_short(name)} is not registered, and {learned:,} were learned already", value=name
                )
            tag_names = tuple(sorted(set(tags)))
            for one in (name, *tag_names):
                check_name(one)
            known = Measurement(
                name,
                MeasurementClass.METRICS,
                tag_names,
                (),
                LEARNED_BUDGET,
                "Learned from what was pushed",
                is_learned=True,
            )
        for one in wanted:
            check_name(one)
        new = [one for one in wanted if known.field(one) is None]
        if len(known.fields) + len(new) > MAX_FIELDS:
            raise PointRejected(f"{_short(name)} would have more than {MAX_FIELDS:,} fields", field="fields")
        added = (Field(one, FieldType.FLOAT, FieldKind.UNTYPED, "", "learned from what was pushed") for one in new)
        measurement = replace(known, fields=(*known.fields, *added))
        # Another thread may be looking: first what coerces, then the measurement itself.
        self._coercions[name] = {field.name: _COERCIONS[field.type] for field in measurement.fields}
        self._types[name] = {field.name: field.type for field in measurement.fields}
        self._measurements = {**self._measurements, name: measurement}
        return measurement

    def __iter__(self) -> Iterator[Measurement]:
        return iter(self._measurements.values())

    def get(self, name: str) -> Measurement | None:
        """The measurement of this name, or None."""
        return self._measurements.get(name)

    def names(self) -> tuple[str, ...]:
        return tuple(self._measurements)

    def field_types(self, name: str) -> Mapping[str, FieldType]:
        """The types of a measurement's fields by their names; none of a measurement that is not known."""
        return self._types.get(name, {})

    def coerce(self, point: Point) -> Point:
        """The point with each field in its registered type.

        Raises PointRejected, naming what is wrong, for an unknown measurement, tag or field, a value of
        another type, NaN, an infinity, an integer beyond 2^53, no field at all, or a time before 1678 or after 2261.
        """
        coercions = self._coercions.get(point.measurement)
        if coercions is None:
            raise PointRejected(
                f"measurement {_short(point.measurement)} is not registered",
                field="measurement",
                value=point.measurement,
            )
        self._check_tags(point)
        if not point.fields:
            raise PointRejected(f"a point of {point.measurement} has no field", field="fields")
        if not EARLIEST <= point.time <= LATEST:
            raise PointRejected(f"the time of a {point.measurement} point is not between 1678 and 2262", field="time")
        fields: dict[str, FieldValue] = {}
        for name, value in point.fields.items():
            coercion = coercions.get(name)
            if coercion is None:
                raise PointRejected(f"{point.measurement} has no field {_short(name)}", field=name, value=value)
            fields[name] = coercion(name, value)
        return Point(point.measurement, point.tags, fields, point.time)

    def _check_tags(self, point: Point) -> None:
        known = self._measurements[point.measurement].tags
        for name, value in point.tags:
            if name not in known:
                raise PointRejected(f"{point.measurement} has no tag {_short(name)}", field=name, value=value)
            if "\x00" in value or not _is_unicode(value):
                raise PointRejected(f"tag {name} holds NUL or half a character", field=name)
            if len(value) > MAX_TAG_LENGTH:
                raise PointRejected(
                    f"tag {name} has {len(value):,} characters, more than {MAX_TAG_LENGTH:,}", field=name
                )


def check_name(name: str) -> None:
    """Raise PointRejected for a measurement, tag or field name that a store could not query."""
    if not name or name.startswith("_") or name in RESERVED_NAMES:
        raise PointRejected(f"{_short(name)} cannot be a name: it is empty, reserved, or begins with _", value=name)
    if len(name) > MAX_NAME_LENGTH or not _is_unicode(name) or not name.isprintable():
        raise PointRejected(
            f"{_short(name)} cannot be a name: it is longer than {MAX_NAME_LENGTH}, or holds control characters",
            value=name[:60],
        )


def _is_unicode(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)


def _float(name: str, value: FieldValue) -> float:
    if isinstance(value, str):
        raise PointRejected(f"field {name} is a number, not text", field=name, value=value)
    if isinstance(value, int) and abs(value) > MAX_EXACT_INTEGER:
        raise PointRejected(f"field {name}: {value} is beyond 2^53", field=name, value=value)
    number = float(value) + 0.0  # the sign of -0.0 does not survive the engine
    if not math.isfinite(number):
        raise PointRejected(f"field {name} is {number}, which no store can hold", field=name, value=str(number))
    return number


def _integer(name: str, value: FieldValue) -> int:
    number = _float(name, value)
    if not number.is_integer() or abs(number) > MAX_EXACT_INTEGER:
        raise PointRejected(f"field {name} is an integer up to 2^53, not {value}", field=name, value=value)
    return int(number)


def _text(name: str, value: FieldValue) -> str:
    if not isinstance(value, str):
        raise PointRejected(f"field {name} is text, not {value!r}", field=name, value=value)
    # NUL and lone surrogates cannot be stored as UTF-8 everywhere; what arrives is hostile text.
    clean = value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")
    return clean if len(clean) <= MAX_TEXT_LENGTH else clean[: MAX_TEXT_LENGTH - 1] + "…"


_COERCIONS: Mapping[FieldType, Callable[[str, FieldValue], FieldValue]] = {
    FieldType.FLOAT: _float,
    FieldType.INTEGER: _integer,
    FieldType.TEXT: _text,
}


def _short(name: str) -> str:
    return repr(name if len(name) <= 60 else name[:57] + "...")
