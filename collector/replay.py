"""Quarantine for those who ask: what is in it, and its items given to the store once more. Shell.

An item is tried as if it came now: what was pushed passes the rules of the intake, everything passes the registry, and
then the store itself takes it, not the spool: what leaves the list is stored, and what is refused says why.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, TypeVar

from collector.quarantine import Kept, Quarantine
from telemetry.errors import PointRejected, StoreUnavailable
from telemetry.points import Point
from telemetry.ports import PointWriter, WriteStatus
from telemetry.quarantine import (
    MAX_LISTED,
    QuarantinedItem,
    QuarantinePage,
    QuarantineQuery,
    ReplayOutcome,
    SetAsideFile,
)
from telemetry.schema import Registry

logger = logging.getLogger(__name__)
T = TypeVar("T")

_MAX_REASONS = 10  # that an outcome tells
_NO_POINT = "it holds no point, so there is nothing to replay"
_MAX_FILES = 100  # set aside, that a list tells


class PushRules(Protocol):
    """What holds for points that somebody pushed."""

    async def admit(self, point: Point) -> Point:
        """The point as it may be kept now. Raises PointRejected, StoreUnavailable."""
        ...


class Room(Protocol):
    """Whether there is room for work that can wait."""

    def check(self, what: str) -> None:
        """Raises DiskLow."""
        ...


@dataclass(frozen=True, slots=True)
class ReplayParts:
    """What a replay needs: the rules of the intake, the registry for all others, the store, room on the disk."""

    push_rules: PushRules
    registry: Registry
    store: PointWriter
    room: Room


@dataclass(slots=True)
class _Tried:
    stored: list[Kept] = field(default_factory=list)
    refused: list[tuple[Kept, str]] = field(default_factory=list)


class Replay:
    """Implements `api.doors.QuarantineDesk`. One replay at a time."""

    def __init__(self, quarantine: Quarantine, directory: Path, parts: ReplayParts) -> None:
        self._quarantine = quarantine
        self._directory = directory  # where files are set aside
        self._parts = parts
        self._alone = asyncio.Lock()

    async def list(self, query: QuarantineQuery) -> QuarantinePage:
        """The items asked for. Raises InvalidRequest, StoreUnavailable."""
        page = await _in_thread(lambda: self._quarantine.page(query))
        return replace(page, files=await _in_thread(lambda: set_aside_files(self._directory)))

    async def show(self, identifier: str) -> QuarantinedItem:
        """One item, whole. Raises NotFound, StoreUnavailable."""
        return (await _in_thread(lambda: self._quarantine.find(identifier))).item

    async def discard(self, identifier: str) -> None:
        """Take an item out for good. Raises NotFound, StoreUnavailable."""
        async with self._alone:
            kept = await _in_thread(lambda: self._quarantine.find(identifier))
            await _in_thread(lambda: self._quarantine.remove([kept]))
            await _in_thread(self._quarantine.tidy)

    async def replay(self, identifier: str) -> None:
        """Give one item to the store. Raises NotFound, PointRejected when it is refused again, StoreUnavailable."""
        self._parts.room.check("replays")
        async with self._alone:
            kept = await _in_thread(lambda: self._quarantine.find(identifier))
            tried = await self._try([kept])
        if tried.refused:
            raise PointRejected(tried.refused[0][1], field="id", value=identifier)

    async def replay_many(self, query: QuarantineQuery) -> ReplayOutcome:
        """Give a page of items to the store; the cursor leads on to the next. Raises as `list` and DiskLow."""
        self._parts.room.check("replays")
        async with self._alone:
            wanted = replace(query, limit=min(query.limit, MAX_LISTED))
            found, cursor = await _in_thread(lambda: self._quarantine.select(wanted))
            # Large items are listed without their points, which are wanted here. The newest is written last, and wins.
            whole = [one if one.place.is_whole else await self._whole(one) for one in reversed(found)]
            tried = await self._try([one for one in whole if one is not None], tidy=not cursor)
        reasons = tuple(dict.fromkeys(reason for _, reason in tried.refused))[:_MAX_REASONS]
        return ReplayOutcome(len(tried.stored), len(tried.refused), reasons, cursor)

    async def _whole(self, kept: Kept) -> Kept | None:
        return await _in_thread(lambda: self._quarantine.whole(kept.place))

    async def _try(self, items: Sequence[Kept], *, tidy: bool = True) -> _Tried:
        tried = _Tried()
        admitted: list[tuple[Kept, Point]] = []
        for kept in items:
            try:
                admitted.append((kept, await self._admit(kept.item)))
            except PointRejected as error:
                tried.refused.append((kept, error.message))
        await self._store(admitted, tried)
        await _in_thread(lambda: self._note(tried, tidy=tidy))
        logger.info("quarantine replayed", extra={"stored": len(tried.stored), "refused": len(tried.refused)})
        return tried

    async def _admit(self, item: QuarantinedItem) -> Point:
        if item.point is None:
            raise PointRejected(_NO_POINT)
        if item.source == "push":
            return await self._parts.push_rules.admit(item.point)
        return self._parts.registry.coerce(item.point)

    async def _store(self, admitted: Sequence[tuple[Kept, Point]], tried: _Tried) -> None:
        """Write them together; halves, where the store asks for less, down to the one that it refuses."""
        waiting = [list(admitted)] if admitted else []
        while waiting:
            batch = waiting.pop()
            outcome = await self._parts.store.write([point for _, point in batch])
            match outcome.status:
                case WriteStatus.OK | WriteStatus.PARTIAL:
                    reasons = {id(one.point): one.reason for one in outcome.refused}
                    tried.stored += [kept for kept, point in batch if id(point) not in reasons]
                    tried.refused += [(kept, reasons[id(point)]) for kept, point in batch if id(point) in reasons]
                case WriteStatus.SPLIT | WriteStatus.POISON if len(batch) > 1:
                    middle = len(batch) // 2
                    waiting += [batch[middle:], batch[:middle]]
                case WriteStatus.SPLIT | WriteStatus.POISON:
                    tried.refused.append((batch[0][0], outcome.message))
                case WriteStatus.RETRY | WriteStatus.PAUSE:
                    await _in_thread(lambda: self._note(tried, tidy=True))
                    raise StoreUnavailable(
                        f"the store takes nothing at the moment, so the rest stays: {outcome.message}"
                    )

    def _note(self, tried: _Tried, *, tidy: bool) -> None:
        self._quarantine.remove(tried.stored)
        self._quarantine.refuse_again([(kept, reason) for kept, reason in tried.refused if kept.item.point is not None])
        if tidy:
            self._quarantine.tidy()


def set_aside_files(directory: Path) -> tuple[SetAsideFile, ...]:
    """The files of the data directory that were set aside because they could not be opened, the newest first."""
    found = []
    for path in directory.glob("*.broken-*"):
        with suppress(FileNotFoundError):
            if path.name.endswith(("-wal", "-shm", ".wal")):
                continue
            status = path.stat()
            found.append(SetAsideFile(str(path), status.st_size, datetime.fromtimestamp(status.st_mtime, UTC)))
    return tuple(sorted(found, key=lambda one: one.time, reverse=True))[:_MAX_FILES]


async def _in_thread(work: Callable[[], T]) -> T:
    try:
        return await asyncio.to_thread(work)
    except OSError as error:
        raise StoreUnavailable(f"quarantine cannot be used: {error.strerror or error}") from error
