"""Places: how many attempts run at once, without those that hang holding up the others. Shell."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

PATIENCE = 1.0  # seconds after which an attempt is slow
SLOW_PER_PLACE = 8  # with the default of 100 places it is 900 sockets at most, below the usual limit of 1,024


class Places:
    """An attempt takes a place; after `patience` it steps aside and frees it, as long as there is room aside.

    So a thousand targets that hang until their timeout do not make the others late, and yet there is a bound.
    """

    def __init__(self, count: int, patience: float = PATIENCE) -> None:
        self._quick = asyncio.Semaphore(count)
        self._free_aside = count * SLOW_PER_PLACE
        self._patience = patience

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[None]:
        """A place, as long as the block runs; waits for one."""
        await self._quick.acquire()
        aside = False

        def step_aside() -> None:
            nonlocal aside
            if self._free_aside:
                self._free_aside -= 1
                aside = True
                self._quick.release()

        timer = asyncio.get_running_loop().call_later(self._patience, step_aside)
        try:
            yield
        finally:
            timer.cancel()
            if aside:
                self._free_aside += 1
            else:
                self._quick.release()
