"""The files of quarantine: lines of JSON, one file per UTC day, changed in place and read in small pieces. Shell.

A line is never moved while it is there: what is removed gets another first byte, one write that cannot be half done.
A file whose lines are mostly removed is copied without them. Every change holds a lock on the folder, because
`opswatch collect --once` writes here as well.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from collector.quarantine_lines import ID, REMOVED, has_identifier, identifier_of

HEAD = 16_384  # bytes of a line that a list reads
_BLOCK = 1 << 20
_WORTH_COPYING = 1_000_000  # bytes
_COMPARED = 64  # bytes of a line by which it is recognised before it is changed


@dataclass(frozen=True, slots=True)
class Place:
    """A line: its file, where it begins and ends, and its first bytes."""

    path: Path
    start: int
    stop: int
    head: bytes

    @property
    def day(self) -> str:
        return _day(self.path)

    @property
    def is_whole(self) -> bool:
        """Whether `head` is all of it."""
        return len(self.head) == self.stop - self.start


class DayFiles:
    """The files `points-YYYYMMDD.jsonl` of one folder. Every call may raise OSError."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._counted: dict[Path, tuple[tuple[int, int], tuple[int, int]]] = {}

    def paths(self) -> list[Path]:
        """The files, the oldest first."""
        return sorted(self._directory.glob("points-*.jsonl"))

    def path_of(self, day: str) -> Path:
        return self._directory / f"points-{day}.jsonl"

    def sizes(self) -> dict[Path, int]:
        """How large each is, the oldest first."""
        found = {}
        for path in self.paths():
            with suppress(FileNotFoundError):
                found[path] = path.stat().st_size
        return found

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Alone among all processes, as long as the block runs. Makes the folder, for its owner alone."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def append(self, path: Path, text: bytes) -> None:
        """Write whole lines at the end; inside `locked`."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "r+b") as stream:
            end = stream.seek(0, os.SEEK_END)
            if end:
                stream.seek(end - 1)
                if stream.read(1) != b"\n":  # whoever wrote before us was killed in the middle of a line
                    text = b"\n" + text
            stream.write(text)

    def backwards(self, day: str = "", before: int | None = None) -> Generator[Place, None, None]:
        """Every line that is not removed, the newest first; from before that byte of that day, or from the end."""
        for path in reversed(self.paths()):
            if day and _day(path) > day:
                continue
            stop = before if _day(path) == day else None
            with suppress(FileNotFoundError), closing(_lines_backwards(path, stop)) as lines:
                yield from lines

    def find(self, identifier: str) -> Place | None:
        """The line of this id; its own day is looked at first."""
        match = ID.fullmatch(identifier)
        if match is None:
            return None
        own = self.path_of(match[1])
        for path in [own, *(path for path in reversed(self.paths()) if path != own)]:
            with suppress(FileNotFoundError):
                found = _find_by_bytes(path, identifier) if match[2] else _find(path, identifier)
                if found is not None:
                    return found
        return None

    def read(self, place: Place) -> bytes:
        """The whole line."""
        with place.path.open("rb") as stream:
            return os.pread(stream.fileno(), place.stop - place.start, place.start)

    def remove(self, places: Sequence[Place]) -> int:
        """Take lines away; how many were still there."""
        with self.locked():
            return sum(self._remove(place) for place in places)

    def tidy(self) -> None:
        """Drop files without lines, and copy large ones that are mostly removed lines."""
        for path in self.paths():
            with self.locked(), suppress(FileNotFoundError):
                kept, removed = self._count(path)
                if not kept:
                    path.unlink()
                elif removed > kept and path.stat().st_size >= _WORTH_COPYING:
                    _copy_without_removed(path)

    def count(self) -> int:
        """How many lines there are; what has not changed since is not read again."""
        total = 0
        for path in self.paths():
            with suppress(FileNotFoundError):
                total += self._count(path)[0]
        return total

    def _remove(self, place: Place) -> bool:
        compared = place.head[:_COMPARED]
        here: Place | None = place
        if not _begins(place, compared):  # the file was copied meanwhile
            here = self.find(identifier_of(place.head, place.day))
        if here is None or not _begins(here, compared):
            return False
        with here.path.open("r+b", buffering=0) as stream:
            os.pwrite(stream.fileno(), REMOVED, here.start)
        self._counted.pop(here.path, None)
        return True

    def _count(self, path: Path) -> tuple[int, int]:
        status = path.stat()
        version = (status.st_mtime_ns, status.st_size)
        known = self._counted.get(path)
        if known is None or known[0] != version:
            known = self._counted[path] = (version, _counted(path))
        return known[1]


def _begins(place: Place, head: bytes) -> bool:
    with suppress(FileNotFoundError), place.path.open("rb", buffering=0) as stream:
        return os.pread(stream.fileno(), len(head), place.start) == head
    return False


def _day(path: Path) -> str:
    return path.stem.removeprefix("points-")


def _lines_backwards(path: Path, before: int | None) -> Generator[Place, None, None]:
    with path.open("rb", buffering=0) as stream:
        descriptor = stream.fileno()
        stop = os.fstat(descriptor).st_size
        if before is not None and before < stop:
            stop = before
            if stop and os.pread(descriptor, 1, stop - 1) != b"\n":  # inside a line: the file was copied meanwhile
                stop = next(_starts_backwards(descriptor, stop), 0)
        for start in _starts_backwards(descriptor, stop):
            head = os.pread(descriptor, min(HEAD, stop - start), start)
            if head.strip() and not head.startswith(REMOVED):
                yield Place(path, start, stop, head)
            stop = start


def _starts_backwards(descriptor: int, stop: int) -> Iterator[int]:
    """Where the lines before `stop` begin, the last one first."""
    position = stop - 1  # the newline at the end of the last line begins no other
    while position > 0:
        size = min(_BLOCK, position)
        position -= size
        block = os.pread(descriptor, size, position)
        at = block.rfind(b"\n")
        while at >= 0:
            yield position + at + 1
            at = block.rfind(b"\n", 0, at)
    if stop > 0:
        yield 0


def _blocks(path: Path) -> Iterator[tuple[int, bytes]]:
    """The file in pieces, each beginning with the last byte of the one before; the first with a newline."""
    with path.open("rb", buffering=0) as stream:
        position, last = 0, b"\n"
        while block := stream.read(_BLOCK):
            yield position, last + block
            position += len(block)
            last = block[-1:]


def _find(path: Path, identifier: str) -> Place | None:
    needle = b'\n{"id": "' + identifier.encode() + b'"'
    overlap = b""
    for position, block in _blocks(path):
        # What stands across the border of two pieces: the end of the one before goes in front of this one.
        text = overlap + block[1:] if overlap else block
        at = text.find(needle)
        if at >= 0:
            return _place(path, position - (len(text) - len(block)) + at)
        overlap = text[-len(needle) :]
    return None


def _find_by_bytes(path: Path, identifier: str) -> Place | None:
    with path.open("rb", buffering=0) as stream, closing(_lines_backwards(path, None)) as lines:
        for place in lines:
            if not has_identifier(place.head):
                line = os.pread(stream.fileno(), place.stop - place.start, place.start)
                if identifier_of(line, place.day) == identifier:
                    return place
    return None


def _place(path: Path, start: int) -> Place:
    with path.open("rb", buffering=0) as stream:
        head = os.pread(stream.fileno(), HEAD, start)
        end = head.find(b"\n")
        stop = start + end + 1
        position = start + len(head)
        while end < 0:
            block = os.pread(stream.fileno(), _BLOCK, position)
            end = block.find(b"\n")
            stop = position + (end + 1 if end >= 0 else len(block))
            position += len(block)
            if not block:
                break
        return Place(path, start, stop, head[: stop - start])


def _counted(path: Path) -> tuple[int, int]:
    lines = removed = 0
    for _, block in _blocks(path):
        lines += block.count(b"\n", 0, -1)
        removed += block.count(b"\n" + REMOVED)
    return lines - removed, removed


def _copy_without_removed(path: Path) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as copy, path.open("rb") as stream:
            at_start = is_kept = True
            while piece := stream.readline(_BLOCK):
                if at_start:
                    is_kept = not piece.startswith(REMOVED)
                if is_kept:
                    copy.write(piece)
                at_start = piece.endswith(b"\n")
            copy.flush()
            os.fsync(copy.fileno())
        Path(temporary).replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise
