"""The store's readers: a few threads and cursors, a deadline for each query, and exports that leave room. Shell."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any, TypeVar

import duckdb

from telemetry.errors import QueryTimedOut, StoreUnavailable
from telemetry.times import format_duration

T = TypeVar("T")
Work = Callable[[duckdb.DuckDBPyConnection], T]

_INTERRUPT_AGAIN = 0.05  # seconds
_WAIT_FOR_STREAM = 5.0  # seconds


class ReaderPool:
    """`count` queries run at once, the others wait. `translated` makes our errors of the engine's."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        count: int,
        translated: Callable[[asyncio.Future[Any]], Awaitable[Any]],
    ) -> None:
        self._threads = ThreadPoolExecutor(count, "store-read")
        self._cursors: asyncio.Queue[duckdb.DuckDBPyConnection] = asyncio.Queue()
        self._streams = asyncio.Semaphore(max(1, count - 2))
        self._translated = translated
        self._all = [connection.cursor() for _ in range(count)]
        for cursor in self._all:
            self._cursors.put_nowait(cursor)

    async def within(self, deadline: timedelta, work: Work[T]) -> T:
        """Run with a cursor of its own, and stop the engine at the deadline. Raises QueryTimedOut."""
        try:
            async with asyncio.timeout(deadline.total_seconds()):
                return await self.with_cursor(work)
        except TimeoutError as error:
            raise QueryTimedOut(
                f"the query was stopped after {format_duration(deadline)}: shorten the range or lengthen every"
            ) from error

    async def with_cursor(self, work: Work[T]) -> T:
        """Run with a cursor of its own."""
        cursor = await self._cursors.get()
        try:
            return await self.run(cursor, lambda: work(cursor))
        finally:
            self._cursors.put_nowait(cursor)

    @asynccontextmanager
    async def for_stream(self) -> AsyncIterator[duckdb.DuckDBPyConnection]:
        """A cursor for a long answer. Raises StoreUnavailable when too many are under way."""
        try:
            # Two readers are never for streams: clients that download slowly must not keep the pages waiting.
            async with asyncio.timeout(_WAIT_FOR_STREAM):
                await self._streams.acquire()
        except TimeoutError as error:
            raise StoreUnavailable("too many exports are under way: try again when one has ended") from error
        try:
            cursor = await self._cursors.get()
            try:
                yield cursor
            finally:
                self._cursors.put_nowait(cursor)
        finally:
            self._streams.release()

    async def run(self, cursor: duckdb.DuckDBPyConnection, work: Callable[[], T]) -> T:
        """Run in a reader thread; whoever stops waiting stops the engine, and the thread is free when this returns."""
        try:
            future = asyncio.get_running_loop().run_in_executor(self._threads, work)
        except RuntimeError as error:
            raise StoreUnavailable("the embedded store is closed, or was opened anew meanwhile: try again") from error
        try:
            result: T = await self._translated(asyncio.shield(future))
        except asyncio.CancelledError:
            while not future.done():
                # Again and again: an interrupt that comes before the query has begun is lost.
                cursor.interrupt()
                await asyncio.wait([future], timeout=_INTERRUPT_AGAIN)
            if not future.cancelled():
                future.exception()  # taken, so that it is not reported as never retrieved
            raise
        return result

    def close(self) -> None:
        """Wait for what is running; blocks."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._close_cursors()

    def stop(self) -> None:
        """Stop what is running and close every cursor, also of those that are in the middle; blocks.

        For an engine that has died: what waits is let in and hears so from it. Later runs raise StoreUnavailable.
        """
        for cursor in self._all:
            with suppress(duckdb.Error):
                cursor.interrupt()
        self._threads.shutdown(wait=True)
        self._close_cursors()

    def _close_cursors(self) -> None:
        for cursor in self._all:
            cursor.close()
