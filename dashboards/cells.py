"""A page as cells on a grid, for dashboards in other programs than ours: what each shows, asks, and where it is. Pure.

What our pages draw by themselves (grids of services, facts, the quarantine) becomes tables, numbers and charts here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from dashboards.panels import (
    BarsPanel,
    ChartPanel,
    Dashboard,
    FactsPanel,
    Panel,
    ProbesPanel,
    QuarantinePanel,
    Query,
    ServicesPanel,
    StatPanel,
    Thresholds,
    Unit,
)
from telemetry.panel_queries import (
    Attempts,
    Availability,
    Lines,
    NotUp,
    OneLine,
    PanelQuery,
    Selected,
    Shares,
    Standings,
)
from telemetry.rollup import is_answered, rolled_up
from telemetry.schema import Registry
from telemetry.series import Function

_Own = TypeVar("_Own", StatPanel, ChartPanel)
COLUMNS = 12
_MAX_TITLE = 100
_HERE = ("service:$service",)


class Look(StrEnum):
    """What a cell looks like."""

    HEADING = "heading"
    NUMBER = "number"
    LINES = "lines"
    SHARES = "shares"
    TABLE = "table"


@dataclass(frozen=True, slots=True)
class Column:
    """One of a table, by its name in the answer."""

    name: str
    title: str
    unit: Unit | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell; `query` is None where it shows its title alone, and `note` says in words what is asked.

    `repeat` is a tag: one chart for each of its values, where whoever shows it can do that.
    """

    look: Look
    title: str
    width: int
    height: int
    query: PanelQuery | None = None
    unit: Unit = "count"
    thresholds: Thresholds | None = None
    is_stacked: bool = False
    maximum: float | None = None
    columns: tuple[Column, ...] = ()
    repeat: str | None = None

    @property
    def note(self) -> str:
        return "" if self.query is None else _in_words(self.query)


@dataclass(frozen=True, slots=True)
class Placed:
    """A cell where it is: `x` from 0 to 11, `y` from the top."""

    cell: Cell
    x: int
    y: int


def cells_of(dashboard: Dashboard, registry: Registry) -> tuple[Placed, ...]:
    """A page, section by section."""
    cells: list[list[Cell]] = []
    for section in dashboard.sections:
        heading = [_heading(section.title)] if section.title else []
        cells.append([*heading, *(cell for panel in section.panels for cell in _cells(panel, registry))])
    return placed(cells)


def history_of(dashboard: Dashboard, registry: Registry) -> tuple[Placed, ...]:
    """The charts of a page that the levels can answer, over months and years; nothing where there are none."""
    cells: list[list[Cell]] = []
    for section in dashboard.sections:
        charts = [
            cell
            for panel in section.panels
            if isinstance(panel, ChartPanel) and _in_levels(panel.query, registry)
            for cell in _chart(panel, of_history=True)
        ]
        if charts:
            cells.append([_heading(section.title), *charts] if section.title else charts)
    return placed(cells)


def placed(sections: Iterable[Sequence[Cell]]) -> tuple[Placed, ...]:
    """The cells side by side and row by row: a section begins a row, and no two share a place."""
    found: list[Placed] = []
    y = 0
    for section in sections:
        x = height = 0
        for cell in section:
            if x + cell.width > COLUMNS:
                x, y, height = 0, y + height, 0
            found.append(Placed(cell, x, y))
            x, height = x + cell.width, max(height, cell.height)
        y += height
    return tuple(found)


def plain(text: str, length: int = _MAX_TITLE) -> str:
    """A text on one line, without control characters, of at most `length`."""
    line = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    return line if len(line) <= length else line[: length - 1] + "…"


def _heading(title: str) -> Cell:
    return Cell(Look.HEADING, plain(title), COLUMNS, 1)


def _cells(panel: Panel, registry: Registry) -> Iterator[Cell]:
    match panel:
        case StatPanel():
            yield _number(panel)
        case ChartPanel():
            yield from _chart(panel)
        case BarsPanel():
            yield _shares(panel)
        case ServicesPanel():
            yield from _services(panel)
        case ProbesPanel():
            yield from _probes(panel)
        case FactsPanel():
            yield from map(_number, _known(_FACTS, registry))
        case QuarantinePanel():
            for chart in _known(_REFUSED, registry):
                yield from _chart(chart)


def _selected(query: Query) -> Selected:
    return Selected(query.measurement, query.fields, query.where)


def _number(panel: StatPanel) -> Cell:
    asked = OneLine(_selected(panel.query), panel.query.fn, panel.combine)
    return Cell(Look.NUMBER, plain(panel.title), 2, 2, asked, panel.unit, panel.thresholds)


def _chart(panel: ChartPanel, *, of_history: bool = False) -> Iterator[Cell]:
    asked = Lines(_selected(panel.query), panel.query.fn, panel.label, of_history)
    yield Cell(
        Look.LINES,
        plain(panel.title),
        6,
        4,
        asked,
        panel.unit,
        is_stacked=panel.stacked,
        maximum=panel.maximum,
        repeat=panel.repeat,
    )


def _shares(panel: BarsPanel) -> Cell:
    fields = tuple(dict.fromkeys((panel.query.fields[0], panel.used, panel.total)))
    asked = Shares(Selected(panel.query.measurement, fields, panel.query.where), panel.label)
    columns = (
        Column(panel.label, panel.label),
        Column(fields[0], "used", "percent"),
        *(Column(name, title, "bytes") for name, title in ((panel.used, "used bytes"), (panel.total, "of"))),
    )
    return Cell(Look.SHARES, plain(panel.title), 6, 4, asked, "percent", panel.thresholds, columns=columns)


_STANDING = (
    Column("state", "state"),
    Column("outcome", "outcome"),
    Column("latency_ms", "latency", "ms"),
    Column("cert_days_left", "certificate ends in", "days"),
    Column("message", "message"),
    Column("last_attempt", "last attempt"),
)


def _services(panel: ServicesPanel) -> Iterator[Cell]:
    columns = (Column("service", "service"), *_STANDING[:1], Column("probe", "probe"), *_STANDING[1:])
    yield Cell(Look.NUMBER, "Services that are not up", 2, 4, NotUp(), "count", Thresholds(warning=1, critical=1))
    yield Cell(Look.TABLE, plain(panel.title), 10, 4, Standings(by_service=True), columns=columns)
    yield _availability("service", ())


def _probes(panel: ProbesPanel) -> Iterator[Cell]:
    columns = (Column("probe", "probe"), Column("kind", "kind"), *_STANDING)
    attempts = (
        Column("time", "time"),
        Column("probe", "probe"),
        Column("outcome", "outcome"),
        Column("latency_ms", "latency", "ms"),
        Column("code", "code"),
        Column("message", "message"),
    )
    yield Cell(Look.TABLE, plain(panel.title), COLUMNS, 3, Standings(_HERE), columns=columns)
    yield _availability("probe", _HERE)
    yield Cell(Look.TABLE, "Attempts", 6, 4, Attempts(panel.attempts, _HERE), columns=attempts)


def _availability(by: str, where: tuple[str, ...]) -> Cell:
    columns = (
        Column(by, by),
        Column("availability_percent", "available", "percent"),
        Column("down_s", "down", "s"),
        Column("degraded_s", "degraded", "s"),
        Column("known_s", "of", "s"),
    )
    return Cell(Look.TABLE, f"Availability by {by}", 6, 4, Availability(by, where), columns=columns)


def _own(measurement: str, *fields: str, fn: Function = Function.MEAN) -> Query:
    return Query(measurement=measurement, fields=fields, where=("host:$host",), fn=fn)


# What OpsWatch writes of itself, in place of the facts that it alone knows.
_FACTS = (
    StatPanel(title="Memory", kind="stat", unit="bytes", query=_own("opswatch_process", "rss_bytes")),
    StatPanel(title="CPU of one core", kind="stat", unit="percent", query=_own("opswatch_process", "cpu_percent")),
    StatPanel(
        title="Waiting in the spool", kind="stat", query=_own("opswatch_spool", "pending_batches", fn=Function.MAX)
    ),
    StatPanel(title="Waiting since", kind="stat", unit="s", query=_own("opswatch_spool", "oldest_s", fn=Function.MAX)),
    StatPanel(title="Longest query", kind="stat", unit="ms", query=_own("opswatch_store", "read_ms", fn=Function.MAX)),
    StatPanel(
        title="Levels are behind by", kind="stat", unit="s", query=_own("opswatch_rollup", "lag_s", fn=Function.MAX)
    ),
)
_REFUSED = (
    ChartPanel(
        title="Refused by the store, and lost to the caps",
        kind="chart",
        query=_own("opswatch_spool", "refused_points", "dropped_points", fn=Function.INCREASE),
    ),
    ChartPanel(
        title="Refused at the door",
        kind="chart",
        query=_own("opswatch_collector", "points_rejected", fn=Function.INCREASE),
    ),
)


def _known(panels: Sequence[_Own], registry: Registry) -> Iterator[_Own]:
    for panel in panels:
        measurement = registry.get(panel.query.measurement)
        if measurement is not None and all(measurement.field(name) is not None for name in panel.query.fields):
            yield panel


def _in_levels(query: Query, registry: Registry) -> bool:
    measurement = registry.get(query.measurement)
    if measurement is None or not rolled_up(measurement):
        return False
    fields = [measurement.field(name) for name in query.fields]
    return any(one is not None and is_answered(one.kind, (query.fn,)) for one in fields)


def _in_words(query: PanelQuery) -> str:
    match query:
        case Lines(selected=asked, function=function) | OneLine(selected=asked, function=function):
            return f"{asked.measurement}: {function} of {', '.join(asked.fields)}"
        case Shares(selected=asked):
            return f"{asked.measurement}: the newest of {', '.join(asked.fields)}"
        case Availability():
            return "Up or degraded, of the time of which that is known; summed over probes"
        case Attempts(count=count):
            return f"The newest {count} of each probe"
    return "By the newest attempt of each probe in the range"
