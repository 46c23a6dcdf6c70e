"""How far an export is, on stderr and only for a person. Shell."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from opswatch.log_record import inert

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_MAX_NAME = 20  # characters, so that the rest has room in 80 columns
_BAR = 16  # columns


class ExportProgress:
    """Shows nothing; what it is told is shown by the one below."""

    def expect(self, samples: int | None, *, counted: bool) -> None:
        """The server has begun: so many samples are coming, if it says so; `counted` when lines are samples."""

    def add(self, size: int, lines: int) -> None:
        """So many bytes and ends of lines have come."""

    def end(self, *, is_whole: bool) -> None:
        """Nothing more comes."""


class _Shown(ExportProgress):
    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task
        self._total: int | None = None
        self._counted = False
        self._lines = self._bytes = 0

    def expect(self, samples: int | None, *, counted: bool) -> None:
        self._counted = counted
        self._total = samples
        # reset: rate and time are those of the transfer, without the time in which the server got ready
        self._progress.reset(self._task, total=samples if counted else None, words="")

    def add(self, size: int, lines: int) -> None:
        self._bytes += size
        self._lines += lines
        self._progress.update(self._task, completed=self._rows() if self._counted else self._bytes)
        task = self._progress.tasks[0]
        left = "" if task.time_remaining is None else f"{_clock(task.time_remaining)} left"
        self._progress.update(self._task, words=_joined(self._amount(), self._speed(task.speed), left))

    def end(self, *, is_whole: bool) -> None:
        task = self._progress.tasks[0]
        elapsed = task.elapsed or 0.0
        if is_whole and self._counted and self._total is not None:
            self._lines = self._total + 1  # what came after it was counted, or before: all of it is here
        speed = self._speed(task.completed / elapsed if elapsed else None)
        total = max(task.completed if self._total is None or not self._counted else self._total, 1)
        words = _joined(self._amount(), speed, f"in {_clock(elapsed)}")
        self._progress.update(self._task, total=total, completed=total if is_whole else task.completed, words=words)

    def _rows(self) -> int:
        rows = max(self._lines - 1, 0)  # without the header; text may hold ends of lines, too
        return rows if self._total is None else min(rows, self._total)

    def _amount(self) -> str:
        size = f"{self._bytes / 1e6:,.1f} MB"
        if self._counted:
            return f"{self._rows():,} rows, {size}" if self._total is None else f"{self._rows():,} of {self._total:,}"
        return size if self._total is None else f"{size}, {self._total:,} samples"

    def _speed(self, speed: float | None) -> str:
        if not speed:
            return ""
        return f"{speed:,.0f}/s" if self._counted else f"{speed / 1e6:,.1f} MB/s"


@contextmanager
def export_progress(name: str, *, wanted: bool) -> Iterator[ExportProgress]:
    """A line on stderr that is drawn again and again; nothing where stderr is no terminal."""
    if not wanted or not sys.stderr.isatty():
        yield ExportProgress()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=_BAR),
        TaskProgressColumn(),
        TextColumn("{task.fields[words]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        shown = inert(name if len(name) <= _MAX_NAME else name[: _MAX_NAME - 1] + "…")
        yield _Shown(progress, progress.add_task(shown, total=None, words="waiting for the server"))


def _joined(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02}"
