"""Every question of the algebra means on a real InfluxDB what it means to the oracle and to the embedded store."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from influx.connection import InfluxConnection
from influx.encoder import Encoder
from influx.reader import InfluxReader
from influx.settings import InfluxSettings
from telemetry.measurements import BUILT_IN
from telemetry.points import Point
from telemetry.schema import MeasurementClass
from telemetry.series import Function, Raw, SeriesQuery, SeriesSamples
from tests.algebra_cases import (
    CASES,
    day_of,
    listed,
    listed_values,
    note,
    note_samples,
    plain,
    query_of,
    same,
    samples,
    values_query_of,
)
from tests.influx.server import InfluxServer
from tests.oracle import evaluate, values_of

FEW = 600  # of the ordinary suite; `make soak` takes all
FIRST_OF_VALUES = 5_000  # days that no case of the others has
TEN_YEARS = 3_650 * 86_400
seen: Counter[str] = Counter()


@dataclass
class World:
    """One store for all cases."""

    runner: asyncio.Runner
    settings: InfluxSettings
    connection: InfluxConnection
    reader: InfluxReader

    def write(self, points: list[Point]) -> None:
        encoded = Encoder(BUILT_IN).encode(points)
        assert not encoded.refused
        body = "\n".join(encoded.lines).encode()
        bucket = self.settings.bucket(MeasurementClass.METRICS)
        answer = self.runner.run(self.connection.write(bucket, body, is_gzip=False))
        assert answer.status == 204, answer.text


@pytest.fixture(scope="module")
def world(influx: InfluxServer) -> Iterator[World]:
    # Few shards, for each case has days of its own.
    settings = influx.fresh(shard_s=TEN_YEARS)
    with asyncio.Runner() as runner:
        opened = InfluxConnection.opened(settings)
        connection = runner.run(opened.__aenter__())
        yield World(runner, settings, connection, InfluxReader(connection, BUILT_IN))
        runner.run(opened.__aexit__(None, None, None))


def compare(world: World, numbers: range) -> None:
    for number in numbers:
        case = listed(CASES)[number]
        day = day_of(number)
        points = samples(case, day)
        # Not in order of time, as the embedded store got them.
        shuffled = points[::2] + points[1::2]
        world.write(shuffled)
        asked = query_of(case, day)
        actual = world.runner.run(world.reader.read(asked)).series
        note(seen, case, {"raw"})
        note_samples(seen, points)
        expected = evaluate(shuffled, asked)
        assert same(expected, actual), f"case {number}, {case}:\n{plain(expected)}\n{plain(actual)}"


@pytest.mark.timeout(600)
def test_influxdb_answers_as_the_oracle_does(world: World) -> None:
    """The same cases that the embedded store is tried with, with the same comparison."""
    compare(world, range(FEW))

    assert {function: seen[f"fn {function}"] for function in Function if seen[f"fn {function}"] < 20} == {}


@pytest.mark.soak
@pytest.mark.timeout(1_500)
def test_influxdb_answers_as_the_oracle_does_however_long_it_is_asked(world: World) -> None:
    """All of the cases that the embedded store is tried with."""
    compare(world, range(FEW, CASES))


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
    for number, case in enumerate(listed(CASES)[:FEW]):
        if not isinstance(case.shape, Raw):
            continue
        day = day_of(number)
        points = samples(case, day)
        world.write(points)
        asked = query_of(case, day)

        async def slices(asked: SeriesQuery = asked) -> list[SeriesSamples]:
            return [one async for part in world.reader.stream(asked) for one in part]

        assert plain(world.runner.run(slices())) == plain(evaluate(points, asked)), case
        tried += 1
    assert tried > 20
