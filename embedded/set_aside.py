"""Set a damaged store's file aside, with a journal that says so until a new one is in its place. Shell.

The order of the steps is what counts: after a kill between any two of them, or a power failure, what is there says how
far it came.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from embedded.engine import damage_marker, recovery_journal
from telemetry.errors import StoreUnavailable


@dataclass(frozen=True, slots=True)
class Begun:
    """A recovery that has begun: where the damaged file is put, and what was wrong with it."""

    aside: Path
    reason: str


def free_name(path: Path, now: datetime) -> Path:
    """Where a file can be put aside together with its log."""
    first = path.with_name(f"{path.name}.broken-{now:%Y%m%dT%H%M%SZ}")
    aside, number = first, 1
    while aside.exists() or log_of(aside).exists():
        number += 1
        aside = first.with_name(f"{first.name}-{number}")
    return aside


def set_log_aside(path: Path, aside: Path) -> None:
    """Without its file a log is of no use to the next one, and that one must not be opened with it."""
    if log_of(path).exists():
        if log_of(aside).exists():
            aside = free_name(path.with_name(aside.name), datetime.fromtimestamp(log_of(path).stat().st_mtime, UTC))
        log_of(path).rename(log_of(aside))
        sync(path.parent)


def write_journal(path: Path, begun: Begun) -> None:
    """Whole or not at all, and on the disk. Raises OSError."""
    journal = recovery_journal(path)
    temporary = journal.with_name(journal.name + ".tmp")
    temporary.write_text(json.dumps({"aside": begun.aside.name, "reason": begun.reason}), encoding="utf-8")
    sync(temporary)
    temporary.replace(journal)
    sync(path.parent)


def read_journal(path: Path) -> Begun | None:
    """What was begun, if anything was. Raises StoreUnavailable for a journal that is none, OSError."""
    journal = recovery_journal(path)
    try:
        noted = json.loads(journal.read_text(encoding="utf-8"))
        return Begun(path.with_name(Path(str(noted["aside"])).name), str(noted["reason"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        words = (
            f"{journal} cannot be read; delete it, and when there is no {path.name}, first rename the newest"
            f" {path.name}.broken-TIME, and its .wal, to that name"
        )
        raise StoreUnavailable(words, field="data_dir", value=str(journal)) from error


def remove_journal(path: Path, *, was_damaged: bool) -> None:
    """It has ended; or, without a damaged file that was set aside, not begun."""
    if was_damaged:
        damage_marker(path).unlink(missing_ok=True)
    recovery_journal(path).unlink(missing_ok=True)
    sync(path.parent)


def sync(path: Path) -> None:
    """What was done to a file or in a folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def log_of(file: Path) -> Path:
    """Where DuckDB writes what is committed and not yet in the file."""
    return file.with_name(file.name + ".wal")
