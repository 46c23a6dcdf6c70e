"""The spool's SQLite file: batches in, batches out, bounded. Shell.

Every method blocks; the spool calls them from one thread. Several processes may have the file open.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

from collector.spool_codec import MAX_BYTES, MAX_POINTS, ONE_LANE, LaneOf, Packed, day_of, encode, one_lane
from collector.spool_labels import Labels
from collector.spool_opening import begin_anew, code_of, open_or_begin_anew
from collector.spool_rows import BrokenBatch, StoredBatch, by_measurement, read_row, values_of
from telemetry.points import Point

_COLUMNS = "id, created, destination, payload, checksum, encoding"
# Numbers are so far apart that all which a row may be cut into, down to single points, finds room behind it: a batch
# of MAX_POINTS is halved 13 times, and each time half of the room is left.
_ROOM = 2**20
_INSERT = (
    "INSERT INTO batch (id, destination, created, first, last, points, bytes, sources, checksum, encoding, payload)"
    " VALUES (coalesce(?, ? + (SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'batch')),"
    " ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_LAST = "SELECT coalesce(max(id), 0) FROM batch"
_TRIMMED_AT_ONCE = 1_000  # rows; the next commit goes on
_LABELLED_AT_ONCE = 200  # rows; commits are not to wait for long
_Row = tuple[int, int, Any, bytes, Any, Any]  # _COLUMNS


@dataclass(frozen=True, slots=True)
class Pending:
    """What waits: rows, their bytes, and when the oldest was made (ns; None when nothing waits)."""

    batches: int = 0
    bytes: int = 0
    oldest: int | None = None


class SpoolFile:
    """One open file. Raises sqlite3.Error for troubles of the disk."""

    def __init__(
        self, path: Path, connection: sqlite3.Connection, set_aside: Path | None, lane_of: LaneOf = one_lane
    ) -> None:
        self._path = path
        self._connection = connection
        self._highest = 0
        self._usable = True
        self._labels = Labels(lane_of)
        # Rows before these hold nothing of a lane; so a long backlog of one lane is not looked through for another.
        self._begins: defaultdict[str, int] = defaultdict(int)
        self._unlabelled_from = 0
        self.set_aside = set_aside

    @classmethod
    def open(cls, path: Path, stamp: str, lane_of: LaneOf = one_lane) -> SpoolFile:
        """Open or make the file; one that is damaged is renamed with `stamp`, never deleted, and a new one begins.

        `lane_of` says of a point in which lane it is. Raises StoreUnavailable when not even a new one can be made.
        """
        return cls(path, *open_or_begin_anew(path, stamp), lane_of)

    def start_anew(self, stamp: str, error: Exception) -> None:
        """Set aside a file that was found damaged while it was open, and begin a new one."""
        self._usable = False  # should anything here fail, the next attempt begins here again
        self._connection.close()
        self._connection, self.set_aside = begin_anew(self._path, stamp, error)
        with self._connection:
            # Numbers go on: somebody may still hold those of the old file.
            self._connection.execute("INSERT INTO sqlite_sequence VALUES ('batch', ?)", (self._highest + 1_000_000,))
        self._begins.clear()
        self._unlabelled_from = 0
        self._usable = True

    def is_damaged(self, error: sqlite3.Error) -> bool:
        """Whether an error says that the file itself is broken, so that only a new one helps."""
        return not self._usable or code_of(error, 0) in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}

    def insert(self, packed: Sequence[Packed], created: int, delivered: Collection[int]) -> list[StoredBatch]:
        """Commit rows, and forget those that were delivered, in one transaction; what is returned survives us."""
        with self._connection:
            self._delete(delivered)
            return self._insert(packed, created)

    def replace(self, batch: StoredBatch, packed: Sequence[Packed]) -> list[StoredBatch]:
        """Put smaller batches in the place of one that was too large, in one transaction; they are as old as it.

        So what is newer stays behind them. Where there is no room, as between rows of earlier versions, they come last.
        """
        with self._connection:
            self._forget(batch)
            stored = self._insert(packed, batch.created, self._numbers_behind(batch.identifiers[-1], len(packed)))
        for one in stored:
            self._begins[one.lane] = min(self._begins[one.lane], one.first)
        return stored

    def forget(self, batch: StoredBatch) -> None:
        """Delete the batch's points; what others have in its rows stays in its place."""
        with self._connection:
            self._forget(batch)

    def delete(self, identifiers: Collection[int]) -> None:
        if identifiers:
            with self._connection:
                self._delete(identifiers)

    def has(self, identifier: int) -> bool:
        """Whether the row is still there."""
        return self._row(identifier) is not None

    def label_some(self) -> frozenset[str] | BrokenBatch | None:
        """Label some rows that somebody wrote who knows no lanes, or others; the lanes found, None when all are known.

        The oldest first; a broken one is returned in its turn.
        """
        (last,) = self._connection.execute(_LAST).fetchone()
        wrong: dict[int, str] = {}
        found: set[str] = set()
        with closing(self._rows(self._unlabelled_from, self._labels.known)) as rows:
            for number, (identifier, _, label, *content) in enumerate(rows):
                points = read_row(identifier, *content)
                if isinstance(points, BrokenBatch) and not number:
                    return points
                if isinstance(points, BrokenBatch) or number == _LABELLED_AT_ONCE:
                    break
                right = self._labels.of(points)
                found |= self._labels.lanes(right)
                if right != label:
                    wrong[identifier] = right
        if not found:
            self._unlabelled_from = last + 1
            return None
        self._label(wrong)
        return frozenset(found)

    def oldest(self, apart: Sequence[int], lane: str = ONE_LANE) -> StoredBatch | BrokenBatch | None:
        """The lane's oldest rows, as many as make one good batch of one UTC day; or the very oldest, if it is broken.

        The rows of `apart` come after all others, one at a time, in that order.
        """
        while (found := self.label_some()) is not None:  # else what is to come first may not be seen
            if isinstance(found, BrokenBatch):
                return found
        (last,) = self._connection.execute(_LAST).fetchone()
        batch, begin, labels = self._gather(frozenset(apart), lane)
        self._begins[lane] = last + 1 if begin is None else begin
        self._label(labels)
        return batch or self._one_of(apart, lane)

    def _gather(
        self, apart: Collection[int], lane: str
    ) -> tuple[StoredBatch | BrokenBatch | None, int | None, dict[int, str]]:
        """The oldest rows that go together, the first row of the lane, and the labels that are wrong."""
        gathered = _Gathered(lane)
        begin: int | None = None
        labels: dict[int, str] = {}
        with closing(self._rows(self._begins[lane], self._labels.without(lane))) as rows:
            for identifier, created, label, payload, expected, encoding in rows:
                self._highest = max(self._highest, identifier)
                begin = identifier if begin is None else begin
                if identifier in apart:
                    continue
                points = read_row(identifier, payload, expected, encoding)
                if isinstance(points, BrokenBatch):
                    return (gathered.batch or points), begin, labels
                if (right := self._labels.of(points)) != label:
                    labels[identifier] = right
                own = [point for point in points if self._labels.lane_of(point) == lane]
                if own and not gathered.add(identifier, created, own, len(payload), is_shared=len(own) < len(points)):
                    break
        return gathered.batch, begin, labels

    def _one_of(self, identifiers: Sequence[int], lane: str) -> StoredBatch | BrokenBatch | None:
        for one in identifiers:
            row = self._row(one)
            if row is not None:
                identifier, created, _, *content = row
                points = read_row(identifier, *content)
                if isinstance(points, BrokenBatch):
                    return points
                own = tuple(point for point in points if self._labels.lane_of(point) == lane)
                if own:
                    shared = frozenset({identifier} if len(own) < len(points) else ())
                    return StoredBatch((identifier,), own, created, lane, shared)
        return None

    def pending(self) -> Pending:
        (batches, size) = self._connection.execute("SELECT batches, bytes FROM total").fetchone()
        row = self._connection.execute("SELECT created FROM batch ORDER BY id LIMIT 1").fetchone()
        return Pending(batches, size, row[0] if row else None)

    def latest(self) -> int | None:
        """The latest time (ns) of any point that waits; None when nothing does."""
        row = self._connection.execute("SELECT max(last) FROM batch").fetchone()
        return None if row[0] is None else int(row[0])

    def trim(self, max_bytes: int, created_after: int) -> Counter[tuple[str, str]]:
        """Drop the oldest rows until the caps hold; how many points, by (reason, measurement)."""
        dropped: Counter[tuple[str, str]] = Counter()
        doomed = []
        excess = self.pending().bytes - max_bytes
        query = "SELECT id, bytes, created, points, sources FROM batch ORDER BY id LIMIT ?"
        with closing(self._connection.execute(query, (_TRIMMED_AT_ONCE,))) as rows:
            for identifier, size, created, points, sources in rows:
                if excess <= 0 and created >= created_after:
                    break
                reason = "bytes" if excess > 0 else "age"
                dropped.update({(reason, name): count for name, count in by_measurement(sources, points).items()})
                doomed.append(identifier)
                excess -= size
        self.delete(doomed)
        return dropped

    def close(self) -> None:
        self._connection.close()

    def _delete(self, identifiers: Collection[int]) -> None:
        self._connection.executemany("DELETE FROM batch WHERE id = ?", [(one,) for one in identifiers])

    def _insert(
        self, packed: Sequence[Packed], created: int, numbers: Sequence[int | None] | None = None
    ) -> list[StoredBatch]:
        """Rows of these numbers, or behind all others."""
        stored = []
        for one, number in zip(packed, numbers or repeat(None), strict=False):
            row = (number, _ROOM, *values_of(one, self._labels.of(one.points), created))
            identifier = self._connection.execute(_INSERT, row).lastrowid or 0
            self._highest = max(self._highest, identifier)
            stored.append(StoredBatch((identifier,), one.points, created, one.lane))
        return stored

    def _numbers_behind(self, identifier: int, count: int) -> Sequence[int] | None:
        """So many numbers between a row that was and the next one, far from each other; None where there are none."""
        row = self._connection.execute("SELECT min(id) FROM batch WHERE id > ?", (identifier,)).fetchone()
        room = _ROOM if row[0] is None else row[0] - identifier
        return [identifier + 1 + number * room // count for number in range(count)] if room > count else None

    def _forget(self, batch: StoredBatch) -> None:
        self._delete(set(batch.identifiers) - batch.shared)
        for identifier in batch.shared:
            row = self._row(identifier)
            if row is None:
                continue
            _, created, _, *content = row
            points = read_row(identifier, *content)
            if isinstance(points, BrokenBatch):
                continue  # it is put away when it is read next
            self._delete([identifier])
            others = [point for point in points if self._labels.lane_of(point) != batch.lane]
            if others:  # under the same number: what is newer in their lanes must not come before them
                rest = Packed(tuple(others), encode(others))
                values = values_of(rest, self._labels.of(others), created)
                self._connection.execute(_INSERT, (identifier, _ROOM, *values))

    def _label(self, labels: Mapping[int, str]) -> None:
        with self._connection:
            self._connection.executemany(
                "UPDATE batch SET destination = ? WHERE id = ?", [(label, one) for one, label in labels.items()]
            )
        for identifier, label in labels.items():
            for lane in self._labels.lanes(label):
                self._begins[lane] = min(self._begins[lane], identifier)

    def _row(self, identifier: int) -> _Row | None:
        query = f"SELECT {_COLUMNS} FROM batch WHERE id = ?"  # noqa: S608 (our columns)
        row: _Row | None = self._connection.execute(query, (identifier,)).fetchone()
        return row

    def _rows(self, begin: int, without: Sequence[str]) -> Generator[_Row, None, None]:
        # Row by row: what the caller does not ask for is not read from disk.
        marks = ", ".join("?" * len(without))
        query = f"SELECT {_COLUMNS} FROM batch WHERE id >= ? AND coalesce(destination, '') NOT IN ({marks}) ORDER BY id"  # noqa: S608 (our columns)
        with closing(self._connection.execute(query, (begin, *without))) as rows:
            yield from rows


class _Gathered:
    """The rows of one lane that go to the destination together."""

    def __init__(self, lane: str) -> None:
        self._lane = lane
        self._identifiers: list[int] = []
        self._points: list[Point] = []
        self._shared: set[int] = set()
        self._made, self._size = 0, 0

    def add(self, identifier: int, created: int, points: Sequence[Point], size: int, *, is_shared: bool) -> bool:
        """Take one more row; False when it does not go with the others."""
        self._size += size
        if self._points and (self._size > MAX_BYTES or not _go_together(self._points, points)):
            return False
        self._made = min(self._made or created, created)
        self._identifiers.append(identifier)
        self._points += points
        if is_shared:
            self._shared.add(identifier)
        return True

    @property
    def batch(self) -> StoredBatch | None:
        if not self._identifiers:
            return None
        return StoredBatch(
            tuple(self._identifiers), tuple(self._points), self._made, self._lane, frozenset(self._shared)
        )


def _go_together(points: Sequence[Point], more: Sequence[Point]) -> bool:
    return len(points) + len(more) <= MAX_POINTS and day_of(points[0]) == day_of(more[0])
