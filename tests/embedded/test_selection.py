"""Which series a question means is remembered, and never for too long."""

from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from embedded import selection
from embedded.selection import SeriesIndex
from embedded.store import EmbeddedOptions, EmbeddedStore
from telemetry.measurements import BUILT_IN
from telemetry.points import Point
from telemetry.series import Equals, Latest, SeriesQuery

SECOND = 10**9
QUESTION = SeriesQuery("system", ("load1",), 0, 100 * SECOND, Latest())
SYSTEM = BUILT_IN.get("system")
assert SYSTEM is not None


class Generation:
    def __init__(self) -> None:
        self.number = 0

    def __call__(self) -> int:
        return self.number


def system(host: str, time: int = SECOND) -> Point:
    return Point.of("system", {"host": host}, {"load1": 1.5}, time)


async def hosts(store: EmbeddedStore, question: SeriesQuery = QUESTION) -> list[str]:
    return [dict(one.series.tags)["host"] for one in (await store.read(question)).series]


async def test_a_series_is_seen_by_the_first_question_after_its_commit(tmp_path: Path) -> None:
    """Also by one that was asked before, when there was none."""
    async with EmbeddedStore.opened(tmp_path / "metrics.duckdb", EmbeddedOptions(), BUILT_IN) as store:
        found = [await hosts(store)]
        for host in ("a", "b", "c"):
            await store.write([system(host)])
            found.append(await hosts(store))

    assert found == [[], ["a"], ["a", "b"], ["a", "b", "c"]]


@pytest.fixture
def cursor() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(
        "CREATE TABLE series AS SELECT CAST(n AS INTEGER) AS series_id, 'system' AS measurement, 'load1' AS field,"
        " MAP {'host': 'h' || n} AS tags FROM range(3) AS t(n)"
    )
    return connection


def test_the_store_is_asked_again_only_when_a_series_was_made(cursor: duckdb.DuckDBPyConnection) -> None:
    """Time does not matter, for series are never taken away while the store is open."""
    generation = Generation()
    index = SeriesIndex(generation)
    first = index.select(cursor, QUESTION, SYSTEM)
    same = index.select(cursor, replace(QUESTION, start=50 * SECOND), SYSTEM)
    generation.number += 1
    cursor.execute("INSERT INTO series VALUES (3, 'system', 'load1', MAP {'host': 'h3'})")

    assert same is first
    assert len(index.select(cursor, QUESTION, SYSTEM)) == 4


def test_other_questions_have_answers_of_their_own(cursor: duckdb.DuckDBPyConnection) -> None:
    """By fields and by where; and a measurement that has learned a field gives other types."""
    index = SeriesIndex(Generation())
    everyone = index.select(cursor, QUESTION, SYSTEM)
    one = index.select(cursor, replace(QUESTION, where=Equals("host", "h1")), SYSTEM)
    none = index.select(cursor, replace(QUESTION, fields=("load5",)), SYSTEM)

    assert [len(found) for found in (everyone, one, none)] == [3, 1, 0]
    assert index.select(cursor, QUESTION, replace(SYSTEM)) is not everyone


def test_what_is_remembered_is_bounded(cursor: duckdb.DuckDBPyConnection) -> None:
    """A question for each of a million tag values costs no more memory than the last few."""
    index = SeriesIndex(Generation())
    cursor.execute(
        "INSERT INTO series SELECT CAST(n AS INTEGER), 'system', 'load1', MAP {'host': 'h' || n}"
        " FROM range(3, 15_000) AS t(n)"
    )
    first = index.select(cursor, QUESTION, SYSTEM)
    for number in range(selection._MAX_REMEMBERED // 15_000 + 1):
        index.select(cursor, replace(QUESTION, fields=("load1", f"f{number}")), SYSTEM)

    assert index.select(cursor, QUESTION, SYSTEM) is not first
