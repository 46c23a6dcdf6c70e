"""What the reader makes of a server that refuses, breaks off, is full, silent, or is no InfluxDB; and of warnings."""

import asyncio
import gc
import shutil
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from influx.asking import FluxAsker, within
from influx.connection import InfluxConnection
from influx.parameters import FluxQuery
from influx.reader import InfluxReader, KeptSince
from influx.window_columns import Pools
from telemetry.errors import InvalidQuery, OpsWatchError, QueryTimedOut, QueryTooLarge, StoreUnavailable
from telemetry.measurements import BUILT_IN
from telemetry.schema import MeasurementClass
from telemetry.series import (
    Coverage,
    Function,
    Latest,
    Matches,
    Quantile,
    Raw,
    Series,
    SeriesQuery,
    ValuesOf,
    ValuesQuery,
    Window,
)
from tests.influx import server
from tests.influx.server import InfluxServer
from tests.influx.stub import HANG, HTML, PING, QUERY, RESET, UNAUTHORIZED, Half, Reply, Stub, error, stub_server

SECOND, HOUR = 10**9, 3_600 * 10**9
START = 1_767_225_600 * SECOND
LATEST = SeriesQuery("net", ("bytes_recv",), START, START + HOUR, Latest())
HEAD = "#datatype,string,long,dateTime:RFC3339,long,string,string\r\n,result,table,_time,_value,_field,host\r\n"
ROW = ",_result,0,2026-01-01T00:00:00Z,7,bytes_recv,a\r\n"
CSV = {"Content-Type": "text/csv; charset=utf-8"}
FOUND = Reply(200, (HEAD + ROW + "\r\n").encode(), CSV)
FULL = error(400, "invalid", "queue length exceeded")
BROKEN = error(500, "internal error", "something is broken here")


def failing_after_rows(reason: str) -> Reply:
    """As InfluxDB 2.9.1 does once rows have been sent."""
    return Reply(200, f'{HEAD}{ROW}\r\n,error,reference\r\n,"{reason}",\r\n'.encode(), CSV)


@asynccontextmanager
async def reading(stub: Stub, kept_since: KeptSince = lambda _: None) -> AsyncIterator[InfluxReader]:
    async with InfluxConnection.opened(stub.settings()) as connection:
        yield InfluxReader(connection, BUILT_IN, kept_since)


async def test_a_server_that_hangs_is_given_up_long_before_the_deadline() -> None:
    """The page Status is read when something hangs: it must not hang too, nor every one of its panels in turn."""
    async with stub_server() as stub, reading(stub) as reader:
        stub.script(QUERY, [HANG])
        stub.script(PING, [HANG])
        async with asyncio.timeout(10):
            with pytest.raises(StoreUnavailable, match=f"{stub.url} does not answer, not even a ping"):
                await reader.read(LATEST)
        asked = len(stub.requests)
        async with asyncio.timeout(1):
            with pytest.raises(StoreUnavailable, match="not even a ping"):
                await reader.values(ValuesQuery(ValuesOf.MEASUREMENT, start=START, stop=START + HOUR))
        assert len(stub.requests) == asked


async def test_a_server_that_works_long_is_waited_for() -> None:
    """It says that it is there meanwhile; so the deadline is what ends it."""
    async with stub_server() as stub, reading(stub) as reader:
        stub.script(QUERY, [HANG])
        with pytest.raises(QueryTimedOut):
            await reader.read(LATEST, timedelta(seconds=5))
        assert len(stub.of(PING)) == 1


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (UNAUTHORIZED, StoreUnavailable, "unauthorized access.*its token is not known"),
        (error(403, "forbidden", "no"), StoreUnavailable, "may not read that.*right to read"),
        (error(404, "not found", 'could not find bucket "x"'), StoreUnavailable, 'bucket "x".*make it, or give'),
        (error(404, "not found", 'organization name "x" not found'), StoreUnavailable, 'organization name "x"'),
        (error(400, "invalid", "error @1:1: undefined identifier"), StoreUnavailable, "with 400: error @1:1"),
        (error(400, "invalid", "memory allocation limit reached: limit 1 bytes"), QueryTooLarge, "narrow it"),
        (error(500, "internal error", "memory allocation limit reached: limit 1"), QueryTooLarge, "narrow it"),
        (error(500, "internal error", "X: error parsing regexp: bad"), InvalidQuery, "that InfluxDB does not take"),
        (failing_after_rows("memory allocation limit reached: limit 1"), QueryTooLarge, "narrow it"),
        (failing_after_rows("cannot merge schema"), StoreUnavailable, "failed to answer a query: cannot merge schema"),
        (Half((HEAD + ROW).encode(), 200, CSV), StoreUnavailable, "cannot be reached"),
        (Half(b'{"code":', 500), StoreUnavailable, "cannot be reached"),
        (RESET, StoreUnavailable, "cannot be reached"),
        (HTML, StoreUnavailable, "text/html, not with tables: is it a proxy.*Sign in"),
        (Reply(200, b"{}", {"Content-Type": "application/json"}), StoreUnavailable, "with application/json"),
        (Reply(200, b"<html>\r\n", CSV), StoreUnavailable, "sent an answer that is none: .*<html>"),
        (Reply(200, (HEAD + ROW[:-9]).encode(), CSV), StoreUnavailable, "ends in the middle of a record"),
        (Reply(302, b"", {"Location": "http://127.0.0.1:1/"}), StoreUnavailable, "with 302"),
        (Reply(500, b"<h1>Oops</h1>", {"Content-Type": "text/html"}), StoreUnavailable, "Oops"),
    ],
)
async def test_a_server_that_does_not_answer_is_told_by_what_it_said(
    answer: Reply, kind: type[OpsWatchError], words: str
) -> None:
    """Each with its type, the server's words and the way out; no other kind of error gets through."""
    async with stub_server() as stub, reading(stub) as reader:
        stub.script(QUERY, [answer])
        with pytest.raises(kind, match=words) as raised:
            await reader.read(LATEST)

        assert type(raised.value) is kind


async def test_a_500_is_asked_once_more_and_not_again() -> None:
    """It is often the question's own fault; but a restart's is over the second time."""
    async with stub_server() as stub, reading(stub) as reader:
        stub.script(QUERY, [BROKEN, FOUND])
        (one,) = (await reader.read(LATEST)).series
        assert (one.series.tags, list(one.times), list(one.values)) == ((("host", "a"),), [START], [7])

        stub.requests.clear()
        stub.script(QUERY, [BROKEN])
        with pytest.raises(StoreUnavailable, match="something is broken here"):
            await reader.read(LATEST)
        assert len(stub.requests) == 2


async def test_a_full_queue_is_asked_again_until_there_is_room() -> None:
    """Overload comes as a 400; it is not the question's fault."""
    async with stub_server() as stub, reading(stub) as reader:
        stub.script(QUERY, [FULL, FULL, FULL, FULL, FOUND])

        assert len((await reader.read(LATEST)).series) == 1
        assert len(stub.requests) == 5


async def test_a_full_queue_is_not_waited_for_beyond_the_deadline() -> None:
    """And the waits grow, so that a full server is not asked all the time."""
    async with stub_server() as stub, reading(stub) as reader:
        stub.script(QUERY, [FULL])
        with pytest.raises(QueryTimedOut, match="after 3s"):
            await reader.read(LATEST, timedelta(seconds=3))

        assert 2 < len(stub.requests) < 16


async def test_silence_ends_with_the_deadline() -> None:
    """Whoever waits is told in time."""
    async with stub_server() as stub, reading(stub) as reader:
        stub.script(QUERY, [HANG])
        started = time.monotonic()
        with pytest.raises(QueryTimedOut, match="shorten the range"):
            await reader.read(LATEST, timedelta(milliseconds=300))

        assert time.monotonic() - started < 5


async def test_at_most_four_questions_are_asked_at_once() -> None:
    """The others wait for their turn, within their own deadline."""
    async with stub_server() as stub, reading(stub) as reader:
        stub.script(QUERY, [HANG])
        asked = [asyncio.create_task(reader.read(LATEST, timedelta(seconds=2))) for _ in range(6)]
        await asyncio.wait(asked, timeout=1)

        assert len(stub.requests) == 4
        assert [type(one) for one in await asyncio.gather(*asked, return_exceptions=True)] == [QueryTimedOut] * 6


async def test_an_answer_with_too_many_samples_is_not_held() -> None:
    """It is given up while it comes; the words are those of the embedded store."""
    row = ROW.encode()
    many = Reply(200, HEAD.encode() + row * 2_000_001, CSV)
    async with stub_server() as stub, reading(stub) as reader:
        stub.script(QUERY, [many])
        with pytest.raises(QueryTooLarge, match="the answer has more than 2,000,000 values"):
            await reader.read(replace(LATEST, shape=Raw(1_000_000)))


def test_quantiles_of_too_many_samples_are_not_held() -> None:
    """All samples of a window must be there to be ranked."""
    pools = Pools(range(0, 10, 10))
    times, values = [1] * 1_000_000, [1.0] * 1_000_000
    for host in "ab":
        pools.take(Series("net", (("host", host),), "bytes_recv"), times, values)
    with pytest.raises(QueryTooLarge, match="quantiles of more than 2,000,000 samples"):
        pools.take(Series("net", (), "bytes_recv"), [1], [1.0])


async def test_windows_of_too_many_series_are_not_held() -> None:
    """Every series has all windows, so their number is known as they come."""
    rows = "".join(f",count,{n},2026-01-01T00:00:00Z,7,bytes_recv,h{n}\r\n" for n in range(1_000))
    async with stub_server() as stub, reading(stub) as reader:
        stub.script(QUERY, [Reply(200, (HEAD + rows).encode(), CSV)])
        shape = Coverage(SECOND)
        with pytest.raises(QueryTooLarge, match="series of 3,600 windows are more than"):
            await reader.read(replace(LATEST, shape=shape))


@pytest.mark.parametrize(
    "row",
    [
        ",mean,0,2026-01-01T00:00:00Z,7,bytes_recv,a\r\n",
        ",count,0,2026-01-01T01:00:00Z,7,bytes_recv,a\r\n",
        ",count,0,2025-12-31T23:59:59Z,7,bytes_recv,a\r\n",
        ",count,0,2026-01-01T00:00:00Z,x,bytes_recv,a\r\n",
    ],
)
async def test_windows_that_nobody_asked_for_are_an_error(row: str) -> None:
    """Another function, before or behind the range, and no number: not a value somewhere else, and no traceback."""
    async with stub_server() as stub, reading(stub) as reader:
        stub.script(QUERY, [Reply(200, (HEAD + row).encode(), CSV)])
        with pytest.raises(StoreUnavailable, match="sent an answer that is none"):
            await reader.read(replace(LATEST, shape=Coverage(60 * SECOND)))


async def test_the_loop_goes_on_while_a_large_answer_is_read() -> None:
    """A second of parsing is done in bites; pages and probes are not held up."""
    rows = "".join(f",_result,{n},2026-01-01T00:00:00Z,7,bytes_recv,h{n}\r\n" for n in range(19_000))
    many = Reply(200, (HEAD + rows).encode() + (ROW * 500_000).encode(), CSV)
    async with stub_server() as stub, reading(stub) as reader:
        stub.script(QUERY, [many])
        gc.collect()
        gc.freeze()  # what other tests of this process left takes the collector a second, and is none of this one's
        question = asyncio.create_task(reader.read(replace(LATEST, shape=Raw(1_000_000))))
        # Of the loop's own CPU time, and as a share of it: other work on this machine makes both longer.
        longest, first = 0.0, time.thread_time()
        last = first
        while not question.done():
            await asyncio.sleep(0.001)
            longest, last = max(longest, time.thread_time() - last), time.thread_time()
        gc.unfreeze()

        assert sum(len(one.times) for one in (await question).series) == 519_000
        assert longest < (last - first) / 4


async def test_what_nobody_knows_is_not_asked() -> None:
    """A measurement or field that is not registered has no series."""
    async with stub_server() as stub, reading(stub) as reader:
        assert (await reader.read(replace(LATEST, measurement="nothing"))).series == ()
        assert (await reader.read(replace(LATEST, fields=("nothing",)))).series == ()
        asked = replace(LATEST, measurement="nothing", shape=Raw())
        assert [one async for one in reader.stream(asked)] == []
        assert await reader.values(ValuesQuery(ValuesOf.FIELD, START, START + 1, "nothing")) == ()
        assert stub.requests == []


async def test_a_bad_pattern_is_not_sent() -> None:
    """Nor is what no store could read."""
    async with stub_server() as stub, reading(stub) as reader:
        for shape in (Latest(), Raw(), Window(HOUR), Quantile(HOUR, (0.5,))):
            with pytest.raises(InvalidQuery, match="not a regular expression"):
                await reader.read(replace(LATEST, shape=shape, where=Matches("host", "(")))
        with pytest.raises(InvalidQuery, match="not a regular expression"):
            await reader.values(ValuesQuery(ValuesOf.FIELD, START, START + 1, "net", where=Matches("host", "(")))
        stream = reader.stream(replace(LATEST, shape=Raw(), where=Matches("host", "(")))
        with pytest.raises(InvalidQuery, match="not a regular expression"):
            await anext(stream)
        assert stub.requests == []


@pytest.mark.parametrize(
    ("shape", "is_told"),
    [(Raw(), True), (Window(HOUR), True), (Quantile(HOUR, (0.5,)), True), (Coverage(HOUR), True), (Latest(), False)],
)
async def test_an_answer_says_what_is_no_longer_kept(shape: Raw, is_told: bool) -> None:
    """In the words of the embedded store; the newest sample is whole anyhow."""

    def kept_since(bucket: str) -> int | None:
        return START + 1 if bucket == "opswatch_raw" else None

    async with stub_server() as stub, reading(stub, kept_since) as reader:
        told = (await reader.read(replace(LATEST, shape=shape))).warnings
        words = ("samples before 2026-01-01T00:00:00.000000001Z are no longer kept, and not in this answer",)
        assert told == (words if is_told else ())
        later = replace(LATEST, shape=shape, start=START + HOUR, stop=START + 2 * HOUR)
        assert (await reader.read(later)).warnings == ()


async def test_a_limit_that_cut_says_so() -> None:
    """One more than asked is fetched, to see it."""
    async with stub_server() as stub, reading(stub) as reader:
        stub.script(QUERY, [Reply(200, (HEAD + ROW * 3).encode(), CSV)])
        result = await reader.read(replace(LATEST, shape=Raw(2)))

        assert [len(one.times) for one in result.series] == [2]
        assert result.warnings == ("only the first 2 samples of a series are shown; ask again from the last time",)


async def test_what_others_wrote_in_other_types_comes_in_the_registrys() -> None:
    """Doubles in a field of whole numbers, and the reverse; a text is no number; what is not finite is None."""
    answer = (
        "#datatype,string,long,dateTime:RFC3339,double,string,string\r\n,result,table,_time,_value,_field,host\r\n"
        ",_result,0,2026-01-01T00:00:00Z,7,bytes_recv,a\r\n,_result,1,2026-01-01T00:00:00Z,+Inf,bytes_recv,b\r\n\r\n"
        "#datatype,string,long,dateTime:RFC3339,long,string,string\r\n,result,table,_time,_value,_field,host\r\n"
        ",_result,2,2026-01-01T00:00:00Z,3,speed,a\r\n\r\n"
        "#datatype,string,long,dateTime:RFC3339,string,string,string\r\n,result,table,_time,_value,_field,host\r\n"
        ",_result,3,2026-01-01T00:00:00Z,text,bytes_recv,c\r\n\r\n"
    )
    for name, shape in (("_result", Latest()), ("sum", Window.whole(START, START + HOUR, Function.SUM))):
        async with stub_server() as stub, reading(stub) as reader:
            stub.script(QUERY, [Reply(200, answer.replace("_result", name).encode(), CSV)])
            series = (await reader.read(replace(LATEST, shape=shape))).series
            found = {(one.series.tags[0][1], one.series.field): list(one.values) for one in series}

        assert found == {("a", "bytes_recv"): [7], ("b", "bytes_recv"): [None], ("a", "speed"): [3.0]}
        assert isinstance(found["a", "bytes_recv"][0], int)
        assert isinstance(found["a", "speed"][0], float)


async def write(connection: InfluxConnection, bucket: str, lines: list[str]) -> None:
    for place in range(0, len(lines), 10_000):
        body = "\n".join(lines[place : place + 10_000]).encode()
        answer = await connection.write(bucket, body, is_gzip=False)
        assert answer.status == 204, answer.text


@pytest.fixture
def narrow() -> Iterator[InfluxServer]:
    """One that runs a single query at a time, with another one waiting, and gives it a megabyte."""
    if shutil.which("influxd") is None:
        pytest.skip(server.NOT_HERE)
    flags = ("--query-concurrency=1", "--query-queue-size=1", "--query-memory-bytes=1000000")
    with server.running(*flags, "--query-initial-memory-bytes=1000000", "--query-max-memory-bytes=8000000") as running:
        yield running


@pytest.mark.timeout(240)
async def test_the_limits_of_a_real_server(narrow: InfluxServer) -> None:
    """A full queue is waited for; a question that needs more memory than it may use is too large, and says so."""
    settings = narrow.fresh()
    bucket = settings.bucket(MeasurementClass.METRICS)
    async with InfluxConnection.opened(settings) as one, InfluxConnection.opened(settings) as other:
        readers = [InfluxReader(connection, BUILT_IN) for connection in (one, other)]
        lines = [
            f"net,host=h{host} bytes_recv={number}i {START + number * SECOND}"
            for host in range(20)
            for number in range(3_000)
        ]
        await write(one, bucket, lines)
        asked = replace(LATEST, shape=Window(60 * SECOND, (Function.MEAN,)))
        every = await asyncio.gather(*(reader.read(asked) for reader in readers * 10))

        assert {len(result.series) for result in every} == {20}
        # Nothing of ours takes much memory there; sorting everything does.
        source = f'from(bucket: "{bucket}") |> range(start: 0)'
        with pytest.raises(QueryTooLarge, match="memory allocation limit reached"):
            await FluxAsker(one).ask(FluxQuery(f"{source} |> group() |> sort()", {}), lambda rows: None)
        # Behind many rows, in the middle of a 200; the server does both at once, and fails now and then too early.
        both = FluxQuery(f'{source} |> yield(name: "a") {source} |> group() |> sort() |> sort(desc: true)', {})
        rows: list[int] = []
        for _ in range(200):
            with pytest.raises(QueryTooLarge, match="memory allocation limit reached"):
                await FluxAsker(one).ask(both, lambda some: rows.append(len(some)))
            if rows:
                break
        assert rows


def executing(url: str) -> float:
    """How many queries a server runs, as it says itself."""
    with urllib.request.urlopen(url + "/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("qc_executing_active{"))


async def until(url: str, *, is_busy: bool) -> None:
    """Wait for a server to begin or end what it does; it has no other way of saying so than being asked."""
    async with asyncio.timeout(20):
        while (await asyncio.to_thread(executing, url) > 0) is not is_busy:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("deadline", [None, 0.5])
async def test_whoever_leaves_stops_the_server(influx: InfluxServer, deadline: float | None) -> None:
    """A question that would take minutes is over on the server when its asker is cancelled, or its deadline passes."""
    settings = influx.fresh()
    bucket = settings.bucket(MeasurementClass.METRICS)
    async with InfluxConnection.opened(settings) as connection:
        lines = [f"net,host=h{number % 500} bytes_recv=1i {START + number * SECOND // 50}" for number in range(150_000)]
        await write(connection, bucket, lines)
        # A table per series and second, which is what costs a server most.
        windows = "window(every: 1s) |> median()"
        text = f'from(bucket: "{bucket}") |> range(start: 0) |> {windows} |> group() |> sort() |> {windows}'

        async def ask() -> None:
            async with within(timedelta(seconds=deadline or 60)):
                await FluxAsker(connection).ask(FluxQuery(text, {}), lambda rows: None)

        asking = asyncio.create_task(ask())
        await until(influx.url, is_busy=True)
        if deadline is None:
            asking.cancel()
        with pytest.raises(asyncio.CancelledError if deadline is None else QueryTimedOut):
            await asking
        await until(influx.url, is_busy=False)
