"""Our pages as a template of InfluxDB's own dashboards, with the variables and the label that they need. Pure.

Format: InfluxDB 2's templates (pkger, apiVersion influxdata.com/v2alpha1), as 2.9.1 was seen to apply them. Names that
people give are texts there; the names of objects are ours: letters, digits and dashes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from dashboards.panel_cells import VARIABLES, BoardView, CellView, board_views, short_name
from dashboards.panels import DashboardConfig
from telemetry.panel_questions import Asks, PanelTexts
from telemetry.schema import Registry

_VERSION = "influxdata.com/v2alpha1"
_NAME_LENGTH = 63  # of an object's name
_TITLE_LENGTH = 100
_BLUE, _AMBER, _RED, _PLAIN = "#326BBA", "#FFB94A", "#DC4E58", "#00C9FF"
_LINES = ("#31C0F6", "#A500A5", "#FF7E27")  # what InfluxDB's own charts begin with
_SUFFIXES = {"percent": " %", "bytes": "B", "bytes_per_second": "B/s", "ms": " ms", "s": " s", "days": " d"}
_SUFFIXES |= {"per_second": "/s"}
Object = dict[str, Any]


def variable_names(prefix: str) -> dict[str, str]:
    """What `$host` and `$service` are called among a server's variables: nobody else's, and a name that Flux knows."""
    return {name: _variable(prefix, tag) for name, tag in VARIABLES.items()}


def influx_template(config: DashboardConfig, registry: Registry, texts: PanelTexts, prefix: str) -> list[Object]:
    """The objects of the template; `prefix`, that of the buckets, tells one OpsWatch's from another's."""
    label = _named("label")
    bound = [{"kind": "Label", "name": label}]
    listed = {tag: _variable(prefix, tag) for tag in (*VARIABLES.values(), "")}
    return [
        _object("Label", label, f"OpsWatch {prefix}", color=_BLUE, description="Made by `opswatch provision`"),
        *(
            _object(
                "Variable",
                _named(f"variable-{tag or 'measurement'}"),
                name,
                type="query",
                language="flux",
                query=texts.values_of(tag),
                associations=bound,
            )
            for tag, name in listed.items()
        ),
        *(_dashboard(board, texts, prefix, bound) for board in board_views(config, registry)),
    ]


def _variable(prefix: str, tag: str) -> str:
    name = re.sub(r"\W", "_", f"{prefix}_{tag or 'measurement'}", flags=re.ASCII)
    return name if not name[0].isdigit() else f"_{name}"


def _dashboard(board: BoardView, texts: PanelTexts, prefix: str, bound: Sequence[Object]) -> Object:
    charts = [_chart(cell, text) for cell in board.cells if (text := texts.text(cell.question)) is not None]
    title = f"{board.title} ({prefix})"[:_TITLE_LENGTH]
    description = f"The page {board.name} of OpsWatch; `opswatch provision` keeps it: copy it to change it."
    return _object(
        "Dashboard",
        _named(f"page-{board.name}"),
        title,
        description=description,
        associations=list(bound),
        charts=charts,
    )


def _chart(cell: CellView, text: str) -> Object:
    x, y, width, height = cell.place
    chart: Object = {"name": cell.title[:_TITLE_LENGTH], "xPos": x, "yPos": y, "width": width, "height": height}
    chart["queries"] = [{"query": text}]
    match cell.kind:
        case Asks.NUMBER:
            chart |= {"kind": "Single_Stat", "suffix": _SUFFIXES.get(cell.unit, ""), "decimalPlaces": 2}
            chart["colors"] = [{"name": "base", "type": "text", "hex": _PLAIN, "value": 0}]
            if cell.thresholds is not None:
                chart["colors"] += [
                    {"name": "warning", "type": "text", "hex": _AMBER, "value": cell.thresholds.warning},
                    {"name": "critical", "type": "text", "hex": _RED, "value": cell.thresholds.critical},
                ]
        case Asks.NEWEST:
            chart |= {"kind": "Table", "decimalPlaces": 2, "fieldOptions": [], "tableOptions": {"fixFirstColumn": True}}
            chart["colors"] = [{"name": "base", "type": "min", "hex": _PLAIN, "value": 0}]
        case Asks.WINDOWS | Asks.HISTORY:
            base = "2" if cell.unit.startswith("bytes") else "10"
            top: Object = {} if cell.maximum is None else {"domain": [0, cell.maximum]}
            chart |= {
                "kind": "Xy",
                "geom": "line",
                "position": "stacked" if cell.is_stacked else "overlaid",
                "shade": cell.is_stacked,
                "xCol": "_time",
                "yCol": "_value",
                "axes": [
                    {"name": "x", "base": "10", "scale": "linear"},
                    {"name": "y", "base": base, "scale": "linear", "suffix": _SUFFIXES.get(cell.unit, ""), **top},
                ],
                "colors": [{"name": "line", "type": "scale", "hex": hexadecimal} for hexadecimal in _LINES],
            }
    return chart


def _object(kind: str, name: str, title: str, **spec: Any) -> Object:
    return {"apiVersion": _VERSION, "kind": kind, "metadata": {"name": name}, "spec": {"name": title, **spec}}


def _named(word: str) -> str:
    """The name of an object within the stack, where no other has it: as DNS has labels."""
    return short_name(f"opswatch-{re.sub(r'[^a-z0-9-]+', '-', word.lower()).strip('-')}", word, _NAME_LENGTH)
