"""Names, tags and texts that nobody expects survive a real InfluxDB, in writing and in asking for them."""

import random

import pytest

from influx.canary import Canary
from influx.connection import InfluxConnection
from influx.text import decode, decode_cell, encode_name, encode_tag
from influx.writer import InfluxWriter
from telemetry.errors import PointRejected
from telemetry.points import Point
from telemetry.ports import WriteStatus
from telemetry.schema import Field, FieldKind, FieldType, Measurement, MeasurementClass, Registry, check_name
from tests.collector.doubles import REAL_CLOCK, START
from tests.influx.plain_query import raw, rows
from tests.influx.server import InfluxServer

NASTY = "\\,= \"'%\n\r\t#(){}[]`$;|<>\x01\x7f\x85\u2028\u00a0\ufeffüß日🦆0A5CD2naZ"
CHOSEN = (
    *(
        "\\",
        "\\\\",
        "a\\",
        "a\\\\",
        "\\,",
        "\\\\,",
        "\\ ",
        "\\=",
        "\\\\=",
        '\\"',
        "a\\\\ b",
        "\\\n",
        "\n",
        "\r",
        "\r\n",
    ),
    *("%0A", "%250A", "%5C\\", "%", "%%25", '"', '""', '"a"', 'a"b,c="d" e', "'", "#", "#a", " ", "  a  ", "\t", ","),
    *("=", "a=b", "a,b=c d=1 5", "\\n", "\\r", "%\n", "$x", "${x}", "(?i)", "/a/", "NaN", "-1", "true", "_x", "time"),
    *("\u2028", "\x85", "\x01", "é", "e\u0301", "🦆", "\ufeffa", ",result,table", "error", "a\r\n\r\nb", "x" * 1_024),
)
SEED = 20_261_126


def texts(count: int) -> list[str]:
    chance = random.Random(SEED)
    made = ["".join(chance.choices(NASTY, k=chance.randint(1, 8))) for _ in range(count)]
    return list(dict.fromkeys([*CHOSEN, *made]))


def names(count: int) -> list[str]:
    """Those that the registry takes, but for what the encoder refuses."""

    def is_fine(name: str) -> bool:
        try:
            check_name(name)
        except PointRejected:
            return False
        return not name.startswith("#")

    return [name for name in texts(count) if is_fine(name)]


def literal(text: str) -> str:
    """A Flux string of any text."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in text.encode()) + '"'


async def write(influx: InfluxServer, registry: Registry, points: list[Point]) -> str:
    """Write them all; the bucket."""
    settings = influx.fresh()
    async with InfluxConnection.opened(settings) as connection:
        writer = InfluxWriter(connection, registry, REAL_CLOCK, Canary(connection, REAL_CLOCK, "h"))
        outcome = await writer.write(points)
    assert outcome.status is WriteStatus.OK, outcome
    return settings.bucket(MeasurementClass.METRICS)


async def test_every_tag_comes_back(influx: InfluxServer) -> None:
    """Whatever characters it holds, and no two of them become one."""
    tags = texts(600)
    registry = Registry([])
    registry.learn("m", ["t"], ["f"])
    bucket = await write(influx, registry, [Point.of("m", {"t": tag}, {"f": 1.0}, START) for tag in tags])

    assert sorted(decode(row["t"]) for row in raw(influx, bucket)) == sorted(tags)


async def test_every_text_comes_back(influx: InfluxServer) -> None:
    """Whatever characters it holds."""
    wanted = ["", *texts(600)]
    registry = Registry(
        [Measurement("m", MeasurementClass.METRICS, (), (Field("f", FieldType.TEXT, FieldKind.TEXT),), 10, "for tests")]
    )
    bucket = await write(
        influx, registry, [Point.of("m", {}, {"f": text}, START + number) for number, text in enumerate(wanted)]
    )

    found = sorted(raw(influx, bucket), key=lambda row: int(row["_time"].partition(".")[2].rstrip("Z") or 0))
    by_time = {row["_time"]: decode_cell(row["_value"]) for row in found}
    assert len(by_time) == len(wanted)
    assert sorted(by_time.values()) == sorted(wanted)


async def test_every_name_comes_back_and_can_be_asked_for(influx: InfluxServer) -> None:
    """Measurements, tags and fields with any printable characters, each found by its name."""
    wanted = names(150)
    registry = Registry([])
    for name in wanted:
        registry.learn(name, [f"t{name}"], [f"f{name}"])
    points = [Point.of(name, {f"t{name}": "x"}, {f"f{name}": 1.0}, START) for name in wanted]
    bucket = await write(influx, registry, points)

    found = {
        (
            decode(row["_measurement"]),
            decode(row["_field"]),
            *(decode(column) for column in row if column.startswith("t") and column != "table"),
        )
        for row in raw(influx, bucket)
    }
    assert found == {(name, f"f{name}", f"t{name}") for name in wanted}
    for name in wanted:
        measurement, tag, field = (literal(encode_name(one)) for one in (name, f"t{name}", f"f{name}"))
        flux = (
            f'from(bucket: "{bucket}") |> range(start: 0) |> filter(fn: (r) => r._measurement == {measurement}'
            f" and r._field == {field} and r[{tag}] == {literal(encode_tag('x'))})"
        )
        assert len(rows(influx, flux)) == 1, name


@pytest.mark.parametrize("name", ["#a", "_x", "time", "a\nb", "\x01", "a\u00a0b"])
async def test_names_that_cannot_survive_are_refused_with_a_reason(influx: InfluxServer, name: str) -> None:
    """And their neighbours are stored."""
    settings = influx.fresh()
    registry = Registry(
        [
            Measurement(one, MeasurementClass.METRICS, (), (Field("f", FieldType.FLOAT, FieldKind.GAUGE),), 10, "")
            for one in (name, "m")
        ]
    )
    async with InfluxConnection.opened(settings) as connection:
        writer = InfluxWriter(connection, registry, REAL_CLOCK, Canary(connection, REAL_CLOCK, "h"))
        outcome = await writer.write([Point.of(one, {}, {"f": 1.0}, START) for one in (name, "m")])

    assert outcome.status is WriteStatus.PARTIAL
    assert [one.point.measurement for one in outcome.refused] == [name]
    assert "cannot be a" in outcome.refused[0].reason
    assert len(raw(influx, settings.bucket(MeasurementClass.METRICS))) == 1
