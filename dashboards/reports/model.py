"""A report as figures: what every form of it, page, JSON, CSV, is made from. Pure.

Nothing that is not known is 0: it is None, in the figures and in what is compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from dashboards.reports.period import Span
from dashboards.reports.states import Outage, StateSeconds
from dashboards.uptime import Slot


class ReportName(Enum):
    """The reports that there are, by the name in the address."""

    TREND = "trend"
    AVAILABILITY = "availability"


TITLES: Mapping[ReportName, str] = {ReportName.TREND: "Trend", ReportName.AVAILABILITY: "Availability"}


@dataclass(frozen=True, slots=True)
class Change:
    """A figure and the same of the period before."""

    now: float | None
    before: float | None

    @property
    def difference(self) -> float | None:
        """In the figure's unit."""
        return None if self.now is None or self.before is None else self.now - self.before

    @property
    def percent(self) -> float | None:
        """Of what it was before; None also where that was 0."""
        if self.now is None or not self.before:
            return None
        return 100 * (self.now - self.before) / abs(self.before)


@dataclass(frozen=True, slots=True)
class Latency:
    """Of all attempts of a period, in ms. `about`: percentiles come from buckets, good to a quarter of the value."""

    attempts: int = 0
    low: float | None = None
    mean: float | None = None
    p95: float | None = None
    p99: float | None = None
    high: float | None = None
    about: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """What one period was like for a probe or a service; outages oldest first.

    `error_rate` is the share of attempts that failed, of those that could be made, from 0 to 1; None where there was
    none. An attempt may fail without anything being down: a state is confirmed by several.
    """

    seconds: StateSeconds
    outages: tuple[Outage, ...]
    latency: Latency
    error_rate: float | None = None

    @property
    def longest_s(self) -> float | None:
        """How long the longest outage lasted; None where there was none."""
        return max((outage.down_s for outage in self.outages), default=None)

    @property
    def is_known(self) -> bool:
        """Whether anything at all is known of the period."""
        return self.seconds.known_s > 0


@dataclass(frozen=True, slots=True)
class Curve:
    """A figure over a period and over the one before: a value per window [starts[i], starts[i + 1]), in ns.

    `starts` has one more than there are windows: the end of the last. `peaks` are the highest in each window, where
    they are asked for.
    """

    starts: tuple[int, ...]
    now: tuple[float | None, ...]
    before: tuple[float | None, ...]
    peaks: tuple[float | None, ...] = ()


@dataclass(frozen=True, slots=True)
class ProbeFigures:
    """`watched`: it is still configured."""

    name: str
    watched: bool
    now: Standing
    before: Standing
    slots: tuple[Slot, ...]
    latency: Curve
    failed: Curve  # in percent of attempts


@dataclass(frozen=True, slots=True)
class ServiceFigures:
    name: str
    watched: bool
    now: Standing
    before: Standing
    slots: tuple[Slot, ...]
    probes: tuple[ProbeFigures, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """What one period was like for a figure of the host.

    `peak_start` to `peak_stop` (ns) is the window of the highest value; `coverage` the share of the period that there
    are samples of.
    """

    mean: float | None = None
    peak: float | None = None
    peak_start: int | None = None
    peak_stop: int | None = None
    coverage: float = 0.0


@dataclass(frozen=True, slots=True)
class HostFigures:
    """`name` is stable, `subject` the mount or nothing; `maximum` the top of the axis, where it has one."""

    name: str
    title: str
    subject: str
    unit: str
    now: Reading
    before: Reading
    curve: Curve
    maximum: float | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """`levels` are those that were read, finest first; `host` is empty where the report does not speak of it."""

    name: ReportName
    span: Span
    services: tuple[ServiceFigures, ...] = ()
    host: tuple[HostFigures, ...] = ()
    host_name: str = ""
    levels: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return TITLES[self.name]
