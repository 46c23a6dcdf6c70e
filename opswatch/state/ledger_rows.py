"""Between the rows of the ledger and the words of `alerting`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from alerting.ledger import AlertChange, Incident, IncidentFacts
from alerting.machine import Alert, Kind, Phase, Status, Track
from alerting.rules import Severity
from telemetry.points import FieldValue, Point, Tags
from telemetry.times import to_datetime

MEASUREMENT = "alert"
_STATES = (Status.INACTIVE, Status.PENDING, Status.FIRING, Status.RECOVERING, Status.UNKNOWN)


def alert_row(alert: Alert) -> dict[str, Any]:
    """An alert as the table holds it."""
    state = {
        "status": alert.status.value,
        "severity": alert.severity,
        "since": alert.since,
        "known": alert.known,
        "value": alert.value,
        "reason": alert.reason,
        "warning": [alert.warning.phase, alert.warning.held],
        "critical": [alert.critical.phase, alert.critical.held],
        "flips": list(alert.flips),
        "flapping": alert.flapping,
    }
    tags = [list(tag) for tag in alert.tags]
    return {"key": alert.key, "rule": alert.rule, "tags": tags, "state": state, "incident": alert.incident}


def alert_of(row: Mapping[Any, Any]) -> Alert:
    """The alert of a row."""
    state = row["state"]
    return Alert(
        row["rule"],
        tags_of(row["tags"]),
        Status(state["status"]),
        severity_of(state["severity"]),
        state["since"],
        state["known"],
        state["value"],
        state["reason"],
        Track(Phase(state["warning"][0]), state["warning"][1]),
        Track(Phase(state["critical"][0]), state["critical"][1]),
        tuple(state["flips"]),
        state["flapping"],
        row["incident"],
    )


def severity_of(number: int | None) -> Severity | None:
    """The severity of a column that may be empty."""
    return None if number is None else Severity(number)


def tags_of(rows: list[list[str]]) -> Tags:
    """Tags of a JSON column."""
    return tuple((name, value) for name, value in rows)


def opened_row(change: AlertChange, recorded: int) -> dict[str, Any]:
    """A new incident as the table holds it, without its number."""
    alert, facts, transition = change.alert, change.facts, change.transition
    assert transition is not None
    assert alert.severity is not None
    return {
        "alert": alert.key,
        "rule": alert.rule,
        "rule_version": change.rule_version,
        "tags": [list(tag) for tag in alert.tags],
        "service": facts.service,
        "severity": int(alert.severity),
        "worst": int(alert.severity),
        "status": alert.status.value,
        "flapping": alert.flapping,
        "opened": transition.time,
        "resolved": None,
        "resolution": "",
        "value": transition.value,
        "summary": facts.summary,
        "labels": [list(label) for label in facts.labels],
        "runbook": facts.runbook,
        "told": False,
        "acknowledged": None,
        "acknowledged_by": "",
        "snoozed_until": None,
        "assigned_to": "",
        "due": recorded,
        "risen": recorded,
        "held": "",
    }


def incident_of(row: Mapping[Any, Any]) -> Incident:
    """The incident of a row."""
    return Incident(
        id=row["id"],
        alert=row["alert"],
        rule=row["rule"],
        rule_version=row["rule_version"],
        tags=tags_of(row["tags"]),
        severity=Severity(row["severity"]),
        worst=Severity(row["worst"]),
        status=Status(row["status"]),
        flapping=row["flapping"],
        opened=to_datetime(row["opened"]),
        resolved=moment_of(row["resolved"]),
        resolution=row["resolution"],
        value=row["value"],
        facts=IncidentFacts(row["summary"], row["service"], tags_of(row["labels"]), row["runbook"]),
        acknowledged=moment_of(row["acknowledged"]),
        acknowledged_by=row["acknowledged_by"],
        snoozed_until=moment_of(row["snoozed_until"]),
        assigned_to=row["assigned_to"],
    )


def moment_of(instant: int | None) -> datetime | None:
    """The moment of a column that may be empty."""
    return None if instant is None else to_datetime(instant)


def transition_row(change: AlertChange, incident: int | None, recorded: int) -> dict[str, Any]:
    """A transition as the table holds it, without its number."""
    transition = change.transition
    assert transition is not None
    before, after = transition.severity_before, transition.severity_after
    return {
        "alert": change.alert.key,
        "rule": change.alert.rule,
        "rule_version": change.rule_version,
        "service": change.facts.service,
        "incident": incident,
        "time": transition.time,
        "recorded": recorded,
        "kind": transition.kind.value,
        "before": transition.before.value,
        "after": transition.after.value,
        "severity_before": None if before is None else int(before),
        "severity_after": None if after is None else int(after),
        "value": transition.value,
        "reason": change.resolution if transition.kind is Kind.RESOLVED and change.resolution else transition.reason,
        "written": False,
    }


def transition_point(row: Mapping[Any, Any]) -> Point:
    """A transition as a point of `alert`; the severity is the one it has now, or had."""
    severity = severity_of(row["severity_after"]) or severity_of(row["severity_before"])
    fields: dict[str, FieldValue] = {
        "state": _STATES.index(Status(row["after"])),
        "message": f"{row['kind']}: {row['reason']}" if row["reason"] else row["kind"],
    }
    if row["value"] is not None:
        fields["value"] = row["value"]
    if row["incident"] is not None:
        fields["incident"] = row["incident"]
    tags = {
        "alert": row["alert"],
        "rule": row["rule"],
        "service": row["service"],
        "severity": severity.word if severity else "",
    }
    return Point.of(MEASUREMENT, tags, fields, row["time"])
