"""Every question of the algebra means what the oracle says: on samples, on rolled-up levels, and across their seams."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from embedded.engine import EngineOptions
from embedded.store import EmbeddedOptions, EmbeddedStore
from telemetry.measurements import BUILT_IN
from telemetry.points import Point
from telemetry.ports import WriteStatus
from telemetry.series import (
    AllOf,
    Coverage,
    Equals,
    Exists,
    Function,
    GroupBy,
    GroupFunction,
    Latest,
    Matches,
    Not,
    OneOf,
    Quantile,
    Raw,
    Series,
    SeriesQuery,
    SeriesSamples,
    ValuesQuery,
    Window,
)
from telemetry.times import to_datetime
from tests.algebra_cases import (
    CASES,
    DAY,
    MEASUREMENTS,
    SECOND,
    Case,
    day_of,
    listed,
    listed_values,
    note,
    note_samples,
    parted,
    plain,
    query_of,
    same,
    samples,
    values_query_of,
)
from tests.oracle import evaluate, values_of

OF_ONE_STORE = 250  # cases; each takes the longer, the more are there, and what is there of others is the same for all
seen: Counter[str] = Counter()


@dataclass
class World:
    """The store of the cases, and the days that are still free."""

    runner: asyncio.Runner
    folders: Iterator[Path]
    days: Iterator[int]
    exits: AsyncExitStack = field(default_factory=AsyncExitStack)
    store: EmbeddedStore = field(init=False)

    def renew(self) -> None:
        """An empty store instead of the one that is there."""
        self.close()
        options = EmbeddedOptions(engine=EngineOptions(threads=1))
        opened = EmbeddedStore.opened(next(self.folders) / "metrics.duckdb", options, BUILT_IN)
        self.store = self.run(self.exits.enter_async_context(opened))

    def close(self) -> None:
        self.run(self.exits.aclose())

    def run(self, work):  # type: ignore[no-untyped-def]
        return self.runner.run(work)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folders = (tmp_path_factory.mktemp("algebra") for _ in count())
    with asyncio.Runner() as runner:
        world = World(runner, folders, map(day_of, count()))
        world.renew()
        yield world
        world.close()


@pytest.mark.timeout(1_500)
def test_the_store_answers_as_the_oracle_does(world: World) -> None:
    """Whatever was written, in whatever order and however often, rolled up or not, late or not."""
    for number, case in enumerate(listed(CASES)):
        if number % OF_ONE_STORE == 0:
            world.renew()
        compare(world, number, case)


def compare(world: World, number: int, case: Case) -> None:
    day = next(world.days)
    points = samples(case, day)
    asked = query_of(case, day)

    async def ask() -> tuple[tuple[SeriesSamples, ...], set[str]]:
        early, late = parted(case, points)
        # In two batches, the second not in order of time.
        for batch in (early[::2], early[1::2]):
            assert (await world.store.write(batch)).status is WriteStatus.OK
        if case.rolled_up_at is not None:
            await world.store.roll_up(to_datetime(day + case.rolled_up_at * SECOND))
            assert (await world.store.write(late)).status is WriteStatus.OK
            if case.seed % 5:  # else queries must see by themselves what is stale
                await world.store.roll_up(to_datetime(day + case.rolled_up_at * SECOND))
        result = await world.store.read(asked)
        return result.series, {part.level for part in result.segments}

    actual, levels = world.run(ask())
    note(seen, case, levels)
    note_samples(seen, points)
    early, late = parted(case, points)
    expected = evaluate(early[::2] + early[1::2] + late, asked)
    assert same(expected, actual), f"case {number}, {case}:\n{plain(expected)}\n{plain(actual)}"


def test_the_cases_have_shown_every_operator_and_seams() -> None:
    """Each shape, function, grouping and level at least 50 times, and 50 cases whose answer crosses a seam."""
    if sum(seen[f"measurement {name}"] for name in MEASUREMENTS) < CASES:
        pytest.skip("the cases did not run, or not all of them")
    words = [shape.__name__.lower() for shape in (Raw, Window, Quantile, Coverage, Latest)]
    words += [f"fn {function}" for function in Function]
    words += [f"grouped by {function}" for function in GroupFunction]
    words += [f"level {level}" for level in ("raw", "5m", "1h")] + ["across a seam", "top", "grouped"]
    words += [f"predicate {kind.__name__}" for kind in (AllOf, Not, Equals, OneOf, Matches, Exists)]
    print(dict(seen))  # pytest -rP shows it
    assert seen["cases with three series of 50"] == sum(seen[f"measurement {name}"] for name in MEASUREMENTS)
    words += [f"cases with a {what}" for what in ("gap", "reset", "time written twice")]
    assert {word: seen[word] for word in words if seen[word] < 50} == {}
    of_levels = [f"fn {function} from levels" for function in Function if function is not Function.FIRST]
    assert {word: seen[word] for word in of_levels if seen[word] < 20} == {}


def test_values_are_those_of_series_with_a_sample_in_the_range(world: World) -> None:
    """Tags, fields and measurements: what the oracle finds among the samples of the range."""
    for case, of, tag, named in listed_values(100):
        day = next(world.days)
        points = samples(case, day)
        asked = values_query_of(case, day, of, tag, named=named)

        async def ask(points: list[Point] = points, asked: ValuesQuery = asked) -> tuple[str, ...]:
            await world.store.write(points)
            return await world.store.values(asked)

        assert world.run(ask()) == values_of(points, asked), asked


def test_the_series_of_an_answer_are_named_by_the_groups_tags(world: World) -> None:
    """A group's series bears the tags it was made by and no other."""
    day = next(world.days)
    points = [
        Point.of("net", {"host": host, "interface": "eth0"}, {"bytes_recv": 1}, day + second * SECOND)
        for host in ("a", "b")
        for second in range(3)
    ]

    async def ask() -> tuple[SeriesSamples, ...]:
        await world.store.write(points)
        shape = Window.whole(day, day + DAY, Function.COUNT)
        asked = SeriesQuery("net", (), day, day + DAY, shape, group_by=GroupBy(("interface",)))
        return (await world.store.read(asked)).series

    (one,) = world.run(ask())
    assert (one.series, list(one.values)) == (Series("net", (("interface", "eth0"),), "bytes_recv"), [6])
