"""Ask how long each service was in which state over a period. Shell."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from dashboards.uptime import SLOTS, Slot, Uptime
from telemetry.ports import SeriesReader
from telemetry.series import EVERYTHING, Function, Predicate, SeriesQuery, Window, window_starts
from telemetry.times import duration_nanoseconds, from_datetime

_FIELDS = ("up_s", "degraded_s", "down_s")


async def uptimes(
    reader: SeriesReader,
    now: datetime,
    period: timedelta,
    where: Predicate = EVERYTHING,
    by: Sequence[str] = ("service",),
) -> dict[str, Uptime]:
    """By the values of the tags `by`, joined with /; only those with samples in the period. Raises as the reader."""
    stop = from_datetime(now)
    step = duration_nanoseconds(period) // SLOTS
    # Windows are whole, so the period begins with one: up to one slot shorter than asked, never longer.
    start = -(-(stop - duration_nanoseconds(period)) // step) * step
    query = SeriesQuery("probe", _FIELDS, start, stop + 1, Window(step, (Function.SUM,)), where)
    answer = await reader.read(query)
    seconds: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    probes: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for one in answer.series:
        tags = dict(one.series.tags)
        key = "/".join(tags.get(tag, "") for tag in by)
        probes[key].add((tags.get("service", ""), tags.get("probe", "")))
        values = [float(value or 0.0) for value in one.values]
        before = seconds[key][one.series.field] or [0.0] * len(values)
        seconds[key][one.series.field] = [old + new for old, new in zip(before, values, strict=True)]
    starts = list(window_starts(start, stop + 1, step))
    return {
        key: Uptime(
            tuple(
                Slot(
                    at,
                    (min(at + step, stop) - at) / 1e9 * len(probes[key]),
                    **{name: columns[name][i] for name in columns},
                )
                for i, at in enumerate(starts)
                if at < stop
            )
        )
        for key, columns in seconds.items()
    }
