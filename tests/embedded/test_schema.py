"""The version of a store's file: older ones get what they lack, later ones are refused and stay where they are."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import duckdb
import pytest

from embedded.engine import EngineOptions, explained, is_corrupt, open_engine
from embedded.schema import SCHEMA_VERSION, STEPS, schema_version
from embedded.store import EmbeddedOptions, EmbeddedStore
from telemetry.errors import StoreDamaged, StoreUnavailable
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


def bring_forward_with_a_limit(path: Path, limit: int) -> str:
    """In a process whose files may have so many bytes; what opening says."""
    script = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from embedded.engine import EngineOptions, open_engine\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)\n"
        "try: open_engine(Path(sys.argv[1]), EngineOptions())\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    command = [sys.executable, "-c", script, str(path), str(limit)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_an_older_file_for_which_there_is_no_room_is_not_taken_for_damaged(tmp_path: Path) -> None:
    """It cannot be brought forward as long as the disk is full or a quota is used up, and is as good as before."""
    path = made(tmp_path / "metrics.duckdb", (*STEPS[0], "INSERT INTO raw SELECT range, 1, 1.0, NULL FROM range(1000)"))
    said = bring_forward_with_a_limit(path, 1_000)
    connection = open_engine(path, EngineOptions())
    rows = connection.execute("SELECT count(*) FROM raw").fetchone()
    connection.close()

    assert said.startswith("StoreUnavailable")
    assert "File too large" in said
    assert rows == (1_000,)


PASSING = [
    'IO Error: Could not write file "/d/m.duckdb.wal": Disk quota exceeded',
    'IO Error: Could not write file "/d/m.duckdb": No space left on device',
    'TransactionContext Error: Failed to commit: Could not write file "/d/m.duckdb.wal": File too large',
    'Failure while replaying WAL file "/d/m.duckdb.wal": Could not write file "/d/m.duckdb": File too large',
    'IO Error: Cannot open file "/d/m.duckdb": Cannot allocate memory',
    "Out of Memory Error: could not allocate block of size 256.0 KiB",
    'IO Error: Cannot open file "/d/m.duckdb": Too many open files',
    "IO Error: something that nobody has seen yet",
]
BROKEN = [
    "Corrupt database file: computed checksum 1 does not match stored checksum 2 in block at location 8192",
    'IO Error: Could not read enough bytes from file "/d/m.duckdb": attempted to read 8 bytes from location 8',
    'IO Error: The file "/d/m.duckdb" exists, but it is not a valid DuckDB database file!',
    'Failure while replaying WAL file "/d/m.duckdb.wal": Invalid WAL entry type 77 - corrupt WAL?',
    "IO Error: WAL does not match database file.",
    "Serialization Error: Failed to deserialize: expected end of object",
]


@pytest.mark.parametrize("folder", ["d", "corrupt checksum/it's", 'no space left"file too large'])
def test_only_what_says_that_the_file_is_broken_has_it_set_aside(folder: str) -> None:
    """Whatever the machine lacks, or nobody has seen yet, says nothing about it; nor does the name of its folder."""
    path = Path("/srv") / folder / "m.duckdb"
    for text in PASSING:
        assert type(explained(path, duckdb.Error(text.replace("/d/m.duckdb", str(path))))) is StoreUnavailable, text
    for text in BROKEN:
        assert type(explained(path, duckdb.Error(text.replace("/d/m.duckdb", str(path))))) is StoreDamaged, text


def test_the_name_of_a_folder_is_no_damage_of_an_open_store() -> None:
    """Whoever keeps the data in .../checksum/ does not lose the store to the first query that is refused."""
    assert not is_corrupt('Permission Error: Cannot access file "/srv/checksum/corrupt data/x.csv"')
    assert not is_corrupt("Cannot write /srv/checksum/x.csv")
    assert is_corrupt(BROKEN[0])
    assert is_corrupt(BROKEN[1].replace("/d/", "/srv/checksum/"))


def test_a_database_with_our_tables_and_other_columns_is_somebody_elses(tmp_path: Path) -> None:
    """It is set aside like any that is not ours."""
    tables = ("series", "raw", "events", '"self"', "sorted_day")
    path = made(tmp_path / "metrics.duckdb", tuple(f"CREATE TABLE {table} (name VARCHAR)" for table in tables))
    with pytest.raises(StoreDamaged, match="cannot be opened: Binder Error"):
        EmbeddedStore(path, EmbeddedOptions(), BUILT_IN)


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
