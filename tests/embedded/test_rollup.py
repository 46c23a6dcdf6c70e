"""Rolled-up levels: made once, made again when late samples touch them, and never other than what they were made of."""

import asyncio
import math
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from embedded.archive import Archive
from embedded.engine import EngineOptions
from embedded.store import EmbeddedOptions, EmbeddedStore
from telemetry.histogram import bucket_field, bucket_of
from telemetry.measurements import BUILT_IN
from telemetry.points import Point
from telemetry.rollup import FIVE_MINUTES, ONE_HOUR, Retention
from telemetry.schema import EARLIEST, LATEST
from telemetry.series import (
    Coverage,
    Function,
    GroupBy,
    GroupFunction,
    Quantile,
    Raw,
    SeriesQuery,
    SeriesResult,
    Window,
)
from telemetry.times import from_datetime, to_datetime

SECOND = 10**9
MINUTE, HOUR, DAY = 60 * SECOND, 3_600 * SECOND, 86_400 * SECOND
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
START = from_datetime(NOON)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[EmbeddedStore]:
    async with EmbeddedStore.opened(tmp_path / "metrics.duckdb", EmbeddedOptions(), BUILT_IN) as opened:
        yield opened


def sent(seconds: float, value: int, host: str = "a") -> Point:
    return Point.of("net", {"host": host}, {"bytes_sent": value}, START + int(seconds * SECOND))


async def ask(
    store: EmbeddedStore, *functions: Function, start: int = START, stop: int = START + 2 * HOUR, step: int = HOUR
) -> SeriesResult:
    return await store.read(SeriesQuery("net", ("bytes_sent",), start, stop, Window(step, functions)))


def levels(result: SeriesResult) -> list[tuple[str, int, int]]:
    """The levels of an answer, in minutes after noon."""
    return [(part.level, (part.start - START) // MINUTE, (part.stop - START) // MINUTE) for part in result.segments]


async def test_a_query_takes_coarse_levels_for_the_past_and_finer_ones_for_the_end(store: EmbeddedStore) -> None:
    """Each part from one level, with seams between two windows; the answer says which."""
    await store.write([sent(minute * 60, minute) for minute in range(200)])
    await store.roll_up(NOON + timedelta(minutes=197))
    result = await ask(store, Function.INCREASE, stop=START + 200 * MINUTE, step=HOUR)
    fine = await ask(store, Function.INCREASE, stop=START + 200 * MINUTE, step=5 * MINUTE)

    assert levels(result) == [("1h", 0, 180), ("raw", 180, 240)]
    assert result.level == "1h"
    assert list(result.series[0].values) == [59, 60, 60, 20]
    assert levels(fine) == [("5m", 0, 195), ("raw", 195, 200)]
    assert sum(fine.series[0].values) == 199  # type: ignore[arg-type]


async def test_a_window_is_made_when_its_grace_is_over(store: EmbeddedStore) -> None:
    """What is on its way when a window ends is still in it."""
    await store.write([sent(minute * 60, minute) for minute in range(11)])
    await store.roll_up(NOON + timedelta(minutes=5, seconds=59))
    before = store.rollup_status(NOON)[0].until
    await store.roll_up(NOON + timedelta(minutes=6))

    assert before is None
    assert store.rollup_status(NOON)[0].until == NOON + timedelta(minutes=5)


@pytest.mark.parametrize("function", [Function.MIN, Function.FIRST, Function.MEAN])
async def test_what_levels_do_not_keep_is_read_from_samples(store: EmbeddedStore, function: Function) -> None:
    """A counter's levels keep its growth, its last value and its count: all else comes from the samples."""
    await store.write([sent(minute * 60, minute) for minute in range(200)])
    await store.roll_up(NOON + timedelta(minutes=197))

    assert {part.level for part in (await ask(store, function)).segments} == {"raw"}


async def test_late_samples_are_seen_at_once_and_the_windows_made_again(store: EmbeddedStore) -> None:
    """A query never answers from a window that late samples have touched; the next run makes it right."""
    await store.write([sent(minute * 60, 100 + minute) for minute in range(0, 200, 2)])
    await store.roll_up(NOON + timedelta(minutes=197))
    await store.write([sent(31 * 60, 131), sent(3 * 60, 90)])
    stale = await ask(store, Function.COUNT, Function.INCREASE, stop=START + 3 * HOUR)
    status = {one.level: one.late_windows for one in store.rollup_status(NOON + timedelta(minutes=197))}
    await store.roll_up(NOON + timedelta(minutes=197))
    healed = await ask(store, Function.COUNT, Function.INCREASE, stop=START + 3 * HOUR)

    assert levels(stale) == [("raw", 0, 180)]
    assert levels(healed) == [("1h", 0, 180)]
    assert [list(one.values) for one in healed.series] == [list(one.values) for one in stale.series]
    assert [list(one.values) for one in healed.series] == [[32, 30, 30], [2 + 90 + 14 + 54, 60, 60]]
    assert status == {"5m": 19, "1h": 2}
    assert sum(one.late_windows for one in store.rollup_status(NOON)) == 0


async def test_windows_that_were_missed_are_made_when_it_runs_again(store: EmbeddedStore) -> None:
    """A reconciler that stood still says how far it is behind, and catches up."""
    await store.write([sent(minute * 60, minute) for minute in range(20)])
    await store.roll_up(NOON + timedelta(minutes=20))
    later = NOON + timedelta(hours=30)
    await store.write([Point.of("net", {"host": "a"}, {"bytes_sent": 1}, from_datetime(later) - MINUTE)])
    behind = store.rollup_status(later)[0]
    await store.roll_up(later)
    caught_up = store.rollup_status(later)[0]

    assert (behind.missed_windows, behind.lag_s) == (30 * 12 - 1 - 3, 30 * 3_600 - 15 * 60)
    assert (caught_up.missed_windows, caught_up.until) == (0, later - timedelta(minutes=5))


async def test_what_is_stale_is_remembered_over_a_restart(tmp_path: Path) -> None:
    """It is written in the commit that makes it stale."""
    path = tmp_path / "metrics.duckdb"
    async with EmbeddedStore.opened(path, EmbeddedOptions(), BUILT_IN) as store:
        await store.write([sent(minute * 60, minute) for minute in range(0, 200, 2)])
        await store.roll_up(NOON + timedelta(minutes=197))
        await store.write([sent(33 * 60, 33)])
    async with EmbeddedStore.opened(path, EmbeddedOptions(), BUILT_IN) as store:
        assert levels(await ask(store, Function.COUNT)) == [("raw", 0, 120)]
        await store.roll_up(NOON + timedelta(minutes=197))
        result = await ask(store, Function.COUNT)

    assert levels(result) == [("1h", 0, 120)]
    assert list(result.series[0].values) == [31, 30]


async def test_the_clock_set_back_an_hour_changes_no_answer(store: EmbeddedStore) -> None:
    """Samples come at times whose windows are made already: they replace what stood there."""
    await store.write([sent(minute * 60, minute) for minute in range(120)])
    await store.roll_up(NOON + timedelta(minutes=125))
    for minute in range(60, 90):
        await store.write([sent(minute * 60, 1_000 + minute)])
        await store.roll_up(NOON + timedelta(minutes=minute))
    counted = await ask(store, Function.COUNT, Function.LAST)
    await store.roll_up(NOON + timedelta(minutes=130))
    afterwards = await ask(store, Function.COUNT, Function.LAST)

    assert [list(one.values) for one in counted.series] == [[60, 60], [59, 119]]
    assert [list(one.values) for one in afterwards.series] == [[60, 60], [59, 119]]


async def test_a_clock_that_was_years_ahead_does_not_stop_the_levels(tmp_path: Path) -> None:
    """It made windows and deleted samples up to 2100; once it is right again, levels go on, and so do repairs."""
    path, ahead = tmp_path / "metrics.duckdb", datetime(2100, 1, 1, tzinfo=UTC)
    async with EmbeddedStore.opened(path, EmbeddedOptions(), BUILT_IN) as store:
        await store.write([sent(minute * 60, minute) for minute in range(120)])
        await store.roll_up(NOON + timedelta(minutes=130))
        await store.write([Point.of("net", {"host": "a"}, {"bytes_sent": 1}, from_datetime(ahead) - MINUTE)])
        await store.roll_up(ahead)
        assert await store.delete_expired(ahead) > 120
    async with EmbeddedStore.opened(path, EmbeddedOptions(), BUILT_IN) as store:
        back = NOON + timedelta(hours=3)
        await store.roll_up(back)
        status = store.rollup_status(back)
        await store.write([sent(minute * 60, minute) for minute in range(180, 420, 2)])
        await store.roll_up(NOON + timedelta(minutes=425))
        await store.write([sent(minute * 60, minute) for minute in range(301, 420, 2)])
        await store.roll_up(NOON + timedelta(minutes=425))
        counted = await ask(store, Function.COUNT, start=START + 3 * HOUR, stop=START + 7 * HOUR)
        fine = await ask(store, Function.COUNT, start=START + 3 * HOUR, stop=START + 7 * HOUR, step=5 * MINUTE)
        assert await store.delete_expired(NOON + timedelta(hours=8)) == 0
        assert await store.check_rollups(NOON, NOON + timedelta(hours=7)) == 0

    assert [one.until for one in status] == [back - timedelta(minutes=5), back - timedelta(hours=1)]
    assert levels(counted) == [("1h", 180, 420)]
    assert list(counted.series[0].values) == [30, 30, 60, 60]
    assert sum(value for value in fine.series[0].values if value) == 180  # type: ignore[misc]
    assert (counted.warnings, fine.level) == ((), "5m")


async def test_days_archived_under_a_clock_that_was_ahead_are_archived_again_when_they_are_over(tmp_path: Path) -> None:
    """Half a day was taken for a whole one; once the clock is right the day goes on, and its levels' files follow."""
    folder = tmp_path / "archive"
    archive = Archive(folder)
    options = EmbeddedOptions(engine=EngineOptions(allowed_directories=(folder,)), archive=archive)
    day, until_midnight = START // DAY, (DAY - START % DAY) // MINUTE
    files = {table: archive.path(table, day) for table in ("raw", "rollup_5m", "rollup_1h")}

    def counted() -> dict[str, int]:
        found = {}
        for table, file in files.items():
            what = "count(*)" if table == "raw" else "sum(count)"
            ((found[table],),) = duckdb.sql(f"SELECT {what} FROM '{file}'").fetchall()
        return found

    async with EmbeddedStore.opened(tmp_path / "metrics.duckdb", options, BUILT_IN) as store:
        await store.write([sent(minute * 60, minute) for minute in range(60)])
        ahead = NOON + timedelta(days=1, hours=12)
        await store.roll_up(ahead)
        await store.snapshot_closed_days(ahead)
        too_early = counted()
        await store.roll_up(NOON + timedelta(hours=1))  # the clock is right again
        await store.write([sent(minute * 60, minute) for minute in range(60, until_midnight + 60)])
        later = NOON + timedelta(days=1, hours=5)
        await store.roll_up(later)
        await store.snapshot_closed_days(later)

    assert set(too_early.values()) == {60}
    assert counted() == dict.fromkeys(files, until_midnight)


async def test_what_was_deleted_under_a_clock_that_was_ahead_is_remembered_over_a_restart(tmp_path: Path) -> None:
    """A later, smaller deletion does not make samples whole that are gone: their windows stay as they are."""
    path, ahead = tmp_path / "metrics.duckdb", NOON + timedelta(days=8)
    async with EmbeddedStore.opened(path, EmbeddedOptions(), BUILT_IN) as store:
        await store.write([sent(minute * 60, minute) for minute in range(0, 2_000, 2)])
        await store.roll_up(ahead)
        await store.delete_expired(ahead)
        await store.write([sent(-DAY / SECOND, 1)])
        await store.delete_expired(NOON + timedelta(days=7))
    async with EmbeddedStore.opened(path, EmbeddedOptions(), BUILT_IN) as store:
        await store.write([sent(60 * 60 + 60, 1)])
        await store.roll_up(ahead)
        counted = await ask(store, Function.COUNT)

    assert list(counted.series[0].values) == [30, 30]


async def test_points_at_the_ends_of_time_harm_nobody(store: EmbeddedStore) -> None:
    """At one nanosecond, a nanosecond apart, in 1677, 2100 and 2262: kept, rolled up, and deleted by the rule."""
    ends = [EARLIEST, -1, 0, 1, 2, START, START + 1, from_datetime(datetime(2100, 1, 1, tzinfo=UTC)), LATEST]
    await store.write([Point.of("net", {"host": "a"}, {"bytes_sent": n}, time) for n, time in enumerate(ends)])
    await store.write([sent(minute * 60, minute, "b") for minute in range(1, 120)])
    async with asyncio.timeout(20):  # nobody walks through 350 years of empty windows
        await store.roll_up(NOON + timedelta(hours=3))
    hours = {one.until for one in store.rollup_status(NOON)}
    raw = await store.read(SeriesQuery("net", (), EARLIEST, LATEST + 1, Raw()))
    old = await ask(store, Function.COUNT, Function.INCREASE, start=-HOUR, stop=HOUR)
    await store.sort_closed_days(NOON + timedelta(days=1))
    deleted = await store.delete_expired(NOON + timedelta(hours=3))
    kept = await store.read(SeriesQuery("net", (), EARLIEST, LATEST + 1, Raw()))
    counted = await ask(store, Function.COUNT, start=START - HOUR, stop=START + 2 * HOUR)

    assert list(raw.series[0].times) == ends
    assert [list(one.values) for one in old.series] == [[1, 3], [None, 3]]
    assert old.level == "1h"
    assert hours == {NOON + timedelta(hours=2, minutes=55), NOON + timedelta(hours=2)}
    assert (deleted, list(kept.series[0].times)) == (5 + 3 + 3, ends[5:])  # samples, and windows of both levels
    assert [list(one.values) for one in counted.series] == [[None, 2, None], [None, 59, 60]]


@pytest.mark.parametrize(
    ("step", "age", "is_told"),
    [(MINUTE, 8, True), (5 * MINUTE, 181, True), (HOUR, 1_096, True), (5 * MINUTE, 8, False), (HOUR, 181, False)],
)
async def test_every_level_says_from_when_on_it_is_whole(
    store: EmbeddedStore, step: int, age: int, *, is_told: bool
) -> None:
    """A range that begins before what its level keeps is answered with a warning, not with silence."""
    for year in (0, 1, 2, 3, 4):
        await store.write([sent(year * 365 * DAY / SECOND + minute * 60, minute) for minute in range(120)])
    now = NOON + timedelta(days=4 * 365, hours=3)
    await store.roll_up(now)
    await store.delete_expired(now)
    start = from_datetime(now - timedelta(days=age))
    warnings = (await ask(store, Function.COUNT, start=start, stop=start + 3 * DAY, step=step)).warnings

    kept = {MINUTE: timedelta(days=7), 5 * MINUTE: timedelta(days=180), HOUR: timedelta(days=1_095)}[step]
    hint = "" if step == HOUR else "; rolled-up levels answer longer steps, as every=1h"
    words = f"samples before {now - kept:%Y-%m-%dT%H:%M:%SZ} are no longer kept, and not in this answer{hint}"
    assert warnings == ((words,) if is_told else ())


async def test_a_sample_too_old_to_be_rolled_up_does_not_hide_what_is(store: EmbeddedStore) -> None:
    """Its window cannot be made again, so no answer waits for that: hours stay hours."""
    old = NOON + timedelta(days=9)
    await store.write([sent(minute * 60, minute) for minute in range(200)])
    await store.roll_up(old)
    await store.delete_expired(old)
    await store.write([sent(90, 5)])
    result = await ask(store, Function.COUNT)

    assert levels(result) == [("1h", 0, 120)]
    assert list(result.series[0].values) == [60, 60]


async def test_numbers_too_great_to_be_added_stop_nobody(store: EmbeddedStore) -> None:
    """Sums beyond the greatest double are no answer, neither an infinity; other series and levels go on."""
    huge = [1.7e308, 1.7e308, -1.7e308, -1.7e308, 1.7e308, 5.0]
    await store.write([Point.of("cpu", {"host": "a"}, {"usage_idle": one}, START + n) for n, one in enumerate(huge)])
    await store.write([Point.of("cpu", {"host": "b"}, {"usage_idle": 2.0}, START + n * MINUTE) for n in range(120)])
    answers = {}
    for rolled in (False, True):
        for shape in (Window(HOUR, tuple(Function)), Window(5 * MINUTE, tuple(Function))):
            asked = SeriesQuery("cpu", ("usage_idle",), START, START + HOUR, shape, top=5)
            answers[rolled, shape.step] = await store.read(asked)
            await store.read(replace(asked, group_by=GroupBy((), GroupFunction.SUM)))
            await store.read(replace(asked, group_by=GroupBy(())))
        await store.roll_up(NOON + timedelta(hours=3))
    summed = await ask_cpu(store)

    assert all(
        value is None or math.isfinite(value)  # type: ignore[arg-type]
        for answer in (*answers.values(), summed)
        for one in answer.series
        for value in one.values
    )
    assert (summed.level, [list(one.values) for one in summed.series]) == (
        "1h",
        [[None, None], [6, None], [-1.7e308, None], [120.0, 120.0], [60, 60], [2.0, 2.0]],
    )


async def ask_cpu(store: EmbeddedStore) -> SeriesResult:
    shape = Window(HOUR, (Function.SUM, Function.COUNT, Function.MIN))
    return await store.read(SeriesQuery("cpu", ("usage_idle",), START, START + 2 * HOUR, shape))


async def test_a_level_that_differs_from_its_samples_is_found_and_made_again(tmp_path: Path) -> None:
    """Whatever made it so: the counts of a level are compared with those of its source."""
    path = tmp_path / "metrics.duckdb"
    async with EmbeddedStore.opened(path, EmbeddedOptions(), BUILT_IN) as store:
        await store.write([sent(minute * 60, minute) for minute in range(200)])
        await store.roll_up(NOON + timedelta(minutes=197))
        assert await store.check_rollups(NOON, NOON + timedelta(hours=4)) == 0
        connection = store._connection
        connection.execute(f"DELETE FROM rollup_5m WHERE ts = {START + 10 * MINUTE}")
        found = await store.check_rollups(NOON, NOON + timedelta(hours=4))
        await store.roll_up(NOON + timedelta(minutes=197))
        counted = await ask(store, Function.COUNT, step=5 * MINUTE)

        assert found == 12
        assert await store.check_rollups(NOON, NOON + timedelta(hours=4)) == 0
    assert list(counted.series[0].values) == [5] * 24


async def test_samples_stay_until_every_level_is_made_from_them(store: EmbeddedStore) -> None:
    """Retention waits for a reconciler that stands still; what is rolled up then goes."""
    old = NOON + timedelta(days=9)
    await store.write([sent(minute * 60, minute) for minute in range(200)])
    await store.roll_up(NOON + timedelta(minutes=20))
    held = await store.delete_expired(old)
    await store.roll_up(old)
    deleted = await store.delete_expired(old)
    result = await ask(store, Function.COUNT, Function.LAST, stop=START + 4 * HOUR)

    assert (held, deleted) == (0, 200)
    assert levels(result) == [("1h", 0, 240)]
    assert [list(one.values) for one in result.series] == [[60, 60, 60, 20], [59, 119, 179, 199]]


async def test_what_only_samples_could_say_is_told_to_be_missing(store: EmbeddedStore) -> None:
    """A step that no level answers, over time whose samples are gone: the answer says from when on it knows."""
    old = NOON + timedelta(days=9)
    await store.write([sent(minute * 60, minute) for minute in range(200)])
    await store.roll_up(old)
    await store.delete_expired(old)
    result = await ask(store, Function.COUNT, step=MINUTE)
    raw = await store.read(SeriesQuery("net", (), START, START + HOUR, Raw()))

    assert result.series == raw.series == ()
    assert "samples before 2026-11-26T12:00:00Z are no longer kept" in result.warnings[0]
    assert "no longer kept" in raw.warnings[0]


async def test_a_window_of_deleted_samples_is_never_made_from_what_is_left(store: EmbeddedStore) -> None:
    """A sample that comes later than samples are kept does not destroy the good window."""
    old = NOON + timedelta(days=9)
    await store.write([sent(minute * 60, minute) for minute in range(200)])
    await store.roll_up(old)
    await store.delete_expired(old)
    await store.write([sent(90, 5)])
    await store.roll_up(old + timedelta(minutes=10))
    result = await ask(store, Function.COUNT)

    assert list(result.series[0].values) == [60, 60]


async def test_quantiles_outlive_their_samples_in_buckets(store: EmbeddedStore) -> None:
    """Exact while the samples are kept; from the histogram afterwards, to the width of a bucket, and it says so."""
    chance = random.Random(7)
    latencies = [chance.lognormvariate(4.5, 0.6) for _ in range(720)]
    tags = {"service": "shop", "probe": "http", "kind": "http", "host": "a"}
    fields = [{"latency_ms": one, bucket_field("latency_ms", bucket_of(one)): 1} for one in latencies]
    await store.write([Point.of("probe", tags, some, START + n * 10 * SECOND) for n, some in enumerate(fields)])
    asked = SeriesQuery("probe", ("latency_ms",), START, START + 2 * HOUR, Quantile(2 * HOUR, (0.5, 0.95)))
    exact = await store.read(asked)
    old = NOON + timedelta(days=9)
    await store.roll_up(old)
    await store.delete_expired(old)
    counted = await store.read(asked)

    ordered = sorted(latencies)
    assert [list(one.values) for one in exact.series] == [[ordered[359]], [ordered[683]]]
    assert (exact.level, exact.warnings) == ("raw", ())
    assert [one.values[0] for one in counted.series] == [
        pytest.approx(ordered[359], rel=0.13),
        pytest.approx(ordered[683], rel=0.13),
    ]
    assert counted.level == "1h"
    assert "buckets" in counted.warnings[0]


async def test_conservation_over_fourteen_days(tmp_path: Path) -> None:
    """A reconciler that stands still for days, late samples, a restart every night: every count is kept at every level.

    And availability is the same from samples, from five minutes and from hours.
    """
    chance = random.Random(14)
    path = tmp_path / "metrics.duckdb"
    options = EmbeddedOptions(Retention(raw=timedelta(days=30)))
    kinds = ("up_s", "degraded_s", "down_s")
    states: list[Point] = []
    for service in ("shop", "bank"):
        moment, sent_by_now = START, 0
        while moment < START + 14 * DAY:
            spent = dict.fromkeys(kinds, 0.0) | {chance.choice(kinds): 300.0}
            tags = {"service": service, "probe": "http", "kind": "http", "host": "a"}
            states.append(Point.of("probe", tags, {**spent, "state": chance.randint(0, 3)}, moment))
            sent_by_now = chance.randint(0, 50) if chance.random() < 0.02 else sent_by_now + chance.randint(0, 9)
            states.append(Point.of("net", {"host": service}, {"bytes_sent": sent_by_now}, moment))
            moment += chance.choice([240, 300, 300, 300, 3_000]) * SECOND
    late = {number for number in range(len(states)) if chance.random() < 0.05}
    waiting: list[Point] = []
    for day in range(14):
        async with EmbeddedStore.opened(path, options, BUILT_IN) as store:  # a restart every night
            for quarter in range(4):
                begin = START + day * DAY + quarter * 6 * HOUR
                now = [number for number, point in enumerate(states) if begin <= point.time < begin + 6 * HOUR]
                waiting += [states[number] for number in now if number in late]
                for one in (now[::2], now[1::2]):  # and not in order of time
                    await store.write([states[number] for number in one if number not in late])
                if not 4 <= day < 9:  # it stands still for five days
                    await store.roll_up(to_datetime(begin + 6 * HOUR))
                if chance.random() < 0.3:
                    await store.write(waiting)
                    waiting.clear()
    async with EmbeddedStore.opened(path, options, BUILT_IN) as store:
        await store.write(waiting)
        await store.roll_up(to_datetime(START + 14 * DAY + 10 * MINUTE))
        assert await store.check_rollups(NOON, to_datetime(START + 15 * DAY)) == 0
        counts, shares, grown = {}, {}, {}
        for step, level in ((7 * MINUTE, "raw"), (FIVE_MINUTES.step, "5m"), (ONE_HOUR.step, "1h")):
            stop = START + 14 * DAY
            covered = await store.read(SeriesQuery("probe", (), START, stop, Coverage(step)))
            sums = await store.read(SeriesQuery("probe", kinds, START, stop, Window(step, (Function.SUM,))))
            assert {part.level for part in (*covered.segments, *sums.segments)} == {level}
            counts[level] = {one.series: sum(value for value in one.values if value) for one in covered.series}  # type: ignore[misc]
            spent = dict.fromkeys(kinds, 0.0)
            for one in sums.series:
                spent[one.series.field] += sum(value for value in one.values if value)  # type: ignore[misc]
            network = SeriesQuery("net", (), START, stop, Window(step, (Function.COUNT, Function.INCREASE)))
            answer = await store.read(network)
            assert {part.level for part in answer.segments} == {level}
            grown[level] = [(one.series, sum(value for value in one.values if value)) for one in answer.series]  # type: ignore[misc]
            shares[level] = (spent["up_s"] + spent["degraded_s"]) / sum(spent.values())

    assert sum(counts["raw"].values()) == 4 * len(states) / 2
    assert grown["raw"] == grown["5m"] == grown["1h"]
    assert sum(number for _, number in grown["raw"][::2]) == len(states) / 2
    assert counts["raw"] == counts["5m"] == counts["1h"]
    assert shares["raw"] == shares["5m"] == shares["1h"]
