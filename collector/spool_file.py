"""The spool's SQLite file: batches in, batches out, bounded. Shell.

Every method blocks; the spool calls them from one thread. Several processes may have the file open.
"""

from __future__ import annotations

import json
import logging
import os
import sqlite3
from collections import Counter
from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collector.spool_codec import ENCODING, MAX_BYTES, MAX_POINTS, Packed, checksum, day_of, decode
from telemetry.errors import StoreUnavailable
from telemetry.points import Point

logger = logging.getLogger(__name__)

_SCHEMA = (
    """
    CREATE TABLE IF NOT EXISTS batch (
        id INTEGER PRIMARY KEY AUTOINCREMENT,  -- never reused: a process that holds an old id must not delete a new row
        destination TEXT NOT NULL,
        created INTEGER NOT NULL,              -- ns
        first INTEGER NOT NULL,                -- ns, the earliest point
        last INTEGER NOT NULL,                 -- ns, the latest point
        points INTEGER NOT NULL,
        bytes INTEGER NOT NULL,                -- with what the row itself takes
        sources TEXT NOT NULL,                 -- JSON: points by measurement; dropping reads no payload
        checksum INTEGER NOT NULL,
        encoding TEXT NOT NULL,
        payload BLOB NOT NULL
    )
    """,
    # What waits is known at once, however many rows there are and whichever process wrote them.
    "CREATE TABLE IF NOT EXISTS total (one INTEGER PRIMARY KEY CHECK (one = 1), batches INTEGER, bytes INTEGER)",
    """
    CREATE TRIGGER IF NOT EXISTS added AFTER INSERT ON batch
    BEGIN UPDATE total SET batches = batches + 1, bytes = bytes + NEW.bytes; END
    """,
    """
    CREATE TRIGGER IF NOT EXISTS removed AFTER DELETE ON batch
    BEGIN UPDATE total SET batches = batches - 1, bytes = bytes - OLD.bytes; END
    """,
)
_COUNT = "INSERT OR REPLACE INTO total SELECT 1, count(*), coalesce(sum(bytes), 0) FROM batch"
_COLUMNS = "id, created, payload, checksum, encoding"
_INSERT = (
    "INSERT INTO batch (destination, created, first, last, points, bytes, sources, checksum, encoding, payload)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_DESTINATION = "store"
_ROW_BYTES = 100  # what a row takes beside its payload, about
_TRIMMED_AT_ONCE = 1_000  # rows; the next commit goes on
# Troubles of the disk or of other processes, which pass; every other one means that the file is not a spool. Read-only
# is not among them: the file was opened for writing before, so it is its header that says so.
_PASSING = frozenset(
    {
        sqlite3.SQLITE_AUTH,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOLFS,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_PROTOCOL,
    }
)


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """Committed points, and the rows that hold them; `created` is when the oldest of them was made (ns)."""

    identifiers: tuple[int, ...]
    points: tuple[Point, ...]
    created: int

    @property
    def first(self) -> int:
        """The number of its first row, by which it is known."""
        return self.identifiers[0]


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

    def __init__(self, path: Path, connection: sqlite3.Connection, set_aside: Path | None) -> None:
        self._path = path
        self._connection = connection
        self._highest = 0
        self._usable = True
        self.set_aside = set_aside

    @classmethod
    def open(cls, path: Path, stamp: str) -> SpoolFile:
        """Open or make the file; one that is damaged is renamed with `stamp`, never deleted, and a new one begins.

        Raises StoreUnavailable when not even a new one can be made.
        """
        try:
            try:
                return cls(path, _connect(path), None)
            except UnicodeDecodeError as error:  # the damage is in what SQLite quotes in its message
                return cls(path, *_begin_anew(path, stamp, error))
            except sqlite3.Error as error:
                # "No such column" and "unsupported file format" say as well that this is no file of ours.
                if _code(error, sqlite3.SQLITE_ERROR) in _PASSING:
                    raise
                return cls(path, *_begin_anew(path, stamp, error))
        except (sqlite3.Error, OSError) as error:
            raise StoreUnavailable(f"the spool {path} cannot be opened: {error}", value=str(path)) from error

    def start_anew(self, stamp: str, error: Exception) -> None:
        """Set aside a file that was found damaged while it was open, and begin a new one."""
        self._usable = False  # should anything here fail, the next attempt begins here again
        self._connection.close()
        self._connection, self.set_aside = _begin_anew(self._path, stamp, error)
        with self._connection:
            # Numbers go on: somebody may still hold those of the old file.
            self._connection.execute("INSERT INTO sqlite_sequence VALUES ('batch', ?)", (self._highest + 1_000_000,))
        self._usable = True

    def is_damaged(self, error: sqlite3.Error) -> bool:
        """Whether an error says that the file itself is broken, so that only a new one helps."""
        return not self._usable or _code(error, 0) in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}

    def insert(self, packed: Sequence[Packed], created: int, delivered: Collection[int]) -> list[StoredBatch]:
        """Commit rows, and forget those that were delivered, in one transaction; what is returned survives us."""
        with self._connection:
            self._delete(delivered)
            return self._insert(packed, created)

    def replace(self, batch: StoredBatch, packed: Sequence[Packed]) -> list[StoredBatch]:
        """Put smaller batches in the place of one that was too large, in one transaction; they are as old as it."""
        with self._connection:
            self._delete(batch.identifiers)
            return self._insert(packed, batch.created)

    def delete(self, identifiers: Collection[int]) -> None:
        if identifiers:
            with self._connection:
                self._delete(identifiers)

    def oldest(self, apart: Sequence[int]) -> StoredBatch | BrokenBatch | None:
        """The oldest rows, as many as make one good batch of one UTC day; or the very oldest, if it is broken.

        The rows of `apart` come after all others, one at a time, in that order.
        """
        identifiers: list[int] = []
        points: list[Point] = []
        made, size = 0, 0
        with closing(self._rows(frozenset(apart))) as rows:
            for identifier, created, payload, batch in rows:
                self._highest = max(self._highest, identifier)
                if isinstance(batch, BrokenBatch):
                    if not identifiers:
                        return batch
                    break
                size += len(payload)
                if points and (size > MAX_BYTES or not _go_together(points, batch)):
                    break
                made = min(made or created, created)
                identifiers.append(identifier)
                points += batch
        return StoredBatch(tuple(identifiers), tuple(points), made) if identifiers else self._one_of(apart)

    def _one_of(self, identifiers: Sequence[int]) -> StoredBatch | BrokenBatch | None:
        for one in identifiers:
            row = self._connection.execute(f"SELECT {_COLUMNS} FROM batch WHERE id = ?", (one,)).fetchone()  # noqa: S608 (our columns)
            if row is not None:
                identifier, created, *content = row
                batch = _read(identifier, *content)
                return batch if isinstance(batch, BrokenBatch) else StoredBatch((identifier,), tuple(batch), created)
        return None

    def pending(self) -> Pending:
        (batches, size) = self._connection.execute("SELECT batches, bytes FROM total").fetchone()
        row = self._connection.execute("SELECT created FROM batch ORDER BY id LIMIT 1").fetchone()
        return Pending(batches, size, row[0] if row else None)

    def latest(self) -> int | None:
        """The latest time (ns) of any point that waits; None when nothing does."""
        row = self._connection.execute("SELECT max(last) FROM batch").fetchone()
        return None if row[0] is None else int(row[0])

    def trim(self, max_bytes: int, created_after: int) -> Counter[tuple[str, str]]:
        """Drop the oldest rows until the caps hold; how many points, by (reason, measurement)."""
        dropped: Counter[tuple[str, str]] = Counter()
        doomed = []
        excess = self.pending().bytes - max_bytes
        query = "SELECT id, bytes, created, points, sources FROM batch ORDER BY id LIMIT ?"
        with closing(self._connection.execute(query, (_TRIMMED_AT_ONCE,))) as rows:
            for identifier, size, created, points, sources in rows:
                if excess <= 0 and created >= created_after:
                    break
                reason = "bytes" if excess > 0 else "age"
                dropped.update({(reason, name): count for name, count in _by_measurement(sources, points).items()})
                doomed.append(identifier)
                excess -= size
        self.delete(doomed)
        return dropped

    def close(self) -> None:
        self._connection.close()

    def _delete(self, identifiers: Collection[int]) -> None:
        self._connection.executemany("DELETE FROM batch WHERE id = ?", [(one,) for one in identifiers])

    def _insert(self, packed: Sequence[Packed], created: int) -> list[StoredBatch]:
        stored = []
        for one in packed:
            cursor = self._connection.execute(_INSERT, _values(one, created))
            self._highest = cursor.lastrowid or self._highest
            stored.append(StoredBatch((self._highest,), one.points, created))
        return stored

    def _rows(
        self, without: Collection[int]
    ) -> Generator[tuple[int, int, bytes, list[Point] | BrokenBatch], None, None]:
        # Row by row: what the caller does not ask for is not read from disk.
        with closing(self._connection.execute(f"SELECT {_COLUMNS} FROM batch ORDER BY id")) as rows:  # noqa: S608 (our columns)
            for identifier, created, payload, expected, encoding in rows:
                if identifier not in without:
                    yield identifier, created, payload, _read(identifier, payload, expected, encoding)


def _code(error: sqlite3.Error, otherwise: int) -> int:
    return int(getattr(error, "sqlite_errorcode", otherwise)) & 0xFF  # without what SQLite adds to it


def _go_together(points: Sequence[Point], more: Sequence[Point]) -> bool:
    return len(points) + len(more) <= MAX_POINTS and day_of(points[0]) == day_of(more[0])


def _by_measurement(sources: Any, points: int) -> Mapping[str, int]:
    try:
        return {str(name): int(count) for name, count in json.loads(sources).items()}
    except (ValueError, TypeError, AttributeError):
        return {"unreadable": points}


def _values(packed: Packed, created: int) -> tuple[object, ...]:
    times = [point.time for point in packed.points]
    sources = json.dumps(packed.sources)
    return (
        _DESTINATION,
        created,
        min(times),
        max(times),
        len(packed.points),
        len(packed.payload) + len(sources) + _ROW_BYTES,
        sources,
        checksum(packed.payload),
        ENCODING,
        packed.payload,
    )


def _read(identifier: int, payload: Any, expected: Any, encoding: Any) -> list[Point] | BrokenBatch:
    if not isinstance(payload, bytes):
        return BrokenBatch(identifier, str(payload).encode("utf-8", "replace"), "the payload is not bytes")
    if checksum(payload) != expected:
        return BrokenBatch(identifier, payload, "the checksum does not fit: the row was damaged on disk")
    try:
        points = decode(payload, encoding)
    except ValueError as error:
        return BrokenBatch(identifier, payload, str(error))
    return points or BrokenBatch(identifier, payload, "the batch is empty")


def _connect(path: Path) -> sqlite3.Connection:
    # Made before SQLite does, so that neither it nor its log is ever readable by others.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(path, timeout=10, check_same_thread=False)
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")  # flipped bytes are for us to judge
    try:
        # FULL: an acknowledged point survives the loss of power too, as far as the disk is honest.
        for statement in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", *_SCHEMA):
            connection.execute(statement)
        _check(connection)
        connection.execute(_COUNT)
        connection.commit()
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection) -> None:
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise sqlite3.DatabaseError(f"integrity check: {verdict}")
    # The check does not read the text of the tables: one flipped letter makes a column of another name.
    with closing(sqlite3.connect(":memory:")) as pattern:
        for statement in _SCHEMA:
            pattern.execute(statement)
        if _shape(connection) != _shape(pattern):
            raise sqlite3.DatabaseError("its tables are not those of a spool")


def _shape(connection: sqlite3.Connection) -> list[tuple[str, ...]]:
    return connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY name").fetchall()


def _begin_anew(path: Path, stamp: str, error: Exception) -> tuple[sqlite3.Connection, Path]:
    aside = _set_aside(path, stamp, error)
    return _connect(path), aside


def _set_aside(path: Path, stamp: str, reason: Exception) -> Path:
    aside = path.with_name(f"{path.name}.broken-{stamp}")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.broken-{stamp}-{number}")
    logger.error("the spool is damaged; set aside", extra={"path": str(aside), "reason": str(reason)})
    # The file last: until it is moved, the next start finds it damaged again and sets the rest aside.
    for suffix in ("-wal", "-shm", ""):
        source = path.with_name(path.name + suffix)
        if source.exists():
            source.rename(aside.with_name(aside.name + suffix))
    return aside
