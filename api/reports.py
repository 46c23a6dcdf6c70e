"""`/reports` and `/api/v1/reports/{name}`: a period against the one before it, as page, JSON and CSV. Shell."""

from __future__ import annotations

import asyncio
from zoneinfo import ZoneInfo

from aiohttp import web

from api.doors import Doors
from api.errors import json_response
from api.keys import DOORS
from api.pages import RENDERER, frame_of, html_response
from api.report_models import report_answer
from dashboards.render import standalone_policy
from dashboards.reports.build import ReportContext, build_report
from dashboards.reports.model import TITLES, Report, ReportName
from dashboards.reports.period import Asked, resolve
from dashboards.reports.table import report_csv
from dashboards.reports.views import report_view
from telemetry.conditions import near_miss
from telemetry.errors import InvalidRequest, NotFound

_PARAMETERS = ("start", "stop", "period")
_FORMS = ("json", "csv", "html")
# A report reads for seconds where there are hundreds of services: others may read meanwhile.
REPORTS_AT_ONCE: web.AppKey[asyncio.Semaphore] = web.AppKey("reports_at_once", asyncio.Semaphore)
AT_ONCE = 2


async def show_reports(request: web.Request) -> web.StreamResponse:
    """`GET /reports`."""
    return html_response(RENDERER.reports(frame_of(request)))


async def show_report_page(request: web.Request) -> web.StreamResponse:
    """`GET /reports/{name}`."""
    return await _page(request, _name(request.match_info["name"]))


async def show_report(request: web.Request) -> web.StreamResponse:
    """`GET /api/v1/reports/{name}`, and with .json, .csv or .html behind the name."""
    text, dot, form = request.match_info["name"].rpartition(".")
    if not dot:
        text, form = form, "json"
    if form not in _FORMS:
        raise NotFound(f"a report comes as {', '.join(_FORMS)}, not as {form[:20]!r}", field="name", value=form[:20])
    name = _name(text)
    report = await _built(request, name)
    if form == "html":
        return await _file(request, report)
    if form == "json":
        return json_response(report_answer(report).model_dump())
    return web.Response(
        body=report_csv(report).encode("utf-8", "replace"),
        headers={
            "Content-Type": "text/csv; charset=utf-8; header=present",
            "Content-Disposition": f'attachment; filename="{name.value}.csv"',
        },
    )


async def _page(request: web.Request, name: ReportName) -> web.Response:
    report = await _built(request, name)
    frame = frame_of(request)
    view = await asyncio.to_thread(report_view, report, frame.zone)
    return html_response(await asyncio.to_thread(RENDERER.report, view, frame))


async def _file(request: web.Request, report: Report) -> web.Response:
    frame = frame_of(request)
    view = await asyncio.to_thread(report_view, report, frame.zone)
    response = html_response(await asyncio.to_thread(RENDERER.standalone_report, view, frame))
    response.headers["Content-Security-Policy"] = standalone_policy()
    return response


async def _built(request: web.Request, name: ReportName) -> Report:
    doors: Doors = request.app[DOORS]
    for parameter in request.query:
        if parameter not in _PARAMETERS:
            hint = near_miss(parameter, _PARAMETERS)
            raise InvalidRequest(f"there is no parameter {parameter[:60]!r}{hint}", field=parameter[:60])
    asked = Asked(*(request.query.get(parameter, "").strip() for parameter in _PARAMETERS))
    now = doors.clock.now().replace(microsecond=0)
    span = resolve(asked, now, ZoneInfo(doors.settings.time_zone), doors.settings.retention)
    context = ReportContext(doors.reader, doors.registry, doors.services.services(), doors.settings.host)
    async with request.app[REPORTS_AT_ONCE]:
        return await build_report(name, span, context)


def _name(text: str) -> ReportName:
    try:
        return ReportName(text)
    except ValueError as error:
        hint = near_miss(text, [name.value for name in TITLES])
        raise NotFound(f"there is no report {text[:60]!r}{hint}", field="name", value=text[:60]) from error
