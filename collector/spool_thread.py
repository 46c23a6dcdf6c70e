"""The one thread that uses the spool's file, and the rows that it is to forget with the next commit. Shell."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from collector.spool_file import SpoolFile
from telemetry.clock import Clock

T = TypeVar("T")


class SpoolThread:
    """Work on the file goes through here, one after the other."""

    def __init__(self, file: SpoolFile, clock: Clock) -> None:
        self.file = file
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, "spool")
        self._delivered: set[int] = set()

    async def run(self, work: Callable[[], T]) -> T:
        """What the work returns or raises."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def with_file(self, work: Callable[[], T]) -> T:
        """In the thread: work on the file, once more with a new one if it turns out to be damaged."""
        try:
            return work()
        except sqlite3.DatabaseError as error:
            if not self.file.is_damaged(error):
                raise
            self.file.start_anew(stamp_of(self._clock), error)
            return work()

    def note_delivered(self, identifiers: Collection[int]) -> None:
        """These rows go with the next commit, or before the file is read next."""
        self._delivered.update(identifiers)

    @property
    def delivered(self) -> frozenset[int]:
        """The rows to be deleted; whoever has deleted them tells `note_deleted`."""
        return frozenset(self._delivered)

    def note_deleted(self, identifiers: Collection[int]) -> None:
        self._delivered.difference_update(identifiers)

    async def delete_delivered(self) -> None:
        """Delete them now."""
        delivered = self.delivered
        await self.run(lambda: self.with_file(lambda: self.file.delete(delivered)))
        self.note_deleted(delivered)

    async def close(self) -> None:
        """Delete what was delivered, if that goes, and close the file."""
        with suppress(sqlite3.Error):  # what stays is sent once more at the next start, which does no harm
            await self.delete_delivered()
        await self.run(self.file.close)
        self._thread.shutdown()


def stamp_of(clock: Clock) -> str:
    """What a file that is set aside now is called by."""
    return f"{clock.now():%Y%m%dT%H%M%S}"
