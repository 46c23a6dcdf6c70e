"""Write the closed days that have changed to the archive, beside writers and readers. Shell."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from embedded.archive import Archive
from embedded.day_marks import NANOSECONDS_PER_DAY, DayMarks, Mark
from embedded.reader_pool import ReaderPool
from embedded.retention import closed_days
from telemetry.errors import QueryTooLarge, StoreUnavailable
from telemetry.times import from_datetime


class Snapshots:
    """`pool` and `marks` are asked each time: the store's engine may have been opened anew meanwhile."""

    def __init__(
        self,
        archive: Archive,
        in_writer: Callable[[Callable[[], Any]], Awaitable[Any]],
        pool: Callable[[], Awaitable[ReaderPool]],
        marks: Callable[[], DayMarks],
    ) -> None:
        self._archive = archive
        self._in_writer = in_writer
        self._pool = pool
        self._marks = marks

    async def write(self, now: datetime, whole: Mapping[str, int], ages: Mapping[str, timedelta]) -> int:
        """Write what has changed of the days before `whole` (by table), delete what is older than `ages`; the days.

        Raises StoreUnavailable.
        """
        try:
            return await self._write(now, whole, ages)
        except OSError as error:
            raise StoreUnavailable(f"the archive cannot be written: {error.strerror or error}") from error
        except QueryTooLarge as error:
            raise StoreUnavailable(f"the archive cannot be written: {error.message}") from error

    async def _write(self, now: datetime, whole: Mapping[str, int], ages: Mapping[str, timedelta]) -> int:
        written = 0
        # The names first: a day must not have rows of series that nobody can name. Last too: of what came meanwhile.
        await self._write_series(now)
        for table, before in whole.items():
            days = await (await self._pool()).with_cursor(partial(closed_days, table=table, before=before))
            there = self._archive.days(table)
            for day in days:
                if day not in self._marks().days(Mark.ARCHIVED, table) or day not in there:
                    await self._write_day(table, day)
                    written += 1
            oldest = from_datetime(now - ages[table]) // NANOSECONDS_PER_DAY
            await asyncio.to_thread(self._archive.delete_before, table, oldest)
        await self._write_series(now)
        return written

    async def _write_series(self, now: datetime) -> None:
        await (await self._pool()).with_cursor(partial(self._archive.write_series, now=now))

    async def _write_day(self, table: str, day: int) -> None:
        """The mark is in memory while the copy is made, so that a row that comes meanwhile takes it away.

        In the store it is once the copy is whole: whoever is killed before, or has no room, writes the day again.
        """
        await self._in_writer(lambda: self._marks().begin(Mark.ARCHIVED, table, day))
        try:
            await (await self._pool()).with_cursor(partial(self._archive.write_day, table=table, day=day))
            await self._in_writer(lambda: self._marks().put_if_noted(Mark.ARCHIVED, table, day))
        except BaseException:
            with suppress(StoreUnavailable):
                await asyncio.shield(self._in_writer(lambda: self._marks().forget([(Mark.ARCHIVED, table, day)])))
            raise
