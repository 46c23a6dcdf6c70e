"""The trend of an incident as a PNG: its values, its thresholds, and where they were beyond them. Shell.

matplotlib reads its fonts, and takes half a second to load: only who draws pays for it. Only its objects are used,
never pyplot, so nothing outlives a call. It is not safe in several threads at once: let one at a time draw.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from telemetry.times import NANOSECONDS_PER_SECOND, from_datetime
from telemetry.visible_text import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 1200, 480  # pixels; shown at half of it, so that it is sharp on every screen
_DPI = 200
_LARGEST, _LEAST = 1e300, 1e-290  # beyond these, distances between values are no numbers any more
_SHADES = 64
_MOST_TITLE = 62  # characters
_DAY = 86_400  # seconds
_STEPS = (60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, _DAY, 2 * _DAY)
_INK, _QUIET, _LINE, _GRID = "#171b22", "#5a6473", "#2457d6", "#e2e5ea"
_COLOURS = {"warning": "#c77f00", "critical": "#c92a3a"}


@dataclass(frozen=True, slots=True)
class TrendLimit:
    """A threshold: `severity` is `warning` or `critical`; `is_upward` where greater values are the worse ones."""

    severity: str
    value: float
    is_upward: bool
    words: str


@dataclass(frozen=True, slots=True)
class TrendFacts:
    """What is drawn. `values` at `times` (ns, ascending), None where there was none; `limits` the milder first.

    `written` puts a value into words with its `unit`; times are shown in `zone`.
    """

    title: str
    unit: str
    written: Callable[[float], str]
    times: Sequence[int]
    values: Sequence[float | None]
    limits: Sequence[TrendLimit]
    opened: datetime
    resolved: datetime | None
    zone: ZoneInfo


def trend_png(facts: TrendFacts) -> bytes:
    """The picture, `WIDTH` x `HEIGHT`. What is no number, or too large to draw, is a gap."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    figure = Figure(figsize=(WIDTH / _DPI, HEIGHT / _DPI), dpi=_DPI, facecolor="white")
    canvas: Any = FigureCanvasAgg(figure)  # untyped in matplotlib
    axes = figure.add_axes((0, 0, 1, 1))
    limits = [replace(one, value=_drawable(one.value)) for one in facts.limits]
    facts = replace(facts, limits=[one for one in limits if not math.isnan(one.value)])
    values = [_drawable(value) for value in facts.values]
    seconds = [(instant - facts.times[0]) / NANOSECONDS_PER_SECOND for instant in facts.times]
    _frame(axes, facts, values, seconds)
    _band(axes, facts, seconds)
    _limits(axes, facts, values, seconds)
    _values(axes, facts, values, seconds)
    _words(figure, facts)
    canvas.draw()
    made = BytesIO()
    # Few colours, as a drawing has: a third of the bytes, and nobody sees the difference.
    whole = Image.frombuffer("RGBA", (WIDTH, HEIGHT), canvas.buffer_rgba(), "raw", "RGBA", 0, 1).convert("RGB")
    whole.quantize(_SHADES, kmeans=2, dither=Image.Dither.NONE).save(made, "PNG", optimize=True)
    return made.getvalue()


def round_steps(low: float, high: float, unit: str, most: int = 5) -> list[float]:
    """At most `most` + 1 round values within [low, high]: of bytes in their prefixes, of seconds in hours or days."""
    rough = (high - low) / most
    scale = 1.0
    if unit == "bytes" and rough >= 1:
        scale = 1024.0 ** int(math.log2(rough) // 10)
    elif unit == "s":
        scale = next((size for size in (86_400.0, 3_600.0, 60.0) if rough >= size / 4), 1.0)
    power = 10.0 ** math.floor(math.log10(rough / scale))
    step = next(scale * power * factor for factor in (1, 2, 2.5, 5, 10, 20) if scale * power * factor >= rough)
    first = math.ceil(low / step - 1e-9)
    return [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]


def _drawable(value: float | None) -> float:
    if value is None or not abs(value) < _LARGEST:
        return math.nan
    return float(value) if abs(value) > _LEAST else 0.0


def _frame(axes: Axes, facts: TrendFacts, values: Sequence[float], seconds: Sequence[float]) -> None:
    drawn = [*(value for value in values if not math.isnan(value)), *(one.value for one in facts.limits)] or [0.0]
    low, high = min(drawn), max(drawn)
    room = (high - low or abs(high) or 1.0) * 0.14
    low, high = (0.0 if 0 <= low < 4 * room else low - room), high + room
    steps = round_steps(low, high, facts.unit)
    axes.set_xlim(seconds[0], max(seconds[-1], seconds[0] + 1))
    axes.set_ylim(low, high)
    font = _font(8.5)
    # Fixed texts: what a unit holds is no mathematics.
    axes.set_yticks(steps)
    words = [_plain(one_line(facts.written(step), 20)) for step in steps]
    axes.set_yticklabels(words, fontproperties=font, color=_QUIET, parse_math=False)
    left = max(0.125, 0.025 + 0.0125 * max(map(len, words), default=0))
    axes.set_position((left, 0.175, 0.97 - left, 0.595))
    moments = time_marks(facts.times[0], facts.times[-1], facts.zone)
    axes.set_xticks([(instant - facts.times[0]) / NANOSECONDS_PER_SECOND for instant, _ in moments])
    axes.set_xticklabels([words for _, words in moments], fontproperties=font, color=_QUIET, parse_math=False)
    axes.tick_params(axis="x", length=0, pad=6)
    axes.tick_params(axis="y", length=0, pad=4)
    axes.grid(axis="y", color=_GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "left", "right"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#aab4c2")
    axes.spines["bottom"].set_linewidth(0.6)


def time_marks(start: int, stop: int, zone: ZoneInfo, most: int = 6) -> list[tuple[int, str]]:
    """Instants (ns) that are round by the clock on the wall, with their words; the day stands where it is another."""
    span = (stop - start) / NANOSECONDS_PER_SECOND
    step = next((one for one in _STEPS if span / one <= most), _STEPS[-1])
    moment = datetime.fromtimestamp(start // NANOSECONDS_PER_SECOND, zone)
    wall = moment.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    marks: list[tuple[int, str]] = []
    day = ""
    while True:
        # Counted on the wall, so that the marks stay round over a change of the clocks; what it skips comes only once.
        instant = from_datetime(wall.replace(tzinfo=zone))
        if instant > stop:
            return marks
        if instant >= start and not (marks and instant <= marks[-1][0]):
            today = f"{wall:%-d %b}"
            words = today if step >= _DAY else f"{wall:%H:%M}" if today == day else f"{wall:%H:%M}\n{today}"
            marks.append((instant, words))
            day = today
        wall += timedelta(seconds=step)


def _band(axes: Axes, facts: TrendFacts, seconds: Sequence[float]) -> None:
    """From when the incident was open, to when."""
    start = (from_datetime(facts.opened) - facts.times[0]) / NANOSECONDS_PER_SECOND
    stop = seconds[-1]
    if facts.resolved is not None:
        stop = min(stop, (from_datetime(facts.resolved) - facts.times[0]) / NANOSECONDS_PER_SECOND)
    start = max(start, seconds[0])
    if stop > start:
        axes.axvspan(start, stop, color=_QUIET, alpha=0.10, linewidth=0, zorder=0.5)


def _limits(axes: Axes, facts: TrendFacts, values: Sequence[float], seconds: Sequence[float]) -> None:
    for number, limit in enumerate(facts.limits):
        colour = _COLOURS.get(limit.severity, _QUIET)
        breached = [value > limit.value if limit.is_upward else value < limit.value for value in values]
        axes.fill_between(
            seconds, values, limit.value, where=breached, interpolate=True, color=colour, alpha=0.28, linewidth=0
        )
        axes.axhline(limit.value, color=colour, linewidth=1.0, linestyle=(0, (5, 3)), zorder=2)
        # Of two limits the harder one has its words beyond it, the milder one before it.
        is_above = limit.is_upward == (number == len(facts.limits) - 1)
        bottom, top = axes.get_ylim()
        is_above = is_above or limit.value - bottom < (top - bottom) * 0.1  # below it stand the times
        axes.annotate(
            _plain(one_line(limit.words, _MOST_TITLE)),
            (0.008, limit.value),
            xycoords=("axes fraction", "data"),
            xytext=(0, 2.5 if is_above else -2.5),
            textcoords="offset points",
            va="bottom" if is_above else "top",
            color=colour,
            fontproperties=_font(8.5, bold=True),
            parse_math=False,
            zorder=5,
            path_effects=_halo(),
        )


def _values(axes: Axes, facts: TrendFacts, values: Sequence[float], seconds: Sequence[float]) -> None:
    axes.plot(seconds, values, color=_LINE, linewidth=1.5, solid_capstyle="round", solid_joinstyle="round", zorder=3)
    known = [not math.isnan(value) for value in values]
    alone = [
        number
        for number, is_known in enumerate(known)
        if is_known and not any(known[max(0, number - 1) : number]) and not any(known[number + 1 : number + 2])
    ]
    axes.plot([seconds[at] for at in alone], [values[at] for at in alone], ".", color=_LINE, markersize=3, zorder=3)
    last = max((number for number, is_known in enumerate(known) if is_known), default=None)
    if last is None:
        return
    axes.plot([seconds[last]], [values[last]], "o", color=_LINE, markersize=4, zorder=4, clip_on=False)
    # Beside the line: below it where it falls, if there is room.
    bottom, top = axes.get_ylim()
    before = next(value for value in values[max(0, last - len(values) // 12) :] if not math.isnan(value))
    is_below = before > values[last] > bottom + (top - bottom) * 0.12
    axes.annotate(
        _plain(facts.written(values[last])),
        (seconds[last], values[last]),
        xytext=(-5, -5 if is_below else 5),
        textcoords="offset points",
        ha="right",
        va="top" if is_below else "bottom",
        color=_INK,
        fontproperties=_font(10, bold=True),
        parse_math=False,
        zorder=6,
        path_effects=_halo(),
    )


def _words(figure: Figure, facts: TrendFacts) -> None:
    when = f"open since {_moment(facts.opened, facts.zone)}"
    if facts.resolved is not None:
        when = f"open from {_moment(facts.opened, facts.zone)} to {_moment(facts.resolved, facts.zone)}"
    figure.text(0.02, 0.925, _plain(one_line(facts.title, _MOST_TITLE)), fontproperties=_font(10.5, bold=True),
                color=_INK, parse_math=False, va="center")  # fmt: skip
    figure.text(0.02, 0.835, when, fontproperties=_font(8.5), color=_QUIET, parse_math=False, va="center")


def _moment(moment: datetime, zone: ZoneInfo) -> str:
    return moment.astimezone(zone).strftime("%-d %b %Y, %H:%M %Z")


def _halo() -> list[Any]:
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=2.0, foreground="white", alpha=0.85)]


def _font_file(*, bold: bool) -> Path:
    import matplotlib as mpl

    return Path(mpl.get_data_path()) / "fonts" / "ttf" / ("DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf")


def _font(size: float, *, bold: bool = False) -> Any:
    from matplotlib.font_manager import FontProperties

    return FontProperties(fname=_font_file(bold=bold), size=size)


def _plain(text: str) -> str:
    """With a box for what the font has no picture of."""
    from matplotlib.font_manager import get_font

    known = get_font(str(_font_file(bold=True))).get_charmap()
    return "".join(letter if ord(letter) in known else "□" for letter in text)
