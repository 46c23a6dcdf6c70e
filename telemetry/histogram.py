"""Histograms: how often a value fell into each bucket of one fixed grid, and quantiles from that. Pure.

Percentiles do not average, so what must still have a percentile after its samples are gone is counted into buckets as
it is measured; counts add up over time and over instances. The grid is the same for everything: the preferred numbers
R10 of ISO 3 (ten to a decade, each about 1.26 times the one before) from 0.1 to 100,000, and one bucket for all beyond.

A bucket is a field of its own, `latency_ms_le_250`: how many values since the previous point were at most 250 and
above the bound before it, 200. (Not cumulative, unlike Prometheus' `le`: a bucket that nothing fell into is absent.)
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping
from decimal import Decimal
from itertools import accumulate

_R10 = (1.0, 1.25, 1.6, 2.0, 2.5, 3.15, 4.0, 5.0, 6.3, 8.0)
BOUNDS: tuple[float, ...] = (
    *(round(number * 10.0**decade, 6) for decade in range(-1, 5) for number in _R10),
    100_000.0,
    math.inf,
)


def bucket_field(base: str, bound: float) -> str:
    """The name of the field that counts the values of `base` up to `bound`: `latency_ms_le_0_125`."""
    return f"{base}_le_{bound:g}".replace(".", "_") if bound < 100_000 else f"{base}_le_{_large(bound)}"


def bucket_of(value: float) -> float:
    """The upper bound of the bucket that a value falls into."""
    return BOUNDS[bisect_left(BOUNDS, value)]


def quantile(counts: Mapping[float, float], share: float) -> float | None:
    """The value that `share` of the counted values do not exceed, or None when nothing was counted.

    `counts` by upper bound. It looks for the bucket with the value of that rank and goes as far into it as the rank
    does, as if the bucket's values were spread evenly (what Prometheus' histogram_quantile does); beyond the last bound
    it can only say that bound.
    """
    bounds = [bound for bound in BOUNDS if counts.get(bound, 0) > 0]
    total = sum(counts[bound] for bound in bounds)
    if not total:
        return None
    rank = nearest_rank(round(total), share)
    for bound, reached in zip(bounds, accumulate(counts[bound] for bound in bounds), strict=True):
        if reached >= rank:
            index = BOUNDS.index(bound)
            lower = BOUNDS[index - 1] if index else 0.0
            if math.isinf(bound):
                return lower
            return lower + (bound - lower) * (rank - (reached - counts[bound])) / counts[bound]
    return None


def nearest_rank(count: int, share: float) -> int:
    """Which of `count` sorted values, from 1, is the quantile: the smallest that at least `share` do not exceed.

    In decimal arithmetic, because 0.07 of 100 values are 7 of them and not, as for binary floats, a little more.
    """
    return max(1, math.ceil(Decimal(repr(share)) * count))


def _large(bound: float) -> str:
    return "inf" if math.isinf(bound) else str(int(bound))
