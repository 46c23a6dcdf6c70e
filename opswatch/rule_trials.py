"""What `opswatch rules` does: tests, replay and recording, each from files and whatever server there is. Shell."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alerting.evaluate import Evaluator
from alerting.memory_ledger import MemoryLedger
from alerting.replay_report import ReplayReport
from alerting.rule_set import RuleSet
from alerting.rule_test import TrialOutcome
from alerting.rules import Rule
from alerting.summaries import Summaries
from alerting.trial import standing
from opswatch.alert_text import outcome_lines
from opswatch.log_record import inert
from opswatch.open_alerting import surroundings_of
from opswatch.rule_record import recorded, test_text
from opswatch.rule_replay import ReplayRequest, raw_since, replayed
from opswatch.rule_test_file import load_tests
from opswatch.rule_tests import junit, run_tests
from opswatch.rules_file import load_rules
from opswatch.series_client import ServedReader
from opswatch.server_client import output_stream, server_of
from opswatch.settings import Settings
from opswatch.system_clock import system_clock
from telemetry.conditions import near_miss
from telemetry.errors import ConfigurationError, Fault
from telemetry.measurements import BUILT_IN
from telemetry.times import format_instant, parse_duration, parse_instant, to_datetime


@dataclass(frozen=True, slots=True)
class ReplayWish:
    """As the command line says it; `rules` None: the present version alone."""

    rule: str
    start: str
    stop: str
    rules: Path | None


def rules_of(settings: Settings, file: Path | None) -> RuleSet:
    """The rules of a file, else those that are used. Raises ConfigurationError with every fault."""
    return load_rules(file or settings.thresholds_file, BUILT_IN)


async def tested(
    settings: Settings, files: Sequence[Path], rules: Path | None, report: Path | None, say: Callable[[str], None]
) -> bool:
    """Run the tests of files; whether all passed. Raises ConfigurationError, OutputError."""
    in_force = rules_of(settings, rules)
    tests = [(file, load_tests(file, in_force)) for file in files]
    outcomes: list[TrialOutcome] = []

    def done(outcome: TrialOutcome) -> None:
        for line in outcome_lines(outcome):
            say(line)

    for _, some in tests:
        outcomes += await run_tests(some, in_force, done)
    failed = sum(not one.passed for one in outcomes)
    say(f"{len(outcomes) - failed} passed, {failed} failed")
    if report is not None:
        with output_stream(report) as stream:
            stream.write(junit(outcomes, ", ".join(map(str, files))))
    return not failed


async def replayed_rule(settings: Settings, wish: ReplayWish) -> tuple[ReplayReport, ReplayReport | None]:
    """The replay that was wished for, and that of the present version where another was named."""
    now = system_clock().now()
    start, stop = _moment(wish.start, "--from"), _moment(wish.stop, "--to")
    if start >= stop:
        raise ConfigurationError([Fault("--from must lie before --to", "command line", "--from")])
    wanted = _rule(rules_of(settings, wish.rules), wish.rule)
    present = None
    if wish.rules is not None:
        present = next((one for one in rules_of(settings, None).rules if one.name == wish.rule), None)
    around = surroundings_of(settings.services, BUILT_IN, system_clock())
    since = raw_since(now, settings.retention.raw)
    found: list[ReplayReport] = []
    async with server_of(settings) as server:
        reader = ServedReader(server)
        for one in [wanted] if present is None else [wanted, present]:
            with _progress(one.name) as progress:
                request = ReplayRequest(one, to_datetime(start), to_datetime(stop), since)
                found.append(await replayed(request, reader, around, progress))
    return found[0], found[1] if len(found) > 1 else None


async def recorded_test(settings: Settings, incident: int, rules: Path | None) -> str:
    """The text of a test file from an incident. Raises NotFound, ServerError."""
    async with server_of(settings) as server:
        shown = await server.json("GET", f"/api/v1/incidents/{incident}")
        rule = _rule(rules_of(settings, rules), shown["rule"])
        made = await recorded(shown, rule, ServedReader(server), system_clock().now())
    return test_text(made)


async def evaluated_once(settings: Settings) -> dict[str, Any]:
    """What the rules find in what is stored, in the shape of `/api/v1/alerts`. Raises ServerError."""
    rules = rules_of(settings, None)
    summaries = Summaries(BUILT_IN)
    around = surroundings_of(settings.services, BUILT_IN, system_clock())
    async with server_of(settings) as server:
        evaluator = Evaluator(ServedReader(server), MemoryLedger(), rules, around)
        await evaluator.evaluate_once()
        if evaluator.failures:
            raise evaluator.failures[0]
    found = [
        {
            "rule": alert.rule,
            "tags": dict(alert.tags),
            "status": alert.status.value,
            "severity": alert.severity.word if alert.severity else None,
            "since": format_instant(alert.since),
            "value": alert.value,
            "reason": alert.reason,
            "summary": summaries(rule, alert),
            "incident": None,
        }
        for rule in rules.rules
        for alert in standing(evaluator, rule.name)
    ]
    return {"alerts": found}


def _rule(rules: RuleSet, name: str) -> Rule:
    for rule in rules.rules:
        if rule.name == name:
            return rule
    hint = near_miss(name, [rule.name for rule in rules.rules]).removeprefix("; ")
    raise ConfigurationError([Fault(f"{rules.source} has no rule {name[:60]!r}", "command line", "--rule", hint=hint)])


def _moment(text: str, option: str) -> int:
    now = system_clock().now()
    try:
        parse_duration(text)
    except ValueError:
        pass
    else:
        text = f"-{text}"
    try:
        return parse_instant(text, now)
    except ValueError:
        words = f"{text[:60]!r} is no time: write 30d, -12h, now, or RFC 3339"
        raise ConfigurationError([Fault(words, "command line", option)]) from None


@contextmanager
def _progress(name: str) -> Iterator[Callable[[float], None]]:
    """A bar on stderr, where that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task(inert(f"replaying {name}"), total=1.0)
        yield lambda share: bars.update(task, completed=share)
