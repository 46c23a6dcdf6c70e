"""What every PointWriter promises, as one suite: subclass it and say how to open one and how to read it back."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from telemetry.points import FieldValue, Point
from telemetry.ports import PointWriter, WriteStatus

SECOND = 1_000_000_000
START = int(datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()) * SECOND
Stored = dict[tuple[str, int], FieldValue]  # by host and time


def loaded(host: str, second: int, value: float) -> Point:
    return Point.of("system", {"host": host}, {"load1": value}, START + second * SECOND)


class PointWriterContract:
    """`opened` gives the writer and a function that reads `load1` of `system` back, once everything has landed."""

    def opened(
        self, directory: Path
    ) -> AbstractAsyncContextManager[tuple[PointWriter, Callable[[], Awaitable[Stored]]]]:
        raise NotImplementedError

    @pytest.fixture
    async def door(self, tmp_path: Path) -> AsyncIterator[tuple[PointWriter, Callable[[], Awaitable[Stored]]]]:
        async with self.opened(tmp_path) as door:
            yield door

    async def test_what_was_written_is_there(self, door: tuple[PointWriter, Callable[[], Awaitable[Stored]]]) -> None:
        """OK means that every point can be read."""
        writer, stored = door
        outcome = await writer.write([loaded("a", 0, 1.5), loaded("b", 0, 2.5), loaded("a", 1, 3.5)])

        assert outcome.status is WriteStatus.OK
        assert await stored() == {("a", START): 1.5, ("b", START): 2.5, ("a", START + SECOND): 3.5}

    async def test_nothing_is_written_well(self, door: tuple[PointWriter, Callable[[], Awaitable[Stored]]]) -> None:
        """An empty batch is fine."""
        writer, _ = door

        assert (await writer.write([])).status is WriteStatus.OK

    async def test_the_same_series_and_time_overwrite(
        self, door: tuple[PointWriter, Callable[[], Awaitable[Stored]]]
    ) -> None:
        """A batch may be written again: what was written last is what is read."""
        writer, stored = door
        for value in (1.0, 2.0, 2.0):
            assert (await writer.write([loaded("a", 0, value), loaded("b", 0, 7.0)])).status is WriteStatus.OK

        assert await stored() == {("a", START): 2.0, ("b", START): 7.0}

    async def test_many_writers_at_once_are_all_served(
        self, door: tuple[PointWriter, Callable[[], Awaitable[Stored]]]
    ) -> None:
        """Concurrent writers each get their own answer, and nothing of anybody is lost."""
        writer, stored = door
        outcomes = await asyncio.gather(
            *(writer.write([loaded(f"host{number}", 0, float(number))]) for number in range(50))
        )

        assert {outcome.status for outcome in outcomes} == {WriteStatus.OK}
        assert await stored() == {(f"host{number}", START): float(number) for number in range(50)}

    async def test_a_batch_may_span_days(self, door: tuple[PointWriter, Callable[[], Awaitable[Stored]]]) -> None:
        """Points of several days, also late ones, land in one write."""
        writer, stored = door
        seconds = (86_400, 0, -86_400, -3 * 86_400)
        outcome = await writer.write([loaded("a", second, 1.0) for second in seconds])

        assert outcome.status is WriteStatus.OK
        assert set(await stored()) == {("a", START + second * SECOND) for second in seconds}

    async def test_hostile_names_are_only_names(
        self, door: tuple[PointWriter, Callable[[], Awaitable[Stored]]]
    ) -> None:
        """Tags may hold quotes, line ends, commas and SQL; they come back as they were."""
        writer, stored = door
        hosts = ["it's", 'say "x"', "new\nline", "back\\slash", "comma,=", "ü", "'; DROP TABLE raw; --", "$1", "\t"]
        outcome = await writer.write([loaded(host, 0, 1.0) for host in hosts])

        assert outcome.status is WriteStatus.OK
        assert {host for host, _ in await stored()} == set(hosts)
