"""One evaluation: from the readings of all rules to the alerts after it, and what is to be kept. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from alerting.ledger import AlertChange, IncidentFacts
from alerting.machine import Alert, Kind, Reading, Status, Track, Transition, is_quiet, step
from alerting.rules import NoData, Rule
from alerting.trouble import Dependencies, Trouble
from telemetry.points import Tags, canonical_tags
from telemetry.times import NANOSECONDS_PER_SECOND

FORGET_AFTER = 24 * 3_600 * NANOSECONDS_PER_SECOND  # ns: a tag set that is gone, and was in no trouble
Alerts = Mapping[str, Mapping[Tags, Alert]]  # by rule and tag set
Summarise = Callable[[Rule, Alert], str]


@dataclass(slots=True)
class Cycle:
    """What becomes of the alerts at `now` (ns): `after` holds those that are not as they were before."""

    now: int
    before: Alerts
    after: dict[tuple[str, Tags], Alert] = field(default_factory=dict)
    made: list[tuple[Rule, Alert, Transition | None]] = field(default_factory=list)
    forgotten: list[Alert] = field(default_factory=list)

    def apply(self, rule: Rule, readings: Mapping[Tags, Reading], absent: str | None) -> None:
        """Step every alert of a rule; those that it had and that have no reading now are missing, for this reason.

        `absent` None leaves them as they are.
        """
        known = self.before.get(rule.name, {})
        for tags, reading in readings.items():
            self._step(rule, known.get(tags), tags, reading)
        if absent is None:
            return
        missing = Reading.missing(absent)
        for tags, alert in known.items():
            if tags not in readings:
                self._step(rule, alert, tags, missing)

    def blind(self, rule: Rule, reason: str) -> None:
        """Nothing can be said of a rule now. That is not a series that ended, whatever the rule makes of one."""
        missing = Reading.missing(reason)
        judging = replace(rule, no_data=NoData.UNKNOWN)
        for tags, alert in self.before.get(rule.name, {}).items():
            self._step(rule, alert, tags, missing, judging)

    def close(self, rule: Rule, alert: Alert, reason: str) -> None:
        """End an alert whatever its values are."""
        ended = replace(
            alert,
            status=Status.INACTIVE,
            severity=None,
            since=self.now,
            warning=Track(),
            critical=Track(),
            flips=(),
            flapping=False,
            reason=reason,
        )
        made = None
        if alert.status is not Status.INACTIVE:
            kind = Kind.RESOLVED if alert.is_open else Kind.DROPPED
            made = Transition(self.now, kind, alert.status, ended.status, alert.severity, None, alert.value, reason)
        self._keep(rule, ended, made)

    def forget(self, alert: Alert) -> None:
        """An alert of which nothing remains to be known."""
        self.forgotten.append(alert)

    def _step(self, rule: Rule, alert: Alert | None, tags: Tags, reading: Reading, judging: Rule | None = None) -> None:
        if alert is None:
            # Remembered from now on, so that its absence is noticed.
            alert = Alert(rule.name, tags, since=self.now)
            after, made = step(alert, reading, rule, self.now)
            self._keep(rule, after, made)
            return
        if is_quiet(alert, reading, rule):
            return
        after, made = step(alert, reading, judging or rule, self.now)
        if after.status is Status.UNKNOWN and not after.is_open and self.now - after.since > FORGET_AFTER:
            self.forgotten.append(after)
        elif made is not None or _remembered(after) != _remembered(alert):
            self._keep(rule, after, made)
        else:
            self.after[rule.name, tags] = after

    def _keep(self, rule: Rule, alert: Alert, made: Transition | None) -> None:
        self.after[rule.name, alert.tags] = alert
        self.made.append((rule, alert, made))

    def changes(self, summarise: Summarise, dependencies: Dependencies, resolution: str = "") -> list[AlertChange]:
        """What is to be kept, with what it depends on and is in trouble itself."""
        in_trouble = Trouble(self.current)
        found = []
        for rule, alert, made in self.made:
            by = ""
            if made is not None and made.kind in {Kind.OPENED, Kind.RAISED, Kind.FLAPPING}:
                by = in_trouble.behind(rule, alert.tags, dependencies)
            facts = facts_of(rule, alert, summarise if made is not None else None)
            found.append(AlertChange(alert, made, rule.version, facts, by, resolution))
        return found

    def current(self, rules: Sequence[str] | None = None) -> Iterator[Alert]:
        """Every alert as it is after this, of these rules or all."""
        names = {*self.before, *(name for name, _ in self.after)} if rules is None else rules
        fresh: dict[str, list[Alert]] = {}
        for (name, _), alert in self.after.items():
            fresh.setdefault(name, []).append(alert)
        for name in names:
            yield from fresh.get(name, ())
            for tags, alert in self.before.get(name, {}).items():
                if (name, tags) not in self.after:
                    yield alert


def facts_of(rule: Rule, alert: Alert, summarise: Summarise | None) -> IncidentFacts:
    """What an incident of this alert says of itself."""
    tags = dict(alert.tags)
    summary = "" if summarise is None else summarise(rule, alert)
    labels = canonical_tags({**dict(rule.labels), **tags})
    return IncidentFacts(summary, tags.get("service", ""), labels, rule.runbook)


def _remembered(alert: Alert) -> Alert:
    """What of an alert must survive a restart."""
    return replace(alert, known=None, value=None, reason="")
