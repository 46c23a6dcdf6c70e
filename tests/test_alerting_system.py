"""Alerting from end to end (R7, R38, R39, R42): a real service that stops, a rule, an incident, and people."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.opswatch.process import Finished, environment_of, opswatch

pytestmark = pytest.mark.timeout(180)

RULES = """
interval: 1s
lag: 0s
rules:
  - name: service_down
    query: {measurement: probe, field: state, fn: last, window: 1m, group_by: [service, probe]}
    critical: {at_most: 0}
    labels: {team: shop}
    summary: "{{ tags.service }} is down, says its probe {{ tags.probe }}"
    runbook: https://wiki.example/shop
"""
TEST = """
tests:
  - name: a probe that goes down fires at once
    rule: service_down
    interval: 1s
    series: {'probe{host="h",kind="http",probe="health",service="shop"} state': "2x10 0x10 2x10"}
    timeline:
      - {at: 10s, alerts: []}
      - {at: 15s, alerts: [{tags: {service: shop, probe: health}, status: firing, severity: critical}]}
      - {at: 25s, alerts: []}
"""


@dataclass
class Shop:
    """A service that is well until it is told."""

    port: int = 0
    status: int = 200

    async def answer(self, request: web.Request) -> web.Response:
        return web.Response(status=self.status)


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    one = Shop()
    application = web.Application()
    application.router.add_get("/health", one.answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    one.port = runner.addresses[0][1]
    yield one
    await runner.cleanup()


@dataclass
class Site:
    """A folder with everything that somebody who operates this has."""

    folder: Path

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.subprocess.Process]:
        with (self.folder / "log.txt").open("a") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "opswatch.cli.main", "run"),
                cwd=self.folder,
                env=environment_of(ALERT_THRESHOLDS_CONFIG_FILE="rules.yaml"),
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        assert process.stdout is not None
        assert (await process.stdout.readline()).startswith(b"listening")
        try:
            yield process
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()

    async def command(self, *arguments: str) -> Finished:
        return await opswatch(self.folder, *arguments, ALERT_THRESHOLDS_CONFIG_FILE="rules.yaml")

    async def get(self, path: str) -> dict[str, Any]:
        """The answer of the running server, asked with the token that it leaves for commands."""
        facts = json.loads((self.folder / ".opswatch" / "server.json").read_text())
        headers = {"Authorization": f"Bearer {facts['token']}"}
        async with aiohttp.ClientSession(headers=headers) as session, session.get(facts["url"] + path) as answer:
            found: dict[str, Any] = await answer.json()
        return found

    async def alerts(self) -> list[dict[str, Any]]:
        return [one for one in (await self.get("/api/v1/alerts"))["alerts"] if one["rule"] == "service_down"]


@pytest.fixture
def site(tmp_path: Path, shop: Shop) -> Site:
    (tmp_path / "rules.yaml").write_text(RULES)
    (tmp_path / "rules-test.yaml").write_text(TEST)
    (tmp_path / "opswatch.yaml").write_text(
        f"""
version: 1
host: {{enabled: false}}
services:
  - name: shop
    probes:
      - {{name: health, kind: http, url: "http://127.0.0.1:{shop.port}/health", interval: 500ms, timeout: 400ms,
         failure_threshold: 1}}
"""
    )
    return Site(tmp_path)


async def until(what: Callable[[], Awaitable[bool]], words: str) -> None:
    async with asyncio.timeout(40):
        while not await what():
            await asyncio.sleep(0.1)
    assert words


async def test_a_service_that_stops_is_an_incident_that_people_see_acknowledge_and_read_about(
    site: Site, shop: Shop
) -> None:
    """It fires, survives a kill -9, is acknowledged by command, resolves, and everything is on record."""
    assert (await site.command("rules", "test", "rules-test.yaml")).code == 0
    async with site.running() as process:
        shop.status = 503

        async def fires() -> bool:
            return any(one["status"] == "firing" for one in await site.alerts())

        await until(fires, "it fires")
        (alert,) = await site.alerts()
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
    assert alert["summary"] == "shop is down, says its probe health"
    assert alert["labels"] == {"probe": "health", "service": "shop", "team": "shop"}
    async with site.running():
        await until(fires, "it fires after a kill, too")
        (again,) = await site.alerts()
        acknowledged = await site.command("ack", str(again["incident"]), "--comment", "looking at it")
        noted = await site.command("note", str(again["incident"]), "the deploy at noon")
        listed = await site.command("alerts")
        shop.status = 200

        async def quiet() -> bool:
            return not await site.alerts()

        await until(quiet, "it resolves")
        refused = await site.command("ack", str(again["incident"]))
        recorded = await site.command("rules", "record", str(again["incident"]))

    assert again["incident"] == alert["incident"]
    assert (acknowledged.code, noted.code) == (0, 0)
    assert "acknowledged by local" in acknowledged.output
    assert f"#{alert['incident']}" in listed.output
    assert refused.code == 1
    assert "is over since" in refused.complaint
    (site.folder / "recorded.yaml").write_text(recorded.output)
    assert 'rule: "service_down"' in recorded.output
    assert "status: firing, severity: critical" in recorded.output
    tried = await site.command("rules", "test", "recorded.yaml")
    assert tried.code in {0, 1}, tried.complaint  # it can be read and run; edges of windows may have moved
    replayed = await site.command("rules", "replay", "--rule", "service_down", "--from", "1h", "--json")
    (incident,) = json.loads(replayed.output)["replay"]["incidents"]
    assert incident["tags"] == {"probe": "health", "service": "shop"}
    assert incident["resolved"] is not None


async def test_an_edited_threshold_is_in_force_after_a_signal_and_a_wrong_one_changes_nothing(
    site: Site, shop: Shop
) -> None:
    """SIGHUP; every fault is in the log, and the rules before go on."""
    async with site.running() as process:

        async def version() -> str:
            return str((await site.get("/api/v1/rules"))["version"])

        before = await version()
        (site.folder / "rules.yaml").write_text("rules: [{name: Bad, sevrity: x}]")
        os.kill(process.pid, signal.SIGHUP)

        async def is_told() -> bool:
            return (site.folder / "log.txt").read_text().count("were not read anew") >= 2

        await until(is_told, "every fault is in the log")
        checked = await site.command("rules", "check")
        dry = await site.command("rules", "reload", "--dry-run")
        assert await version() == before
        (site.folder / "rules.yaml").write_text(RULES.replace("at_most: 0", "at_most: 1").replace("_down", "_health"))
        dry = await site.command("rules", "reload", "--dry-run")
        os.kill(process.pid, signal.SIGHUP)

        async def is_new() -> bool:
            return await version() != before

        await until(is_new, "the new ones are in force")

    assert checked.code == 2
    assert "rules.yaml:1:16" in checked.complaint
    assert "start   service_health\nstop    service_down" in dry.output
    assert shop.status == 200


async def test_the_rules_are_found_where_they_should_be(site: Site) -> None:
    """R153: a file that is named must be there; without a name, those that come with OpsWatch hold."""
    (site.folder / "rules.yaml").unlink()
    named = await site.command("rules", "check")
    shipped = await opswatch(site.folder, "rules", "check")
    assert named.code == 2
    assert "ALERT_THRESHOLDS_CONFIG_FILE" in named.complaint
    assert shipped.code == 0
    assert "alert_thresholds.json: 18 rules" in shipped.output


async def test_evaluating_once_says_what_the_rules_find_and_keeps_nothing(site: Site, shop: Shop) -> None:
    """For a look, or for cron."""
    shop.status = 503
    await site.command("collect", "--once")
    found = await site.command("evaluate", "--once", "--json")
    kept = await site.command("alerts", "--json")
    assert [one["rule"] for one in json.loads(found.output)["alerts"]] == ["service_down"]
    assert json.loads(kept.output)["alerts"] == []
