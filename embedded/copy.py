"""A whole copy of an open store as of one moment, beside its writers and readers. Shell."""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import Path

import duckdb

from embedded.sql import text_literal

_TRIES = 5


def copy_store(cursor: duckdb.DuckDBPyConnection, target: Path) -> None:
    """Write the store as this cursor sees it now to a new file in an allowed directory. Raises duckdb.Error.

    Nobody waits for it: the copy is of one snapshot, and what is committed meanwhile is not in it.
    """
    row = cursor.execute("SELECT current_database()").fetchone()
    assert row is not None
    # A name of its own: should the engine not let go of it, the next copy is not in its way.
    copy = f"copy_{secrets.token_hex(4)}"
    cursor.execute(f"ATTACH {text_literal(str(target.absolute()))} AS {copy}")
    try:
        cursor.execute("BEGIN")
        try:
            cursor.execute(f"COPY FROM DATABASE {_identifier(row[0])} TO {copy}")
            cursor.execute("COMMIT")
        except BaseException:
            with suppress(duckdb.Error):
                cursor.execute("ROLLBACK")
            raise
        cursor.execute(f"CHECKPOINT {copy}")  # so that all of it is in the one file
    finally:
        _detach(cursor, copy)
    target.chmod(0o600)


def _detach(cursor: duckdb.DuckDBPyConnection, copy: str) -> None:
    for _ in range(_TRIES):  # whoever stops a copy interrupts again and again, and may hit this
        with suppress(duckdb.Error):
            cursor.execute(f"DETACH {copy}")
            return


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
