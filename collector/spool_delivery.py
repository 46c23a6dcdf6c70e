"""Delivery: every lane of the spool with a task of its own, made when the first point of it is seen. Shell."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Iterable
from contextlib import suppress

from collector.spool_lane import POLL, Lane, LaneParts
from collector.spool_rows import BrokenBatch, StoredBatch

logger = logging.getLogger(__name__)


class Delivery:
    """Lanes are a handful. Make it in a running loop."""

    def __init__(self, parts: LaneParts) -> None:
        self._parts = parts
        self._latest = parts.thread.file.latest()
        self._lanes: dict[str, Lane] = {}
        self._tasks = [asyncio.create_task(self._find_lanes_forever(), name="spool lanes")]

    @property
    def live_batches(self) -> int:
        """How many batches are in memory."""
        return sum(len(lane.live) for lane in self._lanes.values())

    def add(self, stored: Iterable[StoredBatch]) -> None:
        """Deliver what was just committed."""
        for batch in stored:
            self._lane(batch.lane).add(batch)

    async def emptied(self) -> None:
        """Wait until nothing is pending in any lane."""
        while True:
            lanes = list(self._lanes.values())
            for lane in lanes:
                lane.look_now()
            await asyncio.gather(*(lane.emptied.wait() for lane in lanes))
            with suppress(sqlite3.Error):
                if not await self._find_lanes() and len(self._lanes) == len(lanes):
                    return
                continue
            await asyncio.sleep(POLL)

    async def close(self) -> None:
        """Stop in the middle of it all: what was not delivered is still in the file."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _lane(self, name: str) -> Lane:
        lane = self._lanes.get(name)
        if lane is None:
            lane = self._lanes[name] = Lane(name, self._parts, self._latest)
            self._tasks.append(asyncio.create_task(lane.deliver_forever(), name=f"spool deliver {name}"))
        return lane

    async def _find_lanes_forever(self) -> None:
        while True:
            found = False
            try:
                found = await self._find_lanes()
            except sqlite3.Error as error:  # the lanes and the commits tell people
                logger.debug("the spool's file cannot be used", extra={"reason": str(error)})
            except Exception:
                logger.exception("lanes cannot be found; it goes on in a second")
            await asyncio.sleep(0 if found else POLL)

    async def _find_lanes(self) -> bool:
        """Look at some rows that an earlier start or another process wrote; whether there may be more."""
        thread = self._parts.thread
        found = await thread.run(lambda: thread.with_file(thread.file.label_some))
        if isinstance(found, BrokenBatch):
            await self._parts.put_away(found)
        elif found is not None:
            for name in sorted(found):
                self._lane(name)
        return found is not None
