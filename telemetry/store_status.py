"""How an open store and its levels stand, in figures and in words. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from telemetry.rollup import Level
from telemetry.times import NANOSECONDS_PER_SECOND


@dataclass(frozen=True, slots=True)
class StoreStatistics:
    """`longest_*` are since they were last taken; `file_bytes` is the file and its write-ahead log.

    `series` and `file_bytes` are None where the store does not say.
    """

    written_values: int
    queries: int
    series: int | None
    file_bytes: int | None
    longest_commit_ms: float
    longest_query_ms: float


@dataclass(frozen=True, slots=True)
class LevelStatus:
    """How a rolled-up level stands; windows and failures are counted since open.

    Of a level that nobody could look at yet, `until` is None, and `lag_s` is since open.
    """

    level: str
    until: datetime | None  # every window before it is made; None when there is none
    lag_s: float
    missed_windows: int
    late_windows: int
    made_windows: int
    failures: int

    def is_late(self, level: Level) -> bool:
        """Whether it is older than twice its step, and the time that its windows are given."""
        return self.lag_s * NANOSECONDS_PER_SECOND > 2 * level.step + level.grace


@dataclass(frozen=True, slots=True)
class LostSamples:
    """Samples of [start, stop) are lost, at most; `start` None: from whenever on. `file` is what was set aside."""

    start: datetime | None
    stop: datetime
    reason: str
    file: str


@dataclass(frozen=True, slots=True)
class StoreCondition:
    """How the store is. `damage` is empty when nothing is broken; `notes` are sentences about what is odd.

    `address`, `version` and `canary_ms`, how long a point took to be written and read back at last, are of a server.
    """

    damage: str = ""
    notes: tuple[str, ...] = ()
    lost: tuple[LostSamples, ...] = ()
    levels: tuple[LevelStatus, ...] = ()
    address: str = ""
    version: str = ""
    canary_ms: float | None = None
