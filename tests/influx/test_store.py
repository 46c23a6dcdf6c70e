"""InfluxDB as the store: what it says of itself, what it holds back, and that it opens whether the server is there."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import SecretStr

from influx.settings import InfluxSettings
from influx.store import InfluxStore
from telemetry.errors import StoreUnavailable
from telemetry.measurements import BUILT_IN
from telemetry.points import Point
from telemetry.ports import WriteStatus
from telemetry.rollup import LEVELS, Retention
from telemetry.schema import MeasurementClass, Registry
from telemetry.series import Latest, Raw, SeriesQuery
from telemetry.times import from_datetime
from tests.collector.doubles import REAL_CLOCK
from tests.influx.server import InfluxServer
from tests.influx.stub import PING, QUERY, RESET, TAKEN, Reply, Stub, stub_server, table

DAY = 86_400
FOR_EVER = Retention(*[timedelta(hours=1)] * 5)


@asynccontextmanager
async def opened(
    settings: InfluxSettings, retention: Retention = FOR_EVER, registry: Registry = BUILT_IN
) -> AsyncIterator[InfluxStore]:
    async with InfluxStore.opened(settings, retention, registry, REAL_CLOCK, "here") as store:
        yield store


@asynccontextmanager
async def slowed(stub: Stub, seconds: float) -> AsyncIterator[str]:
    """The address of something between us and the stub that holds every request back for a while."""
    host, port = stub.url.removeprefix("http://").split(":")

    async def hand_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, hold: float) -> None:
        while piece := await reader.read(65_536):
            await asyncio.sleep(hold)  # this is what it is there for
            writer.write(piece)
        writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_stub, to_stub = await asyncio.open_connection(host, int(port))
        await asyncio.gather(hand_on(reader, to_stub, seconds), hand_on(from_stub, writer, 0.0))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def load(host: str, seconds_ago: int = 0) -> Point:
    now = from_datetime(REAL_CLOCK.now())
    return Point.of("system", {"host": host}, {"load1": 1.5, "load5": 2.5}, now - seconds_ago * 10**9)


async def test_a_server_that_is_as_it_should_be_has_no_notes(influx: InfluxServer) -> None:
    """It is looked at before anything is written; then what is written is read, and counted."""
    async with opened(influx.fresh()) as store:
        assert store.notes == ()
        point = load("a")
        assert (await store.write([point])).status is WriteStatus.OK
        query = SeriesQuery("system", (), point.time - 1, point.time + 1, Latest())
        answer = await store.read(query)
        figures = store.take_statistics()

    assert {one.series.field: one.values[0] for one in answer.series} == {"load1": 1.5, "load5": 2.5}
    assert (figures.written_values, figures.queries) == (2, 1)
    assert figures.longest_commit_ms > 0
    assert (figures.series, figures.file_bytes) == (None, None)


async def test_a_bucket_that_keeps_less_than_the_configuration_says_is_told(influx: InfluxServer) -> None:
    """Nobody finds out a month later; and an answer that begins before what is kept says so."""
    settings = influx.fresh(retention_s=DAY)
    async with opened(settings, Retention()) as store:
        notes = store.notes
        stop = from_datetime(REAL_CLOCK.now())
        asked = SeriesQuery("system", (), stop - 2 * DAY * 10**9, stop, Raw())
        answer = await store.read(asked)
        recent = await store.read(replace(asked, start=stop - 10**9))

    bucket = settings.bucket(MeasurementClass.METRICS)
    assert notes[0].startswith(
        f"the bucket {bucket} keeps 1d, and storage.retention says 7d (`opswatch provision apply` "
    )
    assert len(notes) == len(MeasurementClass) + len(LEVELS)
    assert [warning.split()[0] for warning in answer.warnings] == ["samples"]
    assert recent.warnings == ()


async def test_a_missing_bucket_is_named_with_the_command_that_makes_it(influx: InfluxServer) -> None:
    """Also while others are there."""
    settings = influx.fresh()
    influx.call("DELETE", f"/api/v2/buckets/{influx.buckets[settings.bucket(MeasurementClass.EVENTS)]}")
    async with opened(settings) as store:
        (note,) = store.notes
        assert store.faults == store.notes

    assert settings.bucket(MeasurementClass.EVENTS) in note
    assert "influx bucket create" in note


async def test_the_tag_sets_are_those_of_what_was_kept(influx: InfluxServer) -> None:
    """A start goes on counting series where the process before it has stopped: hostile names too, learned ones too."""
    registry = BUILT_IN.learning()
    registry.learn("orders", ["shop"], ["count"])
    settings = influx.fresh()
    hosts = ["a", "new\nline", "back\\"]
    now = from_datetime(REAL_CLOCK.now())
    async with opened(settings, registry=registry) as store:
        points = [*map(load, hosts), Point.of("orders", {"shop": "ü"}, {"count": 1.0}, now), load("old", 1_800)]
        assert (await store.write(points)).status is WriteStatus.OK
        assert set(await store.tag_sets()) == {
            *(("system", (("host", host),)) for host in [*hosts, "old"]),
            ("orders", (("shop", "ü"),)),
        }


async def test_it_opens_without_a_server_and_says_so() -> None:
    """A monitoring system must start when what it depends on is away."""
    nowhere = InfluxSettings("http://127.0.0.1:9", "ops", SecretStr("t"))
    async with opened(nowhere) as store:
        (note,) = store.notes
        outcome = await store.write([load("a")])
        sets = await store.tag_sets()

    assert note.startswith("InfluxDB at http://127.0.0.1:9 cannot be reached")
    assert outcome.status is WriteStatus.RETRY
    assert sets == ()


async def test_another_product_is_never_written_to() -> None:
    """InfluxDB 1.8 takes what is written to /api/v2/write; but nothing of ours could ever be read again."""
    async with stub_server() as stub:
        stub.script(PING, [Reply(204, headers={"X-Influxdb-Version": "1.8.10"})])
        async with opened(stub.settings()) as store:
            outcome = await store.write([load("a")])
            assert outcome.status is WriteStatus.PAUSE
            assert "1.8.10" in outcome.message
            assert (store.notes, stub.bodies("/api/v2/write")) == ((outcome.message,), [])

            stub.script(PING, [Reply(204, headers={"X-Influxdb-Version": "v2.9.1"})])
            await store.look_after()
            assert not any("1.8.10" in note for note in store.notes)


async def test_a_server_that_forgets_is_noticed_while_it_runs() -> None:
    """It kept the canary at first and then no more: from then on everything waits, and the note says why."""
    async with stub_server() as stub:
        async with opened(stub.settings()) as store:
            (note,) = store.notes  # the stub takes everything and finds nothing
            assert "says yes to points and does not keep them" in note
            assert (await store.write([load("a")])).status is WriteStatus.PAUSE
        canaries = [body for body in stub.bodies("/api/v2/write") if "opswatch_canary" in body]
        assert len(canaries) >= 1
        assert not any("system" in body for body in stub.bodies("/api/v2/write"))


async def test_2_9_0_is_warned_of_and_used() -> None:
    """A warning is no fault."""
    async with stub_server() as stub:
        stub.script(PING, [Reply(204, headers={"X-Influxdb-Version": "v2.9.0"})])
        async with opened(stub.settings()) as store:
            assert any("2.9.0" in note and "2.9.1" in note for note in store.notes)
            assert not any("2.9.0" in fault for fault in store.faults)


async def test_buckets_whose_retention_is_not_told_are_not_guessed_at() -> None:
    """A token may be allowed to write and read, and not to see the buckets' settings: HTML is no answer either."""
    async with stub_server() as stub:
        stub.script("/api/v2/buckets", [Reply(200, b"<html>no", {"Content-Type": "text/html"})])
        stub.script(QUERY, [table()])
        async with opened(stub.settings(), Retention()) as store:
            assert not any("storage.retention" in note for note in store.notes)


async def test_a_server_that_accepts_and_says_nothing_delays_a_start_for_seconds_only() -> None:
    """A16: nobody waits at 3 a.m. for a start that waits for its store."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = InfluxSettings(f"http://127.0.0.1:{silent.getsockname()[1]}", "ops", SecretStr("t"))
        async with asyncio.timeout(15), opened(settings) as store:
            (note,) = store.notes
            # Whom nothing will come of is not waited for once more, and nobody is told that all is well meanwhile.
            sets = await store.tag_sets()
            outcome = await store.write([load("a")])
            with pytest.raises(StoreUnavailable, match="does not answer"):
                await store.read(SeriesQuery("system", (), 0, 10**9, Latest()))

    assert settings.url in note
    assert "did not answer what it was asked within 10s" in note
    assert store.faults == (note,)
    assert sets == ()
    assert (outcome.status, outcome.message) == (WriteStatus.RETRY, note)


async def test_a_slow_server_is_none_that_says_nothing() -> None:
    """A second for each answer: it is opened well within the time that a start has, and without a note."""
    async with stub_server() as stub:
        stub.script_points([TAKEN])
        async with (
            slowed(stub, 1.0) as url,
            asyncio.timeout(10),
            opened(replace(stub.settings(), url=url)) as store,
        ):
            assert store.notes == ()
            assert store.version == "2.9.1"


async def test_what_was_said_of_a_silence_is_over_with_the_first_write() -> None:
    """The page would say for a minute that it cannot be reached, and one line below that it takes points."""
    async with stub_server() as stub:
        stub.script(PING, [RESET])
        stub.script_points([TAKEN])
        async with opened(stub.settings()) as store:
            assert "cannot be reached" in store.notes[0]
            assert (await store.write([load("a")])).status is WriteStatus.OK
            assert store.notes == ()


async def test_answers_to_other_questions_end_no_start() -> None:
    """A proxy that gives every query one and the same table: neither a crash, nor taken for what is in the store."""
    async with stub_server() as stub:
        stub.script(QUERY, [table(("result", "table", "_value"), ("_result", "0", "7"))])
        async with opened(stub.settings()) as store:
            assert await store.tag_sets() == ()
            query = SeriesQuery("system", (), 0, 10**9, Latest())
            with pytest.raises(StoreUnavailable, match=stub.url):
                await store.read(query)
