"""A scripted InfluxDB v2 server: it answers with the status codes and bodies of a real 2.9.1, or not at all.

    async with stub_server() as stub:
        stub.script("/api/v2/write", [error(503, "unavailable", "busy", {"Retry-After": "7"}), TAKEN])
        ... InfluxConnection.opened(stub.settings())
        assert stub.bodies("/api/v2/write") == [...]

The last responder of a script answers for ever. A responder is a Reply, a Half, RESET or HANG, or a function of the
request that gives one. Without a script: /ping is a 2.9.1, a write is taken and forgotten, a query finds nothing.
"""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from aiohttp import web
from pydantic import SecretStr

from influx.settings import InfluxSettings

WRITE, QUERY, PING = "/api/v2/write", "/api/v2/query", "/ping"


@dataclass(frozen=True)
class Reply:
    """A whole answer."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Half:
    """An answer that breaks off: `body` is sent, more is promised, and the connection is reset."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Silence:
    """No answer: the connection is reset, or stays open and nothing comes."""

    resets: bool


RESET, HANG = Silence(resets=True), Silence(resets=False)


@dataclass(frozen=True)
class Request:
    """What somebody asked. `body` is what was meant; `plain` says that it came uncompressed; `raw` as it came."""

    method: str
    path: str
    parameters: Mapping[str, str]
    headers: Mapping[str, str]
    raw: bytes

    @property
    def plain(self) -> bool:
        return self.headers.get("content-encoding") != "gzip"

    @property
    def body(self) -> bytes:
        return self.raw if self.plain else gzip.decompress(self.raw)

    @property
    def token(self) -> str:
        return self.headers.get("authorization", "").removeprefix("Token ")


Answering = Reply | Half | Silence
Responder = Answering | Callable[[Request], Answering]


def error(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Reply:
    """An error as InfluxDB 2 words it."""
    body = json.dumps({"code": code, "message": message}, separators=(",", ":")).encode()
    own = {"Content-Type": "application/json; charset=utf-8", "X-Platform-Error-Code": code}
    return Reply(status, body, own | dict(headers or {}))


def bad_lines(*faults: tuple[str, str]) -> Reply:
    """(line, reason) of each line that cannot be parsed."""
    return error(400, "invalid", "\n".join(f"unable to parse '{line}': {reason}" for line, reason in faults))


def partial(reason: str) -> Reply:
    """What was stored but for the points that `reason` is about."""
    return error(422, "unprocessable entity", f"failure writing points to database: partial write: {reason}")


def conflict(name: str, measurement: str, got: str, have: str, dropped: int) -> Reply:
    names = [json.dumps(one, ensure_ascii=False) for one in (name, measurement)]  # Go quotes these alike
    quoted = f"input field {names[0]} on measurement {names[1]}"
    return partial(f"field type conflict: {quoted} is type {got}, already exists as type {have} dropped={dropped}")


def outside_retention(measurement: str, oldest: str, newest: str, bound: str, dropped: int) -> Reply:
    """Times as RFC 3339."""
    said = f"dropped because it violates a Retention Policy Lower Bound at {bound}"
    return partial(
        f"dropped {dropped} points outside retention policy of duration 1h0m0s - oldest point {measurement} at {oldest}"
        f" {said}, newest point {measurement} at {newest} {said} dropped={dropped}"
        " for database: 4ffe21550a2f915d for retention policy: autogen"
    )


def table(*rows: tuple[str, ...]) -> Reply:
    """A query's answer as annotated CSV would be without annotations: a header row, then values."""
    lines = "".join(",".join(("", *row)) + "\r\n" for row in rows)
    return Reply(200, (lines + "\r\n").encode(), {"Content-Type": "text/csv; charset=utf-8"})


TAKEN = Reply(204)
EMPTY = Reply(200, b"\r\n", {"Content-Type": "text/csv; charset=utf-8"})
HTML = Reply(200, b"<!doctype html><title>Sign in</title>", {"Content-Type": "text/html"})
BROKEN_GZIP = error(500, "internal error", "unable to read data: unexpected EOF")
WRITE_TIMEOUT = error(500, "internal error", "unexpected error writing points to database: timeout")
UNAUTHORIZED = error(401, "unauthorized", "unauthorized access")
FORBIDDEN = error(403, "forbidden", "insufficient permissions for write")
NO_ORGANISATION = error(400, "invalid", "Please provide either orgID or org")


def keeping_canaries(stub: "Stub") -> Reply:
    """What a server answers that has kept the newest canary: for QUERY."""
    lines = [body for body in stub.bodies(WRITE) if body.startswith("opswatch_canary")]
    number = lines[-1].split("number=")[1].split("i ")[0] if lines else ""
    return table(("result", "table", "_value"), ("_result", "0", number))


def no_bucket(name: str) -> Reply:
    return error(404, "not found", f'bucket "{name}" not found')


@dataclass
class Stub:
    """`requests` is all that was asked, in order."""

    url: str
    requests: list[Request] = field(default_factory=list)
    scripts: dict[str, list[Responder]] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=lambda: {"X-Influxdb-Version": "v2.9.1"})
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    def settings(self, token: str = "secret-token", token_file: Path | None = None) -> InfluxSettings:
        return InfluxSettings(self.url, "ops", SecretStr(token), token_file)

    def script(self, path: str, responders: Sequence[Responder]) -> None:
        """From now on answer so; the last one for ever."""
        self.scripts[path] = list(responders)

    def script_points(self, responders: Sequence[Responder]) -> None:
        """How points are answered; the canary is kept meanwhile."""
        waiting = list(responders)

        def answer(request: Request) -> Answering:
            if request.body.startswith(b"opswatch_canary"):
                return TAKEN
            responder = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            return responder(request) if callable(responder) else responder

        self.script(WRITE, [answer])
        self.script(QUERY, [lambda request: keeping_canaries(self)])

    @property
    def points(self) -> list[Request]:
        """The writes of all but canaries."""
        return [request for request in self.of(WRITE) if not request.body.startswith(b"opswatch_canary")]

    @property
    def canaries(self) -> list[Request]:
        return [request for request in self.of(WRITE) if request.body.startswith(b"opswatch_canary")]

    def bodies(self, path: str) -> list[str]:
        """What was sent there, as text."""
        return [request.body.decode() for request in self.requests if request.path == path]

    def of(self, path: str) -> list[Request]:
        return [request for request in self.requests if request.path == path]

    def answering(self, request: Request) -> Answering:
        script = self.scripts.get(request.path) or [{PING: Reply(204), QUERY: EMPTY, WRITE: TAKEN}.get(request.path)]
        responder = script.pop(0) if len(script) > 1 else script[0]
        if responder is None:
            return Reply(404, b"404 page not found\n", {"Content-Type": "text/plain; charset=utf-8"})
        return responder(request) if callable(responder) else responder


async def _answer(stub: Stub, request: web.Request) -> web.StreamResponse:
    known = Request(
        request.method,
        request.path,
        dict(request.query),
        {name.lower(): value for name, value in request.headers.items()},
        await request.read(),
    )
    stub.requests.append(known)
    stub.asked.set()
    match stub.answering(known):
        case Reply(status, body, headers):
            return web.Response(status=status, body=body, headers={**stub.headers, **headers})
        case Half(body, status, headers):
            response = web.StreamResponse(status=status, headers={**stub.headers, **headers})
            response.content_length = len(body) + 1_000
            await response.prepare(request)
            await response.write(body)
            _reset(request)
        case Silence(resets=True):
            _reset(request)
        case Silence():
            await asyncio.Event().wait()
    raise AssertionError("an answer that the stub does not know")


def _reset(request: web.Request) -> NoReturn:
    if request.transport is not None:
        request.transport.abort()
    raise ConnectionResetError("as the script says")


@asynccontextmanager
async def stub_server() -> AsyncIterator[Stub]:
    """One that listens on loopback as long as the block runs."""
    stub = Stub("")
    # Bodies stay as they came: what a client compresses is a thing to test.
    server = web.Server(lambda request: _answer(stub, request), auto_decompress=False)  # type: ignore[arg-type]
    runner = web.ServerRunner(server, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    stub.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield stub
    finally:
        await runner.cleanup()
