"""What must change of the tasks that make the levels. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from influx.blueprint import Task
from influx.permissions import Stage

_SHOWN = 60  # characters of a line of Flux


@dataclass(frozen=True, slots=True)
class SeenTask:
    """A task as it is there. `failure` is why its last run failed; `made` is when it was made, as InfluxDB says."""

    id: str
    name: str
    description: str
    flux: str
    is_active: bool = True
    failure: str = ""
    made: str = ""


@dataclass(frozen=True, slots=True)
class MakeTask:
    """Make a task that is missing."""

    task: Task
    stage = Stage.TASKS
    needs = None
    kind = "make task"

    @property
    def subject(self) -> str:
        return f"task {self.task.name}"

    @property
    def words(self) -> str:
        return "is missing; make it"


@dataclass(frozen=True, slots=True)
class AlterTask:
    """Give a task its text again, and have it run."""

    before: SeenTask
    after: Task
    stage = Stage.TASKS
    needs = None
    kind = "alter task"

    @property
    def subject(self) -> str:
        return f"task {self.after.name}"

    @property
    def words(self) -> str:
        return "; ".join(self._differences())

    def _differences(self) -> Iterator[str]:
        if not self.before.is_active:
            yield "is switched off; switch it on"
        lines = zip_longest(self.before.flux.splitlines(), self.after.flux.splitlines(), fillvalue="")
        for number, (there, wanted) in enumerate(lines, 1):
            if there != wanted:
                is_spacing = there.split() == wanted.split()
                place = f"first in the spaces of line {number}" if is_spacing else f"first in line {number}"
                yield f"was edited, {place}: {_short(there)}" + ("" if is_spacing else f" instead of {_short(wanted)}")
                return
        if self.before.flux != self.after.flux:
            yield "was edited, in its line ends"


@dataclass(frozen=True, slots=True)
class DeleteTask:
    """Delete a second task of ours that does the same."""

    task: SeenTask
    stage = Stage.TASKS
    needs = None
    kind = "delete task"

    @property
    def subject(self) -> str:
        return f"task {self.task.name}"

    @property
    def words(self) -> str:
        return f"is there several times; delete the one with the id {self.task.id}, made {self.task.made}"


TaskChange = MakeTask | AlterTask | DeleteTask


def task_changes(wanted: Sequence[Task], there: Sequence[SeenTask]) -> Iterator[TaskChange]:
    """What must change; the oldest of several is kept, and what others made is left alone, whatever it is called."""
    for task in wanted:
        ours = sorted((one for one in there if is_ours(one, task)), key=lambda one: (one.made, one.id))
        if not ours:
            yield MakeTask(task)
            continue
        if ours[0].flux != task.flux or not ours[0].is_active:
            yield AlterTask(ours[0], task)
        yield from map(DeleteTask, ours[1:])


def task_notes(wanted: Sequence[Task], there: Sequence[SeenTask]) -> Iterator[str]:
    """What somebody should know of the tasks, though nothing waits for it."""
    for task in wanted:
        for one in there:
            if is_ours(one, task) and one.failure:
                yield f"the last run of the task {task.name} failed: {one.failure}"
            if one.name == task.name and not is_ours(one, task):
                yield f"there is another task {task.name}, with the id {one.id}, which OpsWatch did not make"


def is_ours(seen: SeenTask, task: Task) -> bool:
    """Whether it is what OpsWatch made of this task."""
    return seen.name == task.name and seen.description == task.description


def _short(line: str) -> str:
    text = " ".join(line.split())
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…")
