"""Our pages as dashboards of Grafana, which asks InfluxDB in Flux. Pure.

Format: Grafana's dashboard model, schemaVersion 39 (Grafana 11; later ones bring it forward). The data source is a
variable, so that one file fits every installation; the grid has 24 columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dashboards.panel_cells import COLUMNS, VARIABLES, BoardView, CellView, board_views, short_name
from dashboards.panels import DashboardConfig
from telemetry.panel_questions import Asks, PanelTexts
from telemetry.schema import Registry

GRAFANA_VARIABLES: Mapping[str, str] = {
    name: f"${{{tag}:json}}" for name, tag in VARIABLES.items()
}  # quoted by Grafana
_SCHEMA = 39
_UID_LENGTH = 40
_GRID, _ROW = 24, 2  # columns; a row of ours is so many of its own high
_SOURCE = {"type": "influxdb", "uid": "${source}"}
_UNITS = {
    "percent": "percent",
    "bytes": "bytes",
    "bytes_per_second": "binBps",
    "ms": "ms",
    "s": "s",
    "days": "d",
    "per_second": "cps",
    "count": "short",
    "share": "percentunit",
}
Board = dict[str, Any]


def grafana_boards(config: DashboardConfig, registry: Registry, texts: PanelTexts) -> dict[str, Board]:
    """Each dashboard by the name of its file, without the end."""
    return {f"opswatch-{board.name}": _board(board, texts) for board in board_views(config, registry)}


def _board(board: BoardView, texts: PanelTexts) -> Board:
    panels = [
        _panel(number, cell, text)
        for number, cell in enumerate(board.cells, 1)
        if (text := texts.text(cell.question)) is not None
    ]
    return {
        "id": None,
        "uid": short_name(f"opswatch-{board.name}", board.name, _UID_LENGTH),
        "title": f"OpsWatch: {board.title}",
        "tags": ["opswatch"],
        "schemaVersion": _SCHEMA,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s" if not board.name.endswith("-history") else "",
        "time": {"from": f"now-{board.range}", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [_source_variable(), *(_variable(tag, texts) for tag in VARIABLES.values())]},
        "annotations": {"list": []},
        "panels": panels,
    }


def _source_variable() -> Board:
    return {"name": "source", "label": "Data source", "type": "datasource", "query": "influxdb", "refresh": 1}


def _variable(tag: str, texts: PanelTexts) -> Board:
    text = texts.values_of(tag)
    return {
        "name": tag,
        "label": tag.capitalize(),
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": text, "refId": "variable"},
        "definition": text,
        "refresh": 2,  # when the range changes
        "sort": 1,
        "multi": False,
        "includeAll": False,
    }


def _panel(number: int, cell: CellView, text: str) -> Board:
    x, y, width, height = cell.place
    scale = _GRID // COLUMNS
    defaults: Board = {"unit": _UNITS[cell.unit], "thresholds": _thresholds(cell)}
    if cell.maximum is not None:
        defaults |= {"min": 0, "max": cell.maximum}
    panel: Board = {
        "id": number,
        "title": cell.title,
        "datasource": _SOURCE,
        "gridPos": {"x": x * scale, "y": y * _ROW, "w": width * scale, "h": height * _ROW},
        "targets": [{"refId": "A", "datasource": _SOURCE, "query": text}],
        "fieldConfig": {"defaults": defaults, "overrides": []},
    }
    match cell.kind:
        case Asks.NUMBER:
            options: Board = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}}
            panel |= {"type": "stat", "options": {**options, "colorMode": "value", "graphMode": "none"}}
        case Asks.NEWEST:
            panel |= {"type": "table", "options": {"showHeader": True}}
        case Asks.WINDOWS | Asks.HISTORY:
            panel |= {"type": "timeseries", "options": {"legend": {"displayMode": "list", "placement": "bottom"}}}
            stacking = {"mode": "normal" if cell.is_stacked else "none", "group": "A"}
            # Where there is no sample nothing is drawn: a gap is a gap.
            defaults["custom"] = {"stacking": stacking, "spanNulls": False, "fillOpacity": 20 if cell.is_stacked else 0}
            defaults["displayName"] = " ".join(
                "${__field.name}" if word == "field" else f"${{__field.labels.{word}}}" for word in cell.label
            )
    return panel


def _thresholds(cell: CellView) -> Board:
    steps: list[Board] = [{"color": "text", "value": None}]
    if cell.thresholds is not None:
        steps += [
            {"color": "orange", "value": cell.thresholds.warning},
            {"color": "red", "value": cell.thresholds.critical},
        ]
    return {"mode": "absolute", "steps": steps}
