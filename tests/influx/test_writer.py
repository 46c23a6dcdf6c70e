"""InfluxWriter against a scripted server: each class of answer, and answers that do not come."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from collector.quarantine import Quarantine
from collector.spool import Spool, SpoolLimits
from influx.canary import Canary
from influx.connection import InfluxConnection
from influx.settings import InfluxSettings
from influx.writer import InfluxWriter
from telemetry.clock import Clock
from telemetry.errors import StoreUnavailable
from telemetry.measurements import BUILT_IN
from telemetry.points import FieldValue, Point
from telemetry.ports import WRITTEN, WriteOutcome, WriteStatus
from tests.collector.doubles import REAL_CLOCK, SECOND, START, SetClock, hurried_clock
from tests.influx import stub
from tests.influx.stub import HANG, QUERY, RESET, TAKEN, WRITE, Request, Stub, stub_server

HOUR = 3_600 * SECOND


@pytest.fixture
async def server() -> AsyncIterator[Stub]:
    async with stub_server() as running:
        running.script_points([TAKEN])
        yield running


@asynccontextmanager
async def opened(
    server: Stub, clock: Clock = REAL_CLOCK, settings: InfluxSettings | None = None
) -> AsyncIterator[InfluxWriter]:
    async with InfluxConnection.opened(settings or server.settings()) as connection:
        yield InfluxWriter(connection, BUILT_IN, clock, Canary(connection, clock, "this-host"))


def load(second: float, host: str = "web", **fields: FieldValue) -> Point:
    return Point.of("system", {"host": host}, fields or {"load1": 1.5}, START + int(second * SECOND))


def loads(count: int) -> list[Point]:
    return [load(number, f"host-{number:04}") for number in range(count)]


async def outcome_of(server: Stub, points: Sequence[Point]) -> WriteOutcome:
    async with opened(server) as writer:
        return await writer.write(points)


def lines(request: Request) -> list[str]:
    return request.body.decode().split("\n")


async def test_points_go_to_the_buckets_of_their_classes_by_day(server: Stub) -> None:
    """One request for each bucket and UTC day, so that one answer is about one shard."""
    own = Point.of("opswatch_spool", {"host": "web"}, {"pending_batches": 1}, START)
    outcome = await outcome_of(server, [load(0), own, load(86_400), load(1)])

    assert outcome == WRITTEN
    assert [(request.parameters["bucket"], request.body.decode()) for request in server.points] == [
        ("opswatch_raw", f"system,host=web load1=1.5 {START}\nsystem,host=web load1=1.5 {START + SECOND}"),
        ("opswatch_self", f"opswatch_spool,host=web pending_batches=1i {START}"),
        ("opswatch_raw", f"system,host=web load1=1.5 {START + 86_400 * SECOND}"),
    ]
    assert {(one.parameters["org"], one.parameters["precision"]) for one in server.points} == {("ops", "ns")}


async def test_large_batches_are_compressed_and_cut(server: Stub) -> None:
    """At most 10 MB plain in a request; small ones are not worth compressing."""
    text = "x" * 4_000
    many = [Point.of("probe", {"probe": f"{n}"}, {"message": text}, START + n) for n in range(6_000)]
    assert await outcome_of(server, many) == WRITTEN

    assert len(server.points) >= 3
    assert all(not request.plain and len(request.body) <= 10_000_000 for request in server.points)
    assert sum(len(lines(request)) for request in server.points) == 6_000
    server.requests.clear()
    assert await outcome_of(server, [load(0)]) == WRITTEN
    assert server.points[0].plain


async def test_a_point_that_cannot_be_encoded_is_refused_alone(server: Stub) -> None:
    """With its reason, before anything is sent."""
    bad = [load(1, load1=float("nan")), Point.of("unknown", {}, {"f": 1.0}, START), load(0, "x" * 70_000)]
    outcome = await outcome_of(server, [load(0), *bad, load(2)])

    assert outcome.status is WriteStatus.PARTIAL
    assert [one.point for one in outcome.refused] == bad
    assert len(lines(server.points[0])) == 2


# What the server says


async def test_a10_bad_lines_are_cut_out_and_the_rest_is_sent_once_more(server: Stub) -> None:
    """The neighbours are stored, the offenders named."""
    points = loads(100)

    def picky(request: Request) -> stub.Reply:
        bad = [(line, "invalid boolean") for line in lines(request) if "host-0007" in line or "host-0042" in line]
        return stub.bad_lines(*bad) if bad else TAKEN

    server.script_points([picky])
    outcome = await outcome_of(server, points)

    assert outcome.status is WriteStatus.PARTIAL
    assert [(one.point, one.reason) for one in outcome.refused] == [
        (points[number], "InfluxDB cannot parse it: invalid boolean") for number in (7, 42)
    ]
    assert [len(lines(request)) for request in server.points] == [100, 98]


async def test_when_the_rest_is_bad_as_well_the_batch_is_halved(server: Stub) -> None:
    """After one more try, not line by line."""
    server.script_points([lambda request: stub.bad_lines((lines(request)[0], "invalid boolean"))])
    outcome = await outcome_of(server, loads(10))

    assert outcome.status is WriteStatus.SPLIT
    assert len(server.points) == 2
    assert (await outcome_of(server, loads(1))).status is WriteStatus.PARTIAL


async def test_a_type_conflict_costs_a_point_one_field(server: Stub) -> None:
    """Its other fields are stored, and the reason goes with it; conflicts one after the other are all found."""
    both = load(0, load1=1.0, load5=2.0)
    one_only, other, good = load(1, load1=1.0), load(2, load5=2.0, load15=3.0), load(3, load15=4.0)

    def typed(request: Request) -> stub.Reply:
        for field in ("load1", "load5"):
            if f"{field}=" in request.body.decode():
                return stub.conflict(field, "system", "float", "integer", 1)
        return TAKEN

    server.script_points([typed])
    outcome = await outcome_of(server, [both, one_only, other, good])

    assert outcome.status is WriteStatus.PARTIAL
    reasons = {id(one.point): one.reason for one in outcome.refused}
    assert set(reasons) == {id(both), id(one_only), id(other)}
    assert '"load1"' in reasons[id(both)]
    assert '"load5"' in reasons[id(both)]
    assert '"load1"' not in reasons[id(other)]
    assert server.points[-1].body.decode() == (
        f"system,host=web load15=3 {START + 2 * SECOND}\nsystem,host=web load15=4 {START + 3 * SECOND}"
    )


async def test_a_conflict_in_one_shard_does_not_refuse_another_ones_points(server: Stub) -> None:
    """A day may be several shards: each hour is asked for by itself."""
    early, late = load(0, load1=1.0), load(7_200, load1=2.0)

    def typed(request: Request) -> stub.Reply:
        return (
            stub.conflict("load1", "system", "float", "integer", 1) if str(early.time) in lines(request)[0] else TAKEN
        )

    server.script_points([typed])
    outcome = await outcome_of(server, [early, late])

    assert [one.point for one in outcome.refused] == [early]
    assert server.points[-1].body.decode() == f"system,host=web load1=2 {late.time}"


async def test_an_hour_that_is_partly_too_old_has_no_conflict(server: Stub) -> None:
    """What is kept of it keeps the field that is of another type in a later hour."""
    old, good, bad = load(0, load1=1.0), load(1_800, load1=2.0), load(7_200, load1=3.0)
    bound = datetime.fromtimestamp(START / SECOND + 900, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def typed(request: Request) -> stub.Reply:
        if str(bad.time) in request.body.decode():  # a conflict hides the retention
            return stub.conflict("load1", "system", "float", "integer", 1)
        is_old = str(old.time) in request.body.decode()
        return stub.outside_retention("system", "x", "y", bound, 1) if is_old else TAKEN

    server.script_points([typed])
    outcome = await outcome_of(server, [old, good, bad])

    assert {id(one.point): "retention" in one.reason for one in outcome.refused} == {id(old): True, id(bad): False}
    assert f"system,host=web load1=2 {good.time}" in lines(server.points[-1])


async def test_points_before_the_retention_are_refused_by_its_bound(server: Stub) -> None:
    """The others are stored."""
    points = [load(0), load(10), load(20)]
    reply = stub.outside_retention("system", "x", "y", "2026-11-24T12:00:10Z", 1)
    server.script_points([reply, TAKEN])
    outcome = await outcome_of(server, points)

    assert [one.point for one in outcome.refused] == points[:1]
    assert "outside retention policy" in outcome.refused[0].reason
    assert len(lines(server.points[1])) == 2


async def test_a_text_that_is_too_long_is_refused_and_shorter_ones_are_not(server: Stub) -> None:
    """By the length that the server names."""
    long, short = (Point.of("probe", {"probe": "p"}, {"up": 1, "message": "é" * n}, START + n) for n in (60, 40))
    reply = stub.partial('input field "message" on measurement "probe" is too long, 120 > 100 dropped=1')
    server.script_points([reply, TAKEN])
    outcome = await outcome_of(server, [long, short])

    assert [one.point for one in outcome.refused] == [long]
    assert lines(server.points[1])[0] == f"probe,probe=p up=1i {long.time}"


async def test_an_answer_that_names_what_is_not_there_halves_the_batch(server: Stub) -> None:
    """Nobody knows what it means; of a single point it means that one."""
    for reply in (
        stub.conflict("other", "system", "float", "integer", 1),
        stub.outside_retention("system", "x", "y", "1970-01-01T00:00:00Z", 1),
        stub.partial("something new dropped=1"),
        stub.bad_lines(("what", "bad timestamp")),
        stub.Reply(413),
    ):
        server.script_points([reply])
        assert (await outcome_of(server, loads(3))).status is WriteStatus.SPLIT
        single = await outcome_of(server, loads(1))
        assert (single.status, len(single.refused)) == (WriteStatus.PARTIAL, 1)


async def test_faults_without_an_end_halve_the_batch(server: Stub) -> None:
    """The requests for one batch are bounded."""
    bounds = (f"2026-11-24T12:00:{number:02}Z" for number in range(1, 60))
    server.script_points([lambda _: stub.outside_retention("system", "x", "y", next(bounds), 1)])
    outcome = await outcome_of(server, loads(100))

    assert outcome.status is WriteStatus.SPLIT
    assert len(server.points) <= 50


async def test_a9_413_says_split(server: Stub) -> None:
    """So that the spool halves it, until each part is taken or is a single point that is refused."""
    server.script_points([lambda request: stub.Reply(413) if len(lines(request)) > 2 else TAKEN])

    assert (await outcome_of(server, loads(3))).status is WriteStatus.SPLIT
    assert (await outcome_of(server, loads(2))).status is WriteStatus.OK


async def test_a7_busy_is_for_later_with_the_wait_that_was_asked_for(server: Stub) -> None:
    """And nothing else is sent meanwhile."""
    server.script_points([stub.error(429, "too many requests", "slow down", {"Retry-After": "17"})])
    outcome = await outcome_of(server, [load(0), load(86_400)])

    assert outcome == WriteOutcome(
        WriteStatus.RETRY, "InfluxDB answers 429: slow down", retry_after=timedelta(seconds=17)
    )
    assert len(server.points) == 1


@pytest.mark.parametrize("silence", [RESET, stub.Half(b"{", 500)])
async def test_an_answer_that_does_not_come_is_for_later(server: Stub, silence: stub.Answering) -> None:
    """A reset, and half an answer."""
    server.script_points([silence])
    outcome = await outcome_of(server, [load(0)])

    assert outcome.status is WriteStatus.RETRY
    assert server.url in outcome.message


async def test_a16_silence_is_for_later(server: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that accepts and never answers costs the limit and no more."""
    monkeypatch.setattr("influx.connection._WRITE_SECONDS", 0.3)
    server.script_points([HANG])
    outcome = await outcome_of(server, [load(0)])

    assert outcome.status is WriteStatus.RETRY
    assert "does not answer in time" in outcome.message


@pytest.mark.parametrize(
    ("reply", "word"),
    [
        (stub.UNAUTHORIZED, "does not know the token"),
        (stub.FORBIDDEN, "may not write into the bucket opswatch_raw"),
        (stub.no_bucket("opswatch_raw"), "no bucket opswatch_raw in the organisation ops"),
        (stub.NO_ORGANISATION, "Please provide either orgID or org"),
        (stub.HTML, "no InfluxDB's answer"),
        (stub.Reply(307, b"", {"Location": "http://127.0.0.1:1/"}), "http://127.0.0.1:1/"),
    ],
)
async def test_a12_a13_what_people_must_mend_pauses(server: Stub, reply: stub.Reply, word: str) -> None:
    """Nothing is refused, and the message says what to do; other buckets go on."""
    server.script_points([lambda request: reply if request.parameters["bucket"] == "opswatch_raw" else TAKEN])
    own = Point.of("opswatch_spool", {"host": "web"}, {"pending_batches": 1}, START)
    outcome = await outcome_of(server, [load(0), own])

    assert (outcome.status, outcome.refused) == (WriteStatus.PAUSE, ())
    assert word in outcome.message
    assert server.points[-1].parameters["bucket"] == "opswatch_self"
    assert "secret-token" not in outcome.message


async def test_a12_a_token_file_that_rotates_is_read_again(server: Stub, tmp_path: Path) -> None:
    """At the first answer that says that the old one is not good any more, without a restart."""
    file = tmp_path / "token"
    file.write_text("old\n")
    good = {"old"}
    server.script_points([lambda request: TAKEN if request.token in good else stub.UNAUTHORIZED])
    settings = server.settings(token_file=file)
    async with opened(server, settings=settings) as writer:
        assert await writer.write([load(0)]) == WRITTEN
        good.clear()
        assert (await writer.write([load(1)])).status is WriteStatus.PAUSE
        file.write_text("new\n")
        good.add("new")
        assert await writer.write([load(1)]) == WRITTEN


async def test_a12_requests_that_were_under_way_with_the_old_token_all_take_the_new_one(
    server: Stub, tmp_path: Path
) -> None:
    """Whichever is answered first reads the file; for the others it is new as well."""
    file = tmp_path / "token"
    file.write_text("old\n")
    server.script_points([lambda request: stub.UNAUTHORIZED if request.token == "old" else TAKEN])
    async with opened(server, settings=server.settings(token_file=file)) as writer:
        await writer.prove()
        file.write_text("new\n")
        outcomes = await asyncio.gather(*(writer.write([load(number)]) for number in range(8)))

    assert set(outcomes) == {WRITTEN}


# A 500 that never ends


async def test_a_500_goes_once_uncompressed_and_stays_so_for_a_while(
    server: Stub, caplog: pytest.LogCaptureFixture
) -> None:
    """Where compressing is at fault; told once."""
    caplog.set_level(logging.WARNING)
    clock = SetClock()
    server.script_points([lambda request: TAKEN if request.plain else stub.BROKEN_GZIP])
    async with opened(server, clock.clock) as writer:
        for second in range(3):
            assert await writer.write([*loads(50), load(second)]) == WRITTEN
        assert [request.plain for request in server.points] == [False, True, True, True]
        assert len([one for one in caplog.records if "uncompressed" in one.message or "plain" in one.message]) == 1
        server.script_points([TAKEN])
        clock.advance(601)
        assert await writer.write(loads(50)) == WRITTEN
        assert not server.points[-1].plain


async def test_a_500_of_the_server_stays_its_own(server: Stub) -> None:
    """Where a single point is not taken either, the batch is kept whole for as long as it lasts."""
    server.script(
        WRITE,
        [lambda request: TAKEN if b"number" in request.body and len(server.canaries) == 1 else stub.WRITE_TIMEOUT],
    )
    async with opened(server) as writer:
        statuses = [(await writer.write(loads(10))).status for _ in range(12)]

    assert set(statuses) == {WriteStatus.RETRY}
    assert len(server.canaries) > 1


async def test_a_500_of_one_batch_is_found_out_before_the_tenth_try(server: Stub) -> None:
    """After three failures in a row a point of ours is written where the batch goes, at its time; then it is halved."""
    points = loads(64)

    def breaks(request: Request) -> stub.Reply:
        return stub.WRITE_TIMEOUT if b"host-0042" in request.body else TAKEN

    server.script_points([breaks])
    async with opened(server) as writer:
        statuses = [(await writer.write(points)).status for _ in range(3)]
        assert statuses == [WriteStatus.RETRY, WriteStatus.RETRY, WriteStatus.SPLIT]
        canary = server.canaries[-1]
        assert (canary.parameters["bucket"], canary.body.decode().split(" ")[-1]) == ("opswatch_raw", str(START))
        # As the spool does: halves of a suspect are suspected at once, a single point only after three more failures.
        tries, waiting, refused = 0, [points[:32], points[32:]], []
        while waiting and tries < 60:
            batch = waiting.pop()
            tries += 1
            outcome = await writer.write(batch)
            if outcome.status is WriteStatus.SPLIT:
                waiting += [batch[: len(batch) // 2], batch[len(batch) // 2 :]]
            elif outcome.status is WriteStatus.RETRY:
                waiting.append(batch)
            refused += outcome.refused

    assert [one.point for one in refused] == [points[42]]
    assert "InfluxDB takes others, but not this" in refused[0].reason
    assert tries < 20


async def test_a_single_point_is_not_refused_for_what_its_neighbours_did(server: Stub) -> None:
    """The first point of a batch that was at fault has three tries of its own."""
    server.script_points([lambda request: stub.WRITE_TIMEOUT if len(lines(request)) > 1 else TAKEN])
    points = loads(2)
    async with opened(server) as writer:
        for status in (WriteStatus.RETRY, WriteStatus.RETRY, WriteStatus.SPLIT):
            assert (await writer.write(points)).status is status
        server.script_points([stub.WRITE_TIMEOUT, stub.WRITE_TIMEOUT, TAKEN])
        for status in (WriteStatus.RETRY, WriteStatus.RETRY, WriteStatus.OK):
            assert (await writer.write(points[:1])).status is status


async def test_a_server_that_comes_back_in_that_moment_has_no_point_refused(server: Stub) -> None:
    """That a point of ours was taken says nothing before the batch has failed once more behind it."""
    failures = 3

    def comes_back(_: Request) -> stub.Reply:
        nonlocal failures
        failures -= 1
        return stub.WRITE_TIMEOUT if failures >= 0 else TAKEN

    server.script_points([comes_back])
    async with opened(server) as writer:
        statuses = [(await writer.write(loads(1))).status for _ in range(3)]

    assert statuses == [WriteStatus.RETRY, WriteStatus.RETRY, WriteStatus.OK]


@asynccontextmanager
async def spooled(server: Stub, folder: Path, clock: Clock) -> AsyncIterator[Spool]:
    quarantine = Quarantine(folder / "quarantine", clock)
    async with (
        opened(server, clock) as writer,
        Spool.opened(folder / "spool.sqlite", writer, quarantine, SpoolLimits(), clock) as spool,
    ):
        yield spool


async def test_a_500_of_one_point_behind_the_spool_ends_in_quarantine(server: Stub, tmp_path: Path) -> None:
    """All the others are delivered, and what comes meanwhile is not held up for ever."""
    landed: set[str] = set()

    def breaks(request: Request) -> stub.Reply:
        if b"host-0042" in request.body:
            return stub.WRITE_TIMEOUT
        landed.update(lines(request))
        return TAKEN

    server.script_points([breaks])
    async with spooled(server, tmp_path, hurried_clock()) as spool:
        assert await spool.write(loads(200)) == WRITTEN
        assert await spool.write([load(1_000)]) == WRITTEN
        assert await spool.drain(timedelta(seconds=60))
        assert spool.refused_points == 1
        assert spool.statistics.dropped.total() == 0

    assert len(landed) == 200


async def test_a12_behind_the_spool_everything_waits_for_a_token(server: Stub, tmp_path: Path) -> None:
    """Nothing is lost or refused meanwhile, the reason is told, and it goes on by itself."""
    is_good = False
    server.script_points([lambda _: TAKEN if is_good else stub.UNAUTHORIZED])
    async with spooled(server, tmp_path, hurried_clock()) as spool:
        for number in range(10):
            assert await spool.write([load(number)]) == WRITTEN
        assert not await spool.drain(timedelta(seconds=0.5))
        assert "does not know the token" in spool.statistics.trouble
        is_good = True
        assert await spool.drain(timedelta(seconds=30))
        assert (spool.refused_points, spool.statistics.trouble) == (0, "")

    taken = {line for request in server.points for line in lines(request)}
    assert len(taken) == 10


async def test_a_token_file_with_more_than_a_token_is_said_to_be_one(server: Stub, tmp_path: Path) -> None:
    """No header could carry it."""
    file = tmp_path / "token"
    file.write_text("one\ntwo\n")
    with pytest.raises(StoreUnavailable, match="alone, on one line"):
        async with opened(server, settings=server.settings(token_file=file)):
            pass


async def test_an_influxdb_3_that_answers_500_for_a_bad_line_does_not_block(server: Stub) -> None:
    """It is halved at the first such answer."""
    partial = stub.Reply(500, b'{"error":"partial write of line protocol occurred","data":[{"line_number":1}]}')
    server.script_points([partial])

    assert (await outcome_of(server, loads(2))).status is WriteStatus.SPLIT
    assert (await outcome_of(server, loads(1))).status is WriteStatus.PARTIAL


# Whether it keeps what it takes


async def test_the_canary_goes_first(server: Stub) -> None:
    """And once: it does not make writes slow."""
    async with opened(server) as writer:
        assert await writer.write([load(0)]) == WRITTEN
        assert await writer.write([load(1)]) == WRITTEN

    assert [(one.path, one.parameters.get("bucket")) for one in server.requests] == [
        (WRITE, "opswatch_self"),
        (QUERY, None),
        (WRITE, "opswatch_raw"),
        (WRITE, "opswatch_raw"),
    ]


async def test_many_first_writes_send_one_canary(server: Stub) -> None:
    """They wait for it together."""
    async with opened(server) as writer:
        outcomes = await asyncio.gather(*(writer.write([load(number)]) for number in range(20)))

    assert set(outcomes) == {WRITTEN}
    assert len(server.canaries) == 1


async def test_a_server_that_keeps_nothing_is_noticed(server: Stub) -> None:
    """It says yes to everything; nothing is given to it, before the first point as well as later."""
    clock = SetClock()
    server.script(QUERY, [stub.EMPTY])
    async with opened(server, clock.clock) as writer:
        outcome = await writer.write([load(0)])
        assert outcome.status is WriteStatus.PAUSE
        assert "says yes to points and does not keep them" in outcome.message
        assert (await writer.write([load(0)])).status is WriteStatus.PAUSE
        assert server.points == []
        assert len(server.canaries) == 1  # the answer is good for a while

        server.script_points([TAKEN])
        clock.advance(10)
        assert await writer.write([load(0)]) == WRITTEN
        server.script(QUERY, [stub.EMPTY])
        assert (await writer.prove()).status is WriteStatus.PAUSE
        assert (await writer.write([load(1)])).status is WriteStatus.PAUSE
        assert len(server.points) == 1


async def test_a_canary_that_cannot_be_asked_for_holds_nothing_up_later(server: Stub) -> None:
    """A full queue says nothing of what is kept; only before the first success it is waited for."""
    busy = stub.error(400, "invalid", "queue length exceeded")
    async with opened(server) as writer:
        assert await writer.write([load(0)]) == WRITTEN
        server.script(QUERY, [busy])
        assert (await writer.prove()).status is WriteStatus.RETRY
        assert await writer.write([load(1)]) == WRITTEN
    assert (await outcome_of(server, [load(0)])).status is WriteStatus.RETRY


async def test_a_hold_holds_until_it_is_lifted(server: Stub) -> None:
    """For whoever has examined the server."""
    async with opened(server) as writer:
        writer.hold("it is an InfluxDB 1.8")
        assert await writer.write([load(0)]) == WriteOutcome(WriteStatus.PAUSE, "it is an InfluxDB 1.8")
        assert server.requests == []
        writer.hold("")
        assert await writer.write([load(0)]) == WRITTEN


async def test_a_server_that_is_away_is_for_later(server: Stub) -> None:
    """Also before the first canary."""
    settings = replace(server.settings(), url="http://127.0.0.1:1")
    async with opened(server, settings=settings) as writer:
        outcome = await writer.write([load(0)])

    assert outcome.status is WriteStatus.RETRY
    assert "cannot be reached" in outcome.message
