"""`opswatch export`: series as CSV or Parquet, from a running server or from the store itself. Shell."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path

import typer

from opswatch.cli.running import CONFIG

Given = dict[str, str | int | list[str] | None]


class Shape(str, Enum):
    """The shapes as the command line takes them."""

    long = "long"
    wide = "wide"


class Format(str, Enum):
    """The formats as the command line takes them."""

    csv = "csv"
    parquet = "parquet"


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
    limit: int | None = typer.Option(None, "--limit", min=1, help="At most so many samples of each series."),
    latest: bool = typer.Option(False, "--latest", help="Only the newest sample of each series."),
    every: str | None = typer.Option(None, "--every", help="One value per window of this length, as 5m."),
    fn: list[str] = typer.Option([], "--fn", help="With --every: mean, min, max, sum, count, rate, ..."),
    q: list[str] = typer.Option([], "--quantile", "-q", help="With --every, instead of --fn: as 0.95."),
    group_by: list[str] = typer.Option([], "--group-by", "-g", help="With --every: one series per value of this tag."),
    group_fn: str | None = typer.Option(None, "--group-fn", help="With --group-by: sum, mean, min, max, ..."),
    top: int | None = typer.Option(
        None, "--top", min=1, help="With --every: only the series with the greatest values."
    ),
    shape: Shape = typer.Option(Shape.long, "--shape", help="A row per value, or a column per field."),
    form: Format | None = typer.Option(None, "--format", help="Else by the suffix of --output, else csv."),
    output: Path | None = typer.Option(None, "--output", "-o", help="The file to write; else stdout."),
    config: Path | None = CONFIG,
) -> None:
    """Export series as CSV (RFC 4180) or Parquet, with progress on stderr.

    Asks the server that OPSWATCH_URL names, else the one that runs on this data directory, else opens the store.
    Exit code 0 when everything is there, 1 when not; a file that stands there then is as it was before.

    Example: opswatch export probe --field latency_ms --where service:checkout --start=-7d -o checkout.parquet
    """
    which: Given = {"measurement": measurement, "field": field, "where": where, "start": start, "stop": stop}
    windows: Given = {"every": every, "fn": fn, "q": q, "group_by": group_by, "group_fn": group_fn, "top": top}
    further: Given = {"limit": limit, "latest": "true" if latest else None, "shape": shape.value}
    _export(tuple(_pairs(which | windows | further)), form, None if str(output) == "-" else output, config)


def _pairs(given: Given) -> Iterator[tuple[str, str]]:
    for name, value in given.items():
        if isinstance(value, list):
            yield from ((name, one) for one in value)
        elif value is not None:
            yield name, str(value)


def _export(
    parameters: tuple[tuple[str, str], ...], form: Format | None, output: Path | None, config: Path | None
) -> None:
    from opswatch.export_client import ExportForm, ExportRequest, form_of, write_export
    from opswatch.settings import current_settings

    wanted = form_of(None if form is None else ExportForm(form.value), output)
    request = ExportRequest(parameters, output, wanted, rows_are_samples=("shape", "long") in parameters)
    sys.exit(0 if asyncio.run(write_export(current_settings(config), request)) else 1)
