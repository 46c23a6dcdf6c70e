"""`/api/v1/alerts` and `/api/v1/rules`: what is not as it should be, and the rules that say so. Shell."""

from __future__ import annotations

import asyncio
import logging

from aiohttp import web

from alerting.ledger import FiringCounts, OpenAlert
from alerting.machine import Status
from alerting.rule_status import RulesStanding, RuleStatus
from alerting.rule_words import reads
from api.alert_models import (
    AlertAnswer,
    AlertsAnswer,
    FiringCountsAnswer,
    ReloadAnswer,
    RuleAnswer,
    RulesAnswer,
    ThresholdAnswer,
)
from api.errors import json_response
from api.keys import DOORS, IDENTITY
from api.services import written
from telemetry.conditions import near_miss
from telemetry.errors import ConfigurationError, InvalidRequest
from telemetry.times import NANOSECONDS_PER_SECOND, to_datetime

logger = logging.getLogger(__name__)

_STATUSES = [status.value for status in Status if status is not Status.INACTIVE]


async def list_alerts(request: web.Request) -> web.StreamResponse:
    """`GET /api/v1/alerts`."""
    board = request.app[DOORS].alerts
    for name in request.query:
        if name != "status":
            raise InvalidRequest(f"there is no parameter {name[:40]!r}", field=name[:40])
    wanted = request.query.getall("status", [])
    for word in wanted:
        if word not in _STATUSES:
            words = f"status is {', '.join(_STATUSES)}, not {word[:20]!r}{near_miss(word[:20], _STATUSES)}"
            raise InvalidRequest(words, field="status", value=word[:20])
    alerts = [one for one in board.open_alerts() if not wanted or one.alert.status.value in wanted]
    # Ten thousand of them take a second, in which others have their turn.
    return await asyncio.to_thread(_alerts_response, alerts, board.counts())


def _alerts_response(alerts: list[OpenAlert], counts: FiringCounts) -> web.Response:
    answer = AlertsAnswer(alerts=[alert_answer(one) for one in alerts], counts=counts_answer(counts))
    return json_response(answer.model_dump())


async def list_rules(request: web.Request) -> web.StreamResponse:
    """`GET /api/v1/rules`."""
    return json_response(rules_answer(request.app[DOORS].rules.standing()).model_dump())


async def reload_rules(request: web.Request) -> web.StreamResponse:
    """`POST /api/v1/rules/reload`: 422 with every fault when the file is wrong, and then nothing has changed."""
    word = request.query.get("dry_run", "false")
    if word not in {"true", "false"}:
        raise InvalidRequest("dry_run is true or false", field="dry_run", value=word[:20])
    author = request[IDENTITY].name
    try:
        outcome = await request.app[DOORS].rules.reload(author, dry_run=word == "true")
    except ConfigurationError as error:
        return json_response(_faults(error), status=422)
    answer = ReloadAnswer(
        version=outcome.version,
        started=list(outcome.started),
        stopped=list(outcome.stopped),
        changed=list(outcome.changed),
        closes=outcome.closes,
        applied=outcome.applied,
    )
    return json_response(answer.model_dump())


def alert_answer(one: OpenAlert) -> AlertAnswer:
    """An alert as the API shows it."""
    alert, incident = one.alert, one.incident
    return AlertAnswer(
        id=alert.key,
        rule=alert.rule,
        tags=dict(alert.tags),
        service=one.facts.service,
        status=alert.status.value,
        severity=None if alert.severity is None else alert.severity.word,  # type: ignore[arg-type]  # its words
        flapping=alert.flapping,
        since=written(to_datetime(alert.since)) or "",
        value=alert.value,
        reason=alert.reason,
        summary=one.facts.summary if incident is None else incident.facts.summary,
        labels=dict(one.facts.labels),
        runbook=one.facts.runbook,
        incident=alert.incident,
        acknowledged_by="" if incident is None else incident.acknowledged_by,
    )


def counts_answer(counts: FiringCounts) -> FiringCountsAnswer:
    """Counts as the API shows them."""
    return FiringCountsAnswer(critical=counts.critical, warning=counts.warning, unacknowledged=counts.unacknowledged)


def rules_answer(standing: RulesStanding) -> RulesAnswer:
    """The rules in force as the API shows them."""
    return RulesAnswer(
        rules=[_rule_answer(one) for one in standing.rules],
        source=standing.source,
        version=standing.version,
        interval_seconds=standing.interval.total_seconds(),
        lag_seconds=standing.lag.total_seconds(),
        enabled=standing.enabled,
        took_ms=round(standing.took_ms, 3),
    )


def _rule_answer(one: RuleStatus) -> RuleAnswer:
    rule = one.rule
    return RuleAnswer(
        name=rule.name,
        version=rule.version,
        description=rule.description,
        reads=reads(rule),
        unit=one.unit,
        thresholds=[
            ThresholdAnswer(
                severity=severity.word,  # type: ignore[arg-type]  # its words
                comparison=threshold.comparison.value,
                limit=threshold.limit,
                clear=threshold.clear,
            )
            for severity, threshold in rule.thresholds
        ],
        for_seconds=rule.hold_for / NANOSECONDS_PER_SECOND,
        keep_firing_for_seconds=rule.keep_firing_for / NANOSECONDS_PER_SECOND,
        interval_seconds=rule.interval / NANOSECONDS_PER_SECOND,
        no_data=rule.no_data.value,
        labels=dict(rule.labels),
        runbook=rule.runbook,
        depends_on=list(rule.depends_on),
        firing=one.firing,
        pending=one.pending,
        unknown=one.unknown,
        last_evaluated=written(one.last_evaluated),
        trouble=one.trouble,
    )


def _faults(error: ConfigurationError) -> dict[str, object]:
    faults = [
        {
            "source": fault.source,
            "line": fault.line,
            "column": fault.column,
            "field": fault.field,
            "message": fault.message,
            "hint": fault.hint,
        }
        for fault in error.faults
    ]
    body = {"code": error.code, "message": error.message, "field": None, "value": None, "faults": faults}
    return {"error": body}
