"""Questions as Flux that InfluxDB's storage answers by itself wherever it can. Pure.

What it can was measured (design.md 4, tests/influx/test_push_down.py): an aggregate directly behind a source of which
nobody else reads, so every aggregate has a source of its own; windows stamped at their start. Growth and quantiles are
none of it: in Flux they take six times as long as here, so their samples are fetched as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from influx.parameters import Duration, FluxQuery, Instant
from influx.predicates import Script, balanced, literal, one_of, pushed
from influx.rollup_tasks import FROM_WINDOWS, rolled_up_field
from influx.text import encode_name
from telemetry.rollup import Aggregate
from telemetry.schema import EARLIEST, LATEST
from telemetry.series import EVERYTHING, GROWTH_LOOKBACK, Function, Predicate

SAMPLES = "samples"  # the name of a result that holds them as they are
COUNTER_FUNCTIONS = frozenset({Function.INCREASE, Function.RATE})
_DROP = '|> drop(columns: ["_start", "_stop", "_measurement"])'  # half the bytes
_VALUES_COLUMNS = {"_measurement", "_field"}


@dataclass(frozen=True, slots=True)
class Selection:
    """The series of some fields of some measurements in one bucket, over [start, stop) (ns).

    No fields means all; `where` is met at least (influx/predicates.py).
    """

    bucket: str
    measurements: tuple[str, ...]
    fields: tuple[str, ...]
    start: int
    stop: int
    where: Predicate = EVERYTHING


def samples_query(selection: Selection, limit: int | None = None) -> FluxQuery | None:
    """The oldest samples of each series, at most `limit`; None when there can be none."""
    script = Script()
    if (source := _source(script, selection)) is None:
        return None
    limited = "" if limit is None else f"\n    |> limit(n: {script.bind('limit', limit)})"
    return script.query(f"{source}{limited}\n    {_DROP}\n")


def latest_query(selection: Selection) -> FluxQuery | None:
    """The newest sample of each series; None when there can be none."""
    script = Script()
    source = _source(script, selection)
    return None if source is None else script.query(f"{source}\n    |> last()\n    {_DROP}\n")


def windows_query(selection: Selection, axis: range, functions: Sequence[Function]) -> FluxQuery | None:
    """A result per function, named as it is; None when there can be none.

    With functions of counters there is a result SAMPLES too: from them growth is told, and they begin before the axis.
    """
    script = Script()
    selection = replace(selection, start=axis.start, stop=axis.start + len(axis) * axis.step)
    parts = []
    if asked := [function for function in functions if function not in COUNTER_FUNCTIONS]:
        if (source := _source(script, selection)) is None:
            return None
        parts.append(f"source = () => {source}")
        parts += [
            f'source()\n    {_window(script, axis, one)}\n    {_DROP}\n    |> yield(name: "{one}")' for one in asked
        ]
    if COUNTER_FUNCTIONS.intersection(functions):
        if (source := _source(script, replace(selection, start=axis.start - GROWTH_LOOKBACK))) is None:
            return None
        parts.append(f'{source}\n    {_DROP}\n    |> yield(name: "{SAMPLES}")')
    return script.query("\n\n".join(parts) + "\n")


def level_query(selection: Selection, axis: range, aggregates: Sequence[Aggregate]) -> FluxQuery | None:
    """Aggregates of the selection's fields in the windows of an axis, from a level's windows; a result for each."""
    script = Script()
    selection = replace(selection, start=axis.start, stop=axis.start + len(axis) * axis.step)
    parts = []
    for aggregate in aggregates:
        fields = tuple(rolled_up_field(name, aggregate) for name in selection.fields)
        if (source := _source(script, replace(selection, fields=fields))) is None:
            return None
        window = _window(script, axis, FROM_WINDOWS[aggregate])
        parts.append(f'{source}\n    {window}\n    {_DROP}\n    |> yield(name: "{aggregate}")')
    return script.query("\n\n".join(parts) + "\n")


def values_query(selection: Selection, columns: Sequence[str]) -> FluxQuery | None:
    """What the series that have a sample hold in some columns, tags or `_field` or `_measurement`; None when nothing.

    One column comes without repetitions, as `_value`. Asked of the newest sample of each series, because the index
    alone answers by whole shards.
    """
    script = Script()
    if (source := _source(script, selection)) is None:
        return None
    names = [column if column in _VALUES_COLUMNS else encode_name(column) for column in columns]
    kept = f"|> keep(columns: [{', '.join(map(literal, names))}])"
    distinct = f"\n    |> distinct(column: {literal(names[0])})" if len(names) == 1 else ""
    return script.query(f"{source}\n    |> last()\n    {kept}\n    |> group(){distinct}\n")


def _source(script: Script, selection: Selection) -> str | None:
    # Points are from EARLIEST to LATEST, and InfluxDB knows no times far beyond.
    start, stop = max(selection.start, EARLIEST), min(selection.stop, LATEST + 1)
    where = pushed(script, selection.where)
    if start >= stop or where is False:
        return None
    conditions = [one_of(script, "_measurement", "measurement", list(map(encode_name, selection.measurements)))]
    if selection.fields:
        conditions.append(one_of(script, "_field", "field", list(map(encode_name, selection.fields))))
    if isinstance(where, str):
        conditions.append(where)
    bucket = script.bind("bucket", selection.bucket)
    bounds = f"start: {script.bind('start', Instant(start))}, stop: {script.bind('stop', Instant(stop))}"
    return f"from(bucket: {bucket})\n    |> range({bounds})\n    |> filter(fn: (r) => {balanced(conditions, 'and')})"


def _window(script: Script, axis: range, function: str) -> str:
    if len(axis) == 1:  # just the range, whose one window may begin anywhere
        return f"|> {function}()"
    every = script.bind("every", Duration(axis.step))
    offset = script.bind("offset", Duration(axis.start % axis.step))
    return (
        f'|> aggregateWindow(every: {every}, offset: {offset}, fn: {function}, createEmpty: false, timeSrc: "_start")'
    )
