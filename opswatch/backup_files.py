"""Copy, name and compare the files of a data directory and of a backup. Shell."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import BinaryIO

from opswatch.backup_manifest import FOLDERS, KEYS, MANIFEST, MAX_MANIFEST_BYTES, Manifest, is_path_in_backup
from opswatch.backup_manifest import parse_manifest as parse
from telemetry.errors import BackupError

CHUNK = 1 << 20
_FLUSH_EVERY = 1 << 26  # bytes; else a slow disk takes all of a large file at its end, and whoever sends waits for it
Advance = Callable[[int], None]  # is told of every stretch of bytes that is done


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy a SQLite file as of one moment, whoever writes to it meanwhile. Raises sqlite3.Error."""
    # Made before SQLite does, so that it is never readable by others.
    os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    with closing(sqlite3.connect(source, timeout=10)) as origin, closing(sqlite3.connect(target)) as copy:
        origin.backup(copy)


def copy_file(source: Path, target: Path) -> None:
    """Copy the bytes of a file; mode 0600."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    shutil.copyfile(source, target)
    target.chmod(0o600)


def link_file(source: Path, target: Path) -> None:
    """Give a file that is never changed in place another name, or copy it where that is not possible."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        copy_file(source, target)


def transfer_folder(root: Path, folder: str, target: Path, transfer: Callable[[Path, Path], None]) -> None:
    """Copy or link every file of one folder below `root`; one that is deleted meanwhile is left out."""
    for path in files_of(root, folder):
        with suppress(FileNotFoundError):
            transfer(root / path, target / path)


def files_of(root: Path, folder: str) -> list[str]:
    """The files of one folder that belong into a backup, as paths below `root`."""
    found = (file.relative_to(root).as_posix() for file in sorted((root / folder).rglob("*")) if is_plain_file(file))
    return [path for path in found if is_path_in_backup(path)]


def staged_files(root: Path) -> list[str]:
    """Every file of a copy that is being made; what must be there first stands first."""
    top = [file.name for file in sorted(root.iterdir()) if is_plain_file(file) and is_path_in_backup(file.name)]
    return [*top, *(path for folder in (*FOLDERS, KEYS) for path in files_of(root, folder))]


def is_plain_file(path: Path) -> bool:
    """Whether it is a file, and no link to one."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def open_plain(path: Path) -> BinaryIO:
    """Open a file that is no link, no pipe and no device. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path} is no file")
    return os.fdopen(descriptor, "rb")


def chunks_of(stream: BinaryIO) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK):
        yield chunk


def sha256_of(path: Path, advance: Advance = lambda _: None) -> tuple[int, str]:
    """A file's size and SHA-256. Raises OSError."""
    digest, size = hashlib.sha256(), 0
    with open_plain(path) as stream:
        for chunk in chunks_of(stream):
            digest.update(chunk)
            size += len(chunk)
            advance(len(chunk))
    return size, digest.hexdigest()


def write_durably(target: Path, chunks: Iterable[bytes], advance: Advance = lambda _: None) -> tuple[int, str]:
    """Write a new file, readable by its owner alone, onto the disk itself; its size and SHA-256. Raises OSError."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    digest, size, unflushed = hashlib.sha256(), 0, 0
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        for chunk in chunks:
            stream.write(chunk)
            digest.update(chunk)
            size += len(chunk)
            advance(len(chunk))
            unflushed += len(chunk)
            if unflushed >= _FLUSH_EVERY:
                os.fdatasync(stream.fileno())
                unflushed = 0
        stream.flush()
        os.fsync(stream.fileno())
    return size, digest.hexdigest()


def sync_folders(root: Path) -> None:
    """Make the names below a folder, and its own, survive the loss of power."""
    for folder in (root.parent, root, *(path for path in root.rglob("*") if path.is_dir())):
        sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Make the names in one folder survive the loss of power."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_manifest(folder: Path) -> Manifest:
    """What the backup in a folder says of itself. Raises BackupError: no folder, no whole backup, a later format."""
    if folder.is_file():
        raise BackupError(
            f"{folder} is a file: unpack it into an empty folder first (mkdir NEW && tar -xf {folder.name} -C NEW)",
            value=str(folder),
        )
    if not folder.is_dir():
        raise BackupError(f"there is no folder {folder}", value=str(folder))
    file = folder / MANIFEST
    try:
        with open_plain(file) as stream:
            text = stream.read(MAX_MANIFEST_BYTES + 1)
    except FileNotFoundError as error:
        raise BackupError(
            f"{folder} has no {MANIFEST}, so it is no backup, or one that was cut off: use another", value=str(folder)
        ) from error
    except OSError as error:
        raise BackupError(f"{file} cannot be read: {error.strerror or error}", value=str(file)) from error
    if len(text) > MAX_MANIFEST_BYTES:
        raise BackupError(f"{file} is larger than any manifest", value=str(file))
    return parse(text, str(file))
