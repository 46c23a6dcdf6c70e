"""`/api/v1/deliveries`, `/api/v1/receivers`, `…/explain`: what was sent, to whom, with which answer, and why. Shell."""

from __future__ import annotations

import logging
from datetime import datetime
from zoneinfo import ZoneInfo

from aiohttp import web

from alerting.explanation import DeliveryLine, Explanation
from alerting.receiver_status import ReceiverStatus
from api.errors import json_response
from api.incidents import number_of
from api.keys import DOORS, IDENTITY
from api.moments import by_the_clock_of
from api.services import written
from api.telling_models import (
    AttemptAnswer,
    DeliveriesAnswer,
    DeliveryAnswer,
    ExplanationAnswer,
    ReasonAnswer,
    ReceiverAnswer,
    ReceiversAnswer,
)
from telemetry.errors import InvalidRequest
from telemetry.times import parse_instant, to_datetime

logger = logging.getLogger(__name__)

_LIMIT = 100
_UTC = ZoneInfo("UTC")
_PARAMETERS = frozenset({"receiver", "state", "before", "limit"})


async def list_deliveries(request: web.Request) -> web.StreamResponse:
    """`GET /api/v1/deliveries`."""
    unknown = sorted(set(request.query) - _PARAMETERS)
    if unknown:
        raise InvalidRequest(f"unknown parameter {unknown[0]}; {', '.join(sorted(_PARAMETERS))}", field=unknown[0])
    text = request.query.get("limit", str(_LIMIT))
    if not text.isascii() or not text.isdigit() or len(text) > 4:
        raise InvalidRequest("limit is a whole number", field="limit", value=text)
    found = await request.app[DOORS].explainer.deliveries(
        int(text), request.query.get("receiver", ""), request.query.get("state", ""), request.query.get("before")
    )
    return json_response(DeliveriesAnswer(deliveries=[delivery_answer(one) for one in found]).model_dump())


async def explain_incident(request: web.Request) -> web.StreamResponse:
    """`GET /api/v1/incidents/{id}/explain`."""
    return json_response(explanation_answer(await explanation_of(request)).model_dump())


async def explanation_of(request: web.Request, zone: ZoneInfo = _UTC) -> Explanation:
    """What a request asks for: its incident, at `at` or now, in words with the times of a zone."""
    doors, text = request.app[DOORS], request.query.get("at", "")
    at = doors.clock.now()
    if text:
        text = by_the_clock_of(zone, text, "at")
        try:
            at = to_datetime(parse_instant(text, doors.clock.now()))
        except (ValueError, OverflowError) as error:
            words = "at is a time: RFC 3339, or so long ago, like -2h"
            raise InvalidRequest(words, field="at", value=text) from error
    return await doors.explainer.explain(number_of(request), at.astimezone(zone))


async def list_receivers(request: web.Request) -> web.StreamResponse:
    """`GET /api/v1/receivers`."""
    found = await request.app[DOORS].receivers.receivers()
    return json_response(ReceiversAnswer(receivers=[receiver_answer(one) for one in found]).model_dump())


async def test_receiver(request: web.Request) -> web.StreamResponse:
    """`POST /api/v1/receivers/{name}/test`: send it a test, and say what it answered."""
    name, author = request.match_info["name"], request[IDENTITY].name
    found = await request.app[DOORS].receivers.test(name, author)
    logger.info("a receiver was tried", extra={"receiver": name, "by": author, "state": found.state.value})
    return json_response(delivery_answer(found).model_dump())


def shown(moment: datetime) -> str:
    """A time that is there, as the API writes it."""
    return written(moment) or ""


def delivery_answer(one: DeliveryLine) -> DeliveryAnswer:
    """A message as the API shows it."""
    return DeliveryAnswer(
        id=one.identifier,
        kind=one.kind,
        receiver=one.receiver,
        route=one.route,
        state=one.state.value,
        created=shown(one.created),
        finished=written(one.finished),
        due=written(one.due),
        deadline=shown(one.deadline),
        attempts=one.attempts,
        note=one.note,
        incidents=list(one.incidents),
        incident_count=one.count,
        occasions=list(one.occasions),
        tries=[
            AttemptAnswer(
                time=shown(line.time),
                number=line.number,
                recipient=line.recipient,
                outcome=line.outcome.value,
                code=line.code,
                text=line.text,
                took_ms=line.took_ms,
            )
            for line in one.tries
        ],
    )


def explanation_answer(found: Explanation) -> ExplanationAnswer:
    """Why, as the API shows it."""
    return ExplanationAnswer(
        incident=found.incident.id,
        at=shown(found.at),
        words=list(found.words),
        reasons=[
            ReasonAnswer(time=shown(line.time), receiver=line.receiver, why=line.why, tell=line.tell, words=line.words)
            for line in found.reasons
        ],
        deliveries=[delivery_answer(one) for one in found.deliveries],
    )


def receiver_answer(one: ReceiverStatus) -> ReceiverAnswer:
    """A receiver as the API shows it."""
    return ReceiverAnswer(
        name=one.name,
        kind=one.kind,
        to=one.to,
        fallback=one.fallback,
        routes=list(one.routes),
        waiting=one.waiting,
        last_delivered=written(one.last_delivered),
        last_failed=written(one.last_failed),
        last_answer=one.last_answer,
    )
