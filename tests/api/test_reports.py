"""Reports over HTTP: as page, JSON, CSV and one file, from a store whose samples have become levels."""

import csv
import io
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from api.doors import ApiSettings
from embedded.store import EmbeddedStore
from tests.api.world import NOW_NS, World, running, service
from tests.dashboards.reports.fortnight import DAY, MINUTE, fill, probe_points


@pytest.fixture(params=["embedded", "influxdb"])
async def fortnight(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """A server with two weeks of data, the older of which are rolled up and no longer kept as samples.

    On InfluxDB, which has no levels yet, all of it are samples, and the reports say the same.
    """
    influx = request.getfixturevalue("influx").fresh() if request.param == "influxdb" else None
    async with running(tmp_path, influx=influx) as world:
        await fill(world)
        yield world


async def test_availability_is_what_happened(fortnight: World) -> None:
    """The last seven days and the seven before, from levels and samples together, against the story told."""
    report = await (await fortnight.get("/api/v1/reports/availability")).json()
    services = {one["name"]: one for one in report["services"]}

    assert (report["period"], report["previous"]) == (
        {"start": "2026-11-17T12:00:00Z", "stop": "2026-11-24T12:00:00Z"},
        {"start": "2026-11-10T12:00:00Z", "stop": "2026-11-17T12:00:00Z"},
    )
    assert report["levels"][-1] in ({"5m", "1h"} if isinstance(fortnight.store, EmbeddedStore) else {"raw"})
    payments = services["payments"]
    assert payments["now"]["down_s"] == (3 * 60 + 25) * 60
    assert payments["now"]["availability"] == pytest.approx(1 - (3 * 60 + 25) / (7 * 24 * 60))
    assert [(one["start"], one["down_s"]) for one in payments["now"]["outages"]] == [
        ("2026-11-19T09:00:00Z", 3 * 3600.0),
        ("2026-11-24T11:35:00Z", 25 * 60.0),
    ]
    checkout = services["checkout"]
    assert [(one["name"], one["now"]["down_s"]) for one in checkout["probes"]] == [("health", 2400.0), ("port", 1200.0)]
    assert [one["down_s"] for one in checkout["now"]["outages"]] == [2400.0]
    assert checkout["before"]["down_s"] == 600.0
    assert checkout["change"]["outages"] == {"difference": 0.0, "percent": 0.0}
    search = services["search"]["now"]
    assert (search["availability"], search["degraded_s"], search["unknown_s"]) == (1.0, 12 * 3600.0, 16 * 3600.0)
    mail = services["mail"]
    assert mail["now"]["unknown_share"] == pytest.approx(4 / 7)
    assert (mail["before"]["availability"], mail["change"]["availability"]["difference"]) == (None, None)
    assert (services["retired"]["watched"], services["retired"]["now"]["up_s"]) == (False, 2 * 86_400.0)


async def test_latency_is_that_of_the_samples(fortnight: World) -> None:
    """Count, lowest, mean and highest to the digit, percentiles to the width of a bucket; exact where all is kept."""

    def latencies(begin: int, end: int) -> list[float]:
        return sorted(
            float(point.fields["latency_ms"])
            for point in probe_points(NOW_NS)
            if dict(point.tags)["service"] == "payments" and begin > NOW_NS - point.time - 1 >= end - 1
        )

    week = (await (await fortnight.get("/api/v1/reports/trend", start="-7d")).json())["services"]
    (now,) = [one["now"]["latency"] for one in week if one["name"] == "payments"]
    expected = latencies(7 * DAY, 0)
    assert (now["attempts"], now["about"]) == (len(expected), True)
    assert (now["min"], now["max"]) == (round(expected[0], 3), round(expected[-1], 3))
    assert now["mean"] == pytest.approx(sum(expected) / len(expected), abs=0.001)
    assert now["p95"] == pytest.approx(expected[int(0.95 * len(expected))], rel=0.26)

    day = (await (await fortnight.get("/api/v1/reports/trend", period="yesterday")).json())["services"]
    (now,) = [one["now"]["latency"] for one in day if one["name"] == "payments"]
    expected = latencies(36 * 60 * MINUTE, 12 * 60 * MINUTE)
    assert (now["attempts"], now["about"]) == (288, False)
    assert now["p95"] == round(expected[-(-len(expected) * 95 // 100) - 1], 3)


async def test_the_host_with_its_peak(fortnight: World) -> None:
    """The busy hour of CPU is found, also in a report whose windows come from levels."""
    report = await (await fortnight.get("/api/v1/reports/trend", start="-3d")).json()
    figures = {(one["name"], one["subject"]): one for one in report["host_figures"]}

    cpu = figures["cpu", ""]
    assert 80 < cpu["now"]["peak"] <= 99
    assert "2026-11-23T06:00:00Z" <= cpu["now"]["peak_start"] < cpu["now"]["peak_stop"] <= "2026-11-23T07:00:00Z"
    assert figures["disk", "/var/lib/data"]["mean_change"]["difference"] > 0
    assert figures["received", ""]["now"]["coverage"] == pytest.approx(1, abs=0.01)
    assert cpu["before"]["coverage"] == pytest.approx(1 - 10 / 72)


async def test_the_csv_says_the_same_as_the_json(fortnight: World) -> None:
    """A row per figure, with the period before and the change; RFC 4180, to be saved under the report's name."""
    answer = await fortnight.get("/api/v1/reports/availability.csv", period="7d")
    rows = list(csv.DictReader(io.StringIO(await answer.text())))
    services = (await (await fortnight.get("/api/v1/reports/availability.json", period="7d")).json())["services"]

    assert answer.headers["Content-Disposition"] == 'attachment; filename="availability.csv"'
    found = {(row["service"], row["probe"], row["figure"]): row for row in rows if row["section"] != "outage"}
    for one in services:
        row = found[one["name"], "", "availability"]
        assert float(row["value"]) == pytest.approx(one["now"]["availability"], abs=1e-6)
        before = one["before"]["availability"]
        assert row["before"] == "" if before is None else float(row["before"]) == pytest.approx(before, abs=1e-6)
        for part in one["probes"]:
            p95 = part["now"]["latency"]["p95"]
            assert float(found[one["name"], part["name"], "latency_p95"]["value"]) == pytest.approx(p95, abs=1e-3)
    outages = [row for row in rows if (row["section"], row["service"]) == ("outage", "payments")]
    assert [(row["service"], row["probe"], row["subject"], row["value"]) for row in outages] == [
        ("payments", "health", "2026-11-19T09:00:00Z", "10800"),
        ("payments", "health", "2026-11-24T11:35:00Z", "1500"),
    ]


async def test_one_file_holds_all_that_it_needs(fortnight: World) -> None:
    """No script, no link to a file; its styles are let in by their digest and by nothing else."""
    answer = await fortnight.get("/api/v1/reports/trend.html")
    text = await answer.text()

    assert (answer.status, answer.content_type) == (200, "text/html")
    assert "<style>" in text
    assert not re.search(r"<script|<link|<form|<button|src=|href=\"/", text)
    assert re.fullmatch(
        r"default-src 'none'; style-src 'sha256-[\w+/]{43}='; base-uri 'none'; frame-ancestors 'none'",
        answer.headers["Content-Security-Policy"],
    )
    assert "Disk /var/lib/data" in text


async def test_pages_tell_what_was_asked(fortnight: World) -> None:
    """The index leads to every report; a report says its period, its outages and what is not known."""
    index = await (await fortnight.get("/reports")).text()
    page = await (await fortnight.get("/reports/availability", start="2026-11-19", stop="2026-11-20")).text()

    for name in ("availability", "trend"):
        assert f'href="/reports/{name}?period=last-month"' in index
    assert "19 Nov 2026 00:00" in page or "19 Nov 00:00 – 20 Nov 2026 00:00" in page
    assert "87.50 %" in page  # payments: 3 of 24 hours down
    assert "Thu 19 Nov 09:00" in page


async def test_days_are_those_of_the_settings(tmp_path: Path) -> None:
    """`time_zone` decides when today began."""
    settings = ApiSettings(host="h1", version="0.1.0", time_zone="Asia/Kolkata")
    async with running(tmp_path, settings) as world:
        report = await (await world.get("/api/v1/reports/availability", period="today")).json()

    assert report["period"] == {"start": "2026-11-23T18:30:00Z", "stop": "2026-11-24T12:00:00Z"}


async def test_an_empty_store_has_reports_that_know_nothing(world: World) -> None:
    """No figure is 0 that nobody measured; the pages say so."""
    report = await (await world.get("/api/v1/reports/trend")).json()
    (service_report,) = report["services"]

    assert service_report["now"]["availability"] is None
    assert service_report["now"]["latency"]["mean"] is None
    assert service_report["change"]["outages"] == {"difference": None, "percent": None}
    assert report["host_figures"] == []
    assert "There are no samples of the host h1" in await (await world.get("/reports/trend")).text()
    world.catalog.known = ()
    assert "No services are watched yet" in await (await world.get("/reports/availability")).text()


async def test_names_of_services_do_no_harm(world: World) -> None:
    """Neither as markup nor as a formula."""
    world.catalog.known = (service("<b>x</b>"), service("=1+1"))
    page = await (await world.get("/reports/availability")).text()
    table = await (await world.get("/api/v1/reports/availability.csv")).text()

    assert "<b>x</b>" not in page
    assert "&lt;b&gt;x&lt;/b&gt;" in page
    assert ",'=1+1," in table


@pytest.mark.parametrize(
    ("path", "parameters", "status", "field", "words"),
    [
        ("/api/v1/reports/trnd", {}, 404, "name", "did you mean trend?"),
        ("/api/v1/reports/trend.pdf", {}, 404, "name", "json, csv, html"),
        ("/api/v1/reports/trend", {"from": "-1d"}, 400, "from", "there is no parameter"),
        ("/api/v1/reports/trend", {"start": "last week"}, 400, "start", "is not a time"),
        ("/api/v1/reports/trend", {"period": "last-mont"}, 400, "period", "last-month"),
        ("/api/v1/reports/trend", {"period": "7d", "start": "-1d"}, 400, "period", "instead of"),
        ("/api/v1/reports/trend", {"start": "-500d"}, 400, "start", "at most 400 days"),
        ("/api/v1/reports/trend", {"start": "2030-01-01"}, 400, "start", "has not begun"),
    ],
)
async def test_what_cannot_be_answered_is_refused_with_the_way_out(
    world: World, path: str, parameters: dict[str, str], status: int, field: str, words: str
) -> None:
    """Status, the parameter's name, and what would do."""
    found = await world.refusal(path, **parameters)

    assert found[:2] == (status, field)
    assert words in found[2]


async def test_a_page_of_a_report_that_is_not_there_is_a_page(world: World) -> None:
    """404 for people, with the near miss."""
    answer = await world.get("/reports/availabilty")

    assert (answer.status, answer.content_type) == (404, "text/html")
    assert "did you mean availability?" in await answer.text()


async def test_thousands_of_outages_are_told_in_part(tmp_path: Path) -> None:
    """The page lists fifty, and says where the others are."""
    async with running(tmp_path) as world:
        points = [point for point in probe_points(NOW_NS, 2 * DAY) if dict(point.tags)["service"] == "mail"]
        flapping = [
            point.__class__(
                point.measurement,
                point.tags,
                {**point.fields, "up_s": 300.0 * (number % 2), "down_s": 300.0 * (1 - number % 2)},
                point.time,
            )
            for number, point in enumerate(points)
        ]
        await world.write(*flapping)
        text = await (await world.get("/reports/availability", start="-2d")).text()

    assert "288 outages" in text
    assert "238 more stand in the CSV and the JSON" in text
