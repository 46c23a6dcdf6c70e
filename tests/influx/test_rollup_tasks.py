"""The tasks that make the levels: what is committed, what the checker says, and what the server makes of them."""

import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from influx.asking import FluxAsker
from influx.connection import InfluxConnection
from influx.encoder import Encoder
from influx.parameters import FluxQuery
from influx.rollup_tasks import field_of, rolled_up_field, rollup_task, rollup_tasks
from influx.rollups import Rollups
from influx.settings import InfluxSettings
from opswatch.influx_tasks import FOLDER, texts
from telemetry.measurements import BUILT_IN
from telemetry.points import Point
from telemetry.rollup import FIVE_MINUTES, LEVELS, ONE_HOUR, Aggregate
from telemetry.schema import MeasurementClass, Registry
from tests.collector.doubles import REAL_CLOCK
from tests.influx.flux_checker import checker
from tests.influx.plain_query import rows
from tests.influx.server import InfluxServer

SECOND = 10**9
MINUTE, HOUR = 60 * SECOND, 3_600 * SECOND
START = 1_767_225_600 * SECOND
SETTINGS = InfluxSettings("http://influxdb:8086", "ops")
ODD = 'o\'dd / ${x} "y" ü|(z)*'


def learned() -> Registry:
    registry = BUILT_IN.learning()
    registry.learn("learned", ["host"], ["x", ODD])
    registry.learn(ODD, ["host"], ["y"])
    registry.learn("app", [], ["extra"])
    return registry


def test_the_committed_tasks_are_what_the_generator_makes() -> None:
    """`make docs` writes them."""
    assert {file.name: file.read_text() for file in FOLDER.glob("*.flux")} == texts()


@pytest.mark.parametrize("prefix", ["opswatch", 'it\'s "${mine}"'])
@pytest.mark.parametrize("is_open", [True, False])
@pytest.mark.parametrize("windows", [2, 24])
def test_the_checker_accepts_every_text(prefix: str, windows: int, *, is_open: bool) -> None:
    """Whatever the buckets are called, whatever was learned, however many windows."""
    settings = replace(SETTINGS, bucket_prefix=prefix)
    for level in LEVELS:
        task = rollup_task(settings, level, learned(), windows, is_open=is_open)
        assert checker().accepts(task.flux), task.flux


def test_a_task_is_short() -> None:
    """InfluxDB keeps the whole text with every run: 288 a day, for three days."""
    assert [len(task.flux) < size for task, size in zip(rollup_tasks(SETTINGS), (7_000, 1_000), strict=True)] == [
        True,
        True,
    ]


def test_a_task_runs_when_what_was_on_its_way_has_arrived_and_not_all_at_once() -> None:
    """An hour is made after its last five minutes are."""
    five, hour = rollup_tasks(SETTINGS)

    assert "every: 5m, offset: 1m}" in five.flux
    assert "every: 1h, offset: 2m}" in hour.flux


def test_what_was_learned_changes_no_task() -> None:
    """So no token needs the right to change one; a new measurement is in the next run by itself."""
    assert [rollup_task(SETTINGS, level, learned()) for level in LEVELS] == [*rollup_tasks(SETTINGS)]


@given(st.text(min_size=1), st.sampled_from(Aggregate))
def test_names_of_a_level_are_read_back(name: str, aggregate: Aggregate) -> None:
    """Whatever a field is called, and even where it ends like an aggregate."""
    assert field_of(rolled_up_field(name, aggregate)) == name


@dataclass
class World:
    server: InfluxServer
    settings: InfluxSettings
    connection: InfluxConnection
    registry: Registry

    async def write(self, points: list[Point]) -> None:
        lines = Encoder(self.registry).encode(points).lines
        bucket = self.settings.bucket(MeasurementClass.METRICS)
        answer = await self.connection.write(bucket, "\n".join(lines).encode(), is_gzip=False)
        assert answer.status == 204, answer.text

    async def run(self, flux: str, now: int) -> str:
        """What the reconciler does."""
        rollups = Rollups(self.connection, self.registry, REAL_CLOCK, lambda _: None)
        return await rollups._run(flux, now)


@pytest.fixture
async def world(influx: InfluxServer) -> AsyncIterator[World]:
    settings = influx.fresh()
    async with InfluxConnection.opened(settings) as connection:
        yield World(influx, settings, connection, learned())


def points_of(chance: random.Random, seconds: int, step: int) -> list[Point]:
    """Of every kind of field, with resets and with gaps of more than an hour."""
    points, counters = [], Counter[str]()
    for host in ("a", "b", ODD):
        moment = chance.randint(0, 30)
        while moment < seconds:
            time = START + moment * SECOND
            counters[host] = 0 if chance.random() < 0.02 else counters[host] + chance.randint(0, 9)
            points += [
                Point.of("net", {"host": host, "interface": "e"}, {"bytes_recv": counters[host]}, time),
                Point.of("cpu", {"host": host, "cpu": "0"}, {"usage_idle": chance.random() * 100}, time),
                Point.of(
                    "probe",
                    {"host": host, "service": "s"},
                    {"state": chance.randint(0, 3), "up_s": 10.5, "message": "said", "latency_ms_le_8": 1},
                    time,
                ),
                Point.of("learned", {"host": host}, {"x": chance.randint(0, 99) / 7, ODD: 1.5}, time),
                Point.of(ODD, {"host": host}, {"y": 2.5}, time),
                Point.of("app", {"instance": host, "service": "s"}, {"extra": 0.5, "latency_ms_count": 3}, time),
            ]
            moment += 4_000 if chance.random() < 0.01 else chance.choice([step, step, 2 * step])
    return points


SUMS = """
from(bucket: "{bucket}") |> range(start: 2025-12-31T00:00:00Z, stop: 2026-01-02T00:00:00Z)
    |> filter(fn: (r) => {filter})
    |> {function}() |> toFloat() |> group(columns: ["_measurement", "_field", "host", "instance"]) |> sum()
    |> keep(columns: ["_measurement", "_field", "host", "instance", "_value"])
"""


def sums(world: World, bucket: str, condition: str, function: str = "sum") -> dict[tuple[str, ...], float]:
    text = SUMS.format(bucket=bucket, filter=condition, function=function)
    return {
        (row["_measurement"], row["_field"], row.get("host") or row.get("instance") or ""): float(row["_value"])
        for row in rows(world.server, text)
    }


@pytest.mark.parametrize("is_open", [True, False])
async def test_counts_are_conserved_through_both_levels(world: World, *, is_open: bool) -> None:
    """Per series: as many samples as the windows of either level say, of built-in fields and of learned ones."""
    await world.write(points_of(random.Random(6), 4 * 3_600, 20))
    for level, every in ((FIVE_MINUTES, 4), (ONE_HOUR, 2)):
        for hour in range(0, 5, every):
            flux = rollup_task(world.settings, level, world.registry, every * HOUR // level.step, is_open=is_open).flux
            assert await world.run(flux, START + (hour + every) * HOUR) == ""

    raw = sums(world, world.settings.bucket(MeasurementClass.METRICS), 'r._field != "message"', "count")
    assert len(raw) == 3 * 10
    for level in LEVELS:
        counted = sums(world, world.settings.level_bucket(level), "r._field =~ /_count$/")
        assert {(m, f"{f}_count", h): n for (m, f, h), n in raw.items()} == counted


async def test_a_run_changes_nothing_that_is_right(world: World) -> None:
    """Twice, overlapping, and from another beginning: every window ends as it was."""
    await world.write(points_of(random.Random(7), 2 * 3_600, 20))
    task = rollup_task(world.settings, FIVE_MINUTES, windows=36).flux
    assert await world.run(task, START + 3 * HOUR) == ""
    bucket = world.settings.level_bucket(FIVE_MINUTES)
    everything = f'from(bucket: "{bucket}") |> range(start: 2025-12-31T00:00:00Z, stop: 2026-01-02T00:00:00Z)'
    before = rows(world.server, everything)
    own = rollup_tasks(world.settings)[0].flux
    for minute in range(5, 130, 5):
        assert await world.run(own, START + minute * MINUTE + 3) == ""

    assert rows(world.server, everything) == before


async def test_a_level_has_the_series_of_its_source_and_no_others(world: World) -> None:
    """InfluxDB does not sort the tags that a task writes: two orders would be two series with the same tags."""
    await world.write(points_of(random.Random(8), 3_600, 60))
    await world.run(rollup_task(world.settings, FIVE_MINUTES, windows=12).flux, START + HOUR)
    await world.run(rollup_tasks(world.settings)[1].flux, START + HOUR)
    names = [world.settings.bucket(MeasurementClass.METRICS), *map(world.settings.level_bucket, LEVELS)]
    keys = []
    for name in names:
        (result,) = world.server.call("GET", f"/query?db={name}&q=SHOW+SERIES")["results"]  # type: ignore[misc]
        (series,) = result["series"]  # type: ignore[index]
        keys.append(sorted(key for (key,) in series["values"]))

    assert keys[1] == keys[0]
    assert keys[2] == keys[0]


async def test_the_storage_makes_the_windows(world: World) -> None:
    """All but the growth of counters, of which it hands on the samples."""
    await world.write(points_of(random.Random(9), 3_600, 60))
    expected = {
        FIVE_MINUTES: {"ReadWindowAggregateByTime": 19, "merged_ReadRange_filter": 2},
        ONE_HOUR: {"ReadWindowAggregateByTime": 4},
    }
    await world.run(rollup_task(world.settings, FIVE_MINUTES, windows=12).flux, START + HOUR)
    for task in rollup_tasks(world.settings):
        flux = task.flux.replace("option task", 'option profiler.enabledProfilers = ["operator"]\n\noption task', 1)
        found: list[str] = []

        def take(some, found=found) -> None:  # type: ignore[no-untyped-def]
            names = some.header.names
            if "Label" in names and "Type" in names:
                found.extend(some.column(names.index("Label")))

        asker = FluxAsker(world.connection)
        await asker.ask(FluxQuery('import "profiler"\n' + flux.replace("now()", "2026-01-01T01:00:00Z"), {}), take)
        labels = Counter("".join(letter for letter in label if not letter.isdigit()) for label in found)
        assert {name: count for name, count in labels.items() if "Read" in name} == expected[task.level]


@pytest.mark.parametrize("tag", ["gap", "grown", "start", "stop", "every", "of", "suffix"])
async def test_a_tag_may_be_called_as_a_column_that_the_task_needs(world: World, tag: str) -> None:
    """Its series keep it, in every aggregate."""
    world.registry.learn("named", [tag], ["x"])
    points = [Point.of("named", {tag: one}, {"x": float(n)}, START + n * MINUTE) for n in range(60) for one in "ab"]
    await world.write(points)
    assert await world.run(rollup_task(world.settings, FIVE_MINUTES, windows=12).flux, START + HOUR) == ""
    assert await world.run(rollup_tasks(world.settings)[1].flux, START + HOUR) == ""

    for level in LEVELS:
        bucket = world.settings.level_bucket(level)
        text = f'''from(bucket: "{bucket}") |> range(start: 2025-12-31T00:00:00Z, stop: 2026-01-02T00:00:00Z)
            |> filter(fn: (r) => r._field == "x_inc") |> sum()'''
        (result,) = world.server.call("GET", f"/query?db={bucket}&q=SHOW+SERIES")["results"]  # type: ignore[misc]
        (series,) = result["series"]  # type: ignore[index]
        assert sorted(key for (key,) in series["values"]) == [f"named,{tag}=a", f"named,{tag}=b"]
        assert [row["_value"] for row in rows(world.server, text)] == ["59", "59"]
