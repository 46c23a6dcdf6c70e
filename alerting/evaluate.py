"""Ask a store what all rules want to know, step every alert, and keep what changed. Shell."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from time import perf_counter

from alerting.cycle import Alerts, Cycle, Summarise
from alerting.ledger import Batch, Ledger
from alerting.machine import Alert, Knowledge, Reading
from alerting.matching import means
from alerting.questions import Asked, Freshness, Lookback, Plan, Question, asked_by
from alerting.readings import Answer, readings_of
from alerting.rule_set import RuleSet
from alerting.rules import SOURCE_BLIND, Forecast, NoData, Rule, source_blind_rule
from alerting.trouble import Dependencies
from telemetry.clock import Clock
from telemetry.errors import InvalidRequest, OpsWatchError
from telemetry.points import Tags
from telemetry.ports import QueryReader
from telemetry.times import NANOSECONDS_PER_SECOND, format_duration, from_datetime

logger = logging.getLogger(__name__)

CLOCK_STEP = 2 * NANOSECONDS_PER_SECOND  # the wall clock was set if it moves by more against the monotonic one
_QUERIES_AT_ONCE = 4
_LONGEST_QUERY = timedelta(seconds=30)
_BREATH = 500  # rules, or alerts, after which others have their turn
_RULE_GONE = "its rule is gone, or does not mean it any more"
_NO_SAMPLE = "none of its series has a sample"
_STORE: Tags = (("source", "store"),)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the evaluator is told of the house: see the types for what each function gives."""

    clock: Clock
    lookback: Lookback
    freshness: Freshness
    dependencies: Dependencies
    summarise: Summarise


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What does not change about a rule from one evaluation to the next. `settling`: its longest window in ns."""

    asked: tuple[Asked, ...]
    source: str
    settling: int
    absent: str

    @classmethod
    def of(cls, rule: Rule, lookback: Lookback) -> _Prepared:
        settling = max(one.window for one in rule.selections)
        settling = 0 if isinstance(rule.expression, Forecast) else settling
        source = next(rule.selections).measurement
        return cls(asked_by(rule.expression, lookback), source, settling, _absent(rule))


@dataclass(slots=True)
class RuleTrouble:
    """`last` is the end (ns) of the newest window that was evaluated; `words` why nothing can be said, or empty."""

    last: int | None = None
    words: str = ""


@dataclass(slots=True)
class EvaluationStatistics:
    """`took_ms` of the newest evaluation; counted since start. `last`: when it was looked whether a rule is due."""

    evaluations: int = 0
    failures: int = 0
    transitions: int = 0
    queries: int = 0
    took_ms: float = 0.0
    last: datetime | None = None
    trouble: str = ""  # why the newest evaluation could not be kept


@dataclass(slots=True)
class _Answers:
    found: dict[Question, Answer] = field(default_factory=dict)
    failed: dict[Question, OpsWatchError] = field(default_factory=dict)


class Evaluator:
    """Evaluates one set of rules at a time; what it knows of alerts is what the ledger has committed."""

    def __init__(self, reader: QueryReader, ledger: Ledger, rules: RuleSet, around: Surroundings) -> None:
        self._reader = reader
        self._ledger = ledger
        self._around = around
        self._lock = asyncio.Lock()
        self._alerts: dict[str, dict[Tags, Alert]] = {}
        self._clock_before: tuple[int, float] | None = None
        self._is_stale = False  # what is known here may not be what is committed
        self._settled = 0  # ns: windows that begin before it hold what was measured by another clock
        self.statistics = EvaluationStatistics()
        self.failures: tuple[OpsWatchError, ...] = ()  # of the newest evaluation's queries
        self._take(rules)

    def _take(self, rules: RuleSet) -> None:
        self.rules = rules
        self.standing = {rule.name: RuleTrouble() for rule in rules.rules}
        self._prepared = {rule.name: _Prepared.of(rule, self._around.lookback) for rule in rules.rules}
        self._blind = source_blind_rule(rules.interval)

    @property
    def alerts(self) -> Alerts:
        """Every alert that is remembered, by rule and tag set; not to be changed."""
        return self._alerts

    async def restore(self) -> None:
        """Take up what the ledger remembers; the first evaluation ends alerts of rules that are gone.

        Raises StoreUnavailable.
        """
        async with self._lock:
            await self._load()
            now = self._instant()
            newest = max(
                (max(one.known or 0, one.since) for some in self._alerts.values() for one in some.values()), default=0
            )
            if newest > now:
                self._settled = now  # the clock was set back while nobody looked

    async def _catch_up(self) -> None:
        # Whatever is done by what is known here, and not what is kept, would leave an incident without its alert.
        if self._is_stale:
            await self._load()

    async def _load(self) -> None:
        alerts: dict[str, dict[Tags, Alert]] = {}
        for alert in await self._ledger.alerts():
            alerts.setdefault(alert.rule, {})[alert.tags] = alert
        self._alerts, self._is_stale = alerts, False

    async def replace_rules(self, rules: RuleSet) -> int:
        """Take other rules from now on; how many incidents end because their rule is gone. Raises StoreUnavailable."""
        async with self._lock:
            await self._catch_up()
            before = self.rules, self.standing, self._prepared, self._blind
            orphans = self.orphans_of(rules)
            self._take(rules)
            try:
                return await self._close_orphans(self._instant(), orphans)
            except OpsWatchError:
                self.rules, self.standing, self._prepared, self._blind = before
                raise

    def orphans_of(self, rules: RuleSet) -> list[Alert]:
        """The alerts that none of these rules means: they end with the rules that made them, or read their source."""
        names = {rule.name: rule for rule in rules.rules}
        before = {rule.name: rule for rule in self.rules.rules}
        read: set[Tags] = {(("source", one.measurement),) for rule in rules.rules for one in rule.selections}
        read |= {_STORE} if names else set()
        return [
            alert
            for name, some in self._alerts.items()
            for tags, alert in some.items()
            if (tags not in read if name == SOURCE_BLIND else not _goes_on(tags, before.get(name), names.get(name)))
        ]

    async def close(self, key: str, reason: str) -> bool:
        """End an alert because somebody says so; whether there was one that was open. Raises StoreUnavailable."""
        async with self._lock:
            await self._catch_up()
            rules = {rule.name: rule for rule in (*self.rules.rules, self._blind)}
            for name, some in self._alerts.items():
                for alert in some.values():
                    if alert.key == key and alert.is_open:
                        cycle = Cycle(self._instant(), self._alerts)
                        cycle.close(rules[name], alert, reason)
                        await self._keep(cycle, reason)
                        return True
        return False

    async def _close_orphans(self, now: int, orphans: Sequence[Alert]) -> int:
        cycle = Cycle(now, self._alerts)
        for alert in orphans:
            cycle.close(Rule(alert.rule, self._blind.expression, (), self.rules.interval), alert, _RULE_GONE)
            cycle.forget(alert)
        if orphans:
            await self._keep(cycle, _RULE_GONE)
        return sum(alert.is_open for alert in orphans)

    async def evaluate_once(self) -> None:
        """Look at every rule that is due. Raises StoreUnavailable when what was found cannot be kept."""
        async with self._lock:
            started = perf_counter()
            await self._catch_up()
            self._watch_clock()
            now = self._instant()
            due = [rule for rule in self.rules.rules if self._is_due(rule, now)]
            if not due:
                self.statistics.last = self._around.clock.now()
                return
            await self._close_orphans(now, self.orphans_of(self.rules))
            answers = await self._ask(due, now)
            self.failures = tuple(answers.failed.values())
            cycle = Cycle(now, self._alerts)
            await self._apply(cycle, due, answers)
            try:
                await self._keep(cycle)
            except OpsWatchError as error:
                self.statistics.failures += 1
                self.statistics.trouble = error.message
                raise
            for rule in due:
                self.standing[rule.name].last = now
            self.statistics.evaluations += 1
            self.statistics.trouble = ""
            self.statistics.last = self._around.clock.now()
            self.statistics.took_ms = (perf_counter() - started) * 1_000

    def _instant(self) -> int:
        """The end of the newest window: the wall clock less the lag, cut to the interval."""
        now = from_datetime(self._around.clock.now()) - self.rules.lag
        return now - now % self.rules.interval

    def _is_due(self, rule: Rule, now: int) -> bool:
        last = self.standing[rule.name].last
        return last is None or now // rule.interval != last // rule.interval

    def _watch_clock(self) -> None:
        wall, monotonic = from_datetime(self._around.clock.now()), self._around.clock.monotonic()
        if self._clock_before is not None:
            passed = int((monotonic - self._clock_before[1]) * NANOSECONDS_PER_SECOND)
            if abs(wall - self._clock_before[0] - passed) > CLOCK_STEP:
                self._settled = wall
                logger.warning("the wall clock was set: rules wait until their windows lie behind that")
        self._clock_before = (wall, monotonic)

    async def _ask(self, due: Sequence[Rule], now: int) -> _Answers:
        plan = Plan.of(one for rule in due for one in self._prepared[rule.name].asked)
        deadline = min(_LONGEST_QUERY, timedelta(microseconds=self.rules.interval // 1_000))
        places, answers = asyncio.Semaphore(_QUERIES_AT_ONCE), _Answers()

        async def ask(question: Question) -> None:
            async with places:
                self.statistics.queries += 1
                try:
                    result = await self._reader.read(plan.query(question, now), deadline)
                    answers.found[question] = Answer(result)
                except OpsWatchError as error:
                    answers.failed[question] = error

        await asyncio.gather(*(ask(question) for question in plan.functions))
        return answers

    async def _apply(self, cycle: Cycle, due: Sequence[Rule], answers: _Answers) -> None:
        empty: dict[str, bool] = {}  # by measurement: whether nothing came of what was there before
        broken: dict[str, str] = {}  # by source: what its error says
        answered: set[str] = set()  # measurements
        for number, rule in enumerate(due):
            if number % _BREATH == _BREATH - 1:
                await asyncio.sleep(0)
            prepared = self._prepared[rule.name]
            trouble = self._trouble(prepared, answers, cycle.now, broken)
            self.standing[rule.name].words = trouble
            if trouble:
                cycle.blind(rule, trouble)
                continue
            readings = readings_of(rule, prepared.asked, answers.found, cycle.now, self._around.freshness)
            cycle.apply(rule, readings, prepared.absent)
            answered |= {one.measurement for one in rule.selections}
            if readings:
                empty[prepared.source] = False
            elif rule.no_data is NoData.UNKNOWN and self._alerts.get(rule.name):
                empty.setdefault(prepared.source, True)
        self._apply_blindness(cycle, broken, empty, answered)

    def _trouble(self, prepared: _Prepared, answers: _Answers, now: int, broken: dict[str, str]) -> str:
        """Why nothing can be said of a rule now; empty when it can."""
        if answers.failed:
            for one in prepared.asked:
                error = answers.failed.get(one.question)
                if error is not None:
                    its_own = isinstance(error, InvalidRequest)
                    broken[one.question.measurement if its_own else "store"] = error.message
                    return f"the query failed: {error.message}"
        return "the clock was set" if prepared.settling and now - prepared.settling < self._settled else ""

    def _apply_blindness(
        self, cycle: Cycle, broken: Mapping[str, str], empty: Mapping[str, bool], answered: set[str]
    ) -> None:
        known: Mapping[Tags, Alert] = self._alerts.get(SOURCE_BLIND, {})
        readings: dict[Tags, Reading] = {}
        if "store" in broken or _STORE in known:
            readings[_STORE] = _blindness(broken.get("store", ""))
        for source in empty.keys() | broken.keys() - {"store"}:
            tags: Tags = (("source", source),)
            words = broken.get(source) or (_NO_SAMPLE if empty.get(source) else "")
            if words or tags in known:
                readings[tags] = _blindness(words)
        for tags, alert in known.items():
            # What was refused is answered again, also where nothing was known of it before.
            if tags not in readings and tags[0][1] in answered and alert.reason != _NO_SAMPLE:
                readings[tags] = _blindness("")
        # A source that was not looked at stays as it is, without being called unknown.
        cycle.apply(self._blind, readings, None)

    async def _keep(self, cycle: Cycle, resolution: str = "") -> None:
        """Commit what changed, and only then believe it."""
        changes = cycle.changes(self._around.summarise, self._around.dependencies, resolution)
        numbers: Mapping[str, int] = {}
        if changes or cycle.forgotten:
            wall = from_datetime(self._around.clock.now())
            self._is_stale = True  # a part may be committed when the whole is not
            numbers = await self._ledger.commit(Batch(wall, changes, [alert.key for alert in cycle.forgotten]))
            self._is_stale = False
        for (name, tags), alert in cycle.after.items():
            self._alerts.setdefault(name, {})[tags] = alert
        for change in changes:
            alert = change.alert
            number = numbers.get(alert.key) if alert.is_open else None
            self._alerts[alert.rule][alert.tags] = replace(alert, incident=number)
        for alert in cycle.forgotten:
            self._alerts.get(alert.rule, {}).pop(alert.tags, None)
        self.statistics.transitions += sum(change.transition is not None for change in changes)


def _blindness(words: str) -> Reading:
    return Reading(Knowledge.VALUE, 1.0 if words else 0.0, words)


def _goes_on(tags: Tags, before: Rule | None, after: Rule | None) -> bool:
    """Whether an alert of a rule is one of the rule that takes its place."""
    if after is None or not means(after, tags):
        return False
    old = None if before is None else next(before.selections).group_by
    new = next(after.selections).group_by
    # Where the grouping is another, a tag set that lacks some of it is most likely one of the old.
    return old is None or new is None or set(old) == set(new) or {name for name, _ in tags} == set(new)


def _absent(rule: Rule) -> str:
    selection = next(rule.selections)
    window = format_duration(timedelta(microseconds=selection.window // 1_000))
    return f"{selection.measurement} {selection.field} has no sample in the last {window}"
