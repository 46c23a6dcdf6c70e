"""The server application, put together from the route table and its doors. Shell."""

from __future__ import annotations

import asyncio

from aiohttp import web

from api.answer_bodies import ANSWER_BODIES, AnswerBodies
from api.doors import Doors
from api.export import EXPORTS_UNDER_WAY, ExportsUnderWay
from api.gate import FAILURES, ROUTES, FailureLimits, add_headers, gate
from api.health import SYSTEM_HEALTH, SystemHealthCache
from api.keys import DOORS
from api.openapi import DOCUMENTED, Documented
from api.reports import AT_ONCE, REPORTS_AT_ONCE
from api.routes import API_VERSION, ROUTE_TABLE
from api.series import series_body
from api.stream import BROADCASTER, Broadcaster, broadcasting
from api.write import BODIES, BodiesInMemory

MAX_BODY_BYTES = 1024 * 1024  # no request of this version needs more than a form


def build_app(doors: Doors) -> web.Application:
    """The application; the caller runs it."""
    app = web.Application(middlewares=[gate], client_max_size=MAX_BODY_BYTES)
    base = doors.settings.base_path
    app[DOORS] = doors
    app[FAILURES] = FailureLimits()
    app[SYSTEM_HEALTH] = SystemHealthCache(doors)
    app[ANSWER_BODIES] = AnswerBodies(series_body, doors.clock.monotonic)
    app[BROADCASTER] = Broadcaster(app)
    app[BODIES] = BodiesInMemory()
    app[EXPORTS_UNDER_WAY] = ExportsUnderWay()
    app[REPORTS_AT_ONCE] = asyncio.Semaphore(AT_ONCE)
    app[DOCUMENTED] = Documented(ROUTE_TABLE, API_VERSION)
    routes = {}
    for route in ROUTE_TABLE:
        # add_get also answers HEAD; the table says GET, and the gate reads it so.
        pattern = base + route.path.replace("/static/{path}", "/static/{path:.+}")
        added = (
            app.router.add_get(pattern, route.handler)
            if route.method == "GET"
            else app.router.add_route(route.method, pattern, route.handler)
        )
        resource = added.resource
        assert resource is not None
        routes[route.method, resource.canonical] = route
    app[ROUTES] = routes
    app.on_response_prepare.append(add_headers)
    app.cleanup_ctx.append(broadcasting)
    app.on_shutdown.append(app[BROADCASTER].close)
    return app
