"""Planned windows of maintenance, and the quiet hours of receivers: what holds at an instant, and until when. Pure.

Windows begin by the wall clock of a named zone and last for so much elapsed time: over a change to or from summer time
a window of two hours is two hours long. What a wall time means that is left out, or comes twice, says `wall_time`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from alerting.label_match import LabelMatch
from alerting.receivers import QuietHours
from alerting.rules import Severity
from alerting.wall_time import instant_of, latest_wall_of, wall_of

_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)
_LAST = -1
_CRON_FIELDS = 5
_MAX_EXPRESSION = 200  # characters


@dataclass(frozen=True, slots=True)
class Once:
    """From `start` to `stop`, in ns. Raises ValueError, with words for people, when it has no length."""

    start: int
    stop: int

    def __post_init__(self) -> None:
        if self.stop <= self.start:
            raise ValueError("a window ends after it starts")


@dataclass(frozen=True, slots=True)
class Weekly:
    """At this time on these days, Monday is 0. Raises ValueError for other days, and for none."""

    days: frozenset[int]
    at: time

    def __post_init__(self) -> None:
        if not self.days or not self.days <= set(range(7)):
            raise ValueError("a weekly window has at least one day, from 0 (Monday) to 6 (Sunday)")

    def upto(self, wall: datetime) -> Iterator[datetime]:
        """Starts by the wall clock, at this time or before it, the latest first."""
        days = (wall.date() - ahead * _DAY for ahead in range(8))
        return (start for start in self._on(days) if start <= wall)

    def after(self, wall: datetime) -> Iterator[datetime]:
        """Starts by the wall clock after this time, the earliest first."""
        days = (wall.date() + ahead * _DAY for ahead in range(9))
        return (start for start in self._on(days) if start > wall)

    def _on(self, days: Iterator[date]) -> Iterator[datetime]:
        return (datetime.combine(day, self.at) for day in days if day.weekday() in self.days)


@dataclass(frozen=True, slots=True)
class Monthly:
    """At this time on this day of each month that has it; -1 is the last day. Raises ValueError for another number."""

    day: int
    at: time

    def __post_init__(self) -> None:
        if self.day != _LAST and not 1 <= self.day <= 31:
            raise ValueError("the day of a monthly window is from 1 to 31, or -1 for the last")

    def upto(self, wall: datetime) -> Iterator[datetime]:
        """As of `Weekly`."""
        return (start for start in self._in(wall, range(0, -4, -1)) if start <= wall)

    def after(self, wall: datetime) -> Iterator[datetime]:
        """As of `Weekly`."""
        return (start for start in self._in(wall, range(5)) if start > wall)

    def _in(self, wall: datetime, months: range) -> Iterator[datetime]:
        for ahead in months:
            year, month = divmod(wall.year * 12 + wall.month - 1 + ahead, 12)
            next_year, next_month = divmod(wall.year * 12 + wall.month + ahead, 12)
            first = date(year, month + 1, 1)
            length = (date(next_year, next_month + 1, 1) - first).days
            day = length if self.day == _LAST else self.day
            if day <= length:
                yield datetime.combine(first.replace(day=day), self.at)


@dataclass(frozen=True, slots=True)
class Cron:
    """By a cron expression of five fields, as Debian's cron reads it.

    Raises ValueError, with words for people, when it is malformed, or when it names a date that never comes.
    """

    expression: str

    def __post_init__(self) -> None:
        if len(self.expression.split()) != _CRON_FIELDS or len(self.expression) > _MAX_EXPRESSION:
            raise ValueError(f"{self.expression[:60]!r} is no cron expression of five fields, as 0 3 * * SUN")
        try:
            next(CronSim(self.expression, datetime(2000, 1, 1, tzinfo=UTC)))
        except CronSimError as error:
            raise ValueError(f"{self.expression[:60]!r} is no cron expression: {error}") from error
        except StopIteration:
            raise ValueError(f"{self.expression[:60]!r} names a date that never comes") from None

    def upto(self, wall: datetime) -> Iterator[datetime]:
        """As of `Weekly`."""
        return CronSim(self.expression, wall.replace(microsecond=0) + _SECOND, reverse=True)

    def after(self, wall: datetime) -> Iterator[datetime]:
        """As of `Weekly`."""
        return CronSim(self.expression, wall)


Times = Once | Weekly | Monthly | Cron


@dataclass(frozen=True, slots=True)
class Window:
    """Incidents that `match` are told to nobody while it holds.

    `duration` is elapsed time in ns, from each start (of `Once`: it says itself when it ends).
    """

    name: str
    match: LabelMatch
    duration: int
    zone: ZoneInfo
    times: Times


def active(window: Window, now: int) -> int | None:
    """The instant (ns) at which the occurrence that holds now ends; None when none does.

    Where occurrences overlap, that of the latest one.
    """
    times = window.times
    if isinstance(times, Once):
        return times.stop if times.start <= now < times.stop else None
    # While an hour is shown again, the first of these may be wall times that have not come.
    starts = (instant_of(wall, window.zone) for wall in times.upto(latest_wall_of(now, window.zone)))
    latest = next((start for start in starts if start <= now), None)
    return None if latest is None or latest + window.duration <= now else latest + window.duration


def next_start(window: Window, now: int) -> int | None:
    """The first start (ns) after now; None when there is none any more."""
    times = window.times
    if isinstance(times, Once):
        return times.start if times.start > now else None
    starts = (instant_of(wall, window.zone) for wall in times.after(wall_of(now, window.zone)))
    return next((start for start in starts if start > now), None)


def quiet_until(quiet: QuietHours, severity: Severity, now: int) -> int | None:
    """The instant (ns) until which this severity waits; None when it does not. From a time to itself is no time."""
    if severity not in quiet.severities:
        return None
    today = wall_of(now, quiet.zone).date()
    ends = []
    for ahead in (-1, 0, 1):  # also tomorrow: midnight itself may come twice
        day = today + ahead * _DAY
        stop_day = day + _DAY if quiet.stop < quiet.start else day
        start, stop = datetime.combine(day, quiet.start), datetime.combine(stop_day, quiet.stop)
        end = instant_of(stop, quiet.zone)
        if instant_of(start, quiet.zone) <= now < end:
            ends.append(end)
    return max(ends, default=None)
