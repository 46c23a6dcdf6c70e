"""A thousand rules on 500 series against the grouped queries that they need, alone. Shell.

Each rule looks at one of 500 hosts: at one of three fields, over one or five minutes, with both thresholds; so six
queries answer all of them. One in a hundred fires. The bare side asks the same six queries of the same reader, and
throws the answers away. Ten thousand rules on the same series are compared with a thousand.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from alerting.evaluate import Evaluator, Surroundings
from alerting.questions import Plan, asked_by
from alerting.rule_set import RuleSet
from alerting.rules import Comparison as Side
from alerting.rules import Rule, Selection, Severity, Threshold, Value
from bench.measure import Bar, Comparison, alternate
from embedded.store import EmbeddedOptions, EmbeddedStore
from opswatch.state import State
from telemetry.clock import Clock
from telemetry.measurements import BUILT_IN
from telemetry.points import Point
from telemetry.series import Equals, Function
from telemetry.times import from_datetime

SERIES = 500
SECOND = 10**9
INTERVAL = 15 * SECOND
PAIRS = 15
START = datetime(2026, 11, 26, 12, tzinfo=UTC)
SPAN = timedelta(minutes=30)
FIELDS = ("load1", "load5", "load15")
WINDOWS = (60 * SECOND, 300 * SECOND)


def rules(count: int) -> RuleSet:
    """So many of them, spread over hosts, fields and windows."""
    found = []
    for number in range(count):
        of = Selection(
            "system",
            FIELDS[number % 3],
            Function.MEAN,
            WINDOWS[number // 3 % 2],
            where=Equals("host", f"host-{number % SERIES:03d}"),
        )
        limit = 0.5 if number % 100 == 0 else 5.0
        levels = (
            (Severity.WARNING, Threshold(Side.ABOVE, limit, limit * 0.9)),
            (Severity.CRITICAL, Threshold(Side.ABOVE, limit * 2, limit * 1.9)),
        )
        found.append(Rule(f"rule-{number}", Value(of), levels, INTERVAL, hold_for=60 * SECOND))
    return RuleSet(tuple(found), INTERVAL, 0, "bench", str(count))


class Evaluated:
    """Rules of one count, evaluated at one instant after another."""

    def __init__(self, store: EmbeddedStore, state: State, count: int) -> None:
        self._now = START + timedelta(minutes=6)
        clock = Clock(lambda: self._now, lambda: self._now.timestamp())  # noqa: PLW0108 (it moves)
        around = Surroundings(clock, lambda _: 0, lambda *_: None, lambda _: (), lambda rule, _: rule.name)
        self._store = store
        self._plan = Plan.of(one for rule in rules(count).rules for one in asked_by(rule.expression, lambda _: 0))
        self._evaluator = Evaluator(store, state.ledger, rules(count), around)

    async def evaluate(self) -> float:
        """Seconds of one evaluation."""
        self._now += timedelta(seconds=15)
        started = time.perf_counter()
        await self._evaluator.evaluate_once()
        elapsed = time.perf_counter() - started
        assert not self._evaluator.failures
        return elapsed

    async def ask(self) -> float:
        """Seconds of the queries alone, as of the same instant."""
        now = from_datetime(self._now)
        started = time.perf_counter()
        places = asyncio.Semaphore(4)

        async def ask(question: object) -> None:
            async with places:
                await self._store.read(self._plan.query(question, now))  # type: ignore[arg-type]

        await asyncio.gather(*(ask(question) for question in self._plan.functions))
        return time.perf_counter() - started


async def measure(folder: Path) -> str:
    """The lines."""
    async with EmbeddedStore.opened(folder / "metrics.duckdb", EmbeddedOptions(), BUILT_IN) as store:
        await fill(store)
        loop = asyncio.get_running_loop()

        def run(work: Callable[[], object]) -> Callable[[], float]:
            return lambda: asyncio.run_coroutine_threadsafe(work(), loop).result()  # type: ignore[arg-type]

        async with State.opened(folder / "few.sqlite") as first, State.opened(folder / "many.sqlite") as second:
            few, many = Evaluated(store, first, 1_000), Evaluated(store, second, 10_000)
            for _ in range(8):  # alerts are made, those that fire have fired
                await few.evaluate()
                await many.evaluate()
            alone = await asyncio.to_thread(alternate, run(few.evaluate), run(few.ask), PAIRS)
            tenfold = await asyncio.to_thread(alternate, run(many.evaluate), run(few.evaluate), PAIRS)
    return "\n".join(
        (
            Comparison(f"1,000 rules on {SERIES} series vs their queries alone", *alone, "s", Bar(2.0, 1.3)).report(),
            Comparison("10,000 rules vs 1,000", *tenfold, "s", Bar(10.0, 8.0)).report(),
        )
    )


async def fill(store: EmbeddedStore) -> None:
    """A sample of each series every ten seconds."""
    chance, points = Random(1), []
    for second in range(0, int(SPAN.total_seconds()), 10):
        at = from_datetime(START + timedelta(seconds=second))
        points += [
            Point.of("system", {"host": f"host-{number:03d}"}, {field: chance.uniform(0.6, 2) for field in FIELDS}, at)
            for number in range(SERIES)
        ]
    for first in range(0, len(points), 5_000):
        await store.write(points[first : first + 5_000])


def main() -> str:
    """Run it in a directory of its own."""
    with tempfile.TemporaryDirectory(prefix="opswatch-bench-") as folder:
        return asyncio.run(measure(Path(folder)))
