"""Rollups as InfluxDB's tasks: one Flux text per level, from the definition in `telemetry/rollup.py`. Pure.

The text does not depend on what was learned: a series that nobody registered is whatever the built-in registry does
not name, so a new measurement is in the next run by itself, and no token needs the right to change a task (whose Flux
runs with all the rights of the person who owns it). What the server reads by itself, and what it must not see, was
measured: docs/decisions/0008-rollups-in-influxdb.md.

A rolled-up field is called as its field with the aggregate behind it, `usage_idle_max`, because an aggregate changes
the type and types are fixed per field. Names cannot meet: every name of a level ends with an aggregate, and none holds
an underscore.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from influx.predicates import balanced, literal
from influx.settings import InfluxSettings
from influx.text import encode_name
from telemetry.measurements import BUILT_IN
from telemetry.rollup import LEVELS, RAW, Aggregate, Level, aggregates, rolled_up
from telemetry.schema import Field, FieldKind, FieldType, Measurement, MeasurementClass, Registry
from telemetry.series import GROWTH_LOOKBACK

_SECOND = 1_000_000_000
_FLAT = 30  # conditions one after the other
_PLAIN = re.compile(r"[a-z0-9_]+(\.\*)?")
LOOKBACK_WINDOWS = 2  # that a run makes: the one that ended last, and again the one before, for what came late
# Flux's functions: from samples to a window, and from windows to a longer one.
_FROM_SAMPLES: Mapping[Aggregate, str] = {
    Aggregate.MIN: "min",
    Aggregate.MAX: "max",
    Aggregate.SUM: "sum",
    Aggregate.COUNT: "count",
    Aggregate.LAST: "last",
}
FROM_WINDOWS: Mapping[Aggregate, str] = {
    Aggregate.MIN: "min",
    Aggregate.MAX: "max",
    Aggregate.SUM: "sum",
    Aggregate.COUNT: "sum",
    Aggregate.LAST: "last",
    Aggregate.INCREASE: "sum",
}
_WORDS: Mapping[FieldKind, str] = {
    FieldKind.GAUGE: "gauges",
    FieldKind.COUNTER: "counters",
    FieldKind.STATE: "states",
    FieldKind.DURATION: "durations",
    FieldKind.HISTOGRAM: "buckets",
    FieldKind.UNTYPED: "unregistered",
}


@dataclass(frozen=True, slots=True)
class RollupTask:
    """The task that makes a level: its name in InfluxDB, and its whole Flux with the option `task`."""

    level: Level
    name: str
    flux: str


def rollup_tasks(settings: InfluxSettings, measurements: Iterable[Measurement] = BUILT_IN) -> tuple[RollupTask, ...]:
    """A task per level, named as the bucket that it fills."""
    return tuple(rollup_task(settings, level, measurements) for level in LEVELS)


def rollup_task(
    settings: InfluxSettings,
    level: Level,
    measurements: Iterable[Measurement] = BUILT_IN,
    windows: int = LOOKBACK_WINDOWS,
    *,
    is_open: bool = True,
) -> RollupTask:
    """The task that makes a level. `windows` is how many the text makes, up to the end of the last that is over at
    `now`. `is_open` is whether fields that none of `measurements` names are rolled up too, as numbers of no kind."""
    name = settings.level_bucket(level)
    head = (
        'import "date"\n\n'
        f"option task = {{name: {literal(name)}, every: {_duration(level.step)}, offset: {_duration(level.grace)}}}\n\n"
        f"stop = date.truncate(t: now(), unit: {_duration(level.step)})\n"
        f"start = date.sub(d: {_duration(windows * level.step)}, from: stop)\n"
    )
    if level.source == RAW:
        source = settings.bucket(MeasurementClass.METRICS)
        return RollupTask(
            level, name, head + _from_samples(level, (source, name), tuple(measurements), is_open=is_open)
        )
    (before,) = (one for one in LEVELS if one.name == level.source)
    return RollupTask(level, name, head + _from_windows(level, settings.level_bucket(before), name))


def rolled_up_field(name: str, aggregate: Aggregate) -> str:
    """What a level calls an aggregate of a field."""
    return f"{name}_{aggregate}"


def level_registry(measurements: Iterable[Measurement]) -> Registry:
    """The fields of levels, as the tasks write them: counts are whole numbers, all else is as what it is made of."""
    return Registry(
        replace(
            one,
            fields=tuple(
                Field(
                    rolled_up_field(field.name, aggregate),
                    FieldType.INTEGER if aggregate is Aggregate.COUNT else field.type,
                    FieldKind.GAUGE,
                )
                for field in one.fields
                for aggregate in aggregates(field.kind)
            ),
        )
        for one in measurements
        if rolled_up(one)
    )


def field_of(name: str) -> str:
    """The field that a level's name for one of its aggregates is of; any other name as it is."""
    base, _, aggregate = name.rpartition("_")
    return base if base and aggregate in set(Aggregate) else name


def _from_samples(level: Level, buckets: tuple[str, str], measurements: Sequence[Measurement], *, is_open: bool) -> str:
    source, target = buckets
    known = [one for one in measurements if rolled_up(one)]
    every = _duration(level.step)
    kinds = _fields_by_kind(known)
    chosen = {kind: _any_of(kinds[kind]) for kind in _WORDS if kind in kinds}
    if is_open:
        chosen[FieldKind.UNTYPED] = _none_of(known)
    parts = [f"{_WORDS[kind]} = (r) =>\n    {condition}\n" for kind, condition in chosen.items()]
    parts.append(
        f"samples = (of, since) => from(bucket: {literal(source)})\n"
        "    |> range(start: since, stop: stop)\n"
        "    |> filter(fn: of)\n"
        "made = (suffix, tables=<-) => tables\n"
        "    |> map(fn: (r) => ({r with _field: r._field + suffix}))\n"
        f"    |> to(bucket: {literal(target)})\n"
        "roll = (of, fn, suffix) => samples(of: of, since: start)\n"
        f'    |> aggregateWindow(every: {every}, fn: fn, createEmpty: false, timeSrc: "_start")\n'
        "    |> made(suffix: suffix)\n"
        # A sample grows from the one before it, however long before the window that was, up to the lookback. No tag
        # can begin with _: one that was called as a column of ours would stop the task, or be lost.
        f"grow = (of) => samples(of: of, since: date.sub(d: {_duration(GROWTH_LOOKBACK)}, from: start))\n"
        '    |> duplicate(column: "_value", as: "_grown")\n'
        '    |> difference(columns: ["_grown"], keepFirst: true)\n'
        '    |> elapsed(unit: 1ns, columnName: "_gap")\n'
        f"    |> filter(fn: (r) => r._gap <= {GROWTH_LOOKBACK})\n"
        "    |> map(fn: (r) => ({r with _value: if r._grown < 0 then r._value else r._grown}))\n"
        '    |> drop(columns: ["_grown", "_gap"])\n'
        "    |> range(start: start, stop: stop)\n"
        f'    |> aggregateWindow(every: {every}, fn: sum, createEmpty: false, timeSrc: "_start")\n'
        f'    |> made(suffix: "_{Aggregate.INCREASE}")\n'
    )
    calls = []
    for kind in chosen:
        word = _WORDS[kind]
        for one in aggregates(kind):
            call = (
                f"grow(of: {word})"
                if one is Aggregate.INCREASE
                else f'roll(of: {word}, fn: {_FROM_SAMPLES[one]}, suffix: "_{one}")'
            )
            calls.append(f'{call} |> yield(name: "{word}_{one}")\n')
    return "\n" + "\n".join(parts) + "\n" + "".join(calls)


def _from_windows(level: Level, source: str, target: str) -> str:
    calls = []
    for function in dict.fromkeys(FROM_WINDOWS.values()):
        names = "|".join(one for one in Aggregate if FROM_WINDOWS[one] == function)
        calls.append(f'roll(fn: {function}, of: /_({names})$/) |> yield(name: "{function}")\n')
    return (
        f"\nroll = (fn, of) => from(bucket: {literal(source)})\n"
        "    |> range(start: start, stop: stop)\n"
        "    |> filter(fn: (r) => r._field =~ of)\n"
        f'    |> aggregateWindow(every: {_duration(level.step)}, fn: fn, createEmpty: false, timeSrc: "_start")\n'
        f"    |> to(bucket: {literal(target)})\n\n" + "".join(calls)
    )


def _fields_by_kind(measurements: Iterable[Measurement]) -> Mapping[FieldKind, Mapping[str, Sequence[Field]]]:
    """By kind and name of the measurement."""
    found: dict[FieldKind, dict[str, list[Field]]] = defaultdict(lambda: defaultdict(list))
    for measurement in measurements:
        for field in measurement.fields:
            found[field.kind][measurement.name].append(field)
    return found


def _any_of(fields: Mapping[str, Sequence[Field]]) -> str:
    return _balanced(
        [f"(r._measurement == {_name(name)} and {_one_of(some, is_meant=True)})" for name, some in fields.items()], "or"
    )


def _none_of(measurements: Sequence[Measurement]) -> str:
    """That it is no field of a known kind: what was learned since does not change the text."""
    known = {
        one.name: fields
        for one in measurements
        if (fields := [field for field in one.fields if field.kind is not FieldKind.UNTYPED])
    }
    return _balanced(
        [f"(r._measurement != {_name(name)} or {_one_of(some, is_meant=False)})" for name, some in known.items()], "and"
    )


def _balanced(parts: Sequence[str], word: str) -> str:
    """All parts on lines of their own; many as a flat tree, for the server refuses what is nested deeply."""
    return f"\n    {word} ".join(parts) if len(parts) <= _FLAT else balanced(parts, word)


def _one_of(fields: Sequence[Field], *, is_meant: bool) -> str:
    """That a field is one of these, or none of them; buckets by what their names begin with."""
    names = dict.fromkeys(f"{field.histogram}_le_.*" if field.histogram else field.name for field in fields)
    if all(_PLAIN.fullmatch(name) for name in names):
        return f"r._field {'=~' if is_meant else '!~'} /^({'|'.join(names)})$/"
    sign, word = ("==", "or") if is_meant else ("!=", "and")  # learned names may hold anything
    return balanced([f"r._field {sign} {_name(name)}" for name in names], word)


def _name(name: str) -> str:
    return literal(encode_name(name))


def _duration(nanoseconds: int) -> str:
    minutes = nanoseconds // (60 * _SECOND)
    return f"{minutes // 60}h" if minutes % 60 == 0 else f"{minutes}m"
