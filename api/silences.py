"""`/api/v1/silences`: mute what matches, for a while. Shell."""

from __future__ import annotations

import logging
from datetime import datetime

from aiohttp import web

from alerting.label_match import LabelMatch
from alerting.ledger import Incident, IncidentQuery
from alerting.outlook import labels_of
from alerting.silences import Silence, SilenceDraft
from api.bodies import read_json
from api.doors import Doors
from api.errors import json_response
from api.incidents import incident_answer, number_of
from api.keys import DOORS, IDENTITY
from api.moments import end_of, moment_of
from api.mute_models import (
    Match,
    PreviewAnswer,
    PreviewRequest,
    SilenceAnswer,
    SilenceChange,
    SilenceRequest,
    SilencesAnswer,
)
from api.services import written
from telemetry.errors import InvalidRequest

logger = logging.getLogger(__name__)

_PAGE = 1_000
_MOST_SHOWN = 100
_MAX_MATCH = 10_000  # characters, of all conditions


async def list_silences(request: web.Request) -> web.StreamResponse:
    """`GET /api/v1/silences`."""
    doors = request.app[DOORS]
    now, ended_too = doors.clock.now(), switch(request, "all")
    found = await doors.silences.list(None if ended_too else now)
    return json_response(SilencesAnswer(silences=[silence_answer(one, now) for one in found]).model_dump())


async def show_silence(request: web.Request) -> web.StreamResponse:
    """`GET /api/v1/silences/{id}`."""
    doors = request.app[DOORS]
    found = await doors.silences.show(number_of(request, "silence"))
    return json_response(silence_answer(found, doors.clock.now()).model_dump())


async def add_silence(request: web.Request) -> web.StreamResponse:
    """`POST /api/v1/silences`."""
    doors, author = request.app[DOORS], request[IDENTITY].name
    wanted, now = await read_json(request, SilenceRequest), doors.clock.now()
    made = await doors.silences.add(draft_of(wanted, now, now), author, now)
    logger.info("silence", extra={"silence": made.id, "by": author})
    return json_response(silence_answer(made, now).model_dump(), status=201)


async def change_silence(request: web.Request) -> web.StreamResponse:
    """`PUT /api/v1/silences/{id}`."""
    doors, author, number = request.app[DOORS], request[IDENTITY].name, number_of(request, "silence")
    present = await doors.silences.show(number)
    wanted, now = await read_json(request, SilenceChange), doors.clock.now()
    draft = draft_of(wanted, present.starts, now)
    changed = await doors.silences.change(number, wanted.version, draft, author, now)
    logger.info("silence changed", extra={"silence": number, "by": author})
    return json_response(silence_answer(changed, now).model_dump())


async def end_silence(request: web.Request) -> web.StreamResponse:
    """`DELETE /api/v1/silences/{id}`: it ends now, and stays on record."""
    doors, author, number = request.app[DOORS], request[IDENTITY].name, number_of(request, "silence")
    await doors.silences.end(number, author, doors.clock.now())
    logger.info("silence ended", extra={"silence": number, "by": author})
    return web.Response(status=204)


async def preview_silence(request: web.Request) -> web.StreamResponse:
    """`POST /api/v1/silences/preview`: which of the open incidents it would mute."""
    doors = request.app[DOORS]
    match = match_of((await read_json(request, PreviewRequest)).match)
    muted, count, still_open = await muted_by(doors, match)
    answer = PreviewAnswer(incidents=[incident_answer(one) for one in muted], count=count, open=still_open)
    return json_response(answer.model_dump())


async def muted_by(doors: Doors, match: LabelMatch) -> tuple[list[Incident], int, int]:
    """The newest open incidents that are meant, how many that is of all, and how many are open."""
    muted: list[Incident] = []
    count, still_open, before = 0, 0, None
    while True:
        page = await doors.incidents.list(IncidentQuery(limit=_PAGE, status="open", before=before))
        meant = [one for one in page.incidents if match.holds(labels(one))]
        count, still_open = count + len(meant), still_open + len(page.incidents)
        muted += meant[: _MOST_SHOWN - len(muted)]
        if page.next_before is None:
            break
        before = page.next_before
    return muted, count, still_open


def labels(one: Incident) -> dict[str, str]:
    """What silences and windows look at; a tag wins over a label of the same name."""
    return labels_of(one.rule, one.facts.service, one.severity, (*one.facts.labels, *one.tags))


def match_of(written_match: Match) -> LabelMatch:
    """The conditions of a body. Raises InvalidRequest naming `match`."""
    texts = [text for one in written_match.values() for text in ([one] if isinstance(one, str) else one)]
    if sum(map(len, (*written_match, *texts))) > _MAX_MATCH:
        raise InvalidRequest(f"match has at most {_MAX_MATCH:,} characters", field="match")
    try:
        return LabelMatch.of(written_match)
    except ValueError as error:
        raise InvalidRequest(f"match: {error}", field="match") from error


def switch(request: web.Request, name: str) -> bool:
    """A parameter that is true or false, and the only one there is. Raises InvalidRequest."""
    for given in request.query:
        if given != name:
            raise InvalidRequest(f"there is no parameter {given[:40]!r}", field=given[:40])
    word = request.query.get(name, "false")
    if word not in {"true", "false"}:
        raise InvalidRequest(f"{name} is true or false", field=name, value=word[:20])
    return word == "true"


def silence_answer(one: Silence, now: datetime) -> SilenceAnswer:
    """A silence as the API shows it."""
    return SilenceAnswer(
        id=one.id,
        match=one.match.written(),
        author=one.author,
        comment=one.comment,
        created=written(one.created) or "",
        starts=written(one.starts) or "",
        ends=written(one.ends) or "",
        ended_by=one.ended_by,
        version=one.version,
        active=one.holds(now),
    )


def draft_of(wanted: SilenceRequest, start: datetime, now: datetime) -> SilenceDraft:
    """What a body asks for; `start` where it says none. Raises InvalidRequest."""
    starts = start if wanted.starts is None else moment_of(wanted.starts, "starts", now)
    ends = end_of(starts, wanted.duration, wanted.until, now)
    return SilenceDraft(match_of(wanted.match), starts, ends, wanted.comment, wanted.everything)
