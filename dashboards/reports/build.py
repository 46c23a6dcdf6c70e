"""Ask a reader for everything that a report needs, and compute it. Shell."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from dashboards.reports.host import MEASURES, HostMeasure, host_figures
from dashboards.reports.model import HostFigures, Report, ReportName, ServiceFigures
from dashboards.reports.period import Period, Span
from dashboards.reports.probes import (
    LATENCY,
    LATENCY_FUNCTIONS,
    QUANTILES,
    STATE_FIELDS,
    SUCCESS,
    SUCCESS_FUNCTIONS,
    TAGS,
    ProbeAnswers,
    curve_length,
    service_figures,
)
from dashboards.reports.windows import parts
from telemetry.health import ServiceStatus
from telemetry.ports import SeriesReader
from telemetry.rollup import LEVELS, RAW
from telemetry.schema import Measurement, Registry
from telemetry.series import (
    Function,
    GroupBy,
    OneOf,
    Predicate,
    Quantile,
    SeriesQuery,
    SeriesResult,
    Shape,
    ValuesOf,
    ValuesQuery,
    Window,
)

# Of one answer: what a few queries hold in memory at a time, whatever the number of services.
_VALUES_AT_ONCE = 300_000
_PROBES_OF_A_SERVICE = 3


@dataclass(frozen=True, slots=True)
class ReportContext:
    """What a report is made from. `host` is the name of this host in tags."""

    reader: SeriesReader
    registry: Registry
    services: tuple[ServiceStatus, ...]
    host: str


@dataclass(slots=True)
class _Asking:
    """One report's questions; what they were answered from and what the reader warned of."""

    reader: SeriesReader
    levels: set[str] = field(default_factory=set)
    warnings: dict[str, None] = field(default_factory=dict)

    async def read(self, query: SeriesQuery) -> SeriesResult:
        result = await self.reader.read(query)
        if result.series:
            self.levels |= {segment.level for segment in result.segments} or {result.level}
            self.warnings |= dict.fromkeys(result.warnings)
        return result


async def build_report(name: ReportName, span: Span, context: ReportContext) -> Report:
    """The report. Raises as the reader."""
    asking = _Asking(context.reader)
    services: list[ServiceFigures] = []
    host: list[HostFigures] = []
    measurement = context.registry.get("probe")
    if measurement is not None:
        names = await _service_names(span, context)
        for some in _portions(span, names):
            services += await _services(span, context, asking, measurement, some)
    if name is ReportName.TREND:
        for measure in MEASURES:
            host += await _host(span, context, asking, measure)
    return Report(
        name=name,
        span=span,
        services=tuple(services),
        host=tuple(host),
        host_name=context.host,
        levels=tuple(level for level in (RAW, *(one.name for one in LEVELS)) if level in asking.levels),
        warnings=tuple(asking.warnings),
    )


async def _service_names(span: Span, context: ReportContext) -> list[str]:
    """Those that are configured, in their order, and then those that there are samples of."""
    known = [service.name for service in context.services]
    asked = ValuesQuery(ValuesOf.TAG, span.previous.start, span.period.stop, "probe", "service")
    return list(dict.fromkeys((*known, *await context.reader.values(asked))))


def _portions(span: Span, names: Sequence[str]) -> Iterator[Sequence[str]]:
    values = span.period.length // span.step * len(STATE_FIELDS) * _PROBES_OF_A_SERVICE
    size = max(1, _VALUES_AT_ONCE // values)
    for at in range(0, len(names), size):
        yield names[at : at + size]


async def _services(
    span: Span, context: ReportContext, asking: _Asking, measurement: Measurement, names: Sequence[str]
) -> tuple[ServiceFigures, ...]:
    where = OneOf("service", tuple(names))
    now = await _probe_answers(span.period, span, asking, measurement, where)
    before = await _probe_answers(span.previous, span, asking, measurement, where)
    catalog: Mapping[str, ServiceStatus] = {service.name: service for service in context.services}
    # Some hundred thousand values: not while everything else waits.
    return await asyncio.to_thread(service_figures, span, now, before, catalog, names, measurement)


async def _probe_answers(
    period: Period, span: Span, asking: _Asking, measurement: Measurement, where: Predicate
) -> ProbeAnswers:
    by_probe, by_service = GroupBy(TAGS), GroupBy(TAGS[:1])

    async def ask(fields: tuple[str, ...], shape: Shape, start: int, stop: int, group: GroupBy) -> SeriesResult:
        return await asking.read(SeriesQuery("probe", fields, start, stop, shape, where, group))

    window = Window(span.step, (Function.SUM,), period.start)
    states = [await ask(STATE_FIELDS, window, period.start, period.stop, by_probe)]
    latency, success, buckets = [], [], []
    counted = tuple(one.name for one in measurement.fields if one.histogram == LATENCY)
    for part in parts(period, curve_length(span)):
        window = Window(part.step, LATENCY_FUNCTIONS, part.start)
        latency.append(await ask((LATENCY,), window, part.start, part.stop, by_probe))
        window = Window(part.step, SUCCESS_FUNCTIONS, part.start)
        success.append(await ask((SUCCESS,), window, part.start, part.stop, by_probe))
        if not span.keeps_samples and counted:
            window = Window(part.step, (Function.SUM,), part.start)
            buckets.append(await ask(counted, window, part.start, part.stop, by_probe))
    if not span.keeps_samples:
        return ProbeAnswers(states, latency, success, buckets=buckets)
    whole = Quantile.whole(period.start, period.stop, *QUANTILES)
    of_probes = await ask((LATENCY,), whole, period.start, period.stop, by_probe)
    of_services = await ask((LATENCY,), whole, period.start, period.stop, by_service)
    return ProbeAnswers(states, latency, success, of_probes, of_services)


async def _host(span: Span, context: ReportContext, asking: _Asking, measure: HostMeasure) -> tuple[HostFigures, ...]:
    if context.registry.get(measure.measurement) is None:
        return ()
    # Rates are added up here, after what was missed in a gap is taken out of each.
    group = None if measure.rate else GroupBy((measure.by,) if measure.by else ())

    async def ask(period: Period) -> SeriesResult:
        window = Window(span.step, measure.functions, period.start)
        where = measure.selects(context.host)
        return await asking.read(
            SeriesQuery(measure.measurement, (measure.field,), period.start, period.stop, window, where, group)
        )

    now, before = await ask(span.period), await ask(span.previous)
    return await asyncio.to_thread(host_figures, measure, span, now, before)
