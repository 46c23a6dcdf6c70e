"""What InfluxDB's storage is to answer by itself, it does: its profiler says so of the very texts that are sent."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest

from influx.answers import answer_of
from influx.asked import Asked
from influx.asking import FluxAsker
from influx.connection import InfluxConnection
from influx.flux import Selection, windows_query
from influx.parameters import FluxQuery
from influx.settings import InfluxSettings
from influx.values import ValuesAnswer
from telemetry.measurements import BUILT_IN
from telemetry.schema import MeasurementClass
from telemetry.series import (
    AllOf,
    Coverage,
    Equals,
    Exists,
    Function,
    GroupBy,
    Latest,
    Matches,
    Not,
    OneOf,
    Predicate,
    Quantile,
    Raw,
    SeriesQuery,
    Shape,
    ValuesOf,
    ValuesQuery,
    Window,
)
from tests.influx.server import InfluxServer

SECOND, HOUR = 10**9, 3_600 * 10**9
START = 1_767_225_600 * SECOND
PROFILED = 'import "profiler"\noption profiler.enabledProfilers = ["operator"]\n'
PUSHED_FUNCTIONS = [one for one in Function if one not in (Function.INCREASE, Function.RATE)]


@dataclass
class World:
    settings: InfluxSettings
    connection: InfluxConnection

    async def operators(self, flux: FluxQuery) -> list[str]:
        """The operators that ran, without the numbers of their nodes; what only drops columns is left out."""
        found = []
        asker = FluxAsker(self.connection)

        def take(rows) -> None:  # type: ignore[no-untyped-def]
            names = rows.header.names
            if "Label" in names and "Type" in names:
                kinds, labels = rows.column(names.index("Type")), rows.column(names.index("Label"))
                found.extend(zip(kinds, labels, strict=True))

        await asker.ask(replace(flux, text=PROFILED + flux.text), take)
        words = ["".join(letter for letter in label if not letter.isdigit()) for _, label in found]
        return sorted(word for word in words if word != "drop")

    async def operators_of(self, query: SeriesQuery) -> list[str]:
        measurement = BUILT_IN.get(query.measurement)
        assert measurement is not None
        bucket = self.settings.bucket(MeasurementClass.METRICS)
        return [
            word
            for one in answer_of(Asked(query, measurement, bucket)).questions()
            for word in await self.operators(one.flux)
        ]


@pytest.fixture
async def world(influx: InfluxServer) -> AsyncIterator[World]:
    settings = influx.fresh()
    async with InfluxConnection.opened(settings) as connection:
        lines = [
            f"net,host={host},interface=eth0 bytes_recv={number}i,bytes_sent=1i {START + number * 60 * SECOND}"
            for host in ("a", "b")
            for number in range(180)
        ]
        lines += [f"probe,host=a,service=s app_le=1,latency_ms={number} {START + number}" for number in range(9)]
        lines += [f"app,host=a,service=s latency_ms_le_25={number}i {START + number}" for number in range(9)]
        bucket = settings.bucket(MeasurementClass.METRICS)
        answer = await connection.write(bucket, "\n".join(lines).encode(), is_gzip=False)
        assert answer.status == 204, answer.text
        yield World(settings, connection)


def query(shape: Shape, where: Predicate | None = None, measurement: str = "net", **more: object) -> SeriesQuery:
    return SeriesQuery(measurement, (), START, START + 3 * HOUR, shape, where or AllOf(()), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("origin", [0, 7 * SECOND])
@pytest.mark.parametrize("function", PUSHED_FUNCTIONS)
async def test_windows_are_made_by_the_storage(world: World, function: Function, origin: int) -> None:
    """Each of the seven, also where windows begin at another time."""
    asked = query(Window(600 * SECOND, (function,), origin))

    assert await world.operators_of(asked) == ["ReadWindowAggregateByTime"]


@pytest.mark.parametrize("function", PUSHED_FUNCTIONS)
async def test_one_window_over_the_range_is_made_by_the_storage(world: World, function: Function) -> None:
    """Whenever it begins; of integers that are added up over long, their least, greatest and number as well."""
    shape = Window.whole(START + 1, START + HOUR, function)
    asked = SeriesQuery("net", (), START + 1, START + HOUR, shape)
    reads = 4 if function in {Function.MEAN, Function.SUM} else 1

    assert await world.operators_of(asked) == ["ReadWindowAggregate"] * reads


async def test_many_functions_are_many_reads_and_nothing_else(world: World) -> None:
    """A source that two read would not be pushed down at all."""
    asked = query(Window(600 * SECOND, tuple(PUSHED_FUNCTIONS)))

    assert await world.operators_of(asked) == ["ReadWindowAggregateByTime"] * len(PUSHED_FUNCTIONS)


async def test_groups_and_the_greatest_change_nothing(world: World) -> None:
    """They are made here of the few windows that come."""
    asked = query(Window(600 * SECOND, (Function.MEAN,)), group_by=GroupBy(("host",)), top=2)

    assert await world.operators_of(asked) == ["ReadWindowAggregateByTime"]


async def test_coverage_and_the_newest_are_made_by_the_storage(world: World) -> None:
    """Counts per window, and one sample of each series."""
    assert await world.operators_of(query(Coverage(600 * SECOND))) == ["ReadWindowAggregateByTime"]
    assert await world.operators_of(query(Latest())) == ["ReadWindowAggregate"]


async def test_samples_are_read_and_only_then_limited(world: World) -> None:
    """A limit is none that the storage knows; growth and quantiles are of all samples."""
    assert await world.operators_of(query(Raw(5))) == ["limit", "merged_ReadRange_filter"]
    assert await world.operators_of(query(Quantile(HOUR, (0.5,)))) == ["merged_ReadRange_filter"]
    asked = query(Window(HOUR, (Function.INCREASE, Function.RATE)))
    assert await world.operators_of(asked) == ["merged_ReadRange_filter"]


async def test_counters_beside_others_spoil_nothing(world: World) -> None:
    """Their samples are a read of their own."""
    asked = query(Window(600 * SECOND, (Function.MAX, Function.RATE)))

    assert await world.operators_of(asked) == ["ReadWindowAggregateByTime", "merged_ReadRange_filter"]


async def test_buckets_of_histograms_are_summed_by_the_storage(world: World) -> None:
    """`app` writes no samples of its latency, only what they fell into."""
    asked = SeriesQuery("app", ("latency_ms",), START, START + 3 * HOUR, Quantile(600 * SECOND, (0.5,)))

    assert await world.operators_of(asked) == ["ReadWindowAggregateByTime"]


@pytest.mark.parametrize(
    "where",
    [
        Equals("host", "a"),
        Not(Equals("host", "a")),
        OneOf("host", tuple(map(str, range(1_000)))),
        Not(OneOf("host", tuple(map(str, range(1_000))))),
        Matches("host", "^[ab]"),
        Not(Matches("host", "^c")),
        Exists("host"),
        Not(Exists("cpu")),
        Not(AllOf((Equals("host", "a"), Not(Matches("interface", "x"))))),
        AllOf((Exists("host"), Not(AllOf((Exists("cpu"), OneOf("host", ("a", "b"))))))),
    ],
    ids=lambda where: type(where).__name__,
)
async def test_every_predicate_is_answered_by_the_index(world: World, where: Predicate) -> None:
    """Nothing of it is left to be looked at row by row, also of a thousand values."""
    asked = query(Window(600 * SECOND, (Function.MEAN,)), where)

    assert await world.operators_of(asked) == ["ReadWindowAggregateByTime"]


@pytest.mark.parametrize("where", [AllOf(()), Equals("host", "a"), Matches("interface", "eth")])
async def test_values_are_told_by_one_sample_of_each_series(world: World, where: Predicate) -> None:
    """Not by reading them all, and not by the index, which knows only whole shards."""
    asked = ValuesQuery(ValuesOf.TAG, START, START + HOUR, "net", "host", where)
    (flux,) = ValuesAnswer(asked, BUILT_IN).questions({world.settings.bucket(MeasurementClass.METRICS): ["net"]})

    first, *rest = await world.operators(flux)
    assert first == "ReadWindowAggregate"
    assert set(rest) <= {"keep", "group", "distinct"}


async def test_samples_are_counted_without_being_read(world: World) -> None:
    """What a stream asks first, of a whole range and of its parts."""
    selection = Selection(
        world.settings.bucket(MeasurementClass.METRICS), ("net",), ("bytes_recv",), START, START + HOUR
    )
    for axis, operator in (
        (range(START, START + HOUR, HOUR), "ReadWindowAggregate"),
        (range(START, START + HOUR, 7 * SECOND), "ReadWindowAggregateByTime"),
    ):
        flux = windows_query(replace(selection, where=Exists("host")), axis, (Function.COUNT,))
        assert flux is not None
        assert await world.operators(flux) == [operator]
