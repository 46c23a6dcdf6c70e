"""The writers that wait for a commit of the spool together. Shell."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from telemetry.points import Point
from telemetry.ports import WriteOutcome

Waiting = tuple[Sequence[Point], asyncio.Future[WriteOutcome]]

LINGER = 0.1  # seconds that a write waits for others to share its commit
ENOUGH = 2_000  # points that wait for no others: they are worth a commit of their own


class WaitingWriters:
    """Each with its points and the future of its answer."""

    def __init__(self) -> None:
        self._waiting: list[Waiting] = []
        self._points = 0
        self._is_closed = False
        self._written = asyncio.Event()
        self._enough = asyncio.Event()

    def add(self, points: Sequence[Point]) -> asyncio.Future[WriteOutcome]:
        """Let one more wait; its answer is set by whoever commits."""
        future: asyncio.Future[WriteOutcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((points, future))
        self._points += len(points)
        self._written.set()
        if self._points >= ENOUGH:
            self._enough.set()
        return future

    def close(self) -> None:
        """Nobody comes any more."""
        self._is_closed = True
        self._written.set()

    async def together(self) -> list[Waiting]:
        """Those that share the next commit; none when it is closed and everybody was taken."""
        if not self._is_closed:
            await self._written.wait()
        if not self._is_closed:
            with suppress(TimeoutError):
                async with asyncio.timeout(LINGER):
                    await self._enough.wait()
        self._written.clear()
        self._enough.clear()
        waiting, self._waiting, self._points = self._waiting, [], 0
        return waiting
