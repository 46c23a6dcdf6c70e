"""Large answers as JSON, piece by piece, so that a thread which encodes one lets the event loop run. Pure."""

from __future__ import annotations

import json
from typing import Any

from pydantic_core import to_json

# Some 5 ms of the encoder, which holds the interpreter for the whole of one call.
_PIECE = 50_000


def encoded(value: Any) -> bytes:
    """What `json.dumps` would write (a number perhaps in another spelling), from calls of a bounded length each.

    Refuses NaN and infinities.
    """
    match value:
        case dict():
            return b"{" + b",".join(_dumped(name) + b":" + encoded(inner) for name, inner in value.items()) + b"}"
        case [dict(), *_]:
            return b"[" + b",".join(map(encoded, value)) + b"]"
        case list() if len(value) > _PIECE:
            starts = range(0, len(value), _PIECE)
            return b"[" + b",".join(_dumped(value[start : start + _PIECE])[1:-1] for start in starts) + b"]"
    return _dumped(value)


def _dumped(value: Any) -> bytes:
    # The standard library takes a microsecond to write a double, this one a twentieth of that; but it writes NaN
    # as NaN, and knows no lone surrogates.
    try:
        text = to_json(value)
    except ValueError:
        text = b"NaN"
    if b"NaN" in text or b"Infinity" in text:
        plain = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return plain.encode("utf-8", "replace")
    return text
