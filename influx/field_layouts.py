"""How the fields of points that have the same ones are written in line protocol, one after the other by name. Pure.

The sign of -0.0 is not written: no aggregate keeps it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Protocol

from pydantic_core import to_json

from influx.text import encode_name, encode_text
from telemetry.points import FieldValue
from telemetry.schema import MAX_EXACT_INTEGER, FieldType


class Layout(Protocol):
    def written(self, fields: Mapping[str, FieldValue]) -> str:
        """The fields as line protocol has them; nothing where one is not of its type or cannot be written."""
        ...


def layout_of(names: Iterable[str], types: Mapping[str, FieldType]) -> Layout:
    """The layout for points with these fields. Raises KeyError for one without a type."""
    parts = [_Part(name, escaped(encode_name(name)) + "=", types[name]) for name in sorted(names)]
    if len(parts) == 1 and parts[0].type is FieldType.FLOAT:
        return _OneFloat(parts[0])
    return _Several(parts) if sum(part.type is FieldType.FLOAT for part in parts) > 1 else _OneByOne(parts)


def escaped(name: str) -> str:
    """A tag or the name of a field, already encoded, as line protocol has it."""
    return name.replace(",", "\\,").replace("=", "\\=").replace(" ", "\\ ")


@dataclass(frozen=True, slots=True)
class _Part:
    """A field; `prefix` is all that stands before its value."""

    name: str
    prefix: str
    type: FieldType


class _OneFloat:
    """One float."""

    __slots__ = ("_name", "_prefix")

    def __init__(self, part: _Part) -> None:
        self._name, self._prefix = part.name, part.prefix

    def written(self, fields: Mapping[str, FieldValue]) -> str:
        value = fields[self._name]
        if type(value) is not float or value - value != 0.0:  # infinities and NaN give NaN
            return ""
        return self._prefix + repr(value + 0.0).removesuffix(".0")


class _Several:
    """Several floats, of which the JSON writer makes text at a fraction of the time that `repr` takes, and others."""

    __slots__ = ("_count", "_floats", "_one_by_one", "_others", "_template")

    def __init__(self, parts: list[_Part]) -> None:
        floats = [part for part in parts if part.type is FieldType.FLOAT]
        others = [part for part in parts if part.type is not FieldType.FLOAT]
        places = {part.name: place for place, part in enumerate((*floats, *others))}
        self._count = len(floats)
        self._floats = itemgetter(*(part.name for part in floats))
        self._others = [(part.name, part.type is FieldType.INTEGER) for part in others]
        self._one_by_one = _OneByOne(parts)
        ends = {FieldType.FLOAT: "{%d}", FieldType.INTEGER: "{%d}i", FieldType.TEXT: '"{%d}"'}
        self._template = ",".join(
            part.prefix.replace("{", "{{").replace("}", "}}") + ends[part.type] % places[part.name] for part in parts
        )

    def written(self, fields: Mapping[str, FieldValue]) -> str:
        text = to_json(self._floats(fields)).decode()[1:-1] + ","
        # Both write the shortest text that reads back to the same bits; but exponents, and what is smaller than
        # 0.0001, differently. A value that is no finite float has no point, or a quotation mark.
        if text.count(".") != self._count or "e" in text or "0.0000" in text or "-0.0," in text or '"' in text:
            return self._one_by_one.written(fields)
        values: list[object] = [*text.replace(".0,", ",").split(",")[:-1]]
        for name, is_integer in self._others:
            value = fields[name]
            if is_integer and type(value) is int and -MAX_EXACT_INTEGER <= value <= MAX_EXACT_INTEGER:
                values.append(value)
            elif not is_integer and type(value) is str and _is_clean(value):
                values.append(_text(value))
            else:
                return ""
        return self._template.format(*values)


class _OneByOne:
    """Fields of any types."""

    __slots__ = ("_parts",)

    def __init__(self, parts: list[_Part]) -> None:
        self._parts = [(part.name, part.prefix, part.type) for part in parts]

    def written(self, fields: Mapping[str, FieldValue]) -> str:
        written = []
        for name, prefix, wanted in self._parts:
            value = fields[name]
            if wanted is FieldType.FLOAT and type(value) is float and value - value == 0.0:
                written.append(prefix + repr(value + 0.0).removesuffix(".0"))
            elif (
                wanted is FieldType.INTEGER and type(value) is int and -MAX_EXACT_INTEGER <= value <= MAX_EXACT_INTEGER
            ):
                written.append(f"{prefix}{value}i")
            elif wanted is FieldType.TEXT and type(value) is str and _is_clean(value):
                written.append(f'{prefix}"{_text(value)}"')
            else:
                return ""
        return ",".join(written)


def _text(text: str) -> str:
    return encode_text(text).replace("\\", "\\\\").replace('"', '\\"')


def _is_clean(text: str) -> bool:
    """Whether it is text that InfluxDB gives back: without NUL and half characters."""
    if "\0" in text:
        return False
    try:
        return text.isascii() or text.encode("utf-8") != b""
    except UnicodeEncodeError:
        return False
