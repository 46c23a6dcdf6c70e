"""`opswatch report`: from a server, and from the store alone; as text, JSON, CSV and one file."""

import csv
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from opswatch.report_text import report_text
from tests.api.world import World, running
from tests.dashboards.reports.fortnight import fill
from tests.opswatch.process import opswatch


@pytest.fixture
async def fortnight(tmp_path: Path) -> AsyncIterator[World]:
    (tmp_path / "server").mkdir()
    async with running(tmp_path / "server") as world:
        await fill(world)
        yield world


async def test_every_form_from_a_running_server(fortnight: World, tmp_path: Path) -> None:
    """OPSWATCH_URL names it: a table to read, JSON, CSV into a file, and one HTML file."""
    there = {"OPSWATCH_URL": fortnight.url, "OPSWATCH_TOKEN": fortnight.tokens["viewer"]}
    text = await opswatch(tmp_path, "report", "availability", "--period", "7d", **there)
    as_json = await opswatch(tmp_path, "report", "trend", "--start", "-2d", "--json", **there)
    as_csv = await opswatch(tmp_path, "report", "availability", "--format", "csv", "-o", "a.csv", **there)
    html = await opswatch(tmp_path, "report", "trend", "--format", "html", "--output", "t.html", **there)

    assert [one.code for one in (text, as_json, as_csv, html)] == [0, 0, 0, 0], text.complaint + html.complaint
    lines = {line.split()[0]: line.split() for line in text.output.splitlines() if line}
    assert lines["payments/health"][1:3] == ["97.97", "%"]
    assert lines["checkout"][1:3] == ["99.60", "%"]
    assert json.loads(as_json.output)["host_figures"][0]["name"] == "cpu"
    assert len(list(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))) > 100
    assert (tmp_path / "t.html").read_text().startswith("<!doctype html>")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


async def test_a_refusal_leaves_no_file(fortnight: World, tmp_path: Path) -> None:
    """The server's words on stderr, exit 1; nothing is written."""
    there = {"OPSWATCH_URL": fortnight.url, "OPSWATCH_TOKEN": fortnight.tokens["viewer"]}
    senseless = await opswatch(tmp_path, "report", "trend", "--period", "last-year", "-o", "x.json", **there)
    nobody = await opswatch(tmp_path, "report", "trend", OPSWATCH_URL=fortnight.url, OPSWATCH_TOKEN="x" * 40)

    assert (senseless.code, nobody.code) == (1, 1)
    assert "last-month" in senseless.complaint
    assert "set OPSWATCH_TOKEN" in nobody.complaint
    assert not (tmp_path / "x.json").exists()


async def test_a_report_without_a_server_opens_the_store(tmp_path: Path) -> None:
    """After `collect --once` there is something to report, also when nothing runs."""
    collected = await opswatch(tmp_path, "collect", "--once")
    result = await opswatch(tmp_path, "report", "trend", "--start", "-1h")

    assert (collected.code, result.code) == (0, 0), collected.complaint + result.complaint
    assert "memory" in result.output


async def test_a_name_that_is_no_report_is_a_usage_error(tmp_path: Path) -> None:
    """Exit 2, with the names that there are."""
    result = await opswatch(tmp_path, "report", "trnd")

    assert result.code == 2
    assert "availability" in result.complaint


async def test_columns_line_up_and_terminals_are_safe(world: World) -> None:
    """Whatever a service is called: no control character reaches the terminal."""
    from tests.api.world import service

    world.catalog.known = (service("a"), service("evil\x1b[31m"))
    report = await (await world.get("/api/v1/reports/availability")).json()
    lines = report_text(report).splitlines()

    assert "\x1b" not in "".join(lines)
    assert len({len(line) for line in lines[3:6]}) == 1


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with running(tmp_path) as one:
        yield one
