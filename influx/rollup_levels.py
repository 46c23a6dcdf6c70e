"""What the reconciler of InfluxDB's levels knows of each, beside how far it is. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from influx import rollup_text
from influx.recount import Recount
from telemetry.rollup import Level

MADE_AT_ONCE = 24  # windows
_IDLE_RUNS = 3  # of a task, after which somebody should look at it


@dataclass(slots=True)
class Failing:
    """A window that would not be made: when it is tried again (ns), after what pause."""

    again: int
    pause: int

    def is_pausing(self, now: int) -> bool:
        """Not where the clock was ahead when it was tried, and has been put right since."""
        return now < self.again <= now + self.pause


@dataclass(slots=True)
class LevelState:
    """What is known of a level beside its progress; counted since open."""

    level: Level
    recount: Recount
    made_windows: int = 0
    failures: int = 0
    idle_runs: int = 0  # in a row, of the task
    at_once: int = MADE_AT_ONCE
    reason: str = ""  # why windows are not made
    complaint: str = ""  # what is wrong with the task's own text, where another was taken
    failing: dict[int, Failing] = field(default_factory=dict)
    # Not counted yet, and perhaps made by the task from what has changed since, which counts need not show.
    outdated: set[int] = field(default_factory=set)

    @property
    def idle(self) -> str:
        """That the task does not do its work; empty where it does."""
        return "" if self.idle_runs < _IDLE_RUNS else rollup_text.idle(self.level, self.idle_runs)

    def make_fewer(self) -> None:
        """So many windows together were too much."""
        self.at_once = max(1, self.at_once // 2)

    def make_many(self) -> None:
        """Again: what was too much is made."""
        self.at_once = MADE_AT_ONCE
