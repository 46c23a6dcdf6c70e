"""Fetch a backup over HTTP from whatever server there is; only a whole one has a manifest. Shell.

Every file is compared with its sum while it is written; the manifest comes last.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO

import aiohttp

from opswatch.backup_files import Advance, read_manifest, sync_folders, write_durably
from opswatch.backup_manifest import (
    MANIFEST,
    MAX_MANIFEST_BYTES,
    Manifest,
    is_path_in_backup,
    parse_manifest,
)
from opswatch.data_directory import DataDirectory, write_atomically
from opswatch.restore import Stage
from opswatch.server_client import server_of
from opswatch.settings import Settings
from telemetry.errors import BackupError, ServerError

# The copy of a large store takes its time before the first byte of it comes.
_SILENCE = timedelta(hours=1)
_READ = 1 << 20


@dataclass(frozen=True, slots=True)
class BackupRequest:
    """Where the backup goes, and whether the private keys are to be in it."""

    target: Path
    with_keys: bool


async def fetch_backup(settings: Settings, request: BackupRequest, stage: Stage) -> Manifest:
    """Make a backup in a new or empty folder. Raises BackupError for the folder, ServerError for the server."""
    _check_target(request.target, settings)
    async with server_of(settings, silence=_SILENCE) as server:
        stage("copying", 0)
        parameters = [("with_keys", "true" if request.with_keys else "false")]
        async with server.asked("POST", "/api/v1/backup", parameters) as answer:
            return await _receive(answer, request.target, stage)


async def _receive(answer: aiohttp.ClientResponse, target: Path, stage: Stage) -> Manifest:
    size = answer.content_length or 0
    _check_room(target, size)
    reader = _BlockingReader(answer.content, asyncio.get_running_loop(), stage("receiving", size))
    return await asyncio.to_thread(_unpack, reader, target)


class _BlockingReader:
    """What arrives on the event loop, for a thread that reads it."""

    def __init__(self, content: aiohttp.StreamReader, loop: asyncio.AbstractEventLoop, advance: Advance) -> None:
        self._content = content
        self._loop = loop
        self._advance = advance

    def read(self, size: int) -> bytes:
        """At least one byte, except at the end."""
        piece = asyncio.run_coroutine_threadsafe(self._content.read(size), self._loop).result()
        self._advance(len(piece))
        return piece


def _unpack(reader: _BlockingReader, target: Path) -> Manifest:
    try:
        with _filling(target):
            found: dict[str, tuple[int, str]] = {}
            text = b""
            with tarfile.open(fileobj=reader, mode="r|", bufsize=_READ) as archive:  # type: ignore[call-overload]
                for member in archive:
                    if text or not member.isreg():
                        raise BackupError(f"the server sent {member.name[:200]!r}, which has no place in a backup")
                    content = archive.extractfile(member)
                    assert content is not None  # of a regular member
                    if member.name == MANIFEST:
                        text = content.read(MAX_MANIFEST_BYTES)
                    else:
                        found[member.name] = _write(target, member.name, content)
            return _finish(target, text, found)
    except tarfile.TarError as error:
        raise ServerError(f"the server ended the backup early, or sent something else: {error}") from error
    except concurrent.futures.CancelledError as error:
        raise BackupError(f"the backup was stopped; {target} is as it was before") from error


def _write(target: Path, name: str, content: IO[bytes]) -> tuple[int, str]:
    # Whoever answers is believed nothing: no name leads out of the folder, and none comes twice.
    if not is_path_in_backup(name):
        raise BackupError(f"the server sent {name[:200]!r}, which has no place in a backup")
    try:
        return write_durably(target / name, iter(lambda: content.read(_READ), b""))
    except OSError as error:
        if isinstance(error, aiohttp.ClientError | ConnectionError):  # of what is read, not of what is written
            raise
        raise BackupError(f"{target / name} cannot be written: {error.strerror or error}", value=str(target)) from error


def _finish(target: Path, text: bytes, found: dict[str, tuple[int, str]]) -> Manifest:
    if not text:
        raise ServerError("the server ended the backup early: its manifest, which comes last, is missing")
    manifest = parse_manifest(text, MANIFEST)
    wrong = [file.path for file in manifest.files if found.get(file.path) != (file.size, file.sha256)]
    wrong += sorted(found.keys() - {file.path for file in manifest.files})
    if wrong:
        raise ServerError(f"what has arrived is not what the server has sent: {', '.join(wrong[:5])}")
    sync_folders(target)
    write_atomically(target / MANIFEST, text.decode())
    sync_folders(target)
    return manifest


def _check_target(target: Path, settings: Settings) -> None:
    if target.exists() and not target.is_dir():
        raise BackupError(f"{target} is no folder: name a new one", value=str(target))
    directory = DataDirectory(settings.data_dir)
    root = directory.root.resolve()
    if target.resolve() == root or root in target.resolve().parents:
        raise BackupError(f"{target} is in the data directory {root}, and would be lost with it", value=str(target))
    if settings.server_url is None and directory.version() is None:
        # Else the command would make a new data directory and back up nothing.
        raise BackupError(
            f"there is no data in {root}: run this where `opswatch run` is run, or name its data with"
            " OPSWATCH_DATA_DIR, or its server with OPSWATCH_URL",
            value=str(root),
        )
    if not target.exists() or not any(target.iterdir()):
        return
    try:
        words = f"a backup of {read_manifest(target).began:%Y-%m-%d %H:%M:%S} UTC"
    except BackupError:
        words = min(path.name for path in target.iterdir())
    raise BackupError(f"{target} is not empty, it holds {words}: name a new folder", value=str(target))


def _check_room(target: Path, size: int) -> None:
    place = next(path for path in (target.absolute(), *target.absolute().parents) if path.exists())
    free = shutil.disk_usage(place).free
    if free < size:
        raise BackupError(
            f"the backup has {size / 1e6:,.1f} MB, and {free / 1e6:,.1f} MB are free for {target}:"
            " name a folder on another disk",
            value=str(target),
        )


@contextmanager
def _filling(target: Path) -> Iterator[None]:
    """A new or empty folder is filled as long as the block runs; what fails leaves it as it was."""
    was_there = target.exists()
    try:
        target.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise BackupError(f"{target} cannot be made: {error.strerror}", value=str(target)) from error
    try:
        yield
    except BaseException:
        for path in target.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        if not was_there:
            target.rmdir()
        raise
