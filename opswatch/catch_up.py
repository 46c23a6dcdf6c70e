"""How long a backlog will take, by how it has shrunk. Pure."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta

_OVER = timedelta(minutes=1)  # longer than a burst, short enough to see that it stands still
_FEW = 20  # batches: what waits at any moment while everything flows


class CatchUp:
    """Told from time to time how many batches wait."""

    def __init__(self) -> None:
        self._seen: deque[tuple[datetime, int]] = deque()

    def note(self, now: datetime, batches: int) -> None:
        """So many wait."""
        while self._seen and not now - _OVER <= self._seen[0][0] <= now:
            self._seen.popleft()
        self._seen.append((now, batches))

    def seconds(self, now: datetime, batches: int) -> float | None:
        """Until none waits, at the pace of the last minute; None when few do, or when they do not become fewer."""
        if batches <= _FEW or not self._seen:
            return None
        first, before = self._seen[0]
        elapsed = (now - first).total_seconds()
        if elapsed <= 0 or batches >= before:
            return None
        return batches * elapsed / (before - batches)
