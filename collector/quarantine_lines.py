"""How quarantine writes an item down: one line of JSON, with an id and all that a replay needs. Pure."""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from telemetry.points import FieldValue, Point
from telemetry.ports import Refused
from telemetry.quarantine import QuarantinedItem
from telemetry.times import format_any_instant, parse_instant

REMOVED = b"#"  # in the place of a line's first byte
ID = re.compile(r"([0-9]{8})-(x?)[0-9a-f]{12}", re.ASCII)  # x: made of the line's bytes, by which it has no id
MAX_LINE_BYTES = 1_000_000  # of a point; a larger one keeps only its reason
_MAX_REASON = 2_000  # characters
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,100}", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_POINT = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
_UNREADABLE = "this entry cannot be read"
_IDENTIFIED = re.compile(rb'\{"id": "([0-9]{8}-x?[0-9a-f]{12})", ')
_HEAD = re.compile(rb'\{(?:"id": "[^"]*", )?"time": "([^"]*)", "source": "([^"]*)", "reason": ("(?:[^"\\]|\\.)*")')
_YEARS = range(1970, 9_999)  # of what no time zone moves beyond the calendar


def point_line(identifier: str, refused: Refused, source: str, now: datetime) -> str:
    """A refused point as a line, without its end."""
    point = refused.point
    head = _head(identifier, refused.reason, source, now)
    content = {
        "measurement": point.measurement,
        "tags": dict(point.tags),
        "fields": {name: _as_json(value) for name, value in point.fields.items()},
        "point_time": format_any_instant(point.time),
    }
    not_finite = [name for name, value in point.fields.items() if isinstance(value, float) and not math.isfinite(value)]
    line = json.dumps(head | content | ({"not_finite": not_finite} if not_finite else {}), default=str)
    if len(line) <= MAX_LINE_BYTES:
        return line
    reason = f"{refused.reason} (the point itself, {len(line):,} bytes of JSON, is too large to be kept)"
    return json.dumps(_head(identifier, reason, source, now) | {"measurement": point.measurement[:200]})


def payload_line(identifier: str, payload: bytes, reason: str, source: str, now: datetime) -> str:
    """A batch that cannot be read as points, as a line."""
    return json.dumps(_head(identifier, reason, source, now) | {"payload": payload.hex()})


def with_reason(line: bytes, identifier: str, reason: str, now: datetime) -> str:
    """The same item, refused again: at another time, for another reason."""
    content = json.loads(line)
    head = _head(identifier, reason, str(content.get("source", "")), now)
    return json.dumps(head | {name: value for name, value in content.items() if name not in head})


def has_identifier(line: bytes) -> bool:
    """Whether a line, or the beginning of one, says its id, and one of ours."""
    return _IDENTIFIED.match(line) is not None


def identifier_of(line: bytes, day: str) -> str:
    """The id of a whole line; those of version 1 have none, and get one of their bytes."""
    match = _IDENTIFIED.match(line)
    if match is not None:
        return match[1].decode("ascii")
    return f"{day}-x{hashlib.blake2b(line.rstrip(), digest_size=6).hexdigest()}"


def read_item(line: bytes, day: str) -> QuarantinedItem:
    """The item of a whole line."""
    item = read_head(line, identifier_of(line, day), len(line))
    try:
        return replace(item, point=_point(json.loads(line)))
    except _NO_POINT:
        return item


def read_head(head: bytes, identifier: str, size: int) -> QuarantinedItem:
    """The item of a line of which only the beginning was read; without its point."""
    match = _HEAD.match(head)
    if match is None:
        return QuarantinedItem(identifier, None, "", _UNREADABLE, size, None)
    try:
        time, reason = datetime.fromisoformat(match[1].decode()), str(json.loads(match[3]))
    except ValueError:
        return QuarantinedItem(identifier, None, "", _UNREADABLE, size, None)
    is_instant = time.tzinfo is not None and time.year in _YEARS
    return QuarantinedItem(
        identifier, time if is_instant else None, match[2].decode("utf-8", "replace"), reason, size, None
    )


def shortened(reason: str) -> str:
    """A reason as it is kept."""
    return reason if len(reason) <= _MAX_REASON else reason[: _MAX_REASON - 1] + "…"


def needle_of(measurement: str) -> bytes:
    """What the line of a point of this measurement holds."""
    return f'"measurement": {json.dumps(measurement)}'.encode()


def _head(identifier: str, reason: str, source: str, now: datetime) -> dict[str, str]:
    return {"id": identifier, "time": now.isoformat(), "source": source, "reason": shortened(reason)}


def _point(content: dict[str, Any]) -> Point:
    """Raises one of _NO_POINT for what is none: whatever stands in the file, nobody behind us meets another type."""
    fields: dict[str, FieldValue] = dict(content["fields"])
    for name in content.get("not_finite", ()):
        fields[name] = float(fields[name])
    tags, measurement, text = content["tags"], content["measurement"], content["point_time"]
    texts = (measurement, *tags.values())
    if not fields or not all(isinstance(one, str) for one in texts):
        raise ValueError("no fields, or no text where text is expected")
    if not all(isinstance(value, float | int | str) for value in fields.values()):
        raise ValueError("a field is neither a number nor text")
    time = int(text) if _WHOLE_NUMBER.fullmatch(text) else parse_instant(text, _EPOCH)
    return Point(measurement, tuple(tags.items()), fields, time)


def _as_json(value: FieldValue) -> FieldValue:
    # JSON knows neither NaN nor infinities.
    return value if not isinstance(value, float) or math.isfinite(value) else str(value)
