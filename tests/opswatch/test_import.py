"""`opswatch import`: from the embedded store to InfluxDB, samples and years of levels, with the same answers after."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from embedded.engine import EngineOptions
from embedded.store import EmbeddedOptions, EmbeddedStore
from influx.connection import InfluxConnection
from influx.reader import InfluxReader
from influx.rollups import Rollups
from opswatch.data_directory import DataDirectory
from opswatch.state import State
from telemetry.points import Point
from telemetry.schema import Registry
from telemetry.series import Function, Latest, Raw, SeriesQuery, SeriesResult, Window
from telemetry.times import from_datetime, to_datetime
from tests.collector.doubles import REAL_CLOCK
from tests.influx.server import InfluxServer
from tests.opswatch.process import opswatch
from tests.opswatch.provisioned import Site

SECOND, HOUR, DAY = 10**9, 3_600 * 10**9, 86_400 * 10**9
NOW = from_datetime(REAL_CLOCK.now())
TODAY = NOW // DAY * DAY


def points(number: int) -> list[Point]:
    """Of the quarter of an hour with this number; none of the future."""
    time = TODAY - 39 * DAY + number * HOUR // 4
    if time > NOW - 60 * SECOND:
        return []
    found = [Point.of("net", {"host": "a", "interface": "e"}, {"bytes_recv": number % 999}, time)]
    if number % 4 == 0 or number % 50 == 1:
        found += [
            Point.of("cpu", {"host": "b", "cpu": "0"}, {"usage_idle": number % 7 / 3, "usage_user": 1.5}, time),
            Point.of("probe", {"service": "s"}, {"state": number % 4, "up_s": 900.0, "message": "it's"}, time),
            Point.of("orders", {"shop": 'new\nline "x"'}, {"placed": number / 8}, time),
            Point.of("opswatch_spool", {"host": "a"}, {"pending_batches": number}, time),
        ]
    return found


async def filled(old: Path) -> Registry:
    """A data directory as the embedded store leaves it: 40 days of two hosts, of which samples are kept for seven."""
    directory = DataDirectory(old)
    directory.prepare()
    async with State.opened(directory.state) as state:
        registry = await state.learned_schema.registry()
        await state.learned_schema.save([registry.learn("orders", ["shop"], ["placed"])])
    async with EmbeddedStore.opened(
        directory.metrics, EmbeddedOptions(engine=EngineOptions(threads=1)), registry
    ) as store:
        for day in range(40):
            await store.write([one for number in range(96 * day, 96 * day + 96) for one in points(number)])
        await store.roll_up(to_datetime(NOW))
        await store.delete_expired(to_datetime(NOW))
    return registry


@pytest.fixture
def site(tmp_path: Path, influx: InfluxServer) -> Site:
    return Site(tmp_path / "new", influx)


async def test_what_an_embedded_store_holds_answers_the_same_from_influxdb(site: Site, tmp_path: Path) -> None:
    """Samples, levels that outlived their samples, learned measurements; a second import changes nothing."""
    old = tmp_path / "old"
    registry = await filled(old)
    await site.provision("apply")
    done = await opswatch(site.folder, "import", str(old), "--json")
    again = await opswatch(site.folder, "import", str(old))

    assert (done.code, done.complaint) == (0, ""), done.complaint
    values = json.loads(done.output)
    assert values["left_out"] == {}
    assert min(values["values"].values()) > 100
    assert set(values["values"]) == {"raw", "self", "5m", "1h"}
    assert again.output.splitlines()[-1].startswith(f"{old / 'metrics.duckdb'} is in InfluxDB at {site.server.url}")
    settings = site.server.settings(site.prefix)
    kept = {settings.bucket_prefix + "_raw": NOW - 7 * DAY}
    path = old / "metrics.duckdb"
    async with (
        InfluxConnection.opened(settings) as connection,
        EmbeddedStore.opened(path, EmbeddedOptions(), registry) as store,
    ):
        rollups = Rollups(connection, registry, REAL_CLOCK, kept.get)
        while await rollups.step(NOW):
            pass
        reader = InfluxReader(connection, registry, kept.get, rollups.standings)
        assert [one.made_windows for one in rollups.status(to_datetime(NOW))] == [0, 0]
        for query in queries():
            expected, actual = await store.read(query), await reader.read(query)
            assert told(actual) == told(expected), query
            assert actual.series or query.measurement == "nothing"
    async with State.opened(DataDirectory(site.folder / ".opswatch").state) as state:
        assert (await state.learned_schema.registry()).get("orders") is not None


def queries() -> list[SeriesQuery]:
    """Of the days whose samples are gone, from levels; of the last days, samples and windows."""
    months = SeriesQuery("net", (), TODAY - 38 * DAY, TODAY - 8 * DAY, Window(HOUR, (Function.INCREASE, Function.LAST)))
    recent = SeriesQuery("cpu", (), TODAY - 5 * DAY, TODAY, Raw(1_000))
    return [
        months,
        replace(months, shape=Window(300 * SECOND * 6, (Function.COUNT,)), start=TODAY - 20 * DAY),
        replace(months, measurement="cpu", shape=Window(6 * HOUR, (Function.MEAN, Function.MIN, Function.MAX))),
        replace(months, measurement="probe", shape=Window(24 * HOUR, (Function.COUNT,))),
        replace(months, measurement="orders", shape=Window(24 * HOUR, (Function.SUM, Function.MAX))),
        recent,
        replace(recent, measurement="probe"),
        replace(recent, measurement="orders"),
        replace(recent, measurement="opswatch_spool"),
        replace(recent, shape=Latest()),
    ]


def told(result: SeriesResult) -> tuple[object, ...]:
    return (
        result.level,
        [
            (one.series, list(one.times), [pytest.approx(value) for value in one.values], one.label)
            for one in result.series
        ],
    )


async def test_a_store_that_is_open_and_one_that_is_not_there_are_told(site: Site, tmp_path: Path) -> None:
    """And a configuration whose store is the embedded one; nothing is written."""
    await site.provision("apply")
    (tmp_path / "open").mkdir()
    async with EmbeddedStore.opened(tmp_path / "open" / "metrics.duckdb", EmbeddedOptions(), Registry([])):
        busy = await opswatch(site.folder, "import", str(tmp_path / "open"))
    absent = await opswatch(site.folder, "import", str(tmp_path / "nowhere"))
    embedded = await opswatch(tmp_path, "import", str(tmp_path / "open"))
    empty = await opswatch(site.folder, "import", str(tmp_path / "open"))

    assert busy.code == 1
    assert "is in use by process" in busy.complaint, busy.complaint
    assert (absent.code, "there is no store" in absent.complaint) == (1, True)
    assert (embedded.code, "the store is embedded" in embedded.complaint) == (2, True)
    assert (empty.code, empty.output) == (0, f"{tmp_path / 'open' / 'metrics.duckdb'} holds nothing to take over\n")
