"""Take rules through a stretch of time with the live evaluator: what they would have done. Shell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from alerting.evaluate import Evaluator, Surroundings
from alerting.ledger import AlertChange
from alerting.machine import Alert, Status
from alerting.memory_ledger import MemoryLedger
from alerting.rule_set import RuleSet
from alerting.rules import SOURCE_BLIND
from telemetry.clock import Clock
from telemetry.ports import QueryReader
from telemetry.times import NANOSECONDS_PER_SECOND, to_datetime

Progress = Callable[[float], None]  # from 0 to 1
Look = Callable[[int, "Evaluator"], None]  # after each instant (ns)
_PROGRESS_EVERY = 50


@dataclass(frozen=True, slots=True)
class Watch:
    """Who follows a trial."""

    look: Look = lambda *_: None
    progress: Progress = lambda _: None


@dataclass(slots=True)
class Trial:
    """`changes`: the transitions in order, those of OpsWatch's own rule left out; `alerts` as they are in the end."""

    changes: list[AlertChange] = field(default_factory=list)
    instants: int = 0
    alerts: Sequence[Alert] = ()


async def tried(
    rules: RuleSet,
    reader: QueryReader,
    around: Surroundings,
    span: range,
    watch: Watch = Watch(),
    before: Sequence[Alert] = (),
) -> Trial:
    """Evaluate at each instant of `span` (ns, in steps of the interval), from the alerts that there were before it.

    Raises as the reader does.

    `around.clock` is not used: the clock of a trial stands at the instant that is looked at.
    """
    now = span.start
    clock = Clock(lambda: to_datetime(now), lambda: now / NANOSECONDS_PER_SECOND)
    ledger = MemoryLedger.of(before)
    evaluator = Evaluator(reader, ledger, replace(rules, lag=0), replace(around, clock=clock))
    await evaluator.restore()
    trial = Trial()
    for number, instant in enumerate(span):
        now = instant
        await evaluator.evaluate_once()
        if evaluator.failures:
            raise evaluator.failures[0]
        watch.look(instant, evaluator)
        trial.instants += 1
        if number % _PROGRESS_EVERY == 0:
            watch.progress(number / len(span))
            await asyncio.sleep(0)
    watch.progress(1.0)
    trial.alerts = await ledger.alerts()
    trial.changes = [change for change in ledger.made if change.alert.rule != SOURCE_BLIND]
    return trial


def standing(evaluator: Evaluator, rule: str) -> list[Alert]:
    """The alerts of a rule that are not inactive."""
    return [alert for alert in evaluator.alerts.get(rule, {}).values() if alert.status is not Status.INACTIVE]
