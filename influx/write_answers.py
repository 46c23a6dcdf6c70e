"""What InfluxDB's answer to a write means for its lines, by the exact words of 2.9.1. Pure."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from influx import advice
from influx.text import decode
from telemetry.times import parse_instant

LONGEST_WAIT = timedelta(days=3650)
_SHOWN = 300  # characters of what a server said
_MAX_ENDS = 100  # places where a quoted line may end, since a text may hold what stands behind one
_QUOTED = "unable to parse '"
_CONFLICT = re.compile(r'input field "((?:[^"\\]|\\.)*)" on measurement "((?:[^"\\]|\\.)*)" is ')
_TOO_LONG = re.compile(r"is too long, \d+ > (\d+)")
_OUTSIDE = re.compile(r"dropped \d+ points outside retention policy ")
_BOUND = re.compile(r"violates a Retention Policy Lower Bound at ([0-9T:.+-]+Z?)")
_GO_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8})|(.))", re.DOTALL)
_PARTIAL_OF_3 = "partial write of line protocol occurred"  # InfluxDB 3, also as a 500
_RETRIED = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})


@dataclass(frozen=True, slots=True)
class Taken:
    """All of it."""


@dataclass(frozen=True, slots=True)
class Later:
    """Nothing is known to be wrong with the lines. `may_be_gzip` where compressing them may be at fault."""

    reason: str
    wait: timedelta | None = None
    may_be_gzip: bool = False


@dataclass(frozen=True, slots=True)
class Closed:
    """Nobody can write there until somebody does what `reason` says."""

    reason: str


@dataclass(frozen=True, slots=True)
class Indivisible:
    """Too large, or some lines are bad and nobody says which: of one line it means that this one is."""

    reason: str


@dataclass(frozen=True, slots=True)
class BadLines:
    """Nothing was stored. `reasons` by the number of the line in the batch; there may be more than these."""

    reasons: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class BadField:
    """The points with this field were dropped whole, the others stored; only those longer than `longer_than` bytes."""

    measurement: str
    field: str
    reason: str
    longer_than: int = -1


@dataclass(frozen=True, slots=True)
class TooOld:
    """Points before `bound`, in ns, were dropped."""

    bound: int
    reason: str


Meaning = Taken | Later | Closed | Indivisible | BadLines | BadField | TooOld


@dataclass(frozen=True, slots=True)
class Asked:
    """What was written, and where."""

    bucket: str
    org: str
    lines: Sequence[str]


def meaning(status: int, headers: Mapping[str, str], body: bytes, asked: Asked, now: datetime) -> Meaning:
    """What became of the lines. Headers by lower-case names; `body` may be cut off."""
    if status == HTTPStatus.NO_CONTENT:
        return Taken()
    said = _message(body)
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE or (said is not None and _PARTIAL_OF_3 in said):
        return Indivisible(_shown(said or "") or "InfluxDB, or what stands before it, takes less in one write (413)")
    if status in _RETRIED or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        reason = f"InfluxDB answers {status}: {_shown(said or _text(body)) or 'nothing'}"
        return Later(reason, retry_after(headers, now), status == HTTPStatus.INTERNAL_SERVER_ERROR)
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST or said is None:
        location = headers.get("location")
        said_so = f"{status} {_shown(_text(body))}".strip()
        return Closed(advice.no_influxdb(said_so) if location is None else advice.moved(_shown(location)))
    return _refusal(status, said, asked)


def _refusal(status: int, said: str, asked: Asked) -> Meaning:
    """Of an answer that is InfluxDB's own."""
    if status == HTTPStatus.BAD_REQUEST and _QUOTED in said:
        return _bad_lines(said, asked.lines)
    if status == HTTPStatus.BAD_REQUEST and said.startswith("unable to read data"):
        return Later(f"InfluxDB answers 400: {_shown(said)}", may_be_gzip=True)
    if status == HTTPStatus.UNPROCESSABLE_ENTITY:
        return _partial(said)
    return Closed(_way_out(status, said, asked))


def _way_out(status: int, said: str, asked: Asked) -> str:
    match status:
        case HTTPStatus.UNAUTHORIZED:
            return advice.unknown_token()
        case HTTPStatus.FORBIDDEN if "inactive" in said:
            return advice.inactive_token()
        case HTTPStatus.FORBIDDEN:
            return advice.no_write_right(asked.bucket, asked.org)
        case HTTPStatus.NOT_FOUND if said.startswith("bucket "):
            return advice.no_bucket(asked.bucket, asked.org)
        case HTTPStatus.NOT_FOUND if said.startswith("organization "):
            return advice.no_organisation(asked.org)
    return f"InfluxDB refuses every write ({status}): {_shown(said)}"


def retry_after(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """How long the server wants to be left alone: seconds or a date, never negative; None when it does not say."""
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            date = parsedate_to_datetime(text)
        except ValueError:
            return None
        seconds = ((date if date.tzinfo else date.replace(tzinfo=UTC)) - now).total_seconds()
    if math.isnan(seconds):
        return None
    return timedelta(seconds=min(max(0.0, seconds), LONGEST_WAIT.total_seconds()))


# What InfluxDB says


def _message(body: bytes) -> str | None:
    """The message of an error in JSON, also where the answer was cut off; None for anything else."""
    text = _text(body)
    if not text.startswith("{"):
        return None
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return _cut_message(text)
    for key in ("message", "error"):  # the second is that of 1.x and 3
        if isinstance(said.get(key), str):
            return str(said[key])
    return None


def _cut_message(text: str) -> str | None:
    start = text.find('"message":"')
    if start < 0:
        return None
    content = text[start + len('"message":"') :]
    for shorter in range(13):  # an escape of two halves of a character may be cut in the middle
        try:
            return str(json.loads('"' + content[: len(content) - shorter] + '"'))
        except ValueError:
            continue
    return None


def _bad_lines(said: str, lines: Sequence[str]) -> Meaning:
    """The lines that are quoted, each as it was sent, in the order of the batch."""
    numbers: dict[str, list[int]] = {}
    for number in range(len(lines) - 1, -1, -1):  # the first of equal lines is taken first
        numbers.setdefault(lines[number], []).append(number)
    reasons: dict[int, str] = {}
    position = said.find(_QUOTED)
    while position >= 0:
        start = position + len(_QUOTED)
        found = _quoted_line(said, start, numbers)
        if found is None:
            rest = said[start:]
            reasons |= _cut_off(rest, lines, reasons)
            position = said.find("\n" + _QUOTED, start)
        else:
            number, end = found
            following = said.find("\n" + _QUOTED, end)
            reason = said[end : following if following >= 0 else len(said)]
            reasons[number] = f"InfluxDB cannot parse it: {_shown(reason)}"
            position = following
        position += 1 if position >= 0 else 0
    return BadLines(reasons) if reasons else Indivisible(_shown(said))


def _quoted_line(said: str, start: int, numbers: dict[str, list[int]]) -> tuple[int, int] | None:
    """(number of the line that is quoted here, where its reason begins)."""
    end = start
    for _ in range(_MAX_ENDS):
        end = said.find("': ", end)
        if end < 0:
            return None
        if waiting := numbers.get(said[start:end]):
            return waiting.pop(), end + len("': ")
        end += 1
    return None


def _cut_off(rest: str, lines: Sequence[str], known: Mapping[int, str]) -> dict[int, str]:
    """The line whose quotation the end of the answer cuts off, where there is only one that begins so."""
    if len(rest) < 20 or "\n" + _QUOTED in rest:
        return {}
    found = [number for number, line in enumerate(lines) if number not in known and line.startswith(rest)]
    return {found[0]: "InfluxDB cannot parse it, and quotes it at a length"} if len(found) == 1 else {}


def _partial(said: str) -> Meaning:
    said = said.removeprefix("failure writing points to database: ").removeprefix("partial write: ")
    reason = _shown(said)
    # It holds names that anybody who may push can choose; the last bound is the server's own.
    if _OUTSIDE.match(said) and (bounds := _BOUND.findall(said)):
        try:
            return TooOld(parse_instant(bounds[-1], datetime(1970, 1, 1, tzinfo=UTC)), reason)
        except ValueError:
            return Indivisible(reason)
    if match := _CONFLICT.search(said):
        limit = _TOO_LONG.search(said, match.start())
        return BadField(_name(match[2]), _name(match[1]), reason, int(limit[1]) if limit else -1)
    return Indivisible(reason)


def _name(quoted: str) -> str:
    """A name of ours, as Go quotes what InfluxDB knows it as."""

    def character(match: re.Match[str]) -> str:
        digits = match[1] or match[2] or match[3]
        code = int(digits, 16) if digits else 0
        return match[4] if not digits else chr(code) if code <= 0x10FFFF else "\ufffd"

    return decode(_GO_ESCAPE.sub(character, quoted))


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace").strip()


def _shown(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= _SHOWN else words[: _SHOWN - 1] + "…"
