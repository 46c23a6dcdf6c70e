"""`/api/v1/services`: what is watched, and how it stands. Shell."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from aiohttp import web

from api.doors import Doors
from api.errors import json_response
from api.keys import DOORS
from api.models import ProbeAnswer, ServiceAnswer, ServicesAnswer
from dashboards.uptime import Uptime
from dashboards.uptime_query import uptimes
from telemetry.conditions import near_miss
from telemetry.errors import NotFound, OpsWatchError
from telemetry.health import ProbeStatus, ServiceStatus

logger = logging.getLogger(__name__)


async def list_services(request: web.Request) -> web.StreamResponse:
    """`GET /api/v1/services`."""
    return json_response(ServicesAnswer(services=await service_answers(request.app[DOORS])).model_dump())


async def show_service(request: web.Request) -> web.StreamResponse:
    """`GET /api/v1/services/{name}`."""
    doors = request.app[DOORS]
    status = find_service(doors, request.match_info["name"])
    known = await _known_uptimes(doors)
    return json_response(service_answer(status, known.get(status.name)).model_dump())


def find_service(doors: Doors, name: str) -> ServiceStatus:
    """The service of this name. Raises NotFound with the near miss."""
    services = {service.name: service for service in doors.services.services()}
    if name not in services:
        raise NotFound(
            f"there is no service {name[:60]!r}{near_miss(name, list(services))}", field="name", value=name[:60]
        )
    return services[name]


async def service_answers(doors: Doors) -> list[ServiceAnswer]:
    """Every service as the API shows it."""
    known = await _known_uptimes(doors)
    return [service_answer(service, known.get(service.name)) for service in doors.services.services()]


async def _known_uptimes(doors: Doors) -> dict[str, Uptime]:
    # On whole seconds, so that everybody who asks at the same time asks the same question.
    now = doors.clock.now().replace(microsecond=0)
    try:
        return await uptimes(doors.reader, now, timedelta(hours=24))
    except OpsWatchError as error:
        # The states are in memory: a store in trouble must not hide that a service is down. That it is in trouble is in
        # the log already; an open page asks every few seconds.
        logger.debug("uptimes are not known at the moment", extra={"reason": error.message})
        return {}


def service_answer(service: ServiceStatus, uptime: Uptime | None) -> ServiceAnswer:
    """One service as the API shows it."""
    return ServiceAnswer(
        name=service.name,
        status=service.state.word,  # type: ignore[arg-type]  # the words of State are StateWord
        maintenance=service.maintenance,
        since=written(service.since),
        labels=dict(service.labels),
        depends_on=list(service.depends_on),
        probes=[_probe_answer(probe) for probe in service.probes],
        uptime_24h=None if uptime is None else uptime.availability,
        unknown_24h=None if uptime is None else uptime.unknown_share,
    )


def written(moment: datetime | None) -> str | None:
    """RFC 3339 in UTC, to the millisecond."""
    return None if moment is None else moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _probe_answer(probe: ProbeStatus) -> ProbeAnswer:
    return ProbeAnswer(
        name=probe.name,
        kind=probe.kind,
        status=probe.state.word,  # type: ignore[arg-type]  # the words of State are StateWord
        outcome=None if probe.outcome is None else probe.outcome.word,
        latency_ms=None if probe.latency_ms is None else round(probe.latency_ms, 3),
        message=probe.message,
        last_attempt=written(probe.last_attempt),
        next_attempt=written(probe.next_attempt),
        certificate_days_left=probe.certificate_days_left,
    )
