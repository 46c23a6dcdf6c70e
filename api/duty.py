"""`/api/v1/duty`: who is on duty, and who steps in. Shell."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from aiohttp import web

from alerting.duty import Override, Rotation, Shift, on_duty, shifts
from alerting.silences import OverrideDraft, StoredOverride, with_overrides
from api.bodies import read_json
from api.doors import Doors
from api.errors import json_response
from api.incidents import number_of
from api.keys import DOORS, IDENTITY
from api.moments import end_of, moment_of
from api.mute_models import DutyAnswer, OverrideAnswer, OverrideRequest, RotationAnswer, ShiftAnswer
from api.services import written
from telemetry.errors import InvalidRequest
from telemetry.times import from_datetime, to_datetime

logger = logging.getLogger(__name__)

_AHEAD = timedelta(weeks=4)
_BEHIND = timedelta(weeks=4)  # what ended lately says since when the shift of now is


async def show_duty(request: web.Request) -> web.StreamResponse:
    """`GET /api/v1/duty`."""
    doors = request.app[DOORS]
    now = doors.clock.now()
    stored = await doors.duty.list(now - _BEHIND)
    answer = DutyAnswer(rotations=[rotation_answer(one, stored, now) for one in doors.rotations()])
    return json_response(answer.model_dump())


async def add_override(request: web.Request) -> web.StreamResponse:
    """`POST /api/v1/duty/overrides`."""
    doors, author = request.app[DOORS], request[IDENTITY].name
    wanted, now = await read_json(request, OverrideRequest), doors.clock.now()
    made = await doors.duty.add(override_draft(doors, wanted, now), author, now)
    logger.info("duty override", extra={"override": made.id, "by": author})
    return json_response(_override_answer(made).model_dump(), status=201)


def override_draft(doors: Doors, wanted: OverrideRequest, now: datetime) -> OverrideDraft:
    """What a body asks for. Raises InvalidRequest."""
    rotation = next((one for one in doors.rotations() if one.name == wanted.rotation), None)
    if rotation is None:
        known = ", ".join(one.name for one in doors.rotations()) or "opswatch.yaml has none"
        words = f"there is no rotation {wanted.rotation[:60]!r}; there is: {known}"
        raise InvalidRequest(words, field="rotation", value=wanted.rotation[:60])
    names = [person.name for person in rotation.people]
    if wanted.person not in names:
        words = f"{wanted.person[:60]!r} is not in the rotation {rotation.name}; {', '.join(names)} are"
        raise InvalidRequest(words, field="person", value=wanted.person[:60])
    start = now if wanted.start is None else moment_of(wanted.start, "start", now)
    stop = end_of(start, wanted.duration, wanted.until, now)
    override = Override(from_datetime(start), from_datetime(stop), wanted.person)
    return OverrideDraft(rotation.name, override, wanted.comment)


async def end_override(request: web.Request) -> web.StreamResponse:
    """`DELETE /api/v1/duty/overrides/{id}`."""
    doors, author, number = request.app[DOORS], request[IDENTITY].name, number_of(request, "override")
    await doors.duty.end(number, author, doors.clock.now())
    logger.info("duty override ended", extra={"override": number, "by": author})
    return web.Response(status=204)


def rotation_answer(rotation: Rotation, stored: tuple[StoredOverride, ...], now: datetime) -> RotationAnswer:
    """A rotation as the API shows it: who has it, and who comes after."""
    instant = from_datetime(now)
    stepping_in = with_overrides(rotation, stored)
    current = on_duty(stepping_in, instant)
    return RotationAnswer(
        name=rotation.name,
        time_zone=rotation.zone.key,
        people=[person.name for person in rotation.people],
        on_duty=_shift_answer(current),
        shifts=[_shift_answer(one) for one in shifts(stepping_in, current.until, from_datetime(now + _AHEAD))],
        overrides=[
            _override_answer(one) for one in stored if one.rotation == rotation.name and one.override.stop > instant
        ],
    )


def _shift_answer(shift: Shift) -> ShiftAnswer:
    return ShiftAnswer(
        person=shift.person.name,
        receiver=shift.person.receiver,
        since=_moment(shift.since),
        until=_moment(shift.until),
        override=shift.override,
    )


def _override_answer(one: StoredOverride) -> OverrideAnswer:
    return OverrideAnswer(
        id=one.id,
        rotation=one.rotation,
        person=one.override.person,
        start=_moment(one.override.start),
        stop=_moment(one.override.stop),
        author=one.author,
        comment=one.comment,
        created=written(one.created) or "",
    )


def _moment(instant: int) -> str:
    return written(to_datetime(instant)) or ""
