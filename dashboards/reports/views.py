"""A report as the template is given it: everything written out, nothing left to compute. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from dashboards.reports.curves import CurveView, Tick, curve_view, ticks
from dashboards.reports.model import (
    Change,
    HostFigures,
    Latency,
    ProbeFigures,
    Report,
    ReportName,
    ServiceFigures,
    Standing,
)
from dashboards.reports.period import Span
from dashboards.reports.words import (
    ChangeView,
    change_view,
    length_words,
    moment_words,
    period_words,
    seconds_words,
)
from dashboards.units import NOTHING, format_share, format_value
from dashboards.uptime import Slot
from dashboards.views import SlotView
from telemetry.times import format_instant

MOST_CHARTS = 40
MOST_OUTAGES = 50
_STEADY, _BUCKET = 10.0, 25.0  # percent: from where a change of latency means something
_ATTEMPTS = 0.001  # from where a change of the share of failed attempts means something
_TELLING = 0.005  # of a period: what the edges of attempts leave unknown


@dataclass(frozen=True, slots=True)
class Highlight:
    title: str
    value: str
    change: ChangeView
    level: str = ""
    note: str = ""  # where there is no change to tell


@dataclass(frozen=True, slots=True)
class LatencyView:
    attempts: str
    low: str
    mean: str
    p95: str
    p99: str
    high: str
    about: bool
    change: ChangeView


@dataclass(frozen=True, slots=True)
class StandingView:
    """`split` is (state, share, duration) in the order up, degraded, down, unknown."""

    state: str
    availability: str
    change: ChangeView
    unknown: str
    split: tuple[tuple[str, str, str], ...]
    down: str
    outages: str
    outages_change: ChangeView
    longest: str
    error_rate: str
    error_rate_change: ChangeView
    latency: LatencyView


@dataclass(frozen=True, slots=True)
class OutageRow:
    probe: str
    start: str
    stop: str
    down: str


@dataclass(frozen=True, slots=True)
class ProbeReportView:
    name: str
    service: str
    watched: bool
    standing: StandingView
    slots: tuple[SlotView, ...]
    curve: CurveView
    failed: CurveView
    is_failing: bool


@dataclass(frozen=True, slots=True)
class ServiceReportView:
    name: str
    watched: bool
    standing: StandingView
    slots: tuple[SlotView, ...]
    probes: tuple[ProbeReportView, ...]
    outages: tuple[OutageRow, ...]
    more_outages: int


@dataclass(frozen=True, slots=True)
class HostReportView:
    title: str
    mean: str
    change: ChangeView
    peak: str
    peak_at: str
    before: str
    coverage: str
    curve: CurveView


@dataclass(frozen=True, slots=True)
class ReportView:
    """`query` are the parameters of exactly this period, `start` and `stop` what the form shows."""

    name: str
    title: str
    preset: str
    start: str
    stop: str
    query: str
    period: str
    length: str
    previous: str
    resolution: str
    levels: str
    warnings: tuple[str, ...]
    highlights: tuple[Highlight, ...]
    services: tuple[ServiceReportView, ...]
    charts: tuple[ProbeReportView, ...]
    failing: tuple[ProbeReportView, ...]
    host: tuple[HostReportView, ...]
    host_name: str
    ticks: tuple[Tick, ...]
    about: bool


def report_view(report: Report, zone: ZoneInfo) -> ReportView:
    """The page's view; the worst services come first."""
    span = report.span
    services = [_service(one, span, zone) for one in sorted(report.services, key=_worst_first)]
    rates = {(service.name, one.name): one.now.error_rate for service in report.services for one in service.probes}
    slowest = sorted(
        ((one, service.name) for service in report.services for one in service.probes if one.now.latency.attempts),
        key=lambda pair: -(pair[0].now.latency.p95 or pair[0].now.latency.mean or 0.0),
    )
    charts = [_probe(one, name, span, zone) for one, name in slowest[:MOST_CHARTS]]
    failing = sorted(
        (one for service in services for one in service.probes if one.is_failing),
        key=lambda one: -(rates[one.service, one.name] or 0.0),
    )
    latencies = [standing.latency for service in report.services for standing in (service.now, service.before)]
    return ReportView(
        name=report.name.value,
        title=report.title,
        preset=span.asked.preset,
        start=span.asked.start or format_instant(span.period.start),
        stop=span.asked.stop or format_instant(span.period.stop),
        query=urlencode({"start": format_instant(span.period.start), "stop": format_instant(span.period.stop)}),
        period=period_words(span.period, zone),
        length=length_words(span.period),
        previous=period_words(span.previous, zone),
        resolution=seconds_words(span.step / 1e9),
        levels=", ".join(report.levels),
        warnings=report.warnings,
        highlights=tuple(
            _host_highlights(report) if report.name is ReportName.TREND else _availability_highlights(report)
        ),
        services=tuple(services),
        charts=tuple(charts),
        failing=tuple(failing[:MOST_CHARTS]),
        host=tuple(_host(one, span, zone) for one in report.host),
        host_name=report.host_name,
        ticks=ticks(span.period, zone),
        about=any(one.about for one in latencies),
    )


def _worst_first(service: ServiceFigures) -> tuple[bool, bool, float, str]:
    availability = service.now.seconds.availability
    return (
        not service.watched,
        availability is None,
        0.0 if availability is None else availability,
        service.name.lower(),
    )


def _availability_highlights(report: Report) -> Iterable[Highlight]:
    watched = [one for one in report.services if one.watched]
    known = [one for one in watched if one.now.is_known]
    unharmed = [one for one in known if not one.now.outages]
    before = [one for one in watched if one.before.is_known]
    yield Highlight(
        "Without an outage",
        f"{len(unharmed)} of {len(known)}" if known else NOTHING,
        ChangeView(),
        "" if len(unharmed) == len(known) else "critical",
        "of the services that are watched"
        if len(known) == len(watched)
        else f"of those known; of {len(watched) - len(known)} nothing is",
    )
    counts = Change(
        sum(len(one.now.outages) for one in known) if known else None,
        sum(len(one.before.outages) for one in before) if before else None,
    )
    yield Highlight("Outages", format_value(counts.now, "count"), change_view(counts, "count", good="down"))
    down = Change(
        sum(one.now.seconds.down_s for one in known) if known else None,
        sum(one.before.seconds.down_s for one in before) if before else None,
    )
    yield Highlight("Down, in total", seconds_words(down.now), change_view(down, "s", good="down"))
    whole = sum(one.now.seconds.period_s for one in watched)
    unknown = sum(one.now.seconds.unknown_s for one in watched) / whole if whole else None
    level = "warning" if unknown is not None and unknown > 0.05 else ""
    yield Highlight("Not known", format_share(unknown), ChangeView(), level, "of all services together")


def _host_highlights(report: Report) -> Iterable[Highlight]:
    for name in ("cpu", "memory", "received", "sent"):
        for one in report.host:
            if one.name == name:
                mean = Change(one.now.mean, one.before.mean)
                yield Highlight(f"{one.title}, mean", format_value(mean.now, one.unit), change_view(mean, one.unit))
    slowest = max(
        (one for one in report.services if one.now.latency.p95 is not None),
        key=lambda one: one.now.latency.p95 or 0.0,
        default=None,
    )
    if slowest is not None:
        view = _latency(slowest.now.latency, slowest.before.latency)
        yield Highlight(f"Slowest: {slowest.name}, p95", ("≈ " if view.about else "") + view.p95, view.change)


def _service(service: ServiceFigures, span: Span, zone: ZoneInfo) -> ServiceReportView:
    rows = sorted(
        (
            (
                outage.start,
                OutageRow(
                    probe.name,
                    moment_words(outage.start, zone),
                    "goes on" if outage.ongoing else moment_words(outage.stop, zone),
                    seconds_words(outage.down_s),
                ),
            )
            for probe in service.probes
            for outage in probe.now.outages
        ),
        key=lambda pair: -pair[0],
    )
    return ServiceReportView(
        service.name,
        service.watched,
        _standing(service.now, service.before),
        _slots(service.slots, zone),
        tuple(_probe(one, service.name, span, zone) for one in service.probes),
        tuple(row for _, row in rows[:MOST_OUTAGES]),
        max(0, len(rows) - MOST_OUTAGES),
    )


def _probe(probe: ProbeFigures, service: str, span: Span, zone: ZoneInfo) -> ProbeReportView:
    standing = _standing(probe.now, probe.before)
    words = f"Latency of {service}, {probe.name}: mean {standing.latency.mean}, highest {standing.latency.high}"
    curve = curve_view(probe.latency, "ms", None, words, span.until, zone)
    words = f"Failed attempts of {service}, {probe.name}: {standing.error_rate}"
    return ProbeReportView(
        name=probe.name,
        service=service,
        watched=probe.watched,
        standing=standing,
        slots=_slots(probe.slots, zone),
        curve=curve,
        failed=curve_view(probe.failed, "percent", 100.0, words, span.until, zone),
        is_failing=bool(probe.now.error_rate or probe.before.error_rate),
    )


def _standing(now: Standing, before: Standing) -> StandingView:
    seconds = now.seconds
    whole = max(seconds.period_s, seconds.known_s)
    parts = (
        ("up", seconds.up_s),
        ("degraded", seconds.degraded_s),
        ("down", seconds.down_s),
        ("unknown", seconds.unknown_s),
    )
    outages = Change(len(now.outages) if now.is_known else None, len(before.outages) if before.is_known else None)
    return StandingView(
        state=_state(now),
        availability=format_share(seconds.availability),
        change=change_view(Change(seconds.availability, before.seconds.availability), "share", good="up"),
        unknown=format_share(seconds.unknown_share) if seconds.unknown_share > _TELLING else "",
        split=tuple((word, format_share(part / whole if whole else None), seconds_words(part)) for word, part in parts),
        down=seconds_words(seconds.down_s) if now.is_known else NOTHING,
        outages=format_value(outages.now, "count"),
        outages_change=change_view(outages, "count", good="down"),
        longest=seconds_words(now.longest_s),
        error_rate=format_share(now.error_rate),
        error_rate_change=_failed_change(Change(now.error_rate, before.error_rate)),
        latency=_latency(now.latency, before.latency),
    )


def _failed_change(rates: Change) -> ChangeView:
    # One attempt more or less is no trend.
    matters = abs(rates.difference or 0.0) >= _ATTEMPTS
    return change_view(rates, "share", good="down" if matters else "")


def _state(standing: Standing) -> str:
    if not standing.is_known:
        return "unknown"
    if standing.outages:
        return "down"
    return "degraded" if standing.seconds.degraded_s > 0 else "up"


def _latency(now: Latency, before: Latency) -> LatencyView:
    low, mean, p95, p99, high = (format_value(value, "ms") for value in (now.low, now.mean, now.p95, now.p99, now.high))
    return LatencyView(
        format_value(now.attempts, "count") if now.attempts else NOTHING,
        low,
        mean,
        p95,
        p99,
        high,
        now.about and now.p95 is not None,
        # What two buckets beside each other make of the same value is no change.
        change_view(Change(now.p95, before.p95), "ms", good="down", least=_BUCKET if now.about else _STEADY),
    )


def _host(figures: HostFigures, span: Span, zone: ZoneInfo) -> HostReportView:
    title = f"{figures.title} {figures.subject}".strip()
    mean, peak = (format_value(value, figures.unit) for value in (figures.now.mean, figures.now.peak))
    when = NOTHING if figures.now.peak_start is None else moment_words(figures.now.peak_start, zone)
    words = f"{title}: mean {mean}, peak {peak} at {when}"
    return HostReportView(
        title,
        mean,
        change_view(Change(figures.now.mean, figures.before.mean), figures.unit),
        peak,
        when,
        format_value(figures.before.peak, figures.unit),
        format_share(figures.now.coverage) if figures.now.coverage < 1 - _TELLING else "",
        curve_view(figures.curve, figures.unit, figures.maximum, words, span.until, zone),
    )


def _slots(slots: Sequence[Slot], zone: ZoneInfo) -> tuple[SlotView, ...]:
    return tuple(_slot(slot, zone) for slot in slots if slot.period_s > 0)


def _slot(slot: Slot, zone: ZoneInfo) -> SlotView:
    words = slot.state.word
    if slot.down_s:
        words += f" for {seconds_words(slot.down_s)}"
    unknown = slot.unknown_share
    if _TELLING < unknown < 1:
        words += f", {format_share(unknown)} of it not known"
    # What is known at all is to be seen, so never less than a quarter of the height.
    known = 0 if unknown >= 1 else max(3, round(10 * (1 - unknown)))
    return SlotView(slot.state.word, known, f"{moment_words(slot.start, zone)}: {words}")
