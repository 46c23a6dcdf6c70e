"""Bring a data directory of an older version forward, step by step, after a copy of it was made beside. Shell.

A copy is whole when its folder has its name, and a step may be taken twice: whoever is killed at any moment goes on at
the next start, and never copies what is half migrated.
"""

from __future__ import annotations

import logging
import shutil
import socket
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from opswatch.backup_files import (
    copy_file,
    copy_sqlite,
    is_plain_file,
    link_file,
    sha256_of,
    staged_files,
    sync_folder,
    sync_folders,
    transfer_folder,
)
from opswatch.backup_manifest import FORMAT, KEYS, LEFT_OUT, MANIFEST, VERSION_FILE, BackedUpFile, Manifest
from opswatch.data_directory import VERSION, DataDirectory, write_atomically
from opswatch.version import VERSION as PROGRAM_VERSION
from telemetry.errors import DataDirectoryError, StoreDamaged

logger = logging.getLogger(__name__)

_UNDER_WAY = ".migrating"  # the copy is whole, the steps are not all taken; it holds the version that they lead to


def ensure_current(directory: DataDirectory, now: datetime) -> None:
    """For commands that use one file beside a server or without one: bring an older directory forward.

    Raises DataDirectoryTooNew, DataDirectoryInUse, DataDirectoryError.
    """
    directory.prepare()
    if directory.version() not in {None, VERSION}:
        with directory.held():
            bring_forward(directory, now)


def bring_forward(directory: DataDirectory, now: datetime) -> None:
    """Bring a directory that is held to this version; `backup-VERSION/` holds it as it was.

    Blocks for as long as the copy takes. Raises DataDirectoryError when there is no room for it, and what opening its
    files raises.
    """
    version, marker = directory.version(), directory.root / _UNDER_WAY
    if version is None or version == VERSION:
        marker.unlink(missing_ok=True)
        return
    if not marker.exists() or marker.read_text(encoding="utf-8").strip() != str(VERSION):
        copy = _copy(directory, version, now)
        logger.warning(
            "the data directory is of an older version; a copy was made before it is brought forward",
            extra={"path": str(copy), "version": version, "to": VERSION},
        )
        write_atomically(marker, f"{VERSION}\n")
        sync_folder(directory.root)
    for step in range(version, VERSION):
        _STEPS[step](directory)
        directory.write_version(step + 1)
        logger.warning("the data directory was brought forward", extra={"version": step + 1})
    marker.unlink()


def _to_version_2(directory: DataDirectory) -> None:
    """Levels, day marks and lost periods in the store; learned measurements in the state."""
    from embedded.engine import EngineOptions, open_engine
    from opswatch.state import migrate_state

    if directory.state.exists():
        migrate_state(directory.state)
    if directory.metrics.exists():
        # A damaged one is set aside, and filled again, when the store is opened.
        with suppress(StoreDamaged):
            open_engine(directory.metrics, EngineOptions()).close()


_STEPS: Mapping[int, Callable[[DataDirectory], None]] = {1: _to_version_2}


def _copy(directory: DataDirectory, version: int, now: datetime) -> Path:
    """A backup of everything, keys too, as a folder of the directory itself."""
    root, place = directory.root, _free_place(directory.root, version)
    partial = root / f".{place.name}.partial"
    try:
        shutil.rmtree(partial, ignore_errors=True)
        _check_room(directory)
        partial.mkdir(mode=0o700)
        for database in (directory.state, directory.spool):
            if database.exists():
                _copy_database(database, partial / database.name)
        for file in (directory.metrics, directory.metrics.with_name(directory.metrics.name + ".wal")):
            if file.exists():
                copy_file(file, partial / file.name)
        for folder in ("quarantine", KEYS):
            transfer_folder(root, folder, partial, copy_file)
        transfer_folder(root, "archive", partial, link_file)
        copy_file(root / VERSION_FILE, partial / VERSION_FILE)
        write_atomically(partial / MANIFEST, _manifest(partial, version, now).text())
        sync_folders(partial)
        partial.rename(place)
        sync_folder(root)
    except OSError as error:
        raise DataDirectoryError(
            f"{root} has version {version}, and the copy that is made before it is brought forward failed:"
            f" {error.strerror or error}; make room there, and start again",
            field="data_dir",
            value=str(root),
        ) from error
    return place


def _copy_database(source: Path, target: Path) -> None:
    try:
        copy_sqlite(source, target)
    except sqlite3.DatabaseError:  # damaged: whoever opens it says so, and the copy is as it was
        target.unlink(missing_ok=True)
        copy_file(source, target)


def _free_place(root: Path, version: int) -> Path:
    # There is one already where somebody went back to the older version, and now comes again.
    place, number = root / f"backup-{version}", 1
    while place.exists():
        number += 1
        place = root / f"backup-{version}-{number}"
    return place


def _check_room(directory: DataDirectory) -> None:
    copied = [file for file in directory.root.iterdir() if is_plain_file(file)]
    for folder in ("quarantine", KEYS):
        copied += [file for file in (directory.root / folder).rglob("*") if is_plain_file(file)]
    needed = sum(file.stat().st_size for file in copied)
    free = shutil.disk_usage(directory.root).free
    if free < needed:
        raise OSError(f"it needs {needed / 1e6:,.1f} MB, and {free / 1e6:,.1f} MB are free")


def _manifest(folder: Path, version: int, now: datetime) -> Manifest:
    files = []
    for path in staged_files(folder):
        size, sha256 = sha256_of(folder / path)
        files.append(BackedUpFile(path=path, size=size, sha256=sha256))
    return Manifest(
        format=FORMAT,
        opswatch=PROGRAM_VERSION,
        data_version=version,
        began=now,
        made=now,
        host=socket.gethostname(),
        configuration=None,
        keys=True,
        left_out=LEFT_OUT,
        files=tuple(files),
    )
