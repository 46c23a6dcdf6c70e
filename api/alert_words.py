"""Alerts, incidents and rules in words, as their pages show them. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from alerting.ledger import EntryKind, Incident, OpenAlert, TimelineEntry
from alerting.machine import Alert, Phase, Status
from alerting.rule_status import RulesStanding, RuleStatus
from alerting.rule_words import limit_words, reads
from alerting.rules import SOURCE_BLIND, Rule, Severity, Threshold
from alerting.summaries import is_state
from alerting.template import with_unit
from dashboards.alert_views import (
    AlertGroup,
    AlertRow,
    HistoryRow,
    RuleRow,
    TimelineRow,
)
from dashboards.units import format_seconds
from telemetry.health import State
from telemetry.points import Tags
from telemetry.times import NANOSECONDS_PER_SECOND, format_duration, to_datetime
from telemetry.visible_text import visible, visible_lines

MOST_ROWS = 200  # of each group; the API has all of them
_MOST_NAMED = 5
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


def alert_groups(alerts: Sequence[OpenAlert], rules: Mapping[str, RuleStatus], now: datetime) -> tuple[AlertGroup, ...]:
    """What is open, what is not known, and what is pending, each the worst first; groups without any are left out."""
    parts: dict[str, list[OpenAlert]] = {"firing": [], "unknown": [], "pending": []}
    for one in alerts:
        name = "firing" if one.alert.severity is not None else one.alert.status.value
        parts.setdefault(name, []).append(one)
    titles = {
        "firing": ("Firing", ""),
        "unknown": (
            "Not known",
            "Their values are missing: until those are there again they neither fire nor end.",
        ),
        "pending": ("Pending", "Beyond their threshold, and not for long enough yet."),
    }
    return tuple(
        AlertGroup(
            name,
            *titles[name],
            tuple(_alert_row(one, rules.get(one.alert.rule), now) for one in parts[name][:MOST_ROWS]),
            max(0, len(parts[name]) - MOST_ROWS),
        )
        for name in titles
        if parts[name]
    )


def lead_words(standing: RulesStanding) -> str:
    """What is evaluated."""
    if not standing.enabled:
        return "No rule is evaluated here: ALERTING_ENABLED is false. What is known of incidents is below."
    count = sum(one.rule.name != SOURCE_BLIND for one in standing.rules)
    rules = "1 rule is" if count == 1 else f"{count:,} rules are"
    told = "Nobody is sent anything yet: receivers come with a later version."
    return f"{rules} evaluated every {format_duration(standing.interval)}. {told}"


def rule_troubles(standing: RulesStanding) -> list[str]:
    """Rules of which nothing can be said, those with the same reason together."""
    by_reason: dict[str, list[str]] = defaultdict(list)
    for one in standing.rules:
        if one.trouble:
            by_reason[one.trouble].append(one.rule.name)
    return [f"Nothing can be said of {_some(names)}: {visible(reason, 500)}" for reason, names in by_reason.items()]


def _some(names: list[str]) -> str:
    more = len(names) - _MOST_NAMED
    return visible(", ".join(names[:_MOST_NAMED])) + (f" and {more} more" if more > 0 else "")


def rules_words(standing: RulesStanding) -> str:
    """Where the rules come from, and how they do."""
    words = f"From {visible(standing.source)}, version {standing.version}."
    if standing.enabled:
        words += f" The newest evaluation took {standing.took_ms:,.0f} ms."
    return words


def rule_row(one: RuleStatus) -> RuleRow:
    """A rule in force."""
    rule = one.rule
    return RuleRow(
        name=visible(rule.name),
        reads=visible(reads(rule)),
        limits=tuple((severity.word, _limit(rule, threshold, one.unit)) for severity, threshold in rule.thresholds),
        holds=_length(rule.hold_for) if rule.hold_for else "at once",
        firing=one.firing,
        pending=one.pending,
        unknown=one.unknown,
        last=one.last_evaluated,
        trouble=visible(one.trouble),
        description=visible(rule.description, 1_000),
    )


def history_row(one: Incident, now: datetime) -> HistoryRow:
    """An incident in the history."""
    looked_after = ""
    if one.acknowledged is not None:
        looked_after = f"{visible(one.acknowledged_by)}, after {format_seconds(_seconds(one.opened, one.acknowledged))}"
    return HistoryRow(
        number=one.id,
        severity=one.worst.word,
        is_open=one.is_open,
        summary=summary_of(one),
        rule=visible(one.rule),
        service=visible(one.facts.service),
        opened=one.opened,
        lasted=format_seconds(_seconds(one.opened, one.resolved or now)),
        ended=state_words(one) if one.is_open else visible(one.resolution) or "resolved",
        looked_after=looked_after,
    )


def summary_of(one: Incident) -> str:
    """What an incident says of itself, whatever its rule's template made of it."""
    return visible(one.facts.summary.strip(), 500) or _about(one.rule, one.tags)


def state_words(one: Incident) -> str:
    """How it stands: `firing, flapping`."""
    status = "resolved" if not one.is_open else one.status.value
    return f"{status}, flapping" if one.flapping and one.is_open else status


def tags_words(tags: Tags) -> str:
    """`host web-1, path /`."""
    return visible(", ".join(f"{name} {value}" for name, value in tags), 600)


def value_words(status: RuleStatus | None, value: float | None) -> str:
    """A value that a rule read, with its unit; states of probes by name."""
    if value is None or (status is not None and status.rule.name == SOURCE_BLIND):
        return ""
    unit = "1" if status is None else "state" if is_state(status.rule) else status.unit
    return with_unit(value, unit)


def limit_of(status: RuleStatus | None, severity: Severity | None) -> str:
    """The threshold of a severity in words, or of the mildest where none is given."""
    if status is None or not status.rule.thresholds or status.rule.name == SOURCE_BLIND:
        return ""
    threshold = None if severity is None else status.rule.threshold(severity)
    return _limit(status.rule, threshold or status.rule.thresholds[0][1], status.unit)


def timeline_rows(timeline: Iterable[TimelineEntry], status: RuleStatus | None) -> tuple[TimelineRow, ...]:
    """Everything that happened, oldest first."""
    return tuple(_timeline_row(entry, status) for entry in timeline)


def _timeline_row(entry: TimelineEntry, status: RuleStatus | None) -> TimelineRow:
    words = visible_lines(entry.words)
    if entry.kind is EntryKind.DECISION:
        title = "to be told, unless something holds it back:" if entry.tell else "nobody is to be told"
        return TimelineRow(entry.time, "decision", "", title, words, "")
    title = _TITLES.get(entry.what, visible(entry.what))
    if entry.kind is EntryKind.ACTION:
        return TimelineRow(entry.time, "action", "", f"{title} by {visible(entry.author)}", words, "")
    severity = entry.severity.word if entry.severity else ""
    return TimelineRow(entry.time, "transition", severity, title, words, value_words(status, entry.value))


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
        summary=visible(facts.summary.strip(), 500) or _about(alert.rule, alert.tags),
        about=tags_words(alert.tags),
        rule=visible(alert.rule),
        service=visible(one.facts.service),
        since=to_datetime(alert.since) if incident is None else incident.opened,
        value=value_words(status, alert.value),
        limit=limit_of(status, severity),
        note=_note(alert, incident, status, now),
        incident=alert.incident,
        acknowledged_by="" if incident is None else visible(incident.acknowledged_by),
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
        notes.append(visible(alert.reason))
    if incident is not None and incident.snoozed_until is not None and incident.snoozed_until > now:
        notes.append(f"snoozed for {format_seconds(_seconds(now, incident.snoozed_until))}")
    if incident is not None and incident.assigned_to:
        notes.append(f"assigned to {visible(incident.assigned_to)}")
    return "; ".join(notes)


def _about(rule: str, tags: Tags) -> str:
    of = f" on {tags_words(tags)}" if tags else ""
    return visible(f"{rule}{of}", 600)


def _limit(rule: Rule, threshold: Threshold, unit: str) -> str:
    words = limit_words(threshold, unit)
    if is_state(rule) and threshold.limit in State.__members__.values():
        state = State(int(threshold.limit))
        return f"when {state.word}" if state is State.DOWN else f"when {state.word} or worse"
    return words


def _length(nanoseconds: int) -> str:
    return format_seconds(nanoseconds / NANOSECONDS_PER_SECOND)


def _seconds(start: datetime, stop: datetime) -> float:
    return max(timedelta(0), stop - start).total_seconds()
