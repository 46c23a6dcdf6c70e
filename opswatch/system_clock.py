"""The one place that reads the clock. Shell."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from telemetry.clock import Clock


def system_clock() -> Clock:
    """The machine's clocks."""
    return Clock(now=lambda: datetime.now(UTC), monotonic=time.monotonic)
