"""`/alerts` and `/incidents/{id}`: what fires, what fired, and what people do about it. Shell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from aiohttp import web

from alerting.label_match import LabelMatch
from alerting.ledger import Action, Incident
from alerting.rule_status import RuleStatus
from alerting.rule_words import reads
from alerting.rules import SOURCE_BLIND
from api.access import Role
from api.alert_models import ActionRequest
from api.alert_words import (
    alert_groups,
    history_row,
    lead_words,
    limit_of,
    rule_row,
    rule_troubles,
    rules_words,
    state_words,
    summary_of,
    timeline_rows,
    value_words,
)
from api.bodies import read_form
from api.doors import Doors
from api.errors import status_of
from api.incident_chart import incident_chart, natural_range, rule_of
from api.incidents import done, incident_query, number_of
from api.keys import DOORS, IDENTITY
from api.message_pages import why_view
from api.moments import by_the_clock_of
from api.mute_pages import silence_link
from api.pages import RENDERER, frame_of, html_response
from api.route_table import Handler
from dashboards.alert_views import (
    ActionsView,
    AlertsView,
    FilterView,
    HistoryView,
    IncidentFact,
    IncidentView,
)
from dashboards.render import PageFrame
from dashboards.time_range import parse_range
from dashboards.views import ChartView
from telemetry.errors import Conflict, InvalidRequest, OpsWatchError
from telemetry.visible_text import visible

_FILTERS = ("status", "severity", "rule", "service", "start", "stop")
_PER_PAGE = 50
_SNOOZES = (
    ("30m", "30 min"),
    ("1h", "1 h"),
    ("2h", "2 h"),
    ("4h", "4 h"),
    ("8h", "8 h"),
    ("24h", "24 h"),
    ("7d", "7 d"),
)


@dataclass(frozen=True, slots=True)
class Failed:
    """An action that could not be done: what was typed, and why not."""

    action: str = ""
    words: str = ""
    typed: dict[str, str] = field(default_factory=dict)
    status: int = 200


_NOTHING_FAILED = Failed()


async def show_alerts(request: web.Request) -> web.StreamResponse:
    """`GET /alerts`."""
    doors = request.app[DOORS]
    now = doors.clock.now()
    standing = doors.rules.standing()
    by_name = {one.rule.name: one for one in standing.rules}
    troubles = [*await _own_troubles(doors), *rule_troubles(standing)]
    history, status = None, 200
    try:
        history = await _history(request, now)
    except OpsWatchError as error:
        troubles.append(f"The history cannot be shown: {visible(error.message, 500)}")
        status = status_of(error) if isinstance(error, InvalidRequest) else 200
    view = AlertsView(
        groups=alert_groups(doors.alerts.open_alerts(), by_name, now),
        lead=lead_words(standing),
        unacknowledged=doors.alerts.counts().unacknowledged,
        rules_words=rules_words(standing),
        rules=tuple(rule_row(one) for one in standing.rules),
        filters=_filters(request, doors, tuple(by_name)),
        history=history,
        troubles=tuple(troubles),
        now=now,
    )
    return html_response(RENDERER.alerts(view, frame_of(request)), status)


async def show_incident(request: web.Request) -> web.StreamResponse:
    """`GET /incidents/{id}`."""
    return await _incident_page(request, _NOTHING_FAILED)


def acting(action: Action) -> Handler:
    """The handler of `POST /incidents/{id}/ACTION`: does it, and leads back to the page of the incident."""

    async def act(request: web.Request) -> web.StreamResponse:
        form = await read_form(request)
        try:
            await done(request, action, _wanted(form, ZoneInfo(request.app[DOORS].settings.time_zone)))
        except (InvalidRequest, Conflict) as error:
            return await _incident_page(request, Failed(action.value, error.message, dict(form), status_of(error)))
        location = f"{request.app[DOORS].settings.base_path}/incidents/{number_of(request)}"
        return web.Response(status=303, headers={"Location": location})

    act.__name__ = f"{action.name.lower()}_on_page"  # what the OpenAPI document calls it
    return act


async def _own_troubles(doors: Doors) -> list[str]:
    own = await doors.own_health()
    return [visible(trouble, 500) for trouble in (own.alerting_trouble, own.loop_trouble) if trouble]


async def _history(request: web.Request, now: datetime) -> HistoryView:
    wanted = {name: value for name, value in request.query.items() if value}
    query = incident_query(request.query, now, limit=_PER_PAGE)
    page = await request.app[DOORS].incidents.list(query)
    filters = {name: value for name, value in wanted.items() if name in _FILTERS}
    older = "" if page.next_before is None else urlencode(filters | {"cursor": page.next_before})
    return HistoryView(
        tuple(history_row(one, now) for one in page.incidents),
        page.count,
        urlencode(filters),
        older,
        query.before is None,
    )


def _filters(request: web.Request, doors: Doors, rules: tuple[str, ...]) -> FilterView:
    chosen = {name: visible(request.query.get(name, ""), 200) for name in _FILTERS}
    services = tuple(visible(one.name) for one in doors.services.services())
    return FilterView(**chosen, rules=tuple(map(visible, rules)), services=services)


def _wanted(form: Mapping[str, str], zone: ZoneInfo) -> ActionRequest:
    """What a form asks for; a time of its own goes before a length that was chosen."""
    return ActionRequest(
        comment=form.get("comment", ""),
        until=by_the_clock_of(zone, form.get("at", "").strip(), "at") or form.get("until", ""),
        assignee=form.get("assignee", "").strip(),
    )


async def _incident_page(request: web.Request, failed: Failed) -> web.Response:
    doors, frame = request.app[DOORS], frame_of(request)
    incident, timeline = await doors.incidents.show(number_of(request))
    status = rule_of(doors, incident)
    default = natural_range(incident, status, doors)
    given = request.query if request.method in {"GET", "HEAD"} else {}
    span = parse_range(given.get("start") or default[0], given.get("stop") or default[1], "1h", frame.now)
    chart, words = None, "Its rule is not in force any more, so what it would read is not known."
    if status is not None:
        chart, words = await _chart(doors, incident, status, (span.start, span.stop))
    view = IncidentView(
        number=incident.id,
        summary=summary_of(incident),
        severity=incident.severity.word if incident.is_open else incident.worst.word,
        status="resolved" if not incident.is_open else incident.status.value,
        state=state_words(incident),
        opened=incident.opened,
        resolved=incident.resolved,
        acknowledged=incident.acknowledged,
        acknowledged_by=visible(incident.acknowledged_by),
        facts=_facts(incident, _value_now(doors, incident, status), status, frame),
        chart=chart,
        reads="" if status is None else visible(reads(status.rule), 600),
        no_chart=words,
        timeline=timeline_rows(timeline, status),
        actions=ActionsView(
            may_act=request[IDENTITY].role >= Role.OPERATOR,
            is_open=incident.is_open,
            user=request[IDENTITY].name,
            zone=frame.zone.key,
            snoozes=_SNOOZES,
            typed=failed.typed,
            failed=failed.action,
        ),
        range=span,
        why=await why_view(request),
        silence=silence_link(LabelMatch.of({"rule": incident.rule, **dict(incident.tags)})),
        troubles=(f"That was not done: {visible(failed.words, 500)}.",) if failed.words else (),
        now=frame.now,
    )
    return html_response(RENDERER.incident(view, frame), failed.status)


async def _chart(
    doors: Doors, incident: Incident, status: RuleStatus, span: tuple[int, int]
) -> tuple[ChartView | None, str]:
    if status.rule.name == SOURCE_BLIND:
        return None, "This rule of OpsWatch itself reads no series: there is nothing to draw."
    try:
        return await incident_chart(doors, incident, status, span), ""
    except OpsWatchError as error:
        return None, f"What the rule read cannot be drawn at the moment: {visible(error.message, 500)}"


def _value_now(doors: Doors, one: Incident, status: RuleStatus | None) -> list[IncidentFact]:
    """What was read last; an incident itself knows only the value of its last transition."""
    alert = next((known.alert for known in doors.alerts.open_alerts() if known.alert.incident == one.id), None)
    if alert is None or not one.is_open:
        words = value_words(status, one.value)
        return [IncidentFact("Last value", words)] if words else []
    words = value_words(status, alert.value) or visible(alert.reason)
    return [IncidentFact("Value now", words)] if words else []


def _facts(
    one: Incident, value: list[IncidentFact], status: RuleStatus | None, frame: PageFrame
) -> tuple[IncidentFact, ...]:
    service = one.facts.service
    facts = [IncidentFact("Rule", visible(one.rule))]
    if service:
        facts.append(IncidentFact("Service", visible(service), path=f"/services/{service}"))
    facts += [IncidentFact(visible(name), visible(value)) for name, value in one.tags if name != "service"]
    facts += value
    if limit := limit_of(status, one.severity):
        facts.append(IncidentFact("Threshold", limit))
    if one.snoozed_until is not None and one.snoozed_until > frame.now and one.is_open:
        facts.append(IncidentFact("Snoozed until", f"{one.snoozed_until.astimezone(frame.zone):%Y-%m-%d %H:%M}"))
    if one.assigned_to:
        facts.append(IncidentFact("Assigned to", visible(one.assigned_to)))
    labels = ", ".join(f"{name}={value}" for name, value in one.facts.labels if (name, value) not in one.tags)
    if labels:
        facts.append(IncidentFact("Labels", visible(labels, 600)))
    if one.facts.runbook:
        # Only what a browser opens as a page: a rule may say anything.
        is_web = one.facts.runbook.lower().startswith(("https://", "http://"))
        facts.append(IncidentFact("Runbook", visible(one.facts.runbook), address=one.facts.runbook if is_web else ""))
    if status is not None and status.rule.version != one.rule_version:
        facts.append(IncidentFact("Rule since then", "changed: thresholds shown are those of now"))
    return tuple(facts)
