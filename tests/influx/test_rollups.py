"""Levels in InfluxDB: what its tasks missed or late samples touched is found and made, whatever happens meanwhile."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from influx.connection import InfluxConnection
from influx.encoder import Encoder
from influx.parameters import FluxQuery
from influx.reader import InfluxReader
from influx.rollup_coverage import Counts
from influx.rollup_tasks import rollup_task, rollup_tasks
from influx.rollups import Rollups
from influx.settings import InfluxSettings
from telemetry.errors import QueryTimedOut, StoreUnavailable
from telemetry.measurements import BUILT_IN
from telemetry.points import Point
from telemetry.rollup import FIVE_MINUTES, LEVELS, ONE_HOUR
from telemetry.schema import MeasurementClass
from telemetry.series import Function, SeriesQuery, SeriesResult, ValuesOf, ValuesQuery, Window
from telemetry.store_status import LevelStatus
from telemetry.times import to_datetime
from tests.collector.doubles import REAL_CLOCK, SetClock
from tests.influx.plain_query import rows
from tests.influx.server import InfluxServer
from tests.influx.stub import QUERY, Reply, Request, error, stub_server

SECOND = 10**9
MINUTE, HOUR, DAY = 60 * SECOND, 3_600 * SECOND, 86_400 * SECOND
START = 1_767_225_600 * SECOND
CSV = {"Content-Type": "text/csv; charset=utf-8"}


@dataclass
class World:
    """One organisation of a real server, without any task: whatever is made is made by the reconciler."""

    server: InfluxServer
    settings: InfluxSettings
    connection: InfluxConnection
    rollups: Rollups
    reader: InfluxReader
    kept: dict[str, int] = field(default_factory=dict)  # ns, by bucket

    async def write(self, *points: Point) -> None:
        await self.put("\n".join(Encoder(BUILT_IN).encode(points).lines))
        self.rollups.touched(point.time for point in points)

    async def put(self, lines: str) -> None:
        """Written by somebody else."""
        bucket = self.settings.bucket(MeasurementClass.METRICS)
        answer = await self.connection.write(bucket, lines.encode(), is_gzip=False)
        assert answer.status == 204, answer.text

    async def roll_up(self, now: int) -> None:
        while await self.rollups.step(now):
            pass

    async def run_tasks(self, now: int, *windows: int) -> None:
        """So many windows of each level up to now, as InfluxDB's tasks make them."""
        for level, count in zip(LEVELS, windows, strict=True):
            assert await self.rollups._run(rollup_task(self.settings, level, windows=count).flux, now) == ""

    async def ask(self, *functions: Function, stop: int = 3 * HOUR, step: int = HOUR) -> SeriesResult:
        return await self.reader.read(SeriesQuery("net", ("bytes_sent",), START, START + stop, Window(step, functions)))

    def levels(self, now: int) -> dict[str, LevelStatus]:
        return {one.level: one for one in self.rollups.status(to_datetime(now))}

    def delete(self, level: str, start: int, stop: int, predicate: str = "") -> None:
        """What a level has of some time is deleted, by somebody else."""
        bounds = {
            "start": to_datetime(start).isoformat(),
            "stop": to_datetime(stop).isoformat(),
            "predicate": predicate,
        }
        bucket = f"{self.settings.bucket_prefix}_{level}"
        self.server.call("POST", f"/api/v2/delete?org={self.settings.org}&bucket={bucket}", bounds)


@asynccontextmanager
async def opened(server: InfluxServer, settings: InfluxSettings) -> AsyncIterator[World]:
    async with InfluxConnection.opened(settings) as connection:
        kept: dict[str, int] = {}
        rollups = Rollups(connection, BUILT_IN, REAL_CLOCK, kept.get)
        reader = InfluxReader(connection, BUILT_IN, kept.get, rollups.standings)
        yield World(server, settings, connection, rollups, reader, kept)


@pytest.fixture
async def world(influx: InfluxServer) -> AsyncIterator[World]:
    async with opened(influx, influx.fresh()) as one:
        yield one


def sent(minute: float, value: int, host: str = "a") -> Point:
    return Point.of("net", {"host": host}, {"bytes_sent": value}, START + int(minute * MINUTE))


def segments(result: SeriesResult) -> list[tuple[str, int, int]]:
    """The levels of an answer, in minutes."""
    return [(part.level, (part.start - START) // MINUTE, (part.stop - START) // MINUTE) for part in result.segments]


def values(result: SeriesResult) -> list[list[object]]:
    return [list(one.values) for one in result.series]


async def test_windows_that_no_task_has_made_are_made(world: World) -> None:
    """And read: coarse levels for the past, finer ones for the end, with the values that samples give."""
    await world.write(*[sent(minute, minute) for minute in range(200)])
    before = await world.ask(Function.INCREASE, stop=200 * MINUTE)
    await world.roll_up(START + 198 * MINUTE)
    after = await world.ask(Function.INCREASE, stop=200 * MINUTE)
    fine = await world.ask(Function.INCREASE, stop=200 * MINUTE, step=5 * MINUTE)

    assert segments(before) == [("raw", 0, 240)]
    assert segments(after) == [("1h", 0, 180), ("raw", 180, 240)]
    assert values(after) == values(before) == [[59, 60, 60, 20]]
    assert segments(fine) == [("5m", 0, 195), ("raw", 195, 200)]
    assert world.levels(START + 198 * MINUTE)["5m"].made_windows == 39
    assert world.levels(START + 198 * MINUTE)["1h"].made_windows == 3


async def test_what_a_task_has_made_is_not_made_again(world: World) -> None:
    """It is counted, and found to be right."""
    await world.write(*[sent(minute, minute) for minute in range(60)])
    for minute in range(5, 65, 5):
        assert await world.rollups._run(rollup_tasks(world.settings)[0].flux, START + minute * MINUTE) == ""
    assert await world.rollups._run(rollup_tasks(world.settings)[1].flux, START + HOUR) == ""
    await world.roll_up(START + HOUR + 5 * MINUTE)

    assert [one.made_windows for one in world.levels(START + HOUR).values()] == [0, 0]
    assert world.rollups.notes == ()
    assert segments(await world.ask(Function.LAST, stop=HOUR)) == [("1h", 0, 60)]


async def test_a_task_has_some_time_before_its_windows_are_looked_for(world: World) -> None:
    """Twenty seconds after the grace of a window; before, nothing is counted."""
    await world.write(*[sent(minute, minute) for minute in range(9)])
    await world.roll_up(START + 6 * MINUTE + 19 * SECOND)
    early = world.levels(START + 6 * MINUTE)["5m"].until
    await world.roll_up(START + 6 * MINUTE + 20 * SECOND)

    assert early == to_datetime(START)
    assert world.levels(START + 6 * MINUTE)["5m"].until == to_datetime(START + 5 * MINUTE)


async def test_late_samples_are_seen_at_once_and_their_windows_made_again(world: World) -> None:
    """Also where an hour's worth of a counter's later windows grew from another sample."""
    await world.write(*[sent(minute, 100 + minute) for minute in range(0, 200, 2)])
    await world.roll_up(START + 198 * MINUTE)
    await world.write(sent(31, 131), sent(3, 90))
    late = {name: one.late_windows for name, one in world.levels(START + 198 * MINUTE).items()}
    stale = await world.ask(Function.COUNT, Function.INCREASE)
    await world.roll_up(START + 198 * MINUTE)
    healed = await world.ask(Function.COUNT, Function.INCREASE)

    assert segments(stale) == [("raw", 0, 180)]
    assert segments(healed) == [("1h", 0, 180)]
    assert values(healed) == values(stale) == [[32, 30, 30], [2 + 90 + 14 + 54, 60, 60]]
    assert late == {"5m": 19, "1h": 2}


async def test_a_sample_that_is_written_anew_changes_its_windows(world: World) -> None:
    """Its count stays as it was, so counting would not show it."""
    await world.write(*[sent(minute, minute) for minute in range(120)])
    await world.roll_up(START + 3 * HOUR)
    await world.write(sent(59, 1_000), sent(60, 1_000))
    await world.roll_up(START + 3 * HOUR)

    assert values(await world.ask(Function.LAST, Function.INCREASE, stop=2 * HOUR)) == [[1_000, 119], [1_000, 119 - 0]]


async def test_a_new_process_finds_what_is_missing_and_what_is_wrong(world: World) -> None:
    """Nothing is remembered: holes in either level, and windows that stand for fewer samples than there are."""
    await world.write(*[sent(minute, minute) for minute in range(400)])
    await world.roll_up(START + 399 * MINUTE)
    world.delete("5m", START + 50 * MINUTE, START + 70 * MINUTE)
    world.delete("1h", START + 3 * HOUR, START + 4 * HOUR)
    await world.put("\n".join(Encoder(BUILT_IN).encode([sent(200.5, 201)]).lines))
    async with opened(world.server, world.settings) as other:
        before = await other.ask(Function.COUNT, stop=6 * HOUR)
        await other.roll_up(START + 399 * MINUTE)
        after = await other.ask(Function.COUNT, stop=6 * HOUR)

        assert segments(before) == [("raw", 0, 360)]
        assert segments(after) == [("1h", 0, 360)]
        assert values(after) == values(before) == [[60, 60, 60, 61, 60, 60]]


async def test_a_long_stretch_without_samples_is_not_counted_day_by_day(world: World) -> None:
    """A sample of another century, in a bucket that keeps all for ever."""
    await world.write(Point.of("net", {"host": "a"}, {"bytes_sent": 1}, START - 36_500 * DAY), sent(1, 7))
    steps = 0
    while await world.rollups.step(START + 3 * HOUR):
        steps += 1

    assert steps < 30
    assert segments(await world.ask(Function.LAST, stop=2 * HOUR)) == [("1h", 0, 120)]


async def test_a_bucket_that_keeps_no_longer_than_a_counter_looks_back_has_nothing_to_repair(world: World) -> None:
    """No window can be made anew from it; what its task makes is taken as it is."""
    raw = world.settings.bucket(MeasurementClass.METRICS)
    await world.write(*[sent(minute, minute) for minute in range(120)])
    world.kept[raw] = START + 70 * MINUTE
    await world.roll_up(START + 2 * HOUR)
    world.kept[raw] = START + 200 * MINUTE
    await world.roll_up(START + 4 * HOUR)

    assert world.levels(START + 4 * HOUR)["5m"].missed_windows == 0


async def test_an_empty_store_is_rolled_up_as_far_as_can_be(world: World) -> None:
    """What comes later is late, or comes in time."""
    await world.roll_up(START + 3 * HOUR)
    await world.write(sent(1, 7), sent(62, 9))
    await world.roll_up(START + 3 * HOUR)

    assert values(await world.ask(Function.COUNT, Function.INCREASE, stop=2 * HOUR)) == [[1, 1], [None, None]]
    assert segments(await world.ask(Function.COUNT, stop=2 * HOUR)) == [("1h", 0, 120)]


async def test_windows_of_deleted_samples_stay_as_they_are(world: World) -> None:
    """Made from what is left, they would be wrong; the level outlives its samples, and quantities read from it."""
    await world.write(*[sent(minute, minute) for minute in range(240)])
    await world.roll_up(START + 5 * HOUR)
    raw = world.settings.bucket(MeasurementClass.METRICS)
    bounds = {"start": to_datetime(START).isoformat(), "stop": to_datetime(START + 90 * MINUTE).isoformat()}
    world.server.call("POST", f"/api/v2/delete?org={world.settings.org}&bucket={raw}", bounds)
    world.kept[raw] = START + 90 * MINUTE
    # The first sample that is left has nothing to grow from any more, which must not get into its window.
    await world.write(sent(91, 91), sent(95, 95), sent(150, 150))
    await world.roll_up(START + 5 * HOUR)
    answer = await world.ask(Function.COUNT, Function.INCREASE, stop=4 * HOUR)
    tags = ValuesQuery(ValuesOf.FIELD, START, START + HOUR)

    assert segments(answer) == [("1h", 0, 240)]
    assert values(answer) == [[60, 60, 60, 60], [59, 60, 60, 60]]
    assert answer.warnings == ()
    assert await world.reader.values(tags) == ("bytes_sent",)
    (told,) = (await world.ask(Function.MIN, stop=HOUR)).warnings
    assert told.startswith("samples before 2026-01-01T01:30:00Z are no longer kept")


async def test_what_somebody_else_wrote_stops_only_the_task(world: World) -> None:
    """Texts and booleans that nobody registered: InfluxDB's task fails on them, and somebody is told."""
    await world.write(*[sent(minute, minute) for minute in range(120)])
    await world.put(f'foreign,host=a said="x",is=true {START + 30 * MINUTE}')
    await world.roll_up(START + 3 * HOUR)

    assert segments(await world.ask(Function.COUNT, stop=2 * HOUR)) == [("1h", 0, 120)]
    assert world.levels(START + 3 * HOUR)["5m"].failures == 0
    (told,) = (one for one in world.rollups.notes if "fails" in one)
    assert "unsupported for aggregate" in told
    assert f"is there something in the bucket {world.settings.bucket(MeasurementClass.METRICS)}" in told


async def test_what_stopped_the_task_is_told_no_longer_than_it_does(world: World) -> None:
    """Nothing has to be made again for that: the task's next windows are there."""
    await world.write(*[sent(minute, minute) for minute in range(200)])
    await world.put(f'foreign,host=a said="x" {START + 30 * MINUTE}')
    await world.roll_up(START + 2 * HOUR)
    told = [one for one in world.rollups.notes if "fails" in one]
    world.delete("raw", START, START + HOUR, '_measurement="foreign"')
    await world.run_tasks(START + 125 * MINUTE, 2, 1)
    await world.roll_up(START + 127 * MINUTE)

    assert len(told) == 1
    assert [one for one in world.rollups.notes if "fails" in one] == []


async def test_a_level_that_cannot_be_written_is_told_and_made_when_it_can(world: World) -> None:
    """Its age counts from the first window that would not be made; queries read samples meanwhile."""
    await world.write(*[sent(minute, minute) for minute in range(120)])
    names = [
        world.settings.bucket(MeasurementClass.METRICS),
        *map(world.settings.level_bucket, (FIVE_MINUTES, ONE_HOUR)),
    ]
    rights = [("read", name) for name in names] + [("write", names[0]), ("write", names[2])]
    poor = InfluxSettings(
        world.settings.url,
        world.settings.org,
        type(world.settings.token)(world.server.make_token(*rights)),  # type: ignore[misc]
        bucket_prefix=world.settings.bucket_prefix,
    )
    async with opened(world.server, poor) as one:
        await one.roll_up(START + 150 * MINUTE)
        status = one.levels(START + 150 * MINUTE)["5m"]
        (note,) = (told for told in one.rollups.notes if "cannot make" in told)

        assert status.failures >= 24
        assert status.lag_s == 150 * 60
        assert "write" in note
        assert "opswatch provision verify" in note
        assert segments(await one.ask(Function.COUNT, stop=2 * HOUR)) == [("raw", 0, 120)]

        one.connection._token = world.server.token
        await one.roll_up(START + 4 * HOUR)
        assert [told for told in one.rollups.notes if "cannot" in told] == []
        assert one.levels(START + 4 * HOUR)["5m"].lag_s <= 10 * 60
        assert segments(await one.ask(Function.COUNT, stop=2 * HOUR)) == [("1h", 0, 120)]


async def test_an_hour_waits_for_its_windows_that_would_not_be_made(world: World) -> None:
    """Made from what is known to be wrong, it would count as right for good."""
    await world.write(*[sent(minute, minute) for minute in range(180)])
    await world.roll_up(START + 200 * MINUTE)
    raw, *levels = (world.settings.bucket(MeasurementClass.METRICS), *map(world.settings.level_bucket, LEVELS))
    rights = [("read", name) for name in (raw, *levels)] + [("write", levels[1])]
    await world.write(sent(31.5, 32))
    world.connection._token = world.server.make_token(*rights)
    await world.roll_up(START + 200 * MINUTE)
    waiting = await world.ask(Function.COUNT)
    world.connection._token = world.server.token
    await world.roll_up(START + 203 * MINUTE)
    healed = await world.ask(Function.COUNT)

    assert (segments(waiting), values(waiting)) == ([("raw", 0, 180)], [[61, 60, 60]])
    assert (segments(healed), values(healed)) == ([("1h", 0, 180)], [[61, 60, 60]])


async def test_an_hour_that_its_task_made_before_a_counters_windows_were_mended_is_made_again(world: World) -> None:
    """Its counts are right: only what it says of growth is not. A process that ended had written what came late."""
    await world.put(
        "\n".join(Encoder(BUILT_IN).encode([sent(one, one) for one in range(200) if one < 40 or one > 59]).lines)
    )
    await world.run_tasks(START + 3 * HOUR, 36, 3)
    await world.put("\n".join(Encoder(BUILT_IN).encode([sent(one, one) for one in range(40, 60)]).lines))
    await world.roll_up(START + 199 * MINUTE)
    answer = await world.ask(Function.COUNT, Function.INCREASE)

    assert segments(answer) == [("1h", 0, 180)]
    assert values(answer) == [[60, 60, 60], [59, 60, 60]]


async def test_what_grew_from_late_samples_is_made_again_beyond_what_is_counted_at_once(world: World) -> None:
    """A day is counted, then the next; the last samples of the one came late, and the other was made before."""
    day = 24 * 60
    early = [sent(one, one) for one in range(0, day + 180, 2) if one < day - 10 or one >= day]
    await world.put("\n".join(Encoder(BUILT_IN).encode(early).lines))
    await world.run_tasks(START + 27 * HOUR, 27 * 12, 27)
    await world.put("\n".join(Encoder(BUILT_IN).encode([sent(one, one) for one in range(day - 10, day, 2)]).lines))
    await world.roll_up(START + (day + 199) * MINUTE)
    answer = await world.ask(Function.INCREASE, stop=27 * HOUR)

    assert segments(answer) == [("1h", 0, 27 * 60)]
    assert values(answer) == [[58, *[60] * 26]]


async def test_what_somebody_else_changes_later_is_found_within_the_hour(world: World) -> None:
    """Late samples of another program, or a level that was put back from a backup: the newest day is counted hourly."""
    await world.write(*[sent(minute, minute) for minute in range(400)])
    await world.roll_up(START + 399 * MINUTE)
    world.delete("5m", START + 50 * MINUTE, START + 70 * MINUTE)
    world.delete("1h", START + 3 * HOUR, START + 4 * HOUR)
    await world.put("\n".join(Encoder(BUILT_IN).encode([sent(200.5, 201)]).lines))
    await world.roll_up(START + 460 * MINUTE)
    answer = await world.ask(Function.COUNT, stop=6 * HOUR)

    assert segments(answer) == [("1h", 0, 360)]
    assert values(answer) == [[60, 60, 60, 61, 60, 60]]


async def test_older_days_are_counted_in_turn(world: World) -> None:
    """One of them each hour: what was changed in the last month is found within two days, at little cost."""
    await world.write(*[sent(minute, minute) for minute in range(60)])
    await world.roll_up(START + 20 * DAY)
    world.delete("5m", START, START + HOUR)
    world.delete("1h", START, START + HOUR)
    for hour in range(1, 31):
        await world.roll_up(START + 20 * DAY + hour * (HOUR + MINUTE))

    answer = await world.ask(Function.COUNT, stop=HOUR)
    assert (segments(answer), values(answer)) == ([("1h", 0, 60)], [[60]])


async def test_a_window_that_would_not_be_made_is_tried_less_and_less_often(world: World) -> None:
    """A minute later, then two, up to an hour: a server in trouble is not asked without end."""
    await world.write(sent(1, 7))
    world.server.call("DELETE", f"/api/v2/buckets/{world.server.buckets[world.settings.level_bucket(FIVE_MINUTES)]}")
    world.server.make_bucket(world.settings.level_bucket(FIVE_MINUTES), 0)
    await world.roll_up(START + 7 * MINUTE)
    assert world.levels(START + 7 * MINUTE)["5m"].failures == 0

    async with stub_server() as stub, InfluxConnection.opened(stub.settings()) as connection:
        stub.script(QUERY, [_failing_server])
        rollups = Rollups(connection, BUILT_IN, REAL_CLOCK, lambda _: None)
        tries = []
        for second in range(0, 7_200, 20):
            while await rollups.step(START + 7 * MINUTE + second * SECOND):
                pass
            tries.append(rollups.status(to_datetime(START))[0].failures)
        at = [20 * number for number, count in enumerate(tries) if number and count > tries[number - 1]]

        assert at[:5] == [60, 180, 420, 900, 1_860]


async def test_windows_that_need_too_much_memory_together_are_made_in_smaller_pieces(world: World) -> None:
    """What one query may take is limited (docker-compose.yml); two windows are what the task itself makes."""
    run = world.rollups._run

    async def run_with_little_memory(flux: str, now: int) -> str:
        length, unit = re.findall(r"date.sub\(d: (\d+)([mh]), from: stop", flux)[0]
        is_much = "_raw" in flux and int(length) * {"m": 1, "h": 60}[unit] > 30
        return "memory allocation limit reached: limit 9 bytes" if is_much else await run(flux, now)

    world.rollups._run = run_with_little_memory  # type: ignore[method-assign]
    await world.write(*[sent(minute, minute) for minute in range(200)])
    for minute in range(198, 210):
        await world.roll_up(START + minute * MINUTE)

    assert segments(await world.ask(Function.COUNT)) == [("1h", 0, 180)]
    assert values(await world.ask(Function.COUNT)) == [[60, 60, 60]]
    assert [told for told in world.rollups.notes if "memory" in told] == []


async def test_what_cannot_be_counted_in_time_is_counted_in_smaller_pieces(world: World) -> None:
    """A day of a large site may take longer than a query may."""
    count = world.rollups._counts

    async def count_slowly(question: FluxQuery) -> Counts:
        start, stop = (question.parameters[name] for name in ("p_start", "p_stop"))
        if stop.nanoseconds - start.nanoseconds > 5 * HOUR:  # type: ignore[union-attr]
            raise QueryTimedOut("too slow")
        return await count(question)

    world.rollups._counts = count_slowly  # type: ignore[method-assign]
    await world.write(*[sent(minute, minute) for minute in range(600)])
    for _ in range(12):
        with suppress(QueryTimedOut):
            await world.roll_up(START + 11 * HOUR)

    assert segments(await world.ask(Function.COUNT, stop=10 * HOUR)) == [("1h", 0, 600)]


async def test_a_window_is_not_given_up_for_the_time_that_a_clock_was_ahead() -> None:
    """It was to be tried again in a minute, by a clock that is put right meanwhile."""
    async with stub_server() as stub, InfluxConnection.opened(stub.settings()) as connection:
        stub.script(QUERY, [_failing_server])
        rollups = Rollups(connection, BUILT_IN, REAL_CLOCK, lambda _: None)
        failures = []
        for now in (START + 20 * HOUR, START + 9 * MINUTE, START + 9 * MINUTE + 20 * SECOND, START + 11 * MINUTE):
            while await rollups.step(now):
                pass
            failures.append(rollups.status(to_datetime(START))[0].failures)

        assert [one - failures[0] for one in failures] == [0, 1, 1, 2]


def _failing_server(request: Request) -> Reply:
    """One sample at START + 1 min, and a text that fails."""
    if b"option task" in request.body:
        return Reply(200, b",error,reference\r\n,no room,\r\n", CSV)
    types = "#datatype,string,long,string,string,dateTime:RFC3339,long\r\n"
    head = types + ",result,table,_measurement,_field,_time,_value\r\n"
    if b"first()" in request.body:
        return Reply(
            200,
            b"#datatype,string,long,dateTime:RFC3339\r\n,result,table,_time\r\n,_result,0,2026-01-01T00:01:00Z\r\n",
            CSV,
        )
    if b"fn: count" in request.body and b"2026-01-01T00:00:00" in request.body:
        return Reply(200, (head + ",_result,0,net,bytes_sent,2026-01-01T00:00:00Z,1\r\n").encode(), CSV)
    return Reply(200, b"\r\n", CSV)


async def test_what_is_written_while_windows_are_counted_and_made_is_not_forgotten() -> None:
    """It is in the count or not, nobody knows: such windows are made once more."""
    async with stub_server() as stub, InfluxConnection.opened(stub.settings()) as connection:
        rollups = Rollups(connection, BUILT_IN, REAL_CLOCK, lambda _: None)
        made: list[str] = []

        def answer(request: Request) -> Reply:
            if b"option task" in request.body:
                made.append(request.body.decode()[-40:])
            if len(made) < 2:
                rollups.touched([START + MINUTE])  # the writer comes in between
            if b"option task" in request.body:
                return Reply(200, b"", CSV)
            return Reply(200, b"\r\n", CSV)

        stub.script(QUERY, [answer])
        for _ in range(9):
            await rollups.step(START + HOUR)

        assert [text.rpartition('"now": ')[2] for text in made] == ['"2026-01-01T00:55:00Z"}'] * 2


async def test_a_level_that_nobody_could_look_at_grows_old_from_the_start() -> None:
    """A server that is away when OpsWatch starts: how far its levels are is not known, which is to be told as well."""
    async with stub_server() as stub, InfluxConnection.opened(stub.settings()) as connection:
        stub.script(QUERY, [lambda _: Reply(503, b"busy", {})])
        clock = SetClock()
        rollups = Rollups(connection, BUILT_IN, clock.clock, lambda _: None)
        with pytest.raises(StoreUnavailable):
            await rollups.roll_up()
        early, *_ = rollups.status(clock.wall + timedelta(minutes=10))
        late, hour = rollups.status(clock.wall + timedelta(minutes=12))

        assert (late.until, late.lag_s) == (None, 720)
        assert [early.is_late(FIVE_MINUTES), late.is_late(FIVE_MINUTES), hour.is_late(ONE_HOUR)] == [False, True, False]


@pytest.mark.parametrize(
    "answer", [lambda _: Reply(503, b"busy", {}), lambda _: error(404, "not found", "could not find bucket")]
)
async def test_a_server_that_cannot_be_asked_changes_nothing(world: World, answer: Callable[[Request], Reply]) -> None:
    """It is said, and the next call goes on where this one was."""
    async with stub_server() as stub, InfluxConnection.opened(stub.settings()) as connection:
        stub.script(QUERY, [answer])
        rollups = Rollups(connection, BUILT_IN, REAL_CLOCK, lambda _: None)
        with pytest.raises(StoreUnavailable):
            await rollups.roll_up()

        assert rollups.standings() == ()
        assert [one.until for one in rollups.status(to_datetime(START))] == [None, None]


async def test_a_clock_that_was_ahead_does_not_stop_the_levels(world: World) -> None:
    """Windows that are not over yet are made when they are; what was asked meanwhile was right."""
    await world.write(*[sent(minute, minute) for minute in range(60)])
    await world.roll_up(START + 30 * DAY)
    await world.write(*[sent(minute, minute) for minute in range(60, 130)])
    await world.roll_up(START + 125 * MINUTE)
    assert world.levels(START + 125 * MINUTE)["5m"].until == to_datetime(START + 120 * MINUTE), world.rollups.notes
    await world.write(*[sent(minute, minute) for minute in range(130, 180)])
    await world.roll_up(START + 185 * MINUTE)

    assert segments(await world.ask(Function.COUNT)) == [("1h", 0, 180)]
    assert values(await world.ask(Function.COUNT)) == [[60, 60, 60]]


async def test_a_task_that_never_does_its_work_is_told(world: World) -> None:
    """Three times in a row, for a restart of the server is no reason to look."""
    for minute in range(40):
        await world.write(sent(minute, minute))
        await world.roll_up(START + minute * MINUTE)
        if minute == 12:
            assert world.rollups.notes == ()

    assert [told.partition(" has not done")[0] for told in world.rollups.notes] == ["InfluxDB's task of the level 5m"]
    await world.rollups._run(rollup_tasks(world.settings)[0].flux, START + 40 * MINUTE)
    await world.roll_up(START + 42 * MINUTE)
    assert world.rollups.notes == ()


async def test_two_that_look_after_the_same_levels_harm_nothing(world: World) -> None:
    """Each makes what the other makes; every window is what it should be."""
    await world.write(*[sent(minute, minute) for minute in range(120)])
    async with opened(world.server, world.settings) as other:
        await asyncio.gather(world.roll_up(START + 3 * HOUR), other.roll_up(START + 3 * HOUR))
    bucket = world.settings.level_bucket(FIVE_MINUTES)
    text = f"""from(bucket: "{bucket}") |> range(start: 2026-01-01T00:00:00Z, stop: 2026-01-01T03:00:00Z)
        |> filter(fn: (r) => r._field == "bytes_sent_count") |> sum()"""

    assert [row["_value"] for row in rows(world.server, text)] == ["120"]
