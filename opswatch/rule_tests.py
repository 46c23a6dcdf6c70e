"""Run tests of rules: their series in a store of their own, through the live evaluator. Shell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from xml.etree import ElementTree as ET

from alerting.evaluate import Evaluator, Surroundings
from alerting.rule_set import RuleSet
from alerting.rule_test import Expectation, RuleTest, TrialOutcome, differences
from alerting.rules import Rule
from alerting.summaries import Summaries
from alerting.trial import Watch, standing, tried
from embedded.store import EmbeddedOptions, EmbeddedStore
from opswatch.system_clock import system_clock
from telemetry.measurements import BUILT_IN
from telemetry.schema import Registry


async def run_tests(
    tests: Sequence[RuleTest], rules: RuleSet, done: Callable[[TrialOutcome], None]
) -> tuple[TrialOutcome, ...]:
    """Every test by itself; `done` is told of each. Raises OpsWatchError when a store cannot be made."""
    outcomes = []
    by_name = {rule.name: rule for rule in rules.rules}
    for test in tests:
        started = perf_counter()
        with TemporaryDirectory(prefix="opswatch-rules-") as folder:
            found = await _run(test, by_name[test.rule], Path(folder))
        outcome = TrialOutcome(test, tuple(found), perf_counter() - started)
        done(outcome)
        outcomes.append(outcome)
    return tuple(outcomes)


async def _run(test: RuleTest, rule: Rule, folder: Path) -> list[str]:
    registry = _registry(test)
    words: list[str] = []
    expected = {test.start + one.at: one for one in test.expectations}

    def look(instant: int, evaluator: Evaluator) -> None:
        wanted: Expectation | None = expected.get(instant)
        if wanted is not None:
            words.extend(differences(wanted, standing(evaluator, rule.name)))

    alone = RuleSet((replace(rule, depends_on=()),), rule.interval, 0, "test", rule.version)
    around = Surroundings(system_clock(), lambda _: 0, lambda *_: None, lambda _: (), Summaries(registry))
    span = range(test.start, max(expected, default=test.start) + 1, rule.interval)
    async with EmbeddedStore.opened(folder / "metrics.duckdb", EmbeddedOptions(), registry) as store:
        points = test.points()
        for first in range(0, len(points), 10_000):
            await store.write(points[first : first + 10_000])
        await tried(alone, store, around, span, Watch(look))
    return words


def _registry(test: RuleTest) -> Registry:
    registry = BUILT_IN.learning()
    for series, _ in test.series:
        known = registry.get(series.measurement)
        if known is None or known.field(series.field) is None:
            registry.learn(series.measurement, [name for name, _ in series.tags], [series.field])
    return registry


def junit(outcomes: Sequence[TrialOutcome], source: str) -> bytes:
    """The outcomes as JUnit's XML, as continuous integration reads it."""
    suite = ET.Element(
        "testsuite",
        name=source,
        tests=str(len(outcomes)),
        failures=str(sum(not one.passed for one in outcomes)),
        time=f"{sum(one.took_s for one in outcomes):.3f}",
    )
    for one in outcomes:
        case = ET.SubElement(suite, "testcase", classname=one.test.rule, name=one.test.name, time=f"{one.took_s:.3f}")
        if not one.passed:
            failure = ET.SubElement(case, "failure", message=_printable(one.differences[0]))
            failure.text = _printable("\n".join(one.differences))
    text: bytes = ET.tostring(suite, encoding="utf-8", xml_declaration=True)
    return text


def _printable(text: str) -> str:
    # XML 1.0 has no way to write control characters.
    return "".join(letter if letter.isprintable() or letter == "\n" else "�" for letter in text)
