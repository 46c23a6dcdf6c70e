"""From series to views: labels, rows, sparks, bars, strips. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import tzinfo
from itertools import pairwise
from urllib.parse import urlencode

from dashboards.panels import BarsPanel, ChartPanel, StatPanel, Thresholds
from dashboards.sparkline import paths
from dashboards.units import format_share, format_value
from dashboards.uptime import Slot, Uptime
from dashboards.views import BarsView, BarView, ChartRow, ChartView, SlotView, SparkView, StatView
from telemetry.points import FieldValue
from telemetry.series import SeriesResult, SeriesSamples, Window
from telemetry.times import NANOSECONDS_PER_MILLISECOND, to_datetime

SPARK_WIDTH, SPARK_HEIGHT = 100.0, 24.0


def level_of(value: float | None, thresholds: Thresholds | None) -> str:
    """`critical`, `warning`, or nothing to say."""
    if value is None or thresholds is None:
        return ""
    if value >= thresholds.critical:
        return "critical"
    return "warning" if value >= thresholds.warning else ""


def numbers(one: SeriesSamples) -> list[float | None]:
    return [None if value is None or isinstance(value, str) else float(value) for value in one.values]


def combined(result: SeriesResult, how: str) -> list[float | None]:
    """Several series as one: per window their largest value, their sum or their mean; None where none has one."""
    columns = [numbers(one) for one in result.series]
    rows = [[value for value in row if value is not None] for row in zip(*columns, strict=True)]
    if how == "sum":
        return [sum(row) if row else None for row in rows]
    if how == "mean":
        return [sum(row) / len(row) if row else None for row in rows]
    return [max(row, default=None) for row in rows]


def without_catching_up(result: SeriesResult) -> SeriesResult:
    """Rates without each first window after a gap: it holds all that the counter grew by in the gap too."""
    return replace(result, series=tuple(replace(one, values=_after_known(one.values)) for one in result.series))


def _after_known(values: Sequence[FieldValue | None]) -> tuple[FieldValue | None, ...]:
    return (*values[:1], *(None if before is None else value for before, value in pairwise(values)))


def thinned(values: Sequence[float | None], count: int) -> list[float | None]:
    """Each `count` values as their mean; None where none of them is known."""
    groups = [values[at : at + count] for at in range(0, len(values), max(1, count))]
    known = [[value for value in group if value is not None] for group in groups]
    return [sum(group) / len(group) if group else None for group in known]


def newest(values: Sequence[float | None], within: int = 3) -> float | None:
    """The last value, if it is among the last few windows: an older one says nothing about now."""
    return next((value for value in reversed(values[-within:]) if value is not None), None)


def stat_view(panel: StatPanel, result: SeriesResult, link: str | None) -> StatView:
    values = combined(result, panel.combine)
    value = newest(values)
    top = 100.0 if panel.unit == "percent" else None
    return StatView(
        panel.title,
        format_value(value, panel.unit),
        level_of(value, panel.thresholds),
        spark_view(values, panel.unit, top),
        link,
    )


def spark_view(values: Sequence[float | None], unit: str, top: float | None = None) -> SparkView:
    known = [value for value in values if value is not None]
    if not known:
        return SparkView((), "no values in this range")
    low, high, now = (format_value(value, unit) for value in (min(known), max(known), newest(values)))
    words = f"from {low} to {high}, now {now}"
    return SparkView(tuple(paths(values, SPARK_WIDTH, SPARK_HEIGHT, top)), words)


def chart_view(identifier: str, panel: ChartPanel, result: SeriesResult, where: Sequence[str]) -> ChartView:
    """The chart of a windowed answer; the browser asks with the same step."""
    assert isinstance(result.query.shape, Window)
    parameters = [("measurement", panel.query.measurement), *(("field", name) for name in panel.query.fields)]
    parameters += [("where", condition) for condition in where] + [("fn", panel.query.fn.value)]
    shown = [one for one in result.series if any(value is not None for value in one.values)]
    order = {name: number for number, name in enumerate(panel.query.fields)}
    shown.sort(key=lambda one: order.get(one.series.field, 0))
    return ChartView(
        identifier,
        panel.title,
        panel.unit,
        "/api/v1/series?" + urlencode(parameters),
        panel.label,
        panel.stacked,
        panel.maximum,
        result.query.shape.step // NANOSECONDS_PER_MILLISECOND,
        tuple(chart_row(label_of(one, panel.label), numbers(one), panel.unit) for one in shown),
    )


def label_of(one: SeriesSamples, names: Sequence[str]) -> str:
    """A series' name: the values of these tags, where `field` is the field."""
    tags = dict(one.series.tags)
    return (
        " ".join(one.series.field if name == "field" else tags.get(name, "") for name in names).strip()
        or one.series.field
    )


def bars_view(panel: BarsPanel, result: SeriesResult) -> BarsView:
    found: dict[str, dict[str, float | None]] = {}
    for one in result.series:
        found.setdefault(dict(one.series.tags).get(panel.label, ""), {})[one.series.field] = newest(numbers(one))
    bars = []
    for label, fields in sorted(found.items()):
        percent = fields.get(panel.query.fields[0])
        if percent is None:
            continue
        text = f"{format_value(fields.get(panel.used), 'bytes')} of {format_value(fields.get(panel.total), 'bytes')}"
        bars.append(BarView(label, percent, text, level_of(percent, panel.thresholds)))
    return BarsView(panel.title, tuple(bars))


def strip(uptime: Uptime | None, zone: tzinfo) -> tuple[SlotView, ...]:
    """The slots of a period side by side."""
    return () if uptime is None else tuple(_slot(slot, zone) for slot in uptime.slots)


def _slot(slot: Slot, zone: tzinfo) -> SlotView:
    words = slot.state.word
    if slot.down_s:
        words += f" for {slot.down_s:.0f} s"
    unknown = slot.unknown_share
    if 0.005 < unknown < 1:
        words += f", {format_share(unknown)} of it not known"
    # What is known at all is to be seen, so never less than a quarter of the height.
    known = 0 if unknown >= 1 else max(3, round(10 * (1 - unknown)))
    return SlotView(slot.state.word, known, f"{to_datetime(slot.start).astimezone(zone):%a %H:%M}: {words}")


def chart_row(label: str, values: Sequence[float | None], unit: str) -> ChartRow:
    """A line of a chart as a line of its table. At least one value is known."""
    known = [value for value in values if value is not None]
    return ChartRow(
        label,
        format_value(newest(values), unit),
        format_value(min(known), unit),
        format_value(sum(known) / len(known), unit),
        format_value(max(known), unit),
    )
