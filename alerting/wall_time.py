"""What a wall clock of a named zone shows, as instants and back, over the changes to and from summer time. Pure.

A wall time that is left out counts as the instant at which the clock goes on; one that comes twice as the first.
So later wall times are never earlier instants, and everything that happens "at 02:30" happens once a day.
"""

from __future__ import annotations

from bisect import bisect_left
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from telemetry.times import NANOSECONDS_PER_SECOND, from_datetime, to_datetime

_NO_TIME = timedelta(0)


def instant_of(wall: datetime, zone: ZoneInfo) -> int:
    """The instant (ns) of a naive wall time."""
    first, second = (wall.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    before, after = _offset(first), _offset(second)
    if after <= before:
        return from_datetime(first)
    seconds = range(_seconds(second), _seconds(first) + 1)  # somewhere here the clock goes on
    found = bisect_left(seconds, 1, key=lambda one: _offset(_at(one * NANOSECONDS_PER_SECOND, zone)) != before)
    return seconds[found] * NANOSECONDS_PER_SECOND


def wall_of(instant: int, zone: ZoneInfo) -> datetime:
    """The naive wall time at an instant."""
    return _at(instant, zone).replace(tzinfo=None)


def latest_wall_of(instant: int, zone: ZoneInfo) -> datetime:
    """No wall time later than this one has come by then: more than `wall_of` while an hour is shown again."""
    shown = _at(instant, zone)
    again = max(_offset(shown.replace(fold=0)) - _offset(shown), _NO_TIME)
    return shown.replace(tzinfo=None) + again


def _at(instant: int, zone: ZoneInfo) -> datetime:
    return to_datetime(instant).astimezone(zone)


def _seconds(moment: datetime) -> int:
    return from_datetime(moment) // NANOSECONDS_PER_SECOND


def _offset(moment: datetime) -> timedelta:
    return moment.utcoffset() or _NO_TIME
