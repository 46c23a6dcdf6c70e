"""Numbers as people read them. Pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

_BYTES = ("B", "kB", "MB", "GB", "TB", "PB")
NOTHING = "–"


def format_value(value: float | None, unit: str) -> str:
    """A value with its unit, in about three digits; a dash where nothing is known."""
    return NOTHING if value is None else _FORMATS.get(unit, _count)(value)


def format_seconds(seconds: float) -> str:
    """A duration in its two largest units: `3 d 4 h`, `5 min 2 s`."""
    left = max(0, round(seconds))
    parts = []
    for size, name in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        amount, left = divmod(left, size)
        if amount:
            parts.append(f"{amount} {name}")
    return " ".join(parts[:2]) or "0 s"


def format_share(share: float | None) -> str:
    """A share as percent: never 100 where it is not all, never 0 where it is not nothing."""
    if share is None:
        return NOTHING
    if share in {0, 1}:
        return f"{share:.0%}".replace("%", " %")
    return f"{min(max(100 * share, 0.01), 99.99):.2f} %"


def format_ago(elapsed: timedelta) -> str:
    """How long ago, in words."""
    return f"{format_seconds(elapsed.total_seconds())} ago" if elapsed >= timedelta(seconds=1) else "just now"


def _bytes(value: float) -> str:
    size = float(value)
    for name in _BYTES:
        if abs(size) < 999.5 or name == _BYTES[-1]:
            return f"{size:.0f} {name}" if name == "B" or abs(size) >= 100 else f"{size:.3g} {name}"
        size /= 1000
    return f"{size:.3g} {_BYTES[-1]}"


def _milliseconds(value: float) -> str:
    if value >= 1000:
        return f"{value / 1000:.2f} s"
    return f"{value:.3g} ms" if value < 100 else f"{value:.0f} ms"


def _count(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"


_FORMATS: dict[str, Callable[[float], str]] = {
    "percent": lambda value: f"{value:.1f} %",
    "bytes": _bytes,
    "bytes_per_second": lambda value: f"{_bytes(value)}/s",
    "ms": _milliseconds,
    "s": format_seconds,
    "days": lambda value: f"{value:.1f} d",
    "per_second": lambda value: f"{value:.3g}/s",
    "share": format_share,
}
