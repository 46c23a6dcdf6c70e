"""How long each service was up over a period, from the seconds that its probes accounted. Shell."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

from telemetry.health import availability
from telemetry.ports import SeriesReader
from telemetry.series import EVERYTHING, Function, Predicate, SeriesQuery, Window
from telemetry.times import duration_nanoseconds, from_datetime

_WINDOWS = 24


@dataclass(frozen=True, slots=True)
class Uptime:
    """Seconds accounted over a period of `period_s`; a service's are those of all its probes together."""

    up_s: float
    degraded_s: float
    down_s: float
    period_s: float  # times the number of probes

    @property
    def availability(self) -> float | None:
        """From 0 to 1; None where nothing is known."""
        return availability(self.up_s, self.degraded_s, self.down_s)

    @property
    def unknown_share(self) -> float:
        """The share of the period that none of up, degraded and down covers."""
        known = self.up_s + self.degraded_s + self.down_s
        return min(1.0, max(0.0, 1 - known / self.period_s)) if self.period_s > 0 else 1.0


async def uptimes(
    reader: SeriesReader, now: datetime, period: timedelta, where: Predicate = EVERYTHING
) -> dict[str, Uptime]:
    """By service; only those with samples in the period. Raises as the reader does."""
    stop = from_datetime(now)
    step = duration_nanoseconds(period) // _WINDOWS
    # Windows are whole, so the period begins with one: up to one window shorter than asked, never longer.
    start = -(-(stop - duration_nanoseconds(period)) // step) * step
    query = SeriesQuery(
        "probe", ("up_s", "degraded_s", "down_s"), start, stop + 1, Window(step, (Function.SUM,)), where
    )
    answer = await reader.read(query)
    seconds: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    probes: dict[str, set[str]] = defaultdict(set)
    for one in answer.series:
        tags = dict(one.series.tags)
        service = tags.get("service", "")
        probes[service].add(tags.get("probe", ""))
        seconds[service][one.series.field] += sum(float(value) for value in one.values if value is not None)
    return {
        service: Uptime(
            fields["up_s"], fields["degraded_s"], fields["down_s"], (stop - start) / 1e9 * len(probes[service])
        )
        for service, fields in seconds.items()
    }
