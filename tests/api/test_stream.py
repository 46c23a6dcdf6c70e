"""The live stream: a snapshot first, an update per interval, a heartbeat in quiet, and an end when one is due."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

import aiohttp
import pytest

from api.stream import BROADCASTER
from telemetry.health import State
from tests.api.world import NOW, ApiSettings, World, probe, running, service

# Long enough that nothing is published but by `publish_once`.
QUIET = ApiSettings("h1", "0.1.0", refresh_interval=timedelta(hours=1))


@dataclass
class Event:
    id: int
    name: str
    body: dict[str, Any]


class Listener:
    """A client that reads events as a browser does."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer

    async def next(self) -> Event | None:
        """The next event, or None at the end."""
        found: dict[str, str] = {}
        while line := (await asyncio.wait_for(self.answer.content.readline(), 10)).decode():
            if line == "\n" and found:
                return Event(int(found["id"]), found["event"], json.loads(found["data"]))
            name, _, value = line.rstrip("\n").partition(": ")
            found[name] = value
        return None


@asynccontextmanager
async def listening(world: World, who: str = "viewer", **headers: str) -> AsyncIterator[Listener]:
    sent = world.bearer(who) | headers
    async with world.session.get(f"{world.url}/api/v1/stream", headers=sent) as answer:
        assert answer.status == 200
        yield Listener(answer)


@pytest.fixture
async def quiet(tmp_path: Path) -> AsyncIterator[World]:
    async with running(tmp_path, QUIET) as world:
        yield world


async def test_it_begins_with_a_snapshot(quiet: World) -> None:
    """Services as the API lists them, and the figures of the host."""
    async with listening(quiet) as listener:
        event = await listener.next()
        listed = await (await quiet.get("/api/v1/services")).json()
        health = await (await quiet.get("/api/v1/health")).json()

    assert event is not None
    assert event.name == "snapshot"
    assert event.body == {
        "time": "2026-11-24T12:00:00.000Z",
        "services": listed["services"],
        "host": health["system_metrics"],
    }
    assert listener.answer.headers["Content-Type"].startswith("text/event-stream")
    assert "no-" in listener.answer.headers["Cache-Control"]
    assert listener.answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_an_update_tells_everybody_what_changed(quiet: World) -> None:
    """Encoded once, numbered, and the same for all."""
    broadcaster = quiet.app[BROADCASTER]
    async with listening(quiet) as one, listening(quiet) as other:
        first = [await one.next(), await other.next()]
        quiet.catalog.known = (service("checkout", probe(state=State.DOWN)),)
        told = await broadcaster.publish_once(NOW)
        second = [await one.next(), await other.next()]

    assert told == 2
    assert {event.name for event in first if event} == {"snapshot"}
    assert second[0] == second[1]
    assert second[0] is not None
    assert (second[0].name, second[0].body["services"][0]["status"]) == ("update", "down")
    assert second[0].id > max(event.id for event in first if event)


async def test_nothing_is_computed_for_nobody(quiet: World) -> None:
    """Without a client no question is asked."""
    quiet.own.clear()  # to compute would fail

    assert await quiet.app[BROADCASTER].publish_once(NOW) == 0


async def test_updates_come_by_themselves(world: World) -> None:
    """At every refresh interval."""
    async with listening(world) as listener:
        names = [event.name for event in [await listener.next() for _ in range(3)] if event]

    assert names == ["snapshot", "update", "update"]


async def test_a_failed_update_is_followed_by_the_next(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """What goes wrong once does not end the live page."""
    async with listening(world) as listener:
        await listener.next()
        own, world.own[:] = list(world.own), []
        world.clock.advance(timedelta(seconds=5))  # so that the health answer is computed anew, and fails
        while "the live update failed" not in caplog.text:
            await asyncio.sleep(0.01)
        world.own[:] = own
        world.clock.advance(timedelta(seconds=5))
        times = [event.body["time"] for event in [await listener.next() for _ in range(5)] if event]

    assert times[-1] == "2026-11-24T12:00:10.000Z"


def test_heartbeats_come_often_enough() -> None:
    """At most 15 s of silence: proxies and pages count on it."""
    assert ApiSettings("h1", "0.1.0").heartbeat_interval <= timedelta(seconds=15)


async def test_in_quiet_a_heartbeat_comes(tmp_path: Path) -> None:
    """An event that pages can see, with the time."""
    lively = replace(QUIET, heartbeat_interval=timedelta(seconds=0.05))
    async with running(tmp_path, lively) as world, listening(world) as listener:
        await listener.next()
        event = await listener.next()

    assert event is not None
    assert (event.name, event.body) == ("heartbeat", {"time": "2026-11-24T12:00:00.000Z"})


async def test_a_client_that_comes_back_gets_a_snapshot(quiet: World) -> None:
    """`Last-Event-ID` of before, or of a server that is no more: the snapshot holds all that was missed."""
    async with listening(quiet, **{"Last-Event-ID": "17"}) as listener:
        event = await listener.next()

    assert event is not None
    assert event.name == "snapshot"


async def test_a_client_that_reads_nothing_is_let_go(quiet: World) -> None:
    """It costs a bounded queue and no handler; the others go on."""
    quiet.catalog.known = tuple(
        service(f"service-{number}", *[probe(f"p{one}") for one in range(50)]) for number in range(50)
    )
    broadcaster = quiet.app[BROADCASTER]
    reader, writer = await asyncio.open_connection("127.0.0.1", quiet.port, limit=1_024)
    token = quiet.tokens["viewer"].encode()
    writer.write(b"GET /api/v1/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + token + b"\r\n\r\n")
    await reader.readline()
    async with listening(quiet) as listener:
        await listener.next()
        told = [await broadcaster.publish_once(NOW)]
        while told[-1] == 2 and len(told) < 200:
            told.append(await broadcaster.publish_once(NOW))
            await listener.next()

    assert told[-1] == 1
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await asyncio.wait_for(reader.readexactly(10**9), 10)
    writer.close()


async def test_a_client_that_leaves_is_forgotten(quiet: World) -> None:
    """Its handler ends, instead of waiting for ever."""
    broadcaster = quiet.app[BROADCASTER]
    async with listening(quiet) as listener:
        await listener.next()
    for _ in range(50):
        told = await broadcaster.publish_once(NOW)
        if not told:
            break
        await asyncio.sleep(0.02)

    assert told == 0


async def test_a_revoked_token_loses_its_stream(quiet: World) -> None:
    """Within a minute, though the connection stays open."""
    async with listening(quiet) as listener:
        await listener.next()
        await quiet.state.tokens.revoke("viewer", NOW)
        quiet.clock.advance(timedelta(seconds=61))
        await quiet.app[BROADCASTER].publish_once(NOW)
        events = [await listener.next(), await listener.next()]

    assert events[-1] is None


async def test_a_stop_is_a_proper_end_for_who_listens(quiet: World) -> None:
    """Not a broken connection: a browser that reads to the end reports no error."""
    async with listening(quiet) as listener:
        await listener.next()
        await quiet.app[BROADCASTER].close()

        assert await listener.next() is None


@pytest.mark.parametrize("clients", [0, 3])
async def test_the_server_stops_at_once(tmp_path: Path, clients: int) -> None:
    """Open streams are ended, so that SIGTERM takes effect within its 5 s; those who read nothing, too."""
    writers = []
    async with running(tmp_path, QUIET) as world:
        for _ in range(clients):
            reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
            token = world.tokens["viewer"].encode()
            writer.write(b"GET /api/v1/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + token + b"\r\n\r\n")
            await reader.readuntil(b"snapshot")
            writers.append(writer)
        started = perf_counter()
    elapsed = perf_counter() - started
    for writer in writers:
        writer.close()

    assert elapsed < 2
