"""A data directory with 30 days of 500 series, as a server that ran so long has it. Shell.

Values as in a fleet: a third of the series gauges of two decimals, a third growing whole numbers, a third with all the
digits of a double. The last seven days have a sample of each series every 30 s (10 million), the days before every
5 minutes. The rows are put in by SQL; levels, order and retention are made by the store itself.
"""

from __future__ import annotations

import asyncio
import atexit
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import duckdb

from embedded.engine import EngineOptions, open_engine
from embedded.store import EmbeddedOptions, EmbeddedStore
from telemetry.measurements import BUILT_IN

SERIES = 500
SECOND = 10**9
HOUR = 3_600 * SECOND
DAY = 24 * HOUR
MEASUREMENT, FIELD = "system", "load1"

# What a series' sample at a time is: the same for every store that is filled.
VALUE = (
    "CASE series_id % 3 WHEN 0 THEN (hash(series_id, ts) % 10000) / 100.0"
    " WHEN 1 THEN CAST(ts // 1000000000 - 1700000000 + series_id * 1000 + hash(series_id, ts) % 7 AS DOUBLE)"
    " ELSE hash(series_id, ts) / 18446744073709551616.0 END"
)


@dataclass(frozen=True)
class FilledStore:
    """`folder` is where to run OpsWatch; samples end before `stop` (ns), which is a full hour."""

    folder: Path
    stop: int

    @property
    def path(self) -> Path:
        return self.folder / ".opswatch" / "metrics.duckdb"

    @property
    def options(self) -> EmbeddedOptions:
        """As OpsWatch itself opens it."""
        exports = self.folder / ".opswatch" / "exports"
        return EmbeddedOptions(engine=EngineOptions(allowed_directories=(exports,)), exports=exports)

    @contextmanager
    def bare_copy(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A copy of the file, opened by the bare engine: one process at a time may have a file."""
        copy = self.folder / "bare.duckdb"
        if not copy.exists():
            with self.opened_bare(self.path) as connection:
                connection.execute("CHECKPOINT")
            shutil.copyfile(self.path, copy)
        with self.opened_bare(copy) as connection:
            yield connection

    @staticmethod
    @contextmanager
    def opened_bare(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
        """With the threads and the memory that OpsWatch gives it."""
        connection = duckdb.connect(str(path), config={"threads": 2, "memory_limit": "512MB"})
        try:
            yield connection
        finally:
            connection.close()


@cache
def filled_store() -> FilledStore:
    """Made once in a process, removed at its end; takes about a minute."""
    holder = tempfile.TemporaryDirectory(prefix="opswatch-bench-")
    atexit.register(holder.cleanup)
    now = datetime.now(UTC)
    stop = int((now - timedelta(minutes=10)).timestamp()) * SECOND // HOUR * HOUR
    store = FilledStore(Path(holder.name), stop)
    for folder in (store.path.parent, store.path.parent / "exports"):
        folder.mkdir(mode=0o700)
    connection = open_engine(store.path, store.options.engine)
    insert_series(connection)
    coarse = (stop - 30 * DAY, stop - 7 * DAY, 300 * SECOND)
    for start, end, step in (
        coarse,
        *((stop - day * DAY, stop - (day - 1) * DAY, 30 * SECOND) for day in range(7, 0, -1)),
    ):
        connection.execute(
            f"INSERT INTO raw SELECT ts, series_id, {VALUE}, NULL FROM"
            f" (SELECT ts, CAST(n AS INTEGER) AS series_id FROM range({start}, {end}, {step}) AS a(ts),"
            f" range(1, {SERIES + 1}) AS b(n))"
        )
    connection.close()
    asyncio.run(_keep_house(store, now))
    return store


def insert_series(connection: duckdb.DuckDBPyConnection) -> None:
    """The names of the series, unless they are there."""
    connection.execute(
        f"INSERT INTO series SELECT n, '{MEASUREMENT}', '{FIELD}', MAP {{'host': printf('host-%03d', n)}}"
        f" FROM range(1, {SERIES + 1}) AS t(n) WHERE n NOT IN (SELECT series_id FROM series)"
    )


async def _keep_house(store: FilledStore, now: datetime) -> None:
    async with EmbeddedStore.opened(store.path, store.options, BUILT_IN) as opened:
        await opened.roll_up(now)
        await opened.sort_closed_days(now)
        await opened.delete_expired(now + timedelta(minutes=1))
