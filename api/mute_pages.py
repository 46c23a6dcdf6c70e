"""`/silences` and `/maintenance`: what is muted, by whom and until when, with editors. Shell."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from aiohttp import web
from pydantic import BaseModel, ValidationError

from alerting.label_match import LabelMatch
from alerting.silences import Silence, StoredWindow
from alerting.windows import Cron, Monthly, Once, Weekly, Window, active, next_start
from api.access import Role
from api.bodies import read_form, refusal_of
from api.doors import Doors
from api.errors import status_of
from api.incidents import number_of
from api.keys import DOORS, IDENTITY
from api.maintenance import draft_of as window_draft
from api.maintenance import zone_of
from api.moments import by_the_clock_of, end_of
from api.mute_models import SilenceRequest, WindowRequest
from api.pages import RENDERER, frame_of, html_response
from api.silences import draft_of, muted_by
from dashboards.telling_views import (
    FormView,
    MaintenanceView,
    PreviewView,
    SilenceRow,
    SilencesView,
    WindowRow,
)
from telemetry.errors import Conflict, InvalidRequest, NotFound, OpsWatchError
from telemetry.times import format_duration, from_datetime, to_datetime
from telemetry.visible_text import visible

M = TypeVar("M", bound=BaseModel)

_LENGTHS = (
    ("10m", "10 min"),
    ("30m", "30 min"),
    ("1h", "1 h"),
    ("2h", "2 h"),
    ("4h", "4 h"),
    ("8h", "8 h"),
    ("1d", "1 d"),
    ("7d", "7 d"),
)
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SHOWN = 20


async def show_silences(request: web.Request) -> web.StreamResponse:
    """`GET /silences`: `match` fills the editor in, `edit` takes one to change."""
    form = FormView({"match": request.query.get("match", "")})
    if request.query.get("edit"):
        found = await request.app[DOORS].silences.show(_number(request.query["edit"], "silence"))
        typed = {
            "match": "\n".join(found.match.lines()),
            "until": _shown_end(found.ends, frame_of(request).zone),
            "duration": "",
            "comment": found.comment,
        }
        form = FormView(typed, found.id, found.version)
    return await _silences_page(request, form)


async def keep_silence(request: web.Request) -> web.StreamResponse:
    """`POST /silences`: look at what it would mute (`preview`), or make it so."""
    doors, author, typed = request.app[DOORS], request[IDENTITY].name, await read_form(request)
    now, number = doors.clock.now(), typed.get("number", "")
    form = FormView(typed, _whole(number), _whole(typed.get("version", "")))
    try:
        if number:
            _number(number, "silence")
        match = _match(typed)
        if "preview" in typed:
            muted, count, still_open = await muted_by(doors, match)
            shown = tuple((one.id, one.severity.word, visible(one.facts.summary, 160)) for one in muted[:_SHOWN])
            return await _silences_page(request, form, PreviewView(shown, count, still_open))
        given = clock_times(typed, frame_of(request).zone, "until")
        present = None if form.number is None else await doors.silences.show(form.number)
        if present is not None:
            given = _with_length(given, present, frame_of(request).zone, now)
        wanted = form_model(SilenceRequest, given, match=match.written(), everything=not match.conditions)
        if present is None:
            await doors.silences.add(draft_of(wanted, now, now), author, now)
        else:
            draft = draft_of(wanted, present.starts, now)
            await doors.silences.change(present.id, form.version or 0, draft, author, now)
    except (InvalidRequest, Conflict, NotFound) as error:
        return await _silences_page(request, form, error=error)
    return back(doors, "/silences")


def _with_length(typed: Mapping[str, str], present: Silence, zone: ZoneInfo, now: datetime) -> dict[str, str]:
    """What was typed to change a silence: a chosen length counts from now, or from a start that is to come.

    Raises InvalidRequest where another end was typed too.
    """
    length, until = typed.get("duration", "").strip(), typed.get("until", "").strip()
    if not length:
        return dict(typed)
    if until not in {"", _shown_end(present.ends, zone)}:
        raise InvalidRequest("a length and another end: choose one, and leave the other as it was", field="duration")
    return {**typed, "until": end_of(max(present.starts, now), length, None, now).isoformat()}


def _shown_end(ends: datetime, zone: ZoneInfo) -> str:
    return ends.astimezone(zone).isoformat(timespec="seconds")


async def end_silence_on_page(request: web.Request) -> web.StreamResponse:
    """`POST /silences/{id}/end`."""
    doors, author = request.app[DOORS], request[IDENTITY].name
    try:
        await doors.silences.end(number_of(request, "silence"), author, doors.clock.now())
    except (NotFound, Conflict) as error:
        return await _silences_page(request, FormView(), error=error)
    return back(doors, "/silences")


async def show_maintenance(request: web.Request) -> web.StreamResponse:
    """`GET /maintenance`: `edit` takes one to change."""
    form = FormView()
    if request.query.get("edit"):
        found = await request.app[DOORS].maintenance.show(_number(request.query["edit"], "maintenance window"))
        form = FormView(_typed_of(found), found.id, found.version)
    return await _maintenance_page(request, form)


async def keep_window(request: web.Request) -> web.StreamResponse:
    """`POST /maintenance`."""
    doors, author, typed = request.app[DOORS], request[IDENTITY].name, await read_form(request)
    now, number = doors.clock.now(), typed.get("number", "")
    form = FormView(typed, _whole(number), _whole(typed.get("version", "")))
    try:
        if number:
            _number(number, "maintenance window")
        match = _match(typed)
        zone = zone_of(typed.get("time_zone", "").strip() or doors.settings.time_zone)
        times = _times(clock_times(typed, zone, "start"))
        wanted = form_model(WindowRequest, typed, match=match.written(), everything=not match.conditions, **times)
        draft = window_draft(wanted, doors, now, now)
        if form.number is None:
            await doors.maintenance.add(draft, author, now)
        else:
            await doors.maintenance.change(form.number, form.version or 0, draft, author, now)
    except (InvalidRequest, Conflict, NotFound) as error:
        return await _maintenance_page(request, form, error)
    return back(doors, "/maintenance")


async def end_window_on_page(request: web.Request) -> web.StreamResponse:
    """`POST /maintenance/{id}/end`."""
    doors, author = request.app[DOORS], request[IDENTITY].name
    try:
        await doors.maintenance.end(number_of(request, "maintenance window"), author, doors.clock.now())
    except (NotFound, Conflict) as error:
        return await _maintenance_page(request, FormView(), error)
    return back(doors, "/maintenance")


async def _silences_page(
    request: web.Request, form: FormView, preview: PreviewView | None = None, error: OpsWatchError | None = None
) -> web.Response:
    doors, frame = request.app[DOORS], frame_of(request)
    found = await doors.silences.list(frame.now)
    view = SilencesView(
        tuple(_silence_row(one, frame.now) for one in found),
        faulted(form, error),
        preview,
        _LENGTHS,
        request[IDENTITY].role >= Role.OPERATOR,
        troubles(error),
        frame.now,
    )
    return html_response(RENDERER.of_view("silences.html", view, frame), 200 if error is None else status_of(error))


async def _maintenance_page(request: web.Request, form: FormView, error: OpsWatchError | None = None) -> web.Response:
    doors, frame = request.app[DOORS], frame_of(request)
    rows = [_window_row(window, None, frame.now) for window in doors.windows()]
    rows += [_window_row(one.window, one, frame.now) for one in await doors.maintenance.list()]
    may_act = request[IDENTITY].role >= Role.OPERATOR
    view = MaintenanceView(tuple(rows), faulted(form, error), frame.zone.key, may_act, troubles(error), frame.now)
    return html_response(RENDERER.of_view("maintenance.html", view, frame), 200 if error is None else status_of(error))


def silence_link(match: LabelMatch) -> str:
    """The path of an editor that is filled in with these conditions."""
    return f"/silences?{urlencode({'match': chr(10).join(match.lines())})}"


def _silence_row(one: Silence, now: datetime) -> SilenceRow:
    state = "holds" if one.holds(now) else "to come" if now < one.starts else "over"
    return SilenceRow(
        one.id,
        visible(str(one.match), 500),
        visible(one.author, 100),
        visible(one.comment, 500),
        one.starts,
        one.ends,
        state,
        visible(one.ended_by, 100),
    )


def _window_row(window: Window, stored: StoredWindow | None, now: datetime) -> WindowRow:
    instant = from_datetime(now)
    until, following = active(window, instant), next_start(window, instant)
    return WindowRow(
        None if stored is None else stored.id,
        visible(window.name, 100),
        visible(str(window.match), 500),
        _when(window),
        None if until is None else to_datetime(until),
        None if following is None else to_datetime(following),
        "" if stored is None else visible(stored.author, 100),
        "" if stored is None else visible(stored.comment, 500),
    )


def _when(window: Window) -> str:
    lasting = f"for {_length(window.duration)}, {window.zone.key}"
    match window.times:
        case Cron(expression=text):
            return f"cron {text}, {lasting}"
        case Weekly(days=days, at=at):
            return f"every {', '.join(_DAYS[day] for day in sorted(days))} at {at:%H:%M} {lasting}"
        case Monthly(day=day, at=at):
            return f"on the {'last day' if day == -1 else f'{day}.'} of each month at {at:%H:%M} {lasting}"
        case Once(start=start, stop=stop):
            return f"once, for {_length(stop - start)}"


def _length(nanoseconds: int) -> str:
    return format_duration(to_datetime(nanoseconds) - to_datetime(0))


def _typed_of(found: StoredWindow) -> dict[str, str]:
    window = found.window
    typed = {
        "name": window.name,
        "match": "\n".join(window.match.lines()),
        "comment": found.comment,
        "time_zone": window.zone.key,
        "duration": _length(window.duration),
    }
    match window.times:
        case Cron(expression=text):
            typed |= {"kind": "cron", "cron": text}
        case Weekly(days=days, at=at):
            typed |= {"kind": "weekly", "days": ", ".join(_DAYS[day] for day in sorted(days)), "at": f"{at:%H:%M}"}
        case Monthly(day=day, at=at):
            typed |= {"kind": "monthly", "day": str(day), "at": f"{at:%H:%M}"}
        case Once(start=start, stop=stop):
            typed |= {
                "kind": "once",
                "start": to_datetime(start).astimezone(window.zone).isoformat(),
                "duration": _length(stop - start),
            }
    return typed


def _times(typed: Mapping[str, str]) -> dict[str, Any]:
    """The times of a window's form, as the API takes them."""
    at, kind = typed.get("at", "").strip(), typed.get("kind", "once")
    given: dict[str, Any] = {"duration": typed.get("duration", "").strip() or None}
    match kind:
        case "cron":
            given["cron"] = typed.get("cron", "").strip()
        case "weekly":
            days = [one for one in re.split(r"[\s,]+", typed.get("days", "").lower()) if one]
            given["weekly"] = {"days": [one[:3] for one in days], "at": at}
        case "monthly":
            day = typed.get("day", "").strip()
            given["monthly"] = {"day": int(day) if re.fullmatch(r"-?[0-9]{1,2}", day) else 0, "at": at}
        case "once":
            given["start"] = typed.get("start", "").strip() or None
        case _:
            raise InvalidRequest("when it begins is once, weekly, monthly or cron", field="kind", value=kind[:60])
    return given


def _match(typed: Mapping[str, str]) -> LabelMatch:
    lines = [line.strip() for line in typed.get("match", "").splitlines() if line.strip()]
    if not lines and "everything" not in typed:
        words = "say what is meant, a condition on each line, as service=checkout; or tick that everything is"
        raise InvalidRequest(words, field="match")
    try:
        return LabelMatch.parse(lines)
    except ValueError as error:
        raise InvalidRequest(str(error), field="match") from error


def clock_times(typed: Mapping[str, str], zone: ZoneInfo, field: str) -> dict[str, str]:
    """What was typed, its time read by the clock of this zone. Raises InvalidRequest."""
    return {**typed, field: by_the_clock_of(zone, typed.get(field, ""), field)}


def form_model(model: type[M], typed: Mapping[str, str], **given: Any) -> M:
    """A form as the body of the API. Raises InvalidRequest."""
    fields = {"name", "comment", "time_zone", "until", "starts", "duration"} & set(model.model_fields)
    values = {name: typed[name].strip() for name in fields if typed.get(name, "").strip()}
    if values.get("until"):
        values.pop("duration", None)  # a time of its own goes before a length that was chosen
    try:
        return model.model_validate({"comment": ""} | values | given)
    except ValidationError as error:
        raise refusal_of(error, model) from error


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _number(text: str, what: str) -> int:
    found = _whole(text)
    if found is None:
        raise NotFound(f"there is no {what} {text[:20]!r}")
    return found


def troubles(error: OpsWatchError | None) -> tuple[str, ...]:
    """What could not be done, for the top of a page."""
    return () if error is None else (f"That was not done: {visible(error.message, 500)}.",)


def faulted(form: FormView, error: OpsWatchError | None) -> FormView:
    """The form with what is wrong beside the field that it is wrong with."""
    if error is None or error.field is None:
        return form
    first, _, last = error.field.partition(".")
    name = last or {"weekly": "days", "monthly": "day", "stop": "duration"}.get(first, first)
    return replace(form, faults={name: visible(error.message, 300)})


def back(doors: Doors, path: str) -> web.Response:
    """To the page, once something was done."""
    return web.Response(status=303, headers={"Location": f"{doors.settings.base_path}{path}"})
