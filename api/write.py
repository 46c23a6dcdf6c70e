"""`POST /api/v2/write`: InfluxDB's write call, so that Telegraf and every InfluxDB client can write here. Shell.

Answers are InfluxDB's, measured at 2.9 (204; 400 and nothing is kept; 422 and the rest is kept), with the number of the
line at the end of each fault. 204 means that the spool has committed the points.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from aiohttp import ClientPayloadError, web

from api.errors import RETRY_AFTER
from api.keys import DOORS
from telemetry.errors import DiskLow
from telemetry.ports import IntakeOutcome

MAX_BYTES = 25_000_000  # of a body, decompressed
_PRECISIONS = ("ns", "us", "ms", "s")


@dataclass(frozen=True, slots=True)
class _Refusal(Exception):
    status: int
    code: str
    message: str


async def write_points(request: web.Request) -> web.StreamResponse:
    """`POST /api/v2/write`. `bucket` and `org` are accepted and mean nothing here."""
    try:
        precision = _precision(request)
        _check_room(request)
        body = await _body(request)
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


async def _body(request: web.Request) -> bytes:
    too_large = _Refusal(413, "request too large", f"a body has at most {MAX_BYTES:,} bytes; send it in parts")
    if (request.content_length or 0) > MAX_BYTES:
        raise too_large
    body = bytearray()
    try:
        async for piece in request.content.iter_any():  # decompressed already, piece by piece
            body += piece
            if len(body) > MAX_BYTES:
                raise too_large
    except (ClientPayloadError, web.RequestPayloadError) as error:
        raise _Refusal(400, "invalid", f"unable to read data: {error}") from error
    return bytes(body)


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
