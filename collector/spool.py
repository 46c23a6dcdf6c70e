"""The Spool: a PointWriter around a PointWriter, with a bounded buffer on disk between them. Shell.

A point is acknowledged when the spool has committed it; the destination's commit only lets the spool forget it.
Writers that come within a short linger share one commit. What was just committed goes to the destination from
memory; what waits longer is read back, oldest first, at a limited rate beside it.
"""

from __future__ import annotations

import asyncio
import logging
import random
import sqlite3
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from collector.quarantine import Quarantine
from collector.spool_codec import by_day
from collector.spool_file import BrokenBatch, Pending, SpoolFile, StoredBatch
from telemetry.clock import Clock
from telemetry.points import Point
from telemetry.ports import WRITTEN, PointWriter, Refused, WriteOutcome, WriteStatus
from telemetry.times import NANOSECONDS_PER_SECOND, from_datetime

logger = logging.getLogger(__name__)
T = TypeVar("T")

LINGER = 0.1  # seconds that a write waits for others to share its commit
MAX_POINTS = 5_000  # of one batch
MAX_LIVE = 64  # batches kept in memory while the destination takes them
_POLL = 1.0  # seconds between looks for rows that another process wrote
_BACKOFF_FIRST, _BACKOFF_LAST = 1.0, 60.0  # seconds
_LONGEST_RETRY_AFTER = 600.0  # seconds; a destination that asks for ten years is not obeyed
_TRIM = 5.0  # seconds between looks at the caps, which count every row
_PAUSE = 30.0  # seconds between looks whether a paused destination takes points again


@dataclass(frozen=True, slots=True)
class SpoolLimits:
    """Caps of the file, and how many batches of the backlog are sent per second beside live data."""

    max_bytes: int = 1_000_000_000
    max_age: timedelta = timedelta(days=7)
    backlog_per_second: float = 20.0


@dataclass(slots=True)
class SpoolStatistics:
    """Counted since start, but for `pending`. `dropped` counts points by (reason, measurement)."""

    pending: Pending = field(default_factory=Pending)
    acknowledged_points: int = 0
    delivered_points: int = 0
    dropped: Counter[tuple[str, str]] = field(default_factory=Counter)
    failed_commits: int = 0
    trouble: str = ""  # what keeps the destination from taking points; empty when nothing does
    set_aside: Path | None = None  # a damaged file that was found at start


class Spool:
    """Open it with `opened`; then `write`."""

    def __init__(
        self,
        file: SpoolFile,
        destination: PointWriter | None,
        quarantine: Quarantine,
        limits: SpoolLimits,
        clock: Clock,
    ) -> None:
        self._file = file
        self._destination = destination
        self._quarantine = quarantine
        self._limits = limits
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, "spool")
        self._waiting: list[tuple[Sequence[Point], asyncio.Future[WriteOutcome]]] = []
        self._written = asyncio.Event()
        self._committed = asyncio.Event()
        self._live: deque[StoredBatch] = deque()
        self._failures = 0
        self._blocked_until = 0.0
        self._next_backlog = 0.0
        self._next_trim = 0.0
        self._closing = False
        self.statistics = SpoolStatistics(set_aside=file.set_aside)

    @classmethod
    @asynccontextmanager
    async def opened(
        cls, path: Path, destination: PointWriter | None, quarantine: Quarantine, limits: SpoolLimits, clock: Clock
    ) -> AsyncIterator[Spool]:
        """The spool, as long as the block runs. Without a destination it only keeps, for a server to drain.

        Raises StoreUnavailable when the file can neither be opened nor made.
        """
        file = await asyncio.to_thread(SpoolFile.open, path, f"{clock.now():%Y%m%dT%H%M%S}")
        spool = cls(file, destination, quarantine, limits, clock)
        committing = asyncio.create_task(spool._commit_forever(), name="spool commit")
        delivering = None
        if destination is not None:
            delivering = asyncio.create_task(spool._deliver_forever(), name="spool deliver")
        try:
            yield spool
        finally:
            await spool._close(committing, delivering)

    async def write(self, points: Sequence[Point]) -> WriteOutcome:
        """Acknowledge the points: OK once they are committed, RETRY when the disk cannot take them."""
        if not points:
            return WRITTEN
        if self._closing:
            return WriteOutcome(WriteStatus.RETRY, "the spool is closing")
        future: asyncio.Future[WriteOutcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((points, future))
        self._written.set()
        # Shielded: a writer that is cancelled must not take its neighbours' commit with it.
        return await asyncio.shield(future)

    async def drain(self, deadline: timedelta) -> bool:
        """Wait until nothing is pending; False when the deadline passes first."""
        with suppress(TimeoutError):
            async with asyncio.timeout(deadline.total_seconds()):
                while (await self._in_thread(self._file.pending)).batches:  # noqa: ASYNC110 (rows of other processes too)
                    await asyncio.sleep(0.05)
                return True
        return False

    async def refresh(self) -> SpoolStatistics:
        """The statistics with what is pending at this moment."""
        with suppress(sqlite3.Error):
            self.statistics.pending = await self._in_thread(self._file.pending)
        return self.statistics

    # Committing

    async def _commit_forever(self) -> None:
        while not self._closing or self._waiting:
            await self._written.wait()
            if not self._closing:
                await asyncio.sleep(LINGER)
            self._written.clear()
            waiting, self._waiting = self._waiting, []
            if waiting:
                await self._commit(waiting)

    async def _commit(self, waiting: list[tuple[Sequence[Point], asyncio.Future[WriteOutcome]]]) -> None:
        points = [point for some, _ in waiting for point in some]
        batches = [day[at : at + MAX_POINTS] for day in by_day(points) for at in range(0, len(day), MAX_POINTS)]
        try:
            stored = await self._in_thread(lambda: self._insert(batches))
        except (sqlite3.Error, ValueError) as error:
            self.statistics.failed_commits += 1
            logger.error("the spool cannot commit; the points are not acknowledged", extra={"reason": str(error)})
            outcome = WriteOutcome(WriteStatus.RETRY, f"the spool cannot commit: {error}")
        else:
            self.statistics.acknowledged_points += len(points)
            self._live.extend(stored)
            while len(self._live) > MAX_LIVE:  # the destination is slow: these are read back from the file
                self._live.popleft()
            self._committed.set()
            outcome = WRITTEN
        for _, future in waiting:
            if not future.done():
                future.set_result(outcome)

    def _insert(self, batches: list[list[Point]]) -> list[StoredBatch]:
        now = self._clock.now()
        stored = self._file.insert(batches, from_datetime(now))
        if self._clock.monotonic() < self._next_trim:
            return stored
        self._next_trim = self._clock.monotonic() + _TRIM
        dropped = self._file.trim(self._limits.max_bytes, from_datetime(now - self._limits.max_age))
        if dropped:
            self.statistics.dropped.update(dropped)
            logger.error("the spool is full; the oldest points were dropped", extra={"points": dropped.total()})
        return stored

    # Delivering

    async def _deliver_forever(self) -> None:
        while True:
            try:
                moved = await self._deliver_next()
            except Exception:
                logger.exception("delivery failed; it goes on in a second")
                moved = False
            if not moved:
                await self._wait_for_work()

    async def _wait_for_work(self) -> None:
        self._committed.clear()
        blocked = self._blocked_until - self._clock.monotonic()
        if blocked > 0:
            self._live.clear()  # what cannot be sent now is read back later; memory stays flat
            await asyncio.sleep(min(blocked, _POLL))
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(self._committed.wait(), _POLL if not self._live else 0.01)

    async def _deliver_next(self) -> bool:
        """Send one batch, live ones first; whether there was one and it is gone."""
        now = self._clock.monotonic()
        if now < self._blocked_until:
            return False
        if self._live:
            return await self._deliver(self._live.popleft())
        if now < self._next_backlog:
            await asyncio.sleep(min(self._next_backlog - now, _POLL))
            return True
        batch = await self._in_thread(lambda: self._file.oldest([one.identifier for one in self._live]))
        if batch is None:
            return False
        self._next_backlog = now + 1 / self._limits.backlog_per_second
        if isinstance(batch, BrokenBatch):
            await self._put_away(batch)
            return True
        return await self._deliver(batch)

    async def _deliver(self, batch: StoredBatch) -> bool:
        assert self._destination is not None
        outcome = await self._destination.write(batch.points)
        match outcome.status:
            case WriteStatus.OK | WriteStatus.PARTIAL:
                await self._forget(batch, outcome.refused)
            case WriteStatus.SPLIT | WriteStatus.POISON if len(batch.points) > 1:
                await self._split(batch)
            case WriteStatus.SPLIT | WriteStatus.POISON:
                await self._forget(batch, (Refused(batch.points[0], outcome.message),))
            case WriteStatus.RETRY:
                self._back_off(outcome)
                return False
            case WriteStatus.PAUSE:
                self._block(_PAUSE, outcome.message)
                return False
        self._failures = 0
        self.statistics.trouble = ""
        return True

    async def _forget(self, batch: StoredBatch, refused: Sequence[Refused]) -> None:
        if refused:
            await self._in_thread(lambda: self._quarantine.add(refused, "store"))
        await self._in_thread(lambda: self._file.delete([batch.identifier]))
        self.statistics.delivered_points += len(batch.points) - len(refused)

    async def _split(self, batch: StoredBatch) -> None:
        middle = len(batch.points) // 2
        halves = (batch.points[:middle], batch.points[middle:])
        created = from_datetime(self._clock.now())
        stored = await self._in_thread(lambda: self._file.replace(batch.identifier, halves, created))
        self._live.extendleft(reversed(stored))

    async def _put_away(self, batch: BrokenBatch) -> None:
        logger.error("a batch of the spool is damaged; it is in quarantine", extra={"reason": batch.reason})
        await self._in_thread(lambda: self._quarantine.add_bytes(batch.payload, batch.reason, "spool"))
        await self._in_thread(lambda: self._file.delete([batch.identifier]))

    def _back_off(self, outcome: WriteOutcome) -> None:
        self._failures += 1
        longest = min(_BACKOFF_LAST, _BACKOFF_FIRST * 2**self._failures)
        # Full jitter (Brooker, "Exponential Backoff And Jitter", 2015): senders that failed together part.
        delay = random.uniform(_BACKOFF_FIRST, longest)  # noqa: S311 (no secret)
        if outcome.retry_after is not None:
            delay = max(delay, min(outcome.retry_after.total_seconds(), _LONGEST_RETRY_AFTER))
        self._block(delay, outcome.message)

    def _block(self, seconds: float, message: str) -> None:
        if not self.statistics.trouble:
            logger.warning("the store takes no points; they wait in the spool", extra={"reason": message})
        self.statistics.trouble = message or "the store takes no points"
        self._blocked_until = self._clock.monotonic() + seconds

    # Ending

    async def _close(self, committing: asyncio.Task[None], delivering: asyncio.Task[None] | None) -> None:
        self._closing = True
        self._written.set()
        await committing  # never cancelled: what waits is committed, and every writer has its answer
        if delivering is not None:
            delivering.cancel()
            await asyncio.gather(delivering, return_exceptions=True)
        await asyncio.to_thread(self._thread.shutdown)
        self._file.close()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def oldest_age_seconds(pending: Pending, now: int) -> float:
    """How long the oldest batch has been waiting, in seconds; 0 when none waits."""
    return 0.0 if pending.oldest is None else max(0.0, (now - pending.oldest) / NANOSECONDS_PER_SECOND)
