"""InfluxWriter against a real InfluxDB: what it stores, what it refuses and why, and what people are told to do."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from collector.quarantine import Quarantine
from collector.spool import Spool, SpoolLimits
from influx.canary import Canary
from influx.connection import InfluxConnection
from influx.delivery import Delivery
from influx.encoder import Encoder
from influx.parcel import Item, Parcel
from influx.sender import Sender
from influx.settings import InfluxSettings
from influx.writer import InfluxWriter
from telemetry.measurements import BUILT_IN
from telemetry.points import FieldValue, Point
from telemetry.ports import WRITTEN, WriteStatus
from telemetry.schema import MeasurementClass, Registry
from tests.collector.doubles import REAL_CLOCK, SECOND
from tests.influx.plain_query import raw, write_lines
from tests.influx.server import InfluxServer

NOW = int(datetime.now(UTC).timestamp()) // 86_400 * 86_400 * SECOND - 12 * 3_600 * SECOND  # noon of yesterday
RAW = MeasurementClass.METRICS


@asynccontextmanager
async def opened(settings: InfluxSettings, registry: Registry = BUILT_IN) -> AsyncIterator[InfluxWriter]:
    async with InfluxConnection.opened(settings) as connection:
        yield InfluxWriter(connection, registry, REAL_CLOCK, Canary(connection, REAL_CLOCK, "this-host"))


def load(second: float, **fields: FieldValue) -> Point:
    return Point.of("system", {"host": "web"}, fields, NOW + int(second * SECOND))


def values(
    server: InfluxServer, settings: InfluxSettings, start: str = "1700-01-01T00:00:00Z"
) -> list[tuple[str, float]]:
    """(field, value) of all that is in the raw bucket since then, sorted."""
    return sorted(
        (row["_field"], float(row["_value"]))
        for row in raw(server, settings.bucket(RAW), start)
        if row["_measurement"] != "opswatch_canary"
    )


async def test_a10_a_type_conflict_in_the_middle_of_a_batch(influx: InfluxServer) -> None:
    """One in 5,000 is refused with the server's reason, its other field and all its neighbours are stored."""
    settings = influx.fresh()
    write_lines(influx, settings.bucket(RAW), f"system,host=web load5=1i {NOW}\nsystem,host=web load15=1i {NOW}")
    bad = load(2_500, load1=1.0, load5=0.5)
    worse = load(2_501, load15=0.5)
    points = [*(load(second, load1=2.0) for second in range(2_500)), bad, worse]
    points += [load(second, load1=3.0) for second in range(2_502, 5_000)]
    async with opened(settings) as writer:
        outcome = await writer.write(points)

    assert outcome.status is WriteStatus.PARTIAL
    assert [one.point for one in outcome.refused] == [bad, worse]
    assert 'input field "load5" on measurement "system" is type float, already exists as type integer' in (
        outcome.refused[0].reason
    )
    found = values(influx, settings)
    assert len([one for one in found if one[0] == "load1"]) == 4_999
    assert [one for one in found if one[0] != "load1"] == [("load15", 1.0), ("load5", 1.0)]


async def test_a_conflict_in_one_shard_of_a_day(influx: InfluxServer) -> None:
    """In the next hour's shard the field is of our type, and is stored."""
    settings = influx.fresh(retention_s=10 * 86_400, shard_s=3_600)
    write_lines(influx, settings.bucket(RAW), f"system,host=web load1=1i {NOW}")
    points = [load(second, load1=0.5, load5=float(second)) for second in (10, 20, 3_610, 7_210)]
    async with opened(settings) as writer:
        outcome = await writer.write(points)

    assert [one.point for one in outcome.refused] == points[:2]
    next_shard = datetime.fromtimestamp(NOW / SECOND + 3_600, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    found = values(influx, settings)
    assert [one for one in found if one[0] == "load5"] == [("load5", float(one)) for one in (10, 20, 3_610, 7_210)]
    assert [one for one in found if one[0] == "load1"] == [("load1", 1.0)]
    assert values(influx, settings, next_shard)[:2] == [("load1", 0.5), ("load1", 0.5)]


async def test_points_past_the_retention_are_refused_and_others_stored(influx: InfluxServer) -> None:
    """Also where a type conflict hides the retention at first."""
    settings = influx.fresh(retention_s=3_600)
    now = int(datetime.now(UTC).timestamp()) * SECOND
    write_lines(influx, settings.bucket(RAW), f"system,host=web load5=1i {now}")
    old = [Point.of("system", {"host": "web"}, {"load1": 1.0}, now - age * SECOND) for age in (7_200, 100_000, 10**9)]
    fresh = Point.of("system", {"host": "web"}, {"load1": 2.0}, now)
    both = Point.of("system", {"host": "web"}, {"load1": 3.0, "load5": 0.5}, now - SECOND)
    async with opened(settings) as writer:
        outcome = await writer.write([*old, fresh, both])

    assert {id(one.point): "outside retention policy" in one.reason for one in outcome.refused} == {
        **{id(one): True for one in old},
        id(both): False,
    }
    assert values(influx, settings) == [("load1", 2.0), ("load1", 3.0), ("load5", 1.0)]


async def test_a_measurement_whose_name_speaks_of_a_bound_takes_nobody_along(influx: InfluxServer) -> None:
    """Whoever may push chooses names, and the server repeats them in its answer to a conflict."""
    name = "x outside retention policy violates a Retention Policy Lower Bound at 2261-01-01T00:00:00Z"
    registry = BUILT_IN.learning()
    registry.learn(name, [], ["f"])
    settings = influx.fresh()
    escaped = name.replace(" ", "\\ ")
    write_lines(influx, settings.bucket(RAW), f"{escaped} f=1i {NOW}")
    hostile, neighbour = Point.of(name, {}, {"f": 1.0}, NOW + 1), load(0, load1=2.0)
    async with opened(settings, registry) as writer:
        outcome = await writer.write([hostile, neighbour])

    assert [one.point for one in outcome.refused] == [hostile]
    assert ("load1", 2.0) in values(influx, settings)


async def test_a_key_of_70_kilobytes_does_not_take_its_neighbours_along(influx: InfluxServer) -> None:
    """It is refused by us; the longest that we let through is taken."""
    registry = Registry([])
    tags = [f"t{number:02}" for number in range(70)]
    registry.learn("m", tags, ["f"])
    longest, long = (Point.of("m", dict.fromkeys(tags, "x" * size), {"f": 1.0}, NOW) for size in (850, 1_000))
    settings = influx.fresh()
    async with opened(settings, registry) as writer:
        outcome = await writer.write([longest, long, Point.of("m", {}, {"f": 2.0}, NOW)])

    assert [one.point for one in outcome.refused] == [long]
    assert "more than the 60,000" in outcome.refused[0].reason
    assert values(influx, settings) == [("f", 1.0), ("f", 2.0)]


async def test_a_text_of_more_than_a_megabyte_costs_only_itself(influx: InfluxServer) -> None:
    """The server names the limit; the point's other fields and a shorter text are stored."""
    settings = influx.fresh()
    short, long, longest_taken = (
        Point.of("probe", {"probe": "p"}, {"up": 1, "message": "x" * size}, NOW + size)
        for size in (10, 1_048_577, 1_048_576)
    )
    async with opened(settings) as writer:
        assert await writer.write([short]) == WRITTEN  # a series that the encoder knows is not cut by the registry
        outcome = await writer.write([long, longest_taken])

    assert [one.point for one in outcome.refused] == [long]
    assert "is too long, 1048577 > 1048576" in outcome.refused[0].reason
    found = [(row["_field"], len(row["_value"])) for row in raw(influx, settings.bucket(RAW))]
    assert sorted(found) == [("message", 10), ("message", 1_048_576), ("up", 1), ("up", 1), ("up", 1)]


async def test_a10_bad_lines_in_a_batch_of_5000(influx: InfluxServer) -> None:
    """A defect of our encoder would look so: the server's quotations are found, the rest is stored at once."""
    settings = influx.fresh()
    points = [load(second, load1=1.0) for second in range(5_000)]
    lines = Encoder(BUILT_IN).encode(points).lines
    broken = {17: "system,host= load1=1 1", 18: "system load1=yes 1", 4_999: 'system load1=1,s="it\'s: \n" x'}
    items = tuple(
        Item(point, point, broken.get(n, line)) for n, (point, line) in enumerate(zip(points, lines, strict=True))
    )
    async with InfluxConnection.opened(settings) as connection:
        sender = Sender(connection, REAL_CLOCK, Canary(connection, REAL_CLOCK, "h"))
        outcome = await Delivery(Parcel(settings.bucket(RAW), items), sender, Encoder(BUILT_IN)).run()

    assert outcome.status is WriteStatus.PARTIAL
    assert {points.index(one.point): one.reason for one in outcome.refused} == {
        17: "InfluxDB cannot parse it: missing tag value",
        18: "InfluxDB cannot parse it: invalid boolean",
        4_999: "InfluxDB cannot parse it: bad timestamp",
    }
    assert len(values(influx, settings)) == 4_997


@pytest.mark.parametrize("bad_every", [1, 2])
async def test_thousands_of_bad_lines_behind_the_spool_end_in_quarantine(
    influx: InfluxServer, bad_every: int, tmp_path: Path
) -> None:
    """Wrong-typed throughout: each is in quarantine with the server's reason, and the others are stored."""
    settings = influx.fresh()
    write_lines(influx, settings.bucket(RAW), f"system,host=web load5=1i {NOW}")
    points = [load(number / 10, **{"load5" if number % bad_every == 0 else "load1": 0.5}) for number in range(2_000)]
    quarantine = Quarantine(tmp_path / "quarantine", REAL_CLOCK)
    async with (
        opened(settings) as writer,
        Spool.opened(tmp_path / "spool.sqlite", writer, quarantine, SpoolLimits(), REAL_CLOCK) as spool,
    ):
        assert await spool.write(points) == WRITTEN
        assert await spool.drain(timedelta(seconds=30))
        assert spool.refused_points == 2_000 // bad_every

    assert len(values(influx, settings)) == 2_000 - 2_000 // bad_every + 1


# What people must mend


async def paused(settings: InfluxSettings) -> str:
    """Why nothing can be written."""
    async with opened(settings) as writer:
        outcome = await writer.write([load(0, load1=1.0)])
    assert (outcome.status, outcome.refused) == (WriteStatus.PAUSE, ())
    return outcome.message


async def test_a12_wrong_tokens_pause(influx: InfluxServer) -> None:
    """Unknown, none at all, for reading only, for writing only."""
    settings = influx.fresh()
    own = settings.bucket(MeasurementClass.SELF)

    def with_token(token: str) -> InfluxSettings:
        return replace(settings, token=SecretStr(token))

    assert "does not know the token" in await paused(with_token("nobodys"))
    assert "does not know the token" in await paused(with_token(""))
    read_only = influx.make_token(*(("read", settings.bucket(one)) for one in MeasurementClass))
    assert f"may not write into the bucket {own}" in await paused(with_token(read_only))
    write_only = influx.make_token(*(("write", settings.bucket(one)) for one in MeasurementClass))
    assert f"may not read the bucket {own}" in await paused(with_token(write_only))
    only_own = influx.make_token(("write", own), ("read", own))
    assert f"may not write into the bucket {settings.bucket(RAW)}" in await paused(with_token(only_own))


async def test_a13_a_missing_organisation_or_bucket_pauses(influx: InfluxServer) -> None:
    """By its name, with the command that makes it."""
    settings = influx.fresh()

    assert "no organisation nobodys" in await paused(replace(settings, org="nobodys"))
    words = await paused(replace(settings, bucket_prefix="missing"))
    assert words == "InfluxDB has no bucket missing_self in the organisation ops (make it: `opswatch provision apply`)"


async def test_a_bucket_of_its_own_that_is_missing_holds_up_no_other(influx: InfluxServer) -> None:
    """The first point of all goes where it belongs, though the canary's own bucket is not there."""
    settings = influx.fresh()
    (own,) = influx.call("GET", f"/api/v2/buckets?name={settings.bucket(MeasurementClass.SELF)}")["buckets"]  # type: ignore[attr-defined]
    influx.call("DELETE", f"/api/v2/buckets/{own['id']}")
    own_point = Point.of("opswatch_loop", {"host": "a"}, {"latency_ms": 1.0}, NOW)
    async with opened(settings) as writer:
        assert await writer.write([load(0, load1=1.0)]) == WRITTEN
        outcome = await writer.write([own_point])
    assert outcome.status is WriteStatus.PAUSE
    assert f"InfluxDB has no bucket {settings.bucket(MeasurementClass.SELF)}" in outcome.message
    assert values(influx, settings) == [("load1", 1.0)]


async def test_a12_a_token_that_is_replaced_while_we_run(influx: InfluxServer, tmp_path: Path) -> None:
    """The old one is deleted on the server; the file's new one is taken up without a restart."""
    settings = influx.fresh()
    rights = [(right, settings.bucket(one)) for right in ("read", "write") for one in MeasurementClass]
    file = tmp_path / "token"
    file.write_text(influx.make_token(*rights))
    async with opened(replace(settings, token=None, token_file=file)) as writer:
        assert await writer.write([load(0, load1=1.0)]) == WRITTEN
        (old,) = [
            one["id"]
            for one in influx.call("GET", "/api/v2/authorizations?limit=100")["authorizations"]  # type: ignore[attr-defined]
            if {permission["resource"].get("name") for permission in one["permissions"]}
            == {settings.bucket(one) for one in MeasurementClass}
        ]
        influx.call("DELETE", f"/api/v2/authorizations/{old}")
        outcome = await writer.write([load(1, load1=2.0)])
        assert outcome.status is WriteStatus.PAUSE
        assert "does not know the token" in outcome.message
        file.write_text(influx.make_token(*rights))
        assert await writer.write([load(1, load1=2.0)]) == WRITTEN

    assert values(influx, settings) == [("load1", 1.0), ("load1", 2.0)]


async def test_the_canary_is_kept_by_a_real_server(influx: InfluxServer) -> None:
    """Each time anew, also where the host's name is hostile."""
    settings = influx.fresh()
    async with InfluxConnection.opened(settings) as connection:
        canary = Canary(connection, REAL_CLOCK, 'host "\\, ${x}\n')
        assert await canary.check() == WRITTEN
        assert await canary.check() == WRITTEN
        assert await canary.is_taken(settings.bucket(RAW), NOW)
        assert not await canary.is_taken("missing", NOW)
