"""What silences, maintenance and duty share: one row by its number, its version, and words for the audit. Shell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Table, select

from telemetry.errors import Conflict, NotFound

MAX_LISTED = 1_000  # of all that ever were


def row_of(connection: Connection, table: Table, number: int, what: str) -> Mapping[Any, Any]:
    """The row of a number. Raises NotFound."""
    row = None
    if 0 < number < 2**63:
        row = connection.execute(select(table).where(table.c.id == number)).mappings().first()
    if row is None:
        raise NotFound(f"there is no {what} {number}", field="id", value=number)
    return row


def check_version(row: Mapping[Any, Any], version: int, what: str) -> None:
    """Raises Conflict, naming the version that it has now."""
    if row["version"] != version:
        words = (
            f"{what} {row['id']} was changed meanwhile: it is at version {row['version']}, not {version}; look at it"
        )
        raise Conflict(words, field="version", value=row["version"])


def words_of(*parts: str) -> str:
    """For the audit: those that are not empty."""
    return ": ".join(part for part in (one.strip() for one in parts) if part)
