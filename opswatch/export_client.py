"""Fetch an export over HTTP from whatever server there is, and write it whole or not at all. Shell."""

# ruff: noqa: ASYNC240 (a command has nothing else on its loop that a file could hold up)

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import aiohttp

from opswatch.data_directory import DataDirectory
from opswatch.program_log import LogOptions, program_log
from opswatch.settings import Settings
from telemetry.errors import ServerError

_INCOMPLETE = b"# incomplete:"


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """`parameters` as `/api/v1/export.csv` takes them; `output` None means stdout."""

    parameters: tuple[tuple[str, str], ...]
    output: Path | None


@dataclass(frozen=True, slots=True)
class ServerAddress:
    url: str
    token: str


@asynccontextmanager
async def server_for(settings: Settings) -> AsyncIterator[ServerAddress]:
    """The server to ask: OPSWATCH_URL, else the one on the data directory, else one in this process (decision 0003)."""
    if settings.server_url is not None:
        token = settings.server_token.get_secret_value() if settings.server_token else ""
        yield ServerAddress(settings.server_url.rstrip("/"), token)
        return
    facts = DataDirectory(settings.data_dir).read_server_facts()
    if facts is not None:
        yield ServerAddress(facts.url, facts.token)
        return
    from opswatch.wiring import open_app

    with program_log(LogOptions(level="WARN", form="text", rotation_enabled=False), None) as log:
        async with open_app(settings, log, only_answering=True) as running:
            yield ServerAddress(running.url, running.token)


async def export_csv(settings: Settings, request: ExportRequest) -> bool:
    """Write the export; False when the server had to stop in the middle. Raises ServerError."""
    async with server_for(settings) as address, aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bearer {address.token}"} if address.token else {}
        try:
            async with session.get(
                f"{address.url}/api/v1/export.csv",
                params=list(request.parameters),
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=120),
            ) as answer:
                if answer.status != 200:
                    raise ServerError(await _refusal(answer))
                return await _write(answer, request.output)
        except aiohttp.ClientError as error:
            raise ServerError(
                f"the server at {address.url} could not be asked: {str(error) or type(error).__name__};"
                " check OPSWATCH_URL, or unset it to use the local data"
            ) from error


async def _refusal(answer: aiohttp.ClientResponse) -> str:
    try:
        message = str((await answer.json())["error"]["message"])
    except (ValueError, KeyError, TypeError, aiohttp.ClientError):
        message = answer.reason or "no reason given"
    hint = "; set OPSWATCH_TOKEN to a token of that server" if answer.status == 401 else ""
    return f"{answer.url.host}:{answer.url.port} answered {answer.status}: {message}{hint}"


async def _write(answer: aiohttp.ClientResponse, output: Path | None) -> bool:
    if output is None:
        return await _copy(answer, sys.stdout.buffer)
    # Beside its place and then renamed: a file that stands there is whole.
    descriptor, temporary = tempfile.mkstemp(dir=output.parent, prefix=f".{output.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            complete = await _copy(answer, stream)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(output)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise
    return complete


async def _copy(answer: aiohttp.ClientResponse, stream: BinaryIO) -> bool:
    progress = _Progress()
    tail = b""
    async for chunk in answer.content.iter_chunked(1 << 16):
        stream.write(chunk)
        tail = (tail + chunk)[-2_000:]
        progress.add(chunk)
    stream.flush()
    progress.end()
    last_line = tail.rstrip().rsplit(b"\n", 1)[-1]
    if last_line.startswith(_INCOMPLETE):
        sys.stderr.write(
            f"opswatch: the export is incomplete{last_line[len(_INCOMPLETE) - 1 :].decode('utf-8', 'replace')}\n"
        )
        return False
    return True


class _Progress:
    """Rows and megabytes on stderr, once per megabyte and only for a person."""

    def __init__(self) -> None:
        self._bytes = self._lines = self._shown = 0
        self._wanted = sys.stderr.isatty()

    def add(self, chunk: bytes) -> None:
        self._bytes += len(chunk)
        self._lines += chunk.count(b"\n")
        if self._wanted and self._bytes - self._shown >= 1_000_000:
            self._shown = self._bytes
            self._show("\r")

    def end(self) -> None:
        if self._wanted:
            self._show("\r")
            sys.stderr.write("\n")

    def _show(self, start: str) -> None:
        sys.stderr.write(f"{start}{max(self._lines - 1, 0):,} rows, {self._bytes / 1e6:.1f} MB")
        sys.stderr.flush()
