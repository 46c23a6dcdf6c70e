"""The clock as a value, so that logic is told the time and tests can set it. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Clock:
    """`now` gives aware UTC wall time; `monotonic` gives seconds that never go back."""

    now: Callable[[], datetime]
    monotonic: Callable[[], float]
