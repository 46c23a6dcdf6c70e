"""Series as CSV: RFC 4180, times to the nanosecond, formulas disarmed. Pure.

Spreadsheets run what begins with = + - @ as a formula (CWE-1236), so such a text gets a quote in front; numbers
stay numbers.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Sequence

from telemetry.cells import guarded
from telemetry.points import FieldValue, Tags
from telemetry.series import SeriesSamples
from telemetry.times import format_instant


def long_header(tags: Sequence[str]) -> str:
    """`time,measurement,TAGS…,field,value`."""
    return _lines([["time", "measurement", *map(guarded, tags), "field", "value"]])


def long_rows(slice_of_series: Sequence[SeriesSamples], tags: Sequence[str]) -> str:
    """A row per value, series by series."""
    rows: list[list[str]] = []
    several = _several(slice_of_series)
    for one in slice_of_series:
        known = dict(one.series.tags)
        middle = [
            guarded(one.series.measurement),
            *(guarded(known.get(tag, "")) for tag in tags),
            guarded(_column(one, several=several)),
        ]
        rows += [
            [format_instant(time), *middle, cell(value)]
            for time, value in zip(one.times, one.values, strict=True)
            if value is not None
        ]
    return _lines(rows)


def wide_header(tags: Sequence[str], columns: Sequence[str]) -> str:
    """`time,TAGS…,FIELDS…`."""
    return _lines([["time", *map(guarded, tags), *map(guarded, columns)]])


def wide_rows(slice_of_series: Sequence[SeriesSamples], tags: Sequence[str], columns: Sequence[str]) -> str:
    """A row per tag set and time, a column per field; empty where there is no value."""
    by_tags: dict[Tags, dict[int, dict[str, FieldValue]]] = defaultdict(lambda: defaultdict(dict))
    several = _several(slice_of_series)
    for one in slice_of_series:
        column = _column(one, several=several)
        for time, value in zip(one.times, one.values, strict=True):
            if value is not None:
                by_tags[one.series.tags][time][column] = value
    rows: list[list[str]] = []
    for tag_set, times in by_tags.items():
        known = dict(tag_set)
        front = [guarded(known.get(tag, "")) for tag in tags]
        for time in sorted(times):
            values = times[time]
            cells = [cell(values[column]) if column in values else "" for column in columns]
            rows.append([format_instant(time), *front, *cells])
    return _lines(rows)


def columns_of(fields: Iterable[str], labels: Sequence[str]) -> list[str]:
    """The columns of the wide shape: fields, or FIELD_LABEL where several functions or quantiles were asked for."""
    if len(labels) < 2:
        return list(fields)
    return [f"{field}_{label}" for field in fields for label in labels]


def cell(value: FieldValue) -> str:
    """A number as the shortest text that reads back to the same bits; a text disarmed."""
    return guarded(value) if isinstance(value, str) else repr(value)


def _several(series: Sequence[SeriesSamples]) -> bool:
    return len({one.label for one in series}) > 1


def _column(one: SeriesSamples, *, several: bool) -> str:
    return f"{one.series.field}_{one.label}" if several else one.series.field


def _lines(rows: Iterable[Sequence[str]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerows(rows)
    return buffer.getvalue()
