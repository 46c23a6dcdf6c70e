"""Fetch a report over HTTP from whatever server there is, and write it whole or not at all. Shell."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from opswatch.export_client import server_for
from opswatch.report_text import report_text
from opswatch.settings import Settings
from telemetry.errors import ServerError

_PATIENCE = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=300)


@dataclass(frozen=True, slots=True)
class ReportRequest:
    """`parameters` as `/api/v1/reports/{name}` takes them; `form` json, csv, html or text; `output` None is stdout."""

    name: str
    parameters: tuple[tuple[str, str], ...]
    form: str
    output: Path | None


async def write_report(settings: Settings, request: ReportRequest) -> None:
    """Write the report. Raises ServerError."""
    asked = "json" if request.form == "text" else request.form
    async with server_for(settings) as address, aiohttp.ClientSession(timeout=_PATIENCE) as session:
        headers = {"Authorization": f"Bearer {address.token}"} if address.token else {}
        url = f"{address.url}/api/v1/reports/{request.name}.{asked}"
        try:
            async with session.get(url, params=list(request.parameters), headers=headers) as answer:
                content = await answer.read()
                status = answer.status
        except aiohttp.ClientError as error:
            raise ServerError(
                f"the server at {address.url} could not be asked: {str(error) or type(error).__name__};"
                " check OPSWATCH_URL, or unset it to use the local data"
            ) from error
    if status != 200:
        hint = "; set OPSWATCH_TOKEN to a token of that server" if status == 401 else ""
        raise ServerError(f"{address.url} answered {status}: {_message(content)}{hint}")
    if request.form == "text":
        content = report_text(json.loads(content)).encode()
    elif request.form == "json":
        content = json.dumps(json.loads(content), indent=2, ensure_ascii=False).encode() + b"\n"
    _write(content, request.output)


def _message(content: bytes) -> str:
    try:
        return str(json.loads(content)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return "no reason given"


def _write(content: bytes, output: Path | None) -> None:
    if output is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    # Beside its place and then renamed: a file that stands there is whole.
    descriptor, temporary = tempfile.mkstemp(dir=output.parent, prefix=f".{output.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(output)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise
