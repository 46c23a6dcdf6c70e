"""How far an export is, on stderr and only for a person. Shell."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


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
        # reset: the rate is that of the transfer, without the time in which the server got ready
        self._progress.reset(self._task, total=samples if counted else None, amount=self._amount())

    def add(self, size: int, lines: int) -> None:
        self._bytes += size
        self._lines += lines
        self._progress.update(self._task, completed=self._rows() if self._counted else 0, amount=self._amount())

    def end(self, *, is_whole: bool) -> None:
        total = self._total if self._counted and is_whole and self._total is not None else self._rows()
        self._progress.update(self._task, total=max(total, 1), completed=max(total, 1) if is_whole else total)

    def _rows(self) -> int:
        rows = max(self._lines - 1, 0)  # without the header; text may hold ends of lines, too
        return rows if self._total is None else min(rows, self._total)

    def _amount(self) -> str:
        size = f"{self._bytes / 1e6:,.1f} MB"
        if self._counted:
            return f"{self._rows():,} rows, {size}" if self._total is None else f"{self._rows():,} of {self._total:,}"
        return size if self._total is None else f"{size}, {self._total:,} samples"


@contextmanager
def export_progress(name: str, *, wanted: bool) -> Iterator[ExportProgress]:
    """A line on stderr that is drawn again and again; nothing where stderr is no terminal."""
    if not wanted or not sys.stderr.isatty():
        yield ExportProgress()
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TaskProgressColumn(show_speed=True),
        TextColumn("{task.fields[amount]}"),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(escape(name), total=None, amount="waiting for the server")
        yield _Shown(progress, task)
