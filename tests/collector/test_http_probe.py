"""The HTTP probe against real sockets: whatever a target does is one outcome, in time, with nothing left open."""

import asyncio
import gzip
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
import trustme
from pydantic import SecretStr

from collector.attempt import Attempt
from collector.http_connection import Endpoint, connection_failure, most_telling
from collector.http_probe import HttpProber
from collector.targets import (
    BasicAuth,
    Comparison,
    HttpExpectation,
    HttpRequestSpec,
    JsonExpectation,
    ProbeSpec,
    StatusRange,
)
from collector.tls import TlsContexts
from telemetry.health import Outcome
from tests.collector.doubles import REAL_CLOCK

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@asynccontextmanager
async def serving(talk: Talk, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server on loopback that talks so; gives its port."""
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        try:
            await talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0)


def saying(*answers: bytes, asked: list[bytes] | None = None) -> Talk:
    """Answers each connection with the next of these, the last one for ever."""
    left = list(answers)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if asked is not None:
            asked.append(head)
        writer.write(left.pop(0) if len(left) > 1 else left[0])
        await writer.drain()

    return talk


async def attempt(url: str, *, timeout: float = 5.0, expect: HttpExpectation | None = None, **request: Any) -> Attempt:
    spec = ProbeSpec(
        "shop",
        "health",
        "http",
        HttpRequestSpec(url, **request),
        expect or HttpExpectation(),
        timedelta(seconds=60),
        timedelta(seconds=timeout),
    )
    async with HttpProber.opened(REAL_CLOCK) as prober:
        return await prober.attempt(spec)


def redirect(to: str, code: int = 302) -> bytes:
    return f"HTTP/1.1 {code} Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode()


async def test_a_good_answer_is_ok_with_every_phase_that_happened() -> None:
    """Status, latency and phases; no name to resolve, no handshake."""
    async with serving(saying(OK)) as port:
        result = await attempt(f"http://127.0.0.1:{port}/health?x=1")

    assert (result.outcome, result.code, result.message) == (Outcome.OK, 200, "")
    assert result.phases.dns_ms is None
    assert result.phases.tls_ms is None
    assert None not in (result.phases.connect_ms, result.phases.first_byte_ms, result.phases.transfer_ms)
    assert result.latency_ms >= (result.phases.first_byte_ms or 0)


async def test_a_name_is_resolved_and_timed() -> None:
    """localhost is a name like any other."""
    async with serving(saying(OK)) as port:
        result = await attempt(f"http://localhost:{port}/")

    assert result.outcome is Outcome.OK
    assert result.phases.dns_ms is not None


async def test_the_request_is_what_the_configuration_says() -> None:
    """Method, headers, body and credentials, as they go over the wire."""
    asked: list[bytes] = []
    async with serving(saying(OK, asked=asked)) as port:
        await attempt(
            f"http://127.0.0.1:{port}/a%20b?c=d",
            method="POST",
            headers=(("X-Key", SecretStr("k1")),),
            body="{}",
            basic_auth=BasicAuth("Aladdin", SecretStr("open sesame")),
        )

    head = asked[0].decode()
    assert head.startswith("POST /a%20b?c=d HTTP/1.1\r\n")
    for line in (
        f"Host: 127.0.0.1:{port}",
        "X-Key: k1",
        "Content-Length: 2",
        "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
    ):
        assert line in head


# Things that go wrong


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def hang_in_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart")
    await reader.read()


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while not writer.is_closing():
        writer.write(b".")
        await writer.drain()
        await asyncio.sleep(0.01)


async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while not writer.is_closing():
        writer.write(bytes(65_536))
        await writer.drain()


async def pour_headers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while not writer.is_closing():
        writer.write(b"X-A: b\r\n" * 1_000)
        await writer.drain()


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.transport.abort()


@pytest.mark.parametrize(
    ("talk", "outcome", "words"),
    [
        (hang, Outcome.TIMEOUT, "first byte"),
        (hang_in_body, Outcome.TIMEOUT, "transfer, after 4 bytes"),
        (drip, Outcome.TIMEOUT, "transfer"),
        (pour, Outcome.TOO_LARGE, "10 MiB"),
        (pour_headers, Outcome.TOO_LARGE, "headers"),
        (reset, Outcome.RESET, "closed before any answer"),
        (saying(b"220 mail.example ESMTP\r\n"), Outcome.PROTOCOL, "not HTTP"),
        (saying(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"), Outcome.CUT_OFF, "after 4 bytes"),
        (saying(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"), Outcome.STATUS, "status 500"),
        (
            saying(redirect("http://169.254.169.254/latest/meta-data/")),
            Outcome.REDIRECT,
            "another host, 169.254.169.254",
        ),
        (saying(redirect("http://other.example/")), Outcome.REDIRECT, "name it in redirect_hosts"),
        (saying(redirect("/again")), Outcome.REDIRECT, "circle"),
        (saying(redirect("file:///etc/passwd")), Outcome.REDIRECT, "not one to http"),
        (saying(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n"), Outcome.REDIRECT, "no place to go"),
    ],
)
async def test_what_a_target_does_is_one_outcome_in_time(talk: Talk, outcome: Outcome, words: str) -> None:
    """A16, A18: hanging, endless, cut, garbage, led astray: each has its own word, within the time allowed."""
    async with serving(talk) as port:
        result = await attempt(f"http://127.0.0.1:{port}/", timeout=1.0)

    assert result.outcome is outcome
    assert words in result.message
    assert result.latency_ms < 3_000


async def test_a_redirect_to_an_ever_new_place_ends() -> None:
    """Ten are followed, not more."""
    places = [redirect(f"/{number}") for number in range(20)]
    async with serving(saying(*places)) as port:
        result = await attempt(f"http://127.0.0.1:{port}/")

    assert result.outcome is Outcome.REDIRECT
    assert "more than 10" in result.message


async def test_a_redirect_on_the_same_host_is_followed_without_the_body_of_a_post() -> None:
    """As browsers do; the phases are those of the last request."""
    asked: list[bytes] = []
    async with serving(saying(redirect("/new", 303), OK, asked=asked)) as port:
        result = await attempt(f"http://127.0.0.1:{port}/", method="POST", body="x")

    assert result.outcome is Outcome.OK
    assert asked[1].startswith(b"GET /new ")


async def test_a_redirect_is_not_followed_when_that_is_not_wanted() -> None:
    """Then its status is judged like any other."""
    async with serving(saying(redirect("/new"))) as port:
        url = f"http://127.0.0.1:{port}/"
        missed = await attempt(url, follow_redirects=False)
        met = await attempt(url, follow_redirects=False, expect=HttpExpectation(status=(StatusRange(300, 399),)))

    assert (missed.outcome, met.outcome) == (Outcome.STATUS, Outcome.OK)


async def test_credentials_do_not_follow_a_redirect_to_another_origin() -> None:
    """Security row 8: another port is another origin, even on a host that may be redirected to."""
    asked: list[bytes] = []
    async with (
        serving(saying(OK, asked=asked)) as other,
        serving(saying(redirect(f"http://localhost:{other}/"))) as port,
    ):
        result = await attempt(
            f"http://127.0.0.1:{port}/",
            redirect_hosts=("localhost",),
            headers=(("X-Key", SecretStr("secret-value")),),
            basic_auth=BasicAuth("u", SecretStr("p")),
        )

    assert result.outcome is Outcome.OK
    assert b"secret-value" not in asked[0]
    assert b"Authorization" not in asked[0]


async def test_where_nothing_listens_is_refused() -> None:
    """And says so with the address."""
    async with serving(saying(OK)) as port:
        pass
    result = await attempt(f"http://127.0.0.1:{port}/")

    assert result.outcome is Outcome.REFUSED
    assert f"127.0.0.1:{port}" in result.message


async def test_a_redirect_to_another_port_of_this_machine_is_not_followed() -> None:
    """Security row 4: what listens beside the target is nobody's to reach by it."""
    asked: list[bytes] = []
    async with (
        serving(saying(OK, asked=asked)) as other,
        serving(saying(redirect(f"http://127.0.0.1:{other}/"))) as port,
    ):
        result = await attempt(f"http://127.0.0.1:{port}/")

    assert (result.outcome, asked) == (Outcome.REDIRECT, [])


async def test_of_several_addresses_the_most_telling_failure_is_told() -> None:
    """A name with IPv6 on a host without it: that nothing listens at IPv4 still says down."""
    error = most_telling(
        OSError("Multiple exceptions: [Errno 101] Network is unreachable, [Errno 111] Connect call failed")
    )

    assert connection_failure(error, Endpoint("shop", 80, literal_allowed=True))[0] is Outcome.REFUSED


async def test_the_same_file_in_two_roles_makes_two_contexts(authority: "Authority", tmp_path: Path) -> None:
    """An authority is no client certificate."""
    contexts = TlsContexts()
    mine = authority.authority.issue_cert("client@example.org")
    both = tmp_path / "both.pem"
    mine.private_key_and_cert_chain_pem.write_to_path(both)
    authority.authority.cert_pem.write_to_path(both, append=True)
    trusted = contexts.context(HttpRequestSpec("https://shop/", ca_file=both))
    shown = contexts.context(HttpRequestSpec("https://shop/", client_certificate=both))

    assert trusted is not shown


async def test_a_name_that_does_not_resolve_is_dns() -> None:
    """`.invalid` never resolves (RFC 2606)."""
    result = await attempt("http://nowhere.invalid/", timeout=20)

    assert result.outcome is Outcome.DNS
    assert "nowhere.invalid" in result.message


async def test_a_bomb_is_too_large() -> None:
    """A body that unpacks to far more than is read."""
    packed = gzip.compress(bytes(40_000_000))
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n".encode()
    async with serving(saying(head + packed)) as port:
        result = await attempt(f"http://127.0.0.1:{port}/", expect=HttpExpectation(body_contains="x"))

    assert result.outcome is Outcome.TOO_LARGE


async def test_a_slow_answer_that_is_right_is_degraded_by_latency() -> None:
    """Latency alone never says down."""

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.05)
        writer.write(OK)

    async with serving(slow) as port:
        result = await attempt(f"http://127.0.0.1:{port}/", expect=HttpExpectation(latency=timedelta(milliseconds=20)))

    assert result.outcome is Outcome.LATENCY
    assert result.message.endswith("expected 20ms")


async def test_a_json_path_is_judged() -> None:
    """From the socket to the path."""
    body = b'{"status": "sick\\u001b[2J"}'
    async with serving(saying(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)) as port:
        expect = HttpExpectation(json=(JsonExpectation("$.status", Comparison.EQUALS, "healthy"),))
        result = await attempt(f"http://127.0.0.1:{port}/", expect=expect)

    assert result.outcome is Outcome.BODY
    assert result.message.isprintable()


async def test_attempts_leave_no_socket_open() -> None:
    """Whatever happened, the descriptors are those from before."""
    process = psutil.Process()
    async with serving(hang) as hanging, serving(saying(OK)) as port, HttpProber.opened(REAL_CLOCK) as prober:
        specs = [
            ProbeSpec(
                "s", "p", "http", HttpRequestSpec(f"http://127.0.0.1:{number}/"), timeout=timedelta(milliseconds=200)
            )
            for number in (hanging, port, 9)
        ]
        await asyncio.gather(*(prober.attempt(spec) for spec in specs))
        before = process.num_fds()
        for _ in range(5):
            await asyncio.gather(*(prober.attempt(spec) for spec in specs * 5))
        await asyncio.sleep(0.1)

        assert process.num_fds() <= before + 3  # the server's side of the last ones may still be closing


# TLS


class Authority:
    """A certificate authority of the test's own, and what it issues."""

    def __init__(self, folder: Path) -> None:
        self.authority = trustme.CA()
        self.file = folder / "ca.pem"
        self.authority.cert_pem.write_to_path(self.file)

    def server(self, *names: str, expires: datetime | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.authority.issue_cert(*names, not_after=expires).configure_cert(context)
        return context


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def test_a_trusted_certificate_is_ok_and_its_days_are_counted(authority: Authority) -> None:
    """With the handshake's time."""
    soon = datetime.now(UTC) + timedelta(days=10)
    async with serving(saying(OK), authority.server("localhost", expires=soon)) as port:
        url = f"https://localhost:{port}/"
        fine = await attempt(url, ca_file=authority.file)
        late = await attempt(url, ca_file=authority.file, expect=HttpExpectation(certificate_days=14))

    assert fine.outcome is Outcome.OK
    assert fine.phases.tls_ms is not None
    assert fine.certificate_days_left == pytest.approx(10, abs=0.1)
    assert (late.outcome, late.message.split(",")[0]) == (Outcome.CERTIFICATE, "the certificate ends in 10.0 days")


@pytest.mark.parametrize(
    ("name", "expired", "trusted", "words"),
    [
        ("localhost", True, True, "has expired"),
        ("other.example", False, True, "for another host"),
        ("localhost", False, False, "ca_file"),
    ],
)
async def test_each_fault_of_a_certificate_has_its_own_words(
    authority: Authority, name: str, expired: bool, trusted: bool, words: str
) -> None:
    """A25: expired, wrong host, unknown issuer; and verify_tls: false still counts the days."""
    expires = datetime.now(UTC) - timedelta(days=1) if expired else None
    async with serving(saying(OK), authority.server(name, expires=expires)) as port:
        url = f"https://localhost:{port}/"
        result = await attempt(url, ca_file=authority.file if trusted else None)
        unverified = await attempt(url, verify_tls=False)

    assert result.outcome is Outcome.CERTIFICATE
    assert words in result.message
    assert unverified.outcome is Outcome.OK
    assert unverified.certificate_days_left is not None


async def test_plain_http_behind_https_is_tls_and_says_so() -> None:
    """The commonest mistake gets its own hint."""

    async def complain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with serving(complain) as port:
        result = await attempt(f"https://127.0.0.1:{port}/")

    assert result.outcome is Outcome.TLS
    assert "does it speak plain http?" in result.message


async def test_a_client_certificate_is_shown(authority: Authority, tmp_path: Path) -> None:
    """A server that asks for one gets it; without one the attempt fails in its own way."""
    context = authority.server("localhost")
    context.verify_mode = ssl.CERT_REQUIRED
    authority.authority.configure_trust(context)
    mine = authority.authority.issue_cert("client@example.org")
    mine.private_key_and_cert_chain_pem.write_to_path(tmp_path / "client.pem")
    async with serving(saying(OK), context) as port:
        url = f"https://localhost:{port}/"
        shown = await attempt(url, ca_file=authority.file, client_certificate=tmp_path / "client.pem")
        hidden = await attempt(url, ca_file=authority.file)

    assert shown.outcome is Outcome.OK
    assert hidden.outcome in {Outcome.TLS, Outcome.RESET}


async def test_a_ca_file_that_is_missing_is_our_own_error(tmp_path: Path) -> None:
    """It says nothing of the target, and names the file."""
    result = await attempt("https://127.0.0.1:9/", ca_file=tmp_path / "gone.pem")

    assert result.outcome is Outcome.ERROR
    assert "gone.pem" in result.message


async def test_a_renewed_ca_file_is_taken_up_without_a_restart(authority: Authority, tmp_path: Path) -> None:
    """The context follows its file."""
    file = tmp_path / "trust.pem"
    trustme.CA().cert_pem.write_to_path(file)
    async with serving(saying(OK), authority.server("localhost")) as port, HttpProber.opened(REAL_CLOCK) as prober:
        spec = ProbeSpec("s", "p", "http", HttpRequestSpec(f"https://localhost:{port}/", ca_file=file))
        before = await prober.attempt(spec)
        authority.authority.cert_pem.write_to_path(file)
        os.utime(file, ns=(1, 1))
        after = await prober.attempt(spec)

    assert (before.outcome, after.outcome) == (Outcome.CERTIFICATE, Outcome.OK)


# Proxies


def proxy(asked: list[bytes], answer: bytes = b"") -> Talk:
    """A forward proxy: relays absolute requests and CONNECT tunnels to where they point, or gives `answer`."""

    async def relay(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65_536):
            target.write(data)
            await target.drain()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        asked.append(head)
        if answer:
            writer.write(answer)
            await writer.drain()
            return
        target = head.split()[1].decode().removeprefix("http://").split("/")[0]
        host, port = target.rsplit(":", 1)
        up_reader, up_writer = await asyncio.open_connection(host, int(port))
        try:
            if head.startswith(b"CONNECT"):
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                up_writer.write(head)
            tasks = [asyncio.create_task(relay(reader, up_writer)), asyncio.create_task(relay(up_reader, writer))]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            up_writer.close()

    return talk


async def test_a_plain_request_goes_through_the_proxy_with_its_credentials() -> None:
    """The proxy's credentials go to the proxy."""
    asked: list[bytes] = []
    async with serving(saying(OK)) as port, serving(proxy(asked)) as through:
        result = await attempt(f"http://127.0.0.1:{port}/x", proxy=f"http://u:p@127.0.0.1:{through}")

    assert result.outcome is Outcome.OK
    assert asked[0].startswith(f"GET http://127.0.0.1:{port}/x HTTP/1.1".encode())
    assert b"Proxy-Authorization: Basic dTpw" in asked[0]


async def test_tls_goes_through_the_proxy_in_a_tunnel(authority: Authority) -> None:
    """CONNECT, then the handshake with the target itself."""
    asked: list[bytes] = []
    async with serving(saying(OK), authority.server("localhost")) as port, serving(proxy(asked)) as through:
        result = await attempt(
            f"https://localhost:{port}/", ca_file=authority.file, proxy=f"http://127.0.0.1:{through}"
        )

    assert result.outcome is Outcome.OK
    assert asked[0].startswith(f"CONNECT localhost:{port} HTTP/1.1".encode())
    assert result.phases.tls_ms is not None
    assert result.certificate_days_left is not None


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "https://127.0.0.1:9/"])
async def test_a_proxy_that_refuses_is_told_apart_from_the_target(url: str) -> None:
    """407 and a proxy that is not there are the proxy's fault."""
    denied = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    async with serving(proxy([], denied)) as through:
        refused = await attempt(url, proxy=f"http://127.0.0.1:{through}")
    absent = await attempt(url, proxy=f"http://127.0.0.1:{through}")

    assert (refused.outcome, absent.outcome) == (Outcome.PROXY, Outcome.PROXY)
