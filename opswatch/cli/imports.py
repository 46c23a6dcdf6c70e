"""`opswatch import`: what an embedded store holds goes into InfluxDB. Shell."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import typer

from opswatch.cli.running import CONFIG
from opswatch.log_record import inert


def register(app: typer.Typer) -> None:
    app.command(name="import")(take)


def take(
    directory: Path | None = typer.Argument(
        None, help="The data directory of the OpsWatch to take over from, or its metrics.duckdb; else this one's."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
    config: Path | None = CONFIG,
) -> None:
    """Take what an embedded store holds over into InfluxDB: samples, and the five minutes and hours of years.

    The OpsWatch that wrote it must have stopped, the one on InfluxDB may run; provision it before. What is older than
    the buckets keep stays behind. Again does no harm.

    Example: opswatch import /var/lib/opswatch
    """
    from opswatch.import_progress import shown
    from opswatch.settings import current_settings
    from opswatch.store_import import store_of, take_over
    from opswatch.system_clock import system_clock

    settings = current_settings(config)
    influx, file = store_of(settings, directory)
    with shown() as progress:
        moved = asyncio.run(take_over(settings, influx, file, system_clock(), progress))
    if as_json:
        typer.echo(json.dumps({"values": dict(moved.values), "left_out": dict(moved.left_out)}, indent=2))
    else:
        for name, count in moved.values.items():
            typer.echo(f"{name}: {count:,} {'windows of fields' if name in {'5m', '1h'} else 'values'}")
        for reason, count in moved.left_out.items():
            typer.echo(inert(f"left out, {count:,} times: {reason}"))
        where = f"InfluxDB at {influx.url}, organisation {influx.org}"
        typer.echo(inert(f"{file} is in {where}" if moved.values else f"{file} holds nothing to take over"))
