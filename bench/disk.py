"""Disk per raw sample: the rows of closed days in order, and everything in the data directory. Shell.

Seven days, as long as samples are kept, of 500 series with a sample every 26 s (11.6 million), values as in
`bench/filled_store.py`. Each day's rows are put in by SQL in the order of time; then the store does what the server has
it do with a day that is over: levels, order, a snapshot. At last the server runs for a moment, so that its own files
are counted too.
"""

from __future__ import annotations

import asyncio
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from bench.filled_store import SECOND, SERIES, VALUE, insert_series
from bench.measure import Bar
from bench.processes import opswatch
from embedded.archive import Archive
from embedded.engine import EngineOptions, open_engine
from embedded.store import EmbeddedOptions, EmbeddedStore
from telemetry.measurements import BUILT_IN

DAYS, STEP = 7, 26  # seconds


async def fill(folder: Path) -> int:
    """Days as a server leaves them; how many samples."""
    data = folder / ".opswatch"
    for name in (data, data / "archive", data / "archive" / "metrics", data / "exports"):
        name.mkdir(mode=0o700)
    engine = EngineOptions(allowed_directories=(data / "archive", data / "exports"))
    options = EmbeddedOptions(engine=engine, archive=Archive(data / "archive" / "metrics"), exports=data / "exports")
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for number in range(DAYS, 0, -1):
        start = midnight - timedelta(days=number)
        insert_day(data / "metrics.duckdb", engine, int(start.timestamp()))
        over = start + timedelta(days=1, hours=2)
        async with EmbeddedStore.opened(data / "metrics.duckdb", options, BUILT_IN) as store:
            await store.roll_up(over)
            await store.sort_closed_days(over)
            await store.snapshot_closed_days(over)
    return DAYS * len(range(0, 86_400, STEP)) * SERIES


def insert_day(path: Path, engine: EngineOptions, start: int) -> None:
    """The samples of the day that begins at `start` (s), each host at a millisecond of its own."""
    connection = open_engine(path, engine)
    insert_series(connection)
    connection.execute(
        f"INSERT INTO raw SELECT ts, series_id, {VALUE}, NULL FROM (SELECT s * {SECOND} + n * 37000000 AS ts,"
        f" CAST(n AS INTEGER) AS series_id FROM range({start}, {start + 86_400}, {STEP}) AS a(s),"
        f" range(1, {SERIES + 1}) AS b(n))"
    )
    connection.close()


def bytes_of_raw(path: Path) -> int:
    """Of the blocks that hold the rows of `raw`."""
    connection = duckdb.connect(str(path), read_only=True)
    rows = connection.execute(
        "SELECT block_size, count(DISTINCT block) FROM (SELECT unnest([block_id] || additional_block_ids) AS block"
        " FROM pragma_storage_info('raw')), pragma_database_size() WHERE block >= 0 GROUP BY 1"
    ).fetchone()
    connection.close()
    assert rows is not None
    return int(rows[0] * rows[1])


def bytes_of_folder(folder: Path) -> dict[str, int]:
    """By what lies directly in it."""
    return {
        entry.name: sum(file.stat().st_size for file in (entry.rglob("*") if entry.is_dir() else [entry]))
        for entry in folder.iterdir()
    }


def main() -> str:
    """The lines to report."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        count = asyncio.run(fill(folder))
        with opswatch(folder) as server:
            server.get("/ready")
        sizes = bytes_of_folder(folder / ".opswatch")
        raw, whole = bytes_of_raw(folder / ".opswatch" / "metrics.duckdb") / count, sum(sizes.values()) / count
        snapshots = sizes["archive"] / count
        largest = sorted(sizes.items(), key=lambda item: -item[1])[:4]
    parts = ", ".join(f"{part} {size / count:.2f}" for part, size in largest)
    rows, everything = Bar(10, 7.5, unit=" B").verdict(raw), Bar(14, 11, unit=" B").verdict(whole)
    return (
        f"disk, closed days in order: {raw:.2f} B per sample ({rows}; {count / 1e6:.1f} million)\n"
        f"disk, the whole directory: {whole:.2f} B per sample ({everything}; {parts};"
        f" {whole - snapshots:.2f} without the snapshots)"
    )


if __name__ == "__main__":
    print(main())
