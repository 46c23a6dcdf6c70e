"""Ask how long each service was in which state over a period. Shell."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from dashboards.reports.states import StateWindows, levelled, of_service, slots
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
    starts = [at for at in window_starts(start, stop + 1, step) if at < stop]
    seconds: dict[str, dict[tuple[str, str], dict[str, list[float]]]] = defaultdict(lambda: defaultdict(dict))
    for one in answer.series:
        tags = dict(one.series.tags)
        of_probe = seconds["/".join(tags.get(tag, "") for tag in by)][tags.get("service", ""), tags.get("probe", "")]
        before = of_probe.get(one.series.field, [0.0] * len(one.values))
        of_probe[one.series.field] = [old + float(new or 0.0) for old, new in zip(before, one.values, strict=True)]
    return {key: Uptime(_slots(probes.values(), starts, step, stop)) for key, probes in seconds.items()}


def _slots(probes: Iterable[Mapping[str, list[float]]], starts: list[int], step: int, until: int) -> tuple[Slot, ...]:
    count = len(starts)
    windows = [
        levelled(
            StateWindows(
                starts[0], step, until, *(tuple(columns.get(field, [0.0] * count)[:count]) for field in _FIELDS)
            )
        )
        for columns in probes
    ]
    return slots(of_service(windows), (*starts, starts[-1] + step))
