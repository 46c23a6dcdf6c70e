"""Series as CSV: RFC 4180, times to the nanosecond, formulas disarmed. Pure.

Spreadsheets run what begins with = + - @ as a formula (CWE-1236), so such a text gets a quote in front; numbers
stay numbers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from telemetry.cells import guarded, quoted
from telemetry.points import FieldValue, Tags
from telemetry.series import SeriesSamples
from telemetry.times import format_instants


def long_header(tags: Sequence[str]) -> str:
    """`time,measurement,TAGS…,field,value`."""
    return _line(["time", "measurement", *tags, "field", "value"]) + "\r\n"


def long_rows(slice_of_series: Sequence[SeriesSamples], tags: Sequence[str]) -> str:
    """A row per value, series by series."""
    lines: list[str] = []
    several = _several(slice_of_series)
    for one in slice_of_series:
        known = dict(one.series.tags)
        tag_cells = [known.get(tag, "") for tag in tags]
        middle = _line([one.series.measurement, *tag_cells, _column(one, several=several)])
        lines += [
            f"{time},{middle},{cell(value)}\r\n"
            for time, value in zip(format_instants(one.times), one.values, strict=True)
            if value is not None
        ]
    return "".join(lines)


def wide_header(tags: Sequence[str], columns: Sequence[str]) -> str:
    """`time,TAGS…,FIELDS…`."""
    return _line(["time", *tags, *columns]) + "\r\n"


def wide_rows(slice_of_series: Sequence[SeriesSamples], tags: Sequence[str], columns: Sequence[str]) -> str:
    """A row per tag set and time, a column per field; empty where there is no value."""
    by_tags: dict[Tags, dict[int, dict[str, FieldValue]]] = defaultdict(lambda: defaultdict(dict))
    several = _several(slice_of_series)
    for one in slice_of_series:
        column = _column(one, several=several)
        for time, value in zip(one.times, one.values, strict=True):
            if value is not None:
                by_tags[one.series.tags][time][column] = value
    lines: list[str] = []
    for tag_set, times in by_tags.items():
        known = dict(tag_set)
        front = _line(["", *(known.get(tag, "") for tag in tags), ""])  # between commas
        in_order = sorted(times)
        for time, text in zip(in_order, format_instants(in_order), strict=True):
            values = times[time]
            cells = [cell(values[column]) if column in values else "" for column in columns]
            lines.append(f"{text}{front}{','.join(cells)}\r\n")
    return "".join(lines)


def columns_of(fields: Iterable[str], labels: Sequence[str]) -> list[str]:
    """The columns of the wide shape: fields, or FIELD_LABEL where several functions or quantiles were asked for."""
    if len(labels) < 2:
        return list(fields)
    return [f"{field}_{label}" for field in fields for label in labels]


def cell(value: FieldValue) -> str:
    """As it stands in a line: a number as the shortest text that reads back to the same bits; a text disarmed."""
    return quoted(guarded(value)) if isinstance(value, str) else repr(value)


def _several(series: Sequence[SeriesSamples]) -> bool:
    return len({one.label for one in series}) > 1


def _column(one: SeriesSamples, *, several: bool) -> str:
    return f"{one.series.field}_{one.label}" if several else one.series.field


def _line(cells: Iterable[str]) -> str:
    return ",".join(quoted(guarded(cell)) for cell in cells)
