"""What keeps the store small, its levels whole and its days in the archive: a unit of each, and when it runs. Shell."""

from __future__ import annotations

import logging
from datetime import timedelta

from collector.disk_room import DiskRoom, RoomLevel
from embedded.store import EmbeddedStore
from opswatch.scheduler import Job, Scheduler
from telemetry.clock import Clock

logger = logging.getLogger(__name__)

_EVERY_HOUR = timedelta(hours=1)
_EVERY_MINUTE = timedelta(minutes=1)
_OLDEST_CHECKED = 30  # days


class Housekeeping:
    """Every method does what is due now; what needs room for a copy waits while the disk is low."""

    def __init__(self, store: EmbeddedStore, room: DiskRoom, clock: Clock) -> None:
        self._store = store
        self._room = room
        self._clock = clock
        self._days_checked = 0

    def plan(self, scheduler: Scheduler) -> None:
        """By the hour a few minutes past it, when a day that is over has its last points; rollups by the minute."""
        scheduler.add(Job("rollups", self.roll_up, _EVERY_MINUTE, timedelta(seconds=17), timedelta(seconds=5)))
        for name, work, minute, first in (
            ("retention", self.delete_expired, 7, 1),
            ("sort closed days", self.sort_days, 11, 2),
            ("rollup coverage", self.check_rollups, 19, 3),
            ("snapshots", self.snapshot, 23, 4),
        ):
            scheduler.add(Job(name, work, _EVERY_HOUR, timedelta(minutes=minute), timedelta(minutes=first)))

    async def roll_up(self) -> None:
        """Make the windows that are due, and those again that late samples touched."""
        await self._store.roll_up(self._clock.now())

    async def delete_expired(self) -> None:
        """Delete what is older than it is kept."""
        deleted = await self._store.delete_expired(self._clock.now())
        if deleted:
            logger.info("expired samples deleted", extra={"rows": deleted})

    async def sort_days(self) -> None:
        """Rewrite closed days in order."""
        if self._has_room():
            days = await self._store.sort_closed_days(self._clock.now())
            if days:
                logger.info("closed days rewritten in order", extra={"days": days})

    async def snapshot(self) -> None:
        """Write closed days to the archive."""
        if self._has_room():
            days = await self._store.snapshot_closed_days(self._clock.now())
            if days:
                logger.info("closed days written to the archive", extra={"days": days})

    async def check_rollups(self) -> None:
        """Compare rolled-up windows with their samples.

        The newest day each time, and another of the older ones: an error is found and mended within days.
        """
        now = self._clock.now()
        older = now - timedelta(days=2 + self._days_checked % _OLDEST_CHECKED)
        self._days_checked += 1
        found = await self._store.check_rollups(now - timedelta(days=1), now)
        found += await self._store.check_rollups(older, older + timedelta(days=1))
        if found:
            logger.warning("rolled-up windows differ from their samples; they are made again", extra={"windows": found})

    def _has_room(self) -> bool:
        return self._room.figures().level is RoomLevel.ENOUGH
