"""`/act/{token}`: acknowledge or snooze by a link in a message, without a login. GET shows, POST acts. Shell."""

from __future__ import annotations

import logging
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from aiohttp import web

from alerting.ledger import Incident
from alerting.links import LinkAct, LinkView
from api.bodies import read_form
from api.gate import FAILURES, LINK, client_address
from api.keys import DOORS
from api.pages import RENDERER, frame_of, html_response
from dashboards.link_view import LinkedIncident, LinkPage
from dashboards.units import format_ago
from telemetry.errors import Forbidden, InvalidRequest
from telemetry.visible_text import visible

logger = logging.getLogger(__name__)

_CHOICES = (("1h", "1 hour"), ("4h", "4 hours"), ("tomorrow", "until tomorrow, 09:00"))
_SHOWN = 20
_MORNING = time(9)


async def show_link(request: web.Request) -> web.StreamResponse:
    """`GET /act/{token}`: nothing changes by looking, for mail scanners and previews look, too."""
    doors, token = request.app[DOORS], request.match_info["token"]
    now = doors.clock.now()
    view = await _checked(request, token, now)
    return _private(html_response(RENDERER.link(frame_of(request), _page(token, view, now)), 200))


async def use_link(request: web.Request) -> web.StreamResponse:
    """`POST /act/{token}`."""
    doors, token = request.app[DOORS], request.match_info["token"]
    now = doors.clock.now()
    view = await _checked(request, token, now)
    until = None
    if view.claim.act is LinkAct.SNOOZE:
        until = _until((await read_form(request)).get("for", ""), now, ZoneInfo(doors.settings.time_zone))
    done = await doors.links.act(token, until, now)
    logger.info("a link was used", extra={"act": view.claim.act.value, "by": view.claim.receiver, "incidents": done})
    what = "1 incident" if done == 1 else f"{done:,} incidents"
    words = f"Acknowledged: {what}" if until is None else f"Snoozed until {until:%Y-%m-%d %H:%M} UTC: {what}"
    page = LinkPage(token, view.claim.act.value, visible(view.claim.receiver, 100), view.count, 0, done=words)
    return _private(html_response(RENDERER.link(frame_of(request), page), 200))


async def _checked(request: web.Request, token: str, now: datetime) -> LinkView:
    client, failures = client_address(request), request.app[FAILURES]
    failures.check(LINK, client)
    try:
        return await request.app[DOORS].links.show(token, now)
    except Forbidden:
        failures.count(LINK, client)
        raise


def _private(response: web.Response) -> web.Response:
    """Whoever has the address may act: no cache learns it.

    No other site does by the referrer: that is for our own alone (`same-origin`). With none at all a browser would send
    the form with the origin `null`, which is refused.
    """
    response.headers["Cache-Control"] = "no-store"
    return response


def _until(choice: str, now: datetime, zone: ZoneInfo) -> datetime:
    match choice:
        case "1h":
            return now + timedelta(hours=1)
        case "4h":
            return now + timedelta(hours=4)
        case "tomorrow":
            day = now.astimezone(zone).date() + timedelta(days=1)
            return datetime.combine(day, _MORNING, zone)
    raise InvalidRequest("choose how long: 1h, 4h or tomorrow", field="for", value=choice)


def _page(token: str, view: LinkView, now: datetime) -> LinkPage:
    shown = view.incidents[:_SHOWN]
    return LinkPage(
        token,
        view.claim.act.value,
        visible(view.claim.receiver, 100),
        view.count,
        view.open,
        tuple(LinkedIncident(one.severity.word, visible(one.facts.summary, 200), _state(one, now)) for one in shown),
        view.count - len(shown),
        _CHOICES if view.claim.act is LinkAct.SNOOZE else (),
    )


def _state(one: Incident, now: datetime) -> str:
    if one.resolved is not None:
        return f"over since {one.resolved:%Y-%m-%d %H:%M} UTC"
    parts = [f"open since {one.opened:%Y-%m-%d %H:%M} UTC ({format_ago(now - one.opened)})"]
    if one.acknowledged is not None:
        parts.append(f"acknowledged by {visible(one.acknowledged_by, 100)}")
    if one.snoozed_until is not None and now < one.snoozed_until:
        parts.append(f"snoozed until {one.snoozed_until:%Y-%m-%d %H:%M} UTC")
    return ", ".join(parts)
