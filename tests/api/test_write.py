"""`POST /api/v2/write`: InfluxDB's own client writes to OpsWatch, and is told of faults as InfluxDB tells them."""

import asyncio
import gc
import gzip
import io
import json
import resource
import sqlite3
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from influxdb_client import InfluxDBClient, WriteOptions, WritePrecision
from influxdb_client import Point as ClientPoint
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException

from api.write import MAX_BYTES
from collector.spool_file import ROOM
from telemetry.ports import IntakeOutcome
from telemetry.series import Raw, SeriesQuery
from tests.api.world import NOW_NS, SECOND, World, running

US = "/api/v2/write?precision=us"


async def push(
    world: World, body: str | bytes, who: str = "operator", path: str = "/api/v2/write", **headers: str
) -> tuple[int, dict[str, Any]]:
    data = io.BytesIO(body.encode() if isinstance(body, str) else body)
    headers = {"Authorization": f"Token {world.tokens[who]}", **headers}
    async with world.session.post(world.url + path, data=data, headers=headers) as answer:
        text = await answer.text()
        assert answer.headers.get("X-Platform-Error-Code", "") == (json.loads(text).get("code", "") if text else "")
        return answer.status, json.loads(text) if text else {}


async def stored(world: World, measurement: str) -> dict[str, list[float]]:
    """Values by field, once the store has them all."""
    assert await world.spool.drain(timedelta(seconds=10))
    query = SeriesQuery(measurement, (), NOW_NS - 10**6 * SECOND, NOW_NS + 10**6 * SECOND, Raw())
    return {one.series.field: list(one.values) for one in (await world.store.read(query)).series}  # type: ignore[arg-type]


async def quarantined(world: World) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for path in sorted((world.folder / "quarantine").glob("*.jsonl"))
        for line in path.read_text().splitlines()
    ]


async def test_influxdbs_own_client_writes_and_reads_back(world: World) -> None:
    """influxdb-client's WriteApi, synchronous and in batches, in with gzip: every point is there."""

    def write() -> None:
        with InfluxDBClient(world.url, world.tokens["operator"], org="any", enable_gzip=True) as client:
            with client.write_api(write_options=SYNCHRONOUS) as one:
                one.write("any", record=ClientPoint("orders").tag("shop", "a").field("total", 1.5).time(NOW_NS))
                one.write("any", record="orders,shop=a total=2 1795521601", write_precision="s")
            with client.write_api(write_options=WriteOptions(batch_size=100, flush_interval=50)) as many:
                for number in range(1_000):
                    point = ClientPoint("orders").tag("shop", "b").field("count", number)
                    many.write("any", record=point.time(NOW_NS - number))

    await asyncio.to_thread(write)
    values = await stored(world, "orders")

    assert values["total"] == [1.5, 2.0]
    assert sorted(values["count"]) == list(range(1_000))


async def test_telegrafs_points_are_kept_and_what_is_new_is_learned(world: World) -> None:
    """Fields that built-in measurements lack are learned; text that nobody registered is left out, and told once."""
    body = (
        f"mem,host=web1 used=1000i,used_percent=12.5,commit_limit=7i {NOW_NS}\n"
        f'system,host=web1 load1=0.5,uptime_format="1 day" {NOW_NS}\n'
        f'system,host=web1 load1=0.6,uptime_format="1 day" {NOW_NS + SECOND}\n'
        f"diskio,host=web1,name=sda reads=12i,busy=t {NOW_NS}\n"
    )
    answer = await push(world, body, path="/api/v2/write?bucket=b&org=o&precision=ns")
    again = await world.get("/api/v1/schema")
    learned = {one["name"]: one for one in (await again.json())["measurements"]}

    assert answer == (204, {})
    assert await stored(world, "mem") == {"commit_limit": [7.0], "used": [1000], "used_percent": [12.5]}
    assert await stored(world, "system") == {"load1": [0.5, 0.6]}
    assert await stored(world, "diskio") == {"busy": [1.0], "reads": [12.0]}
    assert (learned["diskio"]["tags"], learned["diskio"]["class"]) == (["host", "name"], "metrics")
    assert [(one["source"], "uptime_format" in one["reason"]) for one in await quarantined(world)] == [("push", True)]


async def test_what_was_learned_is_known_after_a_restart(tmp_path: Path) -> None:
    """It is kept before the first point of it is acknowledged."""
    async with running(tmp_path) as world:
        assert (await push(world, f"orders,shop=a total=1 {NOW_NS}"))[0] == 204
        registry = await world.state.learned_schema.registry()

    measurement = registry.get("orders")
    assert measurement is not None
    assert (measurement.tags, [field.name for field in measurement.fields]) == (("shop",), ["total"])


async def test_a10_a_line_that_is_none_is_named_and_nothing_is_kept(world: World) -> None:
    """As InfluxDB does it: 400, the line, the reason, and its number."""
    lines = [f"orders,shop=a total={number} {NOW_NS + number}" for number in range(5_000)]
    lines[4_216] = "orders,shop=a total="
    status, error = await push(world, "\n".join(lines))

    assert (status, error["code"]) == (400, "invalid")
    assert error["message"] == "unable to parse 'orders,shop=a total=': missing field value (line 4217)"
    assert await stored(world, "orders") == {}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (f"mem,host=a used=1.5 {NOW_NS}", 'field type conflict: input field "used" on measurement "mem" is type float'),
        (f'mem,host=a used="x" {NOW_NS}', "is type string, already exists as type integer (line 2) dropped=1"),
        (f"mem,host=a used=9007199254740993i {NOW_NS}", "beyond 2^53"),
        (f"mem,host=a used=1i {NOW_NS - 8 * 86_400 * SECOND}", "outside retention policy of duration 7d"),
        ("mem,host=a used=1i 1", "mem at 1970-01-01T00:00:00.000000001Z dropped because it violates a Retention"),
        ("mem,host=a used=1i -9223372036854775806", "Retention Policy Lower Bound"),
        ("mem,host=a used=1i 9223372036854775806", "more than 1d in the future: is the precision right?"),
        (f"mem,host=a used=-9007199254740993i {NOW_NS}", "beyond 2^53"),
        ("mem,host=a used=1i", ""),
        ("mem,host=a used=1i 4102444800000000000", "more than 1d in the future"),
        (f"mem,dc=a used=1i {NOW_NS}", "mem has no tag 'dc'"),
        (f"_mem,dc=a used=1i {NOW_NS}", "cannot be a name"),
        (f"result,dc=a used=1i {NOW_NS}", "cannot be a name"),
        (f"orders time=1 {NOW_NS}", "cannot be a name"),
        (f"opswatch_store,kind=x series=1i {NOW_NS}", "OpsWatch's own"),
        (f'orders state="open" {NOW_NS}', "only text fields"),
        (f"mem,host={'x' * 2_000} used=1i {NOW_NS}", "more than 1,024"),
    ],
)
async def test_a22_a_point_that_cannot_be_kept_leaves_its_neighbours_unharmed(
    world: World, line: str, words: str
) -> None:
    """422 with the reason, the others are kept, and the point is in quarantine with its reason."""
    body = f"cpu,cpu=cpu-total,host=a usage_idle=1 {NOW_NS}\n{line}\ncpu,cpu=cpu-total,host=a usage_idle=2 {NOW_NS + 1}"
    status, error = await push(world, body)

    assert await stored(world, "cpu") == {"usage_idle": [1.0, 2.0]}
    if not words:  # without a time it is now
        assert (status, await stored(world, "mem")) == (204, {"used": [1]})
        return
    assert (status, error["code"]) == (422, "unprocessable entity")
    assert error["message"].startswith("failure writing points to database: partial write: ")
    assert words in error["message"]
    assert error["message"].endswith(" (line 2) dropped=1")
    assert len(await quarantined(world)) == 1


async def test_a26_the_same_points_twice_are_the_same_points(world: World) -> None:
    """A client that lost the answer sends them again; a later value of one time wins."""
    body = "\n".join(f"orders,shop=a total={number} {NOW_NS + number}" for number in range(100))
    await push(world, body)
    await push(world, body)
    await push(world, f"orders,shop=a total=7 {NOW_NS}")

    assert (await stored(world, "orders"))["total"] == [7.0, *(float(number) for number in range(1, 100))]


async def test_a_point_a_nanosecond_beside_another_is_another(world: World) -> None:
    """In every precision, within a body and across bodies: of one time the last value wins, in the order sent."""
    await push(world, f"orders total=1 {NOW_NS}\norders total=2 {NOW_NS + 1}\norders total=3 {NOW_NS}")
    await push(world, f"orders total=4 {NOW_NS // SECOND}", path="/api/v2/write?precision=s")
    await push(world, f"orders total=5 {NOW_NS // 1_000 - 1}\norders total=6 {NOW_NS // 1_000 - 1}", path=US)
    await push(world, f"orders total=7 {NOW_NS // 10**6 - 1}", path="/api/v2/write?precision=ms")

    assert (await stored(world, "orders"))["total"] == [7, 6, 4, 2]


async def test_a22_newlines_quotes_and_the_rest_survive_in_tags(world: World) -> None:
    """As a client sends them; and a tag of 70 kB refuses the body, as InfluxDB's longest key does."""
    hostile = 'a "b", =c\'d; DROP TABLE raw; -- ü\u202e'

    def write() -> None:
        with InfluxDBClient(world.url, world.tokens["operator"], org="any") as client:
            one = client.write_api(write_options=SYNCHRONOUS)
            one.write("any", record=ClientPoint("orders").tag("shop", hostile).field("total", 1).time(NOW_NS))
            one.write("any", record=ClientPoint("orders").tag("shop", "two\nlines").field("total", 2).time(NOW_NS))

    await asyncio.to_thread(write)
    status, error = await push(world, f"orders,shop={'x' * 70_000} total=3 {NOW_NS}\norders,shop=b total=4 {NOW_NS}")
    assert await world.spool.drain(timedelta(seconds=10))
    answer = await world.get("/api/v1/series", measurement="orders", start="-1h", stop="now+1s")
    export = await world.get("/api/v1/export.csv", measurement="orders", start="-1h", stop="now+1s")

    assert status == 400
    assert "max key length exceeded: 70012 > 65535 (line 1)" in error["message"]
    assert len(error["message"]) < 1_000
    found = {one["tags"]["shop"]: one["values"] for one in (await answer.json())["series"]}
    assert found == {hostile: [1.0], r"two\nlines": [2.0]}  # the client writes a newline as a backslash and n
    assert hostile.replace('"', '""') in await export.text()


@pytest.mark.parametrize("precision", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("is_batching", [False, True])
async def test_influxdbs_own_client_writes_in_every_precision(
    world: World, precision: WritePrecision, *, is_batching: bool
) -> None:
    """A time of the client's comes out as the same time."""
    options = WriteOptions(batch_size=10, flush_interval=50) if is_batching else SYNCHRONOUS
    unit = {"s": SECOND, "ms": 10**6, "us": 10**3, "ns": 1}[precision]
    times = [(NOW_NS // unit - number) for number in range(25)]

    def write() -> None:
        with (
            InfluxDBClient(world.url, world.tokens["operator"], org="any", enable_gzip=is_batching) as client,
            client.write_api(write_options=options) as api,
        ):
            for time in times:
                point = ClientPoint("orders").tag("shop", "a").field("total", 1.0).time(time, precision)
                api.write("any", record=point, write_precision=precision)

    await asyncio.to_thread(write)
    assert await world.spool.drain(timedelta(seconds=10))
    query = SeriesQuery("orders", (), NOW_NS - 100 * SECOND, NOW_NS + SECOND, Raw())
    (series,) = (await world.store.read(query)).series

    assert list(series.times) == sorted(time * unit for time in times)


async def test_a_client_is_told_of_each_bad_line_as_influxdb_tells_it(world: World) -> None:
    """The client's exception carries the status and InfluxDB's body, with every bad line and its number."""

    def write() -> None:
        with InfluxDBClient(world.url, world.tokens["operator"], org="any") as client:
            lines = ["orders total=1", "orders total=", "orders,shop total=1", "orders total=2"]
            client.write_api(write_options=SYNCHRONOUS).write("any", record="\n".join(lines))

    with pytest.raises(ApiException) as raised:
        await asyncio.to_thread(write)
    assert raised.value.status == 400
    assert json.loads(raised.value.body) == {
        "code": "invalid",
        "message": "unable to parse 'orders total=': missing field value (line 2)\n"
        "unable to parse 'orders,shop total=1': missing tag value (line 3)",
    }
    assert await stored(world, "orders") == {}


async def test_what_clients_call_before_they_write(world: World) -> None:
    """A ping is answered; what OpsWatch does not have is a 404 in JSON, and writing goes on."""

    def ping() -> bool:
        with InfluxDBClient(world.url, world.tokens["operator"], org="any") as client:
            return client.ping()

    headers = {"Authorization": f"Token {world.tokens['operator']}"}
    found = {}
    for path in ("/ping", "/health", "/ready", "/api/v2/buckets?name=any", "/api/v2/setup"):
        async with world.session.get(world.url + path, headers=headers) as answer:
            found[path] = answer.status
            if answer.status == 404:
                assert (await answer.json())["error"]["code"] == "not_found"

    assert await asyncio.to_thread(ping)
    assert found == {"/ping": 204, "/health": 200, "/ready": 200, "/api/v2/buckets?name=any": 404, "/api/v2/setup": 404}


async def test_a21_a_tag_with_a_value_of_its_own_for_everything_is_stopped(world: World) -> None:
    """At the measurement's budget: the reason names the tag, what was known before goes on."""
    for start in range(0, 30_000, 10_000):
        lines = (f"orders,shop=a,id={number} total=1 {NOW_NS}" for number in range(start, start + 10_000))
        status, error = await push(world, "\n".join(lines))
    known = await push(world, f"orders,shop=a,id=7 total=2 {NOW_NS + 1}")

    assert status == 422
    assert "orders has 10,000 tag sets" in error["message"]
    assert "tag 'id' alone has 10,000 values" in error["message"]
    assert known == (204, {})
    assert len(await quarantined(world)) <= 20_000


async def test_a21_the_budget_is_not_given_anew_by_a_restart(tmp_path: Path) -> None:
    """What the store has counts, so that what is beyond it is told, and not acknowledged first."""
    lines = (f"orders,id={number} total=1 {NOW_NS}" for number in range(10_000))
    async with running(tmp_path) as world:
        await push(world, "\n".join(lines))
        await stored(world, "orders")
    (tmp_path / "again").mkdir()
    (tmp_path / "metrics.duckdb").rename(tmp_path / "again" / "metrics.duckdb")  # the tokens would be there already
    async with running(tmp_path / "again") as world:
        status, error = await push(world, f"orders,id=new total=1 {NOW_NS}")
        known = await push(world, f"orders,id=7 total=2 {NOW_NS + 1}")

    assert (status, known) == (422, (204, {}))
    assert "tag 'id' alone has 10,000 values" in error["message"]


@pytest.mark.parametrize(
    ("path", "headers", "body", "expected"),
    [
        ("/api/v2/write?precision=h", {}, "a b=1", (400, "valid precision units are ns, us, ms, s")),
        (
            "/api/v2/write",
            {"Content-Encoding": "gzip"},
            gzip.compress(f"orders a=1 {NOW_NS}".encode(), mtime=0),
            (204, ""),
        ),
        ("/api/v2/write", {"Content-Encoding": "gzip"}, b"orders a=1", (400, "unable to read data")),
        (
            "/api/v2/write",
            {"Content-Encoding": "gzip"},
            gzip.compress(b"0" * (MAX_BYTES + 1), mtime=0),
            (413, "25,000,000"),
        ),
        ("/api/v2/write", {}, b"x" * (MAX_BYTES + 1), (413, "25,000,000")),
        ("/api/v2/write", {}, b"", (204, "")),
        ("/api/v2/write", {}, b"\n# nothing\n\n", (204, "")),
        ("/api/v2/write", {}, b"orders \xff\xfe=1", (422, "cannot be a name")),
        ("/api/v2/write", {}, b"orders,shop=\xff a=1", (422, "half a character (line 1)")),
    ],
)
async def test_bodies_are_read_with_care(
    world: World, path: str, headers: dict[str, str], body: bytes, expected: tuple[int, str]
) -> None:
    """Compressed or not, with a cap on what comes out; an empty one is no mistake."""
    status, error = await push(world, body, path=path, **headers)

    assert status == expected[0], error
    assert expected[1] in error.get("message", "")


def resident_kilobytes() -> int:
    """The most memory that this process has ever had in use."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


async def gigabyte() -> AsyncIterator[bytes]:
    for _ in range(1_000):
        yield b"orders,shop=a total=1 1795521600000000000\n" * 24_000


def bomb() -> bytes:
    """A gigabyte of zeros in a megabyte of gzip."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    head = compressor.compress(b"\n") + compressor.flush(zlib.Z_FULL_FLUSH)
    # After a full flush nothing refers to what was before, so one block may stand a hundred times.
    block = compressor.compress(bytes(10_000_000)) + compressor.flush(zlib.Z_FULL_FLUSH)
    return head + block * 100


@pytest.mark.parametrize(("body", "headers"), [(gigabyte, {}), (bomb, {"Content-Encoding": "gzip"})])
async def test_d11_a_gigabyte_of_unknown_length_is_cut_off_with_flat_memory(
    world: World, body: Callable[[], Any], headers: dict[str, str]
) -> None:
    """In pieces without a length, or as a megabyte of gzip: 413 at the cap, and the connection ends."""
    content = body()
    before = resident_kilobytes()
    headers = {"Authorization": f"Token {world.tokens['operator']}", **headers}
    async with (
        asyncio.timeout(30),
        world.session.post(world.url + "/api/v2/write", data=content, headers=headers) as answer,
    ):
        message = (await answer.json())["message"]

    assert (answer.status, "25,000,000" in message) == (413, True)
    assert answer.headers["Connection"] == "close"
    assert resident_kilobytes() - before < 150_000
    assert (await push(world, f"orders total=1 {NOW_NS}"))[0] == 204


async def test_a_body_that_is_refused_leaves_the_memory_with_its_answer(world: World) -> None:
    """Without waiting for a collection of garbage, which the server makes seldom."""
    headers = {"Authorization": f"Token {world.tokens['operator']}"}
    gc.collect()
    gc.disable()
    before = resident_kilobytes()
    try:
        for _ in range(8):
            async with world.session.post(world.url + "/api/v2/write", data=gigabyte(), headers=headers) as answer:
                assert answer.status == 413
        grown = resident_kilobytes() - before
    finally:
        gc.enable()

    assert grown < 100_000


async def test_many_large_bodies_at_once_are_put_off_instead_of_filling_the_memory(world: World) -> None:
    """Those beyond a hundred megabytes are to come again, and then they are taken."""
    body = (b"#" + b" " * 1_000_000 + b"\n") * 24
    headers = {"Authorization": f"Token {world.tokens['operator']}"}

    async def send() -> int:
        async with world.session.post(world.url + "/api/v2/write", data=io.BytesIO(body), headers=headers) as answer:
            return answer.status

    async with asyncio.timeout(60):
        statuses = await asyncio.gather(*(send() for _ in range(8)), return_exceptions=True)
        again = await send()

    assert {status for status in statuses if isinstance(status, int)} <= {204, 503}
    assert 503 in statuses or any(isinstance(status, aiohttp.ClientError) for status in statuses)
    assert again == 204


async def test_a_body_of_a_gigabyte_is_refused_before_it_is_sent(world: World) -> None:
    """The length is announced; not a byte of it is waited for."""
    head = (
        f"POST /api/v2/write HTTP/1.1\r\nHost: x\r\nAuthorization: Token {world.tokens['operator']}\r\n"
        "Content-Length: 1000000000\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    writer.write(head.encode())
    answer = await asyncio.wait_for(reader.readline(), 5)
    writer.close()

    assert answer.startswith(b"HTTP/1.1 413 ")


async def test_a_viewer_may_not_write_and_the_client_says_so(world: World) -> None:
    """Writing needs an operator's token, and InfluxDB's client raises what it raises there."""

    def write() -> None:
        with InfluxDBClient(world.url, world.tokens["viewer"], org="any") as client:
            client.write_api(write_options=SYNCHRONOUS).write("any", record=f"orders total=1 {NOW_NS}")

    with pytest.raises(ApiException) as raised:
        await asyncio.to_thread(write)
    assert raised.value.status == 403


class Unavailable:
    """An intake whose disk is full."""

    async def take(self, body: bytes, precision: str) -> IntakeOutcome:
        return IntakeOutcome(unavailable="the spool cannot commit: disk is full")


@pytest.fixture
async def full(tmp_path: Path) -> AsyncIterator[World]:
    async with running(tmp_path, change=lambda doors: replace(doors, intake=Unavailable())) as world:
        yield world


async def test_what_cannot_be_acknowledged_is_to_be_sent_again(full: World) -> None:
    """503 with Retry-After, for which every client waits; never 204 for a point that is nowhere."""
    headers = full.bearer("operator")
    async with full.session.post(full.url + "/api/v2/write", data=b"a b=1", headers=headers) as answer:
        body = await answer.json()

    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert "disk is full" in body["message"]


async def test_a_body_of_new_text_fields_leaves_one_example_of_each(world: World) -> None:
    """Written together, and none of them twice: a body of thousands of names costs one write."""
    names = [f"state_{number}" for number in range(3_000)]
    body = "orders,shop=a total=1," + ",".join(name + '="open"' for name in names) + f" {NOW_NS}"
    first = await push(world, body)
    second = await push(world, body)
    kept = await quarantined(world)

    assert (first[0], second[0]) == (204, 204)
    assert sorted(name for one in kept for name in one["fields"]) == sorted(names)
    assert await stored(world, "orders") == {"total": [1.0]}


async def test_a_low_disk_is_told_before_the_body_is_read(world: World) -> None:
    """503 with Retry-After in InfluxDB's shape; nothing is kept, nothing goes to quarantine, and it ends by itself."""
    world.disk.free = 100
    headers = {"Authorization": f"Token {world.tokens['operator']}"}
    async with world.session.post(world.url + "/api/v2/write", data=b"not even a line", headers=headers) as answer:
        body = await answer.json()
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert body["code"] == "disk_low"
    assert "storage.disk_reserve" in body["message"]
    assert await quarantined(world) == []
    world.disk.free = 50_000_000_000
    world.clock.advance(timedelta(seconds=2))

    assert await push(world, f"orders,shop=a total=1 {NOW_NS}") == (204, {})


@pytest.mark.parametrize("unit", ["ns", "s"])
async def test_times_beyond_any_calendar_are_refused_not_a_failure(world: World, unit: str) -> None:
    """As InfluxDB refuses them: the line is none, or it is outside of what is kept."""
    for number in (2**63 - 1, -(2**63), 2**62, -(2**62)):
        status, error = await push(world, f"orders,shop=a total=1 {number}", path=f"/api/v2/write?precision={unit}")
        assert status in {400, 422}, error


async def test_bodies_that_come_together_share_commits(world: World) -> None:
    """Thirty agents cost a few commits, and none of them waits for the one before it."""
    await push(world, f"fleet,agent=0 load=0.5 {NOW_NS}")
    with closing(sqlite3.connect(world.folder / "spool.sqlite")) as connection:
        before = connection.execute("SELECT seq FROM sqlite_sequence").fetchone()[0]
        answers = await asyncio.gather(
            *(push(world, f"fleet,agent={number} load={number}.5 {NOW_NS}") for number in range(30))
        )
        after = connection.execute("SELECT seq FROM sqlite_sequence").fetchone()[0]

    assert {status for status, _ in answers} == {204}
    assert 1 <= (after - before) // ROOM <= 5


async def test_what_is_read_quickly_is_what_is_read_slowly(world: World) -> None:
    """A series that is known skips the checks that it has passed, and none of the others."""
    lines = [
        f"quick,host=a load=1.5,count=-0 {NOW_NS + 1}",  # learned with this one
        f"quick,host=a load=-0.0,count=2 {NOW_NS + 2}",
        f"quick,host=a load=3i,count=3.5 {NOW_NS + 3}",
        f"  quick,host=a   load=4.5,count=4  {NOW_NS + 4}",
        f'quick,host=a load=5.5,count=5,note="text" {NOW_NS + 5}',
        f"quick,host=a load=6.5,more=6 {NOW_NS + 6}",  # a field that nobody has sent before
        f"quick,host=a load=7.5,count=7 {NOW_NS - 30 * 86_400 * SECOND}",  # too old
        f"quick,host=a load={2**53 + 1}i,count=8 {NOW_NS + 8}",  # no double holds it
        f"quick,host=a load=9.5,count=9 {NOW_NS + 9}",
    ]
    statuses = [(await push(world, line))[0] for line in lines]
    found = await stored(world, "quick")

    assert statuses == [204, 204, 204, 204, 204, 204, 422, 422, 204]
    assert found == {
        "load": [1.5, 0.0, 3.0, 4.5, 5.5, 6.5, 9.5],
        "count": [0.0, 2.0, 3.5, 4.0, 5.0, 9.0],
        "more": [6.0],
    }
    assert str(found["load"][1]) == str(found["count"][0]) == "0.0"
