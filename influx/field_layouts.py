"""How the fields of points that have the same ones are written in line protocol, one after the other by name. Pure.

The sign of -0.0 is not written: no aggregate keeps it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
    names = sorted(names)
    prefixes = [escaped(encode_name(name)) + "=" for name in names]
    if any(types[name] is not FieldType.FLOAT for name in names):
        return _Mixed(names, prefixes, [types[name] for name in names])
    return _Floats(names, prefixes) if len(names) > 1 else _Float(names[0], prefixes[0])


def escaped(name: str) -> str:
    """A tag or the name of a field, already encoded, as line protocol has it."""
    return name.replace(",", "\\,").replace("=", "\\=").replace(" ", "\\ ")


class _Float:
    """One float."""

    __slots__ = ("_name", "_prefix")

    def __init__(self, name: str, prefix: str) -> None:
        self._name, self._prefix = name, prefix

    def written(self, fields: Mapping[str, FieldValue]) -> str:
        value = fields[self._name]
        if type(value) is not float or value - value != 0.0:  # infinities and NaN give NaN
            return ""
        return self._prefix + repr(value + 0.0).removesuffix(".0")


class _Floats:
    """Several floats, of which the JSON writer makes text at a fraction of the time that `repr` takes."""

    __slots__ = ("_count", "_names", "_prefixes", "_template", "_values")

    def __init__(self, names: list[str], prefixes: list[str]) -> None:
        self._names, self._prefixes = names, prefixes
        self._count = len(names)
        self._values = itemgetter(*names)
        self._template = ",".join(prefix.replace("%", "%%") + "%s" for prefix in prefixes)

    def written(self, fields: Mapping[str, FieldValue]) -> str:
        text = to_json(self._values(fields)).decode()[1:-1] + ","
        # Both write the shortest text that reads back to the same bits; but exponents, and what is smaller than
        # 0.0001, differently. A value that is no finite float has no point, or a quotation mark.
        if text.count(".") != self._count or "e" in text or "0.0000" in text or "-0.0," in text or '"' in text:
            return self._one_by_one(fields)
        return self._template % tuple(text.replace(".0,", ",")[:-1].split(","))

    def _one_by_one(self, fields: Mapping[str, FieldValue]) -> str:
        parts = [_Float(*one).written(fields) for one in zip(self._names, self._prefixes, strict=True)]
        return ",".join(parts) if all(parts) else ""


class _Mixed:
    """Fields of any types."""

    __slots__ = ("_parts",)

    def __init__(self, names: list[str], prefixes: list[str], types: list[FieldType]) -> None:
        self._parts = list(zip(names, prefixes, types, strict=True))

    def written(self, fields: Mapping[str, FieldValue]) -> str:
        written = []
        for name, prefix, wanted in self._parts:
            value = fields[name]
            if type(value) is float and wanted is FieldType.FLOAT and value - value == 0.0:
                written.append(prefix + repr(value + 0.0).removesuffix(".0"))
            elif (
                type(value) is int and wanted is FieldType.INTEGER and -MAX_EXACT_INTEGER <= value <= MAX_EXACT_INTEGER
            ):
                written.append(f"{prefix}{value}i")
            elif type(value) is str and wanted is FieldType.TEXT and _is_clean(value):
                text = encode_text(value).replace("\\", "\\\\").replace('"', '\\"')
                written.append(f'{prefix}"{text}"')
            else:
                return ""
        return ",".join(written)


def _is_clean(text: str) -> bool:
    """Whether it is text that InfluxDB gives back: without NUL and half characters."""
    if "\0" in text:
        return False
    try:
        return text.isascii() or text.encode("utf-8") != b""
    except UnicodeEncodeError:
        return False
