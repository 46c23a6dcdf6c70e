"""What the templates are given: values ready to be shown, nothing left to compute. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from dashboards.time_range import TimeRange


@dataclass(frozen=True, slots=True)
class SlotView:
    """One segment of a strip of states; `known` is how much of it is known, in tenths."""

    state: str
    known: int
    label: str


@dataclass(frozen=True, slots=True)
class SparkView:
    """The `points` of each unbroken run, for a view box of 100 x 24; `label` says in words what is drawn."""

    runs: tuple[str, ...]
    label: str


@dataclass(frozen=True, slots=True)
class ServiceCard:
    name: str
    state: str
    since: datetime | None
    message: str
    latency: str
    spark: SparkView
    slots: tuple[SlotView, ...]
    uptime: str
    unknown: str  # empty when the whole period is known
    certificate: str  # empty when it is far from its end
    first_due: datetime | None  # when the first attempt comes; None once there was one
    maintenance: bool


@dataclass(frozen=True, slots=True)
class ServicesView:
    kind = "services"
    title: str
    cards: tuple[ServiceCard, ...]


@dataclass(frozen=True, slots=True)
class StatView:
    kind = "stat"
    title: str
    value: str
    level: str  # "", "warning", "critical"
    spark: SparkView
    link: str | None


@dataclass(frozen=True, slots=True)
class ChartRow:
    """A line of the table that says the same as the chart."""

    label: str
    now: str
    low: str
    mean: str
    high: str


@dataclass(frozen=True, slots=True)
class LimitView:
    """A threshold, drawn as a line: `severity` warning or critical."""

    value: float
    severity: str


@dataclass(frozen=True, slots=True)
class MarkView:
    """An incident, drawn as a band; `start` and `stop` in ms since 1970, `number` leads to its page."""

    start: int
    stop: int
    severity: str
    title: str
    number: int


@dataclass(frozen=True, slots=True)
class ChartView:
    """`source` is where the browser fetches the series, without range; `labels` name them by tags or `field`."""

    kind = "chart"
    identifier: str
    title: str
    unit: str
    source: str
    labels: tuple[str, ...]
    stacked: bool
    maximum: float | None
    step_ms: int
    rows: tuple[ChartRow, ...]
    limits: tuple[LimitView, ...] = ()
    marks: tuple[MarkView, ...] = ()


@dataclass(frozen=True, slots=True)
class BarView:
    label: str
    percent: float
    text: str
    level: str


@dataclass(frozen=True, slots=True)
class BarsView:
    kind = "bars"
    title: str
    bars: tuple[BarView, ...]


@dataclass(frozen=True, slots=True)
class AttemptRow:
    at: datetime
    outcome: str
    state: str
    latency: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class ProbeView:
    name: str
    kind: str
    target: str
    interval: str
    state: str
    since: datetime | None
    message: str
    latency: str
    slots: tuple[SlotView, ...]
    uptime_24h: str
    unknown_24h: str
    uptime_7d: str
    unknown_7d: str
    certificate: str
    first_due: datetime | None
    attempts: tuple[AttemptRow, ...]


@dataclass(frozen=True, slots=True)
class ProbesView:
    kind = "probes"
    title: str
    depends_on: tuple[tuple[str, str], ...]  # name, state
    probes: tuple[ProbeView, ...]


@dataclass(frozen=True, slots=True)
class Fact:
    subject: str
    value: str
    level: str = ""


@dataclass(frozen=True, slots=True)
class FactsView:
    kind = "facts"
    title: str
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class RefusedRow:
    id: str
    at: datetime | None
    source: str
    what: str
    reason: str


@dataclass(frozen=True, slots=True)
class QuarantineView:
    """`files` are those that were set aside: path, size and when; `unkept` says how many could not be kept."""

    kind = "quarantine"
    title: str
    total: str
    rows: tuple[RefusedRow, ...]
    files: tuple[tuple[str, str, datetime], ...]
    unkept: str = ""


PanelView = ServicesView | StatView | ChartView | BarsView | ProbesView | FactsView | QuarantineView


@dataclass(frozen=True, slots=True)
class SectionView:
    title: str
    panels: tuple[PanelView, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """How many services are in which state."""

    total: int
    up: int
    degraded: int
    down: int
    unknown: int

    @property
    def worst(self) -> str:
        return next(
            (state for state in ("down", "unknown", "degraded") if getattr(self, state)), "up" if self.total else "none"
        )


@dataclass(frozen=True, slots=True)
class PageView:
    """One page. `state` is the subject's (a service's), or empty."""

    name: str
    title: str
    state: str
    sections: tuple[SectionView, ...]
    summary: Summary
    range: TimeRange
    now: datetime
    first_sample_due: datetime | None  # when there is nothing to show yet
    troubles: tuple[str, ...]
