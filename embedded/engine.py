"""Open a DuckDB file and lock it down. Shell."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import duckdb

from embedded.rollup_sql import ROLLUP_SCHEMA
from embedded.sql import SCHEMA, text_literal
from telemetry.errors import StoreUnavailable


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """`memory_limit` as DuckDB writes it; files may be read and written below `allowed_directories` only."""

    memory_limit: str = "512MB"
    threads: int = 2
    allowed_directories: tuple[Path, ...] = ()


def open_engine(path: Path, options: EngineOptions) -> duckdb.DuckDBPyConnection:
    """A connection with our tables and nothing left to configure.

    Raises StoreUnavailable that names the file and the way out.
    """
    try:
        connection = duckdb.connect(str(path))
    except duckdb.Error as error:
        raise StoreUnavailable(_why(path, error), field="data_dir", value=str(path)) from error
    try:
        for statement in (*_lock_down(path, options), *SCHEMA, *ROLLUP_SCHEMA):
            connection.execute(statement)
    except duckdb.Error as error:
        connection.close()
        raise StoreUnavailable(_why(path, error), field="data_dir", value=str(path)) from error
    path.chmod(0o600)
    return connection


def _lock_down(path: Path, options: EngineOptions) -> tuple[str, ...]:
    # The order matters: each later setting forbids something that an earlier one needs.
    folders = ", ".join(text_literal(str(folder.absolute())) for folder in options.allowed_directories)
    return (
        f"SET temp_directory = {text_literal(str(path.absolute().with_suffix('.spill')))}",
        f"SET memory_limit = {text_literal(options.memory_limit)}",
        f"SET threads = {int(options.threads)}",
        "SET autoinstall_known_extensions = false",
        "SET autoload_known_extensions = false",
        f"SET allowed_directories = [{folders}]",
        "SET enable_external_access = false",
        "SET lock_configuration = true",
    )


def _why(path: Path, error: duckdb.Error) -> str:
    text = str(error)
    holder = re.search(r"PID (\d+)", text)
    if "Could not set lock" in text:
        process = f"process {holder[1]}" if holder else "another process"
        return f"the store {path} is in use by {process}; stop that one first"
    first_line = text.splitlines()[0][:300] if text else type(error).__name__
    return (
        f"the store {path} cannot be opened: {first_line}."
        f" Move it aside (mv {path.name} {path.name}.broken) to start with an empty one, and keep it for recovery"
    )
