"""What commands need to ask whatever server there is, and to write its answer whole or not at all. Shell."""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO

import aiohttp

from opswatch.data_directory import DataDirectory
from opswatch.program_log import LogOptions, program_log
from opswatch.settings import Settings
from telemetry.errors import OutputError, ServerError

_SILENCE = timedelta(minutes=5)  # how long nothing may come


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


class Server:
    """A server that is asked over one session; get it from `server_of`."""

    def __init__(self, address: ServerAddress, session: aiohttp.ClientSession) -> None:
        self._address = address
        self._session = session

    @asynccontextmanager
    async def asked(
        self, method: str, path: str, parameters: Sequence[tuple[str, str]] = (), body: Mapping[str, Any] | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer, its body still to be read. Raises ServerError for a refusal, and for a connection that ends."""
        url = self._address.url
        try:
            async with self._session.request(method, url + path, params=list(parameters), json=body) as answer:
                if answer.status >= 400:
                    raise await _refusal(answer, url)
                yield answer
        except aiohttp.ClientPayloadError as error:
            raise ServerError(f"the answer of {url} ended in the middle: try again") from error
        except (aiohttp.ClientError, ConnectionResetError, TimeoutError) as error:
            raise ServerError(
                f"the server at {url} could not be asked: {str(error) or type(error).__name__};"
                " check OPSWATCH_URL, or unset it to use the local data"
            ) from error

    async def json(
        self, method: str, path: str, parameters: Sequence[tuple[str, str]] = (), body: Mapping[str, Any] | None = None
    ) -> Any:
        """The answer read as JSON; None where it has no body. Raises ServerError."""
        async with self.asked(method, path, parameters, body) as answer:
            content = await answer.read()
        try:
            return json.loads(content) if content else None
        except ValueError as error:
            raise ServerError(f"{self._address.url} is no OpsWatch: its answer is not JSON") from error


@asynccontextmanager
async def server_of(settings: Settings, silence: timedelta = _SILENCE) -> AsyncIterator[Server]:
    """The server to ask, and a session with it that bears so long a silence."""
    patience = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=silence.total_seconds())
    async with server_for(settings) as address:
        headers = {"Authorization": f"Bearer {address.token}"} if address.token else {}
        async with aiohttp.ClientSession(timeout=patience, headers=headers) as session:
            yield Server(address, session)


@contextmanager
def output_stream(output: Path | None) -> Iterator[BinaryIO]:
    """Where a command writes what was asked for; None or `-` is stdout.

    A file is written beside its place and then renamed: what stands there is whole, and when the block raises,
    nothing has changed. A device or a pipe is written directly. Raises OutputError, BrokenPipeError.
    """
    try:
        if output is None or str(output) == "-":
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        elif output.exists() and not output.is_file():
            with output.open("wb") as stream:
                yield stream
        else:
            with _replacing(output.resolve()) as stream:
                yield stream
    except (BrokenPipeError, TimeoutError, aiohttp.ClientError):  # some of which are OSErrors, but none of the output's
        raise
    except OSError as error:
        name = "stdout" if output is None else str(output)
        raise OutputError(f"{name} cannot be written: {error.strerror or error}", field="output", value=name) from error


@contextmanager
def _replacing(output: Path) -> Iterator[BinaryIO]:
    temporary = output.with_name(f".{output.name[:200]}.{secrets.token_hex(6)}")
    try:
        # Not tempfile, whose files are 0600 for good: this one is as readable as the umask says.
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666), "wb") as stream:
            yield stream
        temporary.replace(output)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


async def _refusal(answer: aiohttp.ClientResponse, url: str) -> ServerError:
    code = ""
    try:
        error = (await answer.json())["error"]
        message, code = str(error["message"]), str(error["code"])
    except (ValueError, KeyError, TypeError, aiohttp.ClientError):
        message = answer.reason or "no reason given"
    hint = "; set OPSWATCH_TOKEN to a token of that server" if answer.status == 401 else ""
    hint = "; set OPSWATCH_TOKEN to a token of that server with this role" if answer.status == 403 else hint
    return ServerError(f"{url} answered {answer.status}: {message}{hint}", refusal=code)
