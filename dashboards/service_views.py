"""The grid of services, and the probes of one. Shell."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from dashboards.charts import numbers, spark_view, strip, thinned
from dashboards.panels import ProbesPanel, ServicesPanel
from dashboards.units import format_share, format_value
from dashboards.uptime import Uptime
from dashboards.uptime_query import uptimes
from dashboards.views import AttemptRow, ProbesView, ProbeView, ServiceCard, ServicesView
from telemetry.conditions import near_miss
from telemetry.errors import NotFound
from telemetry.health import Outcome, ProbeStatus, ServiceStatus, State, Verdict, verdict_of
from telemetry.ports import SeriesReader
from telemetry.series import AllOf, Equals, Function, Raw, SeriesQuery, Window
from telemetry.times import NANOSECONDS_PER_SECOND, duration_nanoseconds, format_duration, from_datetime, to_datetime

_SPARK, _SPARK_STEP = timedelta(hours=1), 60 * NANOSECONDS_PER_SECOND
_DAY, _WEEK = timedelta(hours=24), timedelta(days=7)
_CERTIFICATE_WORTH_SAYING = 30.0  # days
_ORDER = {State.DOWN: 0, State.UNKNOWN: 1, State.DEGRADED: 2, State.UP: 3}
_STATE_OF_VERDICT = {Verdict.UP: "up", Verdict.DEGRADED: "degraded", Verdict.DOWN: "down", Verdict.UNKNOWN: "unknown"}


async def services_view(
    panel: ServicesPanel, reader: SeriesReader, services: tuple[ServiceStatus, ...], now: datetime, zone: ZoneInfo
) -> ServicesView:
    """All services, worst first and then by name."""
    if not services:
        return ServicesView(panel.title, ())
    known = await uptimes(reader, now, _DAY)
    latencies = await _latencies(reader, services, now)
    ordered = sorted(services, key=lambda service: (_ORDER[service.state], service.name.lower()))
    cards = [_card(service, known.get(service.name), latencies.get(service.name, []), zone) for service in ordered]
    return ServicesView(panel.title, tuple(cards))


async def probes_view(
    panel: ProbesPanel,
    reader: SeriesReader,
    services: tuple[ServiceStatus, ...],
    subject: str,
    now: datetime,
    zone: ZoneInfo,
) -> ProbesView:
    """The probes of one service. Raises NotFound with the near miss."""
    states = {service.name: service for service in services}
    service = states.get(subject)
    if service is None:
        hint = near_miss(subject, list(states))
        raise NotFound(f"there is no service {subject[:60]!r}{hint}", field="name", value=subject[:60])
    here = Equals("service", subject)
    day = await uptimes(reader, now, _DAY, here, ("probe",))
    week = await uptimes(reader, now, _WEEK, here, ("probe",))
    views = []
    for probe in service.probes:
        attempts = await _attempts(reader, subject, probe, now, panel.attempts)
        views.append(_probe_view(probe, day.get(probe.name), week.get(probe.name), attempts, zone))
    depends_on = tuple((name, states[name].state.word if name in states else "unknown") for name in service.depends_on)
    return ProbesView(panel.title, depends_on, tuple(views))


def _card(service: ServiceStatus, uptime: Uptime | None, latencies: list[float | None], zone: ZoneInfo) -> ServiceCard:
    # What is said of a service is said by the probe that decides its state.
    deciding = next((probe for probe in service.probes if probe.state is service.state), None)
    slowest = max((probe.latency_ms for probe in service.probes if probe.latency_ms is not None), default=None)
    message = (
        next((probe.message for probe in service.probes if probe.message), "") if deciding is None else deciding.message
    )
    days = min(
        (probe.certificate_days_left for probe in service.probes if probe.certificate_days_left is not None),
        default=None,
    )
    untried = all(probe.last_attempt is None for probe in service.probes)
    due = min((probe.next_attempt for probe in service.probes if probe.next_attempt is not None), default=None)
    return ServiceCard(
        name=service.name,
        state=service.state.word,
        since=service.since,
        message=message or next((probe.message for probe in service.probes if probe.message), ""),
        latency=format_value(slowest, "ms"),
        spark=spark_view(latencies, "ms"),
        slots=strip(uptime, zone),
        uptime=format_share(None if uptime is None else uptime.availability),
        unknown=_unknown(uptime),
        certificate=_certificate(days),
        first_due=due if untried else None,
        maintenance=service.maintenance,
    )


def _probe_view(
    probe: ProbeStatus, day: Uptime | None, week: Uptime | None, attempts: tuple[AttemptRow, ...], zone: ZoneInfo
) -> ProbeView:
    return ProbeView(
        name=probe.name,
        kind=probe.kind,
        target=probe.target,
        interval=format_duration(probe.interval),
        state=probe.state.word,
        since=probe.since,
        message=probe.message,
        latency=format_value(probe.latency_ms, "ms"),
        slots=strip(day, zone),
        uptime_24h=format_share(None if day is None else day.availability),
        unknown_24h=_unknown(day),
        uptime_7d=format_share(None if week is None else week.availability),
        unknown_7d=_unknown(week),
        certificate=_certificate(probe.certificate_days_left, always=True),
        first_due=probe.next_attempt if probe.last_attempt is None else None,
        attempts=attempts,
    )


async def _latencies(
    reader: SeriesReader, services: tuple[ServiceStatus, ...], now: datetime
) -> dict[str, list[float | None]]:
    """Per service its slowest probe, over the last hour, in steps that fit its interval."""
    stop = from_datetime(now)
    window = Window(_SPARK_STEP, (Function.MEAN,))
    query = SeriesQuery("probe", ("latency_ms",), stop - duration_nanoseconds(_SPARK), stop, window)
    found: dict[str, list[list[float | None]]] = defaultdict(list)
    for one in (await reader.read(query)).series:
        found[dict(one.series.tags).get("service", "")].append(numbers(one))
    latencies = {}
    for service in services:
        slowest = [
            max((value for value in row if value is not None), default=None)
            for row in zip(*found.get(service.name, []), strict=True)
        ]
        interval = max((probe.interval for probe in service.probes), default=timedelta(0))
        latencies[service.name] = thinned(slowest, -(-int(1.5 * interval.total_seconds() * 1e9) // _SPARK_STEP))
    return latencies


async def _attempts(
    reader: SeriesReader, service: str, probe: ProbeStatus, now: datetime, count: int
) -> tuple[AttemptRow, ...]:
    """The newest attempts, newest first."""
    stop = from_datetime(now) + NANOSECONDS_PER_SECOND
    start = stop - (count + 1) * duration_nanoseconds(probe.interval) - NANOSECONDS_PER_SECOND
    where = AllOf((Equals("service", service), Equals("probe", probe.name)))
    fields = ("outcome", "latency_ms", "code", "message")
    answer = await reader.read(SeriesQuery("probe", fields, start, stop, Raw(10_000), where))
    by_time: dict[int, dict[str, float | int | str]] = defaultdict(dict)
    for one in answer.series:
        for time, value in zip(one.times, one.values, strict=True):
            if value is not None:
                by_time[time][one.series.field] = value
    return tuple(_attempt(time, by_time[time]) for time in sorted(by_time, reverse=True)[:count])


def _attempt(time: int, fields: dict[str, float | int | str]) -> AttemptRow:
    number = int(fields.get("outcome", Outcome.ERROR))
    outcome = Outcome(number) if number in Outcome.__members__.values() else Outcome.ERROR
    latency = fields.get("latency_ms")
    return AttemptRow(
        at=to_datetime(time),
        outcome=outcome.word,
        state=_STATE_OF_VERDICT[verdict_of(outcome)],
        latency=format_value(latency if isinstance(latency, float) else None, "ms"),
        code=str(fields.get("code", "")),
        message=str(fields.get("message", "")),
    )


def _unknown(uptime: Uptime | None) -> str:
    if uptime is None:
        return ""
    share = uptime.unknown_share
    # Half a percent is what the clock's granularity makes of the first and the last slot.
    return f"{format_share(share)} unknown" if share > 0.005 else ""


def _certificate(days: float | None, *, always: bool = False) -> str:
    if days is None or (not always and days > _CERTIFICATE_WORTH_SAYING):
        return ""
    return f"certificate ended {-days:.1f} days ago" if days < 0 else f"certificate ends in {days:.1f} days"
