"""The tables of a store's file, made step by step, with the version that says how far a file is. Shell."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import duckdb

from embedded.day_marks import DAY_SCHEMA
from embedded.rollup_sql import ROLLUP_SCHEMA
from embedded.sql import LOST_SCHEMA, SCHEMA, TABLES
from telemetry.errors import StoreUnavailable

# A file at version N has had the first N of these. What a release has made is not changed here any more: a file of its
# gets the steps that it lacks. The files of the first release bear no version.
STEPS: tuple[tuple[str, ...], ...] = (
    SCHEMA,
    (*LOST_SCHEMA, *ROLLUP_SCHEMA, *DAY_SCHEMA),
)
SCHEMA_VERSION = len(STEPS)

_VERSION_TABLE = "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER)"


def tables_of(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """The names of the tables there are."""
    return {name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}


def schema_version(connection: duckdb.DuckDBPyConnection) -> int:
    """How far a file is; 0 for a new one."""
    tables = tables_of(connection)
    if "schema_version" in tables:
        row = connection.execute("SELECT max(version) FROM schema_version").fetchone()
        if row and row[0] is not None:
            return int(row[0])
    return 1 if {"series", *TABLES.values()} <= tables else 0


def bring_forward(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Take the steps that a file lacks, all in one transaction. Raises StoreUnavailable for a later file's version."""
    version = schema_version(connection)
    if version > SCHEMA_VERSION:
        raise StoreUnavailable(
            f"the store {path} has version {version}, written by a later OpsWatch; this one knows version"
            f" {SCHEMA_VERSION}: run the later one, or restore a backup",
            field="data_dir",
            value=str(path),
        )
    if version == SCHEMA_VERSION:
        return
    connection.execute("BEGIN")
    try:
        for statement in (statement for step in STEPS[version:] for statement in step):
            connection.execute(statement)
        for statement in (_VERSION_TABLE, "DELETE FROM schema_version"):
            connection.execute(statement)
        connection.execute(f"INSERT INTO schema_version VALUES ({SCHEMA_VERSION})")
        connection.execute("COMMIT")
    except BaseException:
        with suppress(duckdb.TransactionException):  # the engine has rolled back already
            connection.execute("ROLLBACK")
        raise
