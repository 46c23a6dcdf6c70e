"""`/api/v1/quarantine`: what stores refused, with reasons, and another try of it. Shell."""

from __future__ import annotations

import logging
import math

from aiohttp import web

from api.bodies import read_json
from api.errors import json_response
from api.keys import DOORS, IDENTITY
from api.models import (
    PointAnswer,
    QuarantineAnswer,
    QuarantinedItemAnswer,
    ReplayAnswer,
    ReplayRequest,
    SetAsideAnswer,
)
from api.services import written
from telemetry.errors import InvalidRequest
from telemetry.points import FieldValue, Point
from telemetry.quarantine import MAX_LISTED, SOURCES, QuarantinedItem, QuarantineQuery
from telemetry.times import format_any_instant

logger = logging.getLogger(__name__)

_PARAMETERS = frozenset({"limit", "cursor", "source", "measurement"})


async def list_items(request: web.Request) -> web.StreamResponse:
    """`GET /api/v1/quarantine`."""
    page = await request.app[DOORS].quarantine.list(_query(request))
    answer = QuarantineAnswer(
        items=[item_answer(item) for item in page.items],
        next_cursor=page.cursor or None,
        count=page.count,
        bytes=page.size,
        unkept=page.unkept,
        files=[SetAsideAnswer(path=one.path, bytes=one.size, time=written(one.time) or "") for one in page.files],
    )
    return json_response(answer.model_dump())


async def show_item(request: web.Request) -> web.StreamResponse:
    """`GET /api/v1/quarantine/{id}`."""
    item = await request.app[DOORS].quarantine.show(request.match_info["id"])
    return json_response(item_answer(item).model_dump())


async def replay_item(request: web.Request) -> web.StreamResponse:
    """`POST /api/v1/quarantine/{id}/replay`: 200 once the store has it, 422 and why when it is refused again."""
    identifier = request.match_info["id"]
    await request.app[DOORS].quarantine.replay(identifier)
    logger.info("quarantined item replayed", extra={"item": identifier, "by": request[IDENTITY].name})
    return json_response(ReplayAnswer(replayed=1, refused=0, reasons=[], next_cursor=None).model_dump())


async def replay_items(request: web.Request) -> web.StreamResponse:
    """`POST /api/v1/quarantine/replay`: many, a page at a time."""
    wanted = await read_json(request, ReplayRequest)
    query = QuarantineQuery(wanted.limit, wanted.cursor or "", wanted.source or "", wanted.measurement or "")
    outcome = await request.app[DOORS].quarantine.replay_many(query)
    logger.info("quarantined items replayed", extra={"items": outcome.replayed, "by": request[IDENTITY].name})
    answer = ReplayAnswer(
        replayed=outcome.replayed,
        refused=outcome.refused,
        reasons=list(outcome.reasons),
        next_cursor=outcome.cursor or None,
    )
    return json_response(answer.model_dump())


async def discard_item(request: web.Request) -> web.StreamResponse:
    """`DELETE /api/v1/quarantine/{id}`."""
    identifier = request.match_info["id"]
    await request.app[DOORS].quarantine.discard(identifier)
    logger.info("quarantined item discarded", extra={"item": identifier, "by": request[IDENTITY].name})
    return web.Response(status=204)


def item_answer(item: QuarantinedItem) -> QuarantinedItemAnswer:
    """An item as JSON holds it."""
    return QuarantinedItemAnswer(
        id=item.id,
        time=written(item.time),
        source=item.source,
        reason=item.reason,
        bytes=item.size,
        point=None if item.point is None else _point_answer(item.point),
    )


def _point_answer(point: Point) -> PointAnswer:
    return PointAnswer(
        measurement=point.measurement,
        tags=dict(point.tags),
        fields={name: _plain(value) for name, value in point.fields.items()},
        time=format_any_instant(point.time),
    )


def _plain(value: FieldValue) -> FieldValue:
    # JSON knows neither NaN nor infinities.
    return value if not isinstance(value, float) or math.isfinite(value) else str(value)


def _query(request: web.Request) -> QuarantineQuery:
    query = request.query
    for name in query:
        if name not in _PARAMETERS:
            raise InvalidRequest(f"there is no parameter {name[:40]!r}", field=name[:40])
    text = query.get("limit", "100")
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MAX_LISTED):
        raise InvalidRequest(f"limit is a whole number from 1 to {MAX_LISTED:,}", field="limit", value=text[:20])
    source = query.get("source", "")
    if source not in {"", *SOURCES}:
        words = f"source is {', '.join(SOURCES[:-1])} or {SOURCES[-1]}, not {source[:20]!r}"
        raise InvalidRequest(words, field="source", value=source[:20])
    return QuarantineQuery(int(text[:9]), query.get("cursor", ""), source, query.get("measurement", ""))
