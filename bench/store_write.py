"""`EmbeddedStore.write()` at 500 points per commit against DuckDB's bare appender with the same rows. Shell."""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from pathlib import Path

import duckdb

from bench.measure import Bar, Comparison, alternate
from embedded.store import EmbeddedOptions, EmbeddedStore
from telemetry.measurements import BUILT_IN
from telemetry.points import Point

SERIES, COMMITS = 500, 300
START = 1_795_500_000 * 10**9


def batches() -> list[list[Point]]:
    """One value of each of 500 series per commit, ten seconds apart."""
    tags = [(("host", f"host-{number:03d}"),) for number in range(SERIES)]
    chance = random.Random(1)
    return [
        [Point("system", tag, {"load1": round(chance.uniform(0, 8), 2)}, START + commit * 10**10) for tag in tags]
        for commit in range(COMMITS)
    ]


def through_the_store(points: list[list[Point]]) -> float:
    """Seconds for all commits through the public call."""

    async def run(path: Path) -> float:
        async with EmbeddedStore.opened(path, EmbeddedOptions(), BUILT_IN) as store:
            await store.write([Point("system", point.tags, point.fields, START - 10**10) for point in points[0]])
            started = time.perf_counter()
            for batch in points:
                await store.write(batch)
            return time.perf_counter() - started

    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(run(Path(folder) / "metrics.duckdb"))


def by_the_bare_appender(points: list[list[Point]]) -> float:
    """Seconds for the same rows, ready-made, one transaction per 500."""
    rows = [
        [(point.time, number, point.fields["load1"], None) for number, point in enumerate(batch)] for batch in points
    ]
    with tempfile.TemporaryDirectory() as folder:
        connection = duckdb.connect(str(Path(folder) / "bare.duckdb"))
        connection.execute("SET threads = 2")
        connection.execute("CREATE TABLE raw (ts BIGINT, series_id INTEGER, value DOUBLE, text VARCHAR)")
        appender = connection.appender("raw")
        started = time.perf_counter()
        for batch in rows:
            connection.execute("BEGIN")
            appender.append_rows(batch)
            appender.flush()
            connection.execute("COMMIT")
        elapsed = time.perf_counter() - started
        connection.close()
        return elapsed


def main() -> str:
    """The line to report."""
    points = batches()
    ours, peer = alternate(lambda: through_the_store(points), lambda: by_the_bare_appender(points), 7)
    comparison = Comparison(
        "store write(), 500 points a commit, speed vs bare DuckDB appender",
        ours,
        peer,
        f"s per {SERIES * COMMITS:,} points",
        Bar(0.5, 0.7, at_least=True),
    )
    return comparison.report()


if __name__ == "__main__":
    print(main())
