"""`/api/v1/export.csv`: the same numbers as the series, harmless in a spreadsheet, however long it gets."""

import asyncio
import csv
import io
import random
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientPayloadError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.export import SAMPLES_HEADER, cut_reason
from telemetry.cells import guarded
from telemetry.errors import StoreUnavailable
from telemetry.points import Point
from telemetry.series import MAX_RAW_LIMIT, Series, SeriesSamples
from telemetry.times import from_datetime, parse_instant
from tests.api.world import NOW, NOW_NS, SECOND, ApiSettings, World, running

HOSTS = ["h1", "it's", "a,b", 'say "x"', "new\nline"]


def points() -> list[Point]:
    """Hosts with names that need quoting, at times that need nanoseconds."""
    draw = random.Random(3)
    found = []
    for number in range(400):
        time = NOW_NS - draw.randrange(0, 7_200) * SECOND - draw.choice([0, 0, 1, 500_000, 999_999_999])
        host = draw.choice(HOSTS)
        found.append(Point.of("system", {"host": host}, {"load1": draw.random() * 1e-7, "n_cpus": number % 5}, time))
        tags = {"host": host, "interface": draw.choice(["eth0", "lo"])}
        found.append(Point.of("net", tags, {"bytes_sent": draw.randrange(2**50), "bytes_recv": number}, time))
        tags = {"host": host, "service": "checkout", "probe": "health", "kind": "http"}
        found.append(Point.of("probe", tags, {"up": number % 2, "message": draw.choice(["=1+1", "ok"])}, time))
    return found


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


FIELDS = {
    "system": ["load1", "n_cpus"],
    "net": ["bytes_sent", "bytes_recv"],
    "probe": ["up", "message"],
}


@st.composite
def query_strings(draw: st.DrawFn) -> dict[str, Any]:
    """Anything that the two endpoints take alike."""
    measurement = draw(st.sampled_from(sorted(FIELDS)))
    parameters: dict[str, Any] = {"measurement": measurement}
    fields = draw(st.lists(st.sampled_from(FIELDS[measurement]), unique=True, max_size=2))
    start = draw(st.integers(1, 9_000))
    parameters |= {"field": fields, "start": draw(st.sampled_from([f"-{start}s", str(NOW_NS // SECOND - start)]))}
    parameters["stop"] = draw(st.sampled_from(["now", "2026-11-24T12:00:01Z", f"now-{start - 1}s"]))
    parameters["where"] = draw(
        st.lists(st.sampled_from(["host:it's", "host!:h1", "host~:[a-h]", "host:a,b", "host!:new\nline"]), max_size=2)
    )
    shape = draw(st.sampled_from(["raw", "limit", "latest", "every"]))
    if shape == "limit":
        parameters["limit"] = str(draw(st.integers(1, 50)))
    if shape == "latest":
        parameters["latest"] = "true"
    if shape == "every":
        parameters["every"] = draw(st.sampled_from(["90s", "5m", "1h"]))
        parameters["fn"] = draw(st.lists(st.sampled_from(["mean", "max", "count", "rate", "last"]), unique=True))
    return parameters


def samples_of_series(body: dict[str, Any]) -> set[tuple[Any, ...]]:
    """(tags, column, milliseconds, value) of a series answer."""
    found = set()
    several = len({one["fn"] for one in body["series"]}) > 1
    for one in body["series"]:
        column = f"{one['field']}_{one['fn']}" if several else one["field"]
        times = body["time"] if "time" in body else one["time"]
        tags = tuple(sorted(one["tags"].items()))
        found |= {(tags, column, time, value) for time, value in zip(times, one["values"], strict=True)}
    return {sample for sample in found if sample[3] is not None}


def samples_of_csv(text: str) -> set[tuple[Any, ...]]:
    """The same of a long CSV; where several times fall into one millisecond, the last."""
    latest: dict[tuple[Any, ...], tuple[int, Any]] = {}
    for row in rows(text):
        tags = {name: row[name] for name in row if name not in {"time", "measurement", "field", "value"}}
        time = parse_instant(row["time"], NOW)
        key = (tuple(sorted((name, value) for name, value in tags.items() if value)), row["field"], time // 10**6)
        value: Any = row["value"].removeprefix("'") if row["field"] == "message" else float(row["value"])
        if key not in latest or latest[key][0] <= time:
            latest[key] = (time, value)
    return {(*key, value) for key, (_, value) in latest.items()}


def samples_of_wide_csv(text: str, columns: set[str]) -> set[tuple[Any, ...]]:
    """The same of a wide CSV."""
    latest: dict[tuple[Any, ...], tuple[int, Any]] = {}
    for row in rows(text):
        tags = tuple(sorted((name, row[name]) for name in row if name not in {"time", *columns} and row[name]))
        time = parse_instant(row["time"], NOW)
        for column in columns & set(row):
            if row[column] != "":
                value: Any = row[column].removeprefix("'") if column == "message" else float(row[column])
                key = (tags, column, time // 10**6)
                if key not in latest or latest[key][0] <= time:
                    latest[key] = (time, value)
    return {(*key, value) for key, (_, value) in latest.items()}


async def test_export_and_series_hold_the_same(tmp_path: Path) -> None:
    """For random query strings, both shapes of the export and the series have the same samples."""
    async with running(tmp_path) as world:
        await world.write(*points())
        loop = asyncio.get_running_loop()
        compared: list[int] = []

        @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
        @given(parameters=query_strings())
        def compare(parameters: dict[str, Any]) -> None:
            asyncio.run_coroutine_threadsafe(one(parameters), loop).result(30)

        async def one(parameters: dict[str, Any]) -> None:
            answer = await world.get("/api/v1/series", **parameters)
            if answer.status != 200:
                exported = await world.get("/api/v1/export.csv", **parameters)
                assert exported.status == answer.status
                return
            expected = samples_of_series(await answer.json())
            long = await (await world.get("/api/v1/export.csv", **parameters)).text()
            wide = await (await world.get("/api/v1/export.csv", shape="wide", **parameters)).text()
            columns = {sample[1] for sample in expected}
            assert samples_of_csv(long) == expected
            assert samples_of_wide_csv(wide, columns) == expected
            compared.append(len(expected))

        await asyncio.to_thread(compare)

    assert len(compared) >= 10
    assert sum(compared) > 1_000


async def test_the_long_shape_has_its_columns(world: World) -> None:
    """`time,measurement,TAGS…,field,value`, CRLF, times with as many digits as they need, as a download."""
    await world.write(
        Point.of("net", {"host": "h1", "interface": "lo"}, {"bytes_sent": 5}, NOW_NS - 1),
        Point.of("net", {"host": "h1"}, {"bytes_sent": 2**53}, NOW_NS - 2 * SECOND),
    )
    answer = await world.get("/api/v1/export.csv", measurement="net", field="bytes_sent", stop="now")

    assert (await answer.text()).encode() == (
        b"time,measurement,host,interface,field,value\r\n"
        b"2026-11-24T11:59:58Z,net,h1,,bytes_sent,9007199254740992\r\n"
        b"2026-11-24T11:59:59.999999999Z,net,h1,lo,bytes_sent,5\r\n"
    )
    assert answer.headers["Content-Type"].startswith("text/csv; charset=utf-8")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="net.csv"'


async def test_the_wide_shape_has_a_column_per_field(world: World) -> None:
    """`time,TAGS…,FIELDS…`; a field without a value at that time is empty."""
    await world.write(
        Point.of("net", {"host": "h1", "interface": "lo"}, {"bytes_sent": 5, "bytes_recv": 6}, NOW_NS - SECOND),
        Point.of("net", {"host": "h1", "interface": "lo"}, {"bytes_sent": 7}, NOW_NS),
    )
    answer = await world.get(
        "/api/v1/export.csv", measurement="net", field=["bytes_recv", "bytes_sent"], shape="wide", stop="now+1s"
    )

    assert (await answer.text()).splitlines() == [
        "time,host,interface,bytes_recv,bytes_sent",
        "2026-11-24T11:59:59Z,h1,lo,6,5",
        "2026-11-24T12:00:00Z,h1,lo,,7",
    ]


HOSTILE = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\tx",
    "\rx",
    "=cmd|' /C calc'!A0",
    '"=1"',
    "a\r\nb",
    "ü,;\u2028",
    "# incomplete: no",
]


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_cells_are_disarmed_and_come_back(world: World, text: str) -> None:
    """What a spreadsheet would run begins with a quote; a reader of CSV gets everything else as it was."""
    tags = {"host": text, "service": text, "probe": "p", "kind": "http"}
    await world.write(Point.of("probe", tags, {"message": text, "latency_ms": -1.5}, NOW_NS - SECOND))
    exported = await (await world.get("/api/v1/export.csv", measurement="probe")).text()
    found = {row["field"]: row for row in rows(exported)}

    assert found["message"]["value"] == found["message"]["host"] == guarded(text)
    assert guarded(text) in {text, "'" + text}
    assert not found["message"]["value"].startswith(("=", "+", "-", "@", "\t", "\r", "\x00"))
    assert found["latency_ms"]["value"] == "-1.5"  # a number stays a number
    assert exported.endswith("\r\n")


async def test_an_empty_export_is_a_header(world: World) -> None:
    """Nothing found is no error."""
    answer = await world.get("/api/v1/export.csv", measurement="cpu")

    assert await answer.text() == "time,measurement,cpu,host,field,value\r\n"


async def test_an_unknown_shape_is_refused(world: World) -> None:
    """By name."""
    assert (await world.refusal("/api/v1/export.csv", measurement="cpu", shape="tall"))[:2] == (400, "shape")


# When it does not go to its end


class Endless:
    """A store with as many slices as anybody reads; `error` comes after `slices` of them."""

    def __init__(self, slices: int = 10**9, error: Exception | None = None, size: int = 1_000) -> None:
        self.slices, self.error, self.size = slices, error, size
        self.given = 0
        self.closed = asyncio.Event()

    async def read(self, query: object, deadline: timedelta = timedelta(0)) -> Any:
        raise AssertionError("an export streams")

    async def stream(self, query: object) -> AsyncGenerator[list[SeriesSamples], None]:
        try:
            for number in range(self.slices):
                self.given = number + 1
                start = from_datetime(NOW) + number * self.size
                series = Series("system", (("host", "h1"),), "load1")
                yield [SeriesSamples(series, range(start, start + self.size), [0.5] * self.size)]
            if self.error is not None:
                raise self.error
        finally:
            self.closed.set()


async def test_an_export_that_must_stop_says_so_in_its_last_line(tmp_path: Path) -> None:
    """The status was sent long before: `# incomplete:` and the reason are what a reader can go by."""
    reader = Endless(3, StoreUnavailable("the disk\nis gone"))
    async with running(tmp_path, reader=reader) as world:
        text = await (await world.get("/api/v1/export.csv", measurement="system")).text()

    lines = text.split("\r\n")
    assert len(lines) == 1 + 3_000 + 2
    assert lines[-2:] == ["# incomplete: the disk is gone", ""]


def test_an_export_that_is_cut_says_so() -> None:
    """A series as long as the cap, when nobody asked for a limit, may go on in the store."""
    long, short = Series("system", (), "load1"), Series("system", (), "load5")

    assert cut_reason({short: 1, long: MAX_RAW_LIMIT}).startswith("a series has 1,000,000 samples or more")
    assert cut_reason({short: 1, long: MAX_RAW_LIMIT - 1}) == cut_reason({}) == ""


async def test_a_client_that_leaves_stops_the_work(tmp_path: Path) -> None:
    """The engine is told, long before it has read everything."""
    reader = Endless()
    async with running(tmp_path, reader=reader) as world:
        answer = await world.session.get(
            f"{world.url}/api/v1/export.csv", params={"measurement": "system"}, headers=world.bearer()
        )
        await answer.content.readany()
        answer.close()
        await asyncio.wait_for(reader.closed.wait(), 10)

    assert reader.given < 100_000


async def test_a_client_that_reads_nothing_is_waited_for_and_then_let_go(tmp_path: Path) -> None:
    """Nothing piles up in memory for it, and it does not keep a reader of the store for ever."""
    reader = Endless()
    impatient = ApiSettings("h1", "0.1.0", stalled_after=timedelta(seconds=0.3))
    async with running(tmp_path, impatient, reader) as world:
        _, writer = await asyncio.open_connection("127.0.0.1", world.port, limit=1_024)
        writer.write(
            b"GET /api/v1/export.csv?measurement=system HTTP/1.1\r\nHost: x\r\n"
            b"Authorization: Bearer " + world.tokens["viewer"].encode() + b"\r\n\r\n"
        )
        await asyncio.wait_for(reader.closed.wait(), 20)
        writer.close()

    assert reader.given < 2_000  # some megabytes of socket buffers, not the whole store


# By the store's engine, and while the disk is low


async def test_whoever_shows_progress_is_told_how_many_samples_come(world: World) -> None:
    """In a header, for every format; a limit counts."""
    await world.write(*(load(number) for number in range(50)))
    for path in ("export.csv", "export.parquet"):
        whole = await world.get(f"/api/v1/{path}", measurement="system")
        part = await world.get(f"/api/v1/{path}", measurement="system", limit="7")
        assert (whole.headers[SAMPLES_HEADER], part.headers[SAMPLES_HEADER]) == ("50", "7")


def load(number: int) -> Point:
    return Point.of("system", {"host": "h1"}, {"load1": float(number)}, NOW_NS - number * SECOND - 1)


async def test_parquet_over_http_is_a_whole_file(world: World) -> None:
    """Under its name and type, in both shapes; windows are refused with the way out."""
    await world.write(*(load(number) for number in range(50)))
    for shape in ("long", "wide"):
        parameters = {"measurement": "system", "shape": shape}
        url = f"{world.url}/api/v1/export.parquet"
        async with world.session.get(url, params=parameters, headers=world.bearer()) as answer:
            content = await answer.read()
        assert (content[:4], content[-4:]) == (b"PAR1", b"PAR1")
        assert answer.headers["Content-Type"] == "application/vnd.apache.parquet"
        assert answer.headers["Content-Disposition"] == 'attachment; filename="system.parquet"'
    status, field, message = await world.refusal("/api/v1/export.parquet", measurement="system", every="5m")

    assert (status, field) == (400, "every")
    assert "export.csv" in message


async def test_a_disk_that_is_low_refuses_exports_until_room_is_back(world: World) -> None:
    """503 with Retry-After and how the disk stands; series are answered all the same."""
    await world.write(load(1))
    world.disk.free = 100
    for path in ("export.csv", "export.parquet"):
        answer = await world.get(f"/api/v1/{path}", measurement="system")
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
        assert "exports are refused while the disk is low" in (await answer.json())["error"]["message"]
    assert (await world.get("/api/v1/series", measurement="system")).status == 200
    world.disk.free = 50_000_000_000
    world.clock.advance(timedelta(seconds=2))

    assert (await world.get("/api/v1/export.csv", measurement="system")).status == 200


async def test_a_parquet_file_that_would_use_up_the_reserve_is_refused_before_it_is_written(world: World) -> None:
    """The engine writes it whole; CSV is written in parts, and passes."""
    await world.write(*(load(number) for number in range(100)))
    world.disk.free = 1_000_000_000 + 1_000
    answer = await world.get("/api/v1/export.parquet", measurement="system")

    assert answer.status == 503
    assert "exports of this size need 0.0 MB of the disk" in (await answer.json())["error"]["message"]
    assert (await world.get("/api/v1/export.csv", measurement="system")).status == 200


@dataclass(frozen=True)
class Breaking:
    """An export whose disk is full after the first piece."""

    samples: int = 7

    async def pieces(self) -> AsyncGenerator[bytes]:
        yield b"first piece"
        raise StoreUnavailable("the export cannot be written:\nNo space left on device")


class BreakingExporter:
    async def prepare(self, query: object, form: object, *, unlimited: bool) -> Breaking:
        return Breaking()


@pytest.fixture
async def breaking(tmp_path: Path) -> AsyncGenerator[World]:
    async with running(tmp_path, change=lambda doors: replace(doors, exporter=BreakingExporter())) as one:  # type: ignore[arg-type]
        yield one


@dataclass(frozen=True)
class Waiting:
    """An export of ten million samples that takes as long as it is told."""

    go_on: asyncio.Event
    samples: int = 10_000_000

    async def pieces(self) -> AsyncGenerator[bytes]:
        await self.go_on.wait()
        yield b"all of it"


class WaitingExporter:
    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.begun = asyncio.Event()

    async def prepare(self, query: object, form: object, *, unlimited: bool) -> Waiting:
        asyncio.get_running_loop().call_soon(self.begun.set)
        return Waiting(self.go_on)


async def test_parquet_files_that_are_made_at_once_leave_the_reserve_alone_together(tmp_path: Path) -> None:
    """There is room for one, not for two; when it has ended, the next one passes. CSV is made in parts."""
    exporter = WaitingExporter()
    async with running(tmp_path, change=lambda doors: replace(doors, exporter=exporter)) as one:  # type: ignore[arg-type]
        one.disk.free = 1_000_000_000 + 2_500_000_000
        first = asyncio.create_task(one.get("/api/v1/export.parquet", measurement="system", shape="wide"))
        await exporter.begun.wait()
        asyncio.get_running_loop().call_later(2, exporter.go_on.set)  # if it is let in, it is not to wait for ever
        second = await one.get("/api/v1/export.parquet", measurement="system", shape="long")
        exporter.go_on.set()
        csv_meanwhile = await one.get("/api/v1/export.csv", measurement="system")
        whole = await (await first).text()
        third = await one.get("/api/v1/export.parquet", measurement="system", shape="wide")

    assert (second.status, "exports of this size need" in (await second.json())["error"]["message"]) == (503, True)
    assert (csv_meanwhile.status, whole, third.status) == (200, "all of it", 200)


async def test_a_wide_parquet_file_is_counted_with_what_its_sorting_takes(tmp_path: Path) -> None:
    """Some 150 bytes of the disk for every sample, measured; the file itself is a tenth of it."""
    exporter = WaitingExporter()
    exporter.go_on.set()
    async with running(tmp_path, change=lambda doors: replace(doors, exporter=exporter)) as one:  # type: ignore[arg-type]
        one.disk.free = 1_000_000_000 + 1_500_000_000
        wide = await one.get("/api/v1/export.parquet", measurement="system", shape="wide")
        long = await one.get("/api/v1/export.parquet", measurement="system", shape="long")

    assert (wide.status, long.status) == (503, 200)


async def test_csv_that_breaks_in_the_middle_ends_with_a_line_that_says_so(breaking: World) -> None:
    """One line, whatever the reason looks like."""
    answer = await breaking.get("/api/v1/export.csv", measurement="system")
    expected = "first piece# incomplete: the export cannot be written: No space left on device\r\n"

    assert await answer.text() == expected


async def test_parquet_that_breaks_in_the_middle_is_cut_off(breaking: World, caplog: pytest.LogCaptureFixture) -> None:
    """There is no line to say it in: the client sees that the answer did not end; the log says it in a line."""
    with pytest.raises(ClientPayloadError):
        await breaking.get("/api/v1/export.parquet", measurement="system")

    assert [(record.levelname, record.exc_info) for record in caplog.records] == [("WARNING", None)]
