"""A reader for who has something to show without the store: what it cannot answer is nothing, and is told. Shell."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from datetime import timedelta

from telemetry.errors import QueryTimedOut, StoreUnavailable
from telemetry.ports import DEFAULT_DEADLINE, SeriesReader
from telemetry.rollup import RAW
from telemetry.series import SeriesQuery, SeriesResult, SeriesSamples, ValuesQuery


class LenientReader:
    """A SeriesReader; `tell` is called with the reason for every question that has no answer now."""

    def __init__(self, reader: SeriesReader, tell: Callable[[str], None]) -> None:
        self._reader = reader
        self._tell = tell

    async def read(self, query: SeriesQuery, deadline: timedelta = DEFAULT_DEADLINE) -> SeriesResult:
        """The answer; without any series where there is none. Raises QueryTooLarge, InvalidQuery."""
        try:
            return await self._reader.read(query, deadline)
        except (StoreUnavailable, QueryTimedOut) as error:
            self._tell(error.message)
            return SeriesResult(query, RAW, ())

    def stream(self, query: SeriesQuery) -> AsyncGenerator[list[SeriesSamples], None]:
        """As the reader's."""
        return self._reader.stream(query)

    async def values(self, query: ValuesQuery, deadline: timedelta = DEFAULT_DEADLINE) -> tuple[str, ...]:
        """As the reader's."""
        return await self._reader.values(query, deadline)
