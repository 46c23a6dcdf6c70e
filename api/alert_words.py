"""Alerts, incidents and rules in words, as their pages show them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from alerting.ledger import EntryKind, FiringCounts, Incident, OpenAlert, TimelineEntry
from alerting.machine import Alert, Kind, Phase, Status
from alerting.rule_status import RulesStanding, RuleStatus
from alerting.rule_words import limit_words, reads
from alerting.rules import SOURCE_BLIND, Rule, Severity, Threshold, Value
from alerting.template import with_unit
from dashboards.alert_views import (
    AlertGroup,
    AlertRow,
    FiringView,
    HistoryRow,
    RuleRow,
    TimelineRow,
)
from dashboards.shown_text import shown, shown_lines
from dashboards.units import format_seconds
from dashboards.views import MarkView
from telemetry.health import State
from telemetry.points import Tags
from telemetry.times import NANOSECONDS_PER_SECOND, format_duration, to_datetime

MOST_ROWS = 200  # of each group; the API has all of them
_STATE = ("probe", "state")
_WHAT = {
    Kind.OPENED: "Opened",
    Kind.RAISED: "Raised",
    Kind.LOWERED: "Lowered",
    Kind.FLAPPING: "Flapping",
    Kind.STEADY: "Steady again",
    Kind.RESOLVED: "Resolved",
    Kind.PENDING: "Pending",
    Kind.DROPPED: "Not pending any more",
    Kind.RECOVERING: "Recovering",
    Kind.RELAPSED: "Breached again",
    Kind.UNKNOWN: "Nothing known",
    Kind.KNOWN: "Known again",
}
_DONE = {"ack": "Acknowledged", "snooze": "Snoozed", "note": "Note", "assign": "Assigned", "close": "Closed"}


def firing_view(counts: FiringCounts) -> FiringView:
    """What every page's head shows."""
    return FiringView(counts.critical, counts.warning, counts.unacknowledged)


def alert_groups(alerts: Sequence[OpenAlert], rules: Mapping[str, RuleStatus], now: datetime) -> tuple[AlertGroup, ...]:
    """What is open, what is not known, and what is pending, each the worst first; groups without any are left out."""
    parts: dict[str, list[OpenAlert]] = {"firing": [], "unknown": [], "pending": []}
    for one in alerts:
        name = "firing" if one.alert.severity is not None else one.alert.status.value
        parts.setdefault(name, []).append(one)
    titles = {"firing": "Firing", "unknown": "Not known", "pending": "Pending"}
    return tuple(
        AlertGroup(
            name,
            titles[name],
            tuple(_alert_row(one, rules.get(one.alert.rule), now) for one in parts[name][:MOST_ROWS]),
            max(0, len(parts[name]) - MOST_ROWS),
        )
        for name in titles
        if parts[name]
    )


def calm_words(standing: RulesStanding) -> str:
    """What is said where nothing fires."""
    count = len(standing.rules)
    rules = "1 rule is" if count == 1 else f"{count:,} rules are"
    if not standing.enabled:
        return "Nothing fires, because no rule is evaluated here: ALERTING_ENABLED is false."
    if all(one.last_evaluated is None for one in standing.rules):
        return f"Nothing fires yet. {rules} going to be evaluated every {format_duration(standing.interval)}."
    return f"Nothing fires. {rules} evaluated every {format_duration(standing.interval)}."


def rules_words(standing: RulesStanding) -> str:
    """Where the rules come from, and how they do."""
    words = f"From {shown(standing.source)}, version {standing.version}."
    if standing.enabled:
        words += f" The newest evaluation took {standing.took_ms:,.0f} ms."
    return words


def rule_row(one: RuleStatus) -> RuleRow:
    """A rule in force."""
    rule = one.rule
    return RuleRow(
        name=shown(rule.name),
        reads=shown(reads(rule)),
        limits=tuple((severity.word, _limit(rule, threshold, one.unit)) for severity, threshold in rule.thresholds),
        holds=_length(rule.hold_for) if rule.hold_for else "at once",
        firing=one.firing,
        pending=one.pending,
        unknown=one.unknown,
        last=one.last_evaluated,
        trouble=shown(one.trouble),
        description=shown(rule.description, 1_000),
    )


def history_row(one: Incident, now: datetime) -> HistoryRow:
    """An incident in the history."""
    looked_after = ""
    if one.acknowledged is not None:
        looked_after = f"{shown(one.acknowledged_by)}, after {format_seconds(_seconds(one.opened, one.acknowledged))}"
    return HistoryRow(
        number=one.id,
        severity=one.worst.word,
        is_open=one.is_open,
        summary=summary_of(one),
        rule=shown(one.rule),
        service=shown(one.facts.service),
        opened=one.opened,
        lasted=format_seconds(_seconds(one.opened, one.resolved or now)),
        ended=state_words(one) if one.is_open else shown(one.resolution) or "resolved",
        looked_after=looked_after,
    )


def mark_of(one: Incident) -> MarkView:
    """An incident as a span in charts."""
    return MarkView(one.id, shown(one.rule), summary_of(one), one.worst.word, one.opened, one.resolved)


def summary_of(one: Incident) -> str:
    """What an incident says of itself, whatever its rule's template made of it."""
    return shown(one.facts.summary.strip(), 500) or _about(one.rule, one.tags)


def state_words(one: Incident) -> str:
    """How it stands: `firing, flapping`."""
    status = "resolved" if not one.is_open else one.status.value
    return f"{status}, flapping" if one.flapping and one.is_open else status


def tags_words(tags: Tags) -> str:
    """`host web-1, path /`."""
    return shown(", ".join(f"{name} {value}" for name, value in tags), 600)


def value_words(status: RuleStatus | None, value: float | None) -> str:
    """A value that a rule read, with its unit; states of probes by name."""
    if value is None or (status is not None and status.rule.name == SOURCE_BLIND):
        return ""
    if status is not None and _is_state(status.rule) and value in State.__members__.values():
        return State(int(value)).word
    return with_unit(value, "1" if status is None else status.unit)


def limit_of(status: RuleStatus | None, severity: Severity | None) -> str:
    """The threshold of a severity in words, or of the mildest where none is given."""
    if status is None or not status.rule.thresholds or status.rule.name == SOURCE_BLIND:
        return ""
    threshold = None if severity is None else status.rule.threshold(severity)
    return _limit(status.rule, threshold or status.rule.thresholds[0][1], status.unit)


def timeline_rows(timeline: Iterable[TimelineEntry], status: RuleStatus | None) -> tuple[TimelineRow, ...]:
    """Everything that happened, the newest first."""
    return tuple(_timeline_row(entry, status) for entry in reversed(tuple(timeline)))


def _timeline_row(entry: TimelineEntry, status: RuleStatus | None) -> TimelineRow:
    what = shown(entry.what)
    words = shown_lines(entry.words)
    if entry.kind is EntryKind.TRANSITION and entry.what in set(Kind):
        what = _WHAT[Kind(entry.what)]
    elif entry.kind is EntryKind.ACTION:
        what = _DONE.get(entry.what, what)
    elif entry.kind is EntryKind.DECISION:
        head, colon, rest = words.partition(": ")
        what, words = (head.capitalize(), rest) if colon and head in {"told", "not told"} else ("Decided", words)
    return TimelineRow(
        at=entry.time,
        kind=entry.kind.value,
        what=what,
        words=words,
        author=shown(entry.author),
        value=value_words(status, entry.value),
        severity="" if entry.severity is None else entry.severity.word,
    )


def _alert_row(one: OpenAlert, status: RuleStatus | None, now: datetime) -> AlertRow:
    alert, incident = one.alert, one.incident
    severity = alert.severity or _pending_severity(alert)
    facts = one.facts if incident is None else incident.facts
    words = alert.status.value
    if alert.flapping:
        words += ", flapping"
    return AlertRow(
        severity="" if severity is None else severity.word,
        status=words,
        summary=shown(facts.summary.strip(), 500) or _about(alert.rule, alert.tags),
        about=tags_words(alert.tags),
        rule=shown(alert.rule),
        service=shown(one.facts.service),
        since=to_datetime(alert.since) if incident is None else incident.opened,
        value=value_words(status, alert.value),
        limit=limit_of(status, severity),
        note=_note(alert, incident, status, now),
        incident=alert.incident,
        acknowledged_by="" if incident is None else shown(incident.acknowledged_by),
    )


def _pending_severity(alert: Alert) -> Severity | None:
    if alert.critical.phase is Phase.PENDING:
        return Severity.CRITICAL
    return Severity.WARNING if alert.warning.phase is Phase.PENDING else None


def _note(alert: Alert, incident: Incident | None, status: RuleStatus | None, now: datetime) -> str:
    notes = []
    if alert.status is Status.PENDING and status is not None:
        held = max(alert.critical.held, alert.warning.held)
        notes.append(f"for {_length(held)} of {_length(status.rule.hold_for)}")
    if alert.value is None and alert.reason:
        notes.append(shown(alert.reason))
    if incident is not None and incident.snoozed_until is not None and incident.snoozed_until > now:
        notes.append(f"snoozed for {format_seconds(_seconds(now, incident.snoozed_until))}")
    if incident is not None and incident.assigned_to:
        notes.append(f"assigned to {shown(incident.assigned_to)}")
    return "; ".join(notes)


def _about(rule: str, tags: Tags) -> str:
    of = f" on {tags_words(tags)}" if tags else ""
    return shown(f"{rule}{of}", 600)


def _limit(rule: Rule, threshold: Threshold, unit: str) -> str:
    words = limit_words(threshold, unit)
    if _is_state(rule) and threshold.limit in State.__members__.values():
        state = State(int(threshold.limit))
        return f"when {state.word}" if state is State.DOWN else f"when {state.word} or worse"
    return words


def _is_state(rule: Rule) -> bool:
    expression = rule.expression
    return isinstance(expression, Value) and (expression.of.measurement, expression.of.field) == _STATE


def _length(nanoseconds: int) -> str:
    return format_seconds(nanoseconds / NANOSECONDS_PER_SECOND)


def _seconds(start: datetime, stop: datetime) -> float:
    return max(timedelta(0), stop - start).total_seconds()
