"""Alerts, incidents and trials of rules as lines for a terminal; no line of it plays tricks there. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from alerting.replay_report import ReplayReport
from alerting.rule_test import TrialOutcome
from opswatch.log_record import inert
from telemetry.times import format_duration

_MAX_TEXT = 160  # characters of what hostile tags and summaries say in a list
_MAX_INCIDENTS = 20


def alert_lines(answer: dict[str, Any]) -> Iterator[str]:
    """From the JSON of `/api/v1/alerts`: a line for each, the worst first."""
    for one in answer["alerts"]:
        severity = f" {one['severity']}" if one["severity"] else ""
        number = f"#{one['incident']}" if one["incident"] else ""
        line = f"{one['status']}{severity:<9} {number:<7} {one['rule']} {_tags(one['tags'])}"
        yield inert(_short(f"{line}  since {one['since']}"))
        words = one["summary"] or one["reason"]
        if one["value"] is None and one["reason"]:
            words = one["reason"]  # a summary of no value says little
        if words:
            yield inert(_short(f"    {words}"))
    if not answer["alerts"]:
        yield "nothing fires, and nothing is unknown"


def rule_lines(answer: dict[str, Any]) -> Iterator[str]:
    """From the JSON of `/api/v1/rules`: a line for each, with what it finds."""
    for one in answer["rules"]:
        counts = ", ".join(f"{one[word]} {word}" for word in ("firing", "pending", "unknown") if one[word])
        yield inert(_short(f"{one['name']:<28} {counts or 'quiet'}  {one['trouble']}".rstrip()))
    yield inert(f"{len(answer['rules'])} rules of {answer['source']}, version {answer['version']}")


def reload_lines(answer: dict[str, Any]) -> Iterator[str]:
    """From the JSON of `/api/v1/rules/reload`."""
    verbs = ("start", "stop", "change")
    for verb, key in zip(verbs, ("started", "stopped", "changed"), strict=True):
        for name in answer[key]:
            yield inert(f"{verb:<7} {name}")
    if not any(answer[key] for key in ("started", "stopped", "changed")):
        yield "nothing changes"
    if answer["closes"]:
        yield f"{answer['closes']:,} incidents end, because no rule means them any more"
    yield "in force" if answer["applied"] else "nothing was done: without --dry-run it is"


def incident_line(incident: dict[str, Any]) -> str:
    """One incident after something was done with it."""
    severity = incident["severity"]
    who = f", acknowledged by {incident['acknowledged_by']}" if incident["acknowledged_by"] else ""
    return inert(_short(f"#{incident['id']} {severity} {incident['rule']} {_tags(incident['tags'])}{who}"))


def outcome_lines(outcome: TrialOutcome) -> Iterator[str]:
    """One test: that it passed, or everything that was otherwise."""
    verdict = "ok    " if outcome.passed else "FAILED"
    yield inert(f"{verdict} {outcome.test.rule}: {outcome.test.name}")
    for difference in outcome.differences:
        yield inert(f"       {difference}")


def replay_lines(report: ReplayReport, present: ReplayReport | None) -> Iterator[str]:
    """How often a rule would have fired, against the present version where there is another."""
    yield inert(f"{report.rule} from {report.start:%Y-%m-%d %H:%M} to {report.stop:%Y-%m-%d %H:%M} UTC")
    yield from _table(report, present)
    for one in report.incidents[:_MAX_INCIDENTS]:
        end = "still open" if one.resolved is None else f"for {_length(one.resolved - one.opened)}"
        tags = _tags(dict(one.tags))
        yield inert(_short(f"  {one.opened:%Y-%m-%d %H:%M:%S}  {one.worst.word:<8}  {end}  {tags}"))
    if len(report.incidents) > _MAX_INCIDENTS:
        yield f"  ... and {len(report.incidents) - _MAX_INCIDENTS:,} more; --json has all"
    for note in report.notes:
        yield inert(f"note: {note}")


def _table(report: ReplayReport, present: ReplayReport | None) -> Iterator[str]:
    columns = [("this version", report)]
    if present is not None:
        columns.append(("present version", present))
    yield "  " + " " * 22 + "".join(f"{title:>18}" for title, _ in columns)
    yield _row("would have fired", [f"{len(one.incidents):,}x" for _, one in columns])
    yield _row("in all for", [_length(one.firing) for _, one in columns])
    yield _row("the longest", [_length(one.longest) for _, one in columns])


def _row(words: str, figures: list[str]) -> str:
    return f"  {words:<22}" + "".join(f"{figure:>18}" for figure in figures)


def replay_dict(report: ReplayReport) -> dict[str, Any]:
    """A replay for scripts."""
    return {
        "rule": report.rule,
        "version": report.version,
        "start": report.start.isoformat(),
        "stop": report.stop.isoformat(),
        "instants": report.instants,
        "incidents": [
            {
                "tags": dict(one.tags),
                "severity": one.worst.word,
                "opened": one.opened.isoformat(),
                "resolved": None if one.resolved is None else one.resolved.isoformat(),
            }
            for one in report.incidents
        ],
        "firing_seconds": report.firing.total_seconds(),
        "longest_seconds": report.longest.total_seconds(),
        "notes": list(report.notes),
    }


def _length(length: timedelta) -> str:
    whole = timedelta(seconds=round(length.total_seconds()))
    if whole < timedelta(hours=3):
        return format_duration(whole)
    hours, rest = divmod(int(whole.total_seconds()), 3_600)
    return f"{hours}h {rest // 60}m"


def _tags(tags: dict[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in tags.items())


def _short(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 1] + "…"
