"""The range that a page shows, as it stands in the URL, and the step that suits it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from telemetry.errors import InvalidRequest
from telemetry.times import NANOSECONDS_PER_SECOND, duration_nanoseconds, parse_instant

PRESETS = (("15m", "15 min"), ("1h", "1 h"), ("6h", "6 h"), ("24h", "24 h"), ("7d", "7 d"))

_POINTS = 300
_DAY = 86_400 * NANOSECONDS_PER_SECOND
_STEPS = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, 86_400)


@dataclass(frozen=True, slots=True)
class TimeRange:
    """`start` and `stop` as they were given, and as ns; `stop` is after `start`."""

    start_text: str
    stop_text: str
    start: int
    stop: int

    @property
    def is_live(self) -> bool:
        """Whether it ends now, so that it moves on."""
        return self.stop_text == "now"

    @property
    def preset(self) -> str | None:
        """`1h` for -1h to now; None for any other."""
        text = self.start_text.removeprefix("now")
        name = text.removeprefix("-")
        return name if self.is_live and text.startswith("-") and name in dict(PRESETS) else None


def parse_range(start: str | None, stop: str | None, default: str, now: datetime) -> TimeRange:
    """The range from the URL's parameters. Raises InvalidRequest that names the parameter."""
    start, stop = start or f"-{default}", stop or "now"
    instants = []
    for name, text in (("start", start), ("stop", stop)):
        try:
            instants.append(parse_instant(text, now))
        except ValueError as error:
            raise InvalidRequest(str(error), field=name, value=text[:60]) from error
    if instants[1] <= instants[0]:
        raise InvalidRequest("the range is empty: stop must be after start", field="stop", value=stop[:60])
    return TimeRange(start, stop, instants[0], instants[1])


def step_for(length: int, interval: timedelta) -> int:
    """A step in ns for some 300 points: round where it can be, and longer than the interval of the samples.

    Half as long again: else a sample that comes a little late would leave a window empty, and draw a gap where
    nothing is missing. And a multiple of the interval, or ten times as long: else windows hold one sample and two in
    turn, and the rate of a steady counter would swing by a third.
    """
    every = duration_nanoseconds(interval)
    least = max(-(-length // _POINTS), every * 3 // 2)
    days = -(-least // _DAY) * _DAY
    for step in (*(seconds * NANOSECONDS_PER_SECOND for seconds in _STEPS), days):
        if step >= least and (step % every == 0 or step >= 10 * every):
            return step
    return -(-least // every) * every
