"""How a report says its figures: changes, periods, durations. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from dashboards.reports.model import Change
from dashboards.reports.period import Period
from dashboards.units import NOTHING, format_seconds, format_share, format_value
from telemetry.times import NANOSECONDS_PER_SECOND, to_datetime

MINUS = "−"
WORTH_A_COLOUR = 5.0  # percent of what it was before


@dataclass(frozen=True, slots=True)
class ChangeView:
    """`text` in the figure's unit, `percent` of what it was; both empty where nothing is known. `trend`: what it means.

    `trend` is `better`, `worse`, or empty where it is neither, or too small to matter.
    """

    text: str = ""
    percent: str = ""
    trend: str = ""
    title: str = ""


def change_view(change: Change, unit: str, *, good: str = "", least: float = WORTH_A_COLOUR) -> ChangeView:
    """`good` says which way is better: `up`, `down`, or nothing when neither is; `least` from how many percent on.

    Shares (unit `share`) change by percentage points, and are worth a colour from a hundredth of one on.
    """
    difference = change.difference
    if difference is None or change.before is None:
        return ChangeView(title="nothing is known of the period before" if change.now is not None else "")
    before = "before: " + _written(change.before, unit)
    if unit in {"share", "percent"}:
        text = _signed(difference * 100, _hundredths) if unit == "share" else _signed(difference, _points)
        percent = "" if unit == "share" else _percent(change.percent)
    else:
        text = _signed(difference, lambda value: format_value(value, unit))
        percent = _percent(change.percent)
    matters = abs(difference) >= 1e-4 if unit == "share" else abs(change.percent or 100.0) >= least
    if text == "±0" or not good or not matters:
        return ChangeView(text, "" if text == "±0" else percent, "", before)
    return ChangeView(text, percent, "better" if (difference > 0) == (good == "up") else "worse", before)


def _written(value: float, unit: str) -> str:
    return format_share(value) if unit == "share" else format_value(value, unit)


def _signed(difference: float, form: Callable[[float], str]) -> str:
    text = form(abs(difference))
    if not any(digit in text for digit in "123456789"):
        return "±0"
    return f"{'+' if difference > 0 else MINUS}{text}"


def _points(value: float) -> str:
    return f"{value:.1f} points"


def _hundredths(value: float) -> str:
    return f"{value:.2f} points"


def _percent(percent: float | None) -> str:
    if percent is None:
        return ""
    if percent >= 900:
        return f"{percent / 100 + 1:,.0f} times"
    whole = round(percent)
    return f"{'+' if whole > 0 else MINUS if whole < 0 else '±'}{abs(whole)} %"


def period_words(period: Period, zone: ZoneInfo) -> str:
    """`17 Nov 2026 00:00 – 24 Nov 2026 00:00`; the year once where it is one."""
    start, stop = (to_datetime(at).astimezone(zone) for at in (period.start, period.stop))
    first = f"{start:%-d %b %H:%M}" if start.year == stop.year else f"{start:%-d %b %Y %H:%M}"
    last = f"{stop:%H:%M}" if start.date() == stop.date() else f"{stop:%-d %b %Y %H:%M}"
    if start.date() == stop.date():
        first = f"{start:%-d %b %Y %H:%M}"
    return f"{first} – {last}"


def length_words(period: Period) -> str:
    """`7 d`, `1 d 4 h`."""
    return format_seconds(period.length / NANOSECONDS_PER_SECOND)


def moment_words(instant: int, zone: ZoneInfo) -> str:
    """`Tue 24 Nov 12:05`."""
    return f"{local(instant, zone):%a %-d %b %H:%M}"


def local(instant: int, zone: ZoneInfo) -> datetime:
    return to_datetime(instant).astimezone(zone)


def seconds_words(seconds: float | None) -> str:
    """A duration, or a dash where there is none."""
    if seconds is None:
        return NOTHING
    return f"{seconds:.1f} s" if 0 < seconds < 10 and seconds % 1 else format_seconds(seconds)
