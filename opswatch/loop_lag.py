"""How late the event loop is: the first sign that something blocks it. Shell."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

_LOOK_EVERY = 0.25  # seconds


class LoopLag:
    """Remembers the longest lateness since it was last taken."""

    def __init__(self) -> None:
        self._longest_s = 0.0

    def take_ms(self) -> float:
        """The longest lateness in ms since the last call."""
        longest, self._longest_s = self._longest_s, 0.0
        return longest * 1000

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Measure as long as the block runs."""
        task = asyncio.create_task(self._watch(), name="loop lag")
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _LOOK_EVERY
            await asyncio.sleep(_LOOK_EVERY)
            self._longest_s = max(self._longest_s, loop.time() - due)
