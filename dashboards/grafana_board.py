"""Our pages as dashboards of Grafana, with its Flux data source. Pure.

The JSON is that of Grafana 10.3 and later. Which data source, and what our buckets begin with, are variables of each
dashboard, so that the same files serve every server; its `uid` is made of the page's name and stays the same.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dashboards.cells import Cell, Look, Placed, cells_of, history_of, plain
from dashboards.grafana_looks import look_of
from dashboards.panels import Dashboard, DashboardConfig
from telemetry.errors import OpsWatchError
from telemetry.panel_queries import FluxOf, Lines, PanelQuery, TagValues, conditions_of
from telemetry.schema import Registry

SCHEMA_VERSION = 39
DATA_SOURCE = {"type": "influxdb", "uid": "${datasource}"}
CHOICES: Mapping[str, PanelQuery] = {"host": TagValues("host"), "service": TagValues("service", "probe")}
_MAX_UID = 40
_TALL = 2  # rows of Grafana's grid for one of ours; it has twice as many columns, too
_SHORTEST = "10s"  # no window is shorter: samples are not closer together than that as a rule


@dataclass(frozen=True, slots=True)
class Repeat:
    """What a chart is repeated for: `name` is the variable with the values of a tag."""

    name: str
    values: TagValues


def board_names(config: DashboardConfig, registry: Registry) -> tuple[str, ...]:
    """All variables that a condition may name."""
    repeats = (one.name for _, _, cells in _boards(config, registry) for one in _repeats(cells).values())
    return tuple(dict.fromkeys((*CHOICES, *repeats)))


def boards(
    config: DashboardConfig, registry: Registry, flux_of: FluxOf, bucket_prefix: str
) -> dict[str, dict[str, Any]]:
    """The dashboards by the names of their files, without `.json`; a panel that cannot be asked says why, as text."""
    return {
        name: _board(name, dashboard, cells, flux_of, bucket_prefix)
        for name, dashboard, cells in _boards(config, registry)
    }


def _boards(config: DashboardConfig, registry: Registry) -> Iterator[tuple[str, Dashboard, Sequence[Placed]]]:
    for dashboard in config.dashboards:
        title = plain(dashboard.title) or dashboard.name
        yield f"opswatch-{dashboard.name}", dashboard.model_copy(update={"title": title}), cells_of(dashboard, registry)
        if history := history_of(dashboard, registry):
            named = dashboard.model_copy(update={"title": f"{title}, history", "range": "30d"})
            yield f"opswatch-{dashboard.name}-history", named, history


def _board(
    name: str, dashboard: Dashboard, cells: Sequence[Placed], flux_of: FluxOf, bucket_prefix: str
) -> dict[str, Any]:
    repeats = _repeats(cells)
    return {
        "id": None,
        "uid": _uid(name),
        "title": f"OpsWatch: {dashboard.title}",
        "description": "Made by OpsWatch from its pages.",
        "tags": ["opswatch"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "timezone": "browser",
        "refresh": "" if name.endswith("-history") else "30s",
        "time": {"from": f"now-{dashboard.range}", "to": "now"},
        "timepicker": {},
        "annotations": {"list": []},
        "links": [_LINKS],
        "templating": {"list": _variables(cells, repeats, flux_of, bucket_prefix)},
        "panels": [_panel(number, one, repeats, flux_of) for number, one in enumerate(cells, 1)],
    }


_LINKS = {
    "title": "OpsWatch",
    "type": "dashboards",
    "tags": ["opswatch"],
    "asDropdown": True,
    "includeVars": True,
    "keepTime": True,
    "icon": "external link",
    "targetBlank": False,
    "tooltip": "",
    "url": "",
}


def _uid(name: str) -> str:
    if len(name) <= _MAX_UID:
        return name
    return f"{name[: _MAX_UID - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _repeats(cells: Sequence[Placed]) -> dict[tuple[str, TagValues], Repeat]:
    """The variables for repeated charts; those that have the same values share one."""
    found: dict[tuple[str, TagValues], Repeat] = {}
    for placed in cells:
        key = _repeat_key(placed.cell)
        if key is not None and key not in found:
            name = "each_" + re.sub(r"\W", "_", key[0], flags=re.ASCII)
            taken = {one.name for one in found.values()}
            found[key] = Repeat(name if name not in taken else f"{name}_{len(found)}", key[1])
    return found


def _repeat_key(cell: Cell) -> tuple[str, TagValues] | None:
    if cell.repeat is None or not isinstance(cell.query, Lines):
        return None
    selected = cell.query.selected
    return cell.repeat, TagValues(cell.repeat, selected.measurement, selected.where)


def _variables(
    cells: Sequence[Placed], repeats: Mapping[tuple[str, TagValues], Repeat], flux_of: FluxOf, bucket_prefix: str
) -> list[dict[str, Any]]:
    named = {condition.partition(":")[2] for one in cells for condition in conditions_of(one.cell.query)}
    asked = [_query_variable(name, flux_of(query)) for name, query in CHOICES.items() if f"${name}" in named]
    prefix = {"text": bucket_prefix, "value": bucket_prefix, "selected": True}
    return [
        {
            "name": "datasource",
            "label": "Data source",
            "type": "datasource",
            "query": "influxdb",
            "regex": "",
            "refresh": 1,
            "hide": 0,
            "multi": False,
            "includeAll": False,
            "options": [],
        },
        {
            "name": "bucket_prefix",
            "label": "Buckets begin with",
            "type": "constant",
            "query": bucket_prefix,
            "hide": 2,
            "skipUrlSync": True,
            "current": prefix,
            "options": [prefix],
        },
        *asked,
        *(_query_variable(one.name, flux_of(one.values), is_repeat=True) for one in repeats.values()),
    ]


def _query_variable(name: str, flux: str, *, is_repeat: bool = False) -> dict[str, Any]:
    everything = {"current": {"text": ["All"], "value": ["$__all"], "selected": True}} if is_repeat else {}
    return {
        "name": name,
        "label": name.capitalize(),
        "type": "query",
        "datasource": DATA_SOURCE,
        "query": flux,
        "definition": flux,
        "refresh": 2,
        "regex": "",
        "sort": 1,
        "hide": 2 if is_repeat else 0,
        "multi": is_repeat,
        "includeAll": is_repeat,
        "options": [],
        **everything,
    }


def _panel(
    number: int, placed: Placed, repeats: Mapping[tuple[str, TagValues], Repeat], flux_of: FluxOf
) -> dict[str, Any]:
    cell = placed.cell
    place = {"x": 2 * placed.x, "y": _TALL * placed.y, "w": 2 * cell.width, "h": _TALL * cell.height}
    common: dict[str, Any] = {"id": number, "title": cell.title, "description": cell.note, "gridPos": place}
    if cell.look is Look.HEADING:
        return {
            "id": number,
            "title": cell.title,
            "gridPos": place | {"h": 1},
            "type": "row",
            "collapsed": False,
            "panels": [],
        }
    repeat = repeats.get(key) if (key := _repeat_key(cell)) is not None else None
    query = cell.query
    if repeat is not None and isinstance(query, Lines):
        chosen = f"{cell.repeat}:${repeat.name}"
        query = replace(query, selected=replace(query.selected, where=(*query.selected.where, chosen)))
        common |= {"title": f"{cell.title}: ${{{repeat.name}}}", "repeat": repeat.name}
        common |= {"repeatDirection": "h", "maxPerRow": 2}
    try:
        assert query is not None
        target = {"refId": "A", "datasource": DATA_SOURCE, "query": flux_of(query)}
    except OpsWatchError as error:
        return {**common, "type": "text", "options": {"mode": "code", "content": plain(error.message, 300)}}
    return {**common, "datasource": DATA_SOURCE, "interval": _SHORTEST, "targets": [target], **look_of(cell)}
