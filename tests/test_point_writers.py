"""Every PointWriter there is keeps the one contract."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from collector.quarantine import Quarantine
from collector.spool import Spool, SpoolLimits
from embedded.store import EmbeddedOptions, EmbeddedStore
from influx.canary import Canary
from influx.connection import InfluxConnection
from influx.settings import InfluxSettings
from influx.writer import InfluxWriter
from telemetry.measurements import BUILT_IN
from telemetry.ports import PointWriter
from telemetry.schema import MeasurementClass
from telemetry.series import Raw, SeriesQuery
from tests.collector.doubles import REAL_CLOCK, SECOND, START, Destination
from tests.influx.plain_query import stored
from tests.influx.server import InfluxServer
from tests.point_writer_contract import PointWriterContract, Stored

OPTIONS = EmbeddedOptions({MeasurementClass.METRICS: timedelta(days=7), MeasurementClass.SELF: timedelta(days=31)})
WEEK = 7 * 86_400 * SECOND


async def read_back(store: EmbeddedStore) -> Stored:
    answer = await store.read(SeriesQuery("system", ("load1",), START - WEEK, START + WEEK, Raw()))
    return {
        (dict(one.series.tags)["host"], time): value
        for one in answer.series
        for time, value in zip(one.times, one.values, strict=True)
        if value is not None
    }


class TestEmbeddedStore(PointWriterContract):
    """The embedded store."""

    @asynccontextmanager
    async def opened(self, directory: Path) -> AsyncIterator[tuple[PointWriter, Callable[[], Awaitable[Stored]]]]:
        async with EmbeddedStore.opened(directory / "metrics.duckdb", OPTIONS, BUILT_IN) as store:
            yield store, lambda: read_back(store)


class TestSpool(PointWriterContract):
    """The spool, into memory."""

    @asynccontextmanager
    async def opened(self, directory: Path) -> AsyncIterator[tuple[PointWriter, Callable[[], Awaitable[Stored]]]]:
        destination = Destination()
        quarantine = Quarantine(directory / "quarantine", REAL_CLOCK)
        async with Spool.opened(
            directory / "spool.sqlite", destination, quarantine, SpoolLimits(), REAL_CLOCK
        ) as spool:

            async def stored() -> Stored:
                assert await spool.drain(timedelta(seconds=10))
                return {(dict(point.tags)["host"], point.time): point.fields["load1"] for point in destination.points}

            yield spool, stored


class TestSpoolIntoEmbeddedStore(PointWriterContract):
    """The spool before the embedded store, as the server has them."""

    @asynccontextmanager
    async def opened(self, directory: Path) -> AsyncIterator[tuple[PointWriter, Callable[[], Awaitable[Stored]]]]:
        quarantine = Quarantine(directory / "quarantine", REAL_CLOCK)
        async with (
            EmbeddedStore.opened(directory / "metrics.duckdb", OPTIONS, BUILT_IN) as store,
            Spool.opened(directory / "spool.sqlite", store, quarantine, SpoolLimits(), REAL_CLOCK) as spool,
        ):

            async def stored() -> Stored:
                assert await spool.drain(timedelta(seconds=10))
                return await read_back(store)

            yield spool, stored


@asynccontextmanager
async def influx_writer(settings: InfluxSettings) -> AsyncIterator[InfluxWriter]:
    async with InfluxConnection.opened(settings) as connection:
        yield InfluxWriter(connection, BUILT_IN, REAL_CLOCK, Canary(connection, REAL_CLOCK, "this-host"))


class TestInfluxWriter(PointWriterContract):
    """InfluxDB itself, read back by a query of the test's own."""

    @pytest.fixture(autouse=True)
    def _server(self, influx: InfluxServer) -> None:
        self.server, self.settings = influx, influx.fresh()

    async def read_back(self) -> Stored:
        return dict(await asyncio.to_thread(stored, self.server, self.settings.bucket(MeasurementClass.METRICS)))

    @asynccontextmanager
    async def opened(self, directory: Path) -> AsyncIterator[tuple[PointWriter, Callable[[], Awaitable[Stored]]]]:
        async with influx_writer(self.settings) as writer:
            yield writer, self.read_back


class TestSpoolIntoInflux(TestInfluxWriter):
    """The spool before InfluxDB, as the server has them."""

    @asynccontextmanager
    async def opened(self, directory: Path) -> AsyncIterator[tuple[PointWriter, Callable[[], Awaitable[Stored]]]]:
        quarantine = Quarantine(directory / "quarantine", REAL_CLOCK)
        async with (
            influx_writer(self.settings) as writer,
            Spool.opened(directory / "spool.sqlite", writer, quarantine, SpoolLimits(), REAL_CLOCK) as spool,
        ):

            async def landed() -> Stored:
                assert await spool.drain(timedelta(seconds=10))
                return await self.read_back()

            yield spool, landed
