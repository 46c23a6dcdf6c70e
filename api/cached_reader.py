"""A SeriesReader that answers the same question once for all who ask it within a second. Shell."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from datetime import timedelta

from telemetry.ports import DEFAULT_DEADLINE, SeriesReader
from telemetry.series import SeriesQuery, SeriesResult, SeriesSamples, ValuesQuery

KEEP_SECONDS = 1.0
_MAX_VALUES = 2_000_000  # of all kept answers together; some 100 MB


@dataclass(slots=True)
class _Flight:
    answer: asyncio.Future[SeriesResult]
    waiting: int = 0


class CachedReader:
    """Single flight and a short memory. Pages ask with times on whole seconds, so that their questions are the same."""

    def __init__(self, reader: SeriesReader, monotonic: Callable[[], float]) -> None:
        self._reader = reader
        self._monotonic = monotonic
        self._kept: OrderedDict[SeriesQuery, tuple[float, SeriesResult, int]] = OrderedDict()
        self._values = 0
        self._flying: dict[SeriesQuery, _Flight] = {}

    async def read(self, query: SeriesQuery, deadline: timedelta = DEFAULT_DEADLINE) -> SeriesResult:
        """As the reader's; an answer is at most a second old."""
        self._forget_old()
        if query in self._kept:
            return self._kept[query][1]
        flight = self._flying.get(query)
        if flight is None:
            flight = self._flying[query] = _Flight(asyncio.ensure_future(self._reader.read(query, deadline)))
            flight.answer.add_done_callback(lambda done: self._land(query, done))
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.answer)
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.answer.done():
                # Everybody who asked has left. Whoever asks from now on takes off anew, not with a cancelled one.
                self._flying.pop(query, None)
                flight.answer.cancel()

    def stream(self, query: SeriesQuery) -> AsyncGenerator[list[SeriesSamples], None]:
        """As the reader's; never kept."""
        return self._reader.stream(query)

    async def values(self, query: ValuesQuery, deadline: timedelta = DEFAULT_DEADLINE) -> tuple[str, ...]:
        """As the reader's; never kept."""
        return await self._reader.values(query, deadline)

    def _land(self, query: SeriesQuery, flight: asyncio.Future[SeriesResult]) -> None:
        if query in self._flying and self._flying[query].answer is flight:
            del self._flying[query]
        if flight.cancelled() or flight.exception() is not None:
            return
        result = flight.result()
        size = sum(len(one.values) for one in result.series) + 1
        self._kept[query] = (self._monotonic() + KEEP_SECONDS, result, size)
        self._values += size
        while self._values > _MAX_VALUES:
            self._drop_oldest()

    def _forget_old(self) -> None:
        now = self._monotonic()
        while self._kept and next(iter(self._kept.values()))[0] <= now:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        _, (_, _, size) = self._kept.popitem(last=False)
        self._values -= size
