"""Fetch a report over HTTP from whatever server there is, and write it whole or not at all. Shell."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from opswatch.report_text import report_text
from opswatch.server_client import output_stream, server_of
from opswatch.settings import Settings


@dataclass(frozen=True, slots=True)
class ReportRequest:
    """`parameters` as `/api/v1/reports/{name}` takes them; `form` json, csv, html or text; `output` None is stdout."""

    name: str
    parameters: tuple[tuple[str, str], ...]
    form: str
    output: Path | None


async def write_report(settings: Settings, request: ReportRequest) -> None:
    """Write the report. Raises ServerError, OutputError."""
    asked = "json" if request.form == "text" else request.form
    path = f"/api/v1/reports/{request.name}.{asked}"
    async with server_of(settings) as server:
        if asked == "json":
            report = await server.json("GET", path, request.parameters)
            text = report_text(report) if request.form == "text" else json.dumps(report, indent=2, ensure_ascii=False)
            content = (text.rstrip("\n") + "\n").encode("utf-8", "replace")
        else:
            async with server.asked("GET", path, request.parameters) as answer:
                content = await answer.read()
    with output_stream(request.output) as stream:
        stream.write(content)
