"""How a bench measures: alternating repeats, ratios against their bars, the machine's name. Shell."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Bar:
    """What a ratio must be (design.md 11), and what would be better than that; `at_least` for speeds."""

    bar: float
    beyond: float | None = None
    at_least: bool = False
    unit: str = "x"

    def verdict(self, ratio: float) -> str:
        """Whether it is met, in words."""
        sign, met = (">=", ratio >= self.bar) if self.at_least else ("<=", ratio <= self.bar)
        words = f"bar {sign} {self.bar:g}{self.unit} {'met' if met else 'MISSED'}"
        if self.beyond is None:
            return words
        beyond = ratio >= self.beyond if self.at_least else ratio <= self.beyond
        return f"{words}, beyond {self.beyond:g}{self.unit} {'met' if beyond else 'not met'}"


@dataclass(frozen=True)
class Comparison:
    """Costs (seconds, lower is better) of ours and of the peer, pair by pair from one run.

    Without a bar the ratio is one of costs, to be read and not judged. `free` is what ours may cost beside (seconds,
    where the bar says so).
    """

    title: str
    ours: Sequence[float]
    peer: Sequence[float]
    unit: str
    bar: Bar | None
    free: float = 0.0

    def ratios(self) -> list[float]:
        """Pair by pair: ours over the peer's costs, or where the bar is one of speed, ours over the peer's speed."""
        costs = [max(0.0, one - self.free) / other for one, other in zip(self.ours, self.peer, strict=True)]
        is_speed = self.bar is not None and self.bar.at_least
        return sorted(1 / cost for cost in costs) if is_speed else sorted(costs)

    def report(self) -> str:
        """One line."""
        ratios = self.ratios()
        middle = statistics.median(ratios)
        ours, peer = statistics.median(self.ours), statistics.median(self.peer)
        verdict = "" if self.bar is None else f"; {self.bar.verdict(middle)}"
        return (
            f"{self.title}: {middle:.2f}x (from {ratios[0]:.2f} to {ratios[-1]:.2f}, {len(ratios)} pairs"
            f"{verdict}); ours {ours:.4g}, peer {peer:.4g} {self.unit}"
        )


def alternate(ours: Callable[[], float], peer: Callable[[], float], pairs: int) -> tuple[list[float], list[float]]:
    """Run both in turn, the order changing from pair to pair, so that noise meets both alike."""
    first, second = [], []
    for number in range(pairs):
        if number % 2:
            second.append(peer())
            first.append(ours())
        else:
            first.append(ours())
            second.append(peer())
    return first, second


def machine() -> str:
    """What this was measured on."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    return (
        f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()} {platform.release()}"
    )
