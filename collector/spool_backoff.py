"""How long a store that does not take points is left alone. Pure."""

from __future__ import annotations

import random
from datetime import timedelta

_FIRST, _LAST = 1.0, 60.0  # seconds
_LONGEST_RETRY_AFTER = 600.0  # seconds; a destination that asks for ten years is not obeyed


def backoff_seconds(failures: int, retry_after: timedelta | None) -> float:
    """The wait after so many failures in a row: at least what the store asked for, within reason."""
    longest = min(_LAST, _FIRST * 2 ** min(failures, 10))
    # Full jitter (Brooker, "Exponential Backoff And Jitter", 2015): senders that failed together part.
    delay = random.uniform(_FIRST, longest)  # noqa: S311 (no secret)
    asked = retry_after.total_seconds() if retry_after is not None else 0.0
    return max(delay, min(asked, _LONGEST_RETRY_AFTER))
