"""Exports by the engine: the text that the plain writer makes, byte for byte, and nothing left behind."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import embedded.export
from embedded.engine import EngineOptions
from embedded.export import remove_leftovers
from embedded.store import EmbeddedOptions, EmbeddedStore
from telemetry.csv_export import long_header, long_rows, wide_header, wide_rows
from telemetry.errors import InvalidQuery, QueryTooLarge, StoreUnavailable
from telemetry.measurements import BUILT_IN
from telemetry.points import Point
from telemetry.ports import TableForm
from telemetry.series import EVERYTHING, Equals, Function, Not, Predicate, Raw, SeriesQuery, Window

SECOND = 10**9
START = int(datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()) * SECOND
STOP = START + 3_600 * SECOND
PROBE = BUILT_IN.get("probe")
assert PROBE is not None
COLUMNS = [field.name for field in PROBE.plain_fields]


def options(folder: Path) -> EmbeddedOptions:
    exports = folder / "exports"
    exports.mkdir(exist_ok=True)
    return EmbeddedOptions(engine=EngineOptions(allowed_directories=(exports,)), exports=exports)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[EmbeddedStore]:
    async with EmbeddedStore.opened(tmp_path / "metrics.duckdb", options(tmp_path), BUILT_IN) as opened:
        yield opened


async def exported(store: EmbeddedStore, query: SeriesQuery, form: TableForm, *, unlimited: bool = True) -> bytes:
    export = await store.prepare(query, form, unlimited=unlimited)
    async with aclosing(export.pieces()) as pieces:
        return b"".join([piece async for piece in pieces])


async def expected(store: EmbeddedStore, query: SeriesQuery, form: TableForm) -> bytes:
    """What the plain writer makes of what the reader gives, tag set by tag set."""
    assert PROBE is not None
    series = (await store.read(query)).series
    tag_sets = list(dict.fromkeys(one.series.tags for one in series))
    groups = [[one for one in series if one.series.tags == tags] for tags in tag_sets]
    if form is TableForm.CSV_WIDE:
        columns = list(query.fields) or COLUMNS
        return (
            wide_header(PROBE.tags, columns) + "".join(wide_rows(one, PROBE.tags, columns) for one in groups)
        ).encode()
    return (long_header(PROBE.tags) + "".join(long_rows(one, PROBE.tags) for one in groups)).encode()


TEXTS = st.sampled_from(
    ["ok", "=1+1", "+1", "-1", "@x", "\tx", "\rx", 'say "x"', "a,b", "a\r\nb", "ü;\u2028", "'", " x "]
)
POINTS = st.lists(
    st.builds(
        lambda service, probe, fields, time: Point.of(
            "probe", {"service": service, "probe": probe, "kind": "http"}, fields, time
        ),
        TEXTS,
        st.sampled_from(["a", "b", ""]),
        st.fixed_dictionaries(
            {},
            optional={
                "latency_ms": st.floats(allow_nan=False, allow_infinity=False).map(lambda number: number + 0.0),
                "code": st.integers(-(2**53), 2**53),
                "message": TEXTS,
                "up_s": st.sampled_from([0.0, 1e16, 1e-7, 0.1]),
            },
        ).filter(bool),
        st.builds(
            lambda second, rest: START + second * SECOND + rest,
            st.integers(0, 30),
            st.sampled_from([0, 1, 1_000, 1_000_000, 999_999_999, 500_000_000]),
        ),
    ),
    min_size=1,
    max_size=30,
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[asyncio.Runner, EmbeddedStore]]:
    folder = tmp_path_factory.mktemp("export")
    with asyncio.Runner() as runner:
        context = EmbeddedStore.opened(folder / "metrics.duckdb", options(folder), BUILT_IN)
        yield runner, runner.run(context.__aenter__())
        runner.run(context.__aexit__(None, None, None))


@settings(max_examples=200, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(
    points=POINTS,
    form=st.sampled_from([TableForm.CSV_LONG, TableForm.CSV_WIDE]),
    fields=st.sampled_from([(), ("latency_ms",), ("message", "code")]),
    where=st.sampled_from([EVERYTHING, Equals("probe", "a"), Not(Equals("service", "=1+1"))]),
    limit=st.none() | st.integers(1, 5),
)
def test_the_engine_writes_the_very_bytes_of_the_plain_writer(
    shared: tuple[asyncio.Runner, EmbeddedStore],
    points: list[Point],
    form: TableForm,
    fields: tuple[str, ...],
    where: Predicate,
    limit: int | None,
) -> None:
    """Numbers, times, quotes, formulas and gaps; also where a limit cuts every series."""
    runner, store = shared
    query = SeriesQuery("probe", fields, START, STOP, Raw(limit or 1_000_000), where)

    async def both() -> tuple[bytes, bytes]:
        await store.write(points)  # all of them are there together, so that there is more and more to write
        return await exported(store, query, form, unlimited=limit is None), await expected(store, query, form)

    made, wanted = runner.run(both())
    assert made == wanted


async def test_a_large_export_is_made_in_parts(
    store: EmbeddedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut by time within a tag set, tag sets together where they are small: all rows once, and no file stays."""
    monkeypatch.setattr(embedded.export, "PART_SAMPLES", 1_000)
    await store.write([load("big", number) for number in range(4_500)])
    for host in range(30):
        await store.write([load(f"h{host}", number) for number in range(90)])
    query = SeriesQuery("system", (), START, STOP, Raw(1_000_000))
    lines = (await exported(store, query, TableForm.CSV_LONG)).decode().split("\r\n")

    assert len(lines) == len(set(lines)) == 1 + 4_500 + 30 * 90 + 1
    assert [float(line.split(",")[-1]) for line in lines if ",big," in line] == [float(one) for one in range(4_500)]
    assert list((tmp_path / "exports").iterdir()) == []


def load(host: str, number: int) -> Point:
    return Point.of("system", {"host": host}, {"load1": float(number)}, START + number * 100_000_000)


@pytest.mark.parametrize("form", [TableForm.PARQUET_LONG, TableForm.PARQUET_WIDE])
async def test_parquet_holds_types_and_nanoseconds(store: EmbeddedStore, tmp_path: Path, form: TableForm) -> None:
    """Any Parquet reader gets times, tags and values in their types."""
    tags = {"service": "=shop", "probe": "http", "kind": "http"}
    await store.write([Point.of("probe", tags, {"code": 200, "latency_ms": 1.5, "message": "=1"}, START + 1)])
    query = SeriesQuery("probe", ("code", "latency_ms", "message"), START, STOP, Raw())
    file = tmp_path / "x.parquet"
    file.write_bytes(await exported(store, query, form))
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT * FROM '{file}'")
        names = [column[0] for column in found.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
        (nanoseconds,) = connection.execute(f"SELECT epoch_ns(min(time)) FROM '{file}'").fetchone() or (None,)

    assert nanoseconds == START + 1
    assert all((row["service"], row["host"]) == ("=shop", None) for row in rows)
    if form is TableForm.PARQUET_WIDE:
        assert [(row["code"], row["latency_ms"], row["message"]) for row in rows] == [(200, 1.5, "=1")]
    else:
        assert [(row["field"], row["value"], row["text"]) for row in rows] == [
            ("code", 200.0, None),
            ("latency_ms", 1.5, None),
            ("message", None, "=1"),
        ]


async def test_a_number_that_no_integer_can_hold_does_not_spoil_the_integers_beside_it(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    """A column is made of its own field's values alone."""
    tags = {"service": "shop", "probe": "http", "kind": "http"}
    await store.write([Point.of("probe", tags, {"code": 200, "latency_ms": 1e300}, START)])
    query = SeriesQuery("probe", ("code", "latency_ms"), START, STOP, Raw())
    file = tmp_path / "x.parquet"
    file.write_bytes(await exported(store, query, TableForm.PARQUET_WIDE))
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT code, latency_ms FROM '{file}'").fetchall()

    assert found == [(200, 1e300)]


@pytest.mark.parametrize("form", list(TableForm))
async def test_nothing_found_is_a_file_with_its_columns(store: EmbeddedStore, form: TableForm) -> None:
    """A header, or a Parquet file without rows."""
    made = await exported(store, SeriesQuery("system", (), START, STOP, Raw()), form)

    assert made.startswith((b"time,", b"PAR1"))


async def test_whoever_leaves_stops_the_engine_and_leaves_no_file(store: EmbeddedStore, tmp_path: Path) -> None:
    """In the middle of a piece, and in the middle of the engine's work; the readers are free afterwards."""
    chance = random.Random(4)
    for _ in range(10):
        await store.write([load(f"h{chance.randrange(50)}", number) for number in range(5_000)])
    query = SeriesQuery("system", (), START, STOP, Raw(1_000_000))
    for _ in range(6):
        export = await store.prepare(query, TableForm.CSV_LONG, unlimited=True)
        pieces = export.pieces()
        await anext(pieces)
        task = asyncio.ensure_future(anext(pieces))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await pieces.aclose()

    assert list((tmp_path / "exports").iterdir()) == []
    assert await exported(store, query, TableForm.CSV_LONG)


async def test_an_export_that_needs_more_of_the_disk_than_it_may_is_refused_with_a_way_out(tmp_path: Path) -> None:
    """Sorting spills no further than its cap; nothing is left behind, and what is made in parts passes."""
    of_export = options(tmp_path)
    engine = replace(of_export.engine, memory_limit="100MB", spill_limit=50 * 10**6)
    async with EmbeddedStore.opened(tmp_path / "m.duckdb", replace(of_export, engine=engine), BUILT_IN) as store:
        await store.write([load(f"h{number}", 0) for number in range(50)])
        store._connection.execute(
            f"INSERT INTO raw SELECT {START} + 1 + i, i * 7919 % 50 + 1, random(), NULL FROM range(3000000) AS r(i)"
        )
        query = SeriesQuery("system", (), START, STOP, Raw())
        with pytest.raises(QueryTooLarge, match=r"more than 50 MB of the disk .* shorten the range"):
            await exported(store, query, TableForm.PARQUET_WIDE)
        assert list((tmp_path / "exports").iterdir()) == []
        assert (await exported(store, query, TableForm.CSV_WIDE)).count(b"\n") > 3_000_000


async def test_windows_are_not_for_the_engine(store: EmbeddedStore) -> None:
    """They are few, and written elsewhere."""
    with pytest.raises(InvalidQuery):
        await store.prepare(
            SeriesQuery("system", (), START, STOP, Window(SECOND, (Function.MEAN,))), TableForm.CSV_LONG, unlimited=True
        )


async def test_a_store_without_a_folder_says_so(tmp_path: Path) -> None:
    """Nothing is written somewhere."""
    async with EmbeddedStore.opened(tmp_path / "m.duckdb", EmbeddedOptions(), BUILT_IN) as store:
        with pytest.raises(StoreUnavailable):
            await store.prepare(SeriesQuery("system", (), START, STOP, Raw()), TableForm.CSV_LONG, unlimited=True)


def test_what_a_killed_process_has_left_is_removed(tmp_path: Path) -> None:
    """And nothing else."""
    (tmp_path / "export-1234.tmp").write_text("x")
    (tmp_path / "mine.csv").write_text("x")
    remove_leftovers(tmp_path)

    assert [file.name for file in tmp_path.iterdir()] == ["mine.csv"]
