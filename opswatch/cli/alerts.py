"""`opswatch alerts`, `ack`, `snooze`, `note` and `evaluate`: what fires, and what people do about it. Shell."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import typer

from opswatch.cli.running import CONFIG
from telemetry.errors import ConfigurationError, Fault

JSON = typer.Option(False, "--json", help="Print JSON.")
INCIDENTS = typer.Argument(help="Numbers of incidents, as `opswatch alerts` shows them.")
COMMENT = typer.Option("", "--comment", "-m", help="Why; it stands in the incident's timeline.")


def register(app: typer.Typer) -> None:
    group = typer.Typer(
        name="alerts", help=(alerts.__doc__ or "").strip(), invoke_without_command=True, rich_markup_mode=None
    )
    group.callback()(alerts)
    group.command()(explain)
    app.add_typer(group)
    app.command()(ack)
    app.command()(snooze)
    app.command()(note)
    app.command()(evaluate)


def alerts(context: typer.Context, as_json: bool = JSON, config: Path | None = CONFIG) -> None:
    """List what fires, is pending, or is unknown, the worst first. Exit code 0, whatever fires.

    Asks the server that OPSWATCH_URL names, else the one that runs on this data directory, else opens the store.
    `opswatch alerts explain 42` says who was told of an incident, and why, or why nobody was.

    Example: opswatch alerts
    """
    if context.invoked_subcommand is not None:
        return
    from opswatch.alert_client import alerts_now
    from opswatch.alert_text import alert_lines
    from opswatch.settings import current_settings

    answer = asyncio.run(alerts_now(current_settings(config)))
    typer.echo(json.dumps(answer, indent=2, ensure_ascii=False) if as_json else "\n".join(alert_lines(answer)))


def explain(
    incident: int = typer.Argument(help="The incident's number."),
    at: str = typer.Option("", "--at", help="As of this moment: RFC 3339, or -2h; now when not given."),
    as_json: bool = JSON,
    config: Path | None = CONFIG,
) -> None:
    """Say who had been told of an incident, by what, with which answer, and why others, or nobody, had.

    Example: opswatch alerts explain 42 --at 2026-11-27T03:10:00Z
    """
    from opswatch.alert_client import explained
    from opswatch.settings import current_settings
    from opswatch.telling_text import explanation_lines

    answer = asyncio.run(explained(current_settings(config), incident, at))
    typer.echo(json.dumps(answer, indent=2, ensure_ascii=False) if as_json else "\n".join(explanation_lines(answer)))


def ack(
    incidents: list[int] = INCIDENTS, comment: str = COMMENT, as_json: bool = JSON, config: Path | None = CONFIG
) -> None:
    """Acknowledge incidents: somebody looks after them. It is in the name of the token that asks.

    Example: opswatch ack 42 43 --comment "restarting the database"
    """
    _act(incidents, "ack", {"comment": comment}, as_json=as_json, config=config)


def snooze(
    incidents: list[int] = INCIDENTS,
    until: str = typer.Option(..., "--until", help="As 2h, or RFC 3339."),
    comment: str = COMMENT,
    as_json: bool = JSON,
    config: Path | None = CONFIG,
) -> None:
    """Hear nothing of incidents until a time; they stay open, and on the page.

    Example: opswatch snooze 42 --until 2h --comment "new disks arrive at noon"
    """
    _act(incidents, "snooze", {"until": until, "comment": comment}, as_json=as_json, config=config)


def note(
    incident: int = typer.Argument(help="The incident's number."),
    text: str = typer.Argument(help="The note."),
    as_json: bool = JSON,
    config: Path | None = CONFIG,
) -> None:
    """Write a note into an incident's timeline, also when it is over.

    Example: opswatch note 42 "it was the backup that filled the disk"
    """
    _act([incident], "note", {"comment": text}, as_json=as_json, config=config)


def evaluate(
    once: bool = typer.Option(False, "--once", help="Evaluate every rule, once."),
    as_json: bool = JSON,
    config: Path | None = CONFIG,
) -> None:
    """Evaluate every rule once against what is stored, and say what it finds; nothing is kept, and nobody is told.

    Alerts begin from nothing: what must last for a while is pending.

    Example: opswatch evaluate --once
    """
    if not once:
        words = "say --once: `opswatch run` is what evaluates all the time"
        raise ConfigurationError([Fault(words, "command line")])
    from opswatch.alert_text import alert_lines
    from opswatch.rule_trials import evaluated_once
    from opswatch.settings import current_settings

    answer = asyncio.run(evaluated_once(current_settings(config)))
    typer.echo(json.dumps(answer, indent=2, ensure_ascii=False) if as_json else "\n".join(alert_lines(answer)))


def _act(incidents: list[int], action: str, body: dict[str, Any], *, as_json: bool, config: Path | None) -> None:
    from opswatch.alert_client import acted
    from opswatch.alert_text import incident_line
    from opswatch.settings import current_settings
    from telemetry.errors import ServerError

    settings = current_settings(config)
    failed = False
    for number in incidents:
        try:
            found = asyncio.run(acted(settings, number, action, body))
        except ServerError as error:
            typer.echo(f"opswatch: #{number}: {error.message}", err=True)
            failed = True
        else:
            typer.echo(json.dumps(found, ensure_ascii=False) if as_json else incident_line(found))
    sys.exit(1 if failed else 0)
