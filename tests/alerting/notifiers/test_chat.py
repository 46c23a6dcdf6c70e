"""Chats and pagers through apprise, against a real receiver of its json:// kind."""

import asyncio
import threading

import pytest
from aiohttp import web
from pydantic import SecretStr

from alerting.notifiers import chat
from alerting.notifiers.chat import THREADS, ChatSender, is_url
from alerting.outbox import Answer, Outcome
from alerting.receivers import AppriseTarget, Receiver
from tests.alerting.messages_kit import NOTICE
from tests.alerting.notifiers.test_webhook import saying, serving


async def send(sender: ChatSender, url: str, timeout: float = 10) -> Answer:
    (answer,) = await sender.send(Receiver("chat", AppriseTarget(SecretStr(url), timeout)), NOTICE, [""])
    return answer


async def test_a_message_arrives_with_its_title() -> None:
    """Short, as plain text."""
    seen: list[dict[str, str]] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(await request.json())
        return web.Response()

    async with serving(handler) as url:
        answer = await send(ChatSender(), url.replace("http", "json"))
    assert answer.outcome is Outcome.DELIVERED
    assert seen[0]["title"] == "[CRITICAL] p95 latency of checkout is 934 ms"
    assert "Acknowledge: https://ops.example/act/x" in seen[0]["message"]


async def test_what_is_not_taken_is_tried_later(caplog: pytest.LogCaptureFixture) -> None:
    """And no log tells the URL, which holds the credentials."""
    async with serving(saying(500)) as url:
        answer = await send(ChatSender(), f"{url.replace('http', 'json')}/hunter2")
    assert (answer.outcome, answer.code) == (Outcome.LATER, "failed")
    assert "hunter2" not in caplog.text


async def test_a_url_that_nobody_knows_is_refused() -> None:
    """It would be another time, too."""
    assert (await send(ChatSender(), "nonsense://x")).outcome is Outcome.REFUSED
    assert not is_url("nonsense://x")
    assert is_url("json://localhost")


async def test_one_that_hangs_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its place is taken; when all are, the next hears that at once, and afterwards there is room again."""
    gate = threading.Event()
    monkeypatch.setattr(chat, "_notified", lambda *_: gate.wait(20) and ("ok", "taken"))
    sender = ChatSender()
    hung = await asyncio.gather(*(send(sender, "json://x", 0.05) for _ in range(THREADS)))
    assert {answer.code for answer in hung} == {"timeout"}
    assert (await send(sender, "json://x")).code == "busy"
    gate.set()
    for _ in range(200):
        if (answer := await send(sender, "json://x")).code != "busy":
            break
        await asyncio.sleep(0.01)
    assert answer.outcome is Outcome.DELIVERED
