"""The cached reader asks once for all who ask the same, and keeps an answer for a second."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from api.cached_reader import CachedReader
from telemetry.errors import StoreUnavailable
from telemetry.series import Latest, Series, SeriesQuery, SeriesResult, SeriesSamples


class Slow:
    """A store that answers when it is let."""

    def __init__(self, size: int = 1) -> None:
        self.asked = 0
        self.cancelled = 0
        self.size = size
        self.let = asyncio.Event()
        self.error: Exception | None = None

    async def read(self, query: SeriesQuery, deadline: timedelta = timedelta(0)) -> SeriesResult:
        self.asked += 1
        try:
            await self.let.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error is not None:
            raise self.error
        samples = SeriesSamples(Series("cpu", (), "usage_active"), range(self.size), range(self.size))
        return SeriesResult(query, "raw", (samples,))

    async def stream(self, query: SeriesQuery) -> Any:
        yield []


class Seconds:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def question(stop: int = 10) -> SeriesQuery:
    return SeriesQuery("cpu", (), 0, stop, Latest())


async def asking(cached: CachedReader, how_many: int) -> list[asyncio.Task[SeriesResult]]:
    tasks = [asyncio.create_task(cached.read(question())) for _ in range(how_many)]
    await asyncio.sleep(0)
    return tasks


async def test_those_who_ask_at_once_share_one_answer() -> None:
    """Single flight."""
    store = Slow()
    tasks = await asking(CachedReader(store, Seconds()), 5)
    store.let.set()
    answers = await asyncio.gather(*tasks)

    assert store.asked == 1
    assert all(answer is answers[0] for answer in answers)


async def test_an_answer_is_kept_for_a_second() -> None:
    """And not longer; another question is another answer."""
    store, seconds = Slow(), Seconds()
    store.let.set()
    cached = CachedReader(store, seconds)
    counts = []
    for now, stop in [(0.0, 10), (0.9, 10), (0.9, 11), (1.0, 10)]:
        seconds.now = now
        await cached.read(question(stop))
        counts.append(store.asked)

    assert counts == [1, 1, 2, 3]


async def test_a_failure_is_told_to_all_and_not_kept() -> None:
    """The next one who asks, asks the store."""
    store = Slow()
    store.error = StoreUnavailable("no space")
    cached = CachedReader(store, Seconds())
    tasks = await asking(cached, 3)
    store.let.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    store.error = None
    await cached.read(question())

    assert [type(one) for one in answers] == [StoreUnavailable] * 3
    assert store.asked == 2


async def test_one_who_leaves_takes_nothing_from_the_others() -> None:
    """Whoever asked first, too."""
    store = Slow()
    first, second = await asking(CachedReader(store, Seconds()), 2)
    first.cancel()
    await asyncio.sleep(0)
    store.let.set()

    assert (await second).level == "raw"
    assert (store.asked, store.cancelled) == (1, 0)


async def test_when_all_have_left_the_work_stops() -> None:
    """And whoever asks from then on takes off anew."""
    store = Slow()
    cached = CachedReader(store, Seconds())
    for task in await asking(cached, 2):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    store.let.set()
    await cached.read(question())

    assert (store.asked, store.cancelled) == (2, 1)


async def test_what_is_kept_is_bounded() -> None:
    """Large answers push out the oldest."""
    store = Slow(size=900_000)
    store.let.set()
    cached = CachedReader(store, Seconds())
    for stop in (10, 11, 12):
        await cached.read(question(stop))
    await cached.read(question(12))
    await cached.read(question(10))

    assert store.asked == 4
