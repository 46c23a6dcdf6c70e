"""The spool's SQLite file is opened, or set aside where it is damaged or not ours. Shell."""

from __future__ import annotations

import logging
import os
import sqlite3
from contextlib import closing
from pathlib import Path

from telemetry.errors import StoreUnavailable

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


def open_or_begin_anew(path: Path, stamp: str) -> tuple[sqlite3.Connection, Path | None]:
    """Open or make the file; one that is damaged is renamed with `stamp`, and a new one begins.

    Also returns where the damaged one is. Raises StoreUnavailable when not even a new one can be made.
    """
    try:
        try:
            return _connect(path), None
        except UnicodeDecodeError as error:  # the damage is in what SQLite quotes in its message
            return begin_anew(path, stamp, error)
        except sqlite3.Error as error:
            # "No such column" and "unsupported file format" say as well that this is no file of ours.
            if code_of(error, sqlite3.SQLITE_ERROR) in _PASSING:
                raise
            return begin_anew(path, stamp, error)
    except (sqlite3.Error, OSError) as error:
        raise StoreUnavailable(f"the spool {path} cannot be opened: {error}", value=str(path)) from error


def begin_anew(path: Path, stamp: str, error: Exception) -> tuple[sqlite3.Connection, Path]:
    """Set aside what is there and begin a new file. Raises sqlite3.Error, OSError."""
    aside = _set_aside(path, stamp, error)
    return _connect(path), aside


def code_of(error: sqlite3.Error, otherwise: int) -> int:
    """SQLite's primary result code, without what it adds to it."""
    return int(getattr(error, "sqlite_errorcode", otherwise)) & 0xFF


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
