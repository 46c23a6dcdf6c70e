"""Times and spans as people write them in a body: `2h`, RFC 3339, unix seconds. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from telemetry.errors import InvalidRequest
from telemetry.times import parse_duration, parse_instant, to_datetime


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
