"""Fetch an export over HTTP from whatever server there is, and write it whole or not at all. Shell."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import aiohttp

from opswatch.export_progress import export_progress
from opswatch.log_record import inert
from opswatch.server_client import output_stream, server_of
from opswatch.settings import Settings
from telemetry.errors import ConfigurationError, Fault, ServerError

_INCOMPLETE = b"# incomplete:"
_MAX_LINE = 4_000  # bytes of the end that are remembered; the line that says why is shorter
_PARQUET_END = b"PAR1"
_SAMPLES = "X-OpsWatch-Samples"
_LOST = "X-OpsWatch-Lost"


class ExportForm(str, Enum):  # noqa: UP042 (typer reads it so)
    """The formats of an export."""

    csv = "csv"
    parquet = "parquet"


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """`parameters` as `/api/v1/export.csv` takes them; `output` None means stdout.

    `rows_are_samples`: every line of it holds one sample, so that lines tell how far it is.
    """

    parameters: tuple[tuple[str, str], ...]
    output: Path | None
    form: ExportForm = ExportForm.csv
    rows_are_samples: bool = True


def form_of(wanted: ExportForm | None, output: Path | None) -> ExportForm:
    """The format that was asked for, else what the file's name says. Raises ConfigurationError on a terminal."""
    is_named_so = output is not None and output.suffix.lower() in {".parquet", ".pq"}
    form = wanted or (ExportForm.parquet if is_named_so else ExportForm.csv)
    if form is ExportForm.parquet and output is None and sys.stdout.isatty():
        words = "Parquet is not for a terminal: name a file with --output, or send it into a pipe"
        raise ConfigurationError([Fault(words, "command line", "--format")])
    return form


async def write_export(settings: Settings, request: ExportRequest) -> bool:
    """Write the export; False when the server had to stop in the middle and said so.

    Raises ServerError, OutputError.
    """
    to_terminal = request.output is None and sys.stdout.isatty()
    with export_progress(dict(request.parameters)["measurement"], wanted=not to_terminal) as progress:
        async with (
            server_of(settings) as server,
            server.asked("GET", f"/api/v1/export.{request.form.value}", request.parameters) as answer,
        ):
            lost = answer.headers.get(_LOST, "")
            progress.expect(_samples(answer), counted=request.rows_are_samples and request.form is ExportForm.csv)
            with output_stream(request.output) as stream:
                end = _End()
                async for piece in answer.content.iter_chunked(1 << 16):
                    stream.write(piece)
                    end.add(piece)
                    progress.add(len(piece), piece.count(b"\n"))
                if request.form is ExportForm.parquet and not end.text.endswith(_PARQUET_END):
                    raise ServerError("the export ended in the middle: try again")
        reason = end.incomplete if request.form is ExportForm.csv else ""
        progress.end(is_whole=not reason)
    if reason:
        sys.stderr.write(inert(f"opswatch: the export is incomplete: {reason}") + "\n")
    if lost:
        words = f"opswatch: samples of {lost} were lost with a damaged store, and are not in this export"
        sys.stderr.write(inert(words) + "\n")
    return not reason


def _samples(answer: aiohttp.ClientResponse) -> int | None:
    text = answer.headers.get(_SAMPLES, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


class _End:
    """The last bytes of an export, and whether they stand in a quoted cell."""

    def __init__(self) -> None:
        self.text = b""
        self._quotes = 0

    def add(self, piece: bytes) -> None:
        self._quotes += piece.count(b'"')
        self.text = (self.text + piece)[-_MAX_LINE:]

    @property
    def incomplete(self) -> str:
        """What the last line says of why the server had to stop; empty when it did not."""
        last = self.text.rstrip(b"\r\n").rsplit(b"\n", 1)[-1]
        # An odd number of quotes before it: the line is the end of a cell, which may say whatever it likes.
        if not last.startswith(_INCOMPLETE) or (self._quotes - last.count(b'"')) % 2:
            return ""
        return last[len(_INCOMPLETE) :].strip().decode("utf-8", "replace") or "no reason given"
