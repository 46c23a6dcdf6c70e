"""Our pages as a template for InfluxDB's own UI: a label, variables and dashboards. Pure.

The objects are those that InfluxDB 2.x takes at `/api/v2/templates/apply`. Within a stack InfluxDB finds each again by
its `metadata.name`; variables and labels it also finds by what they are called, which is why both carry the prefix of
our buckets: another installation, or somebody's own variable `host`, is never taken for ours.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dashboards.cells import Cell, Look, Placed, cells_of, history_of, plain
from dashboards.panels import Dashboard, DashboardConfig, Thresholds, Unit
from telemetry.errors import OpsWatchError
from telemetry.panel_queries import FluxOf, Lines, MeasurementNames, OneLine, PanelQuery, Shares, TagValues
from telemetry.schema import Registry

API_VERSION = "influxdata.com/v2alpha1"
_MAX_NAME = 63  # of a label in DNS (RFC 1123)
_GOOD, _WARNING, _CRITICAL = "#32B08C", "#FFB94A", "#DC4E58"
_LINES = ("#31C0F6", "#A500A5", "#FF7E27")  # a scale: InfluxDB's UI puts its lines between these
_SUFFIXES: Mapping[Unit, str] = {
    "percent": " %",
    "bytes": "B",
    "bytes_per_second": "B/s",
    "ms": " ms",
    "s": " s",
    "days": " d",
    "per_second": "/s",
    "count": "",
    "share": "",
}
_LABEL = {"color": "#326BBA", "description": "Made by `opswatch provision`"}
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~&])")

# What the dashboards let one choose, by the words of conditions.
CHOICES: Mapping[str, PanelQuery] = {
    "host": TagValues("host"),
    "service": TagValues("service", "probe"),
    "measurement": MeasurementNames(),
}


@dataclass(frozen=True, slots=True)
class Naming:
    """`prefix` is that of our buckets; `variables` are what the CHOICES are called in InfluxDB."""

    prefix: str
    variables: Mapping[str, str]


def template(config: DashboardConfig, registry: Registry, flux_of: FluxOf, naming: Naming) -> list[dict[str, Any]]:
    """All objects; the label first. A panel that cannot be asked is a note that says why."""
    label = identifier(naming.prefix, "label")
    objects = [_object("Label", label, _LABEL | {"name": f"OpsWatch {naming.prefix}"})]
    for name, choice in CHOICES.items():
        spec = {
            "name": naming.variables[name],
            "description": f"OpsWatch: {name}",
            "type": "query",
            "language": "flux",
            "query": flux_of(choice),
            "associations": _labelled(label),
        }
        objects.append(_object("Variable", identifier(naming.prefix, "variable", name), spec))
    for dashboard in config.dashboards:
        for word, title, cells in _dashboards(dashboard, registry):
            spec = {
                "name": f"{title} ({naming.prefix})",
                "description": f"The page {dashboard.name} of OpsWatch, kept by `opswatch provision`",
                "associations": _labelled(label),
                "charts": [chart for one in cells for chart in _charts(one, flux_of)],
            }
            objects.append(_object("Dashboard", identifier(naming.prefix, word, dashboard.name), spec))
    return objects


def _dashboards(dashboard: Dashboard, registry: Registry) -> Iterator[tuple[str, str, Sequence[Placed]]]:
    title = plain(dashboard.title) or dashboard.name
    yield "dashboard", title, cells_of(dashboard, registry)
    if history := history_of(dashboard, registry):
        yield "history", f"{title}, history", history


def identifier(*words: str) -> str:
    """A name for an object as InfluxDB takes it, the same for the same words and another one for others."""
    text = "-".join(words)
    clean = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    if clean == text and len(clean) <= _MAX_NAME:
        return clean
    digest = hashlib.sha256("\0".join(words).encode()).hexdigest()[:8]
    return f"{clean[: _MAX_NAME - 9].rstrip('-')}-{digest}".lstrip("-")


def _object(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}


def _labelled(label: str) -> list[dict[str, str]]:
    return [{"kind": "Label", "name": label}]


def _charts(placed: Placed, flux_of: FluxOf) -> Iterator[dict[str, Any]]:
    cell = placed.cell
    place = {"xPos": placed.x, "yPos": placed.y, "width": cell.width, "height": cell.height}
    try:
        looks = _looks(cell, flux_of)
    except OpsWatchError as error:
        looks = _note(f"**{_escaped(cell.title)}**: {_escaped(plain(error.message, 300))}")
    yield {"name": cell.title, "note": cell.note, **place, **looks}


def _looks(cell: Cell, flux_of: FluxOf) -> dict[str, Any]:
    query = cell.query
    match cell.look:
        case Look.HEADING:
            return _note(f"### {_escaped(cell.title)}")
        case Look.NUMBER:
            return _number(cell) | _asking(query, flux_of)
        case Look.LINES:
            return _lines(cell) | _asking(_told_apart(query, cell), flux_of)
        case Look.SHARES:
            assert isinstance(query, Shares)
            return _shares(cell) | _asking(Shares(query.selected, query.label, as_text=True), flux_of)
        case Look.TABLE:
            return _table(cell) | _asking(query, flux_of)


def _told_apart(query: PanelQuery | None, cell: Cell) -> PanelQuery | None:
    """One chart for all values of a tag, for here there are no repeated ones: the tag is part of the lines' names."""
    if cell.repeat is None or not isinstance(query, Lines) or cell.repeat in query.label:
        return query
    return Lines(query.selected, query.function, (cell.repeat, *query.label), query.of_history)


def _asking(query: PanelQuery | None, flux_of: FluxOf) -> dict[str, Any]:
    assert query is not None
    return {"queries": [{"query": flux_of(query)}]}


def _note(text: str) -> dict[str, Any]:
    return {"kind": "Markdown", "note": text}


def _escaped(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", text)


def _number(cell: Cell) -> dict[str, Any]:
    suffix = _SUFFIXES[cell.unit]
    decimals = 0 if cell.unit == "count" else 1
    number = {"suffix": suffix, "decimalPlaces": decimals, "enforceDecimals": True, "colors": _levels(cell, "text")}
    if not isinstance(cell.query, OneLine):
        return {"kind": "Single_Stat", **number}
    colors = [*_levels(cell, "text"), *_scale()]
    line = {"axes": _axes(cell), "xCol": "_time", "yCol": "_value", "position": "overlaid", "shade": True}
    return {"kind": "Single_Stat_Plus_Line", **number, "colors": colors, **line}


def _lines(cell: Cell) -> dict[str, Any]:
    return {
        "kind": "XY",
        "geom": "line",
        "position": "stacked" if cell.is_stacked else "overlaid",
        "shade": cell.is_stacked,
        "hoverDimension": "auto",
        "xCol": "_time",
        "yCol": "_value",
        "axes": _axes(cell),
        "colors": _scale(),
        "legendOpacity": 1,
    }


def _shares(cell: Cell) -> dict[str, Any]:
    label, share = cell.columns[:2]
    shown = [(label.name, label.title), (share.name, f"{share.title} %"), ("space", "space")]
    return _table_of(shown) | {"colors": _levels(cell, "text"), "decimalPlaces": 1, "enforceDecimals": True}


def _table(cell: Cell) -> dict[str, Any]:
    shown = [(one.name, f"{one.title}{_in_words(one.unit)}") for one in cell.columns]
    return _table_of(shown) | {"colors": _levels(cell, "text"), "decimalPlaces": 2, "enforceDecimals": True}


def _in_words(unit: Unit | None) -> str:
    return f" ({_SUFFIXES[unit].strip()})" if unit is not None and _SUFFIXES[unit].strip() else ""


def _table_of(shown: Sequence[tuple[str, str]]) -> dict[str, Any]:
    options = [{"fieldName": name, "displayName": title, "visible": True} for name, title in shown]
    return {
        "kind": "Table",
        "fieldOptions": options,
        "tableOptions": {"verticalTimeAxis": True, "wrapping": "wrap", "fixFirstColumn": True},
        "timeFormat": "YYYY-MM-DD HH:mm:ss",
    }


def _axes(cell: Cell) -> list[dict[str, Any]]:
    y: dict[str, Any] = {"name": "y", "base": "10", "scale": "linear", "suffix": _SUFFIXES[cell.unit]}
    if cell.maximum is not None:
        y["domain"] = [0, cell.maximum]
    return [{"name": "x", "base": "10", "scale": "linear"}, y]


def _levels(cell: Cell, kind: str) -> list[dict[str, Any]]:
    """From where a value has which colour."""
    thresholds: Thresholds | None = cell.thresholds
    steps = [(_GOOD if thresholds else "#F1F1F3", "base", 0.0)]
    if thresholds is not None:
        steps += [(_WARNING, "warning", thresholds.warning), (_CRITICAL, "critical", thresholds.critical)]
    return [{"id": name, "name": name, "type": kind, "hex": colour, "value": value} for colour, name, value in steps]


def _scale() -> list[dict[str, Any]]:
    return [{"name": "OpsWatch", "type": "scale", "hex": colour, "value": 0} for colour in _LINES]
