"""How far rolled-up levels are, and which of their windows are no longer right. Pure.

One thread changes it; others may look at it while it does, and see at worst what was a moment ago.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from telemetry.rollup import LEVELS, RAW, Level, Standing, windows_touched
from telemetry.series import GROWTH_LOOKBACK


@dataclass(slots=True)
class _Progress:
    until: int | None = None  # None: nothing was ever made of this level
    stale: frozenset[int] = frozenset()


@dataclass(slots=True)
class RollupProgress:
    """Of all levels; a window is known by its start, in ns."""

    _levels: dict[str, _Progress] = field(default_factory=lambda: {level.name: _Progress() for level in LEVELS})

    def until(self, level: Level) -> int | None:
        """Every window of the level that begins before this is made; None when there is none."""
        return self._levels[level.name].until

    def stale(self, level: Level) -> frozenset[int]:
        """The windows before `until` that are to be made again."""
        return self._levels[level.name].stale

    def standings(self) -> tuple[Standing, ...]:
        """What queries may rely on: each level up to its first stale window."""
        return tuple(
            Standing(level, min((until, *self.stale(level))))
            for level in LEVELS
            if (until := self.until(level)) is not None
        )

    def due(self, level: Level, now: int) -> int:
        """Up to where the level's windows are to be made at `now`; no further than its source is."""
        due = (now - level.grace) // level.step * level.step
        source = next((one for one in LEVELS if one.name == level.source), None)
        if source is not None and (until := self.until(source)) is not None:
            due = min(due, until // level.step * level.step)
        return due

    def missed(self, level: Level, now: int) -> int:
        """How many windows are due and not made."""
        until = self.until(level)
        return 0 if until is None else max(0, (self.due(level, now) - until) // level.step)

    def touched_by(self, times: Iterable[int], repairable_from: Callable[[Level], int]) -> dict[Level, set[int]]:
        """Which windows, made already, samples at these times (ns) change.

        Windows before `repairable_from` must stay as they are: part of what they were made from is deleted.
        """
        touched: dict[Level, set[int]] = {}
        changed: set[int] = set()  # the windows of the level before
        for level in LEVELS:
            until = self.until(level)
            if until is None:
                changed = set()
                continue
            if level.source == RAW:
                changed = windows_touched(level, (time for time in times if time < until))
                # A counter's next sample grows from this one, and lies up to an hour later.
                changed |= {later for window in changed for later in followers(level, window)}
            else:
                changed = windows_touched(level, changed)
            first = repairable_from(level)
            changed = {window for window in changed if first <= window < until}
            touched[level] = changed
        return {level: windows for level, windows in touched.items() if windows}

    def note_stale(self, touched: Mapping[Level, set[int]]) -> None:
        """They are to be made again."""
        for level, windows in touched.items():
            self._levels[level.name].stale = self.stale(level) | windows

    def note_made(self, level: Level, until: int, repaired: Iterable[int] = ()) -> None:
        """It is made up to there, and these windows are right again."""
        progress = self._levels[level.name]
        progress.stale = progress.stale - set(repaired)
        progress.until = until


def followers(level: Level, window: int) -> range:
    """A window, and those after it in which a counter may grow from one of its samples."""
    return range(window, window + GROWTH_LOOKBACK + level.step, level.step)


def runs_of(windows: Iterable[int], step: int) -> list[tuple[int, int]]:
    """(first, last) of each run of windows, given in order, that follow one another."""
    runs: list[tuple[int, int]] = []
    for window in windows:
        if runs and window == runs[-1][1] + step:
            runs[-1] = (runs[-1][0], window)
        else:
            runs.append((window, window))
    return runs
