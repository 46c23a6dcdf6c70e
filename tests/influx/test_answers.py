"""Questions to a real InfluxDB that the random cases do not ask: hostile names, buckets of histograms, any times."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest
from pydantic import SecretStr

from influx.connection import InfluxConnection
from influx.encoder import Encoder
from influx.reader import InfluxReader
from influx.settings import InfluxSettings
from telemetry.errors import QueryTooLarge, StoreUnavailable
from telemetry.histogram import bucket_field, quantile
from telemetry.measurements import BUILT_IN
from telemetry.points import Point
from telemetry.schema import EARLIEST, LATEST, MeasurementClass, Registry
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
    Series,
    SeriesQuery,
    SeriesSamples,
    Shape,
    ValuesOf,
    ValuesQuery,
    Window,
)
from tests.influx.server import InfluxServer
from tests.oracle import evaluate, values_of

SECOND, HOUR = 10**9, 3_600 * 10**9
START = 1_767_225_600 * SECOND
HOSTILE = ["a", "new\nline", "re\rturn", "end\\", "in\\side", "%0A", "100%", "%250A", "a,b=c d", '"q"', "ü日", "\\,"]


@dataclass
class World:
    settings: InfluxSettings
    connection: InfluxConnection
    registry: Registry
    reader: InfluxReader

    async def write(self, points: list[Point]) -> None:
        encoded = Encoder(self.registry).encode(points)
        assert not encoded.refused
        for point, line in zip(encoded.points, encoded.lines, strict=True):
            measurement = self.registry.get(point.measurement)
            assert measurement is not None
            bucket = self.settings.bucket(measurement.measurement_class)
            answer = await self.connection.write(bucket, line.encode(), is_gzip=False)
            assert answer.status == 204, answer.text


@pytest.fixture
async def world(influx: InfluxServer) -> AsyncIterator[World]:
    settings = influx.fresh()
    registry = BUILT_IN.learning()
    async with InfluxConnection.opened(settings) as connection:
        yield World(settings, connection, registry, InfluxReader(connection, registry))


def plain(series: tuple[SeriesSamples, ...] | list[SeriesSamples]) -> list[tuple[object, ...]]:
    return [(one.series, list(one.times), list(one.values), one.label) for one in series]


PATTERNS = ["^a$", "line", "(?s)new.line", "new.line", "\\\\$", "%", "^%0A$", "\n", "\r", "^$", ".", "0A"]


@pytest.mark.parametrize(
    "where",
    [
        *(Matches("host", pattern) for pattern in PATTERNS),
        *(Not(Matches("host", pattern)) for pattern in PATTERNS),
        *(Equals("host", value) for value in HOSTILE),
        Not(Equals("host", "new\nline")),
        OneOf("host", tuple(HOSTILE[:6])),
        Not(OneOf("host", tuple(HOSTILE[:6]))),
        Not(Exists("host")),
        Not(AllOf((Exists("host"), Not(Matches("host", "line"))))),
    ],
    ids=repr,
)
async def test_hostile_values_are_found_by_what_they_are(hostile: World, where: Predicate) -> None:
    """Not by how InfluxDB holds them: newlines, ends of lines, backslashes and what looks like a code."""
    asked = SeriesQuery("net", ("bytes_recv",), START, START + HOUR, Latest(), where)

    answer = (await hostile.reader.read(asked)).series
    assert plain(answer) == plain(evaluate(hostile_points(), asked))
    values = ValuesQuery(ValuesOf.TAG, START, START + HOUR, "net", "host", where)
    assert await hostile.reader.values(values) == values_of(hostile_points(), values)
    fields = ValuesQuery(ValuesOf.FIELD, START, START + HOUR, "", "", where)
    assert await hostile.reader.values(fields) == values_of(hostile_points(), fields)


def hostile_points() -> list[Point]:
    tag_sets = [{"host": value, "interface": "e"} for value in HOSTILE] + [{"interface": "none"}]
    return [Point.of("net", tags, {"bytes_recv": number}, START + number) for number, tags in enumerate(tag_sets)]


@pytest.fixture
async def hostile(world: World) -> World:
    await world.write(hostile_points())
    return world


async def test_hostile_names_of_what_was_pushed(world: World) -> None:
    """Measurements, tags and fields as an application may call them; every question finds them."""
    names = ["with space", "co,mma", "eq=ual", 'qu"ote', "back\\slash", "ü日", "$${x}", "#hash", "%0A", "a.b/c-d"]
    points = []
    for number, name in enumerate(names):
        measurement = "x" + name if name.startswith("#") else name
        world.registry.learn(measurement, [name], [name])
        points.append(Point.of(measurement, {name: name}, {name: number + 0.5}, START + number))
    await world.write(points)

    for number, point in enumerate(points):
        ((name, _),) = point.tags
        series = Series(point.measurement, point.tags, name)
        shapes: list[Shape] = [Latest(), Raw(), Window(HOUR), Quantile(HOUR, (0.5,)), Coverage(60 * SECOND)]
        for shape in shapes:
            asked = SeriesQuery(point.measurement, (), START, START + HOUR, shape, Equals(name, name))
            (one,) = (await world.reader.read(asked)).series
            assert one.series == series
            assert [value for value in one.values if value] == [1 if isinstance(shape, Coverage) else number + 0.5]
        asked = SeriesQuery(point.measurement, (name,), START, START + HOUR, Raw(), Matches(name, "."))
        assert [plain(part) async for part in world.reader.stream(asked)] == [
            [(series, [point.time], [number + 0.5], None)]
        ]
        for of, expected in ((ValuesOf.TAG, name), (ValuesOf.FIELD, name), (ValuesOf.MEASUREMENT, point.measurement)):
            tag = name if of is ValuesOf.TAG else ""
            values = ValuesQuery(of, START, START + HOUR, point.measurement, tag)
            assert await world.reader.values(values) == (expected,)


async def test_texts_come_back_as_they_were(world: World) -> None:
    """All that a message may hold, but for what the registry takes out; the newest, all, and in slices."""
    texts = [
        "plain",
        "two\nlines",
        "re\rturn",
        "\r\n",
        'a "quoted", one',
        "end\\",
        "%0D",
        ",error,reference",
        "\n,error,reference\n,x,1\n",
    ]
    tags = {"service": "s", "probe": "p", "kind": "http", "host": "h"}
    points = [Point.of("probe", tags, {"message": text, "up": 1}, START + n) for n, text in enumerate(texts)]
    await world.write(points)
    asked = SeriesQuery("probe", ("message",), START, START + HOUR, Raw())

    (one,) = (await world.reader.read(asked)).series
    assert list(one.values) == texts
    assert [value async for part in world.reader.stream(asked) for one in part for value in one.values] == texts
    (last,) = (await world.reader.read(SeriesQuery("probe", ("message",), START, START + HOUR, Latest()))).series
    assert list(last.values) == texts[-1:]


@pytest.mark.parametrize("group_by", [None, GroupBy(("service",)), GroupBy(())])
async def test_quantiles_of_histograms_come_from_their_buckets(world: World, group_by: GroupBy | None) -> None:
    """What `app` counts adds up over instances and time; a field of every bucket is no series of its own."""
    counts = {("a", 0): {25.0: 3, 100.0: 1}, ("b", 0): {1_000.0: 4}, ("a", 1): {25.0: 10}}
    points = [
        Point.of(
            "app",
            {"service": "s", "instance": instance},
            {bucket_field("latency_ms", bound): count for bound, count in buckets.items()} | {"events": 5},
            START + hour * HOUR + 7,
        )
        for (instance, hour), buckets in counts.items()
    ]
    await world.write(points)
    asked = SeriesQuery("app", ("latency_ms",), START, START + 2 * HOUR, Quantile(HOUR, (0.5, 0.99)), group_by=group_by)
    found = {(one.series.tags, one.quantile): list(one.values) for one in (await world.reader.read(asked)).series}

    if group_by is None:
        a, b = ((("instance", name), ("service", "s")) for name in "ab")
        assert found[a, 0.5] == [quantile({25.0: 3, 100.0: 1}, 0.5), quantile({25.0: 10}, 0.5)]
        assert found[b, 0.99] == [quantile({1_000.0: 4}, 0.99), None]
    else:
        tags = (("service", "s"),) if group_by.tags else ()
        assert found[tags, 0.99] == [quantile({25.0: 3, 100.0: 1, 1_000.0: 4}, 0.99), quantile({25.0: 10}, 0.99)]
    everything = SeriesQuery("app", (), START, START + 2 * HOUR, Latest())
    assert {one.series.field for one in (await world.reader.read(everything)).series} == {"events"}
    fields = ValuesQuery(ValuesOf.FIELD, START, START + 2 * HOUR, "app")
    assert await world.reader.values(fields) == ("events", "latency_ms")


@pytest.mark.parametrize("function", list(Function))
@pytest.mark.parametrize(
    ("start", "stop", "step", "origin"),
    [
        (START, START + 10, 10**6, 0),
        (START, START + HOUR, HOUR, START + 1),
        (EARLIEST, EARLIEST + 2**62, 2**62, 0),
        (EARLIEST, EARLIEST + 2**62, 2**61, 3),
        (LATEST + 1 - 2**62, LATEST + 1, 2**61, -7),
        (START - 2**61, START + 2**61, 2**60, 2**60 - 1),
    ],
)
async def test_windows_of_any_length_at_any_time(
    world: World, function: Function, start: int, stop: int, step: int, origin: int
) -> None:
    """From a millisecond to 146 years, where a window reaches beyond what InfluxDB has a time for."""
    times = [EARLIEST, EARLIEST + HOUR, START, START + 1, START + HOUR // 2, LATEST - HOUR, LATEST]
    points = [Point.of("net", {"host": "a"}, {"bytes_recv": number % 4}, time) for number, time in enumerate(times)]
    await world.write(points)
    asked = SeriesQuery("net", (), start, stop, Window(step, (function,), origin))

    answer = (await world.reader.read(asked)).series
    assert plain(answer) == plain(evaluate(points, asked))


WHOLE = {Function.MIN, Function.MAX, Function.SUM, Function.COUNT, Function.FIRST, Function.LAST, Function.INCREASE}


async def test_answers_have_the_types_of_the_registry(world: World) -> None:
    """Whole numbers stay whole but for means and rates; InfluxDB writes 7.0 as 7, and it is a float all the same."""
    points = [Point.of("net", {"host": "a"}, {"bytes_recv": 7 * n}, START + n * SECOND) for n in range(4)]
    points += [Point.of("cpu", {"host": "a"}, {"usage_idle": 7.0 * n}, START + n * SECOND) for n in range(4)]
    await world.write(points)
    for measurement, kind in (("net", int), ("cpu", float)):
        for shape in (Raw(), Latest(), Quantile(HOUR, (0.5,)), Quantile(SECOND, (0.5,))):
            asked = SeriesQuery(measurement, (), START, START + 4 * SECOND, shape)
            (one,) = (await world.reader.read(asked)).series
            assert {type(value) for value in one.values} == {kind}
        for step in (SECOND, HOUR):  # many windows, and one
            asked = SeriesQuery(measurement, (), START, START + 4 * SECOND, Window(step, tuple(Function)))
            for one in (await world.reader.read(asked)).series:
                assert one.function is not None
                wanted = int if one.function is Function.COUNT or (kind is int and one.function in WHOLE) else float
                assert {type(value) for value in one.values} - {type(None)} == {wanted}, one


async def test_values_over_all_buckets(world: World) -> None:
    """What OpsWatch counts of itself is in another bucket; a question without a measurement means it too."""
    points = [
        Point.of(name, {}, {field: 1}, START)
        for name, field in (("net", "bytes_recv"), ("opswatch_process", "threads"))
    ]
    await world.write(points)

    for of in (ValuesOf.MEASUREMENT, ValuesOf.FIELD):
        asked = ValuesQuery(of, START, START + 1)
        assert await world.reader.values(asked) == values_of(points, asked)


async def test_a_thousand_measurements_can_be_asked_at_once(world: World) -> None:
    """As many as may be learned; their names are a flat tree and not a deep one."""
    for number in range(1_000):
        world.registry.learn(f"learned{number}", ["host"], ["value"])
    await world.write([Point.of("learned999", {"host": "a"}, {"value": 1}, START)])
    values = ValuesQuery(ValuesOf.TAG, START, START + 1, "", "host")

    assert await world.reader.values(values) == ("a",)


async def test_sums_that_are_no_number_are_none(world: World) -> None:
    """Two numbers may be finite and their sum not; the series is there all the same."""
    points = [Point.of("cpu", {"host": "a"}, {"usage_idle": 1.5e308}, START + number) for number in range(3)]
    await world.write(points)
    shape = Window(HOUR, (Function.SUM, Function.MEAN, Function.MAX))
    answer = (await world.reader.read(SeriesQuery("cpu", ("usage_idle",), START, START + HOUR, shape))).series

    assert [one.function for one in answer] == [Function.SUM, Function.MEAN, Function.MAX]
    assert (answer[0].values[0], answer[2].values[0]) == (None, 1.5e308)


async def test_a_reader_without_rights_is_told_what_to_do(influx: InfluxServer) -> None:
    """A real server's words for a token that may read nothing of ours, and for a bucket that is not there."""
    settings, others = influx.fresh(), influx.fresh()
    token = influx.make_token(("read", f"{others.bucket_prefix}_raw"))
    asked = SeriesQuery("net", (), START, START + HOUR, Latest())
    for wrong, words in (
        (replace(settings, token=SecretStr(token)), "could not find bucket.*give the right to read it"),
        (replace(settings, token=SecretStr("nonsense")), "unauthorized access.*its token is not known"),
        (replace(settings, bucket_prefix="nothing"), "could not find bucket.*make it"),
        (replace(settings, org="nobody"), "organization"),
    ):
        async with InfluxConnection.opened(wrong) as connection:
            with pytest.raises(StoreUnavailable, match=words):
                await InfluxReader(connection, BUILT_IN).read(asked)


async def write_at_once(world: World, points: list[Point]) -> None:
    """Thousands of them, of the class metrics."""
    body = "\n".join(Encoder(world.registry).encode(points).lines).encode()
    answer = await world.connection.write(world.settings.bucket(MeasurementClass.METRICS), body, is_gzip=False)
    assert answer.status == 204, answer.text


@pytest.mark.parametrize("number", [2**50, 2**53, -(2**53) + 12_345])
async def test_integers_whose_sum_does_not_fit_64_bits(world: World, number: int) -> None:
    """A filesystem of a petabyte, looked at every ten seconds, has a mean over a day; InfluxDB adds up in 64 bits."""
    tags, count = {"host": f"h{number}", "path": "/"}, 8_640
    few = [Point.of("disk", tags, {"used": number, "total": 7}, START + n * 10 * SECOND) for n in range(count)]
    few[-1] = Point.of("disk", tags, {"used": number - 12_345, "total": 7}, few[-1].time)
    await write_at_once(world, few)
    exact = number * (count - 1) + number - 12_345
    where = Equals("host", f"h{number}")
    for shape in (
        Window(24 * HOUR, (Function.MEAN, Function.SUM)),
        Window.whole(START, START + 24 * HOUR, Function.SUM, Function.MEAN, Function.MAX),
    ):
        query = SeriesQuery("disk", ("used", "total"), START, START + 24 * HOUR, shape, where)
        found = {(one.series.field, one.function): one.values[0] for one in (await world.reader.read(query)).series}
        assert found["used", Function.SUM] == exact
        assert found["used", Function.MEAN] == pytest.approx(exact / count, rel=1e-12)
        assert (found["total", Function.SUM], found["total", Function.MEAN]) == (7 * count, 7)
        assert len(found) == 2 * len(shape.functions)


async def test_integers_that_nobody_can_add_up_are_said_to_be_so(world: World) -> None:
    """Rather than a number that is wrong by 2^64."""
    points = [Point.of("disk", {"host": "wild"}, {"used": 2**53 * (n % 2)}, START + n * SECOND) for n in range(2_048)]
    await write_at_once(world, points)
    query = SeriesQuery("disk", ("used",), START, START + HOUR, Window(HOUR, (Function.SUM,)), Equals("host", "wild"))
    with pytest.raises(QueryTooLarge, match="ask for shorter windows"):
        await world.reader.read(query)
    shorter = replace(query, shape=Window(60 * SECOND, (Function.SUM,)))
    (one,) = (await world.reader.read(shorter)).series
    assert one.values[0] == 30 * 2**53


async def test_an_empty_pattern_is_found_in_every_value(world: World) -> None:
    """InfluxDB takes none; of a series without the tag it is not found in."""
    points = [Point.of("disk", {"host": "empty", **tags}, {"used": 1}, START) for tags in ({}, {"path": "/"})]
    await world.write(points)
    host = Equals("host", "empty")
    for where, found in ((Matches("path", ""), [1]), (Not(Matches("path", "")), [0])):
        query = SeriesQuery("disk", ("used",), START, START + 1, Raw(), AllOf((host, where)))
        answer = await world.reader.read(query)
        assert [one.series.tags for one in answer.series] == [points[number].tags for number in found]
