"""`opswatch export`: series as CSV, from a running server or from the store itself. Shell."""

from __future__ import annotations

import asyncio
import sys
from enum import Enum
from pathlib import Path

import typer

from opswatch.cli.running import CONFIG


class Shape(str, Enum):
    """The shapes as the command line takes them."""

    long = "long"
    wide = "wide"


def register(app: typer.Typer) -> None:
    app.command()(export)


def export(
    measurement: str = typer.Argument(help="What to export: cpu, mem, disk, net, system, probe, ..."),
    field: list[str] = typer.Option([], "--field", "-f", help="A field; may be given several times. Else all."),
    where: list[str] = typer.Option(
        [], "--where", "-w", help="tag:value, tag!:value, tag~:regex or tag|:one|other; all must hold."
    ),
    start: str = typer.Option("-1h", "--start", help="RFC 3339, unix seconds, or relative as -7d."),
    stop: str = typer.Option("now", "--stop", help="As --start; not included."),
    every: str | None = typer.Option(None, "--every", help="One value per window of this length, as 5m."),
    function: list[str] = typer.Option([], "--fn", help="With --every: mean, min, max, sum, count, rate, ..."),
    shape: Shape = typer.Option(Shape.long, "--shape", help="A row per value, or a column per field."),
    output: Path | None = typer.Option(None, "--output", "-o", help="The file to write; else stdout."),
    config: Path | None = CONFIG,
) -> None:
    """Export series as CSV (RFC 4180), with progress on stderr.

    Asks the server that OPSWATCH_URL names, else the one that runs on this data directory, else opens the store.

    Example: opswatch export probe --field latency_ms --where service:checkout --start=-7d -o checkout.csv
    """
    from opswatch.export_client import ExportRequest, export_csv
    from opswatch.settings import current_settings

    request = ExportRequest(
        (
            ("measurement", measurement),
            *(("field", name) for name in field),
            *(("where", condition) for condition in where),
            ("start", start),
            ("stop", stop),
            *((("every", every),) if every else ()),
            *(("fn", name) for name in function),
            ("shape", shape.value),
        ),
        output,
    )
    complete = asyncio.run(export_csv(current_settings(config), request))
    sys.exit(0 if complete else 1)
