"""`opswatch silence`, `notify`, `duty` and `keys`: who is told, and who is not. Shell."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import typer

from opswatch.cli.alerts import COMMENT, JSON
from opswatch.cli.running import CONFIG
from telemetry.errors import ConfigurationError, Fault


def register(app: typer.Typer) -> None:
    app.command()(silence)
    app.command()(notify)
    app.command()(duty)
    group = typer.Typer(
        name="keys", help="The keys that sign links in messages.", no_args_is_help=True, rich_markup_mode=None
    )
    group.command(name="list")(list_keys)
    group.command()(rotate)
    app.add_typer(group)


def silence(
    match: list[str] = typer.Argument(
        None, help="LABEL=VALUE, as service=checkout; also LABEL=!VALUE, LABEL=~REGEX; a label twice: one of them."
    ),
    length: str = typer.Option("", "--for", help="How long: 10m, 2h, 1d."),
    comment: str = COMMENT,
    everything: bool = typer.Option(False, "--everything", help="Mute every incident."),
    end: int = typer.Option(0, "--end", help="End the silence of this number instead."),
    as_json: bool = JSON,
    config: Path | None = CONFIG,
) -> None:
    """Tell nobody of incidents that match, for a while; without anything, list the silences that hold.

    Rules go on being evaluated, and who was told that something began hears that it is over.

    Example: opswatch silence service=checkout --for 10m --comment "deploy 1.2.3"
    """
    from opswatch.alert_client import silence_ended, silenced, silences
    from opswatch.settings import current_settings
    from opswatch.telling_text import silence_line

    settings = current_settings(config)
    if end:
        asyncio.run(silence_ended(settings, end))
        typer.echo(f"silence {end} is over")
        return
    if not any(map(str.strip, match or [])) and not everything:
        if match or length or comment:  # a script whose variable was empty is not to believe that it muted something
            hint = "name one, as service=checkout; or --everything, to mute every incident"
            raise ConfigurationError(
                [Fault("a silence needs at least one matcher", "command line", "MATCH", hint=hint)]
            )
        found = asyncio.run(silences(settings))
        lines = [silence_line(one) for one in found["silences"]] or ["nothing is silenced"]
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False) if as_json else "\n".join(lines))
        return
    if not length:
        raise ConfigurationError([Fault("how long is not said", "command line", "--for", hint="--for 10m")])
    body = {"match": _conditions(match or []), "duration": length, "comment": comment, "everything": everything}
    made = asyncio.run(silenced(settings, body))
    typer.echo(json.dumps(made, ensure_ascii=False) if as_json else silence_line(made))


def notify(
    test: str = typer.Option("", "--test", help="Send this receiver a message that says that it is a test."),
    as_json: bool = JSON,
    config: Path | None = CONFIG,
) -> None:
    """Try a receiver end to end: exit code 0 when the message was taken, 1 with the answer when it was not.

    Without --test: list the receivers, and how each stands.

    Example: opswatch notify --test ops-mail
    """
    from opswatch.alert_client import receiver_tried, receivers
    from opswatch.log_record import inert
    from opswatch.settings import current_settings
    from opswatch.telling_text import receiver_line, try_words

    settings = current_settings(config)
    if not test:
        found = asyncio.run(receivers(settings))
        lines = [receiver_line(one) for one in found["receivers"]] or ["opswatch.yaml names no receiver"]
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False) if as_json else "\n".join(lines))
        return
    sent = asyncio.run(receiver_tried(settings, test))
    lines = [inert(f"{test}: {try_words(one)}") for one in sent["tries"]] or [inert(f"{test}: {sent['state']}")]
    typer.echo(json.dumps(sent, indent=2, ensure_ascii=False) if as_json else "\n".join(lines))
    taken = sent["state"] == "delivered" and all(one["outcome"] == "delivered" for one in sent["tries"])
    sys.exit(0 if taken else 1)


def duty(as_json: bool = JSON, config: Path | None = CONFIG) -> None:
    """Say who is on duty, until when, and who comes next.

    Example: opswatch duty
    """
    from opswatch import alert_client
    from opswatch.settings import current_settings
    from opswatch.telling_text import duty_lines

    found = asyncio.run(alert_client.duty(current_settings(config)))
    typer.echo(json.dumps(found, indent=2, ensure_ascii=False) if as_json else "\n".join(duty_lines(found)))


def list_keys(as_json: bool = JSON, config: Path | None = CONFIG) -> None:
    """List the keys that sign links in messages: their ids and since when, never the keys themselves.

    Example: opswatch keys list
    """
    from opswatch.data_directory import DataDirectory
    from opswatch.link_keys import LinkKeys
    from opswatch.settings import current_settings

    found = LinkKeys(DataDirectory(current_settings(config).data_dir)).all()
    rows = [{"id": one.key.id, "made": one.made.isoformat(timespec="seconds")} for one in found]
    lines = [f"{row['id']}  since {row['made']}{'' if number else '  signs'}" for number, row in enumerate(rows)]
    typer.echo(json.dumps(rows) if as_json else "\n".join(lines or ["no link has been signed yet"]))


def rotate(config: Path | None = CONFIG) -> None:
    """Sign links with a new key from now on; links that were sent are good for their day. A server notices.

    When a key may be known to others: remove keys/links.json in the data directory instead, and no link is good.

    Example: opswatch keys rotate
    """
    from opswatch.data_directory import DataDirectory
    from opswatch.link_keys import LinkKeys
    from opswatch.settings import current_settings
    from opswatch.system_clock import system_clock

    made = LinkKeys(DataDirectory(current_settings(config).data_dir)).rotate(system_clock().now())
    typer.echo(f"{made.key.id} signs from now on")


def _conditions(match: list[str]) -> dict[str, Any]:
    from alerting.label_match import LabelMatch

    try:
        return dict(LabelMatch.parse(match).written())
    except ValueError as error:
        raise ConfigurationError([Fault(str(error), "command line", "MATCH")]) from error
