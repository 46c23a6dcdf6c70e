"""What a panel of Grafana looks like: its type, units, colours and columns. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dashboards.cells import Cell, Column, Look
from dashboards.panels import Thresholds, Unit
from telemetry.panel_queries import OneLine

# Ours count bytes in powers of ten.
UNITS: Mapping[Unit, str] = {
    "percent": "percent",
    "bytes": "decbytes",
    "bytes_per_second": "Bps",
    "ms": "ms",
    "s": "s",
    "days": "d",
    "per_second": "cps",
    "count": "short",
    "share": "percentunit",
}
_TABLE_OPTIONS = {"showHeader": True, "cellHeight": "sm", "footer": {"show": False, "reducer": ["sum"], "fields": ""}}
_STATE_COLOURS = {"down": "red", "unknown": "purple", "degraded": "orange", "up": "green"}


def look_of(cell: Cell) -> dict[str, Any]:
    """All of a panel but its place and its question."""
    match cell.look:
        case Look.NUMBER:
            return _number(cell)
        case Look.LINES:
            return _lines(cell)
    return _table(cell)


def _number(cell: Cell) -> dict[str, Any]:
    return {
        "type": "stat",
        "fieldConfig": {
            "defaults": {
                "unit": UNITS[cell.unit],
                "noValue": "–",
                "color": {"mode": "thresholds"},
                "thresholds": _steps(cell.thresholds),
                **({"min": 0, "max": 100} if cell.unit == "percent" else {}),
            },
            "overrides": [],
        },
        "options": {
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "colorMode": "value",
            "graphMode": "area" if isinstance(cell.query, OneLine) else "none",
            "justifyMode": "auto",
            "orientation": "auto",
            "textMode": "value",
        },
    }


def _lines(cell: Cell) -> dict[str, Any]:
    bounds = {} if cell.maximum is None else {"min": 0, "max": cell.maximum}
    return {
        "type": "timeseries",
        "fieldConfig": {
            "defaults": {
                "unit": UNITS[cell.unit],
                "displayName": "${__field.name}",  # without its tags: the label is in it
                "color": {"mode": "palette-classic"},
                "thresholds": _steps(None),
                "custom": {
                    "drawStyle": "line",
                    "lineInterpolation": "linear",
                    "lineWidth": 1,
                    "fillOpacity": 30 if cell.is_stacked else 0,
                    "showPoints": "auto",
                    "pointSize": 4,
                    "spanNulls": False,
                    "stacking": {"mode": "normal" if cell.is_stacked else "none", "group": "A"},
                },
                **bounds,
            },
            "overrides": [],
        },
        "options": {
            "legend": {
                "displayMode": "table",
                "placement": "bottom",
                "showLegend": True,
                "calcs": ["lastNotNull", "min", "mean", "max"],
            },
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    }


def _table(cell: Cell) -> dict[str, Any]:
    order = {column.name: number for number, column in enumerate(cell.columns)}
    is_shares = cell.look is Look.SHARES
    overrides = [_column(column, is_bar=is_shares and column.unit == "percent") for column in cell.columns]
    return {
        "type": "table",
        "fieldConfig": {
            "defaults": {
                "color": {"mode": "thresholds"},
                "thresholds": _steps(cell.thresholds),
                "custom": {"align": "auto", "cellOptions": {"type": "auto"}, "inspect": False},
            },
            "overrides": overrides,
        },
        "options": _TABLE_OPTIONS,
        "transformations": [
            {"id": "organize", "options": {"excludeByName": {}, "indexByName": order, "renameByName": {}}}
        ],
    }


def _column(column: Column, *, is_bar: bool) -> dict[str, Any]:
    properties: list[dict[str, Any]] = [{"id": "displayName", "value": column.title}]
    if column.unit is not None:
        properties.append({"id": "unit", "value": UNITS[column.unit]})
    if is_bar:
        properties += [
            {"id": "min", "value": 0},
            {"id": "max", "value": 100},
            {"id": "custom.cellOptions", "value": {"type": "gauge", "mode": "basic"}},
        ]
    if column.name == "state":
        words = {
            word: {"text": word, "color": colour, "index": number}
            for number, (word, colour) in enumerate(_STATE_COLOURS.items())
        }
        properties += [
            {"id": "mappings", "value": [{"type": "value", "options": words}]},
            {"id": "custom.cellOptions", "value": {"type": "color-text"}},
        ]
    return {"matcher": {"id": "byName", "options": column.name}, "properties": properties}


def _steps(thresholds: Thresholds | None) -> dict[str, Any]:
    """From where a value has which colour."""
    steps: list[dict[str, Any]] = [{"color": "text" if thresholds is None else "green", "value": None}]
    if thresholds is not None:
        steps += [
            {"color": "orange", "value": thresholds.warning},
            {"color": "red", "value": thresholds.critical},
        ]
    return {"mode": "absolute", "steps": steps}
