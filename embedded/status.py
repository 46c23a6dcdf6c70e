"""How an open store and its levels stand, in figures. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class StoreStatistics:
    """`longest_*` are since they were last taken; `file_bytes` is the file and its write-ahead log."""

    written_values: int
    queries: int
    series: int
    file_bytes: int
    longest_commit_ms: float
    longest_query_ms: float


@dataclass(frozen=True, slots=True)
class LevelStatus:
    """How a rolled-up level stands; windows and failures are counted since open."""

    level: str
    until: datetime | None  # every window before it is made; None when there is none
    lag_s: float
    missed_windows: int
    late_windows: int
    made_windows: int
    failures: int
