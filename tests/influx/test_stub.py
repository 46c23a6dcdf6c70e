"""The scripted server does what its script says."""

import gzip

import pytest

from influx.connection import InfluxConnection
from telemetry.errors import StoreUnavailable
from tests.influx.stub import HTML, PING, RESET, WRITE, Half, Reply, Request, error, stub_server


async def test_it_follows_its_script() -> None:
    """One responder after the other, the last one for ever; requests are kept, bodies as they were meant."""
    async with stub_server() as stub, InfluxConnection.opened(stub.settings()) as connection:
        stub.script(WRITE, [error(503, "unavailable", "busy", {"Retry-After": "7"}), HTML])
        answers = [await connection.write("b", gzip.compress(b"m f=1 1"), is_gzip=True) for _ in range(3)]

        assert [answer.status for answer in answers] == [503, 200, 200]
        assert answers[0].headers["retry-after"] == "7"
        assert answers[0].is_json
        assert stub.bodies(WRITE) == ["m f=1 1"] * 3
        assert stub.requests[0].token == "secret-token"
        assert (await connection.ask("GET", PING)).headers["x-influxdb-version"] == "v2.9.1"


async def test_it_can_break_off() -> None:
    """A reset, and an answer of which only half comes."""
    async with stub_server() as stub, InfluxConnection.opened(stub.settings()) as connection:
        stub.script(WRITE, [RESET])
        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            await connection.write("b", b"m f=1 1", is_gzip=False)
        stub.script(WRITE, [Half(b"{")])
        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            await connection.write("b", b"m f=1 1", is_gzip=False)


async def test_it_can_decide_by_the_request() -> None:
    """A responder may be a function."""

    def by_size(request: Request) -> Reply:
        return Reply(413) if len(request.body) > 10 else Reply(204)

    async with stub_server() as stub, InfluxConnection.opened(stub.settings()) as connection:
        stub.script(WRITE, [by_size])

        assert (await connection.write("b", b"m f=1 1", is_gzip=False)).status == 204
        assert (await connection.write("b", b"m f=1 1\nm f=1 2", is_gzip=False)).status == 413
