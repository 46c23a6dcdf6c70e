"""What one lane of the spool cannot deliver holds up no other, and is never blamed for it."""

import asyncio
import os
import random
import signal
import sqlite3
import time
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.quarantine import Quarantine
from collector.spool import Spool, SpoolLimits
from collector.spool_codec import MAX_POINTS, day_of, pack
from collector.spool_file import Pending, SpoolFile
from collector.spool_lane import DeliveryStatistics, LaneParts
from collector.spool_rows import BrokenBatch, StoredBatch
from collector.spool_thread import SpoolThread
from embedded.store import EmbeddedStore
from telemetry.clock import Clock
from telemetry.measurements import BUILT_IN
from telemetry.points import Point
from telemetry.ports import WRITTEN, PointWriter, Refused, WriteOutcome, WriteStatus
from telemetry.series import Raw, SeriesQuery
from tests.collector.doubles import (
    REAL_CLOCK,
    SECOND,
    START,
    Destination,
    SetClock,
    hurried_clock,
    lane_of,
    load,
)
from tests.collector.test_spool_file import YEAR, run_victim
from tests.collector.victim import OPTIONS

TEN_SECONDS = timedelta(seconds=10)
AWAY = WriteOutcome(WriteStatus.RETRY, "that bucket is away")


class Buckets(Destination):
    """Takes what is in no lane that is away; a batch that mixes lanes is a mistake."""

    def __init__(self, outcome: WriteOutcome = AWAY, away: set[str] | None = None) -> None:
        super().__init__(self._of)
        self.away = {"events"} if away is None else away
        self.tries: Counter[str] = Counter()
        self._outcome = outcome

    def _of(self, points: Sequence[Point]) -> WriteOutcome:
        (lane,) = {lane_of(point) for point in points}
        self.tries[lane] += 1
        return self._outcome if lane in self.away else WRITTEN

    def of(self, lane: str) -> list[Point]:
        return [point for point in self.points if lane_of(point) == lane]


@asynccontextmanager
async def in_lanes(
    directory: Path, destination: PointWriter, clock: Clock = REAL_CLOCK, backlog_per_second: float = 1_000
) -> AsyncIterator[Spool]:
    quarantine = Quarantine(directory / "quarantine", clock)
    limits = SpoolLimits(backlog_per_second=backlog_per_second)
    path = directory / "spool.sqlite"
    async with Spool.opened(path, destination, quarantine, limits, clock, lane_of=lane_of) as spool:
        yield spool


def mem(second: float, host: str = "web") -> Point:
    return load(second, host, "mem")


def value(number: float, second: float, measurement: str = "mem") -> Point:
    return Point.of(measurement, {"host": "web"}, {"value": number}, START + int(second * SECOND))


def leave(directory: Path, *batches: Sequence[Point]) -> None:
    """What another process wrote, or an earlier version, that knows no lanes."""
    file = SpoolFile.open(directory / "spool.sqlite", "stamp")
    for points in batches:
        file.insert(pack(points)[0], START, ())
    file.close()


def items(directory: Path) -> int:
    """How many items are in quarantine."""
    return sum(path.read_text().count("\n") for path in (directory / "quarantine").glob("*.jsonl"))


@pytest.mark.parametrize("status", [WriteStatus.RETRY, WriteStatus.PAUSE])
async def test_a8_a_lane_that_is_away_for_ever_holds_up_no_other(tmp_path: Path, status: WriteStatus) -> None:
    """It is tried again and again while the other flows: nothing of it is suspected, and all of it arrives in order."""
    destination = Buckets(WriteOutcome(status, "no such bucket"))
    async with in_lanes(tmp_path, destination, hurried_clock()) as spool:
        for second in range(40):
            # Mostly of the one that is well: what waits of the other is then tried again and again itself.
            assert await spool.write([load(second)] + [mem(second)] * (second % 10 == 0)) == WRITTEN
            await destination.until(lambda second=second: len(destination.of("metrics")) > second, 2)  # type: ignore[misc]
            assert not await spool.drain(timedelta(seconds=0.05))  # whoever waits for it lets every lane look at once
        assert destination.tries["events"] >= 25

        assert spool.statistics.troubles == {"events": "no such bucket", "metrics": ""}
        assert spool.statistics.trouble == "events: no such bucket"
        assert destination.of("events") == []
        destination.away.clear()
        assert await spool.drain(TEN_SECONDS)
        assert spool.statistics.trouble == ""

    assert destination.of("events") == [mem(second) for second in range(0, 40, 10)]
    assert destination.of("metrics") == [load(second) for second in range(40)]
    assert items(tmp_path) == 0


async def test_a4_an_hour_without_one_lane(tmp_path: Path) -> None:
    """Its points wait on disk and not in memory, those of the other arrive at once; afterwards all are there, once."""
    destination, clock = Buckets(WriteOutcome(WriteStatus.RETRY, "away", timedelta(minutes=10))), SetClock()
    hosts = [f"host-{number}" for number in range(500)]
    sizes = []
    async with in_lanes(tmp_path, destination, clock.clock) as spool:
        assert spool._delivery is not None
        tracemalloc.start()
        for minute in range(60):
            await spool.write([mem(minute * 60, host) for host in hosts] + [load(minute * 60)])
            await destination.until(lambda minute=minute: len(destination.of("metrics")) == minute + 1, 2)  # type: ignore[misc]
            assert spool._delivery.live_batches <= 1
            clock.advance(60)
            if minute in {9, 59}:
                await spool.refresh()
                sizes.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
        assert (await spool.refresh()).pending.batches == 60
        destination.away.clear()
        clock.advance(600)
        assert await spool.drain(TEN_SECONDS)
        assert spool.statistics.delivered_points == spool.statistics.acknowledged_points == 60 * 501

    assert sizes[1] - sizes[0] < 1_000_000, sizes  # 25,000 points take some 15 MB
    assert Counter((point.time, dict(point.tags)["host"]) for point in destination.of("events")) == Counter(
        (mem(minute * 60).time, host) for minute in range(60) for host in hosts
    )


async def test_a7_a_lane_that_asks_for_time_gets_it_alone(tmp_path: Path) -> None:
    """Retry-After of one bucket, ten years of it, is kept to ten minutes, and is not meant for the others."""
    destination, clock = Buckets(WriteOutcome(WriteStatus.RETRY, "busy", timedelta(days=3_650))), SetClock()
    async with in_lanes(tmp_path, destination, clock.clock) as spool:
        await spool.write([mem(0), load(0)])
        await destination.until(lambda: destination.tries == {"events": 1, "metrics": 1})
        destination.away.clear()
        clock.advance(590)
        await spool.write([mem(1), load(1)])
        await destination.until(lambda: len(destination.of("metrics")) == 2)
        assert destination.tries["events"] == 1
        clock.advance(20)

        assert await spool.drain(TEN_SECONDS)
        assert destination.of("events") == [mem(1), mem(0)]  # what is live goes first


async def test_a_lane_that_hangs_holds_up_no_other(tmp_path: Path) -> None:
    """A bucket that never answers keeps its own lane waiting."""
    gate = asyncio.Event()

    class Hanging(Buckets):
        async def write(self, points: Sequence[Point]) -> WriteOutcome:
            if lane_of(points[0]) == "events":
                await gate.wait()
            return await super().write(points)

    destination = Hanging(away=set())
    async with in_lanes(tmp_path, destination) as spool:
        for second in range(5):
            await spool.write([mem(second), load(second)])
        await destination.until(lambda: len(destination.of("metrics")) == 5, 2)
        assert not await spool.drain(timedelta(seconds=0.2))
        gate.set()

        assert await spool.drain(TEN_SECONDS)
        assert destination.of("events") == [mem(second) for second in range(5)]


async def test_a10_a_lane_of_which_some_is_refused_goes_on(tmp_path: Path) -> None:
    """PARTIAL in one lane: the rest landed, what was refused is in quarantine, the other lane is as ever."""

    class Picky(Buckets):
        def _of(self, points: Sequence[Point]) -> WriteOutcome:
            bad = [Refused(point, "outside retention") for point in points if point == mem(1)]
            return WriteOutcome(WriteStatus.PARTIAL, refused=tuple(bad)) if bad else WRITTEN

    destination = Picky()
    async with in_lanes(tmp_path, destination) as spool:
        await spool.write([mem(0), mem(1), load(1), mem(2)])

        assert await spool.drain(TEN_SECONDS)
        assert (destination.of("events"), destination.of("metrics")) == ([mem(0), mem(2)], [load(1)])
        assert spool.statistics.delivered_points == 3
        assert "".join(path.read_text() for path in (tmp_path / "quarantine").glob("*.jsonl")).count("retention") == 1


# Rows that know no lanes


async def test_rows_of_an_earlier_version_are_drained_lane_by_lane(tmp_path: Path) -> None:
    """Their column says another thing, and they mix lanes: what can go goes, what cannot waits in its place."""
    mixed = [[load(second), mem(second)] for second in range(300)]
    leave(tmp_path, *mixed, [load(300)], [mem(301)])
    destination, clock = Buckets(), SetClock()
    async with in_lanes(tmp_path, destination, clock.clock) as spool:
        await destination.until(lambda: len(destination.of("metrics")) == 301)
        await spool.write([mem(302)])
        assert not await spool.drain(timedelta(seconds=0.3))
        destination.away.clear()
        clock.advance(60)
        assert await spool.drain(TEN_SECONDS)
        assert (await spool.refresh()).pending == Pending()

    assert destination.of("metrics") == [load(second) for second in range(301)]
    assert sorted(point.time for point in destination.of("events")) == [
        mem(second).time for second in [*range(300), 301, 302]
    ]


async def test_a_bad_point_of_a_mixed_row_goes_alone(tmp_path: Path) -> None:
    """Its batch is halved down to it, and what other lanes have in the same rows stays."""

    class Choking(Buckets):
        def _of(self, points: Sequence[Point]) -> WriteOutcome:
            if mem(7) in points:
                return WriteOutcome(WriteStatus.POISON, "type conflict")
            return super()._of(points)

    leave(tmp_path, *([load(second), mem(second)] for second in range(20)))
    destination, clock = Choking(away={"metrics"}), SetClock()
    async with in_lanes(tmp_path, destination, clock.clock) as spool:
        await destination.until(lambda: len(set(map(repr, destination.of("events")))) == 19)
        destination.away.clear()
        clock.advance(60)
        assert await spool.drain(TEN_SECONDS)

    # Halves may go twice, as they go before what waits.
    assert set(map(repr, destination.of("metrics"))) == {repr(load(second)) for second in range(20)}
    assert set(map(repr, destination.of("events"))) == {repr(mem(second)) for second in range(20) if second != 7}
    assert items(tmp_path) == 1


async def test_rows_of_another_process_that_knows_no_lanes_are_delivered(tmp_path: Path) -> None:
    """`collect --once` writes beside a server with lanes; also of a lane that the server has not met yet."""
    destination = Buckets(away=set())
    async with in_lanes(tmp_path, destination) as spool:
        quarantine = Quarantine(tmp_path / "quarantine", REAL_CLOCK)
        async with Spool.opened(tmp_path / "spool.sqlite", None, quarantine, SpoolLimits(), REAL_CLOCK) as other:
            await other.write([load(0), mem(0)])
            await destination.until(lambda: len(destination.points) == 2, seconds=4)
            assert await other.drain(TEN_SECONDS)
        assert await spool.drain(TEN_SECONDS)


async def test_rows_with_lanes_are_drained_by_a_spool_without(tmp_path: Path) -> None:
    """After the store was changed to one that is one: whatever the rows say, all of them go."""
    async with in_lanes(tmp_path, Buckets(away={"events", "metrics"})) as spool:
        await spool.write([load(0), mem(0), load(1)])
    destination = Destination()
    quarantine = Quarantine(tmp_path / "quarantine", REAL_CLOCK)
    async with Spool.opened(tmp_path / "spool.sqlite", destination, quarantine, SpoolLimits(), REAL_CLOCK) as spool:
        assert await spool.drain(TEN_SECONDS)

    assert sorted(map(repr, destination.points)) == sorted(map(repr, [load(0), mem(0), load(1)]))


async def test_a_broken_row_that_no_lane_is_known_of_is_put_away_once(tmp_path: Path) -> None:
    """Several lanes may meet it; there is one item in quarantine, and its neighbours go."""
    leave(tmp_path, [load(0), mem(0)], [load(1)], [load(2), mem(2)])
    with closing(sqlite3.connect(tmp_path / "spool.sqlite")) as connection, connection:
        connection.execute(
            "UPDATE batch SET payload = x'5b5d' WHERE id = (SELECT id FROM batch ORDER BY id LIMIT 1 OFFSET 1)"
        )
    destination = Buckets(away=set())
    async with in_lanes(tmp_path, destination) as spool:
        assert await spool.drain(TEN_SECONDS)
        assert spool.statistics.broken_batches == 1

    assert len(destination.points) == 4
    assert items(tmp_path) == 1


async def test_a_broken_row_that_two_lanes_have_found_is_put_away_once(tmp_path: Path) -> None:
    """The second finds that it is gone."""
    leave(tmp_path, [load(0)])
    with closing(sqlite3.connect(tmp_path / "spool.sqlite")) as connection, connection:
        connection.execute("UPDATE batch SET payload = x'5b5d'")
    thread = SpoolThread(SpoolFile.open(tmp_path / "spool.sqlite", "stamp", lane_of), REAL_CLOCK)
    quarantine = Quarantine(tmp_path / "quarantine", REAL_CLOCK)
    parts = LaneParts(thread, Destination(), quarantine, REAL_CLOCK, DeliveryStatistics(), 20)
    broken = thread.file.oldest((), "events")
    assert isinstance(broken, BrokenBatch)
    await asyncio.gather(parts.put_away(broken), parts.put_away(broken))
    await thread.close()

    assert parts.statistics.broken_batches == items(tmp_path) == 1


def test_a_row_with_the_name_of_another_lane_is_found_by_its_own(tmp_path: Path) -> None:
    """As after a start with other buckets under the same names: what the points say counts, also looked at late."""
    file = SpoolFile.open(
        tmp_path / "spool.sqlite", "stamp", lambda one: "metrics" if lane_of(one) == "events" else "events"
    )
    file.insert(pack([load(0), mem(0)], lambda one: one.measurement)[0], START, ())
    file.close()
    file = SpoolFile.open(tmp_path / "spool.sqlite", "stamp", lane_of)
    file.insert(pack([load(9), mem(9)], lane_of)[0], START, ())  # from now on both names are known
    found: dict[str, list[Point]] = {"metrics": [], "events": []}
    for lane in ("metrics", "events", "metrics"):
        while isinstance(batch := file.oldest((), lane), StoredBatch):
            found[lane] += batch.points
            file.forget(batch)
    file.close()

    assert sorted(map(repr, found["metrics"])) == sorted(map(repr, [load(0), load(9)]))
    assert sorted(map(repr, found["events"])) == sorted(map(repr, [mem(0), mem(9)]))


# The order rule


async def test_in_a_lane_that_was_away_the_value_acknowledged_last_wins(tmp_path: Path) -> None:
    """Whatever overtook what waited; and what has nothing behind it in its own lane goes once."""
    destination, clock = Buckets(), SetClock()
    async with in_lanes(tmp_path, destination, clock.clock, backlog_per_second=50) as spool:
        for second in range(5):
            await spool.write([value(1, second), value(1, second + 86_400)])
        await spool.write([value(7, 0, "system")])
        await destination.until(lambda: len(destination.of("metrics")) == 1)
        destination.away.clear()
        clock.advance(60)
        await spool.write([value(2, second) for second in (1, 3, 200_000)] + [value(8, 0, "system")])
        assert await spool.drain(TEN_SECONDS)

    found = {point.time: point.fields["value"] for point in destination.of("events")}
    assert [found[value(0, second).time] for second in range(5)] == [1, 2, 1, 2, 1]
    assert [point.fields["value"] for point in destination.of("metrics")] == [7, 8]


async def test_the_older_value_of_a_mixed_row_does_not_win(tmp_path: Path) -> None:
    """Rows that know no lanes keep their place among those that do."""
    days = [[value(1, -day * 86_400), value(1, -day * 86_400, "system")] for day in range(5, 0, -1)]
    leave(tmp_path, *days, [value(1, 0), value(1, 0, "system")], [value(2, 0, "system"), value(2, 0)])
    destination, clock = Buckets(), SetClock()
    async with in_lanes(tmp_path, destination, clock.clock, backlog_per_second=20) as spool:
        await spool.write([value(3, -86_400, "system"), value(3, -86_400)])
        destination.away.clear()
        clock.advance(60)
        await spool.write([value(4, -2 * 86_400), value(4, -2 * 86_400, "system")])
        assert await spool.drain(TEN_SECONDS)

    for lane in ("events", "metrics"):
        found = {point.time: point.fields["value"] for point in destination.of(lane)}
        assert [found[value(0, -day * 86_400).time] for day in range(3)] == [2, 3, 4]


# The file


def filled(path: Path, lane: str, rows: int) -> SpoolFile:
    """A spool in which so many rows of one lane wait."""
    file = SpoolFile.open(path, "stamp", lane_of)
    points = [load(day * 86_400, measurement="mem" if lane == "events" else "system") for day in range(rows)]
    file.insert(pack(points, lane_of)[0], START, ())
    return file


def test_what_waits_of_one_lane_is_not_read_for_another(tmp_path: Path) -> None:
    """Of ten thousand rows none is decoded, and a second look does not even pass over them."""
    file = filled(tmp_path / "spool.sqlite", "events", 10_000)
    with file._connection as connection:
        connection.execute("UPDATE batch SET payload = x'5b5d'")  # whoever reads one finds it broken
    (own,) = file.insert(pack([load(0)], lane_of)[0], START, ())
    assert file.oldest((), "metrics") == own
    file.delete(own.identifiers)
    assert file.oldest((), "metrics") is None
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    file._connection.set_progress_handler(count, 100)
    started = time.perf_counter()
    for _ in range(100):
        assert file.oldest((), "metrics") is None
    elapsed = time.perf_counter() - started
    file._connection.set_progress_handler(None, 0)
    file.close()

    assert steps < 500, "ten thousand rows take hundreds of steps each time"
    assert elapsed < 1


LANES = ("a", "b", "c")
OPERATIONS = st.lists(
    st.one_of(
        st.lists(st.tuples(st.sampled_from(LANES), st.integers(0, 2)), min_size=1, max_size=6),  # rows without lanes
        st.tuples(st.just("own"), st.sampled_from(LANES)),
        st.tuples(st.just("drain"), st.sampled_from(LANES)),
        st.just("reopen"),
    ),
    max_size=12,
)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(OPERATIONS)
def test_every_lane_gets_its_points_in_their_order_and_once(operations: list[object]) -> None:
    """However rows with lanes and without are mixed, and whichever lanes stand still meanwhile."""
    written: dict[str, list[Point]] = {lane: [] for lane in LANES}
    taken: dict[str, list[Point]] = {lane: [] for lane in LANES}
    numbers = iter(range(10_000))

    def point(lane: str, day: int) -> Point:
        made = Point.of(lane, {}, {"value": next(numbers)}, START + day * 86_400 * SECOND)
        written[lane].append(made)
        return made

    def take(lane: str) -> bool:
        batch = file.oldest((), lane)
        if isinstance(batch, StoredBatch):
            assert len({day_of(one) for one in batch.points}) == 1
            taken[lane] += batch.points
            file.forget(batch)
        return batch is not None

    with TemporaryDirectory() as folder:
        path = Path(folder) / "spool.sqlite"
        file = SpoolFile.open(path, "stamp", lambda one: one.measurement)
        for operation in operations:
            if isinstance(operation, list):
                mixed = [point(lane, day) for lane, day in sorted(operation, key=lambda one: one[1])]
                stranger = SpoolFile.open(path, "stamp")
                stranger.insert(pack(mixed)[0], START, ())
                stranger.close()
            elif operation == "reopen":
                file.close()
                file = SpoolFile.open(path, "stamp", lambda one: one.measurement)
            elif operation[0] == "own":  # type: ignore[index]
                file.insert(pack([point(operation[1], 0)], lambda one: one.measurement)[0], START, ())  # type: ignore[index]
            else:
                take(operation[1])  # type: ignore[index]
        for lane in LANES:
            while take(lane):
                pass
        pending = file.pending()
        file.close()

    assert taken == written
    assert pending == Pending()


def test_a_row_has_points_of_one_lane() -> None:
    """However they come mixed; each lane keeps their order, and the bound on a row holds in each."""
    packed, refused = pack(
        [point for second in range(MAX_POINTS + 1) for point in (load(second), mem(second))], lane_of
    )

    assert [(one.lane, len(one.points)) for one in packed] == [
        ("metrics", MAX_POINTS),
        ("metrics", 1),
        ("events", MAX_POINTS),
        ("events", 1),
    ]
    assert all({lane_of(point) for point in one.points} == {one.lane} for one in packed)
    assert refused == []


@pytest.mark.parametrize(
    ("troubles", "sentence"),
    [
        ({}, ""),
        ({"store": ""}, ""),
        ({"store": "away"}, "away"),
        ({"events": "away", "metrics": "", "self": ""}, "events: away"),
        ({"events": "away", "metrics": "", "self": "away"}, "events, self: away"),
        ({"events": "away", "metrics": "busy", "self": ""}, "events: away; metrics: busy"),
        ({"events": "away", "metrics": "away"}, "away"),
    ],
)
def test_the_trouble_of_the_lanes_is_one_sentence(troubles: dict[str, str], sentence: str) -> None:
    """Who is in trouble is named where others are not; what all have is said once."""
    assert DeliveryStatistics(troubles=troubles).trouble == sentence


# Killed


def kill_at_random(directory: Path, what: str, first: int, chance: random.Random) -> set[int]:
    with run_victim(str(directory), what, str(first)) as victim:
        assert victim.stdout is not None
        acknowledged = {int(victim.stdout.readline())}
        time.sleep(chance.uniform(0.05, 0.5))  # the moment of the kill is the experiment
        os.kill(victim.pid, signal.SIGKILL)
        lines = victim.stdout.read().split("\n")[:-1]  # a line without its end was not said
    return acknowledged | {int(line) for line in lines}


async def test_a1_what_a_lane_that_is_away_has_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    """Killed at any moment, with lanes and without by turns: when the lane is back, every point is there once."""
    acknowledged: dict[str, set[int]] = {"kill": set(), "lanes": set()}
    chance = random.Random(2)
    for number in range(6):
        what = "kill" if number % 3 == 1 else "lanes"
        acknowledged[what] |= await asyncio.to_thread(kill_at_random, tmp_path, what, number * 1_000_000, chance)
    async with (
        EmbeddedStore.opened(tmp_path / "metrics.duckdb", OPTIONS, BUILT_IN) as store,
        in_lanes(tmp_path, store) as spool,
    ):
        assert await spool.drain(timedelta(seconds=20))
        assert spool.statistics.set_aside is None
        found = {}
        for measurement, name in (("system", "load1"), ("mem", "used_percent")):
            answer = await store.read(SeriesQuery(measurement, (name,), START, START + YEAR, Raw(1_000_000)))
            found[measurement] = [int(one or 0) for series in answer.series for one in series.values]

    assert min(map(len, acknowledged.values())) >= 20
    assert acknowledged["lanes"] - set(found["mem"]) == set()
    assert acknowledged["lanes"] | acknowledged["kill"] <= set(found["system"])
    assert max(Counter(found["mem"]).values()) == max(Counter(found["system"]).values()) == 1
    assert items(tmp_path) == 0
