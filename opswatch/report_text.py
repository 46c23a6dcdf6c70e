"""A report as lines for a terminal. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from dashboards.reports.model import Change
from dashboards.reports.words import change_view, seconds_words
from dashboards.units import NOTHING, format_share, format_value
from opswatch.log_record import inert

_PROBES = (
    "probe",
    "availability",
    "changed by",
    "outages",
    "down",
    "longest",
    "not known",
    "failed",
    "mean",
    "p95",
    "p99",
    "max",
)
_HOST = ("host", "mean", "changed by", "peak", "when", "covered")


def report_text(report: dict[str, Any]) -> str:
    """From the JSON of `/api/v1/reports/{name}`: tables whose columns line up."""
    period, previous = report["period"], report["previous"]
    lines = [
        f"{report['name']}: {period['start']} to {period['stop']}",
        f"against {previous['start']} to {previous['stop']}",
    ]
    rows = list(_probe_rows(report))
    if rows:
        lines += ["", *_table(_PROBES, rows)]
    host = [_host_row(one) for one in report["host_figures"]]
    if host:
        lines += ["", *_table(_HOST, host)]
    if not rows and not host:
        lines += ["", "Nothing is known of either period."]
    lines += [f"warning: {inert(warning)}" for warning in report["warnings"]]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _probe_rows(report: dict[str, Any]) -> Iterator[Sequence[str]]:
    for service in report["services"]:
        several = len(service["probes"]) != 1
        if several:
            yield _probe_row(service["name"], service)
        for probe in service["probes"]:
            yield _probe_row(f"{'  ' if several else ''}{service['name']}/{probe['name']}", probe)


def _probe_row(name: str, figures: dict[str, Any]) -> Sequence[str]:
    now, before = figures["now"], figures["before"]
    latency = now["latency"]
    about = "~" if latency["about"] else ""
    known = now["availability"] is not None
    return (
        inert(name),
        format_share(now["availability"]),
        change_view(Change(now["availability"], before["availability"]), "share").text or NOTHING,
        str(len(now["outages"])) if known else NOTHING,
        seconds_words(now["down_s"]) if known else NOTHING,
        seconds_words(now["longest_outage_s"]),
        format_share(now["unknown_share"]),
        format_share(now["error_rate"]),
        format_value(latency["mean"], "ms"),
        *(NOTHING if latency[one] is None else about + format_value(latency[one], "ms") for one in ("p95", "p99")),
        format_value(latency["max"], "ms"),
    )


def _host_row(figures: dict[str, Any]) -> Sequence[str]:
    now, before = figures["now"], figures["before"]
    change = change_view(Change(now["mean"], before["mean"]), figures["unit"])
    return (
        inert(f"{figures['name']} {figures['subject']}".strip()),
        format_value(now["mean"], figures["unit"]),
        f"{change.text} {change.percent and f'({change.percent})'}".strip() or NOTHING,
        format_value(now["peak"], figures["unit"]),
        now["peak_start"] or NOTHING,
        format_share(now["coverage"]),
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, *rows):
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        yield "  ".join(cells)
