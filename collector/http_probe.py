"""The HTTP probe: one attempt, whatever the target does. Shell.

One deadline covers everything: names, proxies, handshakes, redirects, bodies. What the target does ends as an
outcome; only cancellation leaves `HttpProber.attempt` as an exception.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import perf_counter

from yarl import URL

from collector.attempt import Attempt, one_line
from collector.expectation import Answer, disappointment, wants_body
from collector.http_connection import Connection, Endpoint, PhaseClock, Resolver, connection_failure
from collector.http_message import BrokenAnswer, RequestLine, Response, basic, charset, request_bytes
from collector.targets import HttpRequestSpec, ProbeSpec
from collector.tls import TlsContexts, certificate_days_left, tls_failure
from telemetry.address_guard import is_loopback
from telemetry.clock import Clock
from telemetry.health import Outcome
from telemetry.times import format_duration

logger = logging.getLogger(__name__)

MAX_REDIRECTS = 10
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_BECOME_GET = frozenset({301, 302, 303})


@dataclass(frozen=True, slots=True)
class _Request:
    """One request of an attempt; redirects make further ones."""

    url: URL
    method: str
    headers: tuple[tuple[str, str], ...]
    body: bytes | None
    first: bool = True


@dataclass(slots=True)
class _Progress:
    """What is known so far, also when the deadline strikes."""

    clock: PhaseClock = field(default_factory=PhaseClock)
    endpoint: Endpoint | None = None
    connection: Connection | None = None
    code: int | None = None
    certificate_days_left: float | None = None
    bytes_read: int = 0


class HttpProber:
    """Makes attempts. Open it with `opened`; many attempts may be under way at once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._resolver = Resolver()
        self._tls = TlsContexts()
        self._first_requests: dict[ProbeSpec, _Request] = {}

    @classmethod
    @asynccontextmanager
    async def opened(cls, clock: Clock) -> AsyncIterator[HttpProber]:
        """A prober, as long as the block runs."""
        prober = cls(clock)
        try:
            yield prober
        finally:
            prober._resolver.close()

    async def attempt(self, spec: ProbeSpec) -> Attempt:
        """Ask once. Never raises for what the target does."""
        progress = _Progress()
        started = perf_counter()
        try:
            async with asyncio.timeout(spec.timeout.total_seconds()):
                outcome, message = await self._ask(spec, progress)
        except TimeoutError:
            outcome, message = Outcome.TIMEOUT, _where_time_ran_out(spec, progress)
        except BrokenAnswer as error:
            outcome, message = error.outcome, error.message
        except ssl.SSLError as error:
            outcome, message = tls_failure(error)
        except OSError as error:
            outcome, message = _of_socket(error, progress)
        finally:
            if progress.connection is not None:
                progress.connection.close()
        latency_ms = (perf_counter() - started) * 1000
        if (
            outcome is Outcome.OK
            and spec.expect.latency is not None
            and latency_ms > spec.expect.latency.total_seconds() * 1000
        ):
            outcome, message = (
                Outcome.LATENCY,
                f"took {latency_ms:.0f} ms, expected {format_duration(spec.expect.latency)}",
            )
        return Attempt(
            outcome,
            latency_ms,
            one_line(message),
            progress.code,
            progress.clock.phases(),
            progress.certificate_days_left,
        )

    async def _ask(self, spec: ProbeSpec, progress: _Progress) -> tuple[Outcome, str]:
        request = self._first_request(spec)
        seen: set[tuple[str, URL]] = set()
        for _ in range(MAX_REDIRECTS + 1):
            if (request.method, request.url) in seen:
                raise BrokenAnswer(Outcome.REDIRECT, f"the redirects go in a circle, back to {request.url}")
            seen.add((request.method, request.url))
            response = await self._exchange(spec.request, request, progress)
            if not spec.request.follow_redirects or response.code not in _REDIRECTS:
                return self._judge(spec, response, progress)
            request = _redirected(spec, request, response)
        raise BrokenAnswer(
            Outcome.REDIRECT, f"there are more than {MAX_REDIRECTS} redirects, the last to {request.url}"
        )

    def _judge(self, spec: ProbeSpec, response: Response, progress: _Progress) -> tuple[Outcome, str]:
        wanted = spec.expect
        answer = Answer(response.code, response.headers, b"", charset(response.headers))
        if wants_body(wanted):
            answer = Answer(response.code, response.headers, response.decompressed(), answer.charset)
        if (missed := disappointment(answer, wanted)) is not None:
            return missed.outcome, missed.message
        days = progress.certificate_days_left
        if wanted.certificate_days is not None and days is not None and days < wanted.certificate_days:
            return (
                Outcome.CERTIFICATE,
                f"the certificate ends in {days:.1f} days, expected {wanted.certificate_days:g} or more",
            )
        return Outcome.OK, ""

    async def _exchange(self, spec: HttpRequestSpec, request: _Request, progress: _Progress) -> Response:
        if progress.connection is not None:
            progress.connection.close()
        clock = progress.clock = PhaseClock()
        host, port = request.url.raw_host or "", request.url.port or 0
        tls = self._context(spec) if request.url.scheme == "https" else None
        progress.endpoint = Endpoint(host, port, literal_allowed=request.first)
        if spec.proxy is None:
            addresses = await self._resolver.resolve(progress.endpoint, clock)
            connection = progress.connection = await Connection.open(addresses, tls, host, clock)
        else:
            connection = await self._through_proxy(spec, request, tls, progress)
        if (certificate := connection.certificate()) is not None:
            progress.certificate_days_left = certificate_days_left(certificate, self._clock.now())
        target = request.url.raw_path_qs
        headers = request.headers
        if spec.proxy is not None and tls is None:
            target = str(request.url)
            headers += _proxy_headers(URL(spec.proxy))
        line = RequestLine(request.method, target, request.url.raw_authority.rpartition("@")[2])
        try:
            response = await connection.exchange.ask(request.method, request_bytes(line, headers, request.body), clock)
        finally:
            progress.bytes_read = connection.exchange.bytes_read
        progress.code = response.code
        if response.code == 407 and spec.proxy is not None:
            raise BrokenAnswer(Outcome.PROXY, "the proxy wants credentials: write them into the proxy's url")
        return response

    async def _through_proxy(
        self, spec: HttpRequestSpec, request: _Request, tls: ssl.SSLContext | None, progress: _Progress
    ) -> Connection:
        proxy = URL(spec.proxy or "")
        endpoint = Endpoint(proxy.raw_host or "", proxy.port or 3128, literal_allowed=True)
        try:
            addresses = await self._resolver.resolve(endpoint, progress.clock)
            connection = progress.connection = await Connection.open(addresses, None, endpoint.host, progress.clock)
        except BrokenAnswer as error:
            raise BrokenAnswer(Outcome.PROXY, f"the proxy cannot be reached: {error.message}") from error
        except OSError as error:
            _, message = connection_failure(error, endpoint)
            raise BrokenAnswer(Outcome.PROXY, f"the proxy cannot be reached: {message}") from error
        if tls is not None:
            host = f"{request.url.raw_host}:{request.url.port}"
            tunnel = request_bytes(RequestLine("CONNECT", host, host), _proxy_headers(proxy), None)
            answer = await connection.exchange.ask("HEAD", tunnel, progress.clock)
            if answer.code != 200:
                raise BrokenAnswer(Outcome.PROXY, f"the proxy answered {answer.code} to CONNECT {host}")
            await connection.start_tls(tls, request.url.raw_host or "", progress.clock)
        return connection

    def _context(self, spec: HttpRequestSpec) -> ssl.SSLContext:
        try:
            return self._tls.context(spec)
        except OSError as error:  # ssl.SSLError is one
            named = error.filename or "ca_file, client_certificate or client_key"
            raise BrokenAnswer(Outcome.ERROR, f"{named} cannot be used: {error.strerror or error}") from error

    def _first_request(self, spec: ProbeSpec) -> _Request:
        request = self._first_requests.get(spec)
        if request is None:
            if len(self._first_requests) > 20_000:  # of configurations that were replaced
                self._first_requests.clear()
            request = self._first_requests[spec] = _prepared(spec.request)
        return request


def _prepared(spec: HttpRequestSpec) -> _Request:
    headers = tuple((name, value.get_secret_value()) for name, value in spec.headers)
    if spec.basic_auth is not None:
        authorization = basic(spec.basic_auth.username, spec.basic_auth.password.get_secret_value())
        headers += (("Authorization", authorization),)
    return _Request(URL(spec.url), spec.method, headers, None if spec.body is None else spec.body.encode("utf-8"))


def _redirected(spec: ProbeSpec, request: _Request, response: Response) -> _Request:
    location = response.headers.get("location")
    if not location:
        raise BrokenAnswer(Outcome.REDIRECT, f"status {response.code} names no place to go to")
    try:
        url = request.url.join(URL(location))
        port = url.port
    except ValueError as error:
        raise BrokenAnswer(Outcome.REDIRECT, f"the redirect to {location[:80]!r} makes no sense") from error
    if url.scheme not in {"http", "https"} or not url.raw_host or port is None:
        raise BrokenAnswer(Outcome.REDIRECT, f"the redirect to {location[:80]!r} is not one to http or https")
    if request.url.scheme == "https" and url.scheme == "http":
        raise BrokenAnswer(Outcome.REDIRECT, f"the redirect to {url} would give up TLS")
    first = URL(spec.request.url)
    named = {host.lower() for host in spec.request.redirect_hosts}
    if is_loopback(url.raw_host) and port != first.port and url.raw_host.lower() not in named:
        raise BrokenAnswer(
            Outcome.REDIRECT, f"the redirect leads to another port of this machine, {url.raw_host}:{port}"
        )
    allowed = {first.raw_host, *named}
    if url.raw_host.lower() not in allowed:
        raise BrokenAnswer(
            Outcome.REDIRECT,
            f"the redirect leads to another host, {url.raw_host}: name it in redirect_hosts if that is meant",
        )
    keep = not (response.code in _BECOME_GET and request.method not in {"GET", "HEAD"})
    # Whoever answers elsewhere must not be shown what was meant for here: credentials, cookies, any custom header.
    headers = request.headers if url.origin() == request.url.origin() else ()
    return _Request(
        url.with_fragment(None), request.method if keep else "GET", headers, request.body if keep else None, first=False
    )


def _proxy_headers(proxy: URL) -> tuple[tuple[str, str], ...]:
    if proxy.user is None:
        return ()
    return (("Proxy-Authorization", basic(proxy.user, proxy.password or "")),)


def _of_socket(error: OSError, progress: _Progress) -> tuple[Outcome, str]:
    if progress.endpoint is None:
        return Outcome.ERROR, f"the probe could not be made: {error.strerror or error}"
    if progress.clock.phase == "tls" and isinstance(error, ConnectionError):
        return Outcome.TLS, f"{progress.endpoint.host} closed the connection during the TLS handshake"
    return connection_failure(error, progress.endpoint)


def _where_time_ran_out(spec: ProbeSpec, progress: _Progress) -> str:
    if progress.connection is not None and progress.clock.phase == "first byte":
        progress.bytes_read = progress.connection.exchange.bytes_read
    read = f", after {progress.bytes_read:,} bytes of the body" if progress.bytes_read else ""
    phase = "transfer" if progress.bytes_read else progress.clock.phase
    return f"no complete answer within {format_duration(spec.timeout)}: time ran out in the phase {phase}{read}"
