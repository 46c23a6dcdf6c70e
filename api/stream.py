"""`/api/v1/stream`: what changes, pushed to every page that is open. Shell.

One answer is computed and encoded per refresh, for all clients together. A client that does not keep up is let go;
its browser comes back by itself and begins with a snapshot.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from time import perf_counter

from aiohttp import web
from aiohttp_sse import EventSourceResponse

from api.doors import Doors
from api.gate import is_recognised
from api.health import SYSTEM_HEALTH
from api.keys import DOORS
from api.services import service_answers, written

logger = logging.getLogger(__name__)

_QUEUE = 8  # events; a client this far behind is let go
_MAX_CLIENTS = 1_000
_SMALL = 32_768  # bytes; a transport that was empty takes more than that before it asks to wait
_AT_ONCE = 100  # clients that are told before the event loop does something else
_RECHECK_SECONDS = 60.0  # a revoked token or an ended session loses its stream within this
_LINGER_SECONDS = 0.5  # for clients to take what is on its way when the server stops


@dataclass(eq=False, slots=True)
class _Client:
    response: web.StreamResponse
    transport: asyncio.Transport | None
    checked: float  # monotonic seconds
    told: float = 0.0  # when it was sent something, by perf_counter
    is_busy: bool = True  # its handler is writing
    events: asyncio.Queue[bytes | None] = field(default_factory=lambda: asyncio.Queue(_QUEUE))

    def keeps_up(self) -> bool:
        """Whether everything it was sent has left, so that a write ends at once."""
        is_idle = not self.is_busy and self.events.empty()
        return is_idle and self.transport is not None and self.transport.get_write_buffer_size() == 0

    async def write(self, event: bytes) -> None:
        """Raises ConnectionResetError when it is gone."""
        self.is_busy = True
        await self.response.write(event)
        self.told = perf_counter()
        self.is_busy = False

    def cut_off(self) -> None:
        """End the connection at once: a client that reads nothing would hold a writing handler for ever."""
        if self.transport is not None:
            self.transport.abort()


class Broadcaster:
    """Knows who listens, and tells them."""

    def __init__(self, app: web.Application) -> None:
        self._app = app
        self._clients: set[_Client] = set()
        self._numbers = count(1)
        self._closing = False
        self._emptied = asyncio.Event()

    async def publish_once(self, now: datetime) -> int:
        """Compute and send one update; how many clients were told. Nothing is computed for nobody."""
        if not self._clients:
            return 0
        event = self._encoded("update", await self._state(now))
        monotonic = self._app[DOORS].clock.monotonic()
        for number, client in enumerate(list(self._clients), 1):
            try:
                await self._tell(client, event, monotonic)
            except (asyncio.QueueFull, ConnectionResetError):
                self._clients.discard(client)
                client.cut_off()
            if not number % _AT_ONCE:
                await asyncio.sleep(0)
        return len(self._clients)

    async def _tell(self, client: _Client, event: bytes, monotonic: float) -> None:
        # Nearly all keep up: to wake a handler for each would cost more than the writing. It wakes for those who do
        # not, and for those whose right to be here is to be looked at again. What is small never has to wait for room.
        is_due = monotonic - client.checked >= _RECHECK_SECONDS
        if len(event) <= _SMALL and client.keeps_up() and not is_due:
            await client.write(event)
        else:
            client.events.put_nowait(event)

    async def run(self) -> None:
        """Publish at every refresh interval, for as long as the application lives."""
        doors = self._app[DOORS]
        interval = doors.settings.refresh_interval.total_seconds()
        while True:
            await asyncio.sleep(interval)
            try:
                await self.publish_once(doors.clock.now())
            except Exception:
                logger.exception("the live update failed; the next one follows")

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """One client, until it leaves or the server stops."""
        response = EventSourceResponse(ping_interval=3_600)  # our heartbeat is an event, which pages can see
        client = _Client(response, request.transport, self._app[DOORS].clock.monotonic())
        snapshot = self._encoded("snapshot", await self._state(request.app[DOORS].clock.now()))
        await response.prepare(request)
        if self._closing or len(self._clients) >= _MAX_CLIENTS:
            return response
        self._clients.add(client)
        try:
            await client.write(snapshot)
            while client in self._clients and await self._is_still_welcome(request, client):
                event = await self._next(client)
                if event is None:
                    break
                if event:
                    await client.write(event)
        except (ConnectionResetError, asyncio.CancelledError):
            pass  # the client has left
        finally:
            self._clients.discard(client)
            if not self._clients:
                self._emptied.set()
            response.stop_streaming()
        return response

    async def close(self, _: web.Application | None = None) -> None:
        """Let every client go, so that the server can stop."""
        self._closing = True
        for client in self._clients:
            while not client.events.empty():
                client.events.get_nowait()
            client.events.put_nowait(None)
        if self._clients:
            self._emptied.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._emptied.wait(), _LINGER_SECONDS)
        for client in self._clients:
            client.cut_off()

    async def _is_still_welcome(self, request: web.Request, client: _Client) -> bool:
        now = self._app[DOORS].clock.monotonic()
        if now - client.checked < _RECHECK_SECONDS:
            return True
        client.checked = now
        return await is_recognised(request)

    async def _next(self, client: _Client) -> bytes | None:
        """What its handler is to write; nothing when it was told meanwhile, None at the end."""
        heartbeat = self._app[DOORS].settings.heartbeat_interval.total_seconds()
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, client.told + heartbeat - perf_counter())):
                return await client.events.get()
        if perf_counter() - client.told < heartbeat:
            return b""
        return self._encoded("heartbeat", {"time": written(self._app[DOORS].clock.now())})

    async def _state(self, now: datetime) -> dict[str, object]:
        doors: Doors = self._app[DOORS]
        health, _ = await self._app[SYSTEM_HEALTH].current()
        return {
            "time": written(now),
            "services": [answer.model_dump() for answer in await service_answers(doors)],
            "host": health.system_metrics.model_dump(),
        }

    def _encoded(self, event: str, body: object) -> bytes:
        text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
        return f"id: {next(self._numbers)}\nevent: {event}\ndata: {text}\n\n".encode()


BROADCASTER: web.AppKey[Broadcaster] = web.AppKey("broadcaster", Broadcaster)


async def stream(request: web.Request) -> web.StreamResponse:
    """`GET /api/v1/stream`. `Last-Event-ID` is answered with a snapshot: it holds all that was missed."""
    return await request.app[BROADCASTER].serve(request)


async def broadcasting(app: web.Application) -> AsyncIterator[None]:
    """Run the broadcaster as long as the application lives."""
    task = asyncio.create_task(app[BROADCASTER].run(), name="broadcast")
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
