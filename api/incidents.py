"""`/api/v1/incidents`: what happened, and what people do about it. Shell."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Iterable
from datetime import datetime, timedelta

from aiohttp import web
from multidict import MultiMapping

from alerting.ledger import Action, Incident, IncidentQuery, PersonAction, TimelineEntry
from alerting.rules import Severity
from api.alert_models import (
    ActionRequest,
    IncidentAnswer,
    IncidentDetailAnswer,
    IncidentsAnswer,
    TimelineAnswer,
)
from api.bodies import read_json
from api.downloads import download, send
from api.errors import json_response
from api.keys import DOORS, IDENTITY
from api.moments import moment_of
from api.route_table import Handler
from api.services import written
from telemetry.cells import guarded
from telemetry.errors import InvalidRequest, NotFound
from telemetry.times import parse_instant, to_datetime

logger = logging.getLogger(__name__)

_PARAMETERS = frozenset({"status", "severity", "rule", "service", "start", "stop", "limit", "cursor"})
_MAX_LISTED = 1_000
_BEFORE = timedelta(minutes=10)
_LONGEST = timedelta(days=31)
_CSV_COLUMNS = (
    "id", "rule", "service", "severity", "opened", "resolved", "seconds", "resolution", "summary", "tags",
    "acknowledged", "acknowledged_by", "assigned_to",
)  # fmt: skip


async def list_incidents(request: web.Request) -> web.StreamResponse:
    """`GET /api/v1/incidents`."""
    doors = request.app[DOORS]
    page = await doors.incidents.list(incident_query(request.query, doors.clock.now()))
    answer = IncidentsAnswer(
        incidents=[incident_answer(one) for one in page.incidents],
        count=page.count,
        next_cursor=None if page.next_before is None else str(page.next_before),
    )
    return json_response(answer.model_dump())


async def export_incidents(request: web.Request) -> web.StreamResponse:
    """`GET /api/v1/incidents.csv`: all that are asked for, the newest first."""
    doors = request.app[DOORS]
    query = incident_query(request.query, doors.clock.now(), limit=_MAX_LISTED)
    page = await doors.incidents.list(query)
    response = download("incidents.csv", "text/csv; charset=utf-8")
    await response.prepare(request)
    if request.method == "HEAD":
        return response
    await send(request, response, _csv([_CSV_COLUMNS]))
    while True:
        await send(request, response, _csv(_row(one) for one in page.incidents))
        if page.next_before is None:
            break
        page = await doors.incidents.list(_page_of(query, page.next_before))
    await response.write_eof()
    return response


async def show_incident(request: web.Request) -> web.StreamResponse:
    """`GET /api/v1/incidents/{id}`."""
    found, timeline = await request.app[DOORS].incidents.show(number_of(request))
    return json_response(detail_answer(found, timeline).model_dump())


async def show_evaluations(request: web.Request) -> web.StreamResponse:
    """`GET /api/v1/incidents/{id}/evaluations`: what its rule read, in the shape of `/api/v1/series`."""
    doors = request.app[DOORS]
    found, _ = await doors.incidents.show(number_of(request))
    now = doors.clock.now()
    start = _instant(request.query, "start", now) or found.opened - _BEFORE
    stop = _instant(request.query, "stop", now) or found.resolved or now
    check_span(start, stop)
    read = await doors.evaluations.evaluations(found, start, stop)
    answer = {
        "start": written(start),
        "stop": written(stop),
        "step_ms": read.times.step // 1_000_000,
        "level": "evaluated",
        "levels": [],
        "time": [time // 1_000_000 for time in read.times],
        "series": [{"tags": dict(found.tags), "field": "value", "fn": "evaluated", "values": list(read.values)}],
        "warnings": [],
    }
    return json_response(answer)


def check_span(start: datetime, stop: datetime) -> None:
    """Raise InvalidRequest for a stretch that evaluations are not given of."""
    if not timedelta(0) < stop - start <= _LONGEST:
        raise InvalidRequest("stop must be after start, by 31 days at most", field="stop")


def acting(action: Action) -> Handler:
    """The handler of `POST /api/v1/incidents/{id}/ACTION`: does it, and answers with the incident afterwards."""

    async def act(request: web.Request) -> web.StreamResponse:
        wanted = await read_json(request, ActionRequest) if request.can_read_body else ActionRequest()
        found = await done(request, action, wanted)
        return json_response(incident_answer(found).model_dump())

    act.__name__ = f"{action.name.lower()}_incident"  # what the OpenAPI document calls it
    return act


async def done(request: web.Request, action: Action, wanted: ActionRequest) -> Incident:
    """Do it in the name of whoever asks. Raises InvalidRequest, NotFound, Conflict."""
    doors, number = request.app[DOORS], number_of(request)
    now, author = doors.clock.now(), request[IDENTITY].name
    until = None if not wanted.until else moment_of(wanted.until, "until", now)
    act = PersonAction(action, author, wanted.comment, until, wanted.assignee)
    found = await doors.incidents.act(number, act, now)
    logger.info("incident: %s", action.value, extra={"incident": number, "by": author})
    return found


def incident_query(query: MultiMapping[str], now: datetime, limit: int | None = None) -> IncidentQuery:
    """Read the parameters of a list. Raises InvalidRequest naming the one that is wrong."""
    for name in query:
        if name not in _PARAMETERS:
            raise InvalidRequest(f"there is no parameter {name[:40]!r}", field=name[:40])
    status, severity = query.get("status", ""), query.get("severity", "")
    if status not in {"", "open", "resolved"}:
        raise InvalidRequest(f"status is open or resolved, not {status[:20]!r}", field="status", value=status[:20])
    if severity not in {"", "warning", "critical"}:
        words = f"severity is warning or critical, not {severity[:20]!r}"
        raise InvalidRequest(words, field="severity", value=severity[:20])
    return IncidentQuery(
        limit=limit or _whole(query, "limit", _MAX_LISTED) or 100,
        status=status,
        severity=Severity[severity.upper()] if severity else None,
        rule=query.get("rule", ""),
        service=query.get("service", ""),
        start=_instant(query, "start", now),
        stop=_instant(query, "stop", now),
        before=_whole(query, "cursor", 2**62),
    )


def number_of(request: web.Request, what: str = "incident") -> int:
    """The number in the path. Raises NotFound."""
    text = request.match_info["id"]
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise NotFound(f"there is no {what} {text[:20]!r}", field="id", value=text[:20])
    return int(text)


def incident_answer(one: Incident) -> IncidentAnswer:
    """An incident as the API shows it."""
    return IncidentAnswer.model_validate(_fields(one))


def detail_answer(one: Incident, timeline: Iterable[TimelineEntry]) -> IncidentDetailAnswer:
    """An incident with everything that happened."""
    return IncidentDetailAnswer.model_validate(_fields(one) | {"timeline": [_entry(entry) for entry in timeline]})


def _fields(one: Incident) -> dict[str, object]:
    return {
        "id": one.id,
        "alert": one.alert,
        "rule": one.rule,
        "rule_version": one.rule_version,
        "tags": dict(one.tags),
        "service": one.facts.service,
        "severity": one.severity.word,
        "worst": one.worst.word,
        "status": one.status.value,
        "flapping": one.flapping,
        "opened": written(one.opened),
        "resolved": written(one.resolved),
        "resolution": one.resolution,
        "value": one.value,
        "summary": one.facts.summary,
        "labels": dict(one.facts.labels),
        "runbook": one.facts.runbook,
        "acknowledged": written(one.acknowledged),
        "acknowledged_by": one.acknowledged_by,
        "snoozed_until": written(one.snoozed_until),
        "assigned_to": one.assigned_to,
    }


def _entry(entry: TimelineEntry) -> TimelineAnswer:
    return TimelineAnswer(
        time=written(entry.time) or "",
        kind=entry.kind.value,
        what=entry.what,
        words=entry.words,
        author=entry.author,
        value=entry.value,
        severity=None if entry.severity is None else entry.severity.word,  # type: ignore[arg-type]  # its words
        status=None if entry.status is None else entry.status.value,
        tell=entry.tell,
    )


def _instant(query: MultiMapping[str], name: str, now: datetime) -> datetime | None:
    text = query.get(name, "")
    if not text:
        return None
    try:
        return to_datetime(parse_instant(text, now))
    except ValueError as error:
        raise InvalidRequest(f"{name}: {error}", field=name, value=text[:60]) from error


def _whole(query: MultiMapping[str], name: str, most: int) -> int | None:
    text = query.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18 and 1 <= int(text) <= most):
        raise InvalidRequest(f"{name} is a whole number from 1 to {most:,}", field=name, value=text[:20])
    return int(text)


def _page_of(query: IncidentQuery, before: int) -> IncidentQuery:
    return IncidentQuery(
        query.limit, query.status, query.severity, query.rule, query.service, query.start, query.stop, before
    )


def _row(one: Incident) -> tuple[str, ...]:
    seconds = "" if one.resolved is None else f"{(one.resolved - one.opened).total_seconds():.0f}"
    texts = (
        str(one.id),
        one.rule,
        one.facts.service,
        one.worst.word,
        written(one.opened) or "",
        written(one.resolved) or "",
        seconds,
        one.resolution,
        one.facts.summary,
        " ".join(f"{name}={value}" for name, value in one.tags),
        written(one.acknowledged) or "",
        one.acknowledged_by,
        one.assigned_to,
    )
    return tuple(guarded(text) for text in texts)


def _csv(rows: Iterable[Iterable[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode("utf-8", "replace")
