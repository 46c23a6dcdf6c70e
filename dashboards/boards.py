"""Ask a reader for everything that a page shows, and make its view. Shell."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from dashboards.charts import bars_view, chart_view, stat_view, without_catching_up
from dashboards.lenient_reader import LenientReader
from dashboards.panels import (
    BarsPanel,
    ChartPanel,
    Dashboard,
    FactsPanel,
    Panel,
    ProbesPanel,
    QuarantinePanel,
    Query,
    Section,
    ServicesPanel,
    StatPanel,
)
from dashboards.quarantine_view import quarantine_view
from dashboards.service_views import probes_view, services_view
from dashboards.time_range import TimeRange, step_for
from dashboards.views import ChartView, Fact, FactsView, MarkView, PageView, PanelView, SectionView, Summary
from telemetry.conditions import parse_conditions
from telemetry.errors import NotFound, OpsWatchError
from telemetry.health import ServiceStatus
from telemetry.ports import SeriesReader
from telemetry.quarantine import QuarantinePage, QuarantineQuery
from telemetry.schema import Registry
from telemetry.series import Function, SeriesQuery, SeriesResult, Window
from telemetry.times import from_datetime

_SPARK_POINTS = 60
_CHART_POINTS = 300
# What one window has gathered: of one that is not over yet they say too little.
_GATHERED = frozenset({Function.INCREASE, Function.RATE, Function.SUM, Function.COUNT})


@dataclass(frozen=True, slots=True)
class BoardContext:
    """What a page is made from. `intervals` are how often a measurement is sampled; `subject` a service's name."""

    reader: SeriesReader
    registry: Registry
    services: tuple[ServiceStatus, ...]
    facts: tuple[Fact, ...]
    range: TimeRange
    now: datetime
    zone: ZoneInfo
    host: str
    host_interval: timedelta
    first_sample_due: datetime | None
    subject: str = ""
    quarantine: Callable[[QuarantineQuery], Awaitable[QuarantinePage]] | None = None
    marks: Callable[[str], tuple[MarkView, ...]] = lambda _: ()  # incidents on the charts of a measurement

    @property
    def variables(self) -> Mapping[str, str]:
        return {"$host": self.host, "$service": self.subject}

    def interval(self, measurement: str) -> timedelta:
        """How far apart two samples of this measurement are, at most."""
        if measurement != "probe":
            return self.host_interval
        chosen = [one for one in self.services if self.subject in {"", one.name}]
        return max((probe.interval for one in chosen for probe in one.probes), default=self.host_interval)


async def build_page(dashboard: Dashboard, context: BoardContext) -> PageView:
    """The view of a page; a panel whose query fails is empty, and the page says why.

    What states the services are in is shown without the store, too: only their history is missing then.
    """
    troubles: list[str] = []
    sections = []
    for part, section in enumerate(dashboard.sections):
        sections.append(await _section(f"{dashboard.name}-{part}", section, context, troubles))
    subject = next((one for one in context.services if one.name == context.subject), None)
    return PageView(
        name=dashboard.name,
        title=context.subject or dashboard.title,
        state=subject.state.word if subject else "",
        sections=tuple(sections),
        summary=summarise(context.services),
        range=context.range,
        now=context.now,
        first_sample_due=context.first_sample_due,
        troubles=tuple(dict.fromkeys(troubles)),
    )


def summarise(services: tuple[ServiceStatus, ...]) -> Summary:
    """How many services are in which state."""
    counts = Counter(service.state.word for service in services)
    return Summary(len(services), counts["up"], counts["degraded"], counts["down"], counts["unknown"])


async def _section(identifier: str, section: Section, context: BoardContext, troubles: list[str]) -> SectionView:
    async def build(number: int, panel: Panel) -> Sequence[PanelView]:
        try:
            return await _panel(
                f"{identifier}-{number}", panel, context, LenientReader(context.reader, troubles.append)
            )
        except NotFound:
            raise
        except OpsWatchError as error:
            troubles.append(error.message)
            return ()

    built = await asyncio.gather(*(build(number, panel) for number, panel in enumerate(section.panels)))
    return SectionView(section.title, tuple(view for views in built for view in views))


async def _panel(identifier: str, panel: Panel, context: BoardContext, lenient: LenientReader) -> Sequence[PanelView]:
    match panel:
        case ServicesPanel():
            return [await services_view(panel, lenient, context.services, context.now, context.zone)]
        case ProbesPanel():
            services, subject = context.services, context.subject
            return [await probes_view(panel, lenient, services, subject, context.now, context.zone)]
        case FactsPanel():
            return [FactsView(panel.title, context.facts)]
        case QuarantinePanel() if context.quarantine is not None:
            return [quarantine_view(panel, await context.quarantine(QuarantineQuery(panel.items)))]
        case StatPanel() | BarsPanel() | ChartPanel():
            return await _series_panel(identifier, panel, context)
        case _:
            return ()


async def _series_panel(
    identifier: str, panel: StatPanel | BarsPanel | ChartPanel, context: BoardContext
) -> Sequence[PanelView]:
    match panel:
        case StatPanel():
            return [stat_view(panel, await _ask(panel.query, context, _SPARK_POINTS), panel.link)]
        case BarsPanel():
            return [bars_view(panel, await _ask(panel.query, context, _SPARK_POINTS))]
        case ChartPanel():
            charts = _charts(identifier, panel, await _ask(panel.query, context, _CHART_POINTS), context)
            marks = context.marks(panel.query.measurement)
            return [replace(chart, marks=marks) for chart in charts]


def _charts(identifier: str, panel: ChartPanel, result: SeriesResult, context: BoardContext) -> Sequence[ChartView]:
    if panel.optional and not any(value for one in result.series for value in one.values):
        return ()
    where = [_bound(condition, context.variables) for condition in panel.query.where]
    values = sorted({dict(one.series.tags).get(panel.repeat, "") for one in result.series}) if panel.repeat else []
    if len(values) <= 1:
        return [chart_view(identifier, panel, result, where)]
    views = []
    for number, value in enumerate(values):
        series = tuple(one for one in result.series if dict(one.series.tags).get(panel.repeat or "") == value)
        titled = panel.model_copy(update={"title": f"{panel.title}: {value}"})
        only = [*where, f"{panel.repeat}:{value}"]
        views.append(chart_view(f"{identifier}-{number}", titled, replace(result, series=series), only))
    return views


async def _ask(query: Query, context: BoardContext, points: int) -> SeriesResult:
    measurement = context.registry.get(query.measurement)
    if measurement is None:
        raise NotFound(f"there is no measurement {query.measurement!r}")
    where = parse_conditions(query.where, measurement, context.variables)
    length = context.range.stop - context.range.start
    step = step_for(length * _CHART_POINTS // points, context.interval(query.measurement))
    stop = _closed(context, step) if query.fn in _GATHERED else context.range.stop
    asked = SeriesQuery(measurement.name, query.fields, context.range.start, stop, Window(step, (query.fn,)), where)
    result = await context.reader.read(asked)
    return without_catching_up(result) if query.fn is Function.RATE else result


def _closed(context: BoardContext, step: int) -> int:
    """The end of the range without the window that is still open."""
    now = from_datetime(context.now)
    return max(context.range.start + 1, min(context.range.stop, now - now % step))


def _bound(condition: str, variables: Mapping[str, str]) -> str:
    head, colon, value = condition.partition(":")
    return f"{head}{colon}{variables.get(value, value)}"
