"""What the cells of a dashboard ask, as data: of our pages' panels, for InfluxDB's own UI and for Grafana. Pure.

`dashboards/` makes them of its panels, `influx/` writes each as Flux. The range and the length of a window are those
of whoever looks; a condition whose value is one of the dashboard's variables, as `$host`, follows what is chosen there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from telemetry.series import Function


@dataclass(frozen=True, slots=True)
class Selected:
    """Fields of one measurement; `where` as `telemetry/conditions.py` reads it, all must hold."""

    measurement: str
    fields: tuple[str, ...]
    where: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Lines:
    """A line per series: a value per window. `label` names a line: tags, or the word field, which is in `_field` then.

    With `of_history` from the levels, of which there are months and years, instead of the samples.
    """

    selected: Selected
    function: Function
    label: tuple[str, ...] = ("field",)
    of_history: bool = False


@dataclass(frozen=True, slots=True)
class OneLine:
    """All series as one line: in each window their `combine`, which is `max`, `sum` or `mean`."""

    selected: Selected
    function: Function
    combine: str


@dataclass(frozen=True, slots=True)
class Shares:
    """The newest values as rows: the tag `label`, the first field (percent), and the two more that it is a share of.

    With `as_text` these two (bytes) are one text, `space`.
    """

    selected: Selected
    label: str
    as_text: bool = False


@dataclass(frozen=True, slots=True)
class Standings:
    """How probes stand: a row for each of `where`; with `by_service` the worst of each service alone, worst first."""

    where: tuple[str, ...] = ()
    by_service: bool = False


@dataclass(frozen=True, slots=True)
class NotUp:
    """How many services are not up: one number."""


@dataclass(frozen=True, slots=True)
class Availability:
    """Of each value of a tag of the probes: the share of known time that it was up or degraded, and seconds down."""

    by: str
    where: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Attempts:
    """The newest attempts of each probe, at most `count`, newest first."""

    count: int
    where: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TagValues:
    """What values a tag has, for a choice; `measurement` empty looks at all that are kept as metrics."""

    tag: str
    measurement: str = ""
    where: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MeasurementNames:
    """Which measurements there are, for a choice."""


PanelQuery = Lines | OneLine | Shares | Standings | NotUp | Availability | Attempts | TagValues | MeasurementNames

# Writes a query as Flux. Raises InvalidQuery or NotFound for one that no page could answer either, and NothingToAsk.
FluxOf = Callable[[PanelQuery], str]


def conditions_of(query: PanelQuery | None) -> tuple[str, ...]:
    """The conditions of a query, as they are written."""
    match query:
        case Lines() | OneLine() | Shares():
            return query.selected.where
        case Standings() | Availability() | Attempts() | TagValues():
            return query.where
    return ()
