"""How each service was over a period, from the seconds that its probes accounted. Shell."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from telemetry.health import State, availability
from telemetry.ports import SeriesReader
from telemetry.series import EVERYTHING, Function, Predicate, SeriesQuery, Window, window_starts
from telemetry.times import duration_nanoseconds, from_datetime

SLOTS = 48
_FIELDS = {"up_s": State.UP, "degraded_s": State.DEGRADED, "down_s": State.DOWN}


@dataclass(frozen=True, slots=True)
class Slot:
    """A stretch of time: seconds per state, of `period_s` that there were (times the probes)."""

    start: int
    period_s: float
    up_s: float = 0.0
    degraded_s: float = 0.0
    down_s: float = 0.0

    @property
    def unknown_share(self) -> float:
        known = self.up_s + self.degraded_s + self.down_s
        return min(1.0, max(0.0, 1 - known / self.period_s)) if self.period_s > 0 else 1.0

    @property
    def state(self) -> State:
        """The worst that happened in it; unknown where more than half is."""
        if self.down_s > 0:
            return State.DOWN
        if self.unknown_share > 0.5:
            return State.UNKNOWN
        return State.DEGRADED if self.degraded_s > 0 else State.UP


@dataclass(frozen=True, slots=True)
class Uptime:
    """A period in slots. Where several probes are asked, their seconds stand together."""

    slots: tuple[Slot, ...]

    @property
    def availability(self) -> float | None:
        """From 0 to 1; None where nothing is known."""
        return availability(
            sum(slot.up_s for slot in self.slots),
            sum(slot.degraded_s for slot in self.slots),
            sum(slot.down_s for slot in self.slots),
        )

    @property
    def unknown_share(self) -> float:
        """The share of the period that none of up, degraded and down covers."""
        period = sum(slot.period_s for slot in self.slots)
        known = sum(slot.up_s + slot.degraded_s + slot.down_s for slot in self.slots)
        return min(1.0, max(0.0, 1 - known / period)) if period > 0 else 1.0


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
    query = SeriesQuery("probe", tuple(_FIELDS), start, stop + 1, Window(step, (Function.SUM,)), where)
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
