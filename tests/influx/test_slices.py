"""A stream comes tag set by tag set, every field over one stretch of time, in slices of bounded size, and is whole."""

import random
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from itertools import groupby, pairwise

import pytest

from influx.connection import InfluxConnection
from influx.encoder import Encoder
from influx.reader import InfluxReader
from influx.slices import SLICE_ROWS
from telemetry.errors import StoreUnavailable
from telemetry.measurements import BUILT_IN
from telemetry.points import Point
from telemetry.schema import MeasurementClass
from telemetry.series import Equals, Raw, Series, SeriesQuery, SeriesSamples
from tests.influx.server import InfluxServer
from tests.influx.stub import QUERY, Half, Reply, stub_server
from tests.oracle import stored

SECOND, HOUR = 10**9, 3_600 * 10**9
START = 1_767_225_600 * SECOND
STOP = START + 48 * HOUR


def filled() -> list[Point]:
    """A tag set with 120,000 samples of two fields, most of them in one minute; many small ones; texts; gaps."""
    chance = random.Random(5)
    points = []
    for number in range(60_000):
        time = START + (number * SECOND // 1_000 if 10_000 < number < 50_000 else number * 2 * SECOND)
        fields = {"bytes_recv": number, "bytes_sent": number} if number % 10 else {"bytes_recv": number}
        points.append(Point.of("net", {"host": "large"}, fields, time))
    # One that has the tags of the large one and another: it is none of its own.
    points += [
        Point.of("net", {"host": "large", "interface": "x"}, {"bytes_recv": 1}, START + n * HOUR) for n in range(48)
    ]
    for host in range(300):
        tags = (
            {"host": f"h{host}"} if host % 3 else {"host": f"h{host}", "interface": chance.choice(["a,b", "new\nline"])}
        )
        points += [
            Point.of(
                "net", tags, {"bytes_recv": number, "err_in": number}, START + chance.randint(0, 47) * HOUR + number
            )
            for number in range(20)
        ]
    for number in range(9_000):
        tags = {"service": "shop", "probe": "p", "kind": "http", "host": "a"}
        fields = {"latency_ms": number / 7, "message": f'it\'s,\n"{number}" {"x" * (number % 50)}'}
        points.append(Point.of("probe", tags, fields, START + number * 10 * SECOND))
    points.append(Point.of("probe", {"service": "other"}, {"message": "alone"}, START))
    return points


POINTS = filled()


@pytest.fixture
async def reader(influx: InfluxServer) -> AsyncIterator[InfluxReader]:
    settings = influx.fresh()
    async with InfluxConnection.opened(settings) as connection:
        lines = Encoder(BUILT_IN).encode(POINTS).lines
        for place in range(0, len(lines), 8_000):
            body = "\n".join(lines[place : place + 8_000]).encode()
            answer = await connection.write(settings.bucket(MeasurementClass.METRICS), body, is_gzip=False)
            assert answer.status == 204, answer.text
        yield InfluxReader(connection, BUILT_IN)


def raw(measurement: str, limit: int = 1_000_000) -> SeriesQuery:
    return SeriesQuery(measurement, (), START, STOP, Raw(limit))


def joined(slices: list[list[SeriesSamples]]) -> dict[Series, list[tuple[int, object]]]:
    found: dict[Series, list[tuple[int, object]]] = {}
    for one in (one for part in slices for one in part):
        found.setdefault(one.series, []).extend(zip(one.times, one.values, strict=True))
    return found


@pytest.mark.parametrize("limit", [1_000_000, 40_001, 7])
@pytest.mark.parametrize("measurement", ["net", "probe"])
async def test_the_slices_make_up_the_whole(reader: InfluxReader, measurement: str, limit: int) -> None:
    """Every sample of every series once, oldest first, up to the limit of each series."""
    slices = [one async for one in reader.stream(raw(measurement, limit))]

    expected = {
        series: sorted(samples.items())[:limit]
        for series, samples in stored([point for point in POINTS if point.measurement == measurement]).items()
    }
    assert joined(slices) == expected


async def test_each_slice_is_one_tag_set_over_one_stretch(reader: InfluxReader) -> None:
    """In the order of tag sets; the stretches of one follow each other; no slice is much larger than is meant."""
    slices = [one async for one in reader.stream(raw("net"))]

    owners = [{one.series.tags for one in part} for part in slices]
    assert {len(tags) for tags in owners} == {1}
    in_order = [tags for (tags,) in map(tuple, owners)]
    assert in_order == sorted(in_order)
    assert len({tags for tags, _ in groupby(in_order)}) == len(list(groupby(in_order))) == 302
    for _, parts in groupby(slices, key=lambda part: part[0].series.tags):
        bounds = [(min(one.times[0] for one in part), max(one.times[-1] for one in part)) for part in parts]
        assert all(last < first for (_, last), (first, _) in pairwise(bounds))
    sizes = [sum(len(one.times) for one in part) for part in slices]
    assert max(sizes) <= SLICE_ROWS
    assert len([size for size in sizes if size > 1_000]) > 2


async def test_texts_come_in_smaller_slices(reader: InfluxReader) -> None:
    """One may be as large as many numbers."""
    slices = [one async for one in reader.stream(raw("probe"))]

    assert max(sum(len(one.times) for one in part) for part in slices) <= SLICE_ROWS // 5


async def test_a_stream_can_be_left(reader: InfluxReader) -> None:
    """Whoever closes it leaves nothing running, and others are answered."""
    async with aclosing(reader.stream(raw("net"))) as slices:
        await anext(slices)
    asked = replace(raw("net"), where=Equals("host", "h1"))

    assert len((await reader.read(asked)).series) == 2


async def test_a_stream_that_breaks_off_says_so() -> None:
    """Also in the middle, when slices have been given out already."""
    head = "#datatype,string,long,long,string,string\r\n,result,table,_value,_field,host\r\n"
    counts = head + "".join(f",count,{n},{SLICE_ROWS - 1},bytes_recv,h{n}\r\n" for n in range(3))
    rows = "#datatype,string,long,dateTime:RFC3339,long,string,string\r\n,result,table,_time,_value,_field,host\r\n"
    rows += ",_result,0,2026-01-01T00:00:00Z,7,bytes_recv,h0\r\n"
    csv = {"Content-Type": "text/csv"}
    async with stub_server() as stub, InfluxConnection.opened(stub.settings()) as connection:
        stub.script(
            QUERY, [Reply(200, counts.encode(), csv), Reply(200, rows.encode(), csv), Half(rows.encode(), 200, csv)]
        )
        slices = InfluxReader(connection, BUILT_IN).stream(raw("net"))

        assert len(await anext(slices)) == 1
        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            await anext(slices)


async def test_memory_stays_flat(reader: InfluxReader) -> None:
    """Ten times as much of one series takes no more at once."""

    async def peak(stop: int) -> tuple[int, int]:
        count = 0
        tracemalloc.start()
        async with aclosing(reader.stream(replace(raw("net"), stop=stop))) as slices:
            async for part in slices:
                count += sum(len(one.times) for one in part)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return count, most

    few, memory = await peak(START + 40 * SECOND)
    many, more = await peak(STOP)

    assert few > SLICE_ROWS
    assert many > 2 * few
    assert more < 1.5 * memory
