"""OpsWatch's own process as points: CPU, memory, files, threads. Shell."""

from __future__ import annotations

from datetime import datetime

import psutil

from telemetry.points import Point
from telemetry.times import NANOSECONDS_PER_MILLISECOND, from_datetime


class ProcessSampler:
    """Samples the process it lives in; CPU is since the previous sample."""

    def __init__(self, host: str) -> None:
        self._tags = {"host": host}
        self._process = psutil.Process()
        self._process.cpu_percent()  # the first call only sets the mark

    def sample(self, now: datetime, loop_lag_ms: float) -> Point:
        """One `opswatch_process` point; takes some 0.2 ms, so it may run on the event loop."""
        with self._process.oneshot():
            fields = {
                "cpu_percent": self._process.cpu_percent(),
                "rss_bytes": self._process.memory_info().rss,
                "open_files": self._process.num_fds(),
                "threads": self._process.num_threads(),
                "loop_lag_ms": loop_lag_ms,
            }
        instant = from_datetime(now)
        return Point.of("opswatch_process", self._tags, fields, instant - instant % NANOSECONDS_PER_MILLISECOND)
