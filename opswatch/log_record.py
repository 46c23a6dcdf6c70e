"""One line of OpsWatch's own log: the nine fields of R55-R63, as JSON or as text for people. Pure."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

# In this order, in every line; what is not known is null (R55-R63).
FIELDS = (
    "timestamp",
    "level",
    "service",
    "component",
    "message",
    "event_id",
    "entity_id",
    "processing_time_ms",
    "correlation_id",
)
MAX_MESSAGE_LENGTH = 8_192

_LEVELS = {"WARNING": "WARN"}  # written WARN, read as either (R150)
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "taskName",
    "correlation_id",
    "event_id",
}
# What looks like one of our tokens or an Authorization header never reaches a log, whoever logged it.
_SECRETS = re.compile(r"(?i)(\b(?:bearer|token|basic)\s+|\bopw_)[A-Za-z0-9._~+/=-]{12,}", re.ASCII)
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def log_fields(record: logging.LogRecord, event_id: str) -> dict[str, Any]:
    """The nine fields of a record. Further `extra` values join the message as key=value."""
    message = record.getMessage() + _further(record) + _failure(record)
    return {
        "timestamp": _timestamp(record.created),
        "level": _LEVELS.get(record.levelname, record.levelname),
        "service": "opswatch",
        "component": record.name,
        "message": shorten(redact(message)),
        "event_id": event_id,
        "entity_id": getattr(record, "entity_id", None),
        "processing_time_ms": getattr(record, "processing_time_ms", None),
        "correlation_id": getattr(record, "correlation_id", None),
    }


def as_json(fields: Mapping[str, Any]) -> str:
    """One line of JSON; control characters are escaped by the encoding itself."""
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"), default=str).translate(_LINE_SEPARATORS)


def as_text(fields: Mapping[str, Any]) -> str:
    """One line for a person: time, level, component, message, and what else is known."""
    line = f"{fields['timestamp']} {fields['level']:<8} {fields['component']}: {fields['message']}"
    for name in ("entity_id", "processing_time_ms", "correlation_id"):
        if fields[name] is not None:
            line += f" {name}={fields[name]}"
    return inert(line)


def redact(text: str) -> str:
    """The text without what looks like a credential."""
    return _SECRETS.sub(r"\1[redacted]", text)


def inert(text: str) -> str:
    """The text with control and direction characters escaped, so that no line can play tricks on a terminal."""
    return _CONTROLS.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def shorten(text: str) -> str:
    return text if len(text) <= MAX_MESSAGE_LENGTH else text[:MAX_MESSAGE_LENGTH] + f"… ({len(text):,} characters)"


# JSON allows these two inside strings, and readers that split lines by Unicode's rules would break on them.
_LINE_SEPARATORS = {0x2028: "\\u2028", 0x2029: "\\u2029", 0x85: "\\u0085"}


def _timestamp(created: float) -> str:
    return datetime.fromtimestamp(created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _further(record: logging.LogRecord) -> str:
    named = {"entity_id", "processing_time_ms"}
    further = {key: value for key, value in vars(record).items() if key not in _STANDARD | named}
    return "".join(f" {key}={value}" for key, value in further.items())


def _failure(record: logging.LogRecord) -> str:
    if not record.exc_info or record.exc_info[1] is None:
        return ""
    error = record.exc_info[1]
    return f" error={type(error).__name__}: {error} at={_origin(error.__traceback__)}"


def _origin(traceback: TracebackType | None) -> str:
    """Where an exception came from, innermost first: `store.py:120 in write < spool.py:80 in drain`."""
    frames = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        frames.append(f"{code.co_filename.rsplit('/', 1)[-1]}:{traceback.tb_lineno} in {code.co_name}")
        traceback = traceback.tb_next
    return " < ".join(reversed(frames[-12:]))
