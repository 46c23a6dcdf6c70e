"""What may stand in the parts of `opswatch.yaml` about telling people: times, conditions, durations. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, SecretStr, WithJsonSchema

from alerting.label_match import LabelMatch
from alerting.windows import Cron
from opswatch.configuration_values import BadValue, duration_of, near_miss, quoted, request_headers_of, text_of
from telemetry.times import duration_nanoseconds, format_duration

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,62}", re.ASCII)
_ADDRESS = re.compile(r"[^\s@<>,;:\"()\[\]\\]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?")
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])", re.ASCII)
_HANDOVER = re.compile(r"([A-Za-z]{3}) +(.*)")


def match_of(value: Any) -> LabelMatch:
    """Conditions on labels."""
    if not isinstance(value, dict):
        raise BadValue("match must be a mapping of labels", "write {severity: critical, service: [checkout, cart]}")
    for label, wanted in value.items():
        if not isinstance(label, str) or not _LABEL.fullmatch(label):
            raise BadValue(f"{quoted(label)} is not a label's name", at=(label,))
        for one in wanted if isinstance(wanted, list) else [wanted]:
            try:
                text_of(one, what=f"what {label} must be")
            except BadValue as error:
                raise BadValue(str(error), error.hint, (label,)) from error
    try:
        return LabelMatch.of(value)
    except ValueError as error:
        raise BadValue(str(error)) from error


def address_of(value: Any) -> str:
    """An e-mail address, as `ops@example.com`."""
    text = text_of(value, what="an address", length=320)
    if not _ADDRESS.fullmatch(text) or not text.isascii():
        raise BadValue(f"{quoted(text)} is not an e-mail address", "write ops@example.com, the address alone")
    return text


def clock_of(value: Any) -> time:
    """A time of the day, as `09:00`."""
    text = text_of(value, what="a time of the day")
    found = _CLOCK.fullmatch(text)
    if found is None:
        raise BadValue(f"{quoted(text)} is not a time of the day", 'write it as "09:00"')
    return time(int(found[1]), int(found[2]))


def day_of(value: Any) -> int:
    """A day of the week, Monday is 0."""
    text = text_of(value, what="a day").lower()[:3]
    if text not in DAYS:
        raise BadValue(f"{quoted(value)} is not a day", near_miss(text, list(DAYS)) or ", ".join(DAYS))
    return DAYS.index(text)


def handover_of(value: Any) -> tuple[int, time]:
    """As `MON 09:00`."""
    found = _HANDOVER.fullmatch(text_of(value, what="a handover"))
    if found is None:
        raise BadValue(f"{quoted(value)} is not a day with a time", "write MON 09:00")
    return day_of(found[1]), clock_of(found[2].strip())


def moment_of(value: Any) -> datetime:
    """A date with a time; without an offset it is of the item's own zone."""
    if isinstance(value, datetime):
        return value
    text = str(value) if isinstance(value, date) else text_of(value, what="a time")
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise BadValue(f"{quoted(text)} is not a date with a time", "write 2026-12-24T18:00") from error


def _date_of(value: Any) -> date:
    return moment_of(value).date()


def _between(least: timedelta, most: timedelta) -> Callable[[Any], timedelta]:
    def parse(value: Any) -> timedelta:
        duration = duration_of(value)
        if not least <= duration <= most:
            words = f"{quoted(value)} is too {'short' if duration < least else 'long'}"
            raise BadValue(words, f"from {format_duration(least)} to {format_duration(most)}")
        return duration

    return parse


def _repeat_of(value: Any) -> int:
    """In ns; `never` is 0."""
    return 0 if value == "never" else duration_nanoseconds(_between(MINUTE, YEAR)(value))


def _after_of(value: Any) -> timedelta:
    return timedelta() if value == "0s" else _between(SECOND, 7 * DAY)(value)


def _secret_url(value: Any) -> SecretStr:
    # Its path is the secret of most chat services, so it is never quoted.
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s]+", value) or len(value) > 4_096:
        raise BadValue("the value is not a URL", "write https://host/path")
    return SecretStr(value)


SECOND, MINUTE, HOUR, DAY = (timedelta(seconds=seconds) for seconds in (1, 60, 3_600, 86_400))
YEAR = 366 * DAY
_STRING = {"type": "string"}
_LENGTH = WithJsonSchema({"type": "string", "examples": ["30s", "5m", "4h"]})
Address = Annotated[str, BeforeValidator(address_of), WithJsonSchema({"type": "string", "format": "email"})]
Clock = Annotated[time, BeforeValidator(clock_of), WithJsonSchema({"type": "string", "examples": ["09:00"]})]
Day = Annotated[int, BeforeValidator(day_of), WithJsonSchema({"type": "string", "enum": list(DAYS)})]
Moment = Annotated[datetime, BeforeValidator(moment_of), WithJsonSchema(_STRING)]
Repeat = Annotated[int, BeforeValidator(_repeat_of), WithJsonSchema({"type": "string", "examples": ["4h", "never"]})]
SecretUrl = Annotated[SecretStr, BeforeValidator(_secret_url), WithJsonSchema({"type": "string", "writeOnly": True})]
Match = Annotated[
    LabelMatch,
    BeforeValidator(match_of),
    WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": {"anyOf": [_STRING, {"type": "array", "items": _STRING}]},
            "examples": [{"severity": "critical", "service": ["checkout", "cart"]}],
        }
    ),
]
_SECRET_MAPPING = WithJsonSchema({"type": "object", "additionalProperties": {"type": "string"}, "writeOnly": True})
SecretHeaders = Annotated[dict[str, SecretStr], BeforeValidator(request_headers_of), _SECRET_MAPPING]
Handover = Annotated[tuple[int, time], BeforeValidator(handover_of), WithJsonSchema(_STRING)]
StartDay = Annotated[date, BeforeValidator(_date_of), WithJsonSchema(_STRING)]

Patience = Annotated[
    timedelta, BeforeValidator(_between(SECOND / 10, 5 * MINUTE)), _LENGTH
]  # with somebody else's server
RetryTime = Annotated[timedelta, BeforeValidator(_between(MINUTE, 7 * DAY)), _LENGTH]
BudgetWindow = Annotated[timedelta, BeforeValidator(_between(SECOND, DAY)), _LENGTH]
GroupWait = Annotated[timedelta, BeforeValidator(_between(SECOND, HOUR)), _LENGTH]
GroupInterval = Annotated[timedelta, BeforeValidator(_between(SECOND, DAY)), _LENGTH]
StepTime = Annotated[timedelta, BeforeValidator(_after_of), _LENGTH]
WindowLength = Annotated[timedelta, BeforeValidator(_between(SECOND, YEAR)), _LENGTH]
HeartbeatInterval = Annotated[timedelta, BeforeValidator(_between(5 * SECOND, DAY)), _LENGTH]


def _cron_of(value: Any) -> str:
    text = text_of(value, what="a cron expression", length=200)
    try:
        return Cron(text).expression
    except ValueError as error:
        raise BadValue(str(error), 'minute, hour, day, month, day of the week: "0 3 * * SUN"') from error


CronText = Annotated[str, BeforeValidator(_cron_of)]
