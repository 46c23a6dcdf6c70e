"""Quarantine: where single items that a store refuses end, with the reason. Shell."""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from collector.quarantine_files import DayFiles, Place
from collector.quarantine_lines import (
    has_identifier,
    identifier_of,
    needle_of,
    payload_line,
    point_line,
    read_head,
    read_item,
    shortened,
    with_reason,
)
from telemetry.clock import Clock
from telemetry.errors import InvalidRequest, NotFound
from telemetry.ports import Refused
from telemetry.quarantine import QuarantinedItem, QuarantinePage, QuarantineQuery

logger = logging.getLogger(__name__)

MAX_PAGE_BYTES = 4_000_000  # of the lines of a page, after which it ends early: large items come in small pages
_CURSOR = re.compile(r"([0-9]{8})-([0-9]{1,12})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Kept:
    """An item and the line in which it is kept."""

    item: QuarantinedItem
    place: Place


class Quarantine:
    """JSON lines, one file per UTC day, readable by the owner alone.

    Bounded: past `max_bytes` in all the oldest days make room, and where today alone fills it, items are only counted.
    Every call blocks shortly.
    """

    def __init__(self, directory: Path, clock: Clock, max_bytes: int = 50_000_000) -> None:
        self._files = DayFiles(directory)
        self._clock = clock
        self._max_bytes = max_bytes
        self._failing = ""
        self.refused_points = 0
        self.unwritten_points = 0

    # Keeping

    def add(self, refused: Sequence[Refused], source: str) -> None:
        """Keep points with their reasons. Never raises: a full disk must not stop the neighbours."""
        now = self._clock.now()
        self.refused_points += len(refused)
        self._keep(now, [point_line(_new_identifier(now), one, source, now) for one in refused])

    def add_bytes(self, payload: bytes, reason: str, source: str) -> None:
        """Keep a batch that cannot even be read as points."""
        now = self._clock.now()
        self._keep(now, [payload_line(_new_identifier(now), payload, reason, source, now)])

    def _keep(self, now: datetime, lines: Sequence[str]) -> None:
        path = self._files.path_of(f"{now:%Y%m%d}")
        try:
            if self._append(path, lines):
                self._failing = ""
                return
            reason = f"today's file would grow past {self._max_bytes:,} bytes"
        except OSError as error:
            reason = error.strerror or str(error)
        self.unwritten_points += len(lines)
        if reason != self._failing:
            self._failing = reason
            logger.error(
                "quarantine cannot be written; what is refused is only counted",
                extra={"path": str(path), "reason": reason},
            )

    def _append(self, path: Path, lines: Sequence[str], *, may_delete: bool = True) -> bool:
        text = "".join(line + "\n" for line in lines).encode()
        with self._files.locked():
            if not self._make_room(path, len(text), may_delete=may_delete):
                return False
            self._files.append(path, text)
            return True

    def _make_room(self, today: Path, size: int, *, may_delete: bool) -> bool:
        sizes = self._files.sizes()
        for path in [path for path in sizes if path != today and may_delete]:
            if sum(sizes.values()) + size <= self._max_bytes:
                break
            path.unlink(missing_ok=True)
            logger.warning("quarantine is full; its oldest day was deleted", extra={"path": str(path)})
            del sizes[path]
        return sum(sizes.values()) + size <= self._max_bytes

    # Looking. These may raise OSError.

    def page(self, query: QuarantineQuery) -> QuarantinePage:
        """The items asked for, the newest first; with bounded memory, however large quarantine is.

        Raises InvalidRequest for a cursor that is none.
        """
        found, cursor = self.select(query)
        sizes = self._files.sizes()
        items = tuple(one.item for one in found)
        return QuarantinePage(items, cursor, self._files.count(), sum(sizes.values()), self.unwritten_points)

    def select(self, query: QuarantineQuery) -> tuple[list[Kept], str]:
        """The items asked for with their places, and the cursor that leads on. Raises InvalidRequest.

        Fewer than asked for, with a cursor, where they are large.
        """
        day, before = _cursor(query.cursor)
        needle = needle_of(query.measurement) if query.measurement else b""
        found: list[Kept] = []
        size = 0
        with closing(self._files.backwards(day, before)) as places:
            for place in places:
                if needle not in place.head:
                    continue
                item = self._listed(place)
                if item is not None and query.source in {"", item.source} and _is_of(item, query.measurement):
                    found.append(Kept(item, place))
                    size += item.size
                    if len(found) == query.limit or size >= MAX_PAGE_BYTES:
                        return found, f"{place.day}-{place.start}"
        return found, ""

    def find(self, identifier: str) -> Kept:
        """One item, whole. Raises NotFound."""
        for _ in range(2):  # a file may be copied between the two looks at it
            place = self._files.find(identifier)
            kept = None if place is None else self.whole(place)
            if kept is not None:
                return kept
        raise NotFound(f"quarantine has no item {identifier[:40]!r}", field="id", value=identifier[:40])

    def whole(self, place: Place) -> Kept | None:
        """The item of this line with its point, however large it is; None when it is not there any more."""
        line = self._files.read(place)
        return None if line is None else Kept(read_item(line, place.day), place)

    def _listed(self, place: Place) -> QuarantinedItem | None:
        if place.is_whole or not has_identifier(place.head):
            kept = self.whole(place)
            return None if kept is None else kept.item
        return read_head(place.head, identifier_of(place.head, place.day), place.stop - place.start)

    # Changing. These may raise OSError.

    def remove(self, kept: Sequence[Kept]) -> int:
        """Take items out; how many were still there."""
        return self._files.remove([one.place for one in kept])

    def refuse_again(self, refused: Sequence[tuple[Kept, str]]) -> None:
        """Items that were tried and are refused again stay, under their ids, with these reasons.

        Where there is no room for new lines they stay as they are: nobody else's items are deleted for them.
        """
        now = self._clock.now()
        changed: list[Kept] = []
        lines: list[str] = []
        for kept, reason in refused:
            line = self._files.read(kept.place) if shortened(reason) != kept.item.reason else None
            if line is not None:
                changed.append(kept)
                lines.append(with_reason(line, kept.item.id, reason, now))
        # First the new lines, then the old ones go: whatever stops us here, no item is lost.
        if lines and self._append(self._files.path_of(f"{now:%Y%m%d}"), lines, may_delete=False):
            self.remove(changed)

    def tidy(self) -> None:
        """Give back the room of removed items."""
        self._files.tidy()


def _new_identifier(now: datetime) -> str:
    return f"{now:%Y%m%d}-{secrets.token_hex(6)}"


def _cursor(text: str) -> tuple[str, int | None]:
    if not text:
        return "", None
    match = _CURSOR.fullmatch(text)
    if match is None:
        raise InvalidRequest("cursor is not one that a list of the quarantine gave", field="cursor", value=text[:40])
    return match[1], int(match[2])


def _is_of(item: QuarantinedItem, measurement: str) -> bool:
    return not measurement or item.point is None or item.point.measurement == measurement
