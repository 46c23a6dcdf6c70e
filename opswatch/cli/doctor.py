"""`opswatch doctor`: is everything as it should be, and if not, what to do. Shell."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from dataclasses import asdict
from pathlib import Path

import typer

from opswatch.cli.running import CONFIG
from opswatch.log_record import inert


def register(app: typer.Typer) -> None:
    app.command()(doctor)


def doctor(
    quick: bool = typer.Option(False, "--quick", help="Only ask the running server whether it is ready."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
    config: Path | None = CONFIG,
) -> None:
    """Examine the installation, the configuration, the data directory and the running server.

    Exit code 0 when nothing is wrong, 1 otherwise. `--quick` suits a container's health check.

    Example: opswatch doctor
    """
    from opswatch.examination import examine

    logging.getLogger().addHandler(logging.NullHandler())  # what is wrong is a finding, and said once
    findings = asyncio.run(examine(config, quick=quick))
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            mark = {"ok": "ok  ", "warning": "note", "failed": "FAIL"}[finding.verdict]
            typer.echo(inert(f"{mark}  {finding.subject}: {finding.message}"))
    sys.exit(1 if any(finding.verdict == "failed" for finding in findings) else 0)
