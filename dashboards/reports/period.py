"""The period of a report: what was asked for, what it is rounded to, what it is compared with. Pure.

The ends are rounded outwards to whole windows of the store's levels, because only those are kept for long: to five
minutes, and to an hour where the period begins more than 30 days ago. The period that it is compared with is as long,
and ends where it begins.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from telemetry.errors import InvalidRequest
from telemetry.rollup import FIVE_MINUTES, ONE_HOUR, Retention
from telemetry.times import duration_nanoseconds, from_datetime, parse_instant

PRESETS: Mapping[str, str] = {
    "today": "Today",
    "yesterday": "Yesterday",
    "7d": "Last 7 days",
    "30d": "Last 30 days",
    "last-month": "Last month",
}
DEFAULT_PRESET = "7d"
MAX_LENGTH = timedelta(days=400)

_FINE_UNTIL = timedelta(days=30)
# A month of 31 days and what the end of summer time adds to it.
_FINE_LENGTH = timedelta(days=31, hours=2)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_NAIVE = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?", re.ASCII)  # without a zone: that of the settings
_ROUNDED = timedelta(hours=2)  # what rounding to whole windows adds


@dataclass(frozen=True, slots=True)
class Period:
    """[start, stop) in ns."""

    start: int
    stop: int

    @property
    def length(self) -> int:
        return self.stop - self.start

    @property
    def before(self) -> Period:
        """The period of the same length that ends where this one begins."""
        return Period(self.start - self.length, self.start)


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody asked for, as text: one of the presets, or `start` and `stop`. Nothing is the default preset."""

    start: str = ""
    stop: str = ""
    preset: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """The period of a report and the one before it.

    `step` is the length of the windows in which states are looked at, and `until` the moment of the report: of what
    comes later nothing can be known. `keeps_samples` says that the samples of both periods are still kept.
    """

    period: Period
    previous: Period
    step: int
    until: int
    keeps_samples: bool
    asked: Asked = Asked()

    @property
    def is_open(self) -> bool:
        """Whether the period goes on at the moment of the report."""
        return self.period.stop >= self.until


def resolve(asked: Asked, now: datetime, zone: ZoneInfo, retention: Retention) -> Span:
    """The span that is meant; dates, and times without a zone, are those of `zone`.

    Raises InvalidRequest that names the parameter.
    """
    if not (asked.start or asked.stop or asked.preset):
        asked = Asked(preset=DEFAULT_PRESET)
    period = _preset(asked, now, zone) if asked.preset else _given(asked, now, zone)
    moment = from_datetime(now)
    grain = _grain(period, moment, retention)
    start = _floor(period.start, grain)
    # What lies in the future is cut off, but never all: a day begins with a window that has just begun.
    period = Period(start, max(start + grain, min(_ceiling(period.stop, grain), _ceiling(moment, grain))))
    if asked.preset.endswith("d"):
        # As long as its name says, so that it is made of whole days.
        period = Period(period.stop - _days(asked.preset), period.stop)
    _check(period, asked)
    kept_samples = moment - duration_nanoseconds(retention.raw)
    return Span(
        period,
        period.before,
        _step(period, moment, retention),
        moment,
        period.before.start >= kept_samples,
        asked,
    )


def _preset(asked: Asked, now: datetime, zone: ZoneInfo) -> Period:
    if asked.start or asked.stop:
        raise InvalidRequest("period goes instead of start and stop, not together with them", field="period")
    if asked.preset not in PRESETS:
        known = ", ".join(PRESETS)
        raise InvalidRequest(f"there is no period {asked.preset[:40]!r}: {known}", field="period", value=asked.preset)
    moment = from_datetime(now)
    midnight = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    match asked.preset:
        case "today":
            return Period(from_datetime(midnight), max(moment, from_datetime(midnight) + 1))
        case "yesterday":
            return Period(from_datetime(midnight - timedelta(days=1)), from_datetime(midnight))
        case "last-month":
            first = midnight.replace(day=1)
            return Period(from_datetime((first - timedelta(days=1)).replace(day=1)), from_datetime(first))
    return Period(moment - _days(asked.preset), moment)


def _days(preset: str) -> int:
    return duration_nanoseconds(timedelta(days=int(preset.removesuffix("d"))))


def _given(asked: Asked, now: datetime, zone: ZoneInfo) -> Period:
    start = _instant("start", asked.start or f"-{DEFAULT_PRESET}", now, zone)
    stop = _instant("stop", asked.stop or "now", now, zone)
    if start >= from_datetime(now):
        raise InvalidRequest("the period has not begun yet", field="start", value=asked.start[:60])
    if stop <= start:
        raise InvalidRequest("the period is empty: stop must be after start", field="stop", value=asked.stop[:60])
    return Period(start, stop)


def _instant(name: str, text: str, now: datetime, zone: ZoneInfo) -> int:
    try:
        if _DATE.fullmatch(text.strip()):
            return from_datetime(datetime.fromisoformat(text.strip()).replace(tzinfo=zone))
        if _NAIVE.fullmatch(text.strip()):
            return from_datetime(datetime.fromisoformat(text.strip()).replace(tzinfo=zone))
        return parse_instant(text, now)
    except (ValueError, OverflowError) as error:
        raise InvalidRequest(str(error), field=name, value=text[:60]) from error


def _check(period: Period, asked: Asked) -> None:
    if period.length > duration_nanoseconds(MAX_LENGTH + _ROUNDED):
        raise InvalidRequest(
            f"a report covers at most {MAX_LENGTH.days} days: shorten the period", field="start", value=asked.start[:60]
        )
    if period.start < 0:
        raise InvalidRequest("a period cannot begin before 1970", field="start", value=asked.start[:60])


def _grain(period: Period, moment: int, retention: Retention) -> int:
    oldest = min(duration_nanoseconds(_FINE_UNTIL), duration_nanoseconds(retention.five_minutes))
    # What rounding itself adds to "the last 30 days" does not make it older.
    coarse = period.start < moment - oldest - FIVE_MINUTES.step or not _keeps_five_minutes(period, moment, retention)
    return ONE_HOUR.step if coarse else FIVE_MINUTES.step


def _step(period: Period, moment: int, retention: Retention) -> int:
    fine = period.length <= duration_nanoseconds(_FINE_LENGTH) and _keeps_five_minutes(period, moment, retention)
    fine = fine or bool(period.length % ONE_HOUR.step)
    return FIVE_MINUTES.step if fine else ONE_HOUR.step


def _keeps_five_minutes(period: Period, moment: int, retention: Retention) -> bool:
    return period.before.start >= moment - duration_nanoseconds(retention.five_minutes)


def _floor(instant: int, grain: int) -> int:
    return instant - instant % grain


def _ceiling(instant: int, grain: int) -> int:
    return -(-instant // grain) * grain
