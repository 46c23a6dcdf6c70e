"""The Spool: a PointWriter around a PointWriter, with a bounded buffer on disk between them. Shell.

A point is acknowledged when the spool has committed it; the destination's commit only lets the spool forget it.
Writers that come within a short linger share one commit. What was just committed goes to the destination from
memory; what waits longer is read back, oldest first and many rows together, at a limited rate beside it.
"""

from __future__ import annotations

import asyncio
import logging
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
from collector.spool_backoff import backoff_seconds
from collector.spool_codec import pack
from collector.spool_file import BrokenBatch, Pending, SpoolFile, StoredBatch
from collector.spool_order import Order
from collector.spool_suspects import Suspects
from collector.spool_writers import Waiting, WaitingWriters
from telemetry.clock import Clock
from telemetry.errors import StoreUnavailable
from telemetry.points import Point
from telemetry.ports import WRITTEN, PointWriter, Refused, WriteOutcome, WriteStatus
from telemetry.times import NANOSECONDS_PER_SECOND, from_datetime

logger = logging.getLogger(__name__)
T = TypeVar("T")

MAX_LIVE = 64  # batches kept in memory while the destination takes them
_POLL = 1.0  # seconds between looks for rows that another process wrote
_PAUSE = 30.0  # seconds between looks whether a paused destination takes points again
_TELL_AGAIN = 60.0  # seconds between log lines about the same trouble


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
    broken_batches: int = 0
    failed_commits: int = 0
    trouble: str = ""  # what keeps the destination from taking points; empty when nothing does
    disk_trouble: str = ""  # what keeps the spool from committing; empty when nothing does
    set_aside: Path | None = None  # a damaged file that was found, at start or later


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
        self._writers = WaitingWriters()
        self._committed = asyncio.Event()
        self._emptied = asyncio.Event()
        self._live: deque[StoredBatch] = deque()
        self._delivered: set[int] = set()  # rows to be deleted with the next commit
        self._suspects = Suspects()
        self._order = Order(file.latest())
        self._failures = 0
        self._blocked_until = 0.0
        self._next_look = 0.0
        self._tell_dropped = 0.0
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
        file = await asyncio.to_thread(SpoolFile.open, path, _stamp(clock))
        spool = cls(file, destination, quarantine, limits, clock)
        committing = asyncio.create_task(spool._commit_forever(), name="spool commit")
        delivering = None
        if destination is not None:
            delivering = asyncio.create_task(spool._deliver_forever(destination), name="spool deliver")
        try:
            yield spool
        finally:
            await spool._close(committing, delivering)

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
                if self._destination is None:  # another process drains it, and cannot tell us
                    while (await self._in_thread(self._file.pending)).batches:  # noqa: ASYNC110 (no event of ours)
                        await asyncio.sleep(_POLL)
                    return True
                self._emptied.clear()
                self._next_look = 0.0
                self._committed.set()
                return await self._emptied.wait()
        return False

    @property
    def refused_points(self) -> int:
        """Points that went to quarantine since start."""
        return self._quarantine.refused_points

    async def refresh(self) -> SpoolStatistics:
        """The statistics with what is pending at this moment."""
        with suppress(sqlite3.Error):
            await self._delete_delivered()
            self.statistics.pending = await self._in_thread(self._file.pending)
        return self.statistics

    # Committing

    async def _commit_forever(self) -> None:
        while waiting := await self._writers.together():
            await self._commit(waiting)

    async def _commit(self, waiting: list[Waiting]) -> None:
        points = [point for some, _ in waiting for point in some]
        delivered = frozenset(self._delivered)
        try:
            stored, refused = await self._in_thread(lambda: self._insert(points, delivered))
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
        self._delivered -= delivered
        self.statistics.acknowledged_points += points
        self._live.extend(stored)
        while len(self._live) > MAX_LIVE:  # the destination is slow: these are read back from the file
            self._order.note_left(self._live.popleft().points)
        self._committed.set()

    def _insert(self, points: list[Point], delivered: frozenset[int]) -> tuple[list[StoredBatch], list[Refused]]:
        now = self._clock.now()
        packed, refused = pack(points)
        if refused:
            self._quarantine.add(refused, "spool")
        stored = self._with_file(lambda: self._file.insert(packed, from_datetime(now), delivered))
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

    def _with_file(self, work: Callable[[], T]) -> T:
        """Work on the file, once more with a new one if it turns out to be damaged."""
        try:
            return work()
        except sqlite3.DatabaseError as error:
            if not self._file.is_damaged(error):
                raise
            self._file.start_anew(_stamp(self._clock), error)
            self.statistics.set_aside = self._file.set_aside
            return work()

    def _note_failed_commit(self, reason: str) -> None:
        self.statistics.failed_commits += 1
        if self.statistics.disk_trouble != reason:  # told once, not ten times a second onto a full disk
            self.statistics.disk_trouble = reason
            logger.error("the spool cannot commit; points are not acknowledged", extra={"reason": reason})

    # Delivering

    async def _deliver_forever(self, destination: PointWriter) -> None:
        while True:
            self._committed.clear()
            try:
                wait = await self._deliver_next(destination)
            except sqlite3.Error as error:
                if self.statistics.trouble != str(error):  # told once, not every second onto a full disk
                    self.statistics.trouble = str(error)
                    logger.warning("the spool's file cannot be used; delivery waits", extra={"reason": str(error)})
                wait = _POLL
            except Exception:
                logger.exception("delivery failed; it goes on in a second")
                wait = _POLL
            if wait > 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._committed.wait()

    async def _deliver_next(self, destination: PointWriter) -> float:
        """Send one batch, live ones first; how long to wait for the next if nothing is committed meanwhile."""
        now = self._clock.monotonic()
        if now < self._blocked_until:
            while self._live:  # what cannot be sent now is read back later; memory stays flat
                self._order.note_left(self._live.popleft().points)
            self._next_look = 0.0
            return min(self._blocked_until - now, _POLL)
        if self._live:
            batch = self._live.popleft()
            try:
                await self._deliver(destination, batch, goes_again=self._order.goes_again(batch.points))
            except BaseException:
                self._order.note_left(batch.points)
                raise
            return 0.0
        if now < self._next_look:
            return self._next_look - now
        waiting = await self._look()
        if waiting is None:
            self._next_look = now + _POLL
            if not self._live:  # what was committed while we looked is not delivered yet
                self._order.note_emptied()
                self._emptied.set()
            return _POLL
        self._next_look = now + 1 / self._limits.backlog_per_second
        if isinstance(waiting, BrokenBatch):
            await self._put_away(waiting)
        elif not any(set(waiting.identifiers) & set(one.identifiers) for one in self._live):
            await self._deliver(destination, waiting)
        return 0.0  # else it was committed while we looked, and goes first as it is live

    async def _look(self) -> StoredBatch | BrokenBatch | None:
        await self._delete_delivered()
        apart = self._suspects.apart
        return await self._in_thread(lambda: self._with_file(lambda: self._file.oldest(apart)))

    async def _deliver(self, destination: PointWriter, batch: StoredBatch, *, goes_again: bool = False) -> None:
        outcome = await _write(destination, batch)
        match outcome.status:
            case WriteStatus.OK | WriteStatus.PARTIAL if goes_again:
                self._order.note_left(batch.points)  # all of it: what overwrites any of it must come after it again
                self._note_success(batch)
            case WriteStatus.OK | WriteStatus.PARTIAL:
                await self._forget(batch, outcome.refused)
            case WriteStatus.SPLIT | WriteStatus.POISON:
                await self._split(batch, outcome.message)
            case WriteStatus.RETRY | WriteStatus.PAUSE if self._suspects.note_failure(batch.first):
                logger.warning("the store takes others, but not this batch", extra={"reason": outcome.message})
                await self._split(batch, outcome.message)
            case WriteStatus.RETRY | WriteStatus.PAUSE:
                self._order.note_left(batch.points)
                self._back_off(outcome)

    async def _forget(self, batch: StoredBatch, refused: Sequence[Refused]) -> None:
        if refused:
            await self._in_thread(lambda: self._quarantine.add(refused, "store"))
        self._delivered.update(batch.identifiers)
        self.statistics.delivered_points += len(batch.points) - len(refused)
        self._note_success(batch)

    def _note_success(self, batch: StoredBatch) -> None:
        self._suspects.note_success(batch.first)
        self._failures = 0
        if self.statistics.trouble:
            self.statistics.trouble = ""
            logger.info("the store takes points again")

    async def _split(self, batch: StoredBatch, message: str) -> None:
        if len(batch.points) == 1:
            await self._in_thread(lambda: self._quarantine.add((Refused(batch.points[0], message),), "store"))
            self._delivered.update(batch.identifiers)
            self._suspects.forget(batch.first)
            return
        middle = len(batch.points) // 2
        packed = [one for half in (batch.points[:middle], batch.points[middle:]) for one in pack(half)[0]]
        stored = await self._in_thread(lambda: self._file.replace(batch, packed))
        if not self._suspects.note_split(batch.first, [half.first for half in stored]):
            self._live.extendleft(reversed(stored))

    async def _put_away(self, batch: BrokenBatch) -> None:
        self.statistics.broken_batches += 1
        logger.error("a batch of the spool is damaged; it is in quarantine", extra={"reason": batch.reason})
        await self._in_thread(lambda: self._quarantine.add_bytes(batch.payload, batch.reason, "spool"))
        await self._in_thread(lambda: self._file.delete([batch.identifier]))

    async def _delete_delivered(self) -> None:
        delivered = frozenset(self._delivered)
        await self._in_thread(lambda: self._with_file(lambda: self._file.delete(delivered)))
        self._delivered -= delivered

    def _back_off(self, outcome: WriteOutcome) -> None:
        seconds = _PAUSE
        if outcome.status is WriteStatus.RETRY:
            self._failures += 1
            seconds = backoff_seconds(self._failures, outcome.retry_after)
        if not self.statistics.trouble:
            logger.warning("the store takes no points; they wait in the spool", extra={"reason": outcome.message})
        self.statistics.trouble = outcome.message or "the store takes no points"
        self._blocked_until = self._clock.monotonic() + seconds

    # Ending

    async def _close(self, committing: asyncio.Task[None], delivering: asyncio.Task[None] | None) -> None:
        self._closing = True
        self._writers.close()
        await committing  # never cancelled: what waits is committed, and every writer has its answer
        if delivering is not None:
            delivering.cancel()
            await asyncio.gather(delivering, return_exceptions=True)
        with suppress(sqlite3.Error):  # what stays is sent once more at the next start, which does no harm
            await self._delete_delivered()
        await self._in_thread(self._file.close)
        self._thread.shutdown()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def oldest_age_seconds(pending: Pending, now: int) -> float:
    """How long the oldest batch has been waiting, in seconds; 0 when none waits."""
    return 0.0 if pending.oldest is None else max(0.0, (now - pending.oldest) / NANOSECONDS_PER_SECOND)


async def _write(destination: PointWriter, batch: StoredBatch) -> WriteOutcome:
    try:
        return await destination.write(batch.points)
    except StoreUnavailable as error:
        return WriteOutcome(WriteStatus.RETRY, error.message)
    except Exception as error:
        # A defect of ours; if this batch alone brings it out, it comes under suspicion like any other.
        logger.exception("the destination failed in a way that was not foreseen")
        return WriteOutcome(WriteStatus.RETRY, f"unexpected {type(error).__name__}: {error}")


def _answer(waiting: list[Waiting], outcome: WriteOutcome, refused: Sequence[Refused] = ()) -> None:
    by_point = {id(one.point): one for one in refused}
    for points, future in waiting:
        if not future.done():
            own = tuple(by_point[id(point)] for point in points if id(point) in by_point)
            future.set_result(WriteOutcome(WriteStatus.PARTIAL, own[0].reason, refused=own) if own else outcome)


def _stamp(clock: Clock) -> str:
    return f"{clock.now():%Y%m%dT%H%M%S}"
