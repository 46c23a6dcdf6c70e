"""Webhooks against real servers: signed, judged by their answers, and never led astray."""

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web
from pydantic import SecretStr
from standardwebhooks import Webhook

from alerting.notifiers.webhook import CheckedResolver, WebhookSender
from alerting.outbox import Answer, Outcome
from alerting.receivers import Receiver, WebhookTarget
from telemetry.clock import Clock
from tests.alerting.messages_kit import NOTICE

CLOCK = Clock(lambda: datetime.now(UTC), lambda: 0.0)
SECOND = 10**9
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Answers every path and method; its address."""
    app = web.Application(client_max_size=2**22)
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


async def send(url: str, message: Any = NOTICE, **facts: Any) -> Answer:
    target = WebhookTarget(SecretStr(url), **{"timeout": 2.0, **facts})
    (answer,) = await WebhookSender(CLOCK).send(Receiver("hook", target), message, [""])
    return answer


def saying(status: int, text: str = "", **headers: str) -> Handler:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=status, text=text, headers=headers)

    return handler


async def test_a_message_is_signed_with_every_active_secret() -> None:
    """As the library of the standard checks it, with the new secret and the one before."""
    seen: list[tuple[dict[str, str], bytes]] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append((dict(request.headers), await request.read()))
        return web.Response(text="thanks")

    new, old = Webhook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), Webhook("whsec_bm90IHNvIHNlY3JldCBhZnRlciBhbGw=")
    secrets = tuple(
        SecretStr(f"whsec_{one}") for one in ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "bm90IHNvIHNlY3JldCBhZnRlciBhbGw=")
    )
    async with serving(handler) as url:
        answer = await send(f"{url}/x", secrets=secrets)
    assert (answer.outcome, answer.code, answer.text) == (Outcome.DELIVERED, "200", "thanks")
    headers, body = seen[0]
    low = {name.lower(): value for name, value in headers.items()}
    assert new.verify(body, low) == old.verify(body, low) == json.loads(body)
    assert low["webhook-id"] == NOTICE.id
    assert json.loads(body)["incidents"][0]["id"] == 7


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, Outcome.DELIVERED), (204, Outcome.DELIVERED), (400, Outcome.REFUSED), (404, Outcome.REFUSED),
     (410, Outcome.REFUSED), (408, Outcome.LATER), (429, Outcome.LATER), (500, Outcome.LATER), (503, Outcome.LATER)],
)  # fmt: skip
async def test_the_status_says_what_becomes_of_it(status: int, outcome: Outcome) -> None:
    """C1, C3."""
    async with serving(saying(status)) as url:
        answer = await send(url)
    assert (answer.outcome, answer.code) == (outcome, str(status))


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("7", 7), ("0", 0), ("-5", None), ("99999999", 3_600), ("soon", None), ("Fri, 01 Jan 2100 00:00:00 GMT", 3_600),
     ("Fri, 01 Jan 1999 00:00:00 GMT", 0)],
)  # fmt: skip
async def test_how_long_it_asks_to_wait_is_heard(said: str, seconds: int | None) -> None:
    """C2: seconds or a date, never more than an hour."""
    async with serving(saying(429, **{"Retry-After": said})) as url:
        answer = await send(url)
    assert answer.retry_after == (None if seconds is None else seconds * SECOND)


async def test_an_answer_of_200_with_an_error_is_none_that_counts() -> None:
    """C14: by what the JSON must say."""
    async with serving(saying(200, '{"ok": false, "error": "channel_not_found"}')) as url:
        bad = await send(url, success=("$.ok", "true"))
        plain = await send(url)
    async with serving(saying(200, '{"ok": true}')) as url:
        good = await send(url, success=("$.ok", "true"))
    assert bad.outcome is Outcome.LATER
    assert "channel_not_found" in bad.text
    assert (plain.outcome, good.outcome) == (Outcome.DELIVERED, Outcome.DELIVERED)


async def test_a_redirect_to_another_origin_is_not_followed() -> None:
    """The signature and the headers would go along."""
    reached: list[str] = []

    async def other(request: web.Request) -> web.Response:
        reached.append(request.path)
        return web.Response()

    async with serving(other) as elsewhere, serving(saying(307, Location=f"{elsewhere}/steal")) as url:
        answer = await send(url, headers=(("X-Key", SecretStr("hunter2")),))
    assert (answer.outcome, answer.code, reached) == (Outcome.REFUSED, "307", [])
    assert "hunter2" not in answer.text


async def test_a_redirect_within_the_origin_keeps_the_message() -> None:
    """307 and 308; what would become a GET (302) is refused."""

    async def handler(request: web.Request) -> web.Response:
        if request.path == "/old":
            return web.Response(status=308, headers={"Location": "/new"})
        return web.Response(text=f"{request.method} {len(await request.read()) > 100}")

    async with serving(handler) as url:
        answer = await send(f"{url}/old")
    assert (answer.outcome, answer.text) == (Outcome.DELIVERED, "POST True")
    async with serving(saying(302, Location="/new")) as url:
        assert (await send(url)).outcome is Outcome.REFUSED
    async with serving(saying(307, Location="/again")) as url:
        assert (await send(url)).code == "redirect"


async def test_a_peer_that_hangs_or_trickles_is_left() -> None:
    """C10: within the whole time, whatever it sends."""

    async def trickle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(1_000):
            await response.write(b".")
            await asyncio.sleep(0.05)
        return response

    async with serving(trickle) as url:
        answer = await send(url, timeout=0.3)
    assert (answer.outcome, answer.code) == (Outcome.LATER, "timeout")


async def test_of_a_long_answer_little_is_kept() -> None:
    """And what it holds is made visible."""
    async with serving(saying(500, "\x1b[31mred\u202e" + "x" * 2_000_000)) as url:
        answer = await send(url)
    assert len(answer.text) < 600
    assert "\x1b" not in answer.text
    assert "\\u001b" in answer.text


async def test_what_is_wrong_with_the_way_has_a_word(tmp_path: Path) -> None:
    """Nobody listens, no such name, a certificate of nobody, a connection that is closed."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        closed = one.getsockname()[1]
    assert (await send(f"http://127.0.0.1:{closed}/")).code == "refused"
    assert (await send("http://no-such-host.invalid/")).code == "dns"
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    async with serving(saying(200), context) as url:
        assert (await send(url)).code == "certificate"
        assert (await send(url, ca_file=tmp_path / "ca.pem")).outcome is Outcome.DELIVERED
        assert (await send(url, verify_tls=False)).outcome is Outcome.DELIVERED

    async def drop(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with serving(drop) as url:
        assert (await send(url)).code == "reset"


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "[fd00:ec2::254]", "[::ffff:169.254.169.254]", "0.0.0.0", "224.0.0.1"]
)
async def test_where_no_webhook_goes_none_goes(host: str) -> None:
    """Metadata services and what is no machine's; named literally by the configuration a metadata service is meant."""
    answer = await send(f"http://{host}/", allow_private=False)
    assert (answer.outcome, answer.code) == (Outcome.REFUSED, "address")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "10.1.2.3", "[::1]", "192.168.1.1"])
async def test_a_private_address_is_for_the_configuration_alone(host: str) -> None:
    """Entered by API or page it is refused, unless its network is listed."""
    answer = await send(f"http://{host}:9/", allow_private=False)
    assert (answer.outcome, answer.code) == (Outcome.REFUSED, "address")


async def test_the_connection_is_made_to_the_address_that_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is public when it is checked and private when it is used: it is asked once."""
    loop, asked = asyncio.get_running_loop(), []

    async def resolve(host: str, port: int, **_: object) -> list[Any]:
        asked.append(host)
        address = "93.184.216.34" if len(asked) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(loop, "getaddrinfo", resolve)
    target = WebhookTarget(SecretStr("http://rebind.example/"), allow_private=False)
    found = await CheckedResolver(target).resolve("rebind.example", 80)
    assert [one["host"] for one in found] == ["93.184.216.34"]
    with pytest.raises(OSError, match="private network"):
        await CheckedResolver(target).resolve("rebind.example", 80)


async def test_a_template_makes_the_body_and_a_bad_one_does_not_lose_the_message() -> None:
    """C12: then it is our JSON, which says that the template is to be mended."""
    bodies: list[bytes] = []

    async def handler(request: web.Request) -> web.Response:
        bodies.append(await request.read())
        return web.Response()

    async with serving(handler) as url:
        await send(
            url, template='{"text": {{ title | json }}, "ids": [{% for one in incidents %}{{ one.id }}{% endfor %}]}'
        )
        await send(url, template="{{ nothing.there }}")
    assert json.loads(bodies[0]) == {"text": "[CRITICAL] p95 latency of checkout is 934 ms", "ids": [7]}
    assert "nothing" in json.loads(bodies[1])["template_error"]


async def test_no_answer_tells_the_url() -> None:
    """Its path is the secret."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        answer = await send(f"http://127.0.0.1:{one.getsockname()[1]}/secret-path")
    assert "secret-path" not in repr(answer)
    assert replace(answer, took_ms=0.0).outcome is Outcome.LATER


async def test_an_answer_that_quotes_what_was_sent_is_kept_without_it() -> None:
    """Many servers say which path they do not know."""

    async def echo(request: web.Request) -> web.Response:
        return web.Response(status=404, text=f"Cannot POST {request.path_qs} with {request.headers['X-Key']}")

    async with serving(echo) as url:
        answer = await send(f"{url}/services/T0/SECRET?token=hunter2", headers=(("X-Key", SecretStr("hunter3")),))
    assert answer.text == "Cannot POST *** with ***"
