"""`opswatch run` and `opswatch collect`. Shell."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import typer

from telemetry.errors import ConfigurationError, Fault

CONFIG = typer.Option(
    None, "--config", "-c", help="The configuration file; else OPSWATCH_CONFIG, else ./opswatch.yaml where it exists."
)


def register(app: typer.Typer) -> None:
    app.command()(run)
    app.command()(collect)


def run(config: Path | None = CONFIG) -> None:
    """Run everything in the foreground: collect, store, and serve the page.

    Prints `listening URL`, and `owner link URL` while no owner exists; logs go to stderr.

    Example: opswatch run --config opswatch.yaml
    """
    from opswatch.serve import serve
    from opswatch.settings import current_settings

    asyncio.run(serve(current_settings(config)))


def collect(
    once: bool = typer.Option(False, "--once", help="Sample the host and attempt every probe, once."),
    as_json: bool = typer.Option(False, "--json", help="Print what was found as JSON."),
    config: Path | None = CONFIG,
) -> None:
    """Collect once, for cron or a look: into the running server's spool, or into the store where none runs.

    Exit code 0 when everything was collected and kept, whatever the probes found; 1 when it could not be kept.

    Example: opswatch collect --once
    """
    if not once:
        raise ConfigurationError([Fault("say --once: `opswatch run` is what collects all the time", "command line")])
    from opswatch.collect_once import collect_once
    from opswatch.settings import current_settings

    report = asyncio.run(collect_once(current_settings(config)))
    if as_json:
        typer.echo(json.dumps(report.as_dict(), indent=2))
    else:
        for line in report.lines():
            typer.echo(line)
    sys.exit(0 if report.kept else 1)
