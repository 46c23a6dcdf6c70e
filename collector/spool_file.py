"""The spool's SQLite file: batches in, batches out, bounded. Shell.

Every method blocks; the spool calls them from one thread. Several processes may have the file open.
"""

from __future__ import annotations

import logging
import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from collector.spool_codec import ENCODING, checksum, decode, encode
from telemetry.errors import StoreUnavailable
from telemetry.points import Point

logger = logging.getLogger(__name__)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS batch (
    id INTEGER PRIMARY KEY AUTOINCREMENT,  -- never reused: a process that holds an old id must not delete a new row
    destination TEXT NOT NULL,
    created INTEGER NOT NULL,              -- ns
    first INTEGER NOT NULL,                -- ns, the earliest point
    last INTEGER NOT NULL,                 -- ns, the latest point
    points INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    checksum INTEGER NOT NULL,
    encoding TEXT NOT NULL,
    payload BLOB NOT NULL
)
"""
# What waits is counted from this alone, without reading a payload.
_INDEX = "CREATE INDEX IF NOT EXISTS pending ON batch (created, bytes)"
_DESTINATION = "store"


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """A committed row, with its points."""

    identifier: int
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class BrokenBatch:
    """A row that cannot be read, and why."""

    identifier: int
    payload: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Pending:
    """What waits: rows, their bytes, and when the oldest was made (ns; None when nothing waits)."""

    batches: int = 0
    bytes: int = 0
    oldest: int | None = None


class SpoolFile:
    """One open file. Raises sqlite3.Error for troubles of the disk."""

    def __init__(self, connection: sqlite3.Connection, set_aside: Path | None) -> None:
        self._connection = connection
        self.set_aside = set_aside

    @classmethod
    def open(cls, path: Path, stamp: str) -> SpoolFile:
        """Open or make the file; one that is damaged is renamed with `stamp`, never deleted, and a new one begins.

        Raises StoreUnavailable when not even a new one can be made.
        """
        try:
            return cls(_connect(path), None)
        except sqlite3.OperationalError as error:
            raise StoreUnavailable(f"the spool {path} cannot be opened: {error}", value=str(path)) from error
        except sqlite3.DatabaseError as error:
            aside = path.with_name(f"{path.name}.broken-{stamp}")
            logger.error("the spool is damaged; set aside", extra={"path": str(aside), "reason": str(error)})
            _move(path, aside)
            return cls(_connect(path), aside)

    def insert(self, batches: Sequence[Sequence[Point]], created: int) -> list[StoredBatch]:
        """Commit the batches in one transaction; what is returned survives the process."""
        stored = []
        with self._connection:
            for points in batches:
                payload = encode(points)
                times = [point.time for point in points]
                cursor = self._connection.execute(
                    "INSERT INTO batch (destination, created, first, last, points, bytes, checksum, encoding, payload)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        _DESTINATION,
                        created,
                        min(times),
                        max(times),
                        len(points),
                        len(payload),
                        checksum(payload),
                        ENCODING,
                        payload,
                    ),
                )
                stored.append(StoredBatch(cursor.lastrowid or 0, tuple(points)))
        return stored

    def delete(self, identifiers: Sequence[int]) -> None:
        with self._connection:
            self._connection.executemany("DELETE FROM batch WHERE id = ?", [(one,) for one in identifiers])

    def replace(self, identifier: int, halves: Sequence[Sequence[Point]], created: int) -> list[StoredBatch]:
        """Put smaller batches in the place of one that was too large, in one transaction."""
        with self._connection:
            self._connection.execute("DELETE FROM batch WHERE id = ?", (identifier,))
            return self.insert(halves, created)

    def oldest(self, excluded: Sequence[int]) -> StoredBatch | BrokenBatch | None:
        """The oldest row that is not among `excluded`."""
        marks = ", ".join("?" * len(excluded))
        row = self._connection.execute(
            f"SELECT id, payload, checksum, encoding FROM batch WHERE id NOT IN ({marks}) ORDER BY id LIMIT 1",  # noqa: S608
            tuple(excluded),
        ).fetchone()
        if row is None:
            return None
        identifier, payload, expected, encoding = row
        if checksum(payload) != expected:
            return BrokenBatch(identifier, payload, "the checksum does not fit: the row was damaged on disk")
        try:
            return StoredBatch(identifier, tuple(decode(payload, encoding)))
        except ValueError as error:
            return BrokenBatch(identifier, payload, str(error))

    def pending(self) -> Pending:
        row = self._connection.execute("SELECT count(*), coalesce(sum(bytes), 0), min(created) FROM batch").fetchone()
        return Pending(*row)

    def trim(self, max_bytes: int, created_after: int) -> Counter[tuple[str, str]]:
        """Drop the oldest rows until the caps hold; how many points, by (reason, measurement)."""
        dropped: Counter[tuple[str, str]] = Counter()
        while (reason := self._over(max_bytes, created_after)) is not None:
            row = self._connection.execute(
                "SELECT id, payload, encoding, points FROM batch ORDER BY id LIMIT 1"
            ).fetchone()
            identifier, payload, encoding, count = row
            try:
                dropped.update((reason, point.measurement) for point in decode(payload, encoding))
            except ValueError:
                dropped[reason, "unreadable"] += count
            self.delete([identifier])
        return dropped

    def close(self) -> None:
        self._connection.close()

    def _over(self, max_bytes: int, created_after: int) -> str | None:
        pending = self.pending()
        if pending.bytes > max_bytes:
            return "bytes"
        return "age" if pending.oldest is not None and pending.oldest < created_after else None


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=10, check_same_thread=False)
    try:
        # FULL: an acknowledged point survives the loss of power too, as far as the disk is honest.
        for statement in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", _SCHEMA, _INDEX):
            connection.execute(statement)
        _check(connection)
        path.chmod(0o600)
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection) -> None:
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise sqlite3.DatabaseError(f"integrity check: {verdict}")


def _move(path: Path, aside: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        source = path.with_name(path.name + suffix)
        if source.exists():
            source.rename(aside.with_name(aside.name + suffix))
