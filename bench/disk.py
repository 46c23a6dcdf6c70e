"""Disk per raw sample: the rows of closed days in order, and everything in the data directory. Shell.

Two days of 500 series with a sample every 26 s (3.3 million), through `EmbeddedStore.write()` in the batches of the
spool; then what the server does on each day that is over: levels, order, snapshots. A third of the values are gauges of
two decimals, a third counters, a third have all the digits of a double. At last the server runs for a moment, so that
its own files are counted too.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from bench.measure import Bar
from bench.processes import opswatch
from embedded.archive import Archive
from embedded.engine import EngineOptions
from embedded.store import EmbeddedOptions, EmbeddedStore
from telemetry.measurements import BUILT_IN
from telemetry.points import FieldValue, Point

SERIES, DAYS, STEP = 500, 2, 26
BATCH = 5_000  # points, as many as the spool hands on at once
SECOND = 10**9


def samples(day: datetime) -> Iterator[list[Point]]:
    """A day's points in order of time, in batches."""
    chance = random.Random(day.day)
    tags = [(("host", f"host-{number:03d}"),) for number in range(SERIES)]
    interface = [(*tag, ("interface", "eth0")) for tag in tags]
    start, batch = int(day.timestamp()), []
    for second in range(start, start + 86_400, STEP):
        for number in range(SERIES):
            # OpsWatch stamps on whole milliseconds, and no two hosts at the same.
            time = second * SECOND + (number * 37 + chance.randrange(20)) * 1_000_000
            fields: dict[str, FieldValue]
            match number % 3:
                case 0:
                    name, tag, fields = "system", tags[number], {"load1": round(chance.random() * 100, 2)}
                case 1:
                    grown = (second - 1_700_000_000) * (number + 1_000) + chance.randrange(1_000)
                    name, tag, fields = "net", interface[number], {"bytes_recv": grown}
                case _:
                    name, tag, fields = "system", tags[number], {"load5": chance.random()}
            batch.append(Point(name, tag, fields, time))
        if len(batch) >= BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


async def fill(folder: Path) -> int:
    """Days as a server leaves them; how many samples."""
    data = folder / ".opswatch"
    for name in (data, data / "archive", data / "archive" / "metrics", data / "exports"):
        name.mkdir(mode=0o700)
    archive = Archive(data / "archive" / "metrics")
    engine = EngineOptions(allowed_directories=(data / "archive", data / "exports"))
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    written = 0
    options = EmbeddedOptions(engine=engine, archive=archive, exports=data / "exports")
    async with EmbeddedStore.opened(data / "metrics.duckdb", options, BUILT_IN) as store:
        for number in range(DAYS, 0, -1):
            day = midnight - timedelta(days=number)
            for batch in samples(day):
                await store.write(batch)
                written += len(batch)
            over = day + timedelta(days=1, hours=2)
            await store.roll_up(over)
            await store.sort_closed_days(over)
            await store.snapshot_closed_days(over)
    return written


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
        largest = sorted(sizes.items(), key=lambda item: -item[1])[:4]
    parts = ", ".join(f"{part} {size / count:.2f}" for part, size in largest)
    rows, everything = Bar(10, 7.5, unit=" B").verdict(raw), Bar(14, 11, unit=" B").verdict(whole)
    return (
        f"disk, closed days in order: {raw:.2f} B per sample ({rows}; {count / 1e6:.1f} million)\n"
        f"disk, the whole directory: {whole:.2f} B per sample ({everything}; {parts})"
    )


if __name__ == "__main__":
    print(main())
