"""`/api/v1/incidents/{id}/trend`: what an incident's rule read around it; and the same as a chart. Shell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from aiohttp import web

from alerting.ledger import Incident
from alerting.rule_status import RuleStatus
from alerting.rule_words import reads
from alerting.rules import Forecast, Rule
from alerting.value_trend import ends_at, is_drawable, trend_queries, trend_step, trend_values
from api.alert_words import mark_of
from api.doors import Doors
from api.errors import json_response
from api.incidents import number_of
from api.keys import DOORS
from api.series import series_answer
from dashboards.boards import sample_interval
from dashboards.charts import chart_row
from dashboards.panels import Unit
from dashboards.shown_text import shown
from dashboards.time_range import step_for
from dashboards.views import ChartView, LineView
from telemetry.errors import Conflict, InvalidRequest
from telemetry.series import Series, SeriesQuery, SeriesResult, SeriesSamples
from telemetry.times import (
    NANOSECONDS_PER_MILLISECOND,
    duration_nanoseconds,
    from_datetime,
    parse_duration,
    parse_instant,
)

FIELD = "value"
_PARAMETERS = ("start", "stop", "every")
_LEAST_LEAD = timedelta(minutes=20)
_MOST_LEAD = timedelta(hours=12)
_UNITS: Mapping[str, Unit] = {"percent": "percent", "bytes": "bytes", "ms": "ms", "s": "s", "days": "days"}


@dataclass(frozen=True, slots=True)
class Trend:
    """What a rule read of one tag set in windows of `step` ns; `start` and `stop` in ns."""

    rule: Rule
    query: SeriesQuery
    values: tuple[float | None, ...]


async def show_trend(request: web.Request) -> web.StreamResponse:
    """`GET /api/v1/incidents/{id}/trend`: as `/api/v1/series` with every, of the one field `value`."""
    doors = request.app[DOORS]
    for name in request.query:
        if name not in _PARAMETERS:
            raise InvalidRequest(f"there is no parameter {name[:40]!r}", field=name[:40])
    incident, _ = await doors.incidents.show(number_of(request))
    status = rule_of(doors, incident)
    if status is None or not is_drawable(status.rule, doors.registry):
        raise Conflict(no_trend_words(doors, incident), field="id", value=incident.id)
    start, stop = (_instant(request, name, default, doors) for name, default in _defaults(incident, doors))
    step = _every(request) or step_of(doors, incident, status.rule, stop - start)
    trend = await read_trend(doors, incident, status.rule, (start, stop), step)
    one = SeriesSamples(Series(trend.query.measurement, incident.tags, FIELD), trend.query.axis, trend.values)
    return json_response(series_answer(SeriesResult(trend.query, "rule", (one,))))


async def read_trend(doors: Doors, incident: Incident, rule: Rule, span: tuple[int, int], step: int) -> Trend:
    """Ask the store for it. Raises InvalidQuery, QueryTooLarge, QueryTimedOut, StoreUnavailable."""
    start, stop = span
    stop = max(min(start + step, stop), ends_at(rule, stop, step, from_datetime(doors.clock.now())))
    queries = trend_queries(rule, incident.tags, start, stop, step)
    results = [await doors.reader.read(query) for query in queries]
    return Trend(rule, queries[0], tuple(trend_values(rule, results)))


async def trend_chart(doors: Doors, incident: Incident, status: RuleStatus, span: tuple[int, int]) -> ChartView:
    """The chart of an incident, with its thresholds and its span. Raises as `read_trend` does."""
    rule = status.rule
    step = step_of(doors, incident, rule, span[1] - span[0])
    trend = await read_trend(doors, incident, rule, span, step)
    known = any(value is not None for value in trend.values)
    unit = _UNITS.get(chart_unit(doors, status), "count")
    return ChartView(
        identifier="trend",
        title=chart_title(rule),
        unit=unit,
        source=f"/api/v1/incidents/{incident.id}/trend",
        labels=("field",),
        stacked=False,
        maximum=None,
        step_ms=step // NANOSECONDS_PER_MILLISECOND,
        rows=(chart_row(FIELD, trend.values, unit),) if known else (),
        lines=chart_lines(rule),
        marks=(mark_of(incident),),
    )


def rule_of(doors: Doors, incident: Incident) -> RuleStatus | None:
    """The rule of an incident as it is in force now, or None."""
    return next((one for one in doors.rules.standing().rules if one.rule.name == incident.rule), None)


def no_trend_words(doors: Doors, incident: Incident) -> str:
    """Why there is no chart."""
    if rule_of(doors, incident) is None:
        return "Its rule is not in force any more, so what it would read is not known."
    return "What this rule reads is no series of the store: there is nothing to draw."


def step_of(doors: Doors, incident: Incident, rule: Rule, length: int) -> int:
    """How long a window of the drawing is, in ns."""
    measurement = next(rule.selections).measurement
    service = dict(incident.tags).get("service", "")
    interval = sample_interval(measurement, doors.services.services(), service, doors.settings.host_interval)
    return trend_step(rule, length, step_for(length, interval))


def chart_unit(doors: Doors, status: RuleStatus) -> str:
    """The unit of what is drawn: of a forecast that of its field, not hours."""
    if not isinstance(status.rule.expression, Forecast):
        return status.unit
    of = status.rule.expression.of
    measurement = doors.registry.get(of.measurement)
    field = None if measurement is None else measurement.field(of.field)
    return "1" if field is None else field.unit


def chart_title(rule: Rule) -> str:
    """What is drawn."""
    if isinstance(rule.expression, Forecast):
        of = rule.expression.of
        return shown(
            f"{of.measurement} {of.field}, from which it is forecast when it reaches {rule.expression.reaches:g}"
        )
    return shown(reads(rule), 600)


def chart_lines(rule: Rule) -> tuple[LineView, ...]:
    """Thresholds; of a forecast what it is forecast to reach."""
    if isinstance(rule.expression, Forecast):
        return (LineView(rule.expression.reaches, "end", "critical"),)
    return tuple(LineView(threshold.limit, severity.word, severity.word) for severity, threshold in rule.thresholds)


def natural_range(incident: Incident, doors: Doors) -> tuple[str, str]:
    """Start and stop, as a URL has them: the incident with some time before and after it."""
    now = doors.clock.now()
    end = incident.resolved or now
    lead = min(max((end - incident.opened) / 4, _LEAST_LEAD), _MOST_LEAD)
    status = rule_of(doors, incident)
    if status is not None:
        longest = max((one.window for one in status.rule.selections), default=0)
        lead = max(lead, timedelta(microseconds=(status.rule.hold_for + 4 * longest) // 1_000))
    start = _written((incident.opened - lead).isoformat(timespec="seconds"))
    if incident.resolved is None or incident.resolved + lead >= now:
        return start, "now"
    return start, _written((incident.resolved + lead).isoformat(timespec="seconds"))


def _written(text: str) -> str:
    return text.replace("+00:00", "Z")


def _defaults(incident: Incident, doors: Doors) -> tuple[tuple[str, str], tuple[str, str]]:
    start, stop = natural_range(incident, doors)
    return ("start", start), ("stop", stop)


def _instant(request: web.Request, name: str, default: str, doors: Doors) -> int:
    text = request.query.get(name) or default
    try:
        return parse_instant(text, doors.clock.now())
    except ValueError as error:
        raise InvalidRequest(str(error), field=name, value=text[:60]) from error


def _every(request: web.Request) -> int | None:
    text = request.query.get("every")
    if text is None:
        return None
    try:
        step = duration_nanoseconds(parse_duration(text))
    except (ValueError, OverflowError) as error:
        raise InvalidRequest(str(error), field="every", value=text[:20]) from error
    if step < NANOSECONDS_PER_MILLISECOND or step % NANOSECONDS_PER_MILLISECOND:
        raise InvalidRequest("every is a whole number of milliseconds, 1 or more", field="every", value=text[:20])
    return step
