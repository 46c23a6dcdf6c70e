"""A report as a flat table: a row per figure, for spreadsheets and scripts. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from dashboards.reports.model import Change, HostFigures, ProbeFigures, Report, ServiceFigures, Standing
from telemetry.cells import guarded
from telemetry.times import format_instant

HEADER = (
    "report",
    "start",
    "stop",
    "section",
    "service",
    "probe",
    "subject",
    "figure",
    "unit",
    "value",
    "before",
    "change",
    "change_percent",
)
Row = tuple[str, ...]


def report_csv(report: Report) -> str:
    """RFC 4180; empty where nothing is known; names that a spreadsheet would run as a formula are disarmed."""
    front = (report.name.value, format_instant(report.span.period.start), format_instant(report.span.period.stop))
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(HEADER)
    for row in _rows(report):
        writer.writerow((*front, *row))
    return buffer.getvalue()


def _rows(report: Report) -> Iterator[Row]:
    for service in report.services:
        yield from _figures(("service", guarded(service.name), ""), service)
        for probe in service.probes:
            place = ("probe", guarded(service.name), guarded(probe.name))
            yield from _figures(place, probe)
            yield from _outages((service.name, probe.name), probe)
    for figures in report.host:
        yield from _host(report.host_name, figures)


def _figures(place: tuple[str, str, str], figures: ServiceFigures | ProbeFigures) -> Iterator[Row]:
    pairs = zip(_standing(figures.now), _standing(figures.before), strict=True)
    for (figure, unit, value), (_, _, before) in pairs:
        yield *place, "", figure, unit, *_change(Change(value, before))


def _standing(standing: Standing) -> Iterator[tuple[str, str, float | None]]:
    seconds, latency, known = standing.seconds, standing.latency, standing.is_known
    yield "availability", "ratio", seconds.availability
    yield "up", "s", seconds.up_s if known else None
    yield "degraded", "s", seconds.degraded_s if known else None
    yield "down", "s", seconds.down_s if known else None
    yield "unknown", "s", seconds.unknown_s
    yield "unknown_share", "ratio", seconds.unknown_share
    yield "outages", "count", len(standing.outages) if known else None
    yield "longest_outage", "s", standing.longest_s
    yield "attempts", "count", latency.attempts if known else None
    yield "error_rate", "ratio", standing.error_rate
    yield "latency_min", "ms", latency.low
    yield "latency_mean", "ms", latency.mean
    yield "latency_p95", "ms", latency.p95
    yield "latency_p99", "ms", latency.p99
    yield "latency_max", "ms", latency.high


def _outages(names: tuple[str, str], probe: ProbeFigures) -> Iterator[Row]:
    service, name = map(guarded, names)
    for outage in probe.now.outages:
        begin = format_instant(outage.start)
        yield "outage", service, name, begin, "down", "s", _number(outage.down_s), "", "", ""


def _host(host: str, figures: HostFigures) -> Iterator[Row]:
    subject = guarded(figures.subject)
    now, before = figures.now, figures.before
    for figure, change in (
        ("mean", Change(now.mean, before.mean)),
        ("peak", Change(now.peak, before.peak)),
        ("coverage", Change(now.coverage, before.coverage)),
    ):
        unit = "ratio" if figure == "coverage" else figures.unit
        yield "host", guarded(host), "", subject, f"{figures.name}_{figure}", unit, *_change(change)
    peaks = ("" if at is None else format_instant(at) for at in (now.peak_start, before.peak_start))
    yield "host", guarded(host), "", subject, f"{figures.name}_peak_at", "time", *peaks, "", ""


def _change(change: Change) -> tuple[str, str, str, str]:
    return _number(change.now), _number(change.before), _number(change.difference), _number(change.percent)


def _number(value: float | None) -> str:
    # Six decimals are a hundredth of a second of a year's share, and no noise of adding up.
    return "" if value is None else f"{round(value, 6):.15g}"
