"""What every request meets before its handler: identity, origin, limits, headers, and an answer for all that fails."""

import logging
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from aiohttp import web

from api.gate import client_address
from api.keys import DOORS
from telemetry.errors import StoreUnavailable
from tests.api.world import LOCAL_TOKEN, NOW, ApiSettings, World, running

STRICT = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
    " connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


# Tokens


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "Token"])
async def test_a_token_is_understood_in_both_words(world: World, scheme: str) -> None:
    """`Authorization: Bearer TOKEN` and `Token TOKEN` mean the same."""
    headers = {"Authorization": f"{scheme} {world.tokens['viewer']}"}
    async with world.session.get(f"{world.url}/api/v1/schema", headers=headers) as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    "header",
    ["Bearer wrong", "Bearer ", "Bearer", "", "Basic dTpw", "Bearer opw_\N{LATIN SMALL LETTER U WITH DIAERESIS}"],
)
async def test_a_wrong_token_is_refused_with_a_way_out(world: World, header: str) -> None:
    """401 in our shape, with the challenge that HTTP asks for."""
    async with world.session.get(f"{world.url}/api/v1/schema", headers={"Authorization": header}) as answer:
        body = await answer.json()

    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert body["error"]["code"] == "unauthenticated"


async def test_a_wrong_token_is_not_saved_by_a_good_session(world: World) -> None:
    """Who sends a token is judged by it alone."""
    headers = {"Authorization": "Bearer wrong", "Cookie": f"opswatch_session={await world.log_in()}"}
    async with world.session.get(f"{world.url}/api/v1/schema", headers=headers) as answer:
        assert answer.status == 401


async def test_an_expired_and_a_revoked_token_are_refused(world: World) -> None:
    """The first request after the end is refused."""
    short = await world.state.tokens.create("short", 1, NOW, NOW + timedelta(minutes=1))  # type: ignore[arg-type]
    world.tokens["short"] = short
    before = (await world.get("/api/v1/schema", "short")).status
    world.clock.advance(timedelta(minutes=1))
    await world.state.tokens.revoke("viewer", NOW)

    assert before == 200
    assert (await world.get("/api/v1/schema", "short")).status == 401
    assert (await world.get("/api/v1/schema", "viewer")).status == 401


async def test_the_local_token_is_an_admin(world: World) -> None:
    """Commands on this machine use the token of server.json."""
    world.tokens["local"] = LOCAL_TOKEN

    assert (await world.get("/api/v1/tokens", "local")).status == 200


async def test_an_anonymous_client_is_told_the_way_in(world: World) -> None:
    """Before there is an owner it is the owner link; afterwards /login and tokens."""
    unowned = (await (await world.get("/api/v1/health", "")).json())["error"]["message"]
    await world.state.ownership.claim(world.state.ownership.issue_key(NOW), NOW)
    owned = (await (await world.get("/api/v1/health", "")).json())["error"]["message"]

    assert "owner link" in unowned
    assert "/login" in owned


# Limits


async def test_too_many_wrong_tokens_are_held_back_and_good_ones_are_not(world: World) -> None:
    """After 20 failures within a minute: 429 with Retry-After, for the failing alone."""
    wrong = {"Authorization": "Bearer wrong"}
    statuses = []
    for _ in range(21):
        async with world.session.get(f"{world.url}/api/v1/schema", headers=wrong) as answer:
            statuses.append(answer.status)
            error = (await answer.json())["error"]

    assert statuses == [401] * 20 + [429]
    assert int(answer.headers["Retry-After"]) >= 1
    assert error["code"] == "too_many_requests"
    assert (await world.get("/api/v1/schema")).status == 200
    assert await world.log_in()


@pytest.mark.parametrize("path", ["/login", "/setup"])
async def test_login_and_setup_are_limited(world: World, path: str) -> None:
    """Twenty wrong attempts a minute, then 429 with Retry-After, even for a right one."""
    for _ in range(20):
        async with world.session.post(world.url + path, data={"token": "x", "key": "x"}) as answer:
            assert answer.status == 401
    right = {"token": world.tokens["viewer"], "key": world.state.ownership.issue_key(NOW)}
    async with world.session.post(world.url + path, data=right, allow_redirects=False) as answer:
        assert answer.status == 429
        assert int(answer.headers["Retry-After"]) >= 1
        assert answer.content_type == "text/html"


async def seen_address(folder: Path, trusted: tuple[str, ...], *forwarded: str) -> str:
    """Whom the server takes the client for."""
    seen = []

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.append(client_address(request))
        return web.Response()

    networks = tuple(ip_network(one) for one in trusted)
    async with running(folder, ApiSettings("h1", "0.1.0", trusted_proxies=networks)) as world:
        app = web.Application()
        app[DOORS] = world.app[DOORS]
        app.router.add_get("/", handler)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        headers = [("X-Forwarded-For", one) for one in forwarded]
        async with world.session.get(f"http://127.0.0.1:{runner.addresses[0][1]}/", headers=headers) as answer:
            assert answer.status == 200
        await runner.cleanup()
    return seen[0]


LOOPBACK = ("127.0.0.0/8",)


@pytest.mark.parametrize(
    ("trusted", "forwarded", "expected"),
    [
        ((), ("6.6.6.6",), "127.0.0.1"),
        (LOOPBACK, ("203.0.113.7",), "203.0.113.7"),
        (LOOPBACK, ("6.6.6.6, 203.0.113.7",), "203.0.113.7"),
        (LOOPBACK, ("6.6.6.6", "203.0.113.7"), "203.0.113.7"),
        ((*LOOPBACK, "10.0.0.0/8"), ("6.6.6.6, 203.0.113.7, 10.1.2.3",), "203.0.113.7"),
        (LOOPBACK, ("2001:db8::1",), "2001:db8::1"),
        ((*LOOPBACK, "10.0.0.0/8"), ("203.0.113.7, ::ffff:10.1.2.3",), "203.0.113.7"),
        (LOOPBACK, ("nonsense",), "127.0.0.1"),
        (LOOPBACK, (), "127.0.0.1"),
    ],
)
async def test_forwarded_addresses_are_believed_from_the_right(
    tmp_path: Path, trusted: tuple[str, ...], forwarded: tuple[str, ...], expected: str
) -> None:
    """Only what listed proxies say, the nearest first; what a client makes up to the left of it counts nothing."""
    assert await seen_address(tmp_path, trusted, *forwarded) == expected


# Writes from other sites


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://[broken"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "SELF"},
        {},
    ],
)
async def test_a_write_with_a_session_needs_our_own_origin(world: World, headers: dict[str, str]) -> None:
    """Another site's page, or one that says not where it comes from, writes nothing with somebody's cookie."""
    key = await world.log_in()
    sent = {name: value.replace("SELF", world.url) for name, value in headers.items()}
    cookie = {"Cookie": f"opswatch_session={key}"}
    async with world.session.post(f"{world.url}/logout", headers=sent | cookie, allow_redirects=False) as answer:
        assert answer.status == 403

    assert await world.state.sessions.find(key, NOW) is not None


@pytest.mark.parametrize("path", ["/login", "/setup"])
async def test_another_site_cannot_log_a_browser_in(world: World, path: str) -> None:
    """Logging a victim in with the attacker's token is a write like any other."""
    form = {"token": world.tokens["admin"], "key": world.state.ownership.issue_key(NOW)}
    origin = {"Origin": "http://evil.example"}
    async with world.session.post(world.url + path, data=form, headers=origin, allow_redirects=False) as answer:
        assert answer.status == 403
        assert "Set-Cookie" not in answer.headers


async def test_a_token_writes_from_anywhere(world: World) -> None:
    """No browser adds a token by itself, so a bearer needs no origin."""
    headers = world.bearer("admin") | {"Sec-Fetch-Site": "cross-site", "Origin": "http://other.example"}
    async with world.session.post(f"{world.url}/api/v1/tokens", json={"name": "ci"}, headers=headers) as answer:
        assert answer.status == 201


# Headers and ids


@pytest.mark.parametrize(
    ("path", "who"),
    [
        ("/health", ""),
        ("/api/v1/health", "viewer"),
        ("/api/v1/health", ""),
        ("/nothing", "viewer"),
        ("/", ""),
        ("/login", ""),
    ],
)
async def test_every_answer_has_the_strict_headers(world: World, path: str, who: str) -> None:
    """Pages, API and errors alike; and none tells which versions run."""
    answer = await world.get(path, who)

    assert {name: answer.headers[name] for name in STRICT} == STRICT
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Permissions-Policy"]
    assert answer.headers["Server"] == "OpsWatch"
    assert "Access-Control-Allow-Origin" not in answer.headers


async def test_under_tls_browsers_are_told_to_stay_there(tmp_path: Path) -> None:
    """Strict-Transport-Security, and cookies that only travel encrypted."""
    async with running(tmp_path, ApiSettings("h1", "0.1.0", secure_cookies=True)) as world:
        answer = await world.get("/health", "")
        form = {"token": world.tokens["viewer"]}
        async with world.session.post(f"{world.url}/login", data=form, allow_redirects=False) as entered:
            cookie = entered.headers["Set-Cookie"]

    assert "max-age=" in answer.headers["Strict-Transport-Security"]
    assert "Secure" in cookie


@pytest.mark.parametrize("header", ["X-Request-ID", "X-Correlation-ID"])
async def test_a_good_correlation_id_is_taken_over(world: World, header: str) -> None:
    """An id from outside goes through, so that one id follows a request across services."""
    async with world.session.get(f"{world.url}/health", headers={header: "deploy-42.a_b"}) as answer:
        assert answer.headers["X-Correlation-ID"] == "deploy-42.a_b"


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "ü", "a;b", '"'])
async def test_a_bad_correlation_id_is_replaced(world: World, given: str) -> None:
    """What could not stand in a log line is not taken over, and nobody goes without an id."""
    async with world.session.get(f"{world.url}/health", headers={"X-Request-ID": given}) as answer:
        assert answer.headers["X-Correlation-ID"].startswith("req_")


async def test_no_secret_reaches_the_log(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Neither tokens nor keys nor cookies, even where everything is logged."""
    caplog.set_level(logging.DEBUG)
    key = world.state.ownership.issue_key(NOW)
    async with world.session.post(f"{world.url}/setup", data={"key": key}, allow_redirects=False) as answer:
        cookie = answer.cookies["opswatch_session"].value
    wrong = "opw_wrong-but-perhaps-of-another-server"
    async with world.session.post(f"{world.url}/login", data={"token": wrong}) as answer:
        assert answer.status == 401
    async with world.session.get(f"{world.url}/api/v1/health", headers={"Authorization": f"Bearer {wrong}"}) as answer:
        assert wrong not in await answer.text()
    body = {"name": "ci", "role": "admin"}
    async with world.session.post(f"{world.url}/api/v1/tokens", json=body, headers=world.bearer("admin")) as answer:
        made = (await answer.json())["token"]

    assert "GET /api/v1/health 401" in caplog.text
    assert [secret for secret in (key, cookie, wrong, made, world.tokens["admin"]) if secret in caplog.text] == []


# Hostile input

LOGIN = b"POST /login HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
FORM = b"Content-Type: application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("request_text", "expected"),
    [
        (LOGIN + FORM + b"; charset=bogus\r\nContent-Length: 7\r\n\r\ntoken=a", 401),
        (LOGIN + FORM + b"\r\nContent-Length: 8\r\n\r\ntoken=\xff\xfe", 400),
        (LOGIN + FORM + b"\r\nContent-Length: 10\r\n\r\ntoken=%ff%", 401),
        (LOGIN + FORM + b"\r\nContent-Length: 99\r\n\r\n" + b"a=1&" * 24 + b"a=1", 400),
        (LOGIN + FORM + b"\r\nContent-Encoding: gzip\r\nContent-Length: 7\r\n\r\ntoken=a", 400),
        (LOGIN + b"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 4\r\n\r\n--x-", 400),
        (LOGIN + b"Content-Type: multipart/form-data\r\nContent-Length: 4\r\n\r\n--x-", 400),
        (LOGIN + b"Origin: http://\xff\r\nContent-Length: 0\r\n\r\n", 403),
        (LOGIN + b"Origin: http://[x\r\nContent-Length: 0\r\n\r\n", 403),
        (LOGIN + b"Sec-Fetch-Site: \xff\r\nContent-Length: 0\r\n\r\n", 403),
        (LOGIN + FORM + b"\r\nContent-Length: 2000000\r\n\r\n" + b"a" * 2_000_000, 413),
        (b"GET /api/v1/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\nCookie: opswatch_session=\xff\r\n\r\n", 401),
        (b"GET /%ff%00%ed%a0%80 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer \xff\r\n\r\n", 401),
        (b"GET /health HTTP/1.1\r\nHost: \xff\r\nConnection: close\r\nX-Request-ID: \xff\r\n\r\n", 200),
    ],
)
async def test_hostile_bytes_get_an_ordinary_refusal(world: World, request_text: bytes, expected: int) -> None:
    """Nothing that an anonymous client can send is our fault: never a 500."""
    status, _ = await world.raw(request_text)

    assert status == expected


async def test_an_unexpected_failure_tells_its_id_and_nothing_else(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """500 with the correlation id; the log has the trace, the answer has not."""
    world.own.clear()  # what /ready asks is gone
    with caplog.at_level(logging.ERROR, "api.gate"):
        answer = await world.get("/ready", "")

    assert answer.status == 500
    error = (await answer.json())["error"]
    assert error["code"] == "internal"
    assert answer.headers["X-Correlation-ID"] in error["message"]
    assert "IndexError" not in await answer.text()
    assert "IndexError" in caplog.text


async def test_an_unexpected_failure_of_a_page_is_a_page(world: World) -> None:
    """A browser gets HTML, also when it is our fault."""
    world.own.clear()
    answer = await world.get("/status")

    assert answer.status == 500
    assert answer.content_type == "text/html"
    assert answer.headers["X-Correlation-ID"] in await answer.text()


@pytest.mark.parametrize(("accept", "kind"), [("text/html", "text/html"), ("*/*", "application/json")])
async def test_an_unknown_path_answers_in_the_language_of_who_asks(world: World, accept: str, kind: str) -> None:
    """A browser gets a page, a script gets JSON, and both get 404."""
    headers = world.bearer() | {"Accept": accept}
    async with world.session.get(f"{world.url}/nothing<script>", headers=headers) as answer:
        assert answer.status == 404
        assert answer.content_type == kind
        assert kind == "application/json" or "<script>" not in await answer.text()


async def test_a_state_file_that_cannot_be_used_is_503(tmp_path: Path) -> None:
    """A full disk under state.sqlite is told as such, and /health goes on."""

    class Broken:
        async def identify(self, token: str, now: object) -> None:
            raise StoreUnavailable("state.sqlite cannot be used at the moment: disk full")

    async with running(tmp_path, change=lambda doors: replace(doors, tokens=Broken())) as world:
        assert (await world.get("/api/v1/schema")).status == 503
        assert (await world.get("/health", "")).status == 200
