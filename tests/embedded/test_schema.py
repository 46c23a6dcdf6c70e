"""The version of a store's file: older ones get what they lack, later ones are refused and stay where they are."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import duckdb
import pytest

from embedded.engine import EngineOptions, open_engine
from embedded.schema import SCHEMA_VERSION, STEPS, schema_version
from embedded.store import EmbeddedOptions, EmbeddedStore
from telemetry.errors import StoreUnavailable
from telemetry.measurements import BUILT_IN
from telemetry.points import Point
from tests.collector.doubles import START


def shape(path: Path) -> list[tuple[str, ...]]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(
            "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE NOT internal ORDER BY ALL"
        ).fetchall()


def made(path: Path, statements: tuple[str, ...]) -> Path:
    with duckdb.connect(str(path)) as connection:
        for statement in statements:
            connection.execute(statement)
    return path


def test_an_older_file_becomes_what_a_new_one_is(tmp_path: Path) -> None:
    """Column for column; of the first release, which bore no version, and of each since."""
    open_engine(tmp_path / "new.duckdb", EngineOptions()).close()
    for version in range(1, SCHEMA_VERSION + 1):
        statements = tuple(statement for step in STEPS[:version] for statement in step)
        old = made(tmp_path / f"{version}.duckdb", statements)
        connection = open_engine(old, EngineOptions())
        assert schema_version(connection) == SCHEMA_VERSION
        connection.close()
        assert shape(old) == shape(tmp_path / "new.duckdb")


def test_a_later_file_is_refused_naming_both_and_is_not_set_aside(tmp_path: Path) -> None:
    """It is not damaged: the later version of OpsWatch reads it."""
    path = tmp_path / "metrics.duckdb"
    open_engine(path, EngineOptions()).close()
    made(path, ("UPDATE schema_version SET version = 99",))

    with pytest.raises(StoreUnavailable, match=f"has version 99, .* this one knows version {SCHEMA_VERSION}"):
        open_engine(path, EngineOptions())
    assert [file.name for file in tmp_path.iterdir()] == ["metrics.duckdb"]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[EmbeddedStore]:
    (tmp_path / "exports").mkdir()
    options = EmbeddedOptions(engine=EngineOptions(allowed_directories=(tmp_path / "exports",)))
    async with EmbeddedStore.opened(tmp_path / "metrics.duckdb", options, BUILT_IN) as store:
        yield store


def batch(number: int) -> list[Point]:
    return [
        Point.of("system", {"host": f"h{one}"}, {"load1": float(number)}, START + number * 1_000 + one)
        for one in range(50)
    ]


async def test_a_copy_is_of_one_moment_and_stops_no_writer(store: EmbeddedStore, tmp_path: Path) -> None:
    """Batches are in it whole and without a gap, all that were written before it began, while others are written."""
    for number in range(200):
        await store.write(batch(number))
    copying = asyncio.create_task(store.copy_to(tmp_path / "exports" / "copy.duckdb"))
    number = 200
    while not copying.done():
        await store.write(batch(number))
        number += 1
    await copying
    with duckdb.connect(str(tmp_path / "exports" / "copy.duckdb"), read_only=True) as copy:
        counts = dict(copy.execute("SELECT value::INTEGER, count(*) FROM raw GROUP BY 1").fetchall())
        marks = copy.execute("SELECT max(version) FROM schema_version").fetchone()

    assert number > 201
    assert set(counts) == set(range(len(counts)))
    assert len(counts) >= 200
    assert set(counts.values()) == {50}
    assert marks == (SCHEMA_VERSION,)
    assert not list((tmp_path / "exports").glob("*.wal"))


async def test_a_copy_that_is_given_up_leaves_the_store_free_for_the_next(store: EmbeddedStore, tmp_path: Path) -> None:
    """Who stops waiting stops the engine; nothing stays attached."""
    for number in range(300):
        await store.write(batch(number))
    copying = asyncio.create_task(store.copy_to(tmp_path / "exports" / "first.duckdb"))
    await asyncio.sleep(0)
    copying.cancel()
    await asyncio.gather(copying, return_exceptions=True)
    await store.copy_to(tmp_path / "exports" / "second.duckdb")
    attached = store._connection.execute("SELECT count(*) FROM duckdb_databases() WHERE NOT internal").fetchone()

    assert attached == (1,)
    assert (await store.write(batch(301))).status.value == "ok"


async def test_a_copy_to_a_place_that_is_not_allowed_is_refused(store: EmbeddedStore, tmp_path: Path) -> None:
    """The engine is locked down, also for this."""
    with pytest.raises(StoreUnavailable, match="file system operations are disabled"):
        await store.copy_to(tmp_path / "elsewhere.duckdb")
