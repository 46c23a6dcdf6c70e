"""The pages: what the boards build, in the frame of who asks. Shell."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from aiohttp import web

from api.doors import DiskHealth, Doors, LostPeriod, OwnHealth, RollupHealth
from api.errors import status_of
from api.incident_marks import incident_marks
from api.keys import DOORS, IDENTITY
from dashboards.boards import BoardContext, build_page
from dashboards.render import PageFrame, Renderer
from dashboards.time_range import parse_range
from dashboards.units import format_seconds, format_value
from dashboards.views import Fact
from telemetry.errors import NotFound, OpsWatchError, Unauthenticated

RENDERER = Renderer()
_TOO_MANY_MISSED = 12  # windows


async def show_overview(request: web.Request) -> web.StreamResponse:
    """`GET /`."""
    return await _page(request, "overview")


async def show_host(request: web.Request) -> web.StreamResponse:
    """`GET /host`."""
    return await _page(request, "host")


async def show_service(request: web.Request) -> web.StreamResponse:
    """`GET /services/{name}`."""
    return await _page(request, "service", request.match_info["name"])


async def show_status(request: web.Request) -> web.StreamResponse:
    """`GET /status`."""
    return await _page(request, "status")


def form_page(
    request: web.Request, template: str, message: str, status: int = 200, next_path: str = "/", *, owned: bool = True
) -> web.Response:
    """The page of `/setup` or `/login`."""
    return html_response(RENDERER.form(template, frame_of(request), message, next_path, owned=owned), status)


async def page_error(request: web.Request, error: OpsWatchError) -> web.Response:
    """An error as a page; to whom nobody knows, the way in."""
    if isinstance(error, Unauthenticated):
        owned = await request.app[DOORS].ownership.exists()
        base = request.app[DOORS].settings.base_path
        path = request.path_qs.removeprefix(base) if request.method == "GET" else "/"
        return form_page(request, "login.html", "", 401, path or "/", owned=owned)
    return html_response(RENDERER.error(frame_of(request), status_of(error), error.message), status_of(error))


async def _page(request: web.Request, name: str, subject: str = "") -> web.Response:
    doors = request.app[DOORS]
    dashboard = doors.boards.dashboard(name)
    if dashboard is None:
        raise NotFound(f"there is no page {name!r}")
    # On whole seconds, so that everybody who looks at the same time asks the same questions.
    now = doors.clock.now().replace(microsecond=0)
    zone = ZoneInfo(doors.settings.time_zone)
    own = await doors.own_health()
    shown = parse_range(request.query.get("start"), request.query.get("stop"), dashboard.range, now)
    marks, unmarked = await incident_marks(doors, shown, name, subject)
    context = BoardContext(
        reader=doors.reader,
        registry=doors.registry,
        services=doors.services.services(),
        facts=_facts(own, now.astimezone(zone), doors.settings.version),
        range=shown,
        now=now,
        zone=zone,
        host=doors.settings.host,
        host_interval=doors.settings.host_interval,
        first_sample_due=own.first_sample_due,
        subject=subject,
        quarantine=doors.quarantine.list,
        marks=lambda measurement: tuple(marks.get(measurement, ())),
    )
    page = await build_page(dashboard, context)
    # Before anything else a page shows: what it cannot show.
    page = replace(page, troubles=(*(_lost_words(one) for one in own.lost), *unmarked, *page.troubles))
    return html_response(RENDERER.page(page, frame_of(request)))


def frame_of(request: web.Request) -> PageFrame:
    """What stands around the page that is asked for."""
    doors: Doors = request.app[DOORS]
    identity = request.get(IDENTITY)
    return PageFrame(
        base=doors.settings.base_path,
        zone=ZoneInfo(doors.settings.time_zone),
        now=doors.clock.now(),
        user=identity.name if identity else "",
        refresh_seconds=doors.settings.refresh_interval.total_seconds(),
        version=doors.settings.version,
        critical=doors.alerts.counts().critical if identity else 0,
        warning=doors.alerts.counts().warning if identity else 0,
    )


def _facts(own: OwnHealth, now: datetime, version: str) -> tuple[Fact, ...]:
    ready = "ready" if not own.reasons else "not ready: " + ", ".join(own.reasons)
    dropped = (
        f"{own.spool_dropped_points:,} points dropped since start" if own.spool_dropped_points else "nothing dropped"
    )
    return (
        Fact("Version", version),
        Fact("Running for", format_seconds((now - own.started).total_seconds())),
        Fact("Readiness", ready, "critical" if own.reasons else ""),
        Fact("Store", _store_words(own)),
        *(Fact("Store, note", note, "warning") for note in own.store_notes),
        Fact("Spool", f"{_spool_words(own)}; {dropped}", "critical" if own.spool_dropped_points else ""),
        Fact("Store takes points", own.spool_trouble or "yes", "critical" if own.spool_trouble else ""),
        *((Fact("Alerting", own.alerting_trouble, "critical"),) if own.alerting_trouble else ()),
        *((Fact("Loop", own.loop_trouble, "critical"),) if own.loop_trouble else ()),
        *(Fact("Lost", _lost_words(one), "critical") for one in own.lost),
        *(() if own.disk is None else (_disk_fact(own.disk),)),
        *(_rollup_fact(one, now) for one in own.rollups),
        Fact("Log", own.log_rotation_status, "" if own.log_rotation_status == "healthy" else own.log_rotation_status),
    )


def _store_words(own: OwnHealth) -> str:
    words = [own.store_kind]
    if own.server is not None:
        words = [f"InfluxDB {own.server.version} at {own.server.address}".replace("  ", " ")]
        took = own.server.canary_ms
        words.append("a test point does not come back" if took is None else f"a test point is back after {took:.0f} ms")
    if own.store_series is not None:
        words.append(f"{own.store_series:,} series")
    if own.store_file_bytes is not None:
        words.append(format_value(own.store_file_bytes, "bytes"))
    return ", ".join(words)


def _spool_words(own: OwnHealth) -> str:
    words = f"{own.spool_pending_batches} batches wait, the oldest for {format_seconds(own.spool_oldest_s)}"
    if own.catch_up_s is not None:
        words += f"; catching up, about {format_seconds(own.catch_up_s)} to go"
    return words


def _lost_words(lost: LostPeriod) -> str:
    start = "the beginning" if lost.start is None else f"{lost.start:%Y-%m-%d %H:%M} UTC"
    words = f"Measurements from {start} to {lost.stop:%Y-%m-%d %H:%M} UTC are lost: the store could not be opened"
    return f"{words} ({lost.reason})." + (f" It is kept as {lost.file}." if lost.file else "")


def _disk_fact(disk: DiskHealth) -> Fact:
    text = (
        f"{format_value(disk.free, 'bytes')} of {format_value(disk.total, 'bytes')} free,"
        f" {format_value(disk.reserve, 'bytes')} kept in reserve"
    )
    if disk.level == "low":
        text += ": pushed points, exports and snapshots are refused"
    if disk.level == "critical":
        text += ": only OpsWatch's own measurements are kept"
    return Fact("Disk", text, "" if disk.level == "enough" else "critical")


def _rollup_fact(rollup: RollupHealth, now: datetime) -> Fact:
    if rollup.until is None:
        is_known = rollup.lag_s == 0  # a server that was not asked yet may have much
        text = "nothing to roll up yet" if is_known else "how far it is made is not known yet"
        return Fact(f"Rollup {rollup.level}", text)
    text = f"made up to {rollup.until.astimezone(now.tzinfo):%Y-%m-%d %H:%M}"  # in the zone of the page
    if rollup.missed_windows:
        text += f", {rollup.missed_windows:,} windows are due"
    if rollup.late_windows:
        text += f", {rollup.late_windows:,} are made again for late samples"
    if rollup.failures:
        text += f"; {rollup.failures:,} runs failed since start"
    # A run a minute makes what is due; what waits for longer than a few is not being made.
    return Fact(f"Rollup {rollup.level}", text, "warning" if rollup.missed_windows > _TOO_MANY_MISSED else "")


def html_response(text: str, status: int = 200) -> web.Response:
    """A page as an answer."""
    return web.Response(text=text, status=status, content_type="text/html", charset="utf-8")
