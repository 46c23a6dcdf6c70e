"""Panels as cells of somebody else's dashboards: what each asks, how large it is, what its numbers are. Pure.

What our own pages compute (the grid of services, the strip of a probe, the facts of the status page) becomes a table of
the newest values.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from dashboards.panels import (
    BarsPanel,
    ChartPanel,
    Dashboard,
    DashboardConfig,
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
from telemetry.conditions import parse_conditions
from telemetry.panel_questions import Asks, PanelQuestion
from telemetry.rollup import rolled_up
from telemetry.schema import Registry
from telemetry.series import EVERYTHING, Equals, Function

COLUMNS = 12  # of the grid; a cell is so many wide
_STAT, _CHART, _TABLE = (3, 2), (6, 4), (12, 4)  # width, height
VARIABLES = {"$host": "host", "$service": "service"}  # each by the tag whose values it has


@dataclass(frozen=True, slots=True)
class CellView:
    """One cell. `maximum` is the top of its axis, where it has one."""

    title: str
    kind: Asks
    question: PanelQuestion
    place: tuple[int, int, int, int]  # x, y, width, height
    unit: Unit = "count"
    thresholds: Thresholds | None = None
    is_stacked: bool = False
    maximum: float | None = None
    label: tuple[str, ...] = ("field",)


@dataclass(frozen=True, slots=True)
class BoardView:
    """A dashboard: `name` is that of its page, with `-history` behind it where it looks at hours; `range` as `1h`."""

    name: str
    title: str
    range: str
    cells: tuple[CellView, ...]


def board_views(config: DashboardConfig, registry: Registry) -> tuple[BoardView, ...]:
    """Every page, and for each with charts that levels can answer its history, months of it."""
    boards = [_board(page, registry) for page in config.dashboards]
    return (*boards, *[history for board in boards if (history := _history(board)).cells])


def short_name(name: str, of: str, length: int) -> str:
    """A name of at most so many characters for what is called `of`; where it does not hold all of that, with a hash."""
    if name.endswith(of) and len(name) <= length:
        return name
    return f"{name[: length - 9].rstrip('-')}-{sha256(of.encode()).hexdigest()[:8]}"


def _board(page: Dashboard, registry: Registry) -> BoardView:
    cells = [cell for section in page.sections for panel in section.panels for cell in _cells(panel, registry)]
    return BoardView(page.name, page.title, page.range, tuple(_placed(cells)))


def _history(board: BoardView) -> BoardView:
    charts = [
        replace(cell, kind=Asks.HISTORY, question=replace(cell.question, asks=Asks.HISTORY))
        for cell in board.cells
        if cell.kind is Asks.WINDOWS and rolled_up(cell.question.measurement)
    ]
    return BoardView(f"{board.name}-history", f"{board.title}, history", "90d", tuple(_placed(charts)))


def _placed(cells: Sequence[CellView]) -> Iterator[CellView]:
    """One after the other, in rows; each row as high as its highest cell."""
    x = y = height = 0
    for cell in cells:
        *_, width, own = cell.place
        if x + width > COLUMNS:
            x, y, height = 0, y + height, 0
        yield replace(cell, place=(x, y, width, own))
        x, height = x + width, max(height, own)


def _cells(panel: Panel, registry: Registry) -> Iterator[CellView]:
    match panel:
        case StatPanel():
            question = _question(Asks.NUMBER, panel.query, registry, combine=panel.combine)
            yield CellView(panel.title, Asks.NUMBER, question, (0, 0, *_STAT), panel.unit, panel.thresholds)
        case ChartPanel():
            question = _question(Asks.WINDOWS, panel.query, registry)
            yield CellView(
                panel.title,
                Asks.WINDOWS,
                question,
                (0, 0, *_CHART),
                panel.unit,
                None,
                panel.stacked,
                panel.maximum,
                panel.label,
            )
        case BarsPanel():
            question = _question(Asks.NEWEST, panel.query, registry, rows=(panel.label,))
            yield CellView(panel.title, Asks.NEWEST, question, (0, 0, *_TABLE), "count", panel.thresholds)
        case ServicesPanel() | ProbesPanel():
            yield _probes(panel, registry)
        case FactsPanel():
            yield from _facts(registry)
        case QuarantinePanel():
            yield _number("Refused by the store", "opswatch_spool", "refused_points", registry)


def _question(
    asks: Asks, query: Query, registry: Registry, *, combine: str = "max", rows: tuple[str, ...] = ()
) -> PanelQuestion:
    measurement = registry.get(query.measurement)
    assert measurement is not None  # the configuration was checked
    where = parse_conditions(query.where, measurement)
    return PanelQuestion(asks, measurement, query.fields, where, query.fn, combine, rows)


def _probes(panel: ServicesPanel | ProbesPanel, registry: Registry) -> CellView:
    probe = registry.get("probe")
    assert probe is not None
    where = Equals("service", "$service") if isinstance(panel, ProbesPanel) else EVERYTHING
    fields, rows = ("state", "outcome", "streak", "latency_ms", "code", "cert_days_left"), ("service", "probe")
    question = PanelQuestion(Asks.NEWEST, probe, fields, where, Function.LAST, rows=rows)
    title = f"{panel.title} (state: 0 down, 1 degraded, 2 up, 3 unknown)"
    return CellView(title, Asks.NEWEST, question, (0, 0, *_TABLE))


def _facts(registry: Registry) -> Iterator[CellView]:
    yield _number("Waiting in the spool", "opswatch_spool", "pending_batches", registry)
    yield _number("Dropped points", "opswatch_spool", "dropped_points", registry)
    yield _number("Levels behind by", "opswatch_rollup", "lag_s", registry, "s")


def _number(title: str, measurement: str, field: str, registry: Registry, unit: Unit = "count") -> CellView:
    known = registry.get(measurement)
    assert known is not None
    question = PanelQuestion(Asks.NUMBER, known, (field,), Equals("host", "$host"), Function.LAST)
    return CellView(title, Asks.NUMBER, question, (0, 0, *_STAT), unit)
