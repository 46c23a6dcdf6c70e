"""Liveness, readiness, the story's health answer, and OpsWatch's own metrics. Shell."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from aiohttp import web

from api.doors import Doors, OwnHealth
from api.errors import json_response
from api.keys import DOORS
from api.models import (
    ConnectionStatusAnswer,
    EventStatsAnswer,
    Liveness,
    MissingAnswer,
    Readiness,
    ServiceStatusAnswer,
    SpoolAnswer,
    StoreAnswer,
    StoreLevelAnswer,
    SystemHealthAnswer,
    SystemMetricsAnswer,
)
from api.services import written
from telemetry.errors import OpsWatchError
from telemetry.health import ServiceStatus, worst_state
from telemetry.ports import SeriesReader
from telemetry.series import AllOf, Equals, Function, Latest, Not, Predicate, SeriesQuery, Window
from telemetry.times import duration_nanoseconds, from_datetime

# A sample older than this says nothing about now; the slowest default interval is a minute.
_FRESH = timedelta(minutes=5)
_KEEP = timedelta(seconds=2)


async def show_liveness(request: web.Request) -> web.StreamResponse:
    """`GET /health`: the process answers. Never asks a store."""
    del request
    return json_response(Liveness(status="ok").model_dump())


async def show_readiness(request: web.Request) -> web.StreamResponse:
    """`GET /ready`: 200, or 503 with the codes of what is missing."""
    own = await request.app[DOORS].own_health()
    reasons = own.reasons
    # What is lost does not come back by waiting: it is told, and the work goes on.
    told = (*reasons, "history_missing") if own.lost else reasons
    answer = Readiness(status="not_ready" if reasons else "ready", reasons=list(told))
    return json_response(answer.model_dump(), status=503 if reasons else 200)


async def show_metrics(request: web.Request) -> web.StreamResponse:
    """`GET /metrics`: Prometheus' text format."""
    return web.Response(
        body=request.app[DOORS].exposition(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
    )


async def show_system_health(request: web.Request) -> web.StreamResponse:
    """`GET /api/v1/health`: the story's answer, cached, with its age."""
    answer, at = await request.app[SYSTEM_HEALTH].current()
    age = max(0.0, (request.app[DOORS].clock.now() - at).total_seconds())
    return json_response(answer.model_copy(update={"age_seconds": round(age, 3)}).model_dump())


class SystemHealthCache:
    """Computes the health answer at most every two seconds, and once for all who ask at the same time."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors
        self._lock = asyncio.Lock()
        self._kept: tuple[SystemHealthAnswer, datetime] | None = None

    async def current(self) -> tuple[SystemHealthAnswer, datetime]:
        """The answer, and when it was computed."""
        async with self._lock:
            now = self._doors.clock.now()
            if self._kept is None or not timedelta(0) <= now - self._kept[1] < _KEEP:
                self._kept = (await system_health(self._doors, now), now)
            return self._kept


SYSTEM_HEALTH: web.AppKey[SystemHealthCache] = web.AppKey("system_health", SystemHealthCache)


async def system_health(doors: Doors, now: datetime) -> SystemHealthAnswer:
    """The story's SystemHealth at this moment."""
    own = await doors.own_health()
    facts = await host_facts(doors.reader, doors.settings.host, now)
    return SystemHealthAnswer(
        service_status=_service_status(doors.services.services()),
        event_stats=EventStatsAnswer(
            events_processed=None,
            events_per_second=None,
            error_rate=None,
            probe_attempts_per_minute=facts.attempts_per_minute,
        ),
        connection_status=_connection_status(own, reachable=facts.reachable),
        system_metrics=SystemMetricsAnswer(
            cpu_usage_percent=facts.cpu_percent,
            memory_usage_mb=None if facts.memory_bytes is None else round(facts.memory_bytes / 1e6, 3),
            disk_usage_percent=facts.disk_percent,
            network_io_bytes=facts.network_bytes,
            log_rotation_status=own.log_rotation_status,  # type: ignore[arg-type]  # one of the three words
        ),
        last_updated=written(now) or "",
        age_seconds=0.0,
    )


@dataclass(frozen=True, slots=True)
class HostFacts:
    """The newest figures of this host; None where there is no fresh sample."""

    cpu_percent: float | None = None
    memory_bytes: float | None = None
    disk_percent: float | None = None
    network_bytes: int | None = None
    attempts_per_minute: float | None = None
    reachable: bool = True


async def host_facts(reader: SeriesReader, host: str, now: datetime) -> HostFacts:
    """Read the newest figures; a store that cannot answer leaves them unknown."""
    here = Equals("host", host)
    try:
        cpu = await _latest(reader, "cpu", "usage_active", AllOf((here, Equals("cpu", "cpu-total"))), now)
        memory = await _latest(reader, "mem", "used", here, now)
        disk = await _latest(reader, "disk", "used_percent", here, now)
        not_loopback = AllOf((here, Not(Equals("interface", "lo"))))
        sent = await _latest(reader, "net", "bytes_sent", not_loopback, now)
        received = await _latest(reader, "net", "bytes_recv", not_loopback, now)
        attempts = await _attempts_per_minute(reader, now)
    except OpsWatchError:
        return HostFacts(reachable=False)
    return HostFacts(
        cpu_percent=cpu[0] if cpu else None,
        memory_bytes=memory[0] if memory else None,
        disk_percent=max(disk, default=None),
        network_bytes=int(sum(sent) + sum(received)) if sent or received else None,
        attempts_per_minute=attempts,
    )


async def _latest(reader: SeriesReader, measurement: str, field: str, where: Predicate, now: datetime) -> list[float]:
    stop = from_datetime(now) + 1
    query = SeriesQuery(measurement, (field,), stop - duration_nanoseconds(_FRESH), stop, Latest(), where)
    answer = await reader.read(query, timedelta(seconds=5))
    return [float(value) for one in answer.series for value in one.values if value is not None]


async def _attempts_per_minute(reader: SeriesReader, now: datetime) -> float | None:
    step = duration_nanoseconds(_FRESH)
    stop = from_datetime(now) // step * step + step
    query = SeriesQuery("probe", ("outcome",), stop - 2 * step, stop, Window(step, (Function.COUNT,)))
    answer = await reader.read(query, timedelta(seconds=5))
    counted = [sum(float(value) for value in one.values if value is not None) for one in answer.series]
    if not counted:
        return None
    minutes = (from_datetime(now) - (stop - 2 * step)) / 60e9
    return round(sum(counted) / minutes, 3)


def _service_status(services: tuple[ServiceStatus, ...]) -> ServiceStatusAnswer:
    counts = Counter(service.state.word for service in services)
    return ServiceStatusAnswer(
        status=worst_state(service.state for service in services).word,  # type: ignore[arg-type]  # words of State
        up=counts["up"],
        degraded=counts["degraded"],
        down=counts["down"],
        unknown=counts["unknown"],
        services={service.name: service.state.word for service in services},  # type: ignore[misc]
    )


def _connection_status(own: OwnHealth, *, reachable: bool) -> ConnectionStatusAnswer:
    healthy = reachable and not own.spool_trouble
    return ConnectionStatusAnswer(
        status="healthy" if healthy else "degraded",
        store=StoreAnswer(
            kind=own.store_kind,
            series=own.store_series,
            file_bytes=own.store_file_bytes,
            notes=list(own.store_notes),
            address=own.server.address if own.server is not None else None,
            version=(own.server.version or None) if own.server is not None else None,
            canary_ms=_rounded(own.server.canary_ms) if own.server is not None else None,
            longest_write_ms=_rounded(own.longest_write_ms),
            longest_query_ms=_rounded(own.longest_query_ms),
            levels=[
                StoreLevelAnswer(
                    level=one.level,
                    until=None if one.until is None else written(one.until),
                    behind_seconds=round(one.lag_s, 3),
                    missed_windows=one.missed_windows,
                    late_windows=one.late_windows,
                )
                for one in own.rollups
            ],
            missing=[
                MissingAnswer(start=written(one.start), stop=written(one.stop) or "", reason=one.reason, file=one.file)
                for one in own.lost
            ],
        ),
        spool=SpoolAnswer(
            pending_batches=own.spool_pending_batches,
            oldest_seconds=round(own.spool_oldest_s, 3),
            catch_up_seconds=None if own.catch_up_s is None else round(own.catch_up_s, 3),
            dropped_points=own.spool_dropped_points,
            trouble=own.spool_trouble,
        ),
    )


def _rounded(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else round(milliseconds, 3)
