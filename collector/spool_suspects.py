"""Which batches fail again and again although the store takes others: there the batch is at fault, not the store. Pure.

A store that answers "later" to one batch for ever would else hold up everything behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# Failures of a batch between which others went well. Many, because a store that takes every second batch must not
# send good points to quarantine; the parts of a suspect have less to prove.
_ENOUGH, _ENOUGH_FOR_PARTS = 10, 3
_MAX_REMEMBERED = 1_000


@dataclass(frozen=True, slots=True)
class _Failures:
    """`successes` is how many batches had gone well when this one failed last."""

    count: int
    successes: int


class Suspects:
    """Told of every delivery; batches by the number of their first row."""

    def __init__(self) -> None:
        self._failures: dict[int, _Failures] = {}
        self._successes = 0

    def note_success(self, batch: int) -> None:
        self._successes += 1
        self.forget(batch)

    def note_failure(self, batch: int) -> bool:
        """Whether this batch is now known to be at fault itself."""
        known = self._failures.get(batch, _Failures(0, self._successes))
        count = known.count + (self._successes > known.successes)
        self.forget(batch)  # so that the one that failed last stands last
        if len(self._failures) >= _MAX_REMEMBERED:
            self._failures.clear()
        self._failures[batch] = _Failures(count, self._successes)
        return count >= _ENOUGH

    @property
    def apart(self) -> Sequence[int]:
        """Those to be sent after all others and by themselves, the one that failed longest ago first."""
        return [batch for batch, failures in self._failures.items() if failures.count]

    def note_split(self, batch: int, parts: Iterable[int]) -> bool:
        """The parts of a suspect are suspects, and a few more failures are enough; whether it was one."""
        if not self.forget(batch):
            return False
        count = _ENOUGH - _ENOUGH_FOR_PARTS
        self._failures |= {part: _Failures(count, self._successes) for part in parts}
        return True

    def forget(self, batch: int) -> bool:
        """Whether there was anything to forget."""
        return self._failures.pop(batch, None) is not None
