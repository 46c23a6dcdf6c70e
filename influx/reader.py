"""Answer series queries from InfluxDB: the same questions, and the same answers, as from the embedded store. Shell."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from datetime import timedelta

from influx.answers import answer_of
from influx.asked import Asked, LevelBucket
from influx.asking import FluxAsker, within
from influx.connection import InfluxConnection
from influx.pulse import Pulse
from influx.slices import Slicer
from influx.values import ValuesAnswer
from telemetry.ports import DEFAULT_DEADLINE
from telemetry.rollup import LEVELS, RAW, Standing, rolled_up
from telemetry.schema import Registry
from telemetry.series import SeriesQuery, SeriesResult, SeriesSamples, ValuesQuery

KeptSince = Callable[[str], int | None]
Standings = Callable[[], Sequence[Standing]]


def _for_ever(_: str) -> int | None:
    return None


def _no_levels() -> Sequence[Standing]:
    return ()


class InfluxReader:
    """Answers from the buckets that the connection's settings name (telemetry/ports.py, `SeriesReader`).

    `kept_since` tells from when on (ns) a bucket is whole, None for all of it; `standings` which levels can be read.
    `asker` is one that others ask through, too, so that they are not too many at once together.
    """

    def __init__(
        self,
        connection: InfluxConnection,
        registry: Registry,
        kept_since: KeptSince = _for_ever,
        standings: Standings = _no_levels,
        asker: FluxAsker | None = None,
    ) -> None:
        self._asker = asker or FluxAsker(connection)
        self.pulse = Pulse(connection)
        self._settings = connection.settings
        self._registry = registry
        self._kept_since = kept_since
        self._standings = standings

    async def read(self, query: SeriesQuery, deadline: timedelta = DEFAULT_DEADLINE) -> SeriesResult:
        """The whole answer. Raises QueryTimedOut, QueryTooLarge, InvalidQuery, StoreUnavailable."""
        asked = self._asked(query)
        if asked is None:
            return SeriesResult(query, RAW, ())
        answer = answer_of(asked)
        async with within(deadline), self.pulse.felt():
            for question in answer.questions():
                await self._asker.ask(question.flux, question.take)
            return await asyncio.to_thread(answer.result)

    async def stream(self, query: SeriesQuery) -> AsyncGenerator[list[SeriesSamples]]:
        """A raw query in bounded slices; see the port."""
        asked = self._asked(query)
        if asked is None:
            return
        async with aclosing(Slicer(self._asker, asked).slices()) as slices:
            async for one in slices:
                yield one

    async def values(self, query: ValuesQuery, deadline: timedelta = DEFAULT_DEADLINE) -> tuple[str, ...]:
        """The values asked for, sorted. Raises as `read`."""
        answer = ValuesAnswer(query, self._registry)
        async with within(deadline), self.pulse.felt():
            for flux in answer.questions(self._by_bucket(query)):
                await self._asker.ask(flux, answer.take)
        return answer.values()

    def _asked(self, query: SeriesQuery) -> Asked | None:
        """The query, or None where nobody knows its measurement."""
        measurement = self._registry.get(query.measurement)
        if measurement is None:
            return None
        bucket = self._settings.bucket(measurement.measurement_class)
        levels = tuple(map(self._level, self._standings())) if rolled_up(measurement) else ()
        return Asked(query, measurement, bucket, self._kept_since(bucket), levels)

    def _level(self, standing: Standing) -> LevelBucket:
        bucket = self._settings.level_bucket(standing.level)
        return LevelBucket(standing, bucket, self._kept_since(bucket))

    def _by_bucket(self, query: ValuesQuery) -> Mapping[str, Sequence[str]]:
        """The names of all measurements, or of the one that is named, by their buckets.

        What is so old that only rolled-up levels have it is seen by their windows.
        """
        buckets: dict[str, list[str]] = defaultdict(list)
        for measurement in self._registry:
            if query.measurement in ("", measurement.name):
                bucket = self._settings.bucket(measurement.measurement_class)
                for one in (bucket, *(self._coarser(bucket, query.start) if rolled_up(measurement) else ())):
                    buckets[one].append(measurement.name)
        return buckets

    def _coarser(self, bucket: str, start: int) -> Iterator[str]:
        """The levels to look at as well, because what is finer does not go back to `start`."""
        for level in LEVELS:
            since = self._kept_since(bucket)
            if since is None or start >= since:
                return
            bucket = self._settings.level_bucket(level)
            yield bucket
