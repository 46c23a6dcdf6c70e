"""`/api/v1/export.csv`: any series, streamed with flat memory. Shell."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

from aiohttp import web

from api.doors import Doors
from api.keys import DOORS
from api.query_parameters import SeriesRequest, series_request
from dashboards.csv_export import columns_of, long_header, long_rows, wide_header, wide_rows
from telemetry.errors import InvalidRequest, OpsWatchError
from telemetry.series import MAX_RAW_LIMIT, Raw, SeriesSamples, Window

logger = logging.getLogger(__name__)


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
        await _write(response, _header(asked, wide=shape == "wide"))
        try:
            while first is not None:
                await _write(response, await asyncio.to_thread(_rows, asked, first, wide=shape == "wide"))
                first = await anext(slices, None)
        except OpsWatchError as error:
            logger.warning("an export stopped in the middle", extra={"reason": error.message})
            await _write(response, f"# incomplete: {' '.join(error.message.split())}\r\n")
        await response.write_eof()
    return response


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


async def _write(response: web.StreamResponse, text: str) -> None:
    # Raises when the client has left, which ends the handler and with it the engine's work.
    await response.write(text.encode("utf-8"))
