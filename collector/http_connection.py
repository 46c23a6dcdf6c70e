"""One connection for one request: resolve, connect, shake hands, exchange, with the time of each phase. Shell."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import socket
import ssl
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from time import perf_counter

import aiohappyeyeballs

from collector.attempt import Phases
from collector.http_message import BrokenAnswer, Response, ResponseParser
from telemetry.address_guard import is_forbidden, is_named_literally
from telemetry.health import Outcome

AddressInfo = tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int]]

_SECOND_FAMILY_AFTER = 0.25  # seconds (RFC 8305, "Happy Eyeballs", 5)


@dataclass(slots=True)
class PhaseClock:
    """Where a request is, and how long the phases before took; a deadline that strikes can say in which."""

    phase: str = "start"
    dns_ms: float | None = None
    connect_ms: float | None = None
    tls_ms: float | None = None
    first_byte_ms: float | None = None
    transfer_ms: float | None = None

    def phases(self) -> Phases:
        return Phases(self.dns_ms, self.connect_ms, self.tls_ms, self.first_byte_ms, self.transfer_ms)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to connect. `literal_allowed`: a forbidden address is allowed if the host is that literal."""

    host: str
    port: int
    literal_allowed: bool


class Resolver:
    """Names to addresses in threads of its own, so that names that hang hold up nothing but each other."""

    def __init__(self, threads: int = 32) -> None:
        self._threads = ThreadPoolExecutor(threads, "resolve")

    async def resolve(self, endpoint: Endpoint, clock: PhaseClock) -> Sequence[AddressInfo]:
        """Addresses that may be connected to. Raises BrokenAnswer (DNS, FORBIDDEN)."""
        clock.phase = "dns"
        if (literal := _literal(endpoint)) is not None:
            found: Sequence[AddressInfo] = [literal]
        else:
            started = perf_counter()
            found = await self._look_up(endpoint)
            clock.dns_ms = (perf_counter() - started) * 1000
        for *_, address in found:
            if is_forbidden(address[0]) and not (
                endpoint.literal_allowed and is_named_literally(endpoint.host, address[0])
            ):
                raise BrokenAnswer(
                    Outcome.FORBIDDEN,
                    f"{endpoint.host} is at {address[0]}, a link-local or metadata address:"
                    " write that address itself into the url if you mean it",
                )
        return found

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _look_up(self, endpoint: Endpoint) -> Sequence[AddressInfo]:
        def look_up() -> Sequence[AddressInfo]:
            return socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)  # type: ignore[return-value]

        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        except (socket.gaierror, UnicodeError) as error:
            reason = error.strerror if isinstance(error, socket.gaierror) else "it is not a possible name"
            raise BrokenAnswer(Outcome.DNS, f"{endpoint.host} does not resolve: {reason}") from error


class Exchange(asyncio.Protocol):
    """Sends one request, feeds what comes to the parser, and says when it is complete."""

    def __init__(self) -> None:
        self._parser: ResponseParser | None = None
        self._done: asyncio.Future[None] | None = None
        self._first_byte: float | None = None
        self._transport: asyncio.Transport | None = None
        self._lost: Exception | None = None
        self._ended = False

    async def ask(self, method: str, request: bytes, clock: PhaseClock) -> Response:
        """The answer, whole. Raises BrokenAnswer, OSError, ssl.SSLError."""
        assert self._transport is not None
        self._parser, self._first_byte = ResponseParser(method), None
        self._done = asyncio.get_running_loop().create_future()
        clock.phase = "first byte"
        started = perf_counter()
        if self._ended:
            self._finish(self._lost)
        self._transport.write(request)
        try:
            await self._done
        finally:
            self._note(clock, started)
        assert self._parser.response is not None
        return self._parser.response

    def _note(self, clock: PhaseClock, started: float) -> None:
        if self._first_byte is not None:
            clock.phase = "transfer"
            clock.first_byte_ms = (self._first_byte - started) * 1000
            clock.transfer_ms = (perf_counter() - self._first_byte) * 1000

    @property
    def bytes_read(self) -> int:
        """How much of a body came, for the message when time runs out."""
        response = self._parser.response if self._parser else None
        return len(response.body) if response else 0

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._parser is None or self._done is None or self._done.done():
            return
        if self._first_byte is None:
            self._first_byte = perf_counter()
        try:
            self._parser.feed(data)
        except BrokenAnswer as error:
            self._done.set_exception(error)
            return
        except Exception as error:  # noqa: BLE001 (the edge of one unit: whatever it is, it ends as an outcome)
            # A defect of the parser's must not make an ill target look unknown.
            broken = BrokenAnswer(Outcome.PROTOCOL, f"the answer cannot be read ({type(error).__name__})")
            self._done.set_exception(broken)
            return
        if self._parser.complete:
            self._done.set_result(None)

    def eof_received(self) -> bool:
        self._finish(None)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._finish(exc)

    def _finish(self, error: Exception | None) -> None:
        self._ended, self._lost = True, self._lost or error
        if self._done is None or self._done.done() or self._parser is None:
            return
        if error is not None and not (isinstance(error, ConnectionError) and self._parser.started):
            self._done.set_exception(error)
            return
        try:
            self._parser.end()
        except BrokenAnswer as broken:
            self._done.set_exception(broken)
        else:
            self._done.set_result(None)


class Connection:
    """A connected socket, plain or TLS, with its exchange. Close it whatever happens."""

    def __init__(self, transport: asyncio.Transport, exchange: Exchange) -> None:
        self.transport = transport
        self.exchange = exchange

    @classmethod
    async def open(
        cls, addresses: Sequence[AddressInfo], tls: ssl.SSLContext | None, server_name: str, clock: PhaseClock
    ) -> Connection:
        """Connect, and shake hands where `tls` is given. Raises OSError, ssl.SSLError."""
        clock.phase = "connect"
        started = perf_counter()
        connected = await _connected_socket(addresses)
        clock.connect_ms = (perf_counter() - started) * 1000
        loop = asyncio.get_running_loop()
        try:
            if tls is None:
                transport, exchange = await loop.create_connection(Exchange, sock=connected)
                return cls(transport, exchange)
            clock.phase = "tls"
            started = perf_counter()
            transport, exchange = await loop.create_connection(
                Exchange, sock=connected, ssl=tls, server_hostname=server_name, ssl_shutdown_timeout=1
            )
        except BaseException:
            connected.close()
            raise
        clock.tls_ms = (perf_counter() - started) * 1000
        return cls(transport, exchange)

    async def start_tls(self, tls: ssl.SSLContext, server_name: str, clock: PhaseClock) -> None:
        """Shake hands through a proxy's tunnel. Raises OSError, ssl.SSLError."""
        clock.phase = "tls"
        started = perf_counter()
        self.exchange = Exchange()
        transport = await asyncio.get_running_loop().start_tls(
            self.transport, self.exchange, tls, server_hostname=server_name, ssl_shutdown_timeout=1
        )
        if transport is None:
            raise BrokenAnswer(Outcome.TLS, "the connection was closed during the TLS handshake")
        self.transport = transport
        self.exchange.connection_made(transport)
        clock.tls_ms = (perf_counter() - started) * 1000

    def certificate(self) -> bytes | None:
        """What the other side showed, as DER; None without TLS."""
        ssl_object = self.transport.get_extra_info("ssl_object")
        return None if ssl_object is None else ssl_object.getpeercert(binary_form=True)

    def close(self) -> None:
        # abort, not close: there is nothing left to say, and a peer that hangs must not keep the socket.
        self.transport.abort()


async def _connected_socket(addresses: Sequence[AddressInfo]) -> socket.socket:
    if len(addresses) > 1:
        try:
            return await aiohappyeyeballs.start_connection(list(addresses), happy_eyeballs_delay=_SECOND_FAMILY_AFTER)
        except OSError as error:
            raise most_telling(error) from error
    family, kind, protocol, _, address = addresses[0]
    connecting = socket.socket(family, kind, protocol)
    try:
        connecting.setblocking(False)  # noqa: FBT003 (the socket module's way)
        with suppress(OSError):  # not every platform's sockets know it; it only spares a delay
            connecting.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(connecting, address)
    except BaseException:
        connecting.close()
        raise
    return connecting


def most_telling(error: OSError) -> OSError:
    """One error for several addresses: a name with IPv6 on a host without it must not hide that nothing listens."""
    if error.errno is not None:
        return error
    numbers = {int(number) for number in re.findall(r"\[Errno (\d+)\]", str(error))}
    for number in (errno.ECONNREFUSED, errno.ECONNRESET, errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH):
        if number in numbers:
            return OSError(number, os.strerror(number))
    return OSError(errno.EHOSTUNREACH, "no address could be connected to")


def _literal(endpoint: Endpoint) -> AddressInfo | None:
    try:
        parsed = ip_address(endpoint.host)
    except ValueError:
        return None
    if parsed.version == 4:
        return (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (endpoint.host, endpoint.port))
    scope = int(parsed.scope_id) if parsed.scope_id and parsed.scope_id.isdigit() else 0
    address = (endpoint.host.partition("%")[0], endpoint.port, 0, scope)
    return (socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address)


def connection_failure(error: OSError, endpoint: Endpoint) -> tuple[Outcome, str]:  # noqa: PLR0911 (a table)
    """The outcome and its sentence for a socket's error."""
    place = f"{endpoint.host}:{endpoint.port}"
    if isinstance(error, ConnectionRefusedError) or error.errno == errno.ECONNREFUSED:
        return Outcome.REFUSED, f"nothing listens at {place} (connection refused)"
    if isinstance(error, ConnectionError):
        return Outcome.RESET, f"{place} reset the connection"
    if error.errno in {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.ENETDOWN, errno.EHOSTDOWN}:
        return Outcome.UNREACHABLE, f"there is no way to {place} ({error.strerror})"
    if error.errno == errno.ETIMEDOUT:
        return Outcome.TIMEOUT, f"{place} did not answer the connection ({error.strerror})"
    if error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}:
        return Outcome.ERROR, f"OpsWatch itself is out of something: {error.strerror} (raise its limit of open files)"
    if isinstance(error, TimeoutError):
        return Outcome.TIMEOUT, f"{place} did not answer in time"
    return Outcome.ERROR, f"the probe could not be made: {error.strerror or error}"
