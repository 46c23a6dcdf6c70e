"""The questions of dashboards as Flux, for InfluxDB's UI and for Grafana: charts, numbers and shares. Pure.

They ask what our pages ask (dashboards/boards.py), in the shapes that InfluxDB's storage answers by itself
(influx/flux.py), with windows as long as whoever looks wants them. Two things differ, because nobody here knows how
far apart samples are: a rate is the mean of what each sample had grown by per second since the one before it, which is
right for windows that are shorter than that, too, and the pages' rate where samples fill a window; and an outage is
no gap, for only windows with samples come.
"""

from __future__ import annotations

from collections.abc import Sequence

from influx.dashboard_script import DashboardScript, numeric, piped, windows
from influx.dialects import Dialect
from influx.history_flux import history_text
from influx.probe_flux import attempts_text, availability_text, not_up_text, standings_text
from influx.settings import InfluxSettings
from influx.text import encode_name
from telemetry.errors import NotFound
from telemetry.panel_queries import (
    Attempts,
    Availability,
    Lines,
    MeasurementNames,
    NotUp,
    OneLine,
    PanelQuery,
    Shares,
    Standings,
    TagValues,
)
from telemetry.schema import Measurement, MeasurementClass, Registry
from telemetry.series import GROWTH_LOOKBACK, Function

# What a window has gathered: of one that is not over yet it says too little, so the last one is left out.
_GATHERED = frozenset({Function.INCREASE, Function.SUM, Function.COUNT})
_GROWTH = frozenset({Function.INCREASE, Function.RATE})
_BOUNDS = "range(start: start, stop: stop)"
_WHOLE_RANGE = "|> range(start: v.timeRangeStart, stop: v.timeRangeStop)"
# In one number all series must have their part, so its windows are no shorter than samples are apart as a rule.
_EVERY_OF_ONE = "if int(v: v.windowPeriod) < int(v: 1m) then 1m else v.windowPeriod"
_VALUES_SINCE = "-30d"


class PanelFlux:
    """Writes questions of dashboards (telemetry/panel_queries.py, `FluxOf`) in one dialect.

    Raises NotFound for a measurement or field that nobody knows, InvalidQuery for a condition that is none and for
    one without fields that are numbers.
    """

    def __init__(self, settings: InfluxSettings, registry: Registry, dialect: Dialect) -> None:
        self._settings = settings
        self._registry = registry
        self._dialect = dialect

    def __call__(self, query: PanelQuery) -> str:
        """The text."""
        script = DashboardScript(self._dialect)
        match query:
            case Lines() | OneLine() | Shares():
                return self._of_series(script, query)
            case TagValues() | MeasurementNames():
                return self._of_choices(script, query)
        return self._of_probes(script, query)

    def _of_series(self, script: DashboardScript, query: Lines | OneLine | Shares) -> str:
        match query:
            case Lines(of_history=True):
                measurement = self._measurement(query.selected.measurement)
                return history_text(script, self._settings, measurement, query)
            case Lines():
                return self._windows(script, "v.windowPeriod", query, script.named(query.label))
            case OneLine(combine=combine):
                # Fields of several types make one table only as floats.
                line = (windows("every", combine), '|> keep(columns: ["_time", "_value"])')
                return self._windows(script, _EVERY_OF_ONE, query, ("|> toFloat()", "|> group()", *line))
            case Shares():
                return self._shares(script, query)

    def _of_choices(self, script: DashboardScript, query: TagValues | MeasurementNames) -> str:
        script.uses("influxdata/influxdb/schema")
        if isinstance(query, MeasurementNames):
            return script.text(f"schema.measurements(bucket: {self._raw()}, start: {_VALUES_SINCE})")
        asked = [f"bucket: {self._raw()}", f"tag: {script.literal(encode_name(query.tag))}"]
        if query.measurement:
            condition = script.condition(self._measurement(query.measurement), (), query.where)
            asked.append(f"predicate: (r) => {condition}")
        return script.text(f"schema.tagValues({', '.join(asked)}, start: {_VALUES_SINCE})")

    def _of_probes(self, script: DashboardScript, query: Standings | NotUp | Availability | Attempts) -> str:
        probe, source = self._measurement("probe"), f"from(bucket: {self._raw()})"
        match query:
            case Standings():
                return standings_text(script, source, probe, query)
            case NotUp():
                return not_up_text(script, source, probe)
            case Availability():
                return availability_text(script, source, probe, query)
            case Attempts():
                return attempts_text(script, source, probe, query)

    def _windows(self, script: DashboardScript, every: str, query: Lines | OneLine, after: Sequence[str]) -> str:
        """The windows of all series, and what is done with them."""
        selected, function = query.selected, query.function
        measurement = self._measurement(selected.measurement)
        condition = script.condition(measurement, numeric(measurement, selected.fields), selected.where)
        script.uses("date")
        start, stop = "date.truncate(t: v.timeRangeStart, unit: every)", "v.timeRangeStop"
        if function in _GATHERED:
            # One window more before the range, so that there is one also where the range is shorter than a window.
            start, stop = f"date.sub(from: {start}, d: every)", "date.truncate(t: v.timeRangeStop, unit: every)"
        bounds = f"every = {every}\nstart = {start}\nstop = {stop}"
        source, chosen = f"from(bucket: {self._bucket(measurement)})", f"|> filter(fn: (r) => {condition})"
        if function not in _GROWTH:
            return script.text(bounds, piped(source, f"|> {_BOUNDS}", chosen, windows("every", function), *after))
        before = f"|> range(start: date.sub(from: start, d: {GROWTH_LOOKBACK}ns), stop: stop)"
        return script.text(bounds, piped(source, before, chosen, *_growth(function), *after))

    def _shares(self, script: DashboardScript, query: Shares) -> str:
        measurement = self._measurement(query.selected.measurement)
        fields = numeric(measurement, query.selected.fields)
        label = script.literal(encode_name(query.label))
        shaped = [f"{script.literal(encode_name(query.label))}: {script.column(query.label)}"]
        shaped += [f"{script.literal(encode_name(one))}: {script.column(one)}" for one in fields[:1]]
        if query.as_text:
            shaped.append(f"space: {_amounts(script, fields[1:])}")
        else:
            shaped += [f"{script.literal(encode_name(one))}: {script.column(one)}" for one in fields[1:]]
        steps = [
            _WHOLE_RANGE,
            f"|> filter(fn: (r) => {script.condition(measurement, fields, query.selected.where)})",
            "|> last()",
            "|> toFloat()",
            "|> group()",
            f'|> pivot(rowKey: [{label}], columnKey: ["_field"], valueColumn: "_value")',
            f"|> map(fn: (r) => ({{{', '.join(shaped)}}}))",
            f"|> sort(columns: [{label}])",
        ]
        return script.text(piped(f"from(bucket: {self._bucket(measurement)})", *steps))

    def _measurement(self, name: str) -> Measurement:
        measurement = self._registry.get(name)
        if measurement is None:
            raise NotFound(f"there is no measurement {name[:60]!r}", field="measurement", value=name[:60])
        return measurement

    def _bucket(self, measurement: Measurement) -> str:
        return self._dialect.bucket(self._settings.bucket(measurement.measurement_class))

    def _raw(self) -> str:
        return self._dialect.bucket(self._settings.bucket(MeasurementClass.METRICS))


def _growth(function: Function) -> Sequence[str]:
    """Windows of what counters have grown by, as `Function.INCREASE` means it, from samples that begin before them."""
    grown = "if r._grown < 0.0 then r._value else r._grown"  # a reset counts whole
    if function is Function.RATE:
        grown = f"({grown}) / float(v: r._gap) * 1000000000.0"
    return (
        "|> toFloat()",
        '|> duplicate(column: "_value", as: "_grown")',
        # Both leave out the first sample, which has none before it: here that is done once.
        '|> difference(columns: ["_grown"], keepFirst: true)',
        '|> elapsed(unit: 1ns, columnName: "_gap")',
        f"|> filter(fn: (r) => r._gap <= {GROWTH_LOOKBACK})",
        f"|> map(fn: (r) => ({{r with _value: {grown}}}))",
        '|> drop(columns: ["_grown", "_gap"])',
        f"|> {_BOUNDS}",
        windows("every", "mean" if function is Function.RATE else "sum"),
    )


def _amounts(script: DashboardScript, fields: Sequence[str]) -> str:
    """Amounts of bytes as one text, for tables that cannot show bytes: `12.3 of 50.0 GB`."""
    script.uses("math")
    columns = [script.column(one) for one in fields]
    there = " and ".join(f"exists {one}" for one in columns)
    written = ' + " of " + '.join(f"string(v: math.round(x: {one} / 100000000.0) / 10.0)" for one in columns)
    return f'if {there} then {written} + " GB" else ""'
