"""`opswatch rules`: try rules before they are trusted, and have the server read them anew. Shell."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import typer

from opswatch.cli.running import CONFIG

JSON = typer.Option(False, "--json", help="Print JSON.")
RULES = typer.Option(
    None, "--rules", help="The file of rules; else ALERT_THRESHOLDS_CONFIG_FILE, else those that come with OpsWatch."
)


def register(app: typer.Typer) -> None:
    group = typer.Typer(
        name="rules",
        help="Rules: check and test them, replay them over history, have a running server read them anew.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    group.command(name="list")(list_rules)
    group.command()(check)
    group.command(name="test")(run)
    group.command()(replay)
    group.command()(record)
    group.command()(reload)
    app.add_typer(group)


def list_rules(as_json: bool = JSON, config: Path | None = CONFIG) -> None:
    """List the rules in force, with what they find.

    Example: opswatch rules list
    """
    from opswatch.alert_client import rules_in_force
    from opswatch.alert_text import rule_lines
    from opswatch.settings import current_settings

    answer = asyncio.run(rules_in_force(current_settings(config)))
    _say(json.dumps(answer, indent=2, ensure_ascii=False) if as_json else "\n".join(rule_lines(answer)))


def check(
    file: Path | None = typer.Argument(None, help="The file of rules; else the one that would be used."),
    config: Path | None = CONFIG,
) -> None:
    """Check a file of rules: every fault at once, with line and column. Exit code 2 when there is one.

    Example: opswatch rules check alert_thresholds.json
    """
    from opswatch.rule_trials import rules_of
    from opswatch.settings import current_settings

    rules = rules_of(current_settings(config), file)
    _say(f"{rules.source}: {len(rules.rules)} rules, version {rules.version}; nothing is wrong with them")


def run(
    files: list[Path] = typer.Argument(help="Files of tests."),
    rules: Path | None = RULES,
    junit: Path | None = typer.Option(None, "--junit", help="Write the outcome as JUnit's XML, too."),
    config: Path | None = CONFIG,
) -> None:
    """Run tests of rules: series in a small notation, and the states they should bring about (docs/testing-rules.md).

    Exit code 0 when all pass, 1 when one fails, 2 when a file is wrong.

    Example: opswatch rules test rules-test.yaml --rules alert_thresholds.json --junit rules.xml
    """
    from opswatch.rule_trials import tested
    from opswatch.settings import current_settings

    passed = asyncio.run(tested(current_settings(config), files, rules, junit, _say))
    sys.exit(0 if passed else 1)


def replay(
    rule: str = typer.Option(..., "--rule", help="The rule's name."),
    start: str = typer.Option("7d", "--from", help="How far back: 30d, or RFC 3339."),
    stop: str = typer.Option("now", "--to", help="As --from."),
    rules: Path | None = RULES,
    as_json: bool = JSON,
    config: Path | None = CONFIG,
) -> None:
    """Replay a rule over stored history: how often it would have fired, and for how long.

    With --rules, the version in that file against the present one. Asks the server that OPSWATCH_URL names, else the
    one that runs on this data directory, else opens the store.

    Example: opswatch rules replay --rule host_cpu_high --from 30d --rules edited.json
    """
    from opswatch.alert_text import replay_dict, replay_lines
    from opswatch.rule_trials import ReplayWish, replayed_rule
    from opswatch.settings import current_settings

    wish = ReplayWish(rule, start, stop, rules)
    report, present = asyncio.run(replayed_rule(current_settings(config), wish))
    if as_json:
        both = {"replay": replay_dict(report), "present": None if present is None else replay_dict(present)}
        _say(json.dumps(both, indent=2, ensure_ascii=False))
    else:
        _say("\n".join(replay_lines(report, present)))


def record(
    incident: int = typer.Argument(help="The incident's number."),
    rules: Path | None = RULES,
    output: Path | None = typer.Option(None, "--output", "-o", help="The file to write; else stdout."),
    config: Path | None = CONFIG,
) -> None:
    """Make a test file from an incident that happened: its samples, and the states it had.

    Example: opswatch rules record 42 -o incident-42.yaml
    """
    from opswatch.rule_trials import recorded_test
    from opswatch.server_client import output_stream
    from opswatch.settings import current_settings

    text = asyncio.run(recorded_test(current_settings(config), incident, rules))
    with output_stream(output) as stream:
        stream.write(text.encode("utf-8", "replace"))


def reload(
    dry_run: bool = typer.Option(False, "--dry-run", help="Only say what would start, stop and change."),
    as_json: bool = JSON,
    config: Path | None = CONFIG,
) -> None:
    """Have the running server read its file of rules anew; a wrong file changes nothing.

    Example: opswatch rules reload --dry-run
    """
    from opswatch.alert_client import reloaded
    from opswatch.alert_text import reload_lines
    from opswatch.settings import current_settings

    answer = asyncio.run(reloaded(current_settings(config), dry_run=dry_run))
    _say(json.dumps(answer, indent=2, ensure_ascii=False) if as_json else "\n".join(reload_lines(answer)))


def _say(text: str) -> None:
    typer.echo(text)
