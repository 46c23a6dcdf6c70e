"""How long something was in which state: seconds per window, outages, a service from its probes. Pure.

An attempt accounts for the seconds since the one before it (design.md 4), and all of them stand in the window of the
attempt. Where attempts are further apart than windows are long, they reach back over windows without an attempt:
`levelled` puts them there. So a probe that is asked every ten minutes is not unknown every other five.

An **outage** is a longest run of windows in each of which something was down; it lasted for the seconds that were
accounted as down in them. It is dated to whole windows, and two outages within one window count as one.

A **service** is, window by window, what its worst probe is, in the order down, unknown, degraded, up: it was down for
as long as the probe of it that was down the longest in this window, of the rest unknown for as long as its least known
probe was, and so on. States of different probes within one window so count as having happened together. A probe
belongs to its service from the first window of the period in which something is known of it to the last: one that was
added or taken away meanwhile does not make the service unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from dashboards.uptime import Slot
from telemetry.health import availability
from telemetry.times import NANOSECONDS_PER_SECOND

_NOTHING = 1e-6  # seconds: what adding up floats leaves behind


@dataclass(frozen=True, slots=True)
class StateSeconds:
    """Seconds in each state, of `period_s` that there were; what none of the three covers is unknown."""

    period_s: float
    up_s: float = 0.0
    degraded_s: float = 0.0
    down_s: float = 0.0

    @property
    def known_s(self) -> float:
        return self.up_s + self.degraded_s + self.down_s

    @property
    def unknown_s(self) -> float:
        return max(0.0, self.period_s - self.known_s)

    @property
    def unknown_share(self) -> float:
        return min(1.0, self.unknown_s / self.period_s) if self.period_s > 0 else 1.0

    @property
    def availability(self) -> float | None:
        """(up + degraded) / (up + degraded + down), from 0 to 1; None where nothing is known."""
        return availability(self.up_s, self.degraded_s, self.down_s)


@dataclass(frozen=True, slots=True)
class StateWindows:
    """Seconds in each state per window of `step` ns from `start` on; `until` (ns) is the end of what can be known."""

    start: int
    step: int
    until: int
    up_s: tuple[float, ...]
    degraded_s: tuple[float, ...]
    down_s: tuple[float, ...]

    @property
    def starts(self) -> range:
        return range(self.start, self.start + len(self.up_s) * self.step, self.step)

    @property
    def stop(self) -> int:
        return self.starts.stop

    def known_s(self, number: int) -> float:
        return self.up_s[number] + self.degraded_s[number] + self.down_s[number]

    def window_s(self, number: int) -> float:
        """How much of a window lies before `until`."""
        at = self.start + number * self.step
        return max(0, min(at + self.step, self.until) - at) / NANOSECONDS_PER_SECOND

    def total(self) -> StateSeconds:
        """All windows together."""
        period = max(0, min(self.stop, self.until) - self.start) / NANOSECONDS_PER_SECOND
        return StateSeconds(period, sum(self.up_s), sum(self.degraded_s), sum(self.down_s))

    def known_windows(self) -> range:
        """From the first window of which something is known to the last; empty where there is none."""
        known = [number for number in range(len(self.up_s)) if self.known_s(number) > 0]
        return range(known[0], known[-1] + 1) if known else range(0)


@dataclass(frozen=True, slots=True)
class Outage:
    """A run of windows with seconds down. `ongoing`: it had not ended at the moment of the report."""

    start: int
    stop: int
    down_s: float
    ongoing: bool = False


def levelled(windows: StateWindows) -> StateWindows:
    """The same seconds, where they were spent: what a window has too many of belongs to those before it.

    Of a window with several states the good ones go first, so that no outage grows by it. What would belong before
    the first window stays in it.
    """
    most = windows.step / NANOSECONDS_PER_SECOND
    columns = [list(windows.up_s), list(windows.degraded_s), list(windows.down_s)]
    for number in range(len(windows.up_s) - 1, 0, -1):
        excess = sum(column[number] for column in columns) - most
        for column in columns:
            if excess <= _NOTHING:
                break
            moved = min(excess, column[number])
            column[number] -= moved
            column[number - 1] += moved
            excess -= moved
    up, degraded, down = (tuple(column) for column in columns)
    return StateWindows(windows.start, windows.step, windows.until, up, degraded, down)


def outages(windows: StateWindows, *, down_now: bool = False) -> tuple[Outage, ...]:
    """The outages of levelled windows, oldest first; with `down_now`, one that reaches to the end goes on."""
    found = []
    begin: int | None = None
    for number, down in enumerate((*windows.down_s, 0.0)):
        if down > _NOTHING:
            begin = number if begin is None else begin
        elif begin is not None:
            found.append(_outage(windows, begin, number, down_now=down_now))
            begin = None
    return tuple(found)


def _outage(windows: StateWindows, begin: int, end: int, *, down_now: bool) -> Outage:
    start, stop = windows.starts[begin], windows.start + end * windows.step
    ongoing = down_now and windows.until <= windows.stop and end == windows.known_windows().stop
    return Outage(start, min(stop, windows.until) if ongoing else stop, sum(windows.down_s[begin:end]), ongoing)


def of_service(probes: Sequence[StateWindows]) -> StateWindows:
    """A service's windows from the levelled ones of its probes, which have one shape."""
    first = probes[0]
    if len(probes) == 1:
        return first
    lives = [probe.known_windows() for probe in probes]
    rows = []
    for number in range(len(first.up_s)):
        there = [probe for probe, life in zip(probes, lives, strict=True) if number in life]
        rows.append(_worst(there, number))
    up, degraded, down = (tuple(row[column] for row in rows) for column in range(3))
    return StateWindows(first.start, first.step, first.until, up, degraded, down)


def _worst(probes: Sequence[StateWindows], number: int) -> tuple[float, float, float]:
    if not probes:
        return 0.0, 0.0, 0.0
    if len(probes) == 1:
        return probes[0].up_s[number], probes[0].degraded_s[number], probes[0].down_s[number]
    # The first window may hold seconds from before it.
    left = max(probes[0].window_s(number), *(probe.known_s(number) for probe in probes))
    whole = left
    down = max(probe.down_s[number] for probe in probes)
    left -= down
    unknown = min(left, max(whole - probe.known_s(number) for probe in probes))
    left -= unknown
    degraded = min(left, max(probe.degraded_s[number] for probe in probes))
    return max(0.0, left - degraded), degraded, down


def slots(windows: StateWindows, bounds: Sequence[int]) -> tuple[Slot, ...]:
    """The windows in larger stretches, between these moments (ns); each bound is where a window begins or ends."""
    found = []
    for start, stop in pairwise(bounds):
        numbers = range((start - windows.start) // windows.step, (stop - windows.start) // windows.step)
        found.append(
            Slot(
                start,
                max(0, min(stop, windows.until) - start) / NANOSECONDS_PER_SECOND,
                _sum(windows.up_s, numbers),
                _sum(windows.degraded_s, numbers),
                _sum(windows.down_s, numbers),
            )
        )
    return tuple(found)


def _sum(column: Sequence[float], numbers: Iterable[int]) -> float:
    return sum(column[number] for number in numbers)
