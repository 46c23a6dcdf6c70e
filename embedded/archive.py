"""Snapshots: each closed day of each table as a Parquet file, from which a lost store is filled again. Shell.

`archive/metrics/TABLE/YYYY-MM-DD.parquet`, and the names of the series beside them, `series/YYYY-MM-DD.parquet`: of the
last days, because one of them may turn out to be damaged when it is needed.
"""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb

from embedded.day_marks import NANOSECONDS_PER_DAY
from embedded.sql import text_literal

# Times as differences, doubles byte by byte: a quarter less than the encodings of version 1, in half the time.
_OPTIONS = "(FORMAT parquet, PARQUET_VERSION v2, COMPRESSION zstd)"
_EPOCH = date(1970, 1, 1)
_SERIES = "series"
_SERIES_KEPT = 7  # days


class Archive:
    """The files below one folder; the engine must be allowed to write there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, table: str, day: int) -> Path:
        """Where a day (since 1970 UTC) of a table is."""
        return self.folder / table / f"{_EPOCH + timedelta(days=day):%Y-%m-%d}.parquet"

    def days(self, table: str) -> dict[int, Path]:
        """The days of a table that are there, oldest first."""
        found = {}
        for file in sorted((self.folder / table).glob("????-??-??.parquet")):
            with suppress(ValueError):
                found[(date.fromisoformat(file.stem) - _EPOCH).days] = file
        return found

    def series_files(self) -> list[Path]:
        """The names of the series as of the last days, newest first."""
        return list(self.days(_SERIES).values())[::-1]

    def write_day(self, cursor: duckdb.DuckDBPyConnection, table: str, day: int) -> None:
        """Write one day, whole or not at all. Raises duckdb.Error, OSError."""
        first, end = day * NANOSECONDS_PER_DAY, (day + 1) * NANOSECONDS_PER_DAY
        rows = f"SELECT * FROM {table} WHERE ts >= {first} AND ts < {end} ORDER BY series_id, ts"
        self._write(cursor, rows, self.path(table, day))

    def write_series(self, cursor: duckdb.DuckDBPyConnection, now: datetime) -> None:
        """Write the names of all series as of today."""
        today = (now.astimezone(UTC).date() - _EPOCH).days
        self._write(cursor, "SELECT * FROM series", self.path(_SERIES, today))
        self.delete_before(_SERIES, today - _SERIES_KEPT)

    def delete_before(self, table: str, day: int) -> None:
        """Delete the files of the days before one."""
        for known, file in self.days(table).items():
            if known < day:
                file.unlink(missing_ok=True)

    def _write(self, cursor: duckdb.DuckDBPyConnection, rows: str, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = file.with_name(f".{file.name}.tmp")
        try:
            cursor.execute(f"COPY ({rows}) TO {text_literal(str(temporary.absolute()))} {_OPTIONS}")
            temporary.chmod(0o600)
            with temporary.open("rb") as stream:
                os.fsync(stream.fileno())
            temporary.replace(file)
            _keep_names(file.parent)
        finally:
            temporary.unlink(missing_ok=True)


def _keep_names(folder: Path) -> None:
    """Whoever reads after a power cut finds the new file under its name, not the old one."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
