"""Make a test of a rule from an incident that happened: the samples it was made of, and the states it had. Shell."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

from alerting.machine import Status
from alerting.matching import holds
from alerting.notation import write_samples, write_series
from alerting.rule_test import Expectation, ExpectedAlert, RuleTest
from alerting.rules import Change, Forecast, Rule, Selection, Severity
from telemetry.errors import NotFound
from telemetry.points import Tags, canonical_tags
from telemetry.ports import QueryReader
from telemetry.series import AllOf, Equals, Raw, SeriesQuery, SeriesSamples
from telemetry.times import NANOSECONDS_PER_SECOND as SECOND
from telemetry.times import format_instant, from_datetime

_MOST_SAMPLES = 20_000  # of one series in a test that people read
_MARGIN = 4  # intervals after the last transition
_CLEAR = "its values are clear"  # how an incident ends by itself
_ENDED = "It did not end by its values, but because somebody closed it or its rule was gone: its end is not tested."
_LONGEST_KEY = 1_000  # characters: YAML looks no further for the colon


@dataclass(frozen=True, slots=True)
class Recorded:
    """A test, and what its reader should know."""

    test: RuleTest
    notes: tuple[str, ...]


async def recorded(incident: dict[str, Any], rule: Rule, reader: QueryReader, now: datetime) -> Recorded:
    """The test of an incident, as the API shows it. Raises NotFound when no sample of it is kept, ServerError."""
    tags = canonical_tags(incident["tags"])
    changes, was_ended = _story(incident, tags, rule.interval)
    if not changes:
        raise NotFound(f"incident {incident['id']} has no transition that could be tested", field="incident")
    first, last = changes[0][0], changes[-1][0]
    start = first - _before(rule)
    start -= start % rule.interval
    stop = min(last + _MARGIN * rule.interval, from_datetime(now))
    series = [one for selection in rule.selections for one in await _samples(selection, tags, reader, (start, stop))]
    if not series:
        words = f"no sample of incident {incident['id']} is kept any more: a test of it cannot be made"
        raise NotFound(words, field="incident", value=incident["id"])
    interval = _distance(series)
    columns = tuple((one.series, _grid(one, start, stop, interval)) for one in series)
    expectations = [Expectation(at - start, (expected,) if expected else ()) for at, expected in changes]
    if incident["resolved"] and not was_ended:
        expectations.append(Expectation(expectations[-1].at + rule.interval, ()))
    name = f"incident {incident['id']}: {incident['summary'] or rule.name}"
    test = RuleTest(name[:200], rule.name, columns, interval, start, tuple(expectations))
    notes = _notes(rule, interval)
    return Recorded(test, (*notes, _ENDED) if was_ended else notes)


def test_text(recorded: Recorded) -> str:
    """The file: YAML, with everything that came from outside in quotes as JSON writes it."""
    test = recorded.test
    lines = [*(f"# {note}" for note in recorded.notes), "version: 1", "tests:"]
    lines += [f"  - name: {_quoted(test.name)}", f"    rule: {_quoted(test.rule)}"]
    lines += [
        f"    start: {_quoted(format_instant(test.start))}",
        f"    interval: {_duration(test.interval)}",
        "    series:",
    ]
    for series, values in test.series:
        name, samples = _quoted(write_series(series)), _quoted(write_samples(values))
        if len(name) > _LONGEST_KEY:
            lines += [f"      ? {name}", f"      : {samples}"]
        else:
            lines += [f"      {name}:", f"        {samples}"]
    lines.append("    timeline:")
    for one in test.expectations:
        alerts = ", ".join(_alert(alert) for alert in one.alerts)
        lines.append(f"      - {{at: {_duration(one.at)}, alerts: [{alerts}]}}")
    return "\n".join(lines) + "\n"


async def _samples(of: Selection, tags: Tags, reader: QueryReader, span: tuple[int, int]) -> Sequence[SeriesSamples]:
    where = AllOf((*(of.where.predicates if isinstance(of.where, AllOf) else (of.where,)), *_equal(tags)))
    query = SeriesQuery(of.measurement, (of.field,), *span, Raw(_MOST_SAMPLES), where)
    found = (await reader.read(query)).series
    return [one for one in found if holds(where, dict(one.series.tags))]


def _equal(tags: Tags) -> list[Equals]:
    return [Equals(name, value) for name, value in tags]


def _before(rule: Rule) -> int:
    """How long before its first transition a test begins: what the first evaluation looks at."""
    back = max(one.window for one in rule.selections)
    match rule.expression:
        case Forecast(_, _, over):
            back = over
        case Change(_, against):
            back += against
    return back + rule.interval


def _distance(series: Sequence[SeriesSamples]) -> int:
    """How far apart samples stand, in whole seconds."""
    gaps = [b - a for one in series for a, b in zip(one.times, one.times[1:], strict=False)]
    return max(SECOND, round(median(gaps) / SECOND) * SECOND) if gaps else SECOND


def _grid(one: SeriesSamples, start: int, stop: int, interval: int) -> list[float | None]:
    values: list[float | None] = [None] * ((stop - start) // interval + 1)
    for time, value in zip(one.times, one.values, strict=True):
        if isinstance(value, int | float):
            values[(time - start) // interval] = float(value)
    while values and values[-1] is None:
        values.pop()
    return values


def _story(incident: dict[str, Any], tags: Tags, interval: int) -> tuple[list[tuple[int, ExpectedAlert | None]], bool]:
    """What it went through since it was last inactive, one state an instant; whether something else ended it."""
    entries = [entry for entry in incident["timeline"] if entry["kind"] == "transition"]
    opened = next((place for place, entry in enumerate(entries) if entry["severity"]), 0)
    quiet = (place for place in range(opened, 0, -1) if Status(entries[place - 1]["status"]) is Status.INACTIVE)
    entries = entries[next(quiet, 0) :]
    was_ended = bool(incident["resolved"]) and incident["resolution"] != _CLEAR
    if was_ended and entries and Status(entries[-1]["status"]) is Status.INACTIVE:
        entries.pop()
    found = {_instant(entry["time"]): _expected(tags, entry) for entry in entries}
    # After a start or a reload it was looked at out of turn, as no test does.
    return [(at, expected) for at, expected in found.items() if at % interval == 0], was_ended


def _expected(tags: Tags, entry: dict[str, Any]) -> ExpectedAlert | None:
    status = Status(entry["status"])
    if status is Status.INACTIVE:
        return None
    severity = Severity[entry["severity"].upper()] if entry["severity"] else None
    return ExpectedAlert(tags, status, severity)


def _notes(rule: Rule, interval: int) -> tuple[str, ...]:
    notes = [
        f"Recorded by `opswatch rules record`: samples at whole multiples of {_duration(interval)}, as they were.",
        "States are those it had; a sample that stood at the edge of a window may move one by an interval.",
    ]
    if isinstance(rule.expression, Change):
        notes.append("What it is compared with is part of the series.")
    return tuple(notes)


def _alert(alert: ExpectedAlert) -> str:
    tags = ", ".join(f"{_quoted(name)}: {_quoted(value)}" for name, value in alert.tags)
    severity = f", severity: {alert.severity.word}" if alert.severity else ""
    return f"{{tags: {{{tags}}}, status: {alert.status.value}{severity}}}"


def _quoted(text: str) -> str:
    # What YAML, or a terminal, does not take as it is goes as YAML's own escapes.
    words = json.dumps(text, ensure_ascii=False)
    return "".join(one if one.isprintable() else f"\\U{ord(one):08x}" for one in words)


def _duration(nanoseconds: int) -> str:
    return f"{nanoseconds // SECOND}s" if nanoseconds % SECOND == 0 else f"{nanoseconds // 1_000_000}ms"


def _instant(text: str) -> int:
    return from_datetime(datetime.fromisoformat(text))
