"""Every question of the algebra means on a real InfluxDB what it means to the oracle and to the embedded store."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count

import pytest

from influx.connection import InfluxConnection
from influx.encoder import Encoder
from influx.reader import InfluxReader
from influx.rollups import Rollups
from influx.settings import InfluxSettings
from opswatch.system_clock import system_clock
from telemetry.measurements import BUILT_IN
from telemetry.points import Point
from telemetry.schema import MeasurementClass
from telemetry.series import Function, Raw, SeriesQuery, SeriesSamples, Window
from telemetry.times import to_datetime
from tests.algebra_cases import (
    CASES,
    KEPT,
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
from tests.influx.server import InfluxServer
from tests.oracle import evaluate, values_of

FEW = 80  # of the ordinary suite, and some more of levels; `make soak` takes all
OF_LEVELS = 8  # of each function; which of them the levels answer is seen when they are asked
SLICED = 600
FIRST_OF_SLICES = 3_000
FIRST_OF_VALUES = 5_000  # days that no case of the others has
TEN_YEARS = 3_650 * 86_400
seen: Counter[str] = Counter()


@dataclass
class World:
    """One store for all cases."""

    runner: asyncio.Runner
    settings: InfluxSettings
    connection: InfluxConnection
    rollups: Rollups
    reader: InfluxReader
    days: Iterator[int]

    def write(self, points: list[Point]) -> None:
        encoded = Encoder(BUILT_IN).encode(points)
        assert not encoded.refused
        body = "\n".join(encoded.lines).encode()
        bucket = self.settings.bucket(MeasurementClass.METRICS)
        answer = self.runner.run(self.connection.write(bucket, body, is_gzip=False))
        assert answer.status == 204, answer.text
        self.rollups.touched(point.time for point in points)

    def roll_up(self, now: int) -> None:
        async def every_step() -> None:
            while await self.rollups.step(now):
                pass

        self.runner.run(every_step())
        assert not any(one.failures for one in self.rollups.status(to_datetime(now)))


@pytest.fixture(scope="module")
def world(influx: InfluxServer) -> Iterator[World]:
    # Few shards, for each case has days of its own.
    settings = influx.fresh(shard_s=TEN_YEARS)
    with asyncio.Runner() as runner:
        opened = InfluxConnection.opened(settings)
        connection = runner.run(opened.__aenter__())
        rollups = Rollups(connection, BUILT_IN, system_clock(), lambda _: None)
        reader = InfluxReader(connection, BUILT_IN, standings=rollups.standings)
        yield World(runner, settings, connection, rollups, reader, map(day_of, count()))
        runner.run(opened.__aexit__(None, None, None))


def levels_may_answer(case: Case) -> bool:
    """Whether a case is of whole windows of a level, long enough for some to be made by the time it is asked."""
    shape = case.shape
    if not isinstance(shape, Window) or case.rolled_up_at is None:
        return False
    kept = set(shape.functions) <= set(KEPT[case.measurement])
    whole = shape.step % (300 * SECOND) == shape.origin % (300 * SECOND) == 0
    return kept and whole and case.rolled_up_at - case.start > 2 * shape.step // SECOND + 400


def few() -> list[int]:
    """The first cases, and of the others some that ask levels for each function."""
    added: dict[Function, list[int]] = {function: [] for function in Function}
    for number, case in enumerate(listed(CASES)):
        if number >= FEW and case.seed % 2 and levels_may_answer(case):
            for function in case.shape.functions if isinstance(case.shape, Window) else ():
                if len(added[function]) < OF_LEVELS:
                    added[function].append(number)
    return [*range(FEW), *sorted({number for numbers in added.values() for number in numbers})]


def compare(world: World, numbers: Iterable[int]) -> None:
    for number in numbers:
        case = listed(CASES)[number]
        day = next(world.days)  # one after the other, for every day between is looked through
        points = samples(case, day)
        early, late = parted(case, points)
        # Not in order of time, as the embedded store got them.
        early = early[::2] + early[1::2]
        world.write(early)
        if case.rolled_up_at is not None:
            world.roll_up(day + case.rolled_up_at * SECOND)
            if late:
                world.write(late)
            if case.seed % 5:  # else queries must see by themselves what is stale
                world.roll_up(day + case.rolled_up_at * SECOND)
        asked = query_of(case, day)
        result = world.runner.run(world.reader.read(asked))
        note(seen, case, {part.level for part in result.segments})
        note_samples(seen, points)
        expected = evaluate(early + late, asked)
        assert same(expected, result.series), f"case {number}, {case}:\n{plain(expected)}\n{plain(result.series)}"


@pytest.mark.timeout(600)
def test_influxdb_answers_as_the_oracle_does(world: World) -> None:
    """The same cases that the embedded store is tried with, with the same comparison."""
    compare(world, few())

    words = [f"fn {function}" for function in Function] + ["level 5m", "level 1h", "across a seam"]
    words += [f"fn {function} from levels" for function in Function if function is not Function.FIRST]
    assert {word: seen[word] for word in words if seen[word] < 2} == {}


@pytest.mark.soak
@pytest.mark.timeout(3_600)
def test_influxdb_answers_as_the_oracle_does_however_long_it_is_asked(world: World) -> None:
    """All of the cases that the embedded store is tried with."""
    compare(world, [number for number in range(CASES) if number not in few()])


def test_values_are_those_of_series_with_a_sample_in_the_range(world: World) -> None:
    """Tags, fields and measurements: what the oracle finds among the samples of the range, not of a whole shard."""
    for number, (case, of, tag, named) in enumerate(listed_values(100)):
        day = day_of(FIRST_OF_VALUES + number)
        points = samples(case, day)
        world.write(points)
        asked = values_query_of(case, day, of, tag, named=named)

        assert world.runner.run(world.reader.values(asked)) == values_of(points, asked), asked


def test_slices_make_up_what_is_read_at_once(world: World) -> None:
    """Of every case that asks for samples: tag set by tag set, oldest first, up to each series' limit."""
    tried = 0
    for number, case in enumerate(listed(CASES)[:SLICED]):
        if not isinstance(case.shape, Raw):
            continue
        day = day_of(FIRST_OF_SLICES + number)
        points = samples(case, day)
        world.write(points)
        asked = query_of(case, day)

        async def slices(asked: SeriesQuery = asked) -> list[SeriesSamples]:
            return [one async for part in world.reader.stream(asked) for one in part]

        assert plain(world.runner.run(slices())) == plain(evaluate(points, asked)), case
        tried += 1
    assert tried > 20
