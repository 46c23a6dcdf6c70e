"""Alerting as one thing for the rest of the house: evaluates, remembers, answers, takes other rules. Shell."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from alerting.cycle import facts_of
from alerting.evaluate import Evaluator, Surroundings
from alerting.evaluations import MOST_INSTANTS, evaluations
from alerting.ledger import (
    Action,
    FiringCounts,
    Incident,
    IncidentPage,
    IncidentQuery,
    OpenAlert,
    PersonAction,
    TimelineEntry,
)
from alerting.machine import Alert, Status
from alerting.rule_set import RuleSet
from alerting.rule_status import ReloadOutcome, RulesStanding, RuleStatus
from alerting.rules import SOURCE_BLIND, Rule, Severity, source_blind_rule
from alerting.summaries import is_state, unit_of
from alerting.trouble import Trouble
from api.doors import Evaluations
from opswatch.scheduler import Job, Scheduler
from opswatch.state.incidents import StoredIncidents
from opswatch.state.ledger import StoredLedger
from telemetry.clock import Clock
from telemetry.errors import NotFound
from telemetry.points import FieldValue, Tags
from telemetry.ports import PointWriter, QueryReader, WriteStatus
from telemetry.schema import Registry
from telemetry.times import format_duration, from_datetime, to_datetime

logger = logging.getLogger(__name__)

_POINTS_AT_ONCE = 1_000
_FIRST = timedelta(seconds=3)  # after the start: probes and the host have been looked at once
_DAY = timedelta(days=1)
_REMEMBERED = timedelta(days=31)  # transitions that belong to no incident
_STALLED = 4  # intervals without an evaluation
_LEAST_STALL = timedelta(seconds=60)
_ORDER = (Status.FIRING, Status.RECOVERING, Status.UNKNOWN, Status.PENDING)


@dataclass(frozen=True, slots=True)
class Parts:
    """What alerting is made of. `load` reads the file of rules anew; it raises ConfigurationError with every fault."""

    evaluator: Evaluator
    reader: QueryReader
    around: Surroundings
    ledger: StoredLedger
    incidents: StoredIncidents
    writer: PointWriter
    load: Callable[[], RuleSet]
    registry: Registry
    clock: Clock


class Alerting:
    """Implements `alerting.ledger.IncidentBook`, `api.doors.AlertBoard` and `api.doors.RuleDesk`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._evaluator = parts.evaluator
        self._open: dict[str, Incident] = {}
        self._counts = FiringCounts()
        self._listed: tuple[int, Mapping[str, Incident], tuple[OpenAlert, ...]] | None = None
        self._seen = -1  # transitions when incidents were read last
        self._reloading = asyncio.Lock()
        self._scheduler: Scheduler | None = None  # None: nothing is evaluated here
        self._started = parts.clock.now()

    async def start(self) -> None:
        """Take up what the ledger remembers. Raises StoreUnavailable."""
        await self._evaluator.restore()
        await self.refresh()

    def plan_jobs(self, scheduler: Scheduler) -> None:
        """Evaluate at multiples of the rules' interval, once samples had the time to arrive."""
        self._scheduler = scheduler
        rules = self._evaluator.rules
        interval, lag = (timedelta(microseconds=length // 1_000) for length in (rules.interval, rules.lag))
        scheduler.add(Job("rules", self.evaluate_once, interval, lag % interval, first=min(interval, _FIRST)))
        scheduler.add(Job("ledger, old transitions", self.prune_once, _DAY))

    async def prune_once(self) -> None:
        """What was pending or unknown and led to nothing need not be remembered for ever. Raises StoreUnavailable."""
        await self._parts.ledger.prune(from_datetime(self._parts.clock.now() - _REMEMBERED))

    async def evaluate_once(self) -> None:
        """Evaluate the rules that are due, and give their transitions to the store. Raises StoreUnavailable."""
        try:
            await self._evaluator.evaluate_once()
        except BaseException:
            self._seen = -1  # a part of it may be kept all the same
            raise
        finally:
            if self._evaluator.statistics.transitions != self._seen:
                await self.refresh()
        await self._write_points()

    async def refresh(self) -> None:
        """Read the open incidents anew. Raises StoreUnavailable."""
        seen = self._evaluator.statistics.transitions
        self._open = {one.alert: one for one in await self._parts.incidents.open_incidents()}
        self._seen = seen
        severities = Counter(one.severity for one in self._open.values())
        unseen = sum(one.acknowledged is None for one in self._open.values())
        self._counts = FiringCounts(severities[Severity.CRITICAL], severities[Severity.WARNING], unseen)

    async def _write_points(self) -> None:
        """Transitions return as points of `alert`; what could not be written now is written next time."""
        while waiting := await self._parts.ledger.unwritten(_POINTS_AT_ONCE):
            outcome = await self._parts.writer.write([point for _, point in waiting])
            if outcome.status not in {WriteStatus.OK, WriteStatus.PARTIAL}:
                logger.warning("transitions wait to be written", extra={"reason": outcome.message})
                return
            await self._parts.ledger.mark_written([number for number, _ in waiting])

    # Incidents

    async def list(self, query: IncidentQuery) -> IncidentPage:
        """See `IncidentBook.list`."""
        return await self._parts.incidents.list(query)

    async def show(self, number: int) -> tuple[Incident, tuple[TimelineEntry, ...]]:
        """See `IncidentBook.show`."""
        return await self._parts.incidents.show(number)

    async def act(self, number: int, action: PersonAction, now: datetime) -> Incident:
        """See `IncidentBook.act`. Closing ends the alert too: if its values still breach, another incident opens."""
        found = await self._parts.incidents.act(number, action, now)
        if action.action is Action.CLOSE:
            await self._evaluator.close(found.alert, f"closed by {action.author}: {action.comment.strip()}")
            found, _ = await self._parts.incidents.show(number)
        await self.refresh()
        return found

    async def evaluations(self, incident: Incident, start: datetime, stop: datetime) -> Evaluations:
        """See `EvaluationReader.evaluations`."""
        rule = self._rules().get(incident.rule)
        if rule is None or rule.name == SOURCE_BLIND:
            raise NotFound(f"the rule {incident.rule} is not in force, or reads no samples", field="rule")
        first, last = from_datetime(start), from_datetime(stop)
        # A step of whole intervals, with which the stretch fits.
        step = max(1, -(-(last - first) // (MOST_INSTANTS * rule.interval))) * rule.interval
        span = range(first - first % step, last, step)[:MOST_INSTANTS]
        around = self._parts.around
        read = await evaluations(rule, incident.tags, self._parts.reader, span, (around.lookback, around.freshness))
        return Evaluations(span, tuple(one.value for one in read))

    # Alerts

    def open_alerts(self) -> tuple[OpenAlert, ...]:
        """Every alert that is not inactive, the worst first.

        Listed once after each evaluation and each act: when thousands fire, many look, and sorting takes its time.
        """
        evaluations = self._evaluator.statistics.evaluations
        if self._listed is None or self._listed[0] != evaluations or self._listed[1] is not self._open:
            self._listed = evaluations, self._open, self._sorted()
        return self._listed[2]

    def _sorted(self) -> tuple[OpenAlert, ...]:
        rules = self._rules()
        found = [
            OpenAlert(alert, facts_of(rule, alert, None), self._open.get(alert.key))
            for name, some in self._evaluator.alerts.items()
            if (rule := rules.get(name)) is not None
            for alert in some.values()
            if alert.status is not Status.INACTIVE
        ]
        return tuple(sorted(found, key=lambda one: _rank(one.alert)))

    def counts(self) -> FiringCounts:
        """How many incidents are open."""
        return self._counts

    def trouble(self, now: datetime) -> str:
        """Why rules are not being evaluated, or what is found cannot be kept; empty when all is well."""
        if self._scheduler is None:
            return ""
        statistics = self._evaluator.statistics
        if statistics.trouble:
            return f"what rules find cannot be kept: {statistics.trouble}"
        longest = max(_STALLED * timedelta(microseconds=self._evaluator.rules.interval // 1_000), _LEAST_STALL)
        if now - (statistics.last or self._started) > longest:
            return f"no rule has been evaluated for {format_duration(now - (statistics.last or self._started))}"
        return ""

    def figures(self) -> dict[str, FieldValue]:
        """The fields of `opswatch_alerting`."""
        statistics = self._evaluator.statistics
        alerts = Counter(alert.status for some in self._evaluator.alerts.values() for alert in some.values())
        return {
            "rules": len(self._evaluator.rules.rules),
            "evaluations": statistics.evaluations,
            "failures": statistics.failures,
            "queries": statistics.queries,
            "transitions": statistics.transitions,
            "took_ms": statistics.took_ms,
            "firing": alerts[Status.FIRING] + alerts[Status.RECOVERING],
            "pending": alerts[Status.PENDING],
            "unknown": alerts[Status.UNKNOWN],
        }

    def suppressed(self) -> Callable[[str, Tags], str]:
        """A look at what is in trouble now: what an alert of a rule on some tags depends on, in words."""
        rules, found = self._rules(), [one for some in self._evaluator.alerts.values() for one in some.values()]
        still = [one for one in found if one.is_open]
        trouble = Trouble(lambda names: (one for one in still if names is None or one.rule in names))
        dependencies = self._parts.around.dependencies

        def behind(name: str, tags: Tags) -> str:
            rule = rules.get(name)
            return "" if rule is None else trouble.behind(rule, tags, dependencies)

        return behind

    def unit(self, name: str) -> str:
        """The unit of what a rule reads, for words: `state` of states of probes, `1` of a rule that is gone."""
        rule = self._rules().get(name)
        if rule is None:
            return "1"
        return "state" if is_state(rule) else unit_of(rule, self._parts.registry)

    # Rules

    def standing(self) -> RulesStanding:
        """The rules in force, and what they find."""
        rules, statistics = self._evaluator.rules, self._evaluator.statistics
        return RulesStanding(
            rules=tuple(self._status(rule) for rule in self._rules().values()),
            source=rules.source,
            version=rules.version,
            interval=timedelta(microseconds=rules.interval // 1_000),
            lag=timedelta(microseconds=rules.lag // 1_000),
            enabled=self._scheduler is not None,
            took_ms=statistics.took_ms,
        )

    def _status(self, rule: Rule) -> RuleStatus:
        alerts = Counter(alert.status for alert in self._evaluator.alerts.get(rule.name, {}).values())
        standing = self._evaluator.standing.get(rule.name)
        return RuleStatus(
            rule=rule,
            firing=alerts[Status.FIRING] + alerts[Status.RECOVERING],
            pending=alerts[Status.PENDING],
            unknown=alerts[Status.UNKNOWN],
            last_evaluated=None if standing is None or standing.last is None else to_datetime(standing.last),
            unit=unit_of(rule, self._parts.registry),
            trouble="" if standing is None else standing.words,
        )

    async def reload(self, author: str, *, dry_run: bool) -> ReloadOutcome:
        """Read the rules anew and take them as a whole, or say what that would do. Raises ConfigurationError."""
        async with self._reloading:
            fresh = await asyncio.to_thread(self._parts.load)
            outcome = self._compared(fresh, applied=not dry_run)
            if not dry_run:
                before = self._evaluator.rules
                await self._evaluator.replace_rules(fresh)
                if self._scheduler is not None and (before.interval, before.lag) != (fresh.interval, fresh.lag):
                    self.plan_jobs(self._scheduler)
                await self.refresh()
                words = (
                    f"version {outcome.version}; started {_names(outcome.started)}; stopped {_names(outcome.stopped)};"
                    f" changed {_names(outcome.changed)}; {outcome.closes} incidents closed"
                )
                await self._parts.incidents.record(author, "reload", words, self._parts.clock.now())
                logger.info("rules were read anew", extra={"by": author, "outcome": words})
            return outcome

    def _compared(self, fresh: RuleSet, *, applied: bool) -> ReloadOutcome:
        old = {rule.name: rule for rule in self._evaluator.rules.rules}
        new = {rule.name: rule for rule in fresh.rules}
        return ReloadOutcome(
            version=fresh.version,
            started=tuple(name for name in new if name not in old),
            stopped=tuple(name for name in old if name not in new),
            changed=tuple(name for name in new if name in old and old[name] != new[name]),
            closes=sum(alert.is_open for alert in self._evaluator.orphans_of(fresh)),
            applied=applied,
        )

    def _rules(self) -> dict[str, Rule]:
        rules = self._evaluator.rules
        blind = source_blind_rule(rules.interval)
        return {rule.name: rule for rule in (*rules.rules, blind)}


def _rank(alert: Alert) -> tuple[int, int, int, str]:
    return (-(alert.severity or 0), _ORDER.index(alert.status), alert.since, alert.key)


def _names(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"
