"""Who is on duty: people take turns weekly, and others step in. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from alerting.wall_time import instant_of, latest_wall_of

_WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of a rotation, and the receiver that reaches them."""

    name: str
    receiver: str


@dataclass(frozen=True, slots=True)
class Override:
    """From `start` to `stop` (ns) this person is on duty, whoever has the week."""

    start: int
    stop: int
    person: str


@dataclass(frozen=True, slots=True)
class Rotation:
    """A list of people who take turns: they hand over once a week, on `handover_day` (0 is Monday) at `handover`.

    The first of them has the week that `start` is in. Of overrides that hold at once the last in the tuple wins; one
    for somebody who is not (or no longer) in the list does not count. Raises ValueError when nobody is in it.
    """

    name: str
    zone: ZoneInfo
    handover_day: int
    handover: time
    start: date
    people: tuple[Person, ...]
    overrides: tuple[Override, ...] = ()

    def __post_init__(self) -> None:
        if not self.people:
            raise ValueError(f"there is nobody in the rotation {self.name}")
        if not 0 <= self.handover_day <= 6:
            raise ValueError("the day of the handover is from 0 (Monday) to 6 (Sunday)")


@dataclass(frozen=True, slots=True)
class Shift:
    """Who is on duty from `since` to `until` (ns), in one go; `override`: not because it is their week."""

    person: Person
    since: int
    until: int
    override: bool


def on_duty(rotation: Rotation, now: int) -> Shift:
    """Whose shift it is now; somebody's it always is."""
    override = _override(rotation, now)
    if override is None:
        number = _week(rotation, now)
        person = rotation.people[number % len(rotation.people)]
        since, until = _handover(rotation, number), _handover(rotation, number + 1)
    else:
        person = next(one for one in rotation.people if one.name == override.person)
        since, until = override.start, override.stop
    # Cut by other overrides: the nearest change of whose shift it is, on either side.
    edges = [edge for one in rotation.overrides for edge in (one.start, one.stop)]
    for edge in sorted(edges):
        if now < edge < until and _override(rotation, edge) is not override:
            until = edge
    for edge in sorted(edges, reverse=True):
        if since < edge <= now and _override(rotation, edge - 1) is not override:
            since = edge
    return Shift(person, since, until, override is not None)


def shifts(rotation: Rotation, start: int, stop: int) -> list[Shift]:
    """The shifts that have a part in [start, stop), each whole, in their order."""
    found = []
    while start < stop:
        shift = on_duty(rotation, start)
        found.append(shift)
        start = shift.until
    return found


def _override(rotation: Rotation, now: int) -> Override | None:
    names = {person.name for person in rotation.people}
    held = (one for one in reversed(rotation.overrides) if one.start <= now < one.stop and one.person in names)
    return next(held, None)


def _week(rotation: Rotation, now: int) -> int:
    """The number of the week that holds now; the one that `start` is in has 0."""
    # By the latest wall time: while an hour is shown again, the week may begin later than now.
    number = (latest_wall_of(now, rotation.zone) - _wall(rotation, 0)) // _WEEK
    return number if _handover(rotation, number) <= now else number - 1


def _handover(rotation: Rotation, number: int) -> int:
    return instant_of(_wall(rotation, number), rotation.zone)


def _wall(rotation: Rotation, number: int) -> datetime:
    first = rotation.start - timedelta(days=(rotation.start.weekday() - rotation.handover_day) % 7)
    return datetime.combine(first, rotation.handover) + number * _WEEK
