"""Room on the disk: what can wait is refused in time, what cannot passes, and it ends by itself."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.disk_room import (
    MAX_DEFAULT_RESERVE,
    DiskRoom,
    Filesystem,
    ReservingWriter,
    RoomLevel,
    default_reserve,
    filesystem_of,
    level_after,
)
from telemetry.clock import Clock
from telemetry.errors import DiskLow
from telemetry.measurements import BUILT_IN
from telemetry.points import Point
from telemetry.ports import WriteStatus
from tests.collector.doubles import NOW, Destination, load

GIGABYTE = 1_000_000_000
LEVELS = st.sampled_from(RoomLevel)
BYTES = st.integers(0, 4 * GIGABYTE)


@given(before=LEVELS, free=BYTES, reserve=BYTES)
def test_the_level_holds_what_it_promises(before: RoomLevel, free: int, reserve: int) -> None:
    """Below a mark it is at least that bad whatever was before; a tenth above it, it is never that bad."""
    level = level_after(before, free, reserve)

    if free < reserve // 2:
        assert level is RoomLevel.CRITICAL
    if free < reserve:
        assert level is not RoomLevel.ENOUGH
    if free >= reserve // 2 + reserve // 20:
        assert level is not RoomLevel.CRITICAL
    if free >= reserve + reserve // 10:
        assert level is RoomLevel.ENOUGH


@given(before=LEVELS, free=BYTES, more=BYTES, reserve=BYTES)
def test_more_room_is_never_a_worse_level(before: RoomLevel, free: int, more: int, reserve: int) -> None:
    """From the same level on."""
    assert level_after(before, free + more, reserve) <= level_after(before, free, reserve)


@given(before=LEVELS, free=BYTES, reserve=BYTES)
def test_a_level_stays_while_nothing_changes(before: RoomLevel, free: int, reserve: int) -> None:
    """The rule says the same of its own answer."""
    once = level_after(before, free, reserve)

    assert level_after(once, free, reserve) is once


@given(
    reserve=st.integers(1_000, 2 * GIGABYTE),
    start=st.integers(0, 3 * GIGABYTE),
    steps=st.lists(st.floats(-0.045, 0.045), max_size=60),
)
def test_nothing_flaps_at_a_mark(reserve: int, start: int, steps: Sequence[float]) -> None:
    """However the room wavers by less than a tenth of a mark, the level only ever gets worse: nobody comes back."""
    around = [max(0, int(start + share * reserve / 2)) for share in steps]
    level, seen = RoomLevel.ENOUGH, []
    for free in around:
        level = level_after(level, free, reserve)
        seen.append(level)

    assert seen == sorted(seen)


@pytest.mark.parametrize(
    ("before", "free", "expected"),
    [
        (RoomLevel.ENOUGH, 1_000, RoomLevel.ENOUGH),
        (RoomLevel.ENOUGH, 999, RoomLevel.LOW),
        (RoomLevel.LOW, 1_099, RoomLevel.LOW),
        (RoomLevel.LOW, 1_100, RoomLevel.ENOUGH),
        (RoomLevel.LOW, 500, RoomLevel.LOW),
        (RoomLevel.LOW, 499, RoomLevel.CRITICAL),
        (RoomLevel.CRITICAL, 549, RoomLevel.CRITICAL),
        (RoomLevel.CRITICAL, 550, RoomLevel.LOW),
        (RoomLevel.CRITICAL, 1_099, RoomLevel.LOW),
        (RoomLevel.CRITICAL, 1_100, RoomLevel.ENOUGH),
    ],
)
def test_the_marks_are_where_the_documentation_says(before: RoomLevel, free: int, expected: RoomLevel) -> None:
    """For a reserve of 1,000: worse below 1,000 and 500, better from 1,100 and 550 on."""
    assert level_after(before, free, 1_000) is expected


def test_the_default_is_the_smaller_of_a_gigabyte_and_a_twentieth() -> None:
    """So that neither a large disk nor a small one gives away much."""
    assert default_reserve(20 * GIGABYTE) == MAX_DEFAULT_RESERVE
    assert default_reserve(2 * GIGABYTE) == 100_000_000
    assert default_reserve(0) == 0


def test_a_real_filesystem_says_how_much_we_may_use(tmp_path: Path) -> None:
    """Blocks that are kept for root are not ours."""
    status = os.statvfs(tmp_path)

    assert filesystem_of(tmp_path).total == status.f_blocks * status.f_frsize
    assert 0 < filesystem_of(tmp_path).free <= filesystem_of(tmp_path).total


class Disk:
    """A disk of 10 GB, and a monotonic clock that goes on by two seconds each time it is asked how much is free."""

    def __init__(self, free: int = 5 * GIGABYTE) -> None:
        self.free = free
        self.seconds = 0.0
        self.asked = 0
        self.fails = False
        self.room = DiskRoom(self.measure, None, Clock(lambda: NOW, lambda: self.seconds))

    def measure(self) -> Filesystem:
        self.asked += 1
        if self.fails:
            raise OSError(5, "Input/output error")
        return Filesystem(self.free, 10 * GIGABYTE)

    def becomes(self, free: int, after: float = 2.0) -> RoomLevel:
        self.free, self.seconds = free, self.seconds + after
        return self.room.figures().level


def test_it_is_looked_at_once_a_second_at_most() -> None:
    """However many points come."""
    disk = Disk()
    for _ in range(100):
        disk.room.check("exports")
    disk.seconds += 1.0
    disk.room.check("exports")

    assert disk.asked == 2


def test_what_can_wait_is_refused_below_the_reserve_until_room_is_back() -> None:
    """The message says how the disk stands and which setting decides; nobody has to do anything for it to end."""
    disk = Disk()
    disk.becomes(499_999_999)
    with pytest.raises(DiskLow) as raised:
        disk.room.check("exports")
    disk.becomes(549_999_999)  # above the mark, but not by a tenth
    with pytest.raises(DiskLow):
        disk.room.check("exports")
    disk.becomes(550_000_000)
    disk.room.check("exports")

    assert raised.value.message == (
        "exports are refused while the disk is low: 500.0 MB of 10.0 GB are free,"
        " and 500.0 MB are kept in reserve (storage.disk_reserve)"
    )
    assert disk.room.refusals == 2


def test_what_would_itself_use_up_the_reserve_is_refused() -> None:
    """A large export on a disk that is still fine; a small one passes."""
    disk = Disk(2 * GIGABYTE)
    disk.room.check("exports", 1_500_000_000)
    with pytest.raises(DiskLow, match=r"exports of this size need 1,500.0 MB of the disk"):
        disk.room.check("exports", 1_500_000_001)


def test_a_disk_that_cannot_be_asked_stands_as_it_stood(caplog: pytest.LogCaptureFixture) -> None:
    """An error of the filesystem neither refuses nor allows anything new, and is told."""
    disk = Disk()
    disk.becomes(1)
    disk.fails = True
    disk.seconds += 100

    assert disk.room.figures().level is RoomLevel.CRITICAL
    assert "cannot be asked" in caplog.messages[-1]


def test_a_reserve_of_our_own_is_kept() -> None:
    """`storage.disk_reserve`; nothing of it is nothing."""
    measured = Filesystem(1_000, 10 * GIGABYTE)
    clock = Clock(lambda: NOW, lambda: 0.0)

    assert DiskRoom(lambda: measured, 0, clock).figures().level is RoomLevel.ENOUGH
    assert DiskRoom(lambda: measured, 1_001, clock).figures().level is RoomLevel.LOW
    assert DiskRoom(lambda: measured, 2_002, clock).figures().level is RoomLevel.CRITICAL


def test_every_state_that_lasts_is_told_and_flapping_does_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """What came too soon after a line is told once the minute is over, if it still holds."""
    caplog.set_level(logging.INFO)
    disk = Disk()
    for number in range(20):
        disk.becomes(1 if number % 2 else 5 * GIGABYTE)
    assert caplog.messages == ["room on the disk: critical"]
    disk.becomes(5 * GIGABYTE)
    assert len(caplog.messages) == 1
    disk.becomes(5 * GIGABYTE, after=60)

    assert caplog.messages == ["room on the disk: critical", "room on the disk: enough"]
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


OWN = Point.of("opswatch_spool", {"host": "web"}, {"pending_batches": 1}, 0)


@pytest.mark.parametrize(
    ("free", "points", "passes"),
    [
        (5 * GIGABYTE, [load(0), OWN], True),
        (400_000_000, [load(0), OWN], True),  # low: whoever pushes was refused at the door already
        (200_000_000, [OWN, OWN], True),
        (200_000_000, [load(0)], False),
        (200_000_000, [OWN, load(0)], False),
        (200_000_000, [Point.of("nobody_knows", {}, {"x": 1}, 0)], False),
    ],
)
async def test_near_the_end_only_opswatchs_own_points_pass(free: int, points: list[Point], passes: bool) -> None:
    """Whole writes pass or wait: nothing is acknowledged that was not kept."""
    disk, destination = Disk(free), Destination()
    outcome = await ReservingWriter(destination, disk.room, BUILT_IN).write(points)

    assert (outcome.status is WriteStatus.OK) is passes
    assert destination.points == (points if passes else [])
    assert disk.room.refusals == (0 if passes else 1)
    if not passes:
        assert outcome.status is WriteStatus.RETRY
        assert "only OpsWatch's own points pass: 200.0 MB of 10.0 GB" in outcome.message


async def test_it_ends_by_itself_when_room_is_back() -> None:
    """The same writer, the same points."""
    disk, destination = Disk(1), Destination()
    writer = ReservingWriter(destination, disk.room, BUILT_IN)
    before = await writer.write([load(0)])
    disk.becomes(5 * GIGABYTE)

    assert (before.status, (await writer.write([load(0)])).status) == (WriteStatus.RETRY, WriteStatus.OK)
