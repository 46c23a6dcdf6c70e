"""Attempts that hang step aside, and still there is a bound."""

import asyncio

import pytest

from collector.places import SLOW_PER_PLACE, Places


class Crowd:
    """Attempts that run until they are let go, counted."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self.running = 0
        self.most = 0
        self.go = asyncio.Event()

    async def attempt(self) -> None:
        async with self._places.taken():
            self.running += 1
            self.most = max(self.most, self.running)
            try:
                await self.go.wait()
            finally:
                self.running -= 1


async def until(crowd: Crowd, running: int) -> None:
    async with asyncio.timeout(5):
        while crowd.running < running:
            await asyncio.sleep(0.001)


async def test_a18_what_hangs_does_not_hold_up_the_others() -> None:
    """With every place taken by targets that hang, the next attempt starts as soon as they are seen to be slow."""
    places = Places(3, patience=0.02)
    hanging = Crowd(places)
    tasks = [asyncio.create_task(hanging.attempt()) for _ in range(10)]
    await until(hanging, 10)
    async with asyncio.timeout(1), places.taken():
        pass
    hanging.go.set()
    await asyncio.gather(*tasks)

    assert hanging.most == 10


async def test_a18_there_is_a_bound() -> None:
    """However many hang, only so many run at once; the others wait, and run in the end."""
    places = Places(2, patience=0.005)
    bound = 2 * (1 + SLOW_PER_PLACE)
    crowd = Crowd(places)
    tasks = [asyncio.create_task(crowd.attempt()) for _ in range(3 * bound)]
    await until(crowd, bound)
    await asyncio.sleep(0.05)  # room for more to start, if it were possible
    assert crowd.running == bound
    crowd.go.set()
    await asyncio.gather(*tasks)

    assert crowd.most == bound
    assert crowd.running == 0


@pytest.mark.parametrize("patience", [0.001, 10])
async def test_a_place_is_given_back_however_it_ends(patience: float) -> None:
    """After errors and cancellations, quick or slow, there are as many places as before."""
    places = Places(2, patience)

    async def fail() -> None:
        async with places.taken():
            await asyncio.sleep(0.005)
            raise ValueError

    for _ in range(3):
        assert [type(one) for one in await asyncio.gather(fail(), fail(), return_exceptions=True)] == [ValueError] * 2
        crowd = Crowd(places)
        tasks = [asyncio.create_task(crowd.attempt()) for _ in range(4)]
        await until(crowd, 2)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    crowd = Crowd(places)
    tasks = [asyncio.create_task(crowd.attempt()) for _ in range(2)]
    await until(crowd, 2)
    crowd.go.set()
    await asyncio.gather(*tasks)
