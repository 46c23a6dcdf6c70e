"""Which live batches go to the destination once more, in their turn, because older ones still wait. Pure.

Live batches overtake the backlog. If both hold a value of one point, the older one would come last and win; so a live
batch that is not later than all that waits stays in the file, and is sent again when what is older is through.
"""

from __future__ import annotations

from collections.abc import Iterable

from telemetry.points import Point


class Order:
    """Remembers the latest time of any point that was left to the backlog, until that is empty."""

    def __init__(self, latest: int | None) -> None:
        self._latest = latest  # ns; None when nothing waits

    def note_left(self, points: Iterable[Point]) -> None:
        """They are no longer sent live, and wait in the file."""
        for point in points:
            if self._latest is None or point.time > self._latest:
                self._latest = point.time

    def note_emptied(self) -> None:
        """Nothing waits."""
        self._latest = None

    def goes_again(self, points: Iterable[Point]) -> bool:
        """Whether one of these may be a later value of what still waits."""
        return self._latest is not None and any(point.time <= self._latest for point in points)
