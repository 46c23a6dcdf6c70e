"""How far an import is, on stderr and only for a person. Shell."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from embedded.whole_store import Part
from opswatch.store_import import ImportProgress


@contextmanager
def shown() -> Iterator[ImportProgress]:
    """A bar for each part, where stderr is a terminal."""
    if not sys.stderr.isatty():
        yield ImportProgress()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        tasks = {}

        class Shown(ImportProgress):
            def begin(self, part: Part) -> None:
                tasks[part.name] = progress.add_task(part.name, total=part.rows)

            def add(self, part: Part, rows: int) -> None:
                progress.advance(tasks[part.name], rows)

        yield Shown()
