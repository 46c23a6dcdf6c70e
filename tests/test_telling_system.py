"""Telling people from end to end (R40, R41, R137, R154): a real server, a real SMTP server and a real webhook.

firing → message → kill -9 → escalation → acknowledgement by the link in the message → resolved.
"""

import email
import email.policy
import json
import os
import re
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiosmtpd.smtp import Envelope

from tests.alerting.notifiers.test_email import Desk, serving
from tests.test_alerting_system import RULES, Shop, Site, shop, until

pytestmark = pytest.mark.timeout(180)
__all__ = ["shop"]  # the fixture


@dataclass
class Hook:
    """A webhook that keeps what it gets."""

    port: int = 0
    got: list[dict[str, Any]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.got.append(await request.json())
        return web.Response(text="thanks")


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    one = Hook()
    application = web.Application()
    application.router.add_post("/x", one.answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    one.port = runner.addresses[0][1]
    yield one
    await runner.cleanup()


def told_site(folder: Path, shop_port: int, smtp_port: int, hook_port: int) -> Site:
    (folder / "rules.yaml").write_text(RULES)
    (folder / "opswatch.yaml").write_text(
        f"""
version: 1
host: {{enabled: false}}
public_url: http://127.0.0.1:1
smtp: {{host: 127.0.0.1, port: {smtp_port}, starttls: false, from: ops@example.com}}
receivers:
  - {{name: mail, kind: email, to: [anna@example.com]}}
  - {{name: hook, kind: webhook, url: "http://127.0.0.1:{hook_port}/x"}}
escalations: [{{name: ladder, steps: [{{after: 0s, receiver: mail}}, {{after: 4s, receiver: hook}}]}}]
routes: [{{match: {{service: shop}}, escalation: ladder, group_wait: 1s, group_interval: 1s}}, {{receiver: mail}}]
services:
  - name: shop
    probes:
      - {{name: health, kind: http, url: "http://127.0.0.1:{shop_port}/health", interval: 500ms, timeout: 400ms,
         failure_threshold: 1}}
"""
    )
    return Site(folder)


def mail_of(envelope: Envelope) -> EmailMessage:
    assert isinstance(envelope.content, bytes)
    found = email.message_from_bytes(envelope.content, policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    return found


def text_of(envelope: Envelope) -> str:
    body = mail_of(envelope).get_body(("plain",))
    assert body is not None
    return str(body.get_content())


async def press(site: Site, link: str) -> int:
    """Follow the link as a browser does: the address that people use leads here."""
    facts = json.loads((site.folder / ".opswatch" / "server.json").read_text())
    url = facts["url"] + link.removeprefix("http://127.0.0.1:1")
    async with aiohttp.ClientSession() as session:
        async with session.get(url) as page:
            assert "Acknowledge this incident?" in await page.text()
        async with session.post(url, headers={"Origin": facts["url"]}) as answer:
            return answer.status


async def test_people_are_told_until_somebody_answers_and_that_it_is_over(
    tmp_path: Path, shop: Shop, hook: Hook
) -> None:
    """Through a kill -9 in the middle of the ladder; nobody is told anything twice."""
    desk = Desk()
    with serving(desk) as server:
        site = told_site(tmp_path, shop.port, server.port, hook.port)
        async with site.running() as process:
            shop.status = 503
            await until(lambda: _is(len(desk.taken) == 1), "the first step of the ladder")
            os.kill(process.pid, signal.SIGKILL)
            await process.wait()
        async with site.running():
            await until(lambda: _is(len(hook.got) == 1), "the second step")
            link = re.search(r"Acknowledge: (\S+)", text_of(desk.taken[0]))
            assert link is not None
            assert await press(site, link[1]) == 200
            assert await press_again(site, link[1]) == 410
            incidents = (await site.get("/api/v1/incidents"))["incidents"]
            (incident,) = [one for one in incidents if one["service"] == "shop"]
            assert incident["acknowledged_by"] == "link: mail"
            why = await site.command("alerts", "explain", str(incident["id"]))
            assert "mail was told “opened”" in why.output
            assert "hook was told “escalated”" in why.output
            assert (await site.command("notify", "--test", "hook")).code == 0
            shop.status = 200
            await until(lambda: _is(len(desk.taken) == 2 and len(hook.got) == 3), "it is over")
        assert [mail_of(one)["Subject"] for one in desk.taken] == [
            "[CRITICAL] shop is down, says its probe health",
            "[RESOLVED] shop is down, says its probe health",
        ]
        kinds = [f"{one['kind']} {one['status']}" for one in hook.got]
        assert kinds == ["alert firing", "test None", "alert resolved"]
        assert hook.got[0]["incidents"][0]["value_text"] == "down"
        threads = [mail_of(one)["References"] for one in desk.taken]
        assert threads[0] is not None
        assert threads[0] == threads[1]


async def test_a_deploy_script_mutes_with_one_call(tmp_path: Path, shop: Shop, hook: Hook) -> None:
    """Nothing is sent; the reason says who muted it; when the silence ends it is told."""
    desk = Desk()
    with serving(desk) as server:
        site = told_site(tmp_path, shop.port, server.port, hook.port)
        async with site.running():
            made = await site.command("silence", "service=shop", "--for", "1h", "-m", "deploy 1.2.3")
            assert made.code == 0
            shop.status = 503

            async def fires() -> bool:
                return any(one["status"] == "firing" for one in await site.alerts())

            await until(fires, "it fires")
            incident = (await site.alerts())[0]["incident"]

            async def is_held() -> bool:
                found = await site.get(f"/api/v1/incidents/{incident}/explain")
                return any("silence 1 of" in one and "deploy 1.2.3" in one for one in found["words"])

            await until(is_held, "it is held back, and says why")
            assert desk.taken == []
            assert (await site.command("silence", "--end", "1")).code == 0
            await until(lambda: _is(len(desk.taken) == 1), "it is told")
            assert "Nothing holds it back any more" in text_of(desk.taken[0])


async def _is(what: bool) -> bool:
    return what


async def press_again(site: Site, link: str) -> int:
    facts = json.loads((site.folder / ".opswatch" / "server.json").read_text())
    async with aiohttp.ClientSession() as session:
        url = facts["url"] + link.removeprefix("http://127.0.0.1:1")
        async with session.post(url, headers={"Origin": facts["url"]}) as answer:
            return answer.status
