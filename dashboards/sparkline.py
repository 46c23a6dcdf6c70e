"""A small line without axes, as SVG geometry: gaps stay gaps. Pure."""

from __future__ import annotations

from collections.abc import Sequence


def paths(values: Sequence[float | None], width: float, height: float, top: float | None = None) -> list[str]:
    """One `points` attribute per unbroken run of values; the first value stands at x = 0, the last at `width`.

    The axis goes from 0 (or the lowest value below it) to the highest value, or to `top` where that is higher. A
    run of one value becomes a short dash, so that it can be seen.
    """
    known = [value for value in values if value is not None]
    if not known:
        return []
    low, high = min(0.0, *known), max(*known, top if top is not None else known[0])
    spread = (high - low) or 1.0
    step = width / max(1, len(values) - 1)
    runs: list[list[tuple[float, float]]] = [[]]
    for number, value in enumerate(values):
        if value is None:
            runs.append([])
        else:
            runs[-1].append((number * step, height - (value - low) / spread * height))
    return [_points(run, step) for run in runs if run]


def _points(run: Sequence[tuple[float, float]], step: float) -> str:
    if len(run) == 1:
        x, y = run[0]
        run = [(max(0.0, x - step / 3), y), (x + step / 3, y)]
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in run)
