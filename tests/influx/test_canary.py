"""The canary against a scripted server: what its answers mean."""

from collections.abc import AsyncIterator

import pytest

from influx.canary import Canary
from influx.connection import InfluxConnection
from telemetry.ports import WRITTEN, WriteStatus
from tests.collector.doubles import REAL_CLOCK
from tests.influx import stub
from tests.influx.stub import QUERY, WRITE, Reply, Stub, stub_server


@pytest.fixture
async def server() -> AsyncIterator[Stub]:
    async with stub_server() as running:
        running.script_points([stub.TAKEN])
        yield running


@pytest.fixture
async def canary(server: Stub) -> AsyncIterator[Canary]:
    async with InfluxConnection.opened(server.settings()) as connection:
        yield Canary(connection, REAL_CLOCK, "this-host")


async def test_one_that_comes_back_is_well(server: Stub, canary: Canary) -> None:
    """It is asked for by its number, so that an older one is not taken for it."""
    assert await canary.check() == WRITTEN
    old = stub.table(("result", "table", "_value"), ("_result", "0", "17"))
    server.script(QUERY, [old])

    assert (await canary.check()).status is WriteStatus.PAUSE


CSV = {"Content-Type": "text/csv; charset=utf-8"}


@pytest.mark.parametrize(
    ("reply", "status", "word"),
    [
        (stub.EMPTY, WriteStatus.PAUSE, "does not keep them"),
        (stub.error(404, "not found", 'could not find bucket "b"'), WriteStatus.PAUSE, "may not read"),
        (stub.error(401, "unauthorized", "unauthorized access"), WriteStatus.PAUSE, "does not know the token"),
        (stub.HTML, WriteStatus.PAUSE, "no InfluxDB's answer"),
        (Reply(404, b"404 page not found"), WriteStatus.PAUSE, "no InfluxDB's answer"),
        (stub.error(400, "invalid", "queue length exceeded"), WriteStatus.RETRY, "queue length exceeded"),
        (stub.error(500, "internal error", "oops"), WriteStatus.RETRY, "oops"),
        (Reply(502, b"<h1>Bad gateway</h1>"), WriteStatus.RETRY, "Bad gateway"),
        (Reply(200, b',error,reference\r\n,"oh, no",\r\n', CSV), WriteStatus.RETRY, "oh, no"),
        (
            Reply(200, b",result,table,_value\r\n,_result,0,1\r\n\r\n,error,reference\r\n,no,\r\n", CSV),
            WriteStatus.RETRY,
            "no",
        ),
        (stub.RESET, WriteStatus.RETRY, "cannot be reached"),
        (stub.Half(b",result", 200, CSV), WriteStatus.RETRY, "cannot be reached"),
    ],
)
async def test_what_an_answer_to_the_question_means(
    server: Stub, canary: Canary, reply: stub.Answering, status: WriteStatus, word: str
) -> None:
    """Only an answer without it means that it is lost; what cannot be asked now is asked later."""
    server.script(QUERY, [reply])
    outcome = await canary.check()

    assert (outcome.status, word in outcome.message) == (status, True), outcome.message


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (stub.WRITE_TIMEOUT, WriteStatus.RETRY),
        (stub.error(503, "unavailable", "busy", {"Retry-After": "7"}), WriteStatus.RETRY),
        (stub.RESET, WriteStatus.RETRY),
        (stub.FORBIDDEN, WriteStatus.PAUSE),
        (stub.conflict("number", "opswatch_canary", "integer", "float", 1), WriteStatus.PAUSE),
    ],
)
async def test_what_an_answer_to_the_write_means(
    server: Stub, canary: Canary, reply: stub.Answering, status: WriteStatus
) -> None:
    """Then it is not asked for."""
    server.script(WRITE, [reply])

    assert (await canary.check()).status is status
    assert server.of(QUERY) == []


async def test_values_are_bound_and_never_part_of_the_text(server: Stub, canary: Canary) -> None:
    """The host's name is data."""
    assert await canary.check() == WRITTEN

    assert "this-host" not in server.of(QUERY)[0].body.decode().split('"extern"')[0]
    assert '"this-host"' in server.of(QUERY)[0].body.decode()
