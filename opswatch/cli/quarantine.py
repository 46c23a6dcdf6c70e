"""`opswatch quarantine`: what stores refused, and another try of it. Shell."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterable
from enum import Enum
from pathlib import Path
from typing import Any

import typer

from opswatch.cli.running import CONFIG
from telemetry.errors import ConfigurationError, Fault

JSON = typer.Option(False, "--json", help="Print JSON.")
ID = typer.Argument(help="The item's id, as the list shows it.")


class Source(str, Enum):
    """Who refuses, as the command line takes it."""

    push = "push"
    spool = "spool"
    store = "store"


SOURCE = typer.Option(None, "--source", help="Only what this refused.")
MEASUREMENT = typer.Option(None, "--measurement", help="Only points of this measurement.")


def register(app: typer.Typer) -> None:
    group = typer.Typer(
        name="quarantine",
        help="What was refused and why; give it to the store again, or discard it.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    group.command(name="list")(list_items)
    group.command()(show)
    group.command()(replay)
    group.command()(discard)
    app.add_typer(group)


def list_items(
    source: Source | None = SOURCE,
    measurement: str | None = MEASUREMENT,
    limit: int = typer.Option(20, "--limit", min=1, max=1_000_000, help="How many, the newest first."),
    as_json: bool = JSON,
    config: Path | None = CONFIG,
) -> None:
    """List what was refused, with reasons, the newest first.

    Asks the server that OPSWATCH_URL names, else the one that runs on this data directory, else opens the store.

    Example: opswatch quarantine list --measurement mem --limit 50
    """
    from opswatch.quarantine_client import Wanted, listed
    from opswatch.quarantine_text import list_lines
    from opswatch.settings import current_settings

    wanted = Wanted("" if source is None else source.value, measurement or "")
    answer = asyncio.run(listed(current_settings(config), wanted, limit))
    _say(answer, list_lines(answer), as_json=as_json)


def show(identifier: str = ID, as_json: bool = JSON, config: Path | None = CONFIG) -> None:
    """Show one item with everything that is known of it.

    Example: opswatch quarantine show 20261124-0123456789ab
    """
    from opswatch.quarantine_client import shown
    from opswatch.quarantine_text import item_lines
    from opswatch.settings import current_settings

    item = asyncio.run(shown(current_settings(config), identifier))
    _say(item, item_lines(item), as_json=as_json)


def replay(
    identifier: str | None = typer.Argument(None, help="The item's id; or say --all."),
    everything: bool = typer.Option(False, "--all", help="All items, or all that --source and --measurement leave."),
    source: Source | None = SOURCE,
    measurement: str | None = MEASUREMENT,
    as_json: bool = JSON,
    config: Path | None = CONFIG,
) -> None:
    """Give refused items to the store again, once the reason is gone: a schema that changed, a store that is back.

    What is stored leaves quarantine; what is refused again stays, with its new reason. Exit code 0 when everything
    asked for is stored, 1 when not.

    Example: opswatch quarantine replay --all --measurement mem
    """
    from opswatch.quarantine_client import Wanted, replayed, replayed_all
    from opswatch.quarantine_text import replayed_lines
    from opswatch.settings import current_settings

    if (identifier is None) is not everything:
        raise ConfigurationError([Fault("name an item by its id, or say --all", "command line")])
    if identifier is not None and (source or measurement):
        raise ConfigurationError([Fault("--source and --measurement go together with --all", "command line")])
    settings = current_settings(config)
    wanted = Wanted("" if source is None else source.value, measurement or "")
    outcome = asyncio.run(replayed_all(settings, wanted) if identifier is None else replayed(settings, identifier))
    answer = {"replayed": outcome.replayed, "refused": outcome.refused, "reasons": outcome.reasons}
    _say(answer, replayed_lines(answer), as_json=as_json)
    sys.exit(1 if outcome.refused else 0)


def discard(identifier: str = ID, as_json: bool = JSON, config: Path | None = CONFIG) -> None:
    """Take an item out of quarantine for good.

    Example: opswatch quarantine discard 20261124-0123456789ab
    """
    from opswatch.log_record import inert
    from opswatch.quarantine_client import discarded
    from opswatch.settings import current_settings

    asyncio.run(discarded(current_settings(config), identifier))
    _say({"discarded": identifier}, [inert(f"discarded {identifier}")], as_json=as_json)


def _say(answer: dict[str, Any], lines: Iterable[str], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(answer, indent=2))
        return
    for line in lines:
        typer.echo(line)
