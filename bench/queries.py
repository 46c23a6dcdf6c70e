"""Three questions through `SeriesReader`, against the same rows by bare SQL on the same level. Shell.

Of ten million samples and 30 days of levels (`bench/filled_store.py`): 30 days of 500 series by the hour; a day of one
series by five minutes; the newest samples of 500 series. The bare side reads rows of ids, times and values, written by
hand; what the reader adds is who they are, the axis, and the columns. 5 ms of that are free.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import duckdb

from bench.filled_store import DAY, FIELD, HOUR, MEASUREMENT, SECOND, SERIES, FilledStore, filled_store
from bench.measure import Bar, Comparison, alternate
from embedded.store import EmbeddedStore
from telemetry.measurements import BUILT_IN
from telemetry.series import EVERYTHING, Equals, Latest, SeriesQuery, Shape, Window

FREE = 0.005  # seconds
PAIRS = 9
ONE = 42  # the series_id of one


def questions(stop: int) -> dict[str, tuple[SeriesQuery, str, int]]:
    """By what they are called: the query, the bare SQL, and how many values both find."""

    def query(length: int, shape: Shape, where: object = EVERYTHING) -> SeriesQuery:
        return SeriesQuery(MEASUREMENT, (FIELD,), stop - length, stop, shape, where)  # type: ignore[arg-type]

    lookback, five_minutes = HOUR // 4, 300 * SECOND
    return {
        f"30 days of {SERIES} series by 1 h": (
            query(30 * DAY, Window(HOUR)),
            f"SELECT series_id, ts, sum / count FROM rollup_1h WHERE ts >= {stop - 30 * DAY} AND ts < {stop}",
            30 * 24 * SERIES,
        ),
        "24 h of one series by 5 min": (
            query(DAY, Window(five_minutes), Equals("host", f"host-{ONE:03d}")),
            f"SELECT ts, sum / count FROM rollup_5m WHERE series_id = {ONE} AND ts >= {stop - DAY} AND ts < {stop}",
            288,
        ),
        f"latest of {SERIES} series": (
            query(lookback, Latest()),
            f"SELECT series_id, max(ts), arg_max(value, ts) FROM raw WHERE ts >= {stop - lookback} GROUP BY series_id",
            SERIES,
        ),
    }


async def measure(filled: FilledStore) -> str:
    """The three lines."""
    async with EmbeddedStore.opened(filled.path, filled.options, BUILT_IN) as store:
        # The same engine in the same process: DuckDB gives a second connection to a file that is open.
        bare = store._connection.cursor()  # noqa: SLF001 (the bare engine is what is compared with)
        lines = []
        for name, (query, statement, count) in questions(filled.stop).items():
            loop = asyncio.get_running_loop()
            lines.append(
                await asyncio.to_thread(compare, name, reader(store, query, count, loop), sql(bare, statement, count))
            )
        bare.close()
    return "\n".join(lines)


def reader(
    store: EmbeddedStore, query: SeriesQuery, count: int, loop: asyncio.AbstractEventLoop
) -> Callable[[], float]:
    """Seconds of one answer, as whoever awaits it sees them."""

    async def ask() -> float:
        started = time.perf_counter()
        answer = await store.read(query)
        elapsed = time.perf_counter() - started
        assert sum(value is not None for one in answer.series for value in one.values) == count, answer.warnings
        return elapsed

    return lambda: asyncio.run_coroutine_threadsafe(ask(), loop).result()


def sql(cursor: duckdb.DuckDBPyConnection, statement: str, count: int) -> Callable[[], float]:
    """Seconds of one statement and the fetching of its rows."""

    def ask() -> float:
        started = time.perf_counter()
        rows = cursor.execute(statement).fetchall()
        elapsed = time.perf_counter() - started
        assert len(rows) == count, len(rows)
        return elapsed

    return ask


def compare(name: str, ours: Callable[[], float], peer: Callable[[], float]) -> str:
    """The line of one question."""
    ours(), peer()  # warm
    first, second = alternate(ours, peer, PAIRS)
    return Comparison(f"{name}, SeriesReader vs bare SQL", first, second, "s", Bar(1.3, 1.1), FREE).report()


def main() -> str:
    """The lines to report."""
    return asyncio.run(measure(filled_store()))


if __name__ == "__main__":
    print(main())
