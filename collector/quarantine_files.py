"""The files of quarantine: lines of JSON, one file per UTC day, changed in place and read in small pieces. Shell.

A line is never moved while it is there: what is removed gets another first byte, one write that cannot be half done.
A file whose lines are mostly removed is copied without them. Every change holds a lock on the folder, because
`opswatch collect --once` writes here as well.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import tempfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from collector.quarantine_lines import ID, REMOVED, has_identifier, identifier_of

logger = logging.getLogger(__name__)

HEAD = 32_768  # bytes of a line that a list reads: more than the longest reason takes as JSON
_BLOCK = 1 << 20
_WORTH_COPYING = 1_000_000  # bytes
_NAME = re.compile(r"points-[0-9]{8}\.jsonl", re.ASCII)
_COPY = ".points-"  # how a copy begins that is not yet in its place


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
        return sorted(path for path in self._directory.glob("points-*.jsonl") if _NAME.fullmatch(path.name))

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
        """Write whole lines at the end, onto the disk itself, or nothing; inside `locked`."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            end = os.fstat(descriptor).st_size
            if end and os.pread(descriptor, 1, end - 1) != b"\n":  # who wrote before us was killed within a line
                text = b"\n" + text
            try:
                rest = memoryview(text)
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
                os.fsync(descriptor)  # the spool forgets what is here, so it must outlive the loss of power as well
            except OSError:
                os.ftruncate(descriptor, end)  # a disk that is full takes half a line; nobody wants that half
                raise
        finally:
            os.close(descriptor)

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
        paths = [own, *(path for path in reversed(self.paths()) if path != own)]
        # What has no id of its own gets one when it is refused again.
        for search in (_find, _find_by_bytes) if match[2] else (_find,):
            for path in paths:
                with suppress(FileNotFoundError):
                    found = search(path, identifier)
                    if found is not None:
                        return found
        return None

    def read(self, place: Place) -> bytes | None:
        """The whole line; None when it is not there any more."""
        if place.is_whole:
            return place.head
        with suppress(FileNotFoundError), place.path.open("rb", buffering=0) as stream:
            line = os.pread(stream.fileno(), place.stop - place.start, place.start)
            if line.startswith(place.head):
                return line
        return None

    def remove(self, places: Sequence[Place]) -> int:
        """Take lines away; how many were still there."""
        with self.locked():
            return sum(self._remove(place) for place in places)

    def tidy(self) -> None:
        """Drop files without lines, and copy large ones that are mostly removed lines; what fails is left as it is."""
        for path in self.paths():
            try:
                with self.locked():
                    self._tidy(path)
            except FileNotFoundError:
                pass
            except OSError as error:  # a full disk has no room for a copy; what was removed is removed all the same
                logger.warning("quarantine was not tidied", extra={"path": str(path), "reason": str(error)})

    def _tidy(self, path: Path) -> None:
        for leftover in self._directory.glob(f"{_COPY}*"):  # of whoever was killed while copying
            leftover.unlink(missing_ok=True)
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
        here: Place | None = place
        if not _begins(place, place.head):  # the file was copied meanwhile
            here = self.find(identifier_of(place.head, place.day))
        if here is None or not _begins(here, place.head):
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


def _blocks(stream: FileIO) -> Iterator[tuple[int, bytes]]:
    """The file in pieces, each beginning with the last byte of the one before; the first with a newline."""
    position, last = 0, b"\n"
    while block := stream.read(_BLOCK):
        yield position, last + block
        position += len(block)
        last = block[-1:]


def _find(path: Path, identifier: str) -> Place | None:
    needle = b'\n{"id": "' + identifier.encode() + b'"'
    overlap = b""
    with path.open("rb", buffering=0) as stream:  # one open file for all of it: it may be copied meanwhile
        for position, block in _blocks(stream):
            # What stands across the border of two pieces: the end of the one before goes in front of this one.
            text = overlap + block[1:] if overlap else block
            at = text.find(needle)
            if at >= 0:
                return _place(path, stream.fileno(), position - (len(text) - len(block)) + at)
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


def _place(path: Path, descriptor: int, start: int) -> Place:
    head = os.pread(descriptor, HEAD, start)
    end = head.find(b"\n")
    stop = start + end + 1
    position = start + len(head)
    while end < 0:
        block = os.pread(descriptor, _BLOCK, position)
        end = block.find(b"\n")
        stop = position + (end + 1 if end >= 0 else len(block))
        position += len(block)
        if not block:
            break
    return Place(path, start, stop, head[: stop - start])


def _counted(path: Path) -> tuple[int, int]:
    lines = removed = 0
    with path.open("rb", buffering=0) as stream:
        for _, block in _blocks(stream):
            lines += block.count(b"\n", 0, -1)
            removed += block.count(b"\n" + REMOVED)
    return lines - removed, removed


def _copy_without_removed(path: Path) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=_COPY)
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
