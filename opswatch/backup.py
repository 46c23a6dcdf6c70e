"""A consistent copy of the data directory under a running server, as a tar file that ends with its manifest. Shell.

What goes from one file to another while the copy is made is found in one of both, by the order in which they are
copied: points go from the spool to the store or to quarantine, and from quarantine to the store; what the store holds
of learned measurements is in the state before.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
import shutil
import sqlite3
import tarfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Protocol

from collector.disk_room import DiskRoom, megabytes
from collector.quarantine_files import DayFiles
from opswatch.backup_files import CHUNK, copy_file, copy_sqlite, files_of, link_file, staged_files, transfer_folder
from opswatch.backup_manifest import (
    FORMAT,
    KEYS,
    KEYS_LEFT_OUT,
    LEFT_OUT,
    MANIFEST,
    METRICS_LEFT_OUT,
    VERSION_FILE,
    BackedUpFile,
    Manifest,
)
from opswatch.data_directory import VERSION, DataDirectory
from opswatch.version import VERSION as PROGRAM_VERSION
from telemetry.clock import Clock
from telemetry.errors import Conflict, DiskLow, StoreUnavailable

logger = logging.getLogger(__name__)
InThread = Callable[[Callable[[], None]], asyncio.Future[None]]

_PREFIX = ".backup-"  # below exports/, where the store may write
_NO_SHA256 = "0" * 64


class CopiedStore(Protocol):
    """A store that can be copied while it is used."""

    async def copy_to(self, target: Path) -> None:
        """A whole copy as of now. Raises StoreUnavailable."""
        ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a manifest says besides the files."""

    host: str
    configuration: Path | None
    clock: Clock


class Backups:
    """Implements `api.doors.BackupDesk`. One backup at a time; the copy lies below `exports/` as long as it is sent.

    `store` is None where the measurements are not in the data directory.
    """

    def __init__(
        self, directory: DataDirectory, store: CopiedStore | None, room: DiskRoom, about: Surroundings
    ) -> None:
        self._directory = directory
        self._store = store
        self._room = room
        self._about = about
        self._alone = asyncio.Lock()
        for leftover in directory.exports.glob(f"{_PREFIX}*"):  # of a process that was killed
            shutil.rmtree(leftover, ignore_errors=True)

    @asynccontextmanager
    async def prepared(self, *, with_keys: bool) -> AsyncIterator[PreparedBackup]:
        """A copy, to be sent by its `pieces` as long as the block runs.

        Raises Conflict while another backup is under way, DiskLow, StoreUnavailable.
        """
        if self._alone.locked():
            raise Conflict("a backup is under way already: try again when it has ended")
        async with self._alone:
            staging = self._directory.exports / f"{_PREFIX}{secrets.token_hex(4)}"
            # One thread: what is still being copied for somebody who has left ends before it is removed.
            with ThreadPoolExecutor(1, "backup") as thread:
                in_thread = partial(asyncio.get_running_loop().run_in_executor, thread)
                try:
                    manifest = await self._copy(staging, in_thread, with_keys=with_keys)
                    yield PreparedBackup(staging, manifest)
                finally:
                    await in_thread(partial(shutil.rmtree, staging, ignore_errors=True))

    async def _copy(self, staging: Path, in_thread: InThread, *, with_keys: bool) -> Manifest:
        directory, root, began = self._directory, self._directory.root, self._about.clock.now()
        try:
            await in_thread(self._check_room)
            await in_thread(partial(staging.mkdir, mode=0o700))
            # The order matters: see the module.
            await in_thread(partial(copy_sqlite, directory.spool, staging / directory.spool.name))
            await in_thread(partial(_copy_quarantine, root, staging))
            await self._copy_metrics(staging, in_thread)
            await in_thread(partial(transfer_folder, root, "archive", staging, link_file))
            await in_thread(partial(copy_sqlite, directory.state, staging / directory.state.name))
            if with_keys:
                await in_thread(partial(transfer_folder, root, KEYS, staging, copy_file))
            await in_thread(partial(copy_file, root / VERSION_FILE, staging / VERSION_FILE))
            return self._manifest(staging, began, with_keys=with_keys)
        except (OSError, sqlite3.Error) as error:
            raise StoreUnavailable(f"the backup cannot be made: {error}") from error

    async def _copy_metrics(self, staging: Path, in_thread: InThread) -> None:
        metrics = self._directory.metrics
        if self._store is not None:
            return await self._store.copy_to(staging / metrics.name)
        # The measurements are elsewhere; what was kept here before nobody has open.
        for file in (metrics, metrics.with_name(f"{metrics.name}.wal")):
            if file.exists():
                await in_thread(partial(copy_file, file, staging / file.name))
        return None

    def _left_out(self, *, with_keys: bool) -> tuple[str, ...]:
        metrics = () if self._store is not None else (METRICS_LEFT_OUT,)
        return (*metrics, *LEFT_OUT) if with_keys else (*metrics, *LEFT_OUT, KEYS_LEFT_OUT)

    def _check_room(self) -> None:
        self._room.check("backups")
        root, databases = self._directory.root, (self._directory.spool, self._directory.metrics, self._directory.state)
        copied = [file.with_name(file.name + suffix) for file in databases for suffix in ("", ".wal", "-wal")]
        copied += [root / path for path in files_of(root, "quarantine")]
        needed = sum(file.stat().st_size for file in copied if file.exists())
        figures = self._room.figures()
        if figures.filesystem.free - needed < figures.reserve:
            raise DiskLow(
                f"a backup needs {megabytes(needed)} for a copy of the store in {self._directory.exports}: {figures}",
                field="data_dir",
                value=str(self._directory.root),
            )

    def _manifest(self, staging: Path, began: datetime, *, with_keys: bool) -> Manifest:
        # Its sums come when the files are read to be sent; it is as long then as it is now.
        files = tuple(
            BackedUpFile(path=path, size=(staging / path).stat().st_size, sha256=_NO_SHA256)
            for path in staged_files(staging)
        )
        return Manifest(
            format=FORMAT,
            opswatch=PROGRAM_VERSION,
            data_version=VERSION,
            began=began,
            made=self._about.clock.now(),
            host=self._about.host,
            configuration=None if self._about.configuration is None else str(self._about.configuration.absolute()),
            keys=with_keys,
            left_out=self._left_out(with_keys=with_keys),
            files=files,
        )


class PreparedBackup:
    """Implements `api.doors.PreparedBackup`: a copy that is ready to be sent."""

    def __init__(self, staging: Path, manifest: Manifest) -> None:
        self._staging = staging
        self._manifest = manifest
        self._headers = {file.path: _header(file.path, file.size, manifest) for file in manifest.files}
        self._headers[MANIFEST] = _header(MANIFEST, len(manifest.text().encode()), manifest)

    @property
    def name(self) -> str:
        """What the file may be called."""
        return f"opswatch-{self._manifest.began:%Y%m%dT%H%M%SZ}.tar"

    @property
    def size(self) -> int:
        """Of the tar file, in bytes."""
        contents = [file.size for file in self._manifest.files] + [len(self._manifest.text().encode())]
        return sum(map(len, self._headers.values())) + sum(map(_padded, contents)) + 2 * tarfile.BLOCKSIZE

    async def pieces(self) -> AsyncGenerator[bytes]:
        """The tar file, with flat memory; the manifest is its last member. Raises StoreUnavailable."""
        pieces = self._pieces()
        try:
            while piece := await asyncio.to_thread(next, pieces, b""):
                yield piece
        except OSError as error:
            raise StoreUnavailable(f"the backup cannot be read: {error}") from error

    def _pieces(self) -> Iterator[bytes]:
        files = []
        for file in self._manifest.files:
            yield self._headers[file.path]
            digest, size = hashlib.sha256(), 0
            with (self._staging / file.path).open("rb") as stream:
                while chunk := stream.read(CHUNK):
                    digest.update(chunk)
                    size += len(chunk)
                    yield chunk
            if size != file.size:
                raise StoreUnavailable(f"{file.path} changed while it was sent")
            if padding := bytes(_padded(size) - size):
                yield padding
            files.append(BackedUpFile(path=file.path, size=size, sha256=digest.hexdigest()))
        text = self._manifest.model_copy(update={"files": tuple(files)}).text().encode()
        yield self._headers[MANIFEST] + text + bytes(_padded(len(text)) - len(text) + 2 * tarfile.BLOCKSIZE)


def _copy_quarantine(root: Path, staging: Path) -> None:
    with DayFiles(root / "quarantine").locked():
        transfer_folder(root, "quarantine", staging, copy_file)


def _header(path: str, size: int, manifest: Manifest) -> bytes:
    member = tarfile.TarInfo(path)
    member.size, member.mode, member.mtime = size, 0o600, int(manifest.made.timestamp())
    return member.tobuf(tarfile.PAX_FORMAT)


def _padded(size: int) -> int:
    return -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
