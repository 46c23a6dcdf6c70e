"""The spool keeps what it acknowledged, whatever the destination, the disk and the clock do."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from time import perf_counter

import pytest

from collector.quarantine import Quarantine
from collector.spool import Spool, SpoolLimits, oldest_age_seconds
from collector.spool_codec import pack
from collector.spool_file import Pending, SpoolFile
from collector.spool_lane import MAX_LIVE
from collector.spool_writers import ENOUGH, LINGER
from telemetry.clock import Clock
from telemetry.errors import StoreUnavailable
from telemetry.points import Point
from telemetry.ports import WRITTEN, PointWriter, Refused, WriteOutcome, WriteStatus
from tests.collector.doubles import NOW, REAL_CLOCK, SECOND, START, Destination, SetClock, hurried_clock, load

TEN_SECONDS = timedelta(seconds=10)
QUICK = SpoolLimits(backlog_per_second=1_000)
LATER = WriteOutcome(WriteStatus.RETRY, "nobody listens there")


@asynccontextmanager
async def spooling(
    directory: Path,
    destination: PointWriter | None,
    clock: Clock = REAL_CLOCK,
    limits: SpoolLimits = QUICK,
) -> AsyncIterator[Spool]:
    quarantine = Quarantine(directory / "quarantine", clock)
    async with Spool.opened(directory / "spool.sqlite", destination, quarantine, limits, clock) as spool:
        yield spool


def rows(directory: Path) -> int:
    """How many rows another process sees."""
    with closing(sqlite3.connect(directory / "spool.sqlite")) as connection:
        return int(connection.execute("SELECT count(*) FROM batch").fetchone()[0])


def quarantined(directory: Path) -> str:
    return "".join(path.read_text() for path in sorted((directory / "quarantine").glob("*.jsonl")))


def leave(directory: Path, *batches: Sequence[Point], created: int = START) -> None:
    """What another process wrote."""
    file = SpoolFile.open(directory / "spool.sqlite", "stamp")
    for points in batches:
        file.insert(pack(points)[0], created, ())
    file.close()


# Acknowledging


async def test_g1_what_is_acknowledged_is_on_disk(tmp_path: Path) -> None:
    """When write() answers OK, another process can already read the points."""
    async with spooling(tmp_path, None) as spool:
        outcome = await spool.write([load(0)])

        assert outcome == WRITTEN
        assert rows(tmp_path) == 1


async def test_writers_that_come_together_share_a_commit(tmp_path: Path) -> None:
    """Thirty probes that end in the same moment cost one commit, not thirty."""
    async with spooling(tmp_path, None) as spool:
        await asyncio.gather(*(spool.write([load(second)]) for second in range(30)))

        assert rows(tmp_path) == 1


async def test_as_many_points_as_are_worth_a_commit_wait_for_no_others(tmp_path: Path) -> None:
    """The fastest of a few is there before the linger is over."""
    elapsed = []
    async with spooling(tmp_path, None) as spool:
        for attempt in range(10):
            points = [load(attempt * ENOUGH + number) for number in range(ENOUGH // 2)]
            started = perf_counter()
            await asyncio.gather(spool.write(points), spool.write([replace(one, time=one.time + 1) for one in points]))
            elapsed.append(perf_counter() - started)

    assert min(elapsed) < LINGER


async def test_a_row_never_crosses_a_day(tmp_path: Path) -> None:
    """Points around midnight become two rows."""
    async with spooling(tmp_path, None) as spool:
        await spool.write([load(second) for second in (43_199, 43_200)])

        assert rows(tmp_path) == 2


async def test_a_cancelled_writer_does_not_take_its_neighbour_along(tmp_path: Path) -> None:
    """A request that is cancelled while it waits leaves the commit of the others alone."""
    async with spooling(tmp_path, None) as spool:
        cancelled = asyncio.create_task(spool.write([load(0)]))
        neighbour = asyncio.create_task(spool.write([load(1)]))
        await asyncio.sleep(0)
        cancelled.cancel()

        assert await neighbour == WRITTEN


async def test_closing_answers_everybody(tmp_path: Path) -> None:
    """What waits for its commit while the spool closes is committed, and says so; later writers are sent away."""
    async with spooling(tmp_path, None) as spool:
        writing = asyncio.create_task(spool.write([load(0)]))
        await asyncio.sleep(0)

    assert await writing == WRITTEN
    assert rows(tmp_path) == 1
    assert (await spool.write([load(1)])).status is WriteStatus.RETRY


async def test_a22_a_point_that_no_spool_can_hold_is_refused_alone(tmp_path: Path) -> None:
    """The writer of a NaN is told which one it was, it is in quarantine, and its neighbours in the commit land."""
    destination = Destination()
    bad = Point.of("system", {"host": "bad"}, {"load1": float("nan")}, START)
    async with spooling(tmp_path, destination) as spool:
        mixed, neighbour = await asyncio.gather(spool.write([load(0), bad]), spool.write([load(1)]))

        assert await spool.drain(TEN_SECONDS)
        assert (mixed.status, [one.point for one in mixed.refused]) == (WriteStatus.PARTIAL, [bad])
        assert neighbour == WRITTEN
        assert destination.points == [load(0), load(1)]
        assert '"load1": "nan"' in quarantined(tmp_path)


# Delivering


async def test_what_is_delivered_is_forgotten(tmp_path: Path) -> None:
    """Once the destination has taken a batch, its row goes."""
    destination = Destination()
    async with spooling(tmp_path, destination) as spool:
        await spool.write([load(0), load(1)])

        assert await spool.drain(TEN_SECONDS)
        assert destination.points == [load(0), load(1)]
        assert rows(tmp_path) == 0
        assert (await spool.refresh()).pending == Pending()


async def test_drained_means_delivered(tmp_path: Path) -> None:
    """However write and drain fall together, after True the destination has every acknowledged point."""
    destination = Destination()
    async with spooling(tmp_path, destination) as spool:
        for second in range(5):
            await spool.write([load(second)])
            assert await spool.drain(TEN_SECONDS)
            assert len(destination.points) == second + 1


async def test_live_points_do_not_wait_for_the_backlog(tmp_path: Path) -> None:
    """With a long backlog behind a rate of one batch a second, what is written now arrives now."""
    leave(tmp_path, *([load(day * 86_400)] for day in range(20)))
    destination = Destination()
    limits = SpoolLimits(backlog_per_second=1)
    async with spooling(tmp_path, destination, limits=limits) as spool:
        await destination.until(lambda: len(destination.batches) == 1)
        await spool.write([load(0.5, "now")])
        await destination.until(lambda: load(0.5, "now") in destination.points, seconds=0.5)

        assert len(destination.batches) <= 3


async def test_the_backlog_goes_oldest_first_and_together(tmp_path: Path) -> None:
    """A thousand small rows that waited go as one batch per day, in the order they were written."""
    leave(tmp_path, *([load(second)] for second in range(300)), [load(86_400)], [load(86_401)])
    destination = Destination()
    async with spooling(tmp_path, destination) as spool:
        assert await spool.drain(TEN_SECONDS)

    assert destination.batches == [[load(second) for second in range(300)], [load(86_400), load(86_401)]]


async def test_rows_of_another_process_are_delivered(tmp_path: Path) -> None:
    """`collect --once` writes beside a running server, which finds the rows within about a second."""
    destination = Destination()
    async with spooling(tmp_path, destination), spooling(tmp_path, None) as other:
        await other.write([load(0)])
        await destination.until(lambda: destination.points == [load(0)], seconds=3)
        assert await other.drain(TEN_SECONDS)


async def test_two_processes_may_write_at_once(tmp_path: Path) -> None:
    """Two open spools commit into one file without losing anything of either."""
    async with spooling(tmp_path, None) as one, spooling(tmp_path, None) as two:
        for second in range(5):
            outcomes = await asyncio.gather(one.write([load(second, "one")]), two.write([load(second, "two")]))
            assert outcomes == [WRITTEN, WRITTEN]

        assert rows(tmp_path) == 10


async def test_a4_what_the_store_cannot_take_waits_on_disk(tmp_path: Path) -> None:
    """With the store away, points are acknowledged all the same, memory stays flat, and later all arrive."""
    away = True
    destination = Destination(lambda points: LATER if away else WRITTEN)
    clock = SetClock()
    async with spooling(tmp_path, destination, clock.clock) as spool:
        for second in range(5):
            assert await spool.write([load(second)]) == WRITTEN
        assert spool.statistics.trouble == "nobody listens there"
        assert destination.asked == 1
        away = False
        clock.advance(60)

        assert await spool.drain(TEN_SECONDS)
        assert sorted(point.time for point in destination.points) == [load(second).time for second in range(5)]
        assert spool.statistics.trouble == ""


def value(number: float, second: float) -> Point:
    return Point.of("system", {"host": "web"}, {"load1": number}, START + int(second * SECOND))


def finally_stored(destination: Destination) -> dict[int, object]:
    """What a store holds in which the last value written for a time wins."""
    return {point.time: point.fields["load1"] for point in destination.points}


@pytest.mark.parametrize("later", [0, 1], ids=["all at once", "spread"])
async def test_of_two_values_for_one_time_the_one_acknowledged_last_wins(tmp_path: Path, later: int) -> None:
    """Though live points overtake those that wait: after an outage the older value comes last, and must not win."""
    away = True
    destination = Destination(lambda points: LATER if away else WRITTEN)
    clock = SetClock()
    async with spooling(tmp_path, destination, clock.clock, SpoolLimits(backlog_per_second=50)) as spool:
        for second in range(5):
            await spool.write([value(1, second), value(1, second + later * 86_400)])
        away = False
        clock.advance(60)
        await spool.write([value(2, second) for second in (1, 3, 200_000)])
        assert await spool.drain(TEN_SECONDS)
        assert spool.statistics.delivered_points == spool.statistics.acknowledged_points
        await spool.write([value(3, 0)])
        assert await spool.drain(TEN_SECONDS)

    found = finally_stored(destination)
    assert [found[value(0, second).time] for second in range(5)] == [3, 2, 1, 2, 1]
    assert [point.fields["load1"] for point in destination.points].count(3) == 1  # with nothing behind it, once


async def test_what_goes_again_does_not_win_over_what_was_written_after_it(tmp_path: Path) -> None:
    """A batch that is sent once more takes its later points along, and those may have been overwritten meanwhile."""
    away = True
    destination = Destination(lambda points: LATER if away else WRITTEN)
    clock = SetClock()
    async with spooling(tmp_path, destination, clock.clock, SpoolLimits(backlog_per_second=20)) as spool:
        for day in range(5):
            await spool.write([value(1, 10 - day * 86_400)])
        away = False
        clock.advance(60)
        await spool.write([value(2, 5), value(2, 100)])  # 5 is not later than what waits: the whole batch goes again
        await spool.write([value(3, 100)])
        assert await spool.drain(TEN_SECONDS)

    assert finally_stored(destination)[value(0, 100).time] == 3


async def test_what_waits_from_before_a_restart_does_not_win_over_what_is_written_after_it(tmp_path: Path) -> None:
    """The new process knows the times of the rows that the old one left."""
    days = [[value(1, -day * 86_400)] for day in range(5, 0, -1)]  # a batch each, so that the last waits a while
    leave(tmp_path, *days, [value(1, second) for second in range(3)])
    destination = Destination()
    async with spooling(tmp_path, destination, limits=SpoolLimits(backlog_per_second=4)) as spool:
        await spool.write([value(2, 1)])
        assert await spool.drain(TEN_SECONDS)

    found = finally_stored(destination)
    assert [found[value(0, second).time] for second in range(3)] == [1, 2, 1]


async def test_halves_do_not_win_over_what_was_written_after_the_whole(tmp_path: Path) -> None:
    """They keep the place of the batch that was halved, also where they wait in the file once more."""
    whole, another_day, newer = [value(1, 0), value(1, 1)], [value(1, 86_400)], [value(2, 1)]
    leave(tmp_path, whole, another_day, newer)
    answers = [WriteOutcome(WriteStatus.SPLIT, "too large"), LATER]
    destination = Destination(lambda points: answers.pop(0) if answers else WRITTEN)
    async with spooling(tmp_path, destination, hurried_clock()) as spool:
        assert await spool.drain(TEN_SECONDS)

    assert {time: one for time, one in finally_stored(destination).items() if time < START + 2 * SECOND} == {
        START: 1,
        START + SECOND: 2,
    }


async def test_a_slow_store_does_not_fill_the_memory(tmp_path: Path) -> None:
    """Only so many batches wait in memory; the others are read back from the file."""
    gate = asyncio.Event()

    class Slow(Destination):
        async def write(self, points: Sequence[Point]) -> WriteOutcome:
            await gate.wait()
            return await super().write(points)

    destination = Slow()
    days = MAX_LIVE + 10
    async with spooling(tmp_path, destination) as spool:
        await spool.write([load(0)])
        await spool.write([load(day * 86_400) for day in range(days)])
        assert spool._delivery is not None
        assert spool._delivery.live_batches <= MAX_LIVE
        gate.set()

        assert await spool.drain(TEN_SECONDS)
        assert {point.time for point in destination.points} == {load(day * 86_400).time for day in range(days)}


@pytest.mark.parametrize(
    ("retry_after", "too_early", "late_enough"),
    [
        (timedelta(seconds=120), 119, 2),
        (timedelta(days=3650), 599, 2),
        (timedelta(seconds=-5), 0.5, 2),
    ],
)
async def test_a7_a_store_is_left_alone_as_long_as_it_asks(
    tmp_path: Path, retry_after: timedelta | None, too_early: float, late_enough: float
) -> None:
    """At least Retry-After and at least a second, but not ten years."""
    answers = [WriteOutcome(WriteStatus.RETRY, "busy", retry_after)]
    destination = Destination(lambda points: answers.pop() if answers else WRITTEN)
    clock = SetClock()
    async with spooling(tmp_path, destination, clock.clock) as spool:
        await spool.write([load(0)])
        await destination.until(lambda: destination.asked == 1)
        clock.advance(too_early)
        await spool.write([load(1)])
        await spool.write([load(2)])
        assert destination.asked == 1
        clock.advance(late_enough)

        assert await spool.drain(TEN_SECONDS)
        assert {point.time for point in destination.points} == {load(second).time for second in range(3)}


@pytest.mark.parametrize("message", ["no such bucket", ""])
async def test_a12_a_store_that_nobody_may_write_to_is_asked_every_half_minute(tmp_path: Path, message: str) -> None:
    """PAUSE keeps everything, says why, and resumes by itself."""
    answers = [WriteOutcome(WriteStatus.PAUSE, message)] * 2
    destination = Destination(lambda points: answers.pop() if answers else WRITTEN)
    clock = SetClock()
    async with spooling(tmp_path, destination, clock.clock) as spool:
        await spool.write([load(0)])
        await destination.until(lambda: destination.asked == 1)
        clock.advance(29)
        await spool.write([load(1)])
        assert destination.asked == 1
        assert spool.statistics.trouble == (message or "the store takes no points")
        clock.advance(2)
        await spool.write([load(2)])
        await destination.until(lambda: destination.asked == 2)
        clock.advance(31)

        assert await spool.drain(TEN_SECONDS)
        assert len(destination.points) == 3


# Bad items


@pytest.mark.parametrize("status", [WriteStatus.SPLIT, WriteStatus.POISON])
async def test_a9_a_batch_with_one_bad_point_is_halved_down_to_it(tmp_path: Path, status: WriteStatus) -> None:
    """Of a hundred points one is refused: the ninety-nine land, the one is in quarantine with its reason."""
    bad = load(37)
    destination = Destination(
        lambda points: WriteOutcome(status, "type conflict on load1") if bad in points else WRITTEN
    )
    async with spooling(tmp_path, destination) as spool:
        await spool.write([load(second) for second in range(100)])

        assert await spool.drain(TEN_SECONDS)
        assert sorted(point.time for point in destination.points) == [
            load(second).time for second in range(100) if second != 37
        ]
        assert quarantined(tmp_path).count("type conflict on load1") == 1
        assert '"point_time": "2026-11-24T12:00:37Z"' in quarantined(tmp_path)


async def test_halves_are_as_old_as_the_whole(tmp_path: Path) -> None:
    """Splitting does not make points younger: the cap on age counts from when they were first written."""
    leave(tmp_path, [load(0), load(1)], created=START - 3_600 * SECOND)
    answers = [WriteOutcome(WriteStatus.SPLIT, "too large"), LATER]
    destination = Destination(lambda points: answers.pop(0) if answers else LATER)
    clock = SetClock()
    async with spooling(tmp_path, destination, clock.clock) as spool:
        await destination.until(lambda: destination.asked == 2)
        pending = (await spool.refresh()).pending

        assert (pending.batches, oldest_age_seconds(pending, START)) == (2, 3_600)


async def test_a10_what_a_store_refuses_of_a_batch_goes_to_quarantine(tmp_path: Path) -> None:
    """PARTIAL: the rest has landed, the refused points are kept aside, nothing is sent again."""
    destination = Destination(
        lambda points: WriteOutcome(WriteStatus.PARTIAL, refused=(Refused(points[0], "outside retention"),))
    )
    async with spooling(tmp_path, destination) as spool:
        await spool.write([load(0), load(1), load(2)])

        assert await spool.drain(TEN_SECONDS)
        assert destination.batches == [[load(1), load(2)]]
        assert spool.statistics.delivered_points == 2
        assert "outside retention" in quarantined(tmp_path)


class Stumbling(Destination):
    """Fails at one point, in the way it is told, and takes every other."""

    def __init__(self, bad: Point, failure: Exception | WriteOutcome) -> None:
        super().__init__()
        self._bad = bad
        self._failure = failure

    async def write(self, points: Sequence[Point]) -> WriteOutcome:
        if self._bad not in points:
            return await super().write(points)
        if isinstance(self._failure, Exception):
            raise self._failure
        return self._failure


@pytest.mark.parametrize(
    "failure",
    [LATER, StoreUnavailable("the engine failed"), UnicodeEncodeError("utf-8", "\udcff", 0, 1, "surrogates")],
    ids=lambda failure: type(failure).__name__,
)
async def test_g7_a_point_that_a_store_stumbles_over_for_ever_does_not_block(
    tmp_path: Path, failure: Exception | WriteOutcome
) -> None:
    """A store that says "later" to one point for ever gets all others; in the end the one is in quarantine."""
    bad = load(2, "bad")
    leave(tmp_path, [load(1), bad, load(3)])
    destination = Stumbling(bad, failure)
    async with spooling(tmp_path, destination, hurried_clock()) as spool:
        for second in range(100, 200):
            assert await spool.write([load(second)]) == WRITTEN
            if (await spool.refresh()).pending == Pending():
                break

        assert await spool.drain(TEN_SECONDS)
        assert {load(1).time, load(3).time} < {point.time for point in destination.points}
        assert quarantined(tmp_path).count('"bad"') == 1


@pytest.mark.parametrize("status", [WriteStatus.RETRY, WriteStatus.PAUSE])
async def test_g7_live_points_get_past_a_batch_that_is_never_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: WriteStatus
) -> None:
    """However seldom they come beside the time that a store is left alone, and from the first such wait on."""
    monkeypatch.setattr("collector.spool_lane._PAUSE", 1.0)
    monkeypatch.setattr("collector.spool_lane.backoff_seconds", lambda *_: 1.0)
    bad = load(2, "bad")
    leave(tmp_path, [load(1), bad, load(3)])
    destination = Stumbling(bad, WriteOutcome(status, "not this"))
    async with spooling(tmp_path, destination, REAL_CLOCK) as spool:
        while not spool.statistics.trouble:
            await asyncio.sleep(0.01)
        assert await spool.write([load(100)]) == WRITTEN

        await destination.until(lambda: load(100) in destination.points, seconds=3)


async def test_a_store_that_fails_at_everything_puts_nothing_into_quarantine(tmp_path: Path) -> None:
    """A defect of the whole destination is an outage, however often it happens: no batch is blamed for it."""
    destination = Stumbling(load(0), RuntimeError("a defect"))
    async with spooling(tmp_path, destination, hurried_clock()) as spool:
        for _ in range(4):
            await spool.write([load(0)])

        assert "unexpected RuntimeError: a defect" in spool.statistics.trouble
        assert quarantined(tmp_path) == ""


async def test_a_broken_row_goes_to_quarantine_and_blocks_nothing(tmp_path: Path) -> None:
    """Flipped bits in one row are found by its checksum; its neighbours are delivered."""
    leave(tmp_path, [load(0)], [load(1)], [load(2)])
    with closing(sqlite3.connect(tmp_path / "spool.sqlite")) as connection, connection:
        connection.execute(
            "UPDATE batch SET payload = x'5b5d' WHERE id = (SELECT id FROM batch ORDER BY id LIMIT 1 OFFSET 1)"
        )
    destination = Destination()
    async with spooling(tmp_path, destination) as spool:
        assert await spool.drain(TEN_SECONDS)

        assert destination.points == [load(0), load(2)]
        assert spool.statistics.broken_batches == 1
        assert '"payload": "5b5d"' in quarantined(tmp_path)


# Caps


async def test_a5_past_the_cap_the_oldest_points_go_and_are_counted(tmp_path: Path) -> None:
    """The cap on bytes holds after every commit; what is dropped is counted by reason and measurement."""
    limits = SpoolLimits(max_bytes=20_000)
    text = [Point.of("probe", {}, {"message": "x" * 2_000}, START + number) for number in range(3)]
    async with spooling(tmp_path, None, limits=limits) as spool:
        await spool.write([load(0), load(1)])
        for _ in range(5):
            await spool.write(text)
            assert (await spool.refresh()).pending.bytes <= 20_000

        assert spool.statistics.dropped == {("bytes", "system"): 2, ("bytes", "probe"): 6}


async def test_points_past_the_cap_on_age_go(tmp_path: Path) -> None:
    """What has waited for longer than a week is dropped, and counted as that."""
    clock = SetClock()
    async with spooling(tmp_path, None, clock.clock) as spool:
        await spool.write([load(0), load(0, measurement="mem")])
        clock.advance(7 * 86_400 + 1)
        await spool.write([load(1)])

        assert spool.statistics.dropped == {("age", "system"): 1, ("age", "mem"): 1}
        assert (await spool.refresh()).pending.batches == 1


async def test_what_was_delivered_is_never_counted_as_dropped(tmp_path: Path) -> None:
    """Rows that only wait for their deletion do not count against the caps."""
    destination = Destination()
    limits = SpoolLimits(max_bytes=600)
    async with spooling(tmp_path, destination, limits=limits) as spool:
        for second in range(8):
            await spool.write([load(second)])
            await destination.until(lambda second=second: len(destination.points) > second)  # type: ignore[misc]

        assert spool.statistics.dropped == {}


# The file


async def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Points may hold names and messages: neither the file nor its log is readable by others."""
    async with spooling(tmp_path, None) as spool:
        await spool.write([load(0)])

        assert {path.stat().st_mode & 0o777 for path in tmp_path.glob("spool.sqlite*")} == {0o600}


async def test_a_damaged_file_is_set_aside_and_a_new_one_begins(tmp_path: Path) -> None:
    """It is renamed, never deleted, also twice within a second; the statistics name it."""
    clock = SetClock()
    for content in (b"first" * 1_000, b"second" * 1_000):
        (tmp_path / "spool.sqlite").write_bytes(content)
        async with spooling(tmp_path, None, clock.clock) as spool:
            assert await spool.write([load(0)]) == WRITTEN
            assert spool.statistics.set_aside is not None
            assert spool.statistics.set_aside.read_bytes() == content

    assert len(list(tmp_path.glob("spool.sqlite.broken-20261124T120000*"))) == 2


async def test_a_file_that_is_damaged_while_it_is_open_is_replaced(tmp_path: Path) -> None:
    """The next write finds the damage, sets the file aside, and is acknowledged by a new one."""
    async with spooling(tmp_path, None) as spool:
        await spool.write([load(0)])
        await asyncio.to_thread(spool._file._connection.execute, "PRAGMA wal_checkpoint(TRUNCATE)")
        with (tmp_path / "spool.sqlite").open("r+b") as file:
            size = file.seek(0, 2)
            file.seek(0)
            file.write(b"\xff" * size)
        spool._file._connection.execute("PRAGMA shrink_memory")  # forget the pages that are in memory
        outcome = await spool.write([load(1)])

        assert outcome == WRITTEN
        assert spool.statistics.set_aside is not None


async def test_a_spool_that_cannot_be_opened_says_which(tmp_path: Path) -> None:
    """A folder in its place is named, and is nothing to be set aside."""
    (tmp_path / "spool.sqlite").mkdir()

    with pytest.raises(StoreUnavailable, match=r"spool\.sqlite cannot be opened"):
        async with spooling(tmp_path, None):
            pass


async def test_draining_gives_up_at_its_deadline(tmp_path: Path) -> None:
    """With a store that is away, drain says False in time."""
    async with spooling(tmp_path, Destination(lambda points: LATER)) as spool:
        await spool.write([load(0)])

        assert not await spool.drain(timedelta(seconds=0.2))


def test_the_age_of_what_waits_is_never_negative() -> None:
    """Also when the clock was set back after it was written (A23)."""
    assert oldest_age_seconds(Pending(1, 1, START), int(NOW.timestamp() - 60) * SECOND) == 0
    assert oldest_age_seconds(Pending(), START) == 0
