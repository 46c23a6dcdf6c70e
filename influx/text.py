"""Text that line protocol or InfluxDB's answers cannot carry, written so that they can, and read back. Pure.

Seen on InfluxDB 2.9.1: a newline ends a line even where it is escaped, its CSV answers drop every carriage return, a
tag that ends with backslashes is refused, backslashes before a comma, a space or an equals sign swallow it, and a
measurement with a backslash before `=` or `"` is taken and never found again. Such characters are written as `%0A`,
`%0D` and `%5C`, and a `%` as `%25` only where it stands before one of these four codes: all other text is unchanged.
"""

from __future__ import annotations

import re

_CODES = {"\n": "%0A", "\r": "%0D", "\\": "%5C", "%": "%25"}
_CHARACTERS = {code: character for character, code in _CODES.items()}
_PERCENT = r"%(?=0A|0D|5C|25)"
_IN_NAMES = re.compile(rf"[\n\r\\]|{_PERCENT}")
# In a tag a backslash is itself, unless the run of backslashes that it belongs to ends the value or escapes something.
_IN_TAGS = re.compile(rf"[\n\r]|(?<!\\)\\++(?=[, =]|\Z)|{_PERCENT}")
_IN_TEXTS = re.compile(rf"\r|{_PERCENT}")
_CODE = re.compile("%(?:0A|0D|5C|25)")


def encode_name(name: str) -> str:
    """The name of a measurement, tag or field as InfluxDB knows it."""
    return _IN_NAMES.sub(_code, name)


def encode_tag(value: str) -> str:
    """The value of a tag as InfluxDB knows it; also what a query compares with."""
    return _IN_TAGS.sub(_code, value)


def encode_text(text: str) -> str:
    r"""The text of a field as InfluxDB knows it. A newline stays one; CSV answers write it as `\r\n`."""
    return _IN_TEXTS.sub(_code, text)


def decode(text: str) -> str:
    """What `encode_name`, `encode_tag` or `encode_text` was given."""
    return _CODE.sub(_character, text) if "%" in text else text


def decode_cell(cell: str) -> str:
    r"""What `encode_text` was given, from a cell of a CSV answer, where `\r\n` was a newline."""
    return decode(cell.replace("\r\n", "\n"))


def _code(match: re.Match[str]) -> str:
    found = match[0]  # one character, or a run of backslashes
    return _CODES[found[0]] * len(found)


def _character(match: re.Match[str]) -> str:
    return _CHARACTERS[match[0]]
