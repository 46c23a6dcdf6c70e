"""How many samples a level stands for against how many there are: which windows are missing or wrong. Pure.

Samples are counted by measurement and field, so that what nobody registered (a text that somebody else wrote into the
bucket) is seen for what it is, and does not make windows look wrong for ever.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from influx.annotated_csv import GarbledAnswer, Instants, Rows
from influx.parameters import Duration, FluxQuery, Instant
from influx.predicates import Script
from influx.rollup_tasks import rolled_up_field
from influx.text import decode
from telemetry.rollup import Aggregate, rolled_up
from telemetry.schema import FieldType, Measurement

FieldKey = tuple[str, str]  # measurement, field
_COLUMNS = ("_measurement", "_field", "_time", "_value")


def counts_query(bucket: str, windows: range, *, of_level: bool) -> FluxQuery:
    """How many samples each field has in each window: those of a bucket, or those that a level's windows stand for."""
    script = Script()
    start, stop = Instant(windows.start), Instant(windows.start + len(windows) * windows.step)
    every = script.bind("every", Duration(windows.step))
    counted = f"\n    |> filter(fn: (r) => r._field =~ /_{Aggregate.COUNT}$/)" if of_level else ""
    return script.query(
        f"from(bucket: {script.bind('bucket', bucket)})\n"
        f"    |> range(start: {script.bind('start', start)}, stop: {script.bind('stop', stop)}){counted}\n"
        f"    |> aggregateWindow(every: {every}, fn: {'sum' if of_level else 'count'}, createEmpty: false,"
        ' timeSrc: "_start")\n'
        '    |> group(columns: ["_measurement", "_field"])\n'
        f'    |> aggregateWindow(every: {every}, fn: sum, createEmpty: false, timeSrc: "_start")\n'
        '    |> keep(columns: ["_measurement", "_field", "_time", "_value"])\n'
    )


def oldest_query(bucket: str, start: int, stop: int) -> FluxQuery:
    """The time of the oldest sample of a bucket in [start, stop) (ns)."""
    script = Script()
    bounds = f"start: {script.bind('start', Instant(start))}, stop: {script.bind('stop', Instant(stop))}"
    return script.query(
        f"from(bucket: {script.bind('bucket', bucket)})\n    |> range({bounds})\n    |> first()\n"
        '    |> keep(columns: ["_time"])\n    |> group()\n    |> sort(columns: ["_time"])\n    |> limit(n: 1)\n'
    )


class Oldest:
    """Reads the answer of `oldest_query`: `time` is None where there is no sample."""

    def __init__(self) -> None:
        self.time: int | None = None

    def take(self, rows: Rows) -> None:
        """Raises GarbledAnswer."""
        (self.time, *_) = Instants().of(rows.column(rows.header.names.index("_time")))


class Counts:
    """Reads the answer of `counts_query`: how many, by field and window."""

    def __init__(self) -> None:
        self.found: dict[FieldKey, dict[int, int]] = defaultdict(dict)
        self._instants = Instants()

    def take(self, rows: Rows) -> None:
        """Some more. Raises GarbledAnswer."""
        measurement, name, time, value = (rows.header.names.index(column) for column in _COLUMNS)
        field = self.found[decode(rows.first(measurement)), decode(rows.first(name))]
        try:
            field.update(zip(self._instants.of(rows.column(time)), map(int, rows.column(value)), strict=True))
        except ValueError as error:
            raise GarbledAnswer("a count is no whole number") from error


def countable(measurements: Iterable[Measurement]) -> frozenset[FieldKey]:
    """The fields that levels keep."""
    return frozenset(
        (one.name, field.name)
        for one in measurements
        if rolled_up(one)
        for field in one.fields
        if field.type is not FieldType.TEXT
    )


def windows_that_differ(
    fields: Iterable[FieldKey],
    source: Mapping[FieldKey, Mapping[int, int]],
    made: Mapping[FieldKey, Mapping[int, int]],
    *,
    from_samples: bool,
) -> set[int]:
    """The windows of which a level stands for other counts than its source holds.

    Where the source holds none, they were deleted or the level came from elsewhere: it is left as it is.
    """
    nothing: Mapping[int, int] = {}
    differ: set[int] = set()
    for measurement, name in fields:
        counted = (measurement, rolled_up_field(name, Aggregate.COUNT))
        there = source.get((measurement, name) if from_samples else counted, nothing)
        kept = made.get(counted, nothing)
        if there != kept:
            differ |= {window for window, count in there.items() if count != kept.get(window)}
    return differ
