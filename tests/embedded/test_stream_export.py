"""Exports from any reader: what the engine's own export holds, with flat memory, and nothing left behind."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embedded.engine import EngineOptions
from embedded.store import EmbeddedStore
from embedded.stream_export import StreamExporter, StreamOptions
from telemetry.errors import InvalidQuery, QueryTimedOut, QueryTooLarge, StoreUnavailable
from telemetry.measurements import BUILT_IN
from telemetry.points import Point
from telemetry.ports import DEFAULT_DEADLINE, SeriesReader, TableExporter, TableForm
from telemetry.series import (
    EVERYTHING,
    Equals,
    Function,
    Not,
    Predicate,
    Raw,
    SeriesQuery,
    SeriesResult,
    SeriesSamples,
    Window,
)
from tests.embedded.stream_victim import LongReader
from tests.embedded.test_export import POINTS, START, STOP, exported, load, options

ROOT = Path(__file__).parent.parent.parent
CSV = (TableForm.CSV_LONG, TableForm.CSV_WIDE)
PARQUET = (TableForm.PARQUET_LONG, TableForm.PARQUET_WIDE)
ALL_OF_SYSTEM = SeriesQuery("system", (), START, STOP, Raw())


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[EmbeddedStore]:
    async with EmbeddedStore.opened(tmp_path / "metrics.duckdb", options(tmp_path), BUILT_IN) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the exports put their files."""
    made = tmp_path / "streamed"
    made.mkdir()
    return made


def exporter(reader: SeriesReader, folder: Path, of: StreamOptions | None = None) -> StreamExporter:
    return StreamExporter(reader, BUILT_IN, folder, of or StreamOptions())


async def streamed(exporter: TableExporter, query: SeriesQuery, form: TableForm, *, unlimited: bool = True) -> bytes:
    export = await exporter.prepare(query, form, unlimited=unlimited)
    async with aclosing(export.pieces()) as pieces:
        return b"".join([piece async for piece in pieces])


def table(content: bytes, folder: Path) -> tuple[list[tuple[str, str]], list[tuple[Any, ...]]]:
    """The columns of a Parquet file with their types, and its rows in their order; times to the nanosecond."""
    file = folder / "x.parquet"
    file.write_bytes(content)
    with duckdb.connect() as connection:
        columns = [(row[0], row[1]) for row in connection.execute(f"DESCRIBE SELECT * FROM '{file}'").fetchall()]
        rows = connection.execute(f"SELECT epoch_ns(time), * FROM '{file}'").fetchall()
    file.unlink()
    return columns, rows


# The same as the engine's own


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[asyncio.Runner, EmbeddedStore, Path]]:
    folder = tmp_path_factory.mktemp("export")
    with asyncio.Runner() as runner:
        context = EmbeddedStore.opened(folder / "metrics.duckdb", options(folder), BUILT_IN)
        yield runner, runner.run(context.__aenter__()), folder
        runner.run(context.__aexit__(None, None, None))


@settings(max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(
    points=POINTS,
    form=st.sampled_from(TableForm),
    fields=st.sampled_from([(), ("latency_ms",), ("message", "code"), ("message",)]),
    where=st.sampled_from([EVERYTHING, Equals("probe", "a"), Not(Equals("service", "=1+1"))]),
    limit=st.none() | st.integers(1, 5),
)
def test_what_is_streamed_is_what_the_engine_writes(
    shared: tuple[asyncio.Runner, EmbeddedStore, Path],
    points: list[Point],
    form: TableForm,
    fields: tuple[str, ...],
    where: Predicate,
    limit: int | None,
) -> None:
    """CSV to the byte, Parquet in columns, types, rows and order: numbers, texts, formulas, quotes, gaps, limits."""
    runner, store, folder = shared
    query = SeriesQuery("probe", fields, START, STOP, Raw(limit or 1_000_000), where)

    async def both() -> tuple[bytes, bytes]:
        await store.write(points)
        made = await streamed(exporter(store, folder), query, form, unlimited=limit is None)
        return made, await exported(store, query, form, unlimited=limit is None)

    made, wanted = runner.run(both())
    if form in CSV:
        assert made == wanted
    else:
        assert table(made, folder) == table(wanted, folder)


@pytest.mark.parametrize("form", list(TableForm))
async def test_nothing_found_is_a_file_with_its_columns(store: EmbeddedStore, folder: Path, form: TableForm) -> None:
    """As the engine's own."""
    made = await streamed(exporter(store, folder), ALL_OF_SYSTEM, form)
    wanted = await exported(store, ALL_OF_SYSTEM, form)

    assert made == wanted if form in CSV else table(made, folder) == table(wanted, folder)


@pytest.mark.parametrize("form", list(TableForm))
async def test_a_series_that_is_too_long_for_one_question_is_asked_for_in_stretches(
    store: EmbeddedStore, folder: Path, form: TableForm
) -> None:
    """Nobody asked for a limit, so there is none: every row is there once, of the long series and of the short ones."""
    await store.write([load("big", number) for number in range(4_500)])
    await store.write([load(f"h{host}", number) for host in range(5) for number in range(host)])
    made = await streamed(exporter(store, folder, StreamOptions(stretch_samples=500)), ALL_OF_SYSTEM, form)
    wanted = await exported(store, ALL_OF_SYSTEM, form)

    if form in CSV:
        assert sorted(made.splitlines()) == sorted(wanted.splitlines())
        big = [
            float(line.split(b",")[4 if form is TableForm.CSV_LONG else 2])
            for line in made.splitlines()
            if b",big," in line
        ]
        assert big == [float(number) for number in range(4_500)]
    else:
        assert table(made, folder) == table(wanted, folder)


class Uncounted(LongReader):
    """Counts less than it has, as where samples come while the export runs."""

    async def read(self, query: SeriesQuery, deadline: timedelta = DEFAULT_DEADLINE) -> SeriesResult:
        return SeriesResult(query, "raw", ())


@pytest.mark.parametrize("form", list(TableForm))
async def test_what_may_be_cut_is_never_given_out_as_whole(folder: Path, form: TableForm) -> None:
    """A series that has as many samples as were asked for at most may have more: that is an error, with the way out."""
    cut = exporter(Uncounted(3_000), folder, StreamOptions(stretch_samples=1_000))
    query = replace(ALL_OF_SYSTEM, start=START, stop=START + 10**12)
    with pytest.raises(QueryTooLarge, match=r"2,000 samples or more .* in parts"):
        await streamed(cut, query, form)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("fields", "limit", "samples"),
    [
        ((), None, 9 + 4 + 9 + 4),
        (("code",), None, 9),
        (("code",), 3, 3),
        (("message",), None, 9 + 4),
        (("latency_ms", "message"), 5, 4 + 5 + 4),
    ],
)
async def test_the_number_of_samples_is_said_before(
    store: EmbeddedStore, folder: Path, fields: tuple[str, ...], limit: int | None, samples: int
) -> None:
    """Numbers are counted; a text is taken to stand beside the most frequent number of its tag set."""
    tags = [{"service": name, "probe": "http", "kind": "http"} for name in "ab"]
    await store.write(
        [Point.of("probe", tags[0], {"code": 200, "message": "x"}, START + number) for number in range(9)]
    )
    await store.write([Point.of("probe", tags[1], {"latency_ms": 1.0}, START + number) for number in range(4)])
    query = SeriesQuery("probe", fields, START, STOP, Raw(limit or 10))
    export = await exporter(store, folder).prepare(query, TableForm.CSV_LONG, unlimited=limit is None)

    assert export.samples == samples


async def test_windows_and_unknown_measurements_are_refused(store: EmbeddedStore, folder: Path) -> None:
    """Before anything is written."""
    windows = SeriesQuery("system", (), START, STOP, Window(10**9, (Function.MEAN,)))
    for query, words in ((windows, "only samples"), (replace(ALL_OF_SYSTEM, measurement="nope"), "no measurement")):
        with pytest.raises(InvalidQuery, match=words):
            await exporter(store, folder).prepare(query, TableForm.CSV_LONG, unlimited=True)


@pytest.mark.parametrize(("start", "stop"), [(-(2**62), STOP), (START + 3, START + 4)])
async def test_ranges_that_no_window_has_are_counted_all_the_same(
    store: EmbeddedStore, folder: Path, start: int, stop: int
) -> None:
    """Centuries, and a nanosecond."""
    await store.write([Point.of("system", {"host": "a"}, {"load1": 1.0}, START + 3)])
    export = await exporter(store, folder).prepare(
        replace(ALL_OF_SYSTEM, start=start, stop=stop), TableForm.CSV_LONG, unlimited=True
    )

    assert export.samples == 1


# What goes wrong


class Breaking(LongReader):
    """Gives some slices, then fails as it is told."""

    def __init__(self, failure: Exception) -> None:
        super().__init__(1_000_000)
        self._failure = failure

    async def stream(self, query: SeriesQuery) -> AsyncGenerator[list[SeriesSamples]]:
        async with aclosing(super().stream(query)) as slices:
            yield await anext(slices)
        raise self._failure


@pytest.mark.parametrize("form", list(TableForm))
async def test_an_error_in_the_middle_is_the_readers_own_and_leaves_no_file(folder: Path, form: TableForm) -> None:
    """A CSV has had its first pieces by then; a Parquet file none."""
    broken = exporter(Breaking(QueryTimedOut("the query was stopped after 30s")), folder)
    export = await broken.prepare(ALL_OF_SYSTEM, form, unlimited=True)
    pieces: list[bytes] = []

    async def take() -> None:
        async for piece in export.pieces():
            pieces.append(piece)  # noqa: PERF401 (they are looked at after the error)

    with pytest.raises(QueryTimedOut, match="stopped after 30s"):
        await take()

    assert bool(pieces) is (form in CSV)
    assert list(folder.iterdir()) == []


class Endless(LongReader):
    """Stops for good after the first slice; says when it is there and when it was closed."""

    def __init__(self) -> None:
        super().__init__(1_000_000)
        self.waiting = asyncio.Event()
        self.closed = False

    async def stream(self, query: SeriesQuery) -> AsyncGenerator[list[SeriesSamples]]:
        try:
            async with aclosing(super().stream(query)) as slices:
                yield await anext(slices)
            self.waiting.set()
            await asyncio.Event().wait()
        finally:
            self.closed = True


@pytest.mark.parametrize("form", list(TableForm))
async def test_whoever_leaves_while_the_reader_works_stops_it_and_leaves_no_file(folder: Path, form: TableForm) -> None:
    """Before the next slice is there."""
    reader = Endless()
    export = await exporter(reader, folder).prepare(ALL_OF_SYSTEM, form, unlimited=True)

    async def take() -> None:
        async with aclosing(export.pieces()) as pieces:
            async for _ in pieces:
                pass

    taking = asyncio.create_task(take())
    await reader.waiting.wait()
    assert (list(folder.iterdir()) != []) is (form in PARQUET)
    taking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taking

    assert reader.closed
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("form", PARQUET)
async def test_whoever_leaves_at_any_moment_leaves_no_file(store: EmbeddedStore, folder: Path, form: TableForm) -> None:
    """While slices are taken in, while the engine writes, and while the file is read; afterwards exports go on."""
    chance = random.Random(5)
    for _ in range(4):
        await store.write([load(f"h{chance.randrange(50)}", number) for number in range(5_000)])
    made = exporter(store, folder)
    for _ in range(12):
        export = await made.prepare(ALL_OF_SYSTEM, form, unlimited=True)

        async def take(export: Any = export) -> None:
            async with aclosing(export.pieces()) as pieces:
                async for _ in pieces:
                    pass

        taking = asyncio.create_task(take())
        await asyncio.wait([taking], timeout=chance.uniform(0, 0.3))  # the moment is the experiment
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
        assert list(folder.iterdir()) == []
        assert taking.cancelled() or taking.exception() is None

    assert (await streamed(made, ALL_OF_SYSTEM, form)).startswith(b"PAR1")


async def test_whoever_takes_one_piece_only_leaves_no_file(folder: Path) -> None:
    """The file is there until the last piece is taken, or the iterator closed."""
    export = await exporter(LongReader(200_000), folder).prepare(
        replace(ALL_OF_SYSTEM, start=START), TableForm.PARQUET_LONG, unlimited=True
    )
    pieces = export.pieces()
    assert (await anext(pieces)).startswith(b"PAR1")
    assert list(folder.iterdir()) != []
    await pieces.aclose()

    assert list(folder.iterdir()) == []


async def test_an_export_that_needs_more_room_than_it_may_is_refused_with_a_way_out(folder: Path) -> None:
    """Little memory and little disk beside it, whichever is full first, and CSV passes."""
    small = StreamOptions(EngineOptions(memory_limit="20MB", threads=1, spill_limit=5_000_000))
    made = exporter(LongReader(400_000), folder, small)
    with pytest.raises(QueryTooLarge, match=r"more than (5 MB of the disk|20MB of memory) .* CSV"):
        await streamed(made, ALL_OF_SYSTEM, TableForm.PARQUET_WIDE)
    assert list(folder.iterdir()) == []
    assert (await streamed(made, ALL_OF_SYSTEM, TableForm.CSV_WIDE)).count(b"\n") == 400_001


async def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """Not a traceback."""
    (tmp_path / "file").write_text("x")
    made = exporter(LongReader(10), tmp_path / "file")
    with pytest.raises(StoreUnavailable, match="the export cannot be written"):
        await streamed(made, ALL_OF_SYSTEM, TableForm.PARQUET_LONG)


async def test_only_so_many_run_at_once(folder: Path) -> None:
    """One more is told to try again, and may when one has ended."""
    made = exporter(LongReader(10), folder, StreamOptions(at_once=1))
    export = await made.prepare(ALL_OF_SYSTEM, TableForm.CSV_LONG, unlimited=True)
    first = export.pieces()
    await anext(first)
    with pytest.raises(StoreUnavailable, match="too many exports"):
        await streamed(made, ALL_OF_SYSTEM, TableForm.CSV_LONG)
    await first.aclose()

    assert (await streamed(made, ALL_OF_SYSTEM, TableForm.CSV_LONG)).count(b"\n") == 11


def measured(folder: Path, form: TableForm, samples: int) -> tuple[int, int]:
    """How many bytes an export has, and the greatest size in MB of the process that made it."""
    command = [sys.executable, "-m", "tests.embedded.stream_victim", str(folder), form.value, str(samples)]
    output = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    size, peak = map(int, output.split())
    return size, peak


@pytest.mark.parametrize("form", [TableForm.CSV_LONG, TableForm.PARQUET_LONG])
def test_memory_is_flat(folder: Path, form: TableForm) -> None:
    """Ten times the samples take no more memory than half as much again."""
    small, large = measured(folder, form, 100_000), measured(folder, form, 1_000_000)

    assert large[0] > 7 * small[0]
    assert large[1] <= 1.5 * small[1], (small, large)
    assert list(folder.iterdir()) == []


async def test_what_a_killed_process_has_left_goes_at_the_next_start(folder: Path) -> None:
    """A folder with what was spilled and written; nothing else is touched."""
    command = [sys.executable, "-m", "tests.embedded.stream_victim", str(folder), "parquet wide", "50000000"]
    (folder / "mine.csv").write_text("x")
    with subprocess.Popen(command, cwd=ROOT) as process:
        async with asyncio.timeout(20):
            while not list(folder.glob("export-*/spill")):
                await asyncio.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
    assert list(folder.glob("export-*.tmp")) != []
    exporter(LongReader(1), folder)

    assert [file.name for file in folder.iterdir()] == ["mine.csv"]
