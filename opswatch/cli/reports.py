"""`opswatch report`: a period against the one before it, from a running server or from the store itself. Shell."""

from __future__ import annotations

import asyncio
from enum import Enum
from pathlib import Path

import typer

from opswatch.cli.running import CONFIG


class Name(str, Enum):
    """The reports as the command line names them."""

    trend = "trend"
    availability = "availability"


class Form(str, Enum):
    """How a report is written."""

    text = "text"
    json = "json"
    csv = "csv"
    html = "html"


def register(app: typer.Typer) -> None:
    app.command()(report)


def report(
    name: Name = typer.Argument(help="trend: latency and host; availability: states and outages."),
    start: str | None = typer.Option(None, "--start", help="RFC 3339, a date (its midnight), or relative as -7d."),
    stop: str | None = typer.Option(None, "--stop", help="As --start; not included."),
    period: str | None = typer.Option(
        None, "--period", help="Instead of both: today, yesterday, 7d, 30d, last-month. Else 7d."
    ),
    form: Form = typer.Option(
        Form.text, "--format", help="html is one file with its styles in it, to keep or to send."
    ),
    as_json: bool = typer.Option(False, "--json", help="The same as --format json."),
    output: Path | None = typer.Option(None, "--output", "-o", help="The file to write; else stdout."),
    config: Path | None = CONFIG,
) -> None:
    """Say what a period was like, against the one of the same length before it.

    Asks the server that OPSWATCH_URL names, else the one that runs on this data directory, else opens the store.

    Example: opswatch report availability --period last-month --format html -o availability.html
    """
    from opswatch.report_client import ReportRequest, write_report
    from opswatch.settings import current_settings

    given = (("start", start), ("stop", stop), ("period", period))
    parameters = tuple((key, value) for key, value in given if value is not None)
    request = ReportRequest(name.value, parameters, Form.json.value if as_json else form.value, output)
    asyncio.run(write_report(current_settings(config), request))
