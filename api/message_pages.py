"""`/messages` and `/duty`: what was sent with which answer, and who is on duty. Shell."""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import urlencode

from aiohttp import web

from alerting.duty import Rotation, Shift, on_duty, shifts
from alerting.explanation import DeliveryLine, Explanation
from alerting.outbox import DeliveryState
from alerting.receiver_status import ReceiverStatus
from alerting.silences import StoredOverride, with_overrides
from api.access import Role
from api.bodies import read_form
from api.deliveries import explanation_of
from api.duty import override_draft
from api.errors import status_of
from api.incidents import number_of
from api.keys import DOORS, IDENTITY
from api.mute_models import OverrideRequest
from api.mute_pages import back, clock_times, faulted, form_model, troubles
from api.pages import RENDERER, frame_of, html_response
from dashboards.telling_views import (
    DutyView,
    FormView,
    MessageRow,
    MessagesView,
    OverrideRow,
    ReasonRow,
    ReceiverRow,
    RotationView,
    ShiftRow,
    TryRow,
    WhyView,
)
from telemetry.errors import Conflict, InvalidRequest, NotFound, OpsWatchError
from telemetry.times import from_datetime, to_datetime
from telemetry.visible_text import visible

_PER_PAGE = 50
_AHEAD = timedelta(weeks=4)
_BEHIND = timedelta(weeks=4)


async def show_messages(request: web.Request) -> web.StreamResponse:
    """`GET /messages`."""
    return await _messages_page(request)


async def try_receiver(request: web.Request) -> web.StreamResponse:
    """`POST /messages/test`: send a receiver a test, and go where it is shown; loading that again sends nothing."""
    doors, typed = request.app[DOORS], await read_form(request)
    try:
        tried = await doors.receivers.test(typed.get("receiver", ""), request[IDENTITY].name)
    except NotFound as error:
        return await _messages_page(request, error)
    return back(doors, f"/messages?tried={tried.identifier}#tried")


async def show_duty_page(request: web.Request) -> web.StreamResponse:
    """`GET /duty`."""
    return await _duty_page(request, FormView())


async def step_in(request: web.Request) -> web.StreamResponse:
    """`POST /duty`: somebody is on duty for a while, whoever has the week."""
    doors, author, typed = request.app[DOORS], request[IDENTITY].name, await read_form(request)
    now = doors.clock.now()
    try:
        given = {name: typed.get(name, "").strip() for name in ("rotation", "person")}
        start = clock_times(typed, frame_of(request).zone, "start")["start"].strip()
        given |= {"start": start} if start else {}
        wanted = form_model(OverrideRequest, typed, **given)
        await doors.duty.add(override_draft(doors, wanted, now), author, now)
    except (InvalidRequest, Conflict) as error:
        return await _duty_page(request, FormView(typed), error)
    return back(doors, "/duty")


async def end_stepping_in(request: web.Request) -> web.StreamResponse:
    """`POST /duty/{id}/end`."""
    doors = request.app[DOORS]
    try:
        await doors.duty.end(number_of(request, "override"), request[IDENTITY].name, doors.clock.now())
    except (NotFound, Conflict) as error:
        return await _duty_page(request, FormView(), error)
    return back(doors, "/duty")


async def why_view(request: web.Request) -> WhyView:
    """Who was told of the incident of a request, and why."""
    asked = request.query.get("at", "") if request.method in {"GET", "HEAD"} else ""
    try:
        found: Explanation = await explanation_of(request, frame_of(request).zone)
    except InvalidRequest as error:
        return WhyView((), (), (), visible(asked, 60), visible(error.message, 300))
    reasons = (
        ReasonRow(one.time, visible(one.receiver, 100), one.tell, visible(one.words, 500)) for one in found.reasons
    )
    words = tuple(visible(one, 600) for one in found.words)
    return WhyView(words, tuple(reasons), tuple(map(message_row, found.deliveries)), visible(asked, 60))


async def _tried(request: web.Request) -> MessageRow | None:
    """The test that was sent just now; None where an address is typed that means none."""
    try:
        return message_row(await request.app[DOORS].explainer.delivery(request.query["tried"]))
    except (KeyError, NotFound):
        return None


async def _messages_page(request: web.Request, error: OpsWatchError | None = None) -> web.Response:
    doors, frame = request.app[DOORS], frame_of(request)
    receiver, state = request.query.get("receiver", ""), request.query.get("state", "")
    before = request.query.get("before") or None
    narrowed = {name: text for name, text in (("receiver", receiver), ("state", state)) if text}
    try:
        found = await doors.explainer.deliveries(_PER_PAGE + 1, receiver, state, before)
    except InvalidRequest as wrong:
        found, error = (), wrong
    view = MessagesView(
        tuple(map(_receiver_row, await doors.receivers.receivers())),
        tuple(map(message_row, found[:_PER_PAGE])),
        visible(receiver, 100),
        visible(state, 20),
        tuple(one.value for one in DeliveryState),
        await _tried(request),
        request[IDENTITY].role >= Role.OPERATOR,
        troubles(error),
        frame.now,
        urlencode(narrowed | {"before": found[_PER_PAGE - 1].identifier}) if len(found) > _PER_PAGE else "",
        None if before is None else urlencode(narrowed),
    )
    return html_response(RENDERER.of_view("messages.html", view, frame), 200 if error is None else status_of(error))


async def _duty_page(request: web.Request, form: FormView, error: OpsWatchError | None = None) -> web.Response:
    doors, frame = request.app[DOORS], frame_of(request)
    stored = await doors.duty.list(frame.now - _BEHIND)
    rotations = tuple(_rotation(one, stored, frame.now) for one in doors.rotations())
    may_act = request[IDENTITY].role >= Role.OPERATOR
    view = DutyView(rotations, faulted(form, error), may_act, troubles(error), frame.now)
    return html_response(RENDERER.of_view("duty.html", view, frame), 200 if error is None else status_of(error))


def message_row(one: DeliveryLine) -> MessageRow:
    """A message for a page."""
    return MessageRow(
        one.identifier,
        visible(one.receiver, 100),
        one.state.value,
        ", ".join(one.occasions) if one.kind == "alert" else one.kind,
        one.created,
        one.due,
        one.deadline,
        visible(one.note, 300),
        one.incidents,
        one.count,
        tuple(
            TryRow(
                line.time, visible(line.recipient, 100), line.outcome.value, visible(f"{line.code} {line.text}", 300)
            )
            for line in one.tries
        ),
    )


def _receiver_row(one: ReceiverStatus) -> ReceiverRow:
    return ReceiverRow(
        visible(one.name, 100),
        one.kind,
        visible(one.to, 200),
        one.waiting,
        one.last_delivered,
        one.last_failed,
        visible(one.last_answer, 160),
    )


def _rotation(one: Rotation, stored: tuple[StoredOverride, ...], now: datetime) -> RotationView:
    instant = from_datetime(now)
    stepping_in = with_overrides(one, stored)
    present = on_duty(stepping_in, instant)
    return RotationView(
        visible(one.name, 100),
        one.zone.key,
        tuple(visible(person.name, 100) for person in one.people),
        visible(present.person.receiver, 100),
        _shift(present),
        tuple(_shift(shift) for shift in shifts(stepping_in, present.until, from_datetime(now + _AHEAD))),
        tuple(
            OverrideRow(
                each.id,
                visible(each.override.person, 100),
                to_datetime(each.override.start),
                to_datetime(each.override.stop),
                visible(each.author, 100),
                visible(each.comment, 300),
            )
            for each in stored
            if each.rotation == one.name and each.override.stop > instant
        ),
    )


def _shift(shift: Shift) -> ShiftRow:
    return ShiftRow(visible(shift.person.name, 100), to_datetime(shift.since), to_datetime(shift.until), shift.override)
