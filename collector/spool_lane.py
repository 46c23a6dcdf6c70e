"""One lane of the spool: its batches go to the destination, whatever becomes of those of other lanes. Shell.

What was just committed goes from memory; what waits longer is read back, oldest first and many rows together, at a
limited rate beside it.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from collector.quarantine import Quarantine
from collector.spool_backoff import backoff_seconds
from collector.spool_codec import pack
from collector.spool_order import Order
from collector.spool_rows import BrokenBatch, StoredBatch
from collector.spool_suspects import Suspects
from collector.spool_thread import SpoolThread
from telemetry.clock import Clock
from telemetry.errors import StoreUnavailable
from telemetry.ports import PointWriter, Refused, WriteOutcome, WriteStatus

logger = logging.getLogger(__name__)

MAX_LIVE = 64  # batches of a lane that are kept in memory while the destination takes them
POLL = 1.0  # seconds between looks for rows that another process wrote
_PAUSE = 30.0  # seconds between looks whether a paused destination takes points again


@dataclass(slots=True)
class DeliveryStatistics:
    """Counted since start. `troubles`: what keeps the destination from taking a lane's points, by lane; of those that
    are well it is empty."""

    delivered_points: int = 0
    broken_batches: int = 0
    troubles: dict[str, str] = field(default_factory=dict)

    @property
    def trouble(self) -> str:
        """What keeps the destination from taking points, for people; empty when nothing does."""
        lanes: dict[str, list[str]] = {}
        for lane, trouble in sorted(self.troubles.items()):
            if trouble:
                lanes.setdefault(trouble, []).append(lane)
        if len(lanes) == 1 and all(self.troubles.values()):
            return next(iter(lanes))  # there is one lane alone, or all have the same
        return "; ".join(f"{', '.join(names)}: {trouble}" for trouble, names in lanes.items())


@dataclass(frozen=True, slots=True)
class LaneParts:
    """What the lanes share."""

    thread: SpoolThread
    destination: PointWriter
    quarantine: Quarantine
    clock: Clock
    statistics: DeliveryStatistics
    backlog_per_second: float

    async def put_away(self, batch: BrokenBatch) -> None:
        """Put a row that cannot be read into quarantine; once, though several lanes may find it."""

        def put() -> bool:
            file = self.thread.file
            if not file.has(batch.identifier):
                return False
            self.quarantine.add_bytes(batch.payload, batch.reason, "spool")
            file.delete([batch.identifier])
            return True

        if await self.thread.run(put):
            self.statistics.broken_batches += 1
            logger.error("a batch of the spool is damaged; it is in quarantine", extra={"reason": batch.reason})

    async def refuse(self, refused: Sequence[Refused]) -> None:
        """Put what the destination will never take into quarantine."""
        if refused:
            await self.thread.run(lambda: self.quarantine.add(refused, "store"))


class Lane:
    """Has a task that runs `deliver_forever`; `latest` is the time of the newest point that may wait from before."""

    def __init__(self, name: str, parts: LaneParts, latest: int | None) -> None:
        self.name = name
        self.live: deque[StoredBatch] = deque()
        self.emptied = asyncio.Event()
        self._parts = parts
        self._committed = asyncio.Event()
        self._suspects = Suspects()
        self._order = Order(latest)
        self._failures = 0
        self._blocked_until = 0.0
        self._next_look = 0.0
        parts.statistics.troubles[name] = ""

    def add(self, batch: StoredBatch) -> None:
        """Let a batch that was just committed be delivered next."""
        self.live.append(batch)
        while len(self.live) > MAX_LIVE:  # the destination is slow: these are read back from the file
            self._order.note_left(self.live.popleft().points)
        self._committed.set()

    def look_now(self) -> None:
        """Look for what waits, and set `emptied` when nothing does."""
        self.emptied.clear()
        self._next_look = 0.0
        self._committed.set()

    async def deliver_forever(self) -> None:
        """Until it is cancelled."""
        while True:
            self._committed.clear()
            try:
                wait = await self._deliver_next()
            except sqlite3.Error as error:
                if self._trouble != str(error):  # told once, not every second onto a full disk
                    self._note_trouble(str(error))
                    logger.warning("the spool's file cannot be used; delivery waits", extra={"reason": str(error)})
                wait = POLL
            except Exception:
                logger.exception("delivery failed; it goes on in a second")
                wait = POLL
            if wait > 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._committed.wait()

    async def _deliver_next(self) -> float:
        """Send one batch, live ones first; how long to wait for the next if nothing is committed meanwhile."""
        now = self._parts.clock.monotonic()
        if now < self._blocked_until:
            # What cannot be sent now is read back later; memory stays flat. But for the newest, which goes first when
            # the wait is over: the oldest may be what the store never takes, and nothing would ever get past it.
            while len(self.live) > 1:
                self._order.note_left(self.live.popleft().points)
            self._next_look = 0.0
            return min(self._blocked_until - now, POLL)
        if self.live:
            batch = self.live.popleft()
            try:
                await self._deliver(batch, goes_again=self._order.goes_again(batch.points))
            except BaseException:
                self._order.note_left(batch.points)
                raise
            return 0.0
        if now < self._next_look:
            return self._next_look - now
        waiting = await self._look()
        if waiting is None:
            self._next_look = now + POLL
            if not self.live:  # what was committed while we looked is not delivered yet
                self._order.note_emptied()
                self.emptied.set()
            return POLL
        self._next_look = now + 1 / self._parts.backlog_per_second
        if isinstance(waiting, BrokenBatch):
            await self._parts.put_away(waiting)
        elif not any(set(waiting.identifiers) & set(one.identifiers) for one in self.live):
            await self._deliver(waiting)
        return 0.0  # else it was committed while we looked, and goes first as it is live

    async def _look(self) -> StoredBatch | BrokenBatch | None:
        thread = self._parts.thread
        await thread.delete_delivered()
        apart = self._suspects.apart
        return await thread.run(lambda: thread.with_file(lambda: thread.file.oldest(apart, self.name)))

    async def _deliver(self, batch: StoredBatch, *, goes_again: bool = False) -> None:
        outcome = await _write(self._parts.destination, batch)
        match outcome.status:
            case WriteStatus.OK | WriteStatus.PARTIAL if goes_again:
                self._order.note_left(batch.points)  # all of it: what overwrites any of it must come after it again
                self._note_success(batch)
            case WriteStatus.OK | WriteStatus.PARTIAL:
                await self._parts.refuse(outcome.refused)
                await self._forget(batch)
                self._parts.statistics.delivered_points += len(batch.points) - len(outcome.refused)
                self._note_success(batch)
            case WriteStatus.SPLIT | WriteStatus.POISON:
                await self._split(batch, outcome.message)
            case WriteStatus.RETRY | WriteStatus.PAUSE if self._suspects.note_failure(batch.first):
                words = "the store takes others, but not this batch"
                logger.warning(words, extra={"lane": self.name, "reason": outcome.message})
                await self._split(batch, outcome.message)
            case WriteStatus.RETRY | WriteStatus.PAUSE:
                self._order.note_left(batch.points)
                self._back_off(outcome)

    async def _forget(self, batch: StoredBatch) -> None:
        if batch.shared:  # what other lanes have in these rows stays, so it is no mere deletion
            await self._parts.thread.run(lambda: self._parts.thread.file.forget(batch))
        else:
            self._parts.thread.note_delivered(batch.identifiers)

    def _note_success(self, batch: StoredBatch) -> None:
        self._suspects.note_success(batch.first)
        self._failures = 0
        if self._trouble:
            self._note_trouble("")
            logger.info("the store takes points again", extra={"lane": self.name})

    async def _split(self, batch: StoredBatch, message: str) -> None:
        if len(batch.points) == 1:
            await self._parts.refuse((Refused(batch.points[0], message),))
            await self._forget(batch)
            self._suspects.forget(batch.first)
            return
        middle = len(batch.points) // 2
        halves = (batch.points[:middle], batch.points[middle:])
        packed = [one for half in halves for one in pack(half, lambda _: self.name)[0]]
        stored = await self._parts.thread.run(lambda: self._parts.thread.file.replace(batch, packed))
        if not self._suspects.note_split(batch.first, [half.first for half in stored]):
            self.live.extendleft(reversed(stored))

    def _back_off(self, outcome: WriteOutcome) -> None:
        seconds = _PAUSE
        if outcome.status is WriteStatus.RETRY:
            self._failures += 1
            seconds = backoff_seconds(self._failures, outcome.retry_after)
        if not self._trouble:
            words = "the store takes no points; they wait in the spool"
            logger.warning(words, extra={"lane": self.name, "reason": outcome.message})
        self._note_trouble(outcome.message or "the store takes no points")
        self._blocked_until = self._parts.clock.monotonic() + seconds

    @property
    def _trouble(self) -> str:
        return self._parts.statistics.troubles[self.name]

    def _note_trouble(self, trouble: str) -> None:
        self._parts.statistics.troubles[self.name] = trouble


async def _write(destination: PointWriter, batch: StoredBatch) -> WriteOutcome:
    try:
        return await destination.write(batch.points)
    except StoreUnavailable as error:
        return WriteOutcome(WriteStatus.RETRY, error.message)
    except Exception as error:
        # A defect of ours; if this batch alone brings it out, it comes under suspicion like any other.
        logger.exception("the destination failed in a way that was not foreseen")
        return WriteOutcome(WriteStatus.RETRY, f"unexpected {type(error).__name__}: {error}")
