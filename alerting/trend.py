"""Where a series is going: a slope that outliers do not move. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from statistics import median

HOUR = 3_600 * 10**9


def hours_until(times: Sequence[int], values: Sequence[float | None], limit: float) -> float | None:
    """Hours from the last time until the values reach `limit` on the line through their middle.

    The slope is the median of those between any two points (Theil-Sen; Sen, JASA 63, 1968), the line goes through the
    median of what each point says of the end. 0 when the line is there already, infinity when it never gets there, None
    when less than half of the values are known. Times in ns, ascending.
    """
    points = [(time, value) for time, value in zip(times, values, strict=True) if value is not None]
    if len(points) < max(3, (len(times) + 1) // 2):
        return None
    end = times[-1]
    slope = median((b - a) / (at_b - at_a) for (at_a, a), (at_b, b) in combinations(points, 2))
    level = median(value + slope * (end - time) for time, value in points)
    first = median(value for _, value in points)
    missing = limit - level
    # Which side of the limit is the good one is told by where the values come from.
    if missing == 0 or (missing > 0) is not (limit - first > 0):
        return 0.0
    if slope == 0 or (slope > 0) is not (missing > 0):
        return math.inf
    return missing / slope / HOUR
