"""When windows of a level that are made are counted once more, for others may have changed them since. Pure.

The newest of them every hour, and older ones in turn: a level that was put back from a backup, late samples of another
program, and windows that were given up while a clock was ahead are found by no other way.
"""

from __future__ import annotations

from dataclasses import dataclass, field

_EVERY = 3_600 * 1_000_000_000


@dataclass(slots=True)
class Recount:
    """`size` is the time (ns) that is counted at once, as long as that is not too much; then it is less for an hour."""

    most: int
    size: int = field(init=False)
    _at: int | None = None
    _turn: int = 0
    _due: list[range] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.size = self.most

    def due(self, now: int, windows: range) -> range | None:
        """Which of a level's windows are to be counted at `now` (ns); the same again until they are `counted`."""
        if self._at is None:  # a start counts everything
            self._at = now
        if not 0 <= now - self._at < _EVERY:
            self._at, self.size = now, self.most
            many = self.size // windows.step
            pieces = [windows[max(0, stop - many) : stop] for stop in range(len(windows), 0, -many)]
            self._turn = self._turn % max(1, len(pieces) - 1) + 1
            self._due = [*pieces[:1], *pieces[self._turn : self._turn + 1]]
        return self._due[0] if self._due else None

    def counted(self) -> None:
        """What is due was counted."""
        self._due = self._due[1:]

    def count_less(self, step: int) -> None:
        """So much could not be counted; what was due of it waits for its next turn."""
        self.size = max(step, self.size // 2 // step * step)
        self._due = []
