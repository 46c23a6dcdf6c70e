"""Values that a Flux text names and that are sent beside it, so that none is ever read as Flux. Pure.

`extern` is the form that InfluxDB 2.x takes from its own client: an abstract syntax tree of options.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from telemetry.times import format_instant


@dataclass(frozen=True, slots=True)
class Instant:
    """A time, in ns since 1970 UTC."""

    nanoseconds: int


@dataclass(frozen=True, slots=True)
class Duration:
    """A length of time in ns, not negative: Flux takes no sign here."""

    nanoseconds: int


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression that RE2 knows; another one would be a 500 of the server."""

    text: str


Parameter = bool | int | float | str | Instant | Duration | Pattern


@dataclass(frozen=True, slots=True)
class FluxQuery:
    """A Flux text with what its parameters stand for."""

    text: str
    parameters: Mapping[str, Parameter]


def extern(parameters: Mapping[str, Parameter]) -> dict[str, Any]:
    """What goes beside the text. Integers must fit 64 bits, and floats must be finite."""
    options = [
        {
            "type": "OptionStatement",
            "assignment": {
                "type": "VariableAssignment",
                "id": {"type": "Identifier", "name": name},
                "init": _literal(value),
            },
        }
        for name, value in parameters.items()
    ]
    return {"type": "File", "imports": [], "body": options}


def _literal(value: Parameter) -> dict[str, Any]:
    literal: dict[str, Any]
    match value:
        case bool():
            literal = {"type": "BooleanLiteral", "value": value}
        case int():
            literal = {"type": "IntegerLiteral", "value": str(value)}
        case float():
            literal = {"type": "FloatLiteral", "value": value}
        case str():
            literal = {"type": "StringLiteral", "value": value}
        case Instant(nanoseconds):
            literal = {"type": "DateTimeLiteral", "value": format_instant(nanoseconds)}
        case Duration(nanoseconds):
            literal = {"type": "DurationLiteral", "values": [{"magnitude": nanoseconds, "unit": "ns"}]}
        case Pattern(text):
            literal = {"type": "RegexpLiteral", "value": text}
    return literal
