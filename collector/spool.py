"""The Spool: a PointWriter around a PointWriter, with a bounded buffer on disk between them. Shell.

A point is acknowledged when the spool has committed it; the destination's commit only lets the spool forget it.
Writers that come within a short linger share one commit. Points that may fail apart from each other go in lanes of
their own, each at its pace; what one lane cannot deliver waits in the file and holds up no other.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from collector.quarantine import Quarantine
from collector.spool_codec import LaneOf, one_lane, pack
from collector.spool_delivery import Delivery
from collector.spool_file import Pending, SpoolFile
from collector.spool_lane import DeliveryStatistics, LaneParts
from collector.spool_rows import StoredBatch
from collector.spool_thread import SpoolThread, stamp_of
from collector.spool_writers import Waiting, WaitingWriters
from telemetry.clock import Clock
from telemetry.points import Point
from telemetry.ports import WRITTEN, PointWriter, Refused, WriteOutcome, WriteStatus
from telemetry.times import NANOSECONDS_PER_SECOND, from_datetime

logger = logging.getLogger(__name__)

_POLL = 1.0  # seconds between looks whether another process has drained the file
_TELL_AGAIN = 60.0  # seconds between log lines about the same trouble


@dataclass(frozen=True, slots=True)
class SpoolLimits:
    """Caps of the file, and how many batches of a lane's backlog are sent per second beside live data."""

    max_bytes: int = 1_000_000_000
    max_age: timedelta = timedelta(days=7)
    backlog_per_second: float = 20.0


@dataclass(slots=True)
class SpoolStatistics(DeliveryStatistics):
    """Counted since start, but for `pending`. `dropped` counts points by (reason, measurement)."""

    pending: Pending = field(default_factory=Pending)
    acknowledged_points: int = 0
    dropped: Counter[tuple[str, str]] = field(default_factory=Counter)
    failed_commits: int = 0
    disk_trouble: str = ""  # what keeps the spool from committing; empty when nothing does
    set_aside: Path | None = None  # a damaged file that was found, at start or later


class Spool:
    """Open it with `opened`; then `write`."""

    def __init__(
        self,
        file: SpoolFile,
        quarantine: Quarantine,
        limits: SpoolLimits,
        clock: Clock,
        lane_of: LaneOf,
    ) -> None:
        self._file = file
        self._quarantine = quarantine
        self._limits = limits
        self._clock = clock
        self._lane_of = lane_of
        self._thread = SpoolThread(file, clock)
        self._writers = WaitingWriters()
        self._delivery: Delivery | None = None
        self._tell_dropped = 0.0
        self._closing = False
        self.statistics = SpoolStatistics(set_aside=file.set_aside)

    @classmethod
    @asynccontextmanager
    async def opened(
        cls,
        path: Path,
        destination: PointWriter | None,
        quarantine: Quarantine,
        limits: SpoolLimits,
        clock: Clock,
        *,
        lane_of: LaneOf = one_lane,
    ) -> AsyncIterator[Spool]:
        """The spool, as long as the block runs. Without a destination it only keeps, for a server to drain.

        `lane_of` says in which lane a point is, quickly and always the same: one of a handful of names, such as those
        of the buckets that it may go to. Raises StoreUnavailable when the file can neither be opened nor made.
        """
        file = await asyncio.to_thread(SpoolFile.open, path, stamp_of(clock), lane_of)
        spool = cls(file, quarantine, limits, clock, lane_of)
        if destination is not None:
            spool._deliver_to(destination)
        committing = asyncio.create_task(spool._commit_forever(), name="spool commit")
        try:
            yield spool
        finally:
            await spool._close(committing)

    def _deliver_to(self, destination: PointWriter) -> None:
        self._delivery = Delivery(
            LaneParts(
                self._thread,
                destination,
                self._quarantine,
                self._clock,
                self.statistics,
                self._limits.backlog_per_second,
            )
        )

    async def write(self, points: Sequence[Point]) -> WriteOutcome:
        """Acknowledge the points: OK once they are committed, RETRY when the disk cannot take them.

        PARTIAL names those that no spool can hold (NaN, a time beyond 64 bits); they are in quarantine.
        """
        if not points:
            return WRITTEN
        if self._closing:
            return WriteOutcome(WriteStatus.RETRY, "the spool is closing")
        # Shielded: a writer that is cancelled must not take its neighbours' commit with it.
        return await asyncio.shield(self._writers.add(points))

    async def drain(self, deadline: timedelta) -> bool:
        """Wait until nothing is pending; False when the deadline passes first."""
        with suppress(TimeoutError):
            async with asyncio.timeout(deadline.total_seconds()):
                if self._delivery is None:  # another process drains it, and cannot tell us
                    while (await self._thread.run(self._file.pending)).batches:  # noqa: ASYNC110 (no event of ours)
                        await asyncio.sleep(_POLL)
                else:
                    await self._delivery.emptied()
                return True
        return False

    @property
    def refused_points(self) -> int:
        """Points that went to quarantine since start."""
        return self._quarantine.refused_points

    async def refresh(self) -> SpoolStatistics:
        """The statistics with what is pending at this moment."""
        with suppress(sqlite3.Error):
            await self._thread.delete_delivered()
            self.statistics.pending = await self._thread.run(self._file.pending)
            self.statistics.set_aside = self._file.set_aside
        return self.statistics

    # Committing

    async def _commit_forever(self) -> None:
        while waiting := await self._writers.together():
            await self._commit(waiting)

    async def _commit(self, waiting: list[Waiting]) -> None:
        points = [point for some, _ in waiting for point in some]
        delivered = self._thread.delivered
        try:
            stored, refused = await self._thread.run(lambda: self._insert(points, delivered))
        except (sqlite3.Error, OSError) as error:
            self._note_failed_commit(str(error))
        except Exception as error:
            logger.exception("the spool cannot commit, and not for its disk")
            self._note_failed_commit(f"unexpected {type(error).__name__}: {error}")
        else:
            self._note_commit(stored, len(points) - len(refused), delivered)
            return _answer(waiting, WRITTEN, refused)
        # Every writer gets an answer, whatever it is, and the next commit tries again.
        reason = f"the spool cannot commit: {self.statistics.disk_trouble}"
        return _answer(waiting, WriteOutcome(WriteStatus.RETRY, reason))

    def _note_commit(self, stored: list[StoredBatch], points: int, delivered: frozenset[int]) -> None:
        if self.statistics.disk_trouble:
            logger.info("the spool commits again")
            self.statistics.disk_trouble = ""
        self._thread.note_deleted(delivered)
        self.statistics.acknowledged_points += points
        self.statistics.set_aside = self._file.set_aside
        if self._delivery is not None:
            self._delivery.add(stored)

    def _insert(self, points: list[Point], delivered: frozenset[int]) -> tuple[list[StoredBatch], list[Refused]]:
        now = self._clock.now()
        packed, refused = pack(points, self._lane_of)
        if refused:
            self._quarantine.add(refused, "spool")
        stored = self._thread.with_file(lambda: self._file.insert(packed, from_datetime(now), delivered))
        with suppress(sqlite3.Error):  # they are committed, whatever becomes of the trimming
            self._trim(from_datetime(now - self._limits.max_age))
        return stored, refused

    def _trim(self, created_after: int) -> None:
        dropped = self._file.trim(self._limits.max_bytes, created_after)
        self.statistics.dropped.update(dropped)
        if dropped and self._clock.monotonic() >= self._tell_dropped:
            self._tell_dropped = self._clock.monotonic() + _TELL_AGAIN
            logger.error(
                "the spool is full; the oldest points are dropped",
                extra={
                    "points": self.statistics.dropped.total(),
                    "reason": "/".join(sorted({why for why, _ in dropped})),
                },
            )

    def _note_failed_commit(self, reason: str) -> None:
        self.statistics.failed_commits += 1
        if self.statistics.disk_trouble != reason:  # told once, not ten times a second onto a full disk
            self.statistics.disk_trouble = reason
            logger.error("the spool cannot commit; points are not acknowledged", extra={"reason": reason})

    # Ending

    async def _close(self, committing: asyncio.Task[None]) -> None:
        self._closing = True
        self._writers.close()
        await committing  # never cancelled: what waits is committed, and every writer has its answer
        if self._delivery is not None:
            await self._delivery.close()
        await self._thread.close()


def oldest_age_seconds(pending: Pending, now: int) -> float:
    """How long the oldest batch has been waiting, in seconds; 0 when none waits."""
    return 0.0 if pending.oldest is None else max(0.0, (now - pending.oldest) / NANOSECONDS_PER_SECOND)


def _answer(waiting: list[Waiting], outcome: WriteOutcome, refused: Sequence[Refused] = ()) -> None:
    by_point = {id(one.point): one for one in refused}
    for points, future in waiting:
        if not future.done():
            own = tuple(by_point[id(point)] for point in points if id(point) in by_point)
            future.set_result(WriteOutcome(WriteStatus.PARTIAL, own[0].reason, refused=own) if own else outcome)
