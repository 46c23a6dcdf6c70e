"""`/api/v1/export.csv` and `.parquet`: any series as a file, streamed with flat memory. Shell.

Samples are written by the store's engine; windows and the newest samples, which are few, and every answer of a store
that has no such engine are written here.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing, contextmanager

from aiohttp import web

from api.doors import Doors
from api.downloads import download, send
from api.keys import DOORS
from api.query_parameters import SeriesRequest, series_request
from api.services import written
from telemetry.csv_export import columns_of, long_header, long_rows, wide_header, wide_rows
from telemetry.errors import InvalidRequest, OpsWatchError
from telemetry.ports import TableExport, TableForm
from telemetry.series import MAX_RAW_LIMIT, Quantile, Raw, Series, SeriesSamples, Window, quantile_label
from telemetry.times import from_datetime

logger = logging.getLogger(__name__)

_PIECE_BYTES = 256 * 1024
_CSV = "text/csv; charset=utf-8; header=present"
_PARQUET = "application/vnd.apache.parquet"
# On the disk per sample, generously: the engine sorts all of it there, and writes the whole file, before it is sent.
_DISK_BYTES = {TableForm.PARQUET_LONG: 100, TableForm.PARQUET_WIDE: 180}
SAMPLES_HEADER = "X-OpsWatch-Samples"  # how many are coming, for whoever shows progress
LOST_HEADER = "X-OpsWatch-Lost"  # a period of which samples were lost, for whoever asked for a whole file


class ExportsUnderWay:
    """What those that run take of the disk, so that together they leave the reserve alone."""

    def __init__(self) -> None:
        self._bytes = 0

    @contextmanager
    def held(self, doors: Doors, size: int) -> Iterator[None]:
        """Room for one more export, as long as the block runs. Raises DiskLow where there is none."""
        if size:
            doors.disk_room.check("exports", self._bytes + size)
        self._bytes += size
        try:
            yield
        finally:
            self._bytes -= size


EXPORTS_UNDER_WAY: web.AppKey[ExportsUnderWay] = web.AppKey("exports_under_way", ExportsUnderWay)


async def export_csv(request: web.Request) -> web.StreamResponse:
    """`GET /api/v1/export.csv`."""
    doors, asked, wide = request.app[DOORS], _asked(request), _is_wide(request)
    if doors.exporter is not None and isinstance(asked.query.shape, Raw):
        return await _by_engine(request, asked, TableForm.CSV_WIDE if wide else TableForm.CSV_LONG)
    return await _by_rows(request, asked, wide=wide)


async def export_parquet(request: web.Request) -> web.StreamResponse:
    """`GET /api/v1/export.parquet`: samples alone."""
    doors, asked, wide = request.app[DOORS], _asked(request), _is_wide(request)
    if not isinstance(asked.query.shape, Raw):
        field = "every" if "every" in request.query else "latest"
        raise InvalidRequest("Parquet holds samples: leave every and latest out, or take export.csv", field=field)
    if doors.exporter is None:
        raise InvalidRequest("this store exports no Parquet; take export.csv", field="format")
    return await _by_engine(request, asked, TableForm.PARQUET_WIDE if wide else TableForm.PARQUET_LONG)


def _asked(request: web.Request) -> SeriesRequest:
    doors = request.app[DOORS]
    doors.disk_room.check("exports")
    return series_request(request.query, doors.registry, doors.clock.now(), further=("shape",), raw_limit=MAX_RAW_LIMIT)


def _is_wide(request: web.Request) -> bool:
    shape = request.query.get("shape", "long")
    if shape not in {"long", "wide"}:
        raise InvalidRequest(f"shape is long or wide, not {shape[:20]!r}", field="shape", value=shape[:20])
    return shape == "wide"


async def _by_engine(request: web.Request, asked: SeriesRequest, form: TableForm) -> web.StreamResponse:
    doors = request.app[DOORS]
    assert doors.exporter is not None
    export = await doors.exporter.prepare(asked.query, form, unlimited="limit" not in request.query)
    is_csv = form in {TableForm.CSV_LONG, TableForm.CSV_WIDE}
    with request.app[EXPORTS_UNDER_WAY].held(doors, export.samples * _DISK_BYTES.get(form, 0)):
        return await _sent(request, asked, export, is_csv=is_csv)


async def _sent(request: web.Request, asked: SeriesRequest, export: TableExport, *, is_csv: bool) -> web.StreamResponse:
    async with aclosing(export.pieces()) as pieces:
        # The first piece before the first byte: what is wrong with the query is then still a proper error.
        piece = await anext(pieces, b"")
        name = f"{asked.measurement.name}.{'csv' if is_csv else 'parquet'}"
        response = download(name, _CSV if is_csv else _PARQUET)
        response.headers[SAMPLES_HEADER] = str(export.samples)
        await _name_losses(request, asked, response)
        await response.prepare(request)
        try:
            while piece:
                await send(request, response, piece)
                piece = await anext(pieces, b"")
        except OpsWatchError as error:
            logger.warning("an export stopped in the middle", extra={"reason": error.message})
            if not is_csv:
                if request.transport is not None:
                    request.transport.close()  # without the end of the answer, so that it shows
                return response
            await send(request, response, _incomplete(error.message))
        await response.write_eof()
    return response


async def _by_rows(request: web.Request, asked: SeriesRequest, *, wide: bool) -> web.StreamResponse:
    async with aclosing(_slices(request.app[DOORS], asked)) as slices:
        first = await anext(slices, None)
        response = download(f"{asked.measurement.name}.csv", _CSV)
        await _name_losses(request, asked, response)
        await response.prepare(request)
        await _write(request, response, _header(asked, wide=wide))
        counted: Counter[Series] = Counter()
        incomplete = ""
        try:
            while first is not None:
                counted.update({one.series: len(one.times) for one in first})
                await _write(request, response, await asyncio.to_thread(_rows, asked, first, wide=wide))
                first = await anext(slices, None)
            incomplete = "" if "limit" in request.query else cut_reason(counted)
        except OpsWatchError as error:
            logger.warning("an export stopped in the middle", extra={"reason": error.message})
            incomplete = error.message
        if incomplete:
            await send(request, response, _incomplete(incomplete))
        await response.write_eof()
    return response


async def _name_losses(request: web.Request, asked: SeriesRequest, response: web.StreamResponse) -> None:
    lost = [
        f"{written(one.start) or ''}/{written(one.stop)}"
        for one in (await request.app[DOORS].own_health()).lost
        if from_datetime(one.stop) > asked.query.start
        and (one.start is None or from_datetime(one.start) < asked.query.stop)
    ]
    if lost:
        response.headers[LOST_HEADER] = ", ".join(lost)


def _incomplete(reason: str) -> bytes:
    return f"# incomplete: {' '.join(reason.split())}\r\n".encode("utf-8", "replace")


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
    fields = asked.query.fields or tuple(field.name for field in asked.measurement.plain_fields)
    shape = asked.query.shape
    labels: list[str] = []
    if isinstance(shape, Window):
        labels = [function.value for function in shape.functions]
    elif isinstance(shape, Quantile):
        labels = [quantile_label(share) for share in shape.quantiles]
    return columns_of(fields, labels)


async def _write(request: web.Request, response: web.StreamResponse, text: str) -> None:
    encoded = text.encode("utf-8", "replace")
    for start in range(0, len(encoded), _PIECE_BYTES):
        await send(request, response, encoded[start : start + _PIECE_BYTES])
