"""The embedded store: answers as the oracle does, keeps what it acknowledged, and gives nothing else away."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from embedded.engine import EngineOptions, open_engine
from embedded.store import EmbeddedOptions, EmbeddedStore
from telemetry.errors import InvalidQuery, QueryTimedOut, QueryTooLarge, StoreUnavailable
from telemetry.measurements import BUILT_IN
from telemetry.points import Point
from telemetry.ports import WriteStatus
from telemetry.series import (
    Equals,
    Function,
    Latest,
    Matches,
    Raw,
    SeriesQuery,
    SeriesSamples,
    Window,
)

SECOND = 1_000_000_000
DAY = 86_400 * SECOND
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
START = int(NOW.timestamp()) * SECOND
OPTIONS = EmbeddedOptions()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[EmbeddedStore]:
    async with EmbeddedStore.opened(tmp_path / "metrics.duckdb", OPTIONS, BUILT_IN) as opened:
        yield opened


def load(host: str, seconds: float, value: float) -> Point:
    return Point.of("system", {"host": host}, {"load1": value}, START + int(seconds * SECOND))


def query(
    shape: Raw | Window | Latest, *, start: int = START, stop: int = START + DAY, **kwargs: object
) -> SeriesQuery:
    return SeriesQuery("system", (), start, stop, shape, **kwargs)  # type: ignore[arg-type]


def plain(series: tuple[SeriesSamples, ...] | list[SeriesSamples]) -> list[tuple[object, ...]]:
    return [(one.series, list(one.times), list(one.values), one.function) for one in series]


@pytest.mark.parametrize("rows", [1, 120_001])
async def test_a_stream_gives_what_a_read_gives_in_bounded_slices(store: EmbeddedStore, rows: int) -> None:
    """Slices end between two times, hold all fields of a tag set, and together they are the answer."""
    points = [
        Point.of("net", {"host": "a"}, {"bytes_sent": number, "bytes_recv": -number}, START + number)
        for number in range(rows)
    ]
    for begin in range(0, rows, 20_000):
        await store.write(points[begin : begin + 20_000])
    asked = SeriesQuery("net", (), START, START + DAY, Raw(1_000_000))

    slices = [one async for one in store.stream(asked)]
    together = {
        field: [time for one in slices for samples in one if samples.series.field == field for time in samples.times]
        for field in ("bytes_sent", "bytes_recv")
    }
    assert together["bytes_sent"] == together["bytes_recv"] == [point.time for point in points]
    assert max(len(samples.times) for one in slices for samples in one) <= 60_000


async def test_streams_that_stall_leave_readers_to_everybody_else(store: EmbeddedStore) -> None:
    """Slow downloads are bounded; the pages' questions are answered beside them."""
    await store.write([load("a", second, 1.0) for second in range(10)])
    streams = [store.stream(query(Raw())) for _ in range(2)]
    for stream in streams:
        await anext(stream)

    assert (await store.read(query(Latest()), timedelta(seconds=5))).series
    with pytest.raises(StoreUnavailable, match="too many exports"):
        await anext(store.stream(query(Raw())))
    for stream in streams:
        await stream.aclose()
    assert [one async for one in store.stream(query(Raw()))]


# Types and text


async def test_values_come_back_in_their_registered_types(store: EmbeddedStore) -> None:
    """An integer field is an integer, a text is a text, also the hostile one."""
    text = "it's \\ \"x\"\n\u2028 ü '; DROP TABLE raw; --"
    point = Point.of("probe", {"service": text}, {"code": 200, "latency_ms": 1.0, "message": text}, START)
    await store.write([point])

    answer = await store.read(SeriesQuery("probe", (), START, START + 1, Latest(), Equals("service", text)))

    assert {one.series.field: one.values[0] for one in answer.series} == point.fields
    assert {type(one.values[0]) for one in answer.series} == {int, float, str}


async def test_a_pattern_that_is_no_pattern_is_refused_by_name(store: EmbeddedStore) -> None:
    """RE2 says what it does not like; the store goes on."""
    await store.write([load("a", 0, 1.0)])

    with pytest.raises(InvalidQuery, match="not a regular expression"):
        await store.read(query(Latest(), where=Matches("host", "(unclosed")))


async def test_an_unknown_measurement_has_no_series(store: EmbeddedStore) -> None:
    """What names there are is the schema's to say; the store only knows what it holds."""
    answer = await store.read(SeriesQuery("nothing", (), 0, 1, Latest()))

    assert answer.series == ()


# Limits


async def test_a_query_past_its_deadline_is_stopped_and_the_store_goes_on(store: EmbeddedStore) -> None:
    """The engine is interrupted, the cursor is free again, and the next question has its answer."""
    points = [
        Point.of("system", {"host": f"h{number % 50}"}, {"load1": 1.0}, START + number) for number in range(150_000)
    ]
    await store.write(points)
    slow = query(Window(SECOND * 60, tuple(Function)))

    for _ in range(5):  # more often than there are cursors
        with pytest.raises(QueryTimedOut, match="was stopped after"):
            await store.read(slow, deadline=timedelta(milliseconds=1))

    assert len((await store.read(query(Latest()))).series) == 50


async def test_whoever_stops_waiting_stops_the_query(store: EmbeddedStore) -> None:
    """A client that leaves frees its cursor; as often as it likes."""
    await store.write([load("a", second, 1.0) for second in range(1_000)])
    for _ in range(10):
        task = asyncio.create_task(store.read(query(Window(SECOND, (Function.MEAN,)), stop=START + 3_000 * SECOND)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert (await store.read(query(Latest()))).series[0].values == [1.0]


async def test_an_answer_too_large_for_memory_is_refused_with_a_way_out(store: EmbeddedStore) -> None:
    """The number of values is known before the query runs."""
    await store.write([Point.of("system", {"host": f"h{number}"}, {"load1": 1.0}, START) for number in range(300)])

    with pytest.raises(QueryTooLarge, match="lengthen every"):
        await store.read(query(Window(8 * SECOND, (Function.MEAN,))))


# Keeping


async def test_the_last_value_written_for_a_time_wins(store: EmbeddedStore) -> None:
    """Idempotence: within a batch, across batches, and again."""
    await store.write([load("a", 1, 1.0), load("a", 1, 2.0)])
    await store.write([load("a", 1, 3.0)])
    await store.write([load("a", 1, 3.0)])

    (series,) = (await store.read(query(Raw()))).series
    assert list(series.values) == [3.0]


async def test_expired_rows_go_and_fresh_ones_stay(store: EmbeddedStore) -> None:
    """Retention per class: seven days of metrics, thirty-one of OpsWatch's own."""
    week_ago = START - 7 * DAY
    own = Point.of("opswatch_process", {"host": "a"}, {"threads": 1}, week_ago)
    await store.write(
        [Point.of("system", {"host": "a"}, {"load1": 1.0}, week_ago + second) for second in (-1, 0)] + [own]
    )

    assert await store.delete_expired(NOW) == 1

    (kept,) = (await store.read(query(Raw(), start=0))).series
    assert list(kept.times) == [week_ago]
    assert (await store.read(SeriesQuery("opswatch_process", (), 0, START, Latest()))).series


async def test_a_closed_day_is_rewritten_once_and_again_after_late_data(store: EmbeddedStore) -> None:
    """Sorting changes nothing that can be asked, and late data asks for it anew."""
    yesterday = [
        Point.of("system", {"host": host}, {"load1": float(second)}, START - DAY + second * SECOND)
        for second in range(50)
        for host in "abc"
    ]
    await store.write(yesterday)
    asked = query(Raw(), start=START - 2 * DAY)
    before = plain((await store.read(asked)).series)

    assert await store.sort_closed_days(NOW) == 1
    assert await store.sort_closed_days(NOW) == 0
    assert plain((await store.read(asked)).series) == before

    await store.write([Point.of("system", {"host": "late"}, {"load1": 1.0}, START - DAY)])

    assert await store.sort_closed_days(NOW) == 1
    assert await store.sort_closed_days(NOW) == 0


async def test_a_store_that_is_opened_again_knows_its_series_and_marks(tmp_path: Path) -> None:
    """After a restart the same sample still replaces itself."""
    path = tmp_path / "metrics.duckdb"
    for value in (1.0, 2.0):
        async with EmbeddedStore.opened(path, OPTIONS, BUILT_IN) as store:
            await store.write([load("a", 1, value)])
            (series,) = (await store.read(query(Raw()))).series

    assert list(series.values) == [2.0]


async def test_a_batch_that_the_engine_refuses_leaves_nothing_and_the_next_is_taken(store: EmbeddedStore) -> None:
    """An int that no column holds fails the whole transaction; neither its series nor its rows remain."""
    impossible = Point("system", (("host", "b"),), {"load1": 1.0, "uptime": 5}, 2**70)
    outcome = await store.write([load("a", 1, 1.0), impossible])
    again = await store.write([load("a", 1, 5.0), load("c", 2, 6.0)])

    assert outcome.status is WriteStatus.RETRY
    assert again.status is WriteStatus.OK
    answer = (await store.read(query(Raw()))).series
    assert [(one.series.tags, list(one.values)) for one in answer] == [
        ((("host", "a"),), [5.0]),
        ((("host", "c"),), [6.0]),
    ]


async def test_a_measurement_that_is_not_registered_is_refused_and_its_neighbours_land(store: EmbeddedStore) -> None:
    """G7: one bad item never takes its neighbours with it."""
    outcome = await store.write([Point.of("nothing", {}, {"x": 1.0}, START), load("a", 1, 1.0)])

    assert outcome.status is WriteStatus.PARTIAL
    assert [refused.point.measurement for refused in outcome.refused] == ["nothing"]
    assert len((await store.read(query(Latest()))).series) == 1


WRITER = """
import asyncio, sys
from datetime import timedelta
from pathlib import Path
from embedded.store import EmbeddedOptions, EmbeddedStore
from telemetry.measurements import BUILT_IN
from telemetry.points import Point
from telemetry.schema import MeasurementClass

async def main(path, first):
    options = EmbeddedOptions({MeasurementClass.METRICS: timedelta(days=7)})
    async with EmbeddedStore.opened(Path(path), options, BUILT_IN) as store:
        for number in range(first, first + 1_000_000):
            await store.write([Point.of("system", {"host": f"h{n}"}, {"load1": 1.0}, number) for n in range(50)])
            print(number, flush=True)

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


async def test_a_killed_writer_loses_no_committed_batch_and_tears_none(tmp_path: Path) -> None:
    """A3: after kill -9 at any time the file opens, with every batch that was acknowledged, whole."""
    path = tmp_path / "metrics.duckdb"
    last = 0
    for round_number in range(5):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(last + 1)], stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout is not None
            for _ in range(3 + 17 * round_number):
                last = int(child.stdout.readline())
            child.send_signal(signal.SIGKILL)
            rest = child.stdout.read().split("\n")
            last = max([last, *(int(line) for line in rest[:-1] if line)])

    async with EmbeddedStore.opened(path, OPTIONS, BUILT_IN) as store:
        answer = await store.read(SeriesQuery("system", (), 0, last + 2, Raw(1_000_000)))
    assert len(answer.series) == 50
    for series in answer.series:
        assert set(range(1, last + 1)) <= set(series.times) <= set(range(1, last + 2))
        assert list(series.times) == list(answer.series[0].times)


# Locked down


@pytest.fixture
def engine(tmp_path: Path) -> duckdb.DuckDBPyConnection:  # type: ignore[misc]
    (tmp_path / "exports").mkdir()
    options = EngineOptions(allowed_directories=(tmp_path / "exports",))
    connection = open_engine(tmp_path / "metrics.duckdb", options)
    yield connection
    connection.close()


def test_copy_works_inside_the_allowed_folder(engine: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """Exports and snapshots have their place."""
    engine.execute(f"COPY (SELECT 1 AS x) TO '{tmp_path}/exports/x.csv'")

    assert (tmp_path / "exports" / "x.csv").read_text() == "x\n1\n"


@pytest.mark.parametrize(
    "statement",
    [
        "COPY (SELECT 1) TO '{root}/outside.csv'",
        "COPY (SELECT 1) TO '{root}/exports/../outside.csv'",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('{root}/metrics.duckdb')",
        "ATTACH '{root}/other.duckdb'",
        "INSTALL httpfs",
        "LOAD httpfs",
    ],
)
def test_nothing_outside_can_be_reached(engine: duckdb.DuckDBPyConnection, tmp_path: Path, statement: str) -> None:
    """Neither a file outside nor an extension, whatever SQL should ever come through."""
    with pytest.raises(duckdb.Error):
        engine.execute(statement.format(root=tmp_path))


@pytest.mark.parametrize(
    "setting", ["enable_external_access = true", "memory_limit = '9GB'", "lock_configuration = false"]
)
def test_no_setting_can_be_changed_back(engine: duckdb.DuckDBPyConnection, setting: str) -> None:
    """The configuration is locked once it stands."""
    with pytest.raises(duckdb.Error, match="locked"):
        engine.execute(f"SET {setting}")


def test_the_file_is_for_its_owner_alone(engine: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """What OpsWatch keeps is nobody else's on this machine."""
    assert (tmp_path / "metrics.duckdb").stat().st_mode & 0o777 == 0o600


# A file that cannot be opened


@pytest.mark.parametrize("content", [b"not a database at all", os.urandom(20_000)])
async def test_a_foreign_file_is_named_with_a_way_out(tmp_path: Path, content: bytes) -> None:
    """The message names the file, says why, and what to do."""
    path = tmp_path / "metrics.duckdb"
    path.write_bytes(content)

    with pytest.raises(StoreUnavailable, match=r"metrics\.duckdb cannot be opened: .*Move it aside"):
        async with EmbeddedStore.opened(path, OPTIONS, BUILT_IN):
            pass


async def test_a_file_that_another_process_holds_is_named_with_that_process(tmp_path: Path) -> None:
    """One process per file; the message says which one has it."""
    path = tmp_path / "metrics.duckdb"
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path), "1"], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        child.stdout.readline()

        with pytest.raises(StoreUnavailable, match=f"in use by process {child.pid}"):
            async with EmbeddedStore.opened(path, OPTIONS, BUILT_IN):
                pass

        child.kill()


def test_d9_a_disk_that_fills_in_the_middle_of_a_commit_tears_nothing(tmp_path: Path) -> None:
    """The batch is not taken, everything before is there and can be read; with room again the next one is taken."""
    (tmp_path / "store").mkdir()
    command = [sys.executable, "-m", "tests.embedded.full_disk", str(tmp_path / "store")]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=root)

    assert done.stdout.split() == ["True", "retry", "True", "retry", "True", "ok", "ok", "True", "True"], done.stderr


def test_d9_an_engine_that_dies_of_a_full_disk_is_opened_anew_when_there_is_room(tmp_path: Path) -> None:
    """After a failed checkpoint it refuses everything for good; the process goes on, with all that was taken."""
    command = [sys.executable, "-m", "tests.embedded.full_checkpoint", str(tmp_path)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=root)

    words = "retry retry True True True 71000 stopped True True"
    assert done.stdout.split() == words.split(), done.stderr


async def test_a21_more_tag_sets_than_a_measurement_may_have_are_refused(tmp_path: Path) -> None:
    """The store is the last guard: those it knows go on, over a restart too, and the refused are named."""
    points = [Point.of("system", {"host": f"h{number}"}, {"load1": 1.0}, START) for number in range(1_002)]
    async with EmbeddedStore.opened(tmp_path / "metrics.duckdb", OPTIONS, BUILT_IN) as store:
        outcome = await store.write(points)
    async with EmbeddedStore.opened(tmp_path / "metrics.duckdb", OPTIONS, BUILT_IN) as store:
        again = await store.write([points[0], points[-1]])

    assert outcome.status is again.status is WriteStatus.PARTIAL
    assert [one.point for one in outcome.refused] == points[1_000:]
    assert [one.point for one in again.refused] == points[-1:]
    assert "1,000 tag sets" in outcome.refused[0].reason


async def test_series_whose_samples_are_all_gone_are_forgotten(tmp_path: Path) -> None:
    """Or containers that come and go would use up the budget over the years."""
    path = tmp_path / "metrics.duckdb"
    async with EmbeddedStore.opened(path, OPTIONS, BUILT_IN) as store:
        await store.write([load("gone", 0, 1.0), load("kept", DAY // SECOND, 1.0)])
        await store.delete_expired(NOW + timedelta(days=7, seconds=1))
    async with EmbeddedStore.opened(path, OPTIONS, BUILT_IN) as store:
        kept = store.take_statistics().series
        await store.write([load("gone", 1, 2.0)])
        answer = await store.read(query(Raw(), stop=START + 2 * DAY))

    assert [dict(one.series.tags)["host"] for one in answer.series] == ["gone", "kept"]
    assert kept == 2  # numbers are never used again
