"""Durations and instants: how they are written, read and rounded. Pure.

Instants are integers: nanoseconds since 1970-01-01T00:00:00Z. Durations in text are those of
`opswatch.yaml`: a number and a unit, `500ms`, `30s`, `5m`, `2h`, `7d`, `2w`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

NANOSECONDS_PER_SECOND = 1_000_000_000
NANOSECONDS_PER_MILLISECOND = 1_000_000
_NANOSECONDS_PER_MINUTE = 60 * NANOSECONDS_PER_SECOND

_UNITS: dict[str, timedelta] = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)(ms|s|m|h|d|w)", re.ASCII)
_RELATIVE = re.compile(r"now(?:([+-])(.+))?|(-)(.+)", re.ASCII)
_UNIX_SECONDS = re.compile(r"-?[0-9]{1,11}(?:\.[0-9]{1,9})?", re.ASCII)
# RFC 3339, and the date alone (midnight UTC), which people type into an address bar.
_RFC_3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)?)?", re.ASCII
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_duration(text: str) -> timedelta:
    """Read `500ms`, `30s`, `5m`, `2h`, `7d`, `2w`. Raises ValueError that quotes the text."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a duration: write a number and a unit, like 500ms, 30s, 5m, 2h or 7d")
    try:
        return float(match[1]) * _UNITS[match[2]]
    except OverflowError as error:
        raise ValueError(f"{text!r} is too long a duration") from error


def format_duration(duration: timedelta) -> str:
    """Write a duration in the largest unit that gives a whole number: `90s`, `2h`, `7d`."""
    microseconds = duration // timedelta(microseconds=1)
    for unit in ("d", "h", "m", "s", "ms"):
        size = _UNITS[unit] // timedelta(microseconds=1)
        if microseconds % size == 0 and (microseconds or unit == "s"):
            return f"{microseconds // size}{unit}"
    return f"{microseconds / 1000:g}ms"


def parse_instant(text: str, now: datetime) -> int:
    """Read a time as the API takes it: RFC 3339, unix seconds, or relative to `now` (`-1h`, `now`, `now-1h`).

    A time without a zone is UTC. Returns nanoseconds; raises ValueError that quotes the text.
    """
    text = text.strip()
    if text.startswith(("now", "-")) and not _UNIX_SECONDS.fullmatch(text):
        return _parse_relative(text, now)
    if _UNIX_SECONDS.fullmatch(text):
        whole, _, fraction = text.partition(".")
        nanoseconds = int(fraction.ljust(9, "0")) if fraction else 0
        return _checked(
            int(whole) * NANOSECONDS_PER_SECOND + (-nanoseconds if whole.startswith("-") else nanoseconds), text
        )
    match = _RFC_3339.fullmatch(text)
    if match is None:
        raise _not_a_time(text)
    date, clock, fraction, zone = match.groups()
    zone = "+00:00" if zone in (None, "Z", "z") else zone
    try:
        moment = datetime.fromisoformat(f"{date}T{clock or '00:00:00'}{zone}")
        nanoseconds = int((fraction or "0").ljust(9, "0"))
        return _checked(from_datetime(moment) + nanoseconds, text)
    except (ValueError, OverflowError) as error:
        raise _not_a_time(text) from error


def from_datetime(moment: datetime) -> int:
    """Nanoseconds of an aware datetime, exact to its microsecond (floats would not be)."""
    return ((moment - _EPOCH) // timedelta(microseconds=1)) * 1000


def to_datetime(instant: int) -> datetime:
    """The aware UTC datetime of an instant, floored to the microsecond."""
    return _EPOCH + timedelta(microseconds=instant // 1000)


def format_instant(instant: int) -> str:
    """RFC 3339 in UTC with as many decimals as are needed: 0, 3, 6 or 9."""
    fraction = instant % NANOSECONDS_PER_SECOND
    text = to_datetime(instant - fraction).strftime("%Y-%m-%dT%H:%M:%S")
    if fraction:
        digits = f"{fraction:09d}"
        while digits.endswith("000"):
            digits = digits[:-3]
        text += f".{digits}"
    return text + "Z"


def format_instants(instants: Iterable[int]) -> list[str]:
    """As `format_instant`, each; for many that lie near each other several times as fast."""
    minutes: dict[int, str] = {}
    texts = []
    for instant in instants:
        minute, rest = divmod(instant, _NANOSECONDS_PER_MINUTE)
        front = minutes.get(minute)
        if front is None:
            front = minutes[minute] = format_instant(minute * _NANOSECONDS_PER_MINUTE)[:-3]  # without seconds and Z
        second, fraction = divmod(rest, NANOSECONDS_PER_SECOND)
        if not fraction:
            texts.append(f"{front}{second:02d}Z")
        elif fraction % 1_000_000 == 0:
            texts.append(f"{front}{second:02d}.{fraction // 1_000_000:03d}Z")
        elif fraction % 1_000 == 0:
            texts.append(f"{front}{second:02d}.{fraction // 1_000:06d}Z")
        else:
            texts.append(f"{front}{second:02d}.{fraction:09d}Z")
    return texts


def format_any_instant(instant: int) -> str:
    """As `format_instant`; beyond 64 bits, where there is no calendar, the number."""
    return format_instant(instant) if -(2**63) <= instant < 2**63 else str(instant)


def duration_nanoseconds(duration: timedelta) -> int:
    """A duration in whole nanoseconds."""
    return (duration // timedelta(microseconds=1)) * 1000


def _parse_relative(text: str, now: datetime) -> int:
    match = _RELATIVE.fullmatch(text)
    if match is None:
        raise _not_a_time(text)
    sign, amount = match[1] or match[3], match[2] or match[4]
    if not amount:
        return from_datetime(now)
    try:
        shift = parse_duration(amount)
        return from_datetime(now + shift if sign == "+" else now - shift)
    except (ValueError, OverflowError) as error:
        raise _not_a_time(text) from error


def _checked(instant: int, text: str) -> int:
    # 1677-09-21 to 2262-04-11: what 64 bits of nanoseconds hold, in DuckDB as in InfluxDB.
    if not -(2**63) <= instant < 2**63:
        raise _not_a_time(text)
    return instant


def _not_a_time(text: str) -> ValueError:
    shown = text if len(text) <= 60 else text[:57] + "..."
    return ValueError(
        f"{shown!r} is not a time: write RFC 3339 (2026-11-24T12:00:00Z), unix seconds,"
        " or a relative time like -1h or now"
    )
