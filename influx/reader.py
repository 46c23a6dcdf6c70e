"""Answer series queries from InfluxDB: the same questions, and the same answers, as from the embedded store. Shell."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import timedelta

from influx.answers import Asked, answer_of
from influx.asking import FluxAsker, within
from influx.connection import InfluxConnection
from influx.pulse import Pulse
from influx.slices import Slicer
from influx.values import ValuesAnswer
from telemetry.ports import DEFAULT_DEADLINE
from telemetry.rollup import RAW
from telemetry.schema import MeasurementClass, Registry
from telemetry.series import SeriesQuery, SeriesResult, SeriesSamples, ValuesQuery

KeptSince = Callable[[MeasurementClass], int | None]


def _for_ever(_: MeasurementClass) -> int | None:
    return None


class InfluxReader:
    """Answers from the buckets that the connection's settings name (telemetry/ports.py, `SeriesReader`).

    `kept_since` tells from when on (ns) the samples of a class are all there, None for all of them.
    """

    def __init__(self, connection: InfluxConnection, registry: Registry, kept_since: KeptSince = _for_ever) -> None:
        self._asker = FluxAsker(connection)
        self.pulse = Pulse(connection)
        self._settings = connection.settings
        self._registry = registry
        self._kept_since = kept_since

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
            for flux in answer.questions(self._by_bucket(query.measurement)):
                await self._asker.ask(flux, answer.take)
        return answer.values()

    def _asked(self, query: SeriesQuery) -> Asked | None:
        """The query, or None where nobody knows its measurement."""
        measurement = self._registry.get(query.measurement)
        if measurement is None:
            return None
        its_class = measurement.measurement_class
        return Asked(query, measurement, self._settings.bucket(its_class), self._kept_since(its_class))

    def _by_bucket(self, name: str) -> Mapping[str, Sequence[str]]:
        """The names of all measurements, or of the one that is named, by their buckets."""
        buckets: dict[str, list[str]] = defaultdict(list)
        for measurement in self._registry:
            if name in ("", measurement.name):
                buckets[self._settings.bucket(measurement.measurement_class)].append(measurement.name)
        return buckets
