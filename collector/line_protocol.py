"""InfluxDB's line protocol: `measurement,tag=value field=1.5,other=2i 1700000000000000000`. Pure.

It accepts what InfluxDB 2.9 accepts and words its faults as that does, so that clients which read them understand ours.
Format: https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from telemetry.points import Tags

PRECISIONS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
MAX_KEY_LENGTH = 65_535  # bytes of measurement and tags
MAX_LINE_LENGTH = 2_097_152  # characters; a string field of InfluxDB's is half as long at most
MAX_QUOTED = 500  # characters of a line that a fault quotes
MAX_TOLD = 1_600  # bad lines whose faults are told; the others are counted
PART_LINES, PART_LENGTH = 5_000, 1_000_000  # lines, and characters, that are parsed together
_MAX_KNOWN_KEY = 500  # characters; a longer one is read anew each time
_MAX_KNOWN = 50_000  # keys that are remembered; some 30 MB

Value = float | int | bool | str
Keys = dict[str, tuple[str, Tags]]  # measurement and tags by the text that names them in a line


class Line(NamedTuple):
    """One parsed line. `number` counts from 1; `time` is ns since 1970 UTC, None where the line has none."""

    number: int
    measurement: str
    tags: Tags
    fields: dict[str, Value]
    time: int | None


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is none, and why; of a long one, `text` is the beginning."""

    number: int
    text: str
    reason: str

    def __str__(self) -> str:
        return f"unable to parse '{self.text}': {self.reason} (line {self.number})"


@dataclass(slots=True)
class Part:
    """Some lines of a body, and those that are none."""

    lines: list[Line] = field(default_factory=list)
    bad: list[BadLine] = field(default_factory=list)


@dataclass(slots=True)
class Faults:
    """The bad lines of a body: how many there are, and the first of them."""

    count: int = 0
    first: list[BadLine] = field(default_factory=list)

    def add(self, bad: list[BadLine]) -> None:
        self.count += len(bad)
        self.first += bad[: MAX_TOLD - len(self.first)]

    def shown(self, most: int = 64_000) -> str:
        """The faults, a line each, in all about `most` characters at most."""
        text = "\n".join(map(str, self.first))
        if len(text) <= most and self.count == len(self.first):
            return text
        return text[:most] + f"\n… {self.count:,} bad lines in all"


# A backslash escapes only what would end the word here; before anything else it is a backslash.
_MEASUREMENT = re.compile(r"((?:\\[, ]|[^, ])+)")
_TAG = re.compile(r",((?:\\[,= ]|[^,= ])*)(?:=((?:\\[,= ]|[^,= ])*))?")
_FIELD = re.compile(r'((?:\\[,= ]|[^,= ])*)=("[^"\\]*(?:\\.[^"\\]*)*"|[^, ]*)', re.DOTALL)
_IN_KEYS = re.compile(r"\\([,= ])")
_IN_STRINGS = re.compile(r'\\(["\\])')
_FLOAT = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_INTEGER = re.compile(r"[-+]?[0-9]+i", re.ASCII)
_UNSIGNED = re.compile(r"\+?[0-9]+u", re.ASCII)
_TIMESTAMP = re.compile(r"-?[0-9]+", re.ASCII)
_BOOLEANS = {**dict.fromkeys(("t", "T", "true", "True", "TRUE"), True)} | {
    **dict.fromkeys(("f", "F", "false", "False", "FALSE"), False)
}


class _Fault(ValueError):
    pass


def parse_lines(text: str, precision: str = "ns", keys: Keys | None = None) -> tuple[list[Line], list[BadLine]]:
    """All lines of a body, and those that are none; `precision` and `keys` as `parse_in_parts` takes them."""
    parts = list(parse_in_parts(text, precision, keys))
    return [line for part in parts for line in part.lines], [bad for part in parts for bad in part.bad]


def parse_in_parts(text: str, precision: str = "ns", keys: Keys | None = None) -> Iterator[Part]:
    """The same in parts of a bounded size, one at a time: four million short lines need not be in memory together.

    `precision` is a key of PRECISIONS. `keys` are remembered from body to body, for most repeat their series; they
    are forgotten when they are many.
    """
    unit = PRECISIONS[precision]
    keys = {} if keys is None else keys
    part, length = Part(), 0
    is_plain = '"' not in text and "\\" not in text
    numbered: Iterable[tuple[int, str]] = _split(text)
    if is_plain and len(text) <= PART_LENGTH:
        numbered = enumerate(text.split("\n"), 1)
    for number, line in numbered:
        try:
            read = (_known(number, line, unit, keys) if is_plain else None) or _read(number, line, unit, keys)
            if read is None:
                continue
            part.lines.append(read)
        except _Fault as fault:
            quoted = line if len(line) <= MAX_QUOTED else line[:MAX_QUOTED] + "…"
            part.bad.append(BadLine(number, quoted, str(fault)))
        length += len(line)
        if len(part.lines) + len(part.bad) >= PART_LINES or length >= PART_LENGTH:
            yield part
            part, length = Part(), 0
            if len(keys) > _MAX_KNOWN:
                keys.clear()
    if part.lines or part.bad:
        yield part


def _read(number: int, line: str, unit: int, keys: Keys) -> Line | None:
    if len(line) > MAX_LINE_LENGTH:
        raise _Fault(f"max line length exceeded: {len(line)} > {MAX_LINE_LENGTH}")
    stripped = line.lstrip(" \t\0")
    return None if not stripped or stripped.startswith("#") else _parse(number, stripped, unit, keys)


def _known(number: int, line: str, unit: int, keys: Keys) -> Line | None:
    """A line of a series that is remembered, with one space where one must be, as programs write them; else None."""
    words = line.split(" ", 3)
    if len(words) != 3 or len(line) > MAX_LINE_LENGTH:
        return None
    key, text, timestamp = words
    known = keys.get(key)
    if known is None or not text or not timestamp:
        return None
    return Line(number, known[0], known[1], _plain_fields(text), _time(timestamp, unit))


def _split(text: str) -> Iterator[tuple[int, str]]:
    """(number of its first line, line): a line goes on while a quoted string is open."""
    begun: list[str] = []
    number, start, length = 0, 0, 0
    # What is too long is a fault, whatever comes behind it: nothing of the body will be kept.
    while start <= len(text) and length <= MAX_LINE_LENGTH:
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        line = text[start:end]
        number, start = number + 1, end + 1
        if '"' in line or begun:
            begun.append(line)
            length += len(line) + 1
            if _has_open_string(line, goes_on=len(begun) > 1):
                continue
            line = "\n".join(begun)
        yield number - max(0, len(begun) - 1), line
        begun.clear()
        length = 0
    if begun:
        yield number - len(begun) + 1, "\n".join(begun)


def _has_open_string(line: str, *, goes_on: bool) -> bool:
    """Whether a string is open at the end of a line; `goes_on` when one was at its beginning."""
    start = -1 if goes_on else _end_of_key(line)
    is_open, position = goes_on, max(0, start)
    while (position := line.find('"', position)) >= 0:
        # Only behind "=" does a quote begin a string; inside one, a backslash keeps it from ending it.
        begins = position > start and line[position - 1 : position] == "="
        is_open = _is_escaped(line, position) if is_open else begins
        position += 1
    return is_open


def _is_escaped(line: str, position: int) -> bool:
    backslash = position
    while backslash and line[backslash - 1] == "\\":
        backslash -= 1
    return (position - backslash) % 2 == 1


def _end_of_key(line: str) -> int:
    position = len(line) - len(line.lstrip(" \t\0"))
    while (position := line.find(" ", position)) >= 0:
        if line[position - 1] != "\\":
            return position
        position += 1
    return len(line)


def _parse(number: int, line: str, unit: int, keys: Keys) -> Line:
    if "\\" in line or '"' in line:
        key = line[: _end_of_key(line)]
        fields, timestamp = _fields_with_strings(line[len(key) :].lstrip(" "))
    else:
        words = line.split(" ")
        if len(words) != 3 or "" in words:
            words = _words(words)
        key, text, timestamp = words
        fields = _plain_fields(text)
    known = keys.get(key)
    if known is None:
        known = _key(key)
        if len(key) <= _MAX_KNOWN_KEY:
            keys[key] = known
    return Line(number, known[0], known[1], fields, _time(timestamp, unit))


def _words(words: Sequence[str]) -> list[str]:
    """Key, fields and timestamp, which may be empty, where spaces are more or fewer."""
    key, *rest = [word for word in words if word]
    if not rest:
        raise _Fault("missing fields")
    if len(rest) > 2:
        raise _Fault("bad timestamp")
    return [key, rest[0], rest[1] if len(rest) == 2 else ""]


def _key(key: str) -> tuple[str, Tags]:
    if len(key.encode("utf-8", "replace")) > MAX_KEY_LENGTH:
        raise _Fault(f"max key length exceeded: {len(key.encode('utf-8', 'replace'))} > {MAX_KEY_LENGTH}")
    match = _MEASUREMENT.match(key)
    if match is None:
        raise _Fault("missing measurement")
    tags: dict[str, str] = {}
    position = match.end()
    while position < len(key):
        found = _TAG.match(key, position)
        if found is None:
            raise _Fault("invalid tag format")
        name, value = _unescaped(found[1]), found[2]
        if not name:
            raise _Fault("missing tag key")
        if not value:
            raise _Fault("missing tag value")
        if value.endswith("\\"):
            raise _Fault("invalid tag format")
        if name == "time":
            raise _Fault('cannot use reserved tag key "time"')
        if name in tags:
            raise _Fault("duplicate tags")
        tags[name] = _unescaped(value)
        position = found.end()
    return _unescaped(match[1]), tuple(sorted(tags.items()))


def _plain_fields(text: str) -> dict[str, Value]:
    fields: dict[str, Value] = {}
    for item in text.split(","):
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise _Fault("missing field key" if equals else "invalid field format")
        fields[name] = _value(value)
    return fields


def _fields_with_strings(text: str) -> tuple[dict[str, Value], str]:
    if not text:
        raise _Fault("missing fields")
    fields: dict[str, Value] = {}
    position = 0
    while True:
        match = _FIELD.match(text, position)
        if match is None:
            raise _Fault("invalid field format")
        if not match[1]:
            raise _Fault("missing field key")
        if match[2].startswith('"') and not match[2].endswith('"'):
            raise _Fault("unbalanced quotes")
        fields[_unescaped(match[1])] = _value(match[2])
        position = match.end()
        if position < len(text) and text[position] == ",":
            position += 1
            continue
        rest = text[position:]
        if rest and not rest.startswith(" "):
            raise _Fault("invalid field format")
        return fields, rest.strip(" ")


def _value(text: str) -> Value:
    if not text:
        raise _Fault("missing field value")
    if _FLOAT.fullmatch(text):
        number = float(text)
        if math.isinf(number):
            raise _Fault("invalid float")
        return number
    if text[0] == '"':
        if len(text) < 2 or text[-1] != '"':
            raise _Fault("unbalanced quotes")
        return _IN_STRINGS.sub(r"\1", text[1:-1])
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.fullmatch(text) or _UNSIGNED.fullmatch(text):
        return _integer(text)
    raise _Fault("invalid boolean" if text[0] in "tTfF+" else "invalid number")


def _integer(text: str) -> int:
    digits, kind = text[:-1], text[-1]
    least, greatest = (0, 2**64 - 1) if kind == "u" else (-(2**63), 2**63 - 1)
    # Python refuses to read thousands of digits, and not with a fault of ours.
    if len(digits.lstrip("+-0")) > 20 or not least <= int(digits) <= greatest:
        word = "ParseUint" if kind == "u" else "ParseInt"
        shown = digits if len(digits) <= MAX_QUOTED else digits[:MAX_QUOTED] + "…"
        raise _Fault(f'unable to parse integer {shown}: strconv.{word}: parsing "{shown}": value out of range')
    return int(digits)


def _time(text: str, unit: int) -> int | None:
    if not text:
        return None
    if len(text) > 20 or not ((text.isdecimal() and text.isascii()) or _TIMESTAMP.fullmatch(text)):
        raise _Fault("bad timestamp")
    time = int(text) * unit
    if not -(2**63) + 1 < time < 2**63 - 1:
        raise _Fault("time outside range -9223372036854775806 - 9223372036854775806")
    return time


def _unescaped(text: str) -> str:
    return _IN_KEYS.sub(r"\1", text) if "\\" in text else text
