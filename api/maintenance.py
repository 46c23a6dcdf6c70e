"""`/api/v1/maintenance`: windows that are planned, by people and by opswatch.yaml. Shell."""

from __future__ import annotations

import logging
from datetime import datetime, time
from functools import cache
from typing import get_args
from zoneinfo import ZoneInfo, available_timezones

from aiohttp import web

from alerting.silences import StoredWindow, WindowDraft
from alerting.windows import Cron, Monthly, Once, Times, Weekly, Window, active, next_start
from api.bodies import read_json
from api.doors import Doors
from api.errors import json_response
from api.incidents import number_of
from api.keys import DOORS, IDENTITY
from api.moments import end_of, moment_of, span_of
from api.mute_models import (
    DayWord,
    MaintenanceAnswer,
    MonthlyTimes,
    WeeklyTimes,
    WindowAnswer,
    WindowChange,
    WindowRequest,
)
from api.services import written
from api.silences import match_of, switch
from telemetry.errors import Conflict, InvalidRequest
from telemetry.times import NANOSECONDS_PER_SECOND, duration_nanoseconds, from_datetime, to_datetime

logger = logging.getLogger(__name__)

_DAYS: tuple[DayWord, ...] = get_args(DayWord)


async def list_maintenance(request: web.Request) -> web.StreamResponse:
    """`GET /api/v1/maintenance`: those of opswatch.yaml first."""
    doors = request.app[DOORS]
    now, ended_too = doors.clock.now(), switch(request, "all")
    configured = [window_answer(window, None, now) for window in doors.windows()]
    stored = await doors.maintenance.list(with_ended=ended_too)
    answer = MaintenanceAnswer(windows=[*configured, *(window_answer(one.window, one, now) for one in stored)])
    return json_response(answer.model_dump())


async def show_window(request: web.Request) -> web.StreamResponse:
    """`GET /api/v1/maintenance/{id}`."""
    doors = request.app[DOORS]
    found = await doors.maintenance.show(number_of(request, "maintenance window"))
    return json_response(window_answer(found.window, found, doors.clock.now()).model_dump())


async def add_window(request: web.Request) -> web.StreamResponse:
    """`POST /api/v1/maintenance`."""
    doors, author = request.app[DOORS], request[IDENTITY].name
    wanted, now = await read_json(request, WindowRequest), doors.clock.now()
    made = await doors.maintenance.add(draft_of(wanted, doors, now, now), author, now)
    logger.info("maintenance planned", extra={"window": made.id, "by": author})
    return json_response(window_answer(made.window, made, now).model_dump(), status=201)


async def change_window(request: web.Request) -> web.StreamResponse:
    """`PUT /api/v1/maintenance/{id}`."""
    doors, author, number = request.app[DOORS], request[IDENTITY].name, number_of(request, "maintenance window")
    present = (await doors.maintenance.show(number)).window.times
    wanted, now = await read_json(request, WindowChange), doors.clock.now()
    start = to_datetime(present.start) if isinstance(present, Once) else now
    changed = await doors.maintenance.change(number, wanted.version, draft_of(wanted, doors, now, start), author, now)
    logger.info("maintenance changed", extra={"window": number, "by": author})
    return json_response(window_answer(changed.window, changed, now).model_dump())


async def end_window(request: web.Request) -> web.StreamResponse:
    """`DELETE /api/v1/maintenance/{id}`: it holds no more, and stays on record."""
    doors, author, number = request.app[DOORS], request[IDENTITY].name, number_of(request, "maintenance window")
    await doors.maintenance.end(number, author, doors.clock.now())
    logger.info("maintenance taken out", extra={"window": number, "by": author})
    return web.Response(status=204)


def window_answer(window: Window, stored: StoredWindow | None, now: datetime) -> WindowAnswer:
    """A window as the API shows it; `stored` is None for those of opswatch.yaml."""
    times, is_out = window.times, stored is not None and stored.ended is not None
    length = times.stop - times.start if isinstance(times, Once) else window.duration
    return WindowAnswer(
        id=None if stored is None else stored.id,
        name=window.name,
        match=window.match.written(),
        time_zone=window.zone.key,
        duration_seconds=length / NANOSECONDS_PER_SECOND,
        cron=times.expression if isinstance(times, Cron) else None,
        weekly=WeeklyTimes(days=[_DAYS[day] for day in sorted(times.days)], at=_clock(times.at))
        if isinstance(times, Weekly)
        else None,
        monthly=MonthlyTimes(day=times.day, at=_clock(times.at)) if isinstance(times, Monthly) else None,
        start=_moment(times.start) if isinstance(times, Once) else None,
        stop=_moment(times.stop) if isinstance(times, Once) else None,
        author="" if stored is None else stored.author,
        comment="" if stored is None else stored.comment,
        created=None if stored is None else written(stored.created),
        ended=None if stored is None else written(stored.ended),
        ended_by="" if stored is None else stored.ended_by,
        version=None if stored is None else stored.version,
        active_until=None if is_out else _moment(active(window, from_datetime(now))),
        next_start=None if is_out else _moment(next_start(window, from_datetime(now))),
    )


def draft_of(wanted: WindowRequest, doors: Doors, now: datetime, start: datetime) -> WindowDraft:
    """What a body asks for; `start`: of one time, where it says none. Raises InvalidRequest, Conflict."""
    if any(window.name == wanted.name for window in doors.windows()):
        words = f"opswatch.yaml has a maintenance window {wanted.name!r}: change it there, or choose another name"
        raise Conflict(words, field="name", value=wanted.name)
    zone = zone_of(wanted.time_zone or doors.settings.time_zone)
    try:
        times = _times(wanted, now, start)
    except ValueError as error:
        raise InvalidRequest(str(error), field=_kind(wanted)) from error
    once = isinstance(times, Once)
    if not once and wanted.duration is None:
        raise InvalidRequest("say how long it lasts each time (duration)", field="duration")
    duration = 0 if once or wanted.duration is None else duration_nanoseconds(span_of(wanted.duration))
    window = Window(wanted.name, match_of(wanted.match), duration, zone, times)
    return WindowDraft(window, wanted.comment, wanted.everything)


def _times(wanted: WindowRequest, now: datetime, start: datetime) -> Times:
    """When it begins. Raises InvalidRequest, ValueError."""
    match _kind(wanted):
        case "cron":
            return Cron(wanted.cron or "")
        case "weekly":
            assert wanted.weekly is not None
            days = frozenset(_DAYS.index(day) for day in wanted.weekly.days)
            return Weekly(days, time.fromisoformat(wanted.weekly.at))
        case "monthly":
            assert wanted.monthly is not None
            return Monthly(wanted.monthly.day, time.fromisoformat(wanted.monthly.at))
    if wanted.start is not None:
        start = moment_of(wanted.start, "start", now)
    stop = end_of(start, wanted.duration, wanted.stop, now, "stop")
    return Once(from_datetime(start), from_datetime(stop))


def _kind(wanted: WindowRequest) -> str:
    kinds = [name for name in ("cron", "weekly", "monthly") if getattr(wanted, name) is not None]
    if wanted.start is not None or wanted.stop is not None:
        kinds.append("start")
    if len(kinds) > 1:
        words = f"a window is planned in one way, not by {' and '.join(kinds)}"
        raise InvalidRequest(words, field=kinds[-1])
    return kinds[0] if kinds else "start"


def zone_of(name: str) -> ZoneInfo:
    """A time zone by its name. Raises InvalidRequest."""
    if name not in _zones():
        words = f"{name[:60]!r} is not a time zone; write a name like UTC or Europe/Berlin"
        raise InvalidRequest(words, field="time_zone", value=name[:60])
    return ZoneInfo(name)


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _clock(at: time) -> str:
    return at.isoformat("seconds" if at.second else "minutes")


def _moment(instant: int | None) -> str | None:
    return None if instant is None else written(to_datetime(instant))
