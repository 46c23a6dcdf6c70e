"""`POST /api/v2/write`: InfluxDB's write call, so that Telegraf and every InfluxDB client can write here. Shell.

Answers are InfluxDB's, measured at 2.9 (204; 400 and nothing is kept; 422 and the rest is kept), with the number of the
line at the end of each fault. 204 means that the spool has committed the points.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aiohttp import ClientPayloadError, web

from api.errors import RETRY_AFTER
from api.keys import DOORS
from telemetry.errors import DiskLow
from telemetry.ports import IntakeOutcome

MAX_BYTES = 25_000_000  # of a body, decompressed
MAX_BYTES_OF_ALL = 100_000_000  # of all bodies that are being read or kept
_PRECISIONS = ("ns", "us", "ms", "s")


class _Refusal(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class BodiesInMemory:
    """Counts the bytes of all bodies that are being read or kept, so that many large ones do not fill the memory."""

    def __init__(self) -> None:
        self._bytes = 0

    @contextmanager
    def share(self) -> Iterator[Callable[[int], None]]:
        """For one request: to be told of each piece that is read; raises when all together are too large."""
        mine = 0

        def grow(size: int) -> None:
            nonlocal mine
            mine += size
            self._bytes += size
            if self._bytes > MAX_BYTES_OF_ALL:
                raise _Refusal(503, "unavailable", "too many large bodies come at once: send this one again")

        try:
            yield grow
        finally:
            self._bytes -= mine


BODIES: web.AppKey[BodiesInMemory] = web.AppKey("bodies", BodiesInMemory)


async def write_points(request: web.Request) -> web.StreamResponse:
    """`POST /api/v2/write`. `bucket` and `org` are accepted and mean nothing here."""
    try:
        precision = _precision(request)
        _check_room(request)
        with request.app[BODIES].share() as grow:
            body = await _body(request, grow)
            _check(await request.app[DOORS].intake.take(body, precision))
    except _Refusal as refusal:
        return _response(request, refusal)
    return web.Response(status=204)


async def answer_ping(_: web.Request) -> web.StreamResponse:
    """`GET /ping`: what InfluxDB's clients ask before they write."""
    return web.Response(status=204)


def _precision(request: web.Request) -> str:
    precision = request.query.get("precision") or "ns"
    if precision not in _PRECISIONS:
        words = f"invalid precision {precision[:20]!r}; valid precision units are {', '.join(_PRECISIONS)}"
        raise _Refusal(400, "invalid", words)
    return precision


def _check_room(request: web.Request) -> None:
    try:
        request.app[DOORS].disk_room.check("pushed points")
    except DiskLow as error:
        raise _Refusal(503, error.code, error.message) from error


async def _body(request: web.Request, grow: Callable[[int], None]) -> bytes:
    if (request.content_length or 0) > MAX_BYTES:
        raise _too_large()
    body = bytearray()
    try:
        async for piece in request.content.iter_any():  # decompressed already, piece by piece
            body += piece
            grow(len(piece))
            if len(body) > MAX_BYTES:
                raise _too_large()
    except (ClientPayloadError, web.RequestPayloadError) as error:
        raise _Refusal(400, "invalid", f"unable to read data: {error}") from error
    return bytes(body)


def _too_large() -> _Refusal:
    # Made where it is raised: one that a variable holds keeps its frame, and with it the body, until garbage is
    # collected.
    return _Refusal(413, "request too large", f"a body has at most {MAX_BYTES:,} bytes; send it in parts")


def _check(outcome: IntakeOutcome) -> None:
    if outcome.unparseable:
        raise _Refusal(400, "invalid", outcome.unparseable)
    if outcome.unavailable:
        raise _Refusal(503, "unavailable", outcome.unavailable)
    if outcome.dropped:
        words = f"failure writing points to database: partial write: {outcome.refused}"
        raise _Refusal(422, "unprocessable entity", words)


def _response(request: web.Request, refusal: _Refusal) -> web.Response:
    body = json.dumps({"code": refusal.code, "message": refusal.message}).encode("utf-8", "replace")
    response = web.Response(status=refusal.status, body=body, content_type="application/json", charset="utf-8")
    response.headers["X-Platform-Error-Code"] = refusal.code
    if refusal.status == 503:
        response.headers["Retry-After"] = str(RETRY_AFTER)
    if not request.content.is_eof():
        response.force_close()  # what is still on its way is not read
    return response
