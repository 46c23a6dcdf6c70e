"""`/api/v1/export.csv`: any series, streamed with flat memory. Shell."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from aiohttp import web

from api.doors import Doors
from api.keys import DOORS
from api.query_parameters import SeriesRequest, series_request
from dashboards.csv_export import columns_of, long_header, long_rows, wide_header, wide_rows
from telemetry.errors import InvalidRequest, OpsWatchError
from telemetry.series import MAX_RAW_LIMIT, Raw, Series, SeriesSamples, Window

logger = logging.getLogger(__name__)

_PIECE_BYTES = 256 * 1024


async def export_csv(request: web.Request) -> web.StreamResponse:
    """`GET /api/v1/export.csv`."""
    doors = request.app[DOORS]
    shape = request.query.get("shape", "long")
    if shape not in {"long", "wide"}:
        raise InvalidRequest(f"shape is long or wide, not {shape[:20]!r}", field="shape", value=shape[:20])
    asked = series_request(
        request.query, doors.registry, doors.clock.now(), further=("shape",), raw_limit=MAX_RAW_LIMIT
    )
    async with aclosing(_slices(doors, asked)) as slices:
        # The first slice before the first byte: what is wrong with the query is then still a proper error.
        first = await anext(slices, None)
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/csv; charset=utf-8; header=present",
                "Content-Disposition": f'attachment; filename="{asked.measurement.name}.csv"',
            }
        )
        await response.prepare(request)
        await _write(request, response, _header(asked, wide=shape == "wide"))
        counted: Counter[Series] = Counter()
        incomplete = ""
        try:
            while first is not None:
                counted.update({one.series: len(one.times) for one in first})
                await _write(request, response, await asyncio.to_thread(_rows, asked, first, wide=shape == "wide"))
                first = await anext(slices, None)
            incomplete = "" if "limit" in request.query else cut_reason(counted)
        except OpsWatchError as error:
            logger.warning("an export stopped in the middle", extra={"reason": error.message})
            incomplete = error.message
        if incomplete:
            await _write(request, response, f"# incomplete: {' '.join(incomplete.split())}\r\n")
        await response.write_eof()
    return response


def cut_reason(counted: Mapping[Series, int]) -> str:
    """Why an export without a limit of its own may lack samples; empty when it does not."""
    longest = max(counted.values(), default=0)
    return "" if longest < MAX_RAW_LIMIT else f"a series has {MAX_RAW_LIMIT:,} samples or more: export it in parts"


async def _slices(doors: Doors, asked: SeriesRequest) -> AsyncGenerator[list[SeriesSamples], None]:
    if isinstance(asked.query.shape, Raw):
        async with aclosing(doors.reader.stream(asked.query)) as slices:
            async for one in slices:
                yield one
    else:
        yield list((await doors.reader.read(asked.query)).series)


def _header(asked: SeriesRequest, *, wide: bool) -> str:
    tags = asked.measurement.tags
    return wide_header(tags, _columns(asked)) if wide else long_header(tags)


def _rows(asked: SeriesRequest, series: list[SeriesSamples], *, wide: bool) -> str:
    tags = asked.measurement.tags
    return wide_rows(series, tags, _columns(asked)) if wide else long_rows(series, tags)


def _columns(asked: SeriesRequest) -> list[str]:
    fields = asked.query.fields or tuple(field.name for field in asked.measurement.fields)
    shape = asked.query.shape
    return columns_of(fields, shape.functions if isinstance(shape, Window) else ())


async def _write(request: web.Request, response: web.StreamResponse, text: str) -> None:
    encoded = text.encode("utf-8", "replace")
    for start in range(0, len(encoded), _PIECE_BYTES):
        await _send(request, response, encoded[start : start + _PIECE_BYTES])


async def _send(request: web.Request, response: web.StreamResponse, piece: bytes) -> None:
    # Raises when the client has left, which ends the handler and with it the engine's work. A client that stays and
    # reads nothing would keep one of the store's few readers for ever, so its connection is ended.
    try:
        async with asyncio.timeout(request.app[DOORS].settings.stalled_after.total_seconds()):
            await response.write(piece)
    except TimeoutError as error:
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError("the client of an export reads nothing") from error
