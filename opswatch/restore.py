"""Put a backup in the place of a data directory that is new, whole or not at all. Shell.

The files come into a folder inside the directory, and are moved to their places when they are all there: so it works
where the directory is a mount of its own, and under its LOCK. As long as that folder is there, nothing else starts.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from opswatch.backup_files import (
    Advance,
    chunks_of,
    open_plain,
    read_manifest,
    sha256_of,
    sync_folder,
    sync_folders,
    write_durably,
)
from opswatch.backup_manifest import BackedUpFile, Manifest
from opswatch.data_directory import RESTORING, VERSION, DataDirectory
from telemetry.errors import BackupError, DataDirectoryError, DataDirectoryInUse, DataDirectoryTooNew

Stage = Callable[[str, int], Advance]  # is told what begins, and of how many bytes

_LOCK = "LOCK"
_OF_A_NEW_ONE = frozenset({_LOCK, "version"})


def restore(source: Path, directory: DataDirectory, stage: Stage) -> Manifest:
    """Restore the backup in `source`. Every file is compared with its sum before anything is written.

    Raises BackupError for a backup that is not whole, or no room for it; DataDirectoryTooNew for one that only a later
    version reads; DataDirectoryInUse, DataDirectoryError for a directory that is used or not empty.
    """
    manifest = read_manifest(source)
    if manifest.data_version > VERSION:
        raise DataDirectoryTooNew(
            f"the backup {source} has version {manifest.data_version}, made by OpsWatch {manifest.opswatch};"
            f" this one knows version {VERSION}: restore it with the later one",
            value=str(source),
        )
    _check_target(directory)
    _check_room(directory.root, manifest)
    _verify(source, manifest, stage("comparing", manifest.size))
    with directory.locked():
        _check_target(directory)
        _clear(directory.root)
        _place(source, manifest, directory.root, stage("restoring", manifest.size))
    return manifest


def _check_target(directory: DataDirectory) -> None:
    root = directory.root
    facts = directory.read_server_facts()
    if facts is not None:
        raise DataDirectoryInUse(
            f"the data directory {root} is in use by process {facts.pid}, which serves {facts.url}; stop it first",
            field="data_dir",
            value=str(root),
        )
    if (root / RESTORING).exists():  # what is there came from a restore that was cut off
        return
    there = (
        [path for path in sorted(root.rglob("*")) if not path.is_dir() or path.is_symlink()] if root.exists() else []
    )
    held = [path for path in there if not (path.parent == root and path.name in _OF_A_NEW_ONE)]
    if held:
        raise DataDirectoryError(
            f"the data directory {root} is not empty, it holds {held[0].relative_to(root)}: move it away"
            f" (mv {root} {root.name}.old), or restore into another with OPSWATCH_DATA_DIR",
            field="data_dir",
            value=str(root),
        )


def _check_room(root: Path, manifest: Manifest) -> None:
    place = next(path for path in (root.absolute(), *root.absolute().parents) if path.exists())
    free = shutil.disk_usage(place).free
    if free < manifest.size:
        raise BackupError(
            f"the backup has {manifest.size / 1e6:,.1f} MB, and {free / 1e6:,.1f} MB are free for {root}:"
            " make room there, or restore elsewhere with OPSWATCH_DATA_DIR",
            value=str(root),
        )


def _verify(source: Path, manifest: Manifest, advance: Advance) -> None:
    for file in manifest.files:
        try:
            found = sha256_of(source / file.path, advance)
        except OSError as error:
            raise BackupError(
                f"{source / file.path} cannot be read: {error.strerror or error}; nothing was restored",
                value=str(source),
            ) from error
        _compare(file, found, source)


def _compare(file: BackedUpFile, found: tuple[int, str], source: Path) -> None:
    if found != (file.size, file.sha256):
        raise BackupError(
            f"{source / file.path} is not what was backed up: {found[0]:,} bytes with SHA-256 {found[1][:12]}…, where"
            f" the manifest has {file.size:,} with {file.sha256[:12]}…; nothing was restored, use another backup",
            value=str(source),
        )


def _clear(root: Path) -> None:
    """Take out what a restore that was cut off has left; its own folder last."""
    if not (root / RESTORING).exists():
        return
    for path in root.iterdir():
        if path.name not in {_LOCK, RESTORING}:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    shutil.rmtree(root / RESTORING)


def _place(source: Path, manifest: Manifest, root: Path, advance: Advance) -> None:
    staging = root / RESTORING
    try:
        staging.mkdir(mode=0o700)
        sync_folder(root)
        for file in manifest.files:
            with open_plain(source / file.path) as stream:
                # Compared again: what was read before may have been another file.
                _compare(file, write_durably(staging / file.path, chunks_of(stream), advance), source)
        sync_folders(staging)
        for path in staging.iterdir():
            path.rename(root / path.name)  # over the empty folder that is there
        sync_folders(root)
        staging.rmdir()
        sync_folder(root)
    except OSError as error:
        raise BackupError(
            f"{source} cannot be restored into {root}: {error.strerror or error}; run it again when that is mended",
            value=str(root),
        ) from error
