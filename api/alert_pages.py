"""`/alerts` and `/incidents/{id}`: what fires, what happened, and what people do about it, as pages. Shell."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import urlencode

from aiohttp import web

from alerting.ledger import Action, EntryKind, Incident, OpenAlert, TimelineEntry
from alerting.machine import Status
from alerting.rule_status import RulesStanding, RuleStatus
from alerting.rule_words import limit_words, reads
from alerting.rules import SOURCE_BLIND, Severity
from alerting.template import with_unit
from api.access import Role
from api.alert_models import ActionRequest
from api.bodies import read_form
from api.incident_marks import mark_of
from api.incidents import done, incident_query, number_of
from api.keys import DOORS, IDENTITY
from api.pages import RENDERER, frame_of, html_response
from api.route_table import Handler
from dashboards.alert_views import AlertRow, AlertsView, HistoryFilter, IncidentRow, IncidentView, TimelineRow
from dashboards.units import format_seconds
from dashboards.views import ChartView, LimitView
from dashboards.visible_text import visible
from telemetry.points import Tags
from telemetry.times import NANOSECONDS_PER_SECOND, format_duration, from_datetime, to_datetime

_PER_PAGE = 50
_MOST_NAMED = 5
_MOST_ROWS = 500  # of alerts on one page; the API has all
_AROUND = 0.25  # of an incident's length is shown before it and behind it
_LEAST_AROUND = timedelta(minutes=10)
_LONGEST_SHOWN = timedelta(days=7)
_FILTERS = ("status", "severity", "rule", "service", "start", "stop")
_DECIDED = {True: "people are to be told", False: "nobody is to be told"}
_TITLES = {
    "opened": "fires",
    "raised": "is worse",
    "lowered": "is less bad",
    "flapping": "is flapping: it opens and closes again and again",
    "steady": "is not flapping any more",
    "resolved": "is over",
    "pending": "is beyond the threshold, and pending",
    "dropped": "is back before it fired",
    "recovering": "is clear, and recovering",
    "relapsed": "is beyond the threshold again",
    "unknown": "its value is not known",
    "known": "its value is known again",
    "ack": "acknowledged",
    "snooze": "snoozed",
    "note": "note",
    "assign": "assigned",
    "close": "closed",
}


async def show_alerts(request: web.Request) -> web.StreamResponse:
    """`GET /alerts`."""
    doors = request.app[DOORS]
    now = doors.clock.now()
    given = {name: request.query.get(name, "") for name in _FILTERS}
    query = incident_query(request.query, now, limit=_PER_PAGE)
    page = await doors.incidents.list(query)
    standing, own = doors.rules.standing(), await doors.own_health()
    units = {one.rule.name: one for one in standing.rules}
    by_status: dict[Status, list[AlertRow]] = defaultdict(list)
    for one in doors.alerts.open_alerts():
        by_status[one.alert.status].append(_alert_row(one, units.get(one.alert.rule), now))
    filters = urlencode([(name, text) for name, text in given.items() if text])
    view = AlertsView(
        lead=_lead(standing),
        troubles=tuple(filter(None, (own.alerting_trouble, *_troubles(standing)))),
        firing=tuple((by_status[Status.FIRING] + by_status[Status.RECOVERING])[:_MOST_ROWS]),
        unknown=tuple(by_status[Status.UNKNOWN][:_MOST_ROWS]),
        pending=tuple(by_status[Status.PENDING][:_MOST_ROWS]),
        history=tuple(_incident_row(one, now) for one in page.incidents),
        count=page.count,
        filter=HistoryFilter(
            **given,
            rules=tuple(one.rule.name for one in standing.rules),
            services=tuple(service.name for service in doors.services.services()),
        ),
        older="" if page.next_before is None else f"/alerts?{filters}&cursor={page.next_before}#history",
        csv=f"/api/v1/incidents.csv?{filters}",
    )
    return html_response(RENDERER.alerts(view, frame_of(request)))


async def show_incident(request: web.Request) -> web.StreamResponse:
    """`GET /incidents/{id}`."""
    doors = request.app[DOORS]
    found, timeline = await doors.incidents.show(number_of(request))
    now, standing = doors.clock.now(), doors.rules.standing()
    rule = next((one for one in standing.rules if one.rule.name == found.rule), None)
    can_act = request[IDENTITY].role >= Role.OPERATOR
    current = next((one.alert for one in doors.alerts.open_alerts() if one.alert.incident == found.id), None)
    if current is not None:  # what is recorded is the value of the newest transition
        found = replace(found, value=current.value)
    view = _incident_view(found, timeline, rule, now, can_act=can_act)
    return html_response(RENDERER.incident(view, frame_of(request)))


def acting(action: Action) -> Handler:
    """The handler of a form of an incident's page: does it, and leads back."""

    async def act(request: web.Request) -> web.StreamResponse:
        form = await read_form(request)
        wanted = ActionRequest(
            comment=form.get("comment", ""), until=form.get("until") or None, assignee=form.get("assignee", "")
        )
        found = await done(request, action, wanted)
        base = request.app[DOORS].settings.base_path
        raise web.HTTPSeeOther(f"{base}/incidents/{found.id}")

    act.__name__ = f"{action.name.lower()}_on_page"
    return act


def _lead(standing: RulesStanding) -> str:
    if not standing.enabled:
        return "No rule is evaluated here: ALERTING_ENABLED is false. What is known of incidents is below."
    count = len(standing.rules) - 1  # without OpsWatch's own
    rules = f"{count} rules are" if count != 1 else "1 rule is"
    told = "Nobody is sent anything yet: receivers come with a later version."
    return f"{rules} evaluated every {format_duration(standing.interval)}, from {standing.source}. {told}"


def _troubles(standing: RulesStanding) -> list[str]:
    """Rules of which nothing can be said, those with the same reason together."""
    by_reason: dict[str, list[str]] = defaultdict(list)
    for one in standing.rules:
        if one.trouble:
            by_reason[one.trouble].append(one.rule.name)
    return [f"Nothing can be said of {_some(names)}: {reason}" for reason, names in by_reason.items()]


def _some(names: list[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _alert_row(one: OpenAlert, rule: RuleStatus | None, now: datetime) -> AlertRow:
    alert, incident = one.alert, one.incident
    summary = one.facts.summary if incident is None else incident.facts.summary
    snoozed = None if incident is None else incident.snoozed_until
    if snoozed is not None and snoozed <= now:
        snoozed = None
    return AlertRow(
        severity=alert.severity.word if alert.severity else "",
        status=alert.status.value,
        flapping=alert.flapping,
        rule=alert.rule,
        about=_about(alert.tags),
        summary=summary or (rule.rule.description if rule else "") or alert.rule,
        service=one.facts.service,
        since=to_datetime(alert.since),
        value=_against(alert.value, rule, alert.severity) or alert.reason,
        incident=alert.incident,
        acknowledged_by="" if incident is None else incident.acknowledged_by,
        snoozed_until=snoozed,
    )


def _against(value: float | None, rule: RuleStatus | None, severity: Severity | None) -> str:
    """`91 %, above 85 %`."""
    if value is None or rule is None or rule.rule.name == SOURCE_BLIND:
        return ""
    words = with_unit(value, rule.unit)
    thresholds = dict(rule.rule.thresholds)
    threshold = thresholds.get(severity) if severity else next(iter(thresholds.values()), None)
    return words if threshold is None else f"{words} ({limit_words(threshold, rule.unit)})"


def _incident_row(one: Incident, now: datetime) -> IncidentRow:
    return IncidentRow(
        id=one.id,
        severity=one.worst.word,
        rule=one.rule,
        about=_about(one.tags),
        summary=one.facts.summary,
        service=one.facts.service,
        opened=one.opened,
        resolved=one.resolved,
        length=_length(one, now),
        resolution=one.resolution,
        acknowledged_by=one.acknowledged_by,
    )


def _incident_view(
    found: Incident, timeline: tuple[TimelineEntry, ...], rule: RuleStatus | None, now: datetime, *, can_act: bool
) -> IncidentView:
    start, stop = _shown(found, now)
    snoozed = found.snoozed_until
    tags = dict(found.tags)
    readable = rule is not None and rule.rule.name != SOURCE_BLIND
    return IncidentView(
        id=found.id,
        severity=found.severity.word if found.is_open else found.worst.word,
        status=found.status.value,
        is_open=found.is_open,
        flapping=found.flapping,
        rule=found.rule,
        about=tuple((name, visible(value)) for name, value in found.tags),
        labels=tuple((name, visible(value)) for name, value in found.facts.labels if tags.get(name) != value),
        summary=found.facts.summary,
        service=found.facts.service,
        runbook=found.facts.runbook,
        opened=found.opened,
        resolved=found.resolved,
        length=_length(found, now),
        resolution=found.resolution,
        value="" if rule is None or found.value is None else with_unit(found.value, rule.unit),
        acknowledged_by=found.acknowledged_by,
        acknowledged=found.acknowledged,
        snoozed_until=snoozed if snoozed is not None and snoozed > now and found.is_open else None,
        assigned_to=found.assigned_to,
        description="" if rule is None else rule.rule.description,
        reads="" if rule is None else reads(rule.rule),
        limits=() if rule is None else _limits(rule),
        hold="" if rule is None else _hold(rule),
        timeline=tuple(_timeline_row(entry, rule) for entry in timeline),
        chart=_chart(found, rule, now, stop - start) if rule is not None and readable else None,
        start=start.isoformat(timespec="seconds").replace("+00:00", "Z"),
        stop="now" if found.is_open else stop.isoformat(timespec="seconds").replace("+00:00", "Z"),
        can_act=can_act,
    )


def _shown(found: Incident, now: datetime) -> tuple[datetime, datetime]:
    """The stretch that the chart shows: the incident, and what was around it."""
    end = found.resolved or now
    around = max(_LEAST_AROUND, (end - found.opened) * _AROUND)
    start, stop = found.opened - around, min(now, end + around)
    return max(start, stop - _LONGEST_SHOWN), stop


def _chart(found: Incident, rule: RuleStatus, now: datetime, span: timedelta) -> ChartView:
    limits = tuple(LimitView(threshold.limit, severity.word) for severity, threshold in rule.rule.thresholds)
    step = max(rule.rule.interval, from_datetime(to_datetime(0) + span) // 300)
    return ChartView(
        identifier="incident",
        title=_about(found.tags) or found.rule,
        unit=_UNITS.get(rule.unit, "count"),
        source=f"/api/v1/incidents/{found.id}/evaluations?field=value&fn=evaluated",
        labels=("value",),
        stacked=False,
        maximum=None,
        step_ms=step // 1_000_000,
        rows=(),
        limits=limits,
        marks=(mark_of(found, now),),
    )


_UNITS = {"percent": "percent", "bytes": "bytes", "ms": "ms", "s": "s", "days": "days"}


def _limits(rule: RuleStatus) -> tuple[tuple[str, str], ...]:
    return tuple((severity.word, limit_words(threshold, rule.unit)) for severity, threshold in rule.rule.thresholds)


def _hold(rule: RuleStatus) -> str:
    words = []
    if rule.rule.hold_for:
        words.append(f"for {_written(rule.rule.hold_for)}")
    if rule.rule.keep_firing_for:
        words.append(f"until it is clear for {_written(rule.rule.keep_firing_for)}")
    return ", ".join(words)


def _written(nanoseconds: int) -> str:
    return format_duration(timedelta(seconds=nanoseconds // NANOSECONDS_PER_SECOND))


def _timeline_row(entry: TimelineEntry, rule: RuleStatus | None) -> TimelineRow:
    title = _TITLES.get(entry.what, entry.what)
    words = "\n".join(visible(line) for line in entry.words.splitlines())
    if entry.kind is EntryKind.DECISION:
        return TimelineRow(entry.time, "decision", "", _DECIDED[entry.tell], words, "")
    if entry.kind is EntryKind.ACTION:
        return TimelineRow(entry.time, "action", "", f"{title} by {visible(entry.author)}", words, "")
    has_value = entry.value is not None and rule is not None and rule.rule.name != SOURCE_BLIND
    value = with_unit(entry.value, rule.unit) if has_value and rule is not None else ""
    severity = entry.severity.word if entry.severity else ""
    return TimelineRow(entry.time, "transition", severity, title, words, value)


def _about(tags: Tags) -> str:
    return visible(", ".join(f"{name} {value}" for name, value in tags))


def _length(one: Incident, now: datetime) -> str:
    return format_seconds(((one.resolved or now) - one.opened).total_seconds())
