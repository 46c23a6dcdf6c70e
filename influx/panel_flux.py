"""The questions of panels as Flux that stands by itself, for dashboards of InfluxDB and of Grafana. Pure.

A dashboard has no parameters beside its text, so values are literals, each character that is not surely harmless as the
\\xHH of its bytes (influxdb.md 2.4), and what a page is about is a variable of the dashboard. Both products know
`v.timeRangeStart`, `v.timeRangeStop` and `v.windowPeriod`. Windows mean what they mean on OpsWatch's own pages, but
for the first one of a counter, which grows from nothing that the range holds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from influx.flux import COUNTER_FUNCTIONS
from influx.parameters import Parameter, Pattern
from influx.predicates import Script, literal, one_of, pushed
from influx.rollup_tasks import FROM_WINDOWS, rolled_up_field
from influx.settings import InfluxSettings
from influx.text import encode_name
from telemetry.panel_questions import Asks, PanelQuestion
from telemetry.rollup import ONE_HOUR, Aggregate, is_answered, rolled_up
from telemetry.schema import FieldType, Measurement, MeasurementClass
from telemetry.series import Function

_GROWTH = (
    '    |> duplicate(column: "_value", as: "grown")\n'
    '    |> difference(columns: ["grown"])\n'
    "    |> map(fn: (r) => ({r with _value: if r.grown < 0 then r._value else r.grown}))\n"
    '    |> drop(columns: ["grown"])\n'
)
_PER_SECOND = (
    "    |> map(fn: (r) => ({r with _value: float(v: r._value) / (float(v: int(v: v.windowPeriod)) / 1000000000.0)}))\n"
)


_SLASH = re.compile(r"\\.|/", re.DOTALL)  # one that is escaped already stays as it is


def _escaped(match: re.Match[str]) -> str:
    return "\\/" if match[0] == "/" else match[0]


class _Literals(Script):
    """Values in the text itself; those of `variables` (as `$host`) as what stands for them in a dashboard."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        super().__init__()
        self._variables = variables

    def bind(self, word: str, value: Parameter) -> str:
        del word
        if isinstance(value, Pattern):
            return "/" + _SLASH.sub(_escaped, value.text).replace("\n", "\\n") + "/"
        assert isinstance(value, str)
        return self._variables.get(value) or literal(value)


@dataclass(frozen=True, slots=True)
class PanelFlux:
    """Writes for one kind of dashboard: `variables` are what `$host` and `$service` are called in its texts."""

    settings: InfluxSettings
    variables: Mapping[str, str]

    def text(self, question: PanelQuestion) -> str | None:
        """As the port says."""
        match question.asks:
            case Asks.WINDOWS:
                return f"{self._samples(question)}{_windowed(question.function)}{_kept(question)}"
            case Asks.HISTORY:
                return self._history(question)
            case Asks.NUMBER:
                newest = _windowed(question.function) if question.function in COUNTER_FUNCTIONS else ""
                return (
                    f"{self._samples(question)}{newest}    |> last()\n    |> toFloat()\n"
                    '    |> keep(columns: ["_time", "_value"])\n'
                    f"    |> group()\n    |> {question.combine}()\n"
                )
            case Asks.NEWEST:
                rows = _listed(question.rows)
                return (
                    f"{self._samples(question)}    |> last()\n    |> toFloat()\n"
                    f"    |> keep(columns: [{_listed(('_value', '_field', *question.rows))}])\n    |> group()\n"
                    f'    |> pivot(rowKey: [{rows}], columnKey: ["_field"], valueColumn: "_value")\n'
                )

    def values_of(self, tag: str) -> str:
        """As the port says."""
        bucket = literal(self.settings.bucket(MeasurementClass.METRICS))
        asked = (
            f"tagValues(bucket: {bucket}, tag: {literal(encode_name(tag))},"
            if tag
            else f"measurements(bucket: {bucket},"
        )
        return f'import "influxdata/influxdb/schema"\n\nschema.{asked} start: -7d)\n'

    def _samples(self, question: PanelQuestion) -> str:
        names = [name for name in question.fields if _is_number(question.measurement, name)]
        return self._source(self.settings.bucket(question.measurement.measurement_class), question, names)

    def _history(self, question: PanelQuestion) -> str | None:
        measurement, function = question.measurement, question.function
        kinds = [known.kind for name in question.fields if (known := measurement.field(name)) is not None]
        if not rolled_up(measurement) or not all(is_answered(kind, (function,)) for kind in kinds):
            return None
        imported = 'import "strings"\n\n'
        if function is not Function.MEAN:
            aggregate = Aggregate.INCREASE if function in COUNTER_FUNCTIONS else Aggregate(function.value)
            rate = _PER_SECOND if function is Function.RATE else ""
            return f"{imported}{self._of_level(question, aggregate)}{rate}{_kept(question)}"
        # Means of means mean nothing: the sums and the counts of a window's hours, side by side.
        return (
            f"{imported}sums = {self._of_level(question, Aggregate.SUM)}"
            '    |> map(fn: (r) => ({r with _value: float(v: r._value), part: "sum"}))\n'
            f"counts = {self._of_level(question, Aggregate.COUNT)}"
            '    |> map(fn: (r) => ({r with _value: float(v: r._value), part: "count"}))\n'
            "union(tables: [sums, counts])\n"
            '    |> pivot(rowKey: ["_time"], columnKey: ["part"], valueColumn: "_value")\n'
            "    |> map(fn: (r) => ({r with _value: r.sum / r.count}))\n"
            f"{_kept(question)}"
        )

    def _of_level(self, question: PanelQuestion, aggregate: Aggregate) -> str:
        """The windows of hours, under the names that the fields have in samples."""
        names = [rolled_up_field(name, aggregate) for name in question.fields]
        return (
            f"{self._source(self.settings.level_bucket(ONE_HOUR), question, names)}"
            f"    |> aggregateWindow(every: v.windowPeriod, fn: {FROM_WINDOWS[aggregate]}, createEmpty: false,"
            ' timeSrc: "_start")\n'
            f'    |> map(fn: (r) => ({{r with _field: strings.trimSuffix(v: r._field, suffix: "_{aggregate}")}}))\n'
        )

    def _source(self, bucket: str, question: PanelQuestion, fields: Sequence[str]) -> str:
        script = _Literals(self.variables)
        conditions = [
            one_of(script, "_measurement", "measurement", [encode_name(question.measurement.name)]),
            one_of(script, "_field", "field", [encode_name(name) for name in fields]),
        ]
        asked = pushed(script, question.where)
        conditions += [asked] if isinstance(asked, str) else [] if asked else ['r._measurement == ""']
        return (
            f"from(bucket: {literal(bucket)})\n    |> range(start: v.timeRangeStart, stop: v.timeRangeStop)\n"
            f"    |> filter(fn: (r) => {' and '.join(conditions)})\n"
        )


def _windowed(function: Function) -> str:
    growth = _GROWTH if function in COUNTER_FUNCTIONS else ""
    name = "sum" if function in COUNTER_FUNCTIONS else function.value
    rate = _PER_SECOND if function is Function.RATE else ""
    window = f'    |> aggregateWindow(every: v.windowPeriod, fn: {name}, createEmpty: false, timeSrc: "_start")\n'
    return f"{growth}{window}{rate}"


def _kept(question: PanelQuestion) -> str:
    return f"    |> keep(columns: [{_listed(('_time', '_value', '_field', *question.measurement.tags))}])\n"


def _is_number(measurement: Measurement, name: str) -> bool:
    field = measurement.field(name)
    return field is None or field.type is not FieldType.TEXT


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' if name.startswith("_") else literal(encode_name(name)) for name in names)
