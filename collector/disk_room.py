"""Room on the disk: work that can wait is refused before the disk is full, so that what cannot wait has room. Shell.

Below the reserve whatever somebody pushes, exports or snapshots is refused. Below half of it the spool takes only
what OpsWatch says of itself, so that the last room is there to tell people. It ends by itself when room is back.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from telemetry.clock import Clock
from telemetry.errors import DiskLow
from telemetry.points import Point
from telemetry.ports import PointWriter, WriteOutcome, WriteStatus
from telemetry.schema import MeasurementClass, Registry

logger = logging.getLogger(__name__)

MAX_DEFAULT_RESERVE = 1_000_000_000  # bytes
_SHARE = 20  # the default is one part in so many of the filesystem
_LOOK_EVERY = 1.0  # seconds
_TELL_AGAIN = 60.0  # seconds between log lines, should it go up and down


class RoomLevel(IntEnum):
    """How much there still is."""

    ENOUGH = 0
    LOW = 1  # below the reserve
    CRITICAL = 2  # below half of it


@dataclass(frozen=True, slots=True)
class Filesystem:
    """In bytes; `free` is what we may use of it."""

    free: int
    total: int


def default_reserve(total: int) -> int:
    """The smaller of 1 GB and 5 % of the filesystem."""
    return min(MAX_DEFAULT_RESERVE, total // _SHARE)


def level_after(before: RoomLevel, free: int, reserve: int) -> RoomLevel:
    """The level now. A better one is reached only a tenth above its mark, so that nothing flaps at the mark."""
    half = reserve // 2
    if free < (half + half // 10 if before is RoomLevel.CRITICAL else half):
        return RoomLevel.CRITICAL
    is_low = free < (reserve if before is RoomLevel.ENOUGH else reserve + reserve // 10)
    return RoomLevel.LOW if is_low else RoomLevel.ENOUGH


def filesystem_of(directory: Path) -> Filesystem:
    """The filesystem that holds this folder. Raises OSError."""
    status = os.statvfs(directory)
    return Filesystem(status.f_bavail * status.f_frsize, status.f_blocks * status.f_frsize)


@dataclass(frozen=True, slots=True)
class DiskFigures:
    """How the disk stands."""

    filesystem: Filesystem
    reserve: int
    level: RoomLevel

    def __str__(self) -> str:
        return (
            f"{megabytes(self.filesystem.free)} of {megabytes(self.filesystem.total)} are free,"
            f" and {megabytes(self.reserve)} are kept in reserve (storage.disk_reserve)"
        )


class DiskRoom:
    """Looks at most once a second, and says what may still be written. `reserve` None is the default."""

    def __init__(self, measure: Callable[[], Filesystem], reserve: int | None, clock: Clock) -> None:
        self._measure = measure
        self._reserve = reserve
        self._clock = clock
        self._looked = self._told = float("-inf")
        self._told_of: object = RoomLevel.ENOUGH
        self._figures = DiskFigures(Filesystem(0, 0), 0, RoomLevel.ENOUGH)
        self.refusals = 0

    def figures(self) -> DiskFigures:
        """How the disk stands; one that cannot be asked stands as it stood before."""
        now = self._clock.monotonic()
        if now >= self._looked + _LOOK_EVERY:
            self._looked = now
            try:
                filesystem = self._measure()
            except OSError as error:
                reason = error.strerror or str(error)
                self._tell(reason, "the disk cannot be asked for its room", reason)
                return self._figures
            reserve = default_reserve(filesystem.total) if self._reserve is None else self._reserve
            level = level_after(self._figures.level, filesystem.free, reserve)
            self._figures = DiskFigures(filesystem, reserve, level)
            self._tell(level, f"room on the disk: {level.name.lower()}", str(self._figures))
        return self._figures

    def check(self, what: str, size: int = 0) -> None:
        """Raise DiskLow when `what` (pushed points, exports) must wait for room, or would itself use up the room.

        `size` is what it takes on the disk meanwhile, in bytes.
        """
        figures = self.figures()
        if figures.level is not RoomLevel.ENOUGH:
            self.refusals += 1
            raise DiskLow(f"{what} are refused while the disk is low: {figures}")
        if size and figures.filesystem.free - size < figures.reserve:
            self.refusals += 1
            raise DiskLow(f"{what} of this size need {megabytes(size)} of the disk meanwhile: {figures}")

    def _tell(self, state: object, message: str, reason: str) -> None:
        """Log what it is now, where that is news; what comes too soon after the last line is said later."""
        if state != self._told_of and self._looked >= self._told + _TELL_AGAIN:
            self._told, self._told_of = self._looked, state
            logger.log(
                logging.WARNING if state is RoomLevel.ENOUGH else logging.ERROR, message, extra={"reason": reason}
            )


class ReservingWriter:
    """A PointWriter before another: near the end of the disk only OpsWatch's own points pass."""

    def __init__(self, writer: PointWriter, room: DiskRoom, registry: Registry) -> None:
        self._writer = writer
        self._room = room
        self._registry = registry

    async def write(self, points: Sequence[Point]) -> WriteOutcome:
        """Write them all, or none (RETRY) while the last room is kept."""
        figures = self._room.figures()
        if figures.level is RoomLevel.CRITICAL and not all(self._is_own(point) for point in points):
            self._room.refusals += 1
            return WriteOutcome(
                WriteStatus.RETRY, f"the disk is nearly full, only OpsWatch's own points pass: {figures}"
            )
        return await self._writer.write(points)

    def _is_own(self, point: Point) -> bool:
        measurement = self._registry.get(point.measurement)
        return measurement is not None and measurement.measurement_class is MeasurementClass.SELF


def megabytes(size: int) -> str:
    """Bytes as people read them."""
    return f"{size / 1e9:,.1f} GB" if size >= 10_000_000_000 else f"{size / 1e6:,.1f} MB"
