"""How a bench measures: alternating repeats, ratios, the machine's name. Shell."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Comparison:
    """Costs (seconds, lower is better) of ours and of the peer, pair by pair from one run."""

    title: str
    ours: list[float]
    peer: list[float]
    unit: str

    def ratios(self) -> list[float]:
        """Ours over the peer's, pair by pair: below 1 is cheaper."""
        return [one / other for one, other in zip(self.ours, self.peer, strict=True)]

    def report(self, *, as_speed: bool = False) -> str:
        """One line; `as_speed` turns costs into rates, so that above 1 is faster."""
        ratios = sorted(1 / ratio for ratio in self.ratios()) if as_speed else sorted(self.ratios())
        middle = statistics.median(ratios)
        ours, peer = statistics.median(self.ours), statistics.median(self.peer)
        return (
            f"{self.title}: {middle:.2f}x (from {ratios[0]:.2f} to {ratios[-1]:.2f}, {len(ratios)} pairs);"
            f" ours {ours:.3f}, peer {peer:.3f} {self.unit}"
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
