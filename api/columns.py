"""Large answers as JSON, piece by piece, so that a thread which encodes one lets the event loop run. Pure."""

from __future__ import annotations

import json
from typing import Any

# Some 5 ms of the C encoder, which holds the interpreter for the whole of one call.
_PIECE = 10_000


def encoded(value: Any) -> bytes:
    """The same bytes as one call of `json.dumps`, from calls of a bounded length each. Refuses NaN and infinities."""
    return _text(value).encode("utf-8", "replace")


def _text(value: Any) -> str:
    match value:
        case dict():
            return "{" + ",".join(f"{_dumped(name)}:{_text(inner)}" for name, inner in value.items()) + "}"
        case [dict(), *_]:
            return "[" + ",".join(map(_text, value)) + "]"
        case list() if len(value) > _PIECE:
            starts = range(0, len(value), _PIECE)
            return "[" + ",".join(_dumped(value[start : start + _PIECE])[1:-1] for start in starts) + "]"
    return _dumped(value)


def _dumped(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
