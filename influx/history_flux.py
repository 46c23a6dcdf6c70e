"""Charts of months and years as Flux: from the levels, where the aggregate stands in the field's name. Pure.

Windows of an hour and more are read from `1h`, shorter ones from `5m`, and so is what is older than `5m` is kept when
nobody says otherwise. A window is a whole number of the level's, and a mean is sum by count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from influx.dashboard_script import DashboardScript, piped, windows
from influx.rollup_tasks import FROM_WINDOWS, rolled_up_field
from influx.settings import InfluxSettings
from telemetry.errors import InvalidQuery
from telemetry.panel_queries import Lines
from telemetry.rollup import FIVE_MINUTES, ONE_HOUR, Aggregate, Retention, is_answered, rolled_up
from telemetry.schema import Measurement
from telemetry.series import Function

# Of which aggregates a window is made.
_MADE_OF: Mapping[Function, tuple[Aggregate, ...]] = {
    Function.MIN: (Aggregate.MIN,),
    Function.MAX: (Aggregate.MAX,),
    Function.MEAN: (Aggregate.SUM, Aggregate.COUNT),
    Function.SUM: (Aggregate.SUM,),
    Function.COUNT: (Aggregate.COUNT,),
    Function.LAST: (Aggregate.LAST,),
    Function.INCREASE: (Aggregate.INCREASE,),
    Function.RATE: (Aggregate.INCREASE,),
}
# These say too little of a window that is not over.
_GATHERED = frozenset({Function.SUM, Function.COUNT, Function.INCREASE, Function.RATE})


def history_text(script: DashboardScript, settings: InfluxSettings, measurement: Measurement, query: Lines) -> str:
    """The text. Raises InvalidQuery for what no level keeps."""
    function = query.function
    fields = _answered(measurement, query.selected.fields, function)
    if not fields:
        raise InvalidQuery(f"no level keeps what {function} of {measurement.name} needs", field="fn")
    kept = _MADE_OF[function]
    stored = [rolled_up_field(name, aggregate) for name in fields for aggregate in kept]
    condition = script.condition(measurement, stored, query.selected.where)
    coarse, fine = (script.dialect.bucket(settings.level_bucket(level)) for level in (ONE_HOUR, FIVE_MINUTES))
    return script.text(
        _bounds(script, is_closed=function in _GATHERED),
        piped(
            f"from(bucket: if is_coarse then {coarse} else {fine})",
            "|> range(start: start, stop: stop)",
            f"|> filter(fn: (r) => {condition})",
            windows("every", FROM_WINDOWS[kept[0]]),
            *_values(script, function, kept),
            *script.named(query.label),
        ),
    )


def _answered(measurement: Measurement, names: Sequence[str], function: Function) -> tuple[str, ...]:
    fields = [measurement.field(name) for name in dict.fromkeys(names)] if rolled_up(measurement) else []
    return tuple(one.name for one in fields if one is not None and is_answered(one.kind, (function,)))


def _bounds(script: DashboardScript, *, is_closed: bool) -> str:
    script.uses("date")
    kept = Retention().five_minutes.days
    stop = "date.truncate(t: v.timeRangeStop, unit: every)" if is_closed else "v.timeRangeStop"
    return "\n".join(
        (
            f"is_old = date.truncate(t: v.timeRangeStart, unit: 1m) < date.sub(from: now(), d: {kept}d)",
            f"is_coarse = is_old or int(v: v.windowPeriod) >= {ONE_HOUR.step}",
            f"step = if is_coarse then {ONE_HOUR.step} else {FIVE_MINUTES.step}",
            "every = duration(v: (int(v: v.windowPeriod) + step - 1) / step * step)",
            # One window more, so that there is one also where the range is shorter than a window.
            "start = date.sub(from: date.truncate(t: v.timeRangeStart, unit: every), d: every)",
            f"stop = {stop}",
        )
    )


def _values(script: DashboardScript, function: Function, kept: Sequence[Aggregate]) -> Sequence[str]:
    script.uses("strings")
    if function is Function.MEAN:
        is_count = 'strings.hasSuffix(v: r._field, suffix: "_count")'
        part = f'if {is_count} then "_count" else "_sum"'
        return (
            "|> toFloat()",
            f"|> map(fn: (r) => ({{r with _part: {part}}}))",
            "|> map(fn: (r) => ({r with _field: strings.trimSuffix(v: r._field, suffix: r._part)}))",
            '|> pivot(rowKey: ["_time"], columnKey: ["_part"], valueColumn: "_value")',
            "|> map(fn: (r) => ({r with _value: r._sum / r._count}))",
            '|> drop(columns: ["_sum", "_count"])',
        )
    plain = f'|> map(fn: (r) => ({{r with _field: strings.trimSuffix(v: r._field, suffix: "_{kept[0]}")}}))'
    if function is Function.RATE:
        per_second = "float(v: r._value) / float(v: int(v: every)) * 1000000000.0"
        return plain, f"|> map(fn: (r) => ({{r with _value: {per_second}}}))"
    return (plain,)
