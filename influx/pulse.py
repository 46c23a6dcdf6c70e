"""Whether InfluxDB is still there while an answer of it is awaited: a page must not wait for one that hangs. Shell."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from influx.connection import InfluxConnection
from telemetry.errors import StoreUnavailable

_PATIENCE = 3.0  # seconds that an answer takes before anybody doubts, and between two pings
_PING_SECONDS = 3.0
_BELIEVED_SECONDS = 10.0  # that nothing is asked of a server that did not answer a ping


class Pulse:
    """One for all who read; a server that works long at a question answers a ping meanwhile."""

    def __init__(self, connection: InfluxConnection) -> None:
        self._connection = connection
        self._silent_until = float("-inf")

    def lost(self) -> None:
        """Somebody else has seen that it does not answer: nothing is asked of it for some seconds."""
        self._silent_until = asyncio.get_running_loop().time() + _BELIEVED_SECONDS

    @asynccontextmanager
    async def felt(self) -> AsyncIterator[None]:
        """Raises StoreUnavailable as soon as it is clear that no answer will come, before or within the block."""
        if asyncio.get_running_loop().time() < self._silent_until:
            raise self._silence()
        limit = asyncio.timeout(None)
        try:
            async with limit:
                watching = asyncio.create_task(self._watch(limit))
                try:
                    yield
                finally:
                    watching.cancel()
        except TimeoutError as error:
            if limit.expired():
                raise self._silence() from error
            raise

    async def _watch(self, limit: asyncio.Timeout) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_PATIENCE)
            try:
                async with asyncio.timeout(_PING_SECONDS):
                    await self._connection.ask("GET", "/ping")
            except (TimeoutError, StoreUnavailable):
                self.lost()
                limit.reschedule(loop.time())
                return

    def _silence(self) -> StoreUnavailable:
        return StoreUnavailable(
            f"InfluxDB at {self._connection.settings.url} does not answer, not even a ping (is it overloaded or"
            " stopped? it is asked again every few seconds)"
        )
