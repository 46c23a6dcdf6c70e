"""The flat table: a cell is empty where nothing is known, and harmless to a spreadsheet."""

import csv
import io
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from dashboards.reports.model import (
    Curve,
    HostFigures,
    Latency,
    ProbeFigures,
    Reading,
    Report,
    ReportName,
    ServiceFigures,
    Standing,
)
from dashboards.reports.period import Asked, resolve
from dashboards.reports.states import Outage, StateSeconds
from dashboards.reports.table import HEADER, report_csv
from telemetry.rollup import Retention

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SPAN = resolve(Asked("-1h"), NOW, ZoneInfo("UTC"), Retention())
NOTHING = Standing(StateSeconds(3600.0), (), Latency())
NO_CURVE = Curve((0, 1), (None,), (None,))
KNOWN = Standing(
    StateSeconds(3600.0, up_s=3000.0, down_s=600.0),
    (Outage(SPAN.period.start, SPAN.period.start + SPAN.step, 600.0),),
    Latency(12, 1.0, 2.5, 4.0, 5.0, 6.25),
    0.25,
)


def rows(report: Report) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(report_csv(report))))


def report(now: Standing, before: Standing, host: tuple[HostFigures, ...] = ()) -> Report:
    probe = ProbeFigures("=health", True, now, before, (), NO_CURVE, NO_CURVE)
    service = ServiceFigures("@shop", True, now, before, (), (probe,))
    return Report(ReportName.TREND, SPAN, (service,), host, "h1")


def test_what_is_not_known_is_an_empty_cell() -> None:
    """No seconds, no outages, no latency: only the unknown itself is known."""
    found = {row["figure"]: row for row in rows(report(NOTHING, KNOWN)) if row["section"] == "probe"}

    assert {figure: row["value"] for figure, row in found.items() if row["value"]} == {
        "unknown": "3600",
        "unknown_share": "1",
    }
    assert {row["change"] for figure, row in found.items() if not figure.startswith("unknown")} == {""}


def test_figures_with_what_they_were_and_their_change() -> None:
    """Per service and per probe, in one shape; outages as rows of their own."""
    table = rows(report(KNOWN, KNOWN))
    found = {(row["section"], row["figure"]): row for row in table}

    assert tuple(table[0]) == HEADER
    assert found["service", "availability"]["value"] == "0.833333"
    assert [found["probe", "latency_max"][name] for name in ("value", "before", "change", "change_percent")] == [
        "6.25",
        "6.25",
        "0",
        "0",
    ]
    assert (found["outage", "down"]["subject"], found["outage", "down"]["value"]) == ("2026-11-24T11:00:00Z", "600")


def test_names_are_disarmed() -> None:
    """A service called like a formula is text."""
    assert {(row["service"], row["probe"]) for row in rows(report(KNOWN, KNOWN))} == {
        ("'@shop", ""),
        ("'@shop", "'=health"),
    }


def test_the_host_has_its_peaks_with_their_time() -> None:
    """A time where there was one, else nothing."""
    reading = Reading(12.5, 90.0, SPAN.period.start, SPAN.period.start + SPAN.step, 0.75)
    figures = HostFigures("disk", "Disk", "/data", "percent", reading, Reading(), Curve((0, 1), (1.0,), (None,)), 100.0)
    found = {row["figure"]: row for row in rows(report(KNOWN, KNOWN, (figures,))) if row["section"] == "host"}

    assert (found["disk_mean"]["value"], found["disk_mean"]["before"], found["disk_mean"]["subject"]) == (
        "12.5",
        "",
        "/data",
    )
    assert (found["disk_peak_at"]["value"], found["disk_peak_at"]["before"]) == ("2026-11-24T11:00:00Z", "")
    assert found["disk_coverage"]["value"] == "0.75"
