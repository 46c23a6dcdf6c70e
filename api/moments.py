"""Times and spans as people write them in a body: `2h`, RFC 3339, unix seconds. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from telemetry.errors import InvalidRequest
from telemetry.times import parse_duration, parse_instant, to_datetime

_BY_A_CLOCK = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[Tt ]([0-9]{2}:[0-9]{2}(?::[0-9]{2})?))?", re.ASCII)


def by_the_clock_of(zone: ZoneInfo, text: str, field: str) -> str:
    """What was typed on a page, with its offset from UTC where it says none: people read the clock of the zone.

    Raises InvalidRequest naming the field where clocks skip that time, or show it twice.
    """
    found = _BY_A_CLOCK.fullmatch(text.strip())
    if found is None:
        return text
    try:
        naive = datetime.fromisoformat(f"{found[1]}T{found[2] or '00:00'}")
        readings = [naive.replace(tzinfo=zone, fold=fold) for fold in (0, 1)]
        there = [one for one in readings if one.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == naive]
    except (ValueError, OverflowError):
        return text  # whoever reads it says what is wrong with it
    offsets = list(dict.fromkeys(one.isoformat() for one in there))
    if not offsets:
        later = readings[0].astimezone(UTC).astimezone(zone)
        words = f"clocks in {zone.key} skip {text.strip()}; the next time there is: {later.isoformat()}"
        raise InvalidRequest(words, field=field, value=text[:60])
    if len(offsets) > 1:
        words = f"clocks in {zone.key} show {text.strip()} twice; write {' or '.join(offsets)}"
        raise InvalidRequest(words, field=field, value=text[:60])
    return offsets[0]


def moment_of(text: str, field: str, now: datetime) -> datetime:
    """A time, or one so long from now. Raises InvalidRequest naming the field."""
    try:
        return now + parse_duration(text)
    except (ValueError, OverflowError):
        pass
    try:
        return to_datetime(parse_instant(text, now))
    except ValueError as error:
        raise InvalidRequest(f"{field}: {error}; or a duration as 2h", field=field, value=text[:60]) from error


def span_of(text: str) -> timedelta:
    """A duration. Raises InvalidRequest naming `duration`."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise InvalidRequest(f"duration: {error}", field="duration", value=text[:60]) from error


def end_of(starts: datetime, duration: str | None, until: str | None, now: datetime, name: str = "until") -> datetime:
    """When something ends that lasts for `duration` from its start, or until a time. Raises InvalidRequest.

    `name`: the field that `until` is from.
    """
    if (duration is None) == (until is None):
        raise InvalidRequest(f"say how long (duration), or until when ({name}): one of them", field="duration")
    if until is not None:
        return moment_of(until, name, now)
    assert duration is not None
    try:
        return starts + span_of(duration)
    except OverflowError as error:
        raise InvalidRequest("that is too long", field="duration", value=duration[:60]) from error
