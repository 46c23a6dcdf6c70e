"""An answer over HTTP as it came, and what of it people are shown. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_TEXT_LIMIT = 300  # characters of a foreign answer that people are shown


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, of which only so much was read. Headers by lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body for people: one line, cut."""
        return shown(self.body)

    @property
    def is_json(self) -> bool:
        return self.headers.get("content-type", "").startswith("application/json")


def shown(body: bytes) -> str:
    """What a server said, on one line and not too long; it is hostile text."""
    words = " ".join(body.decode("utf-8", "replace").split())
    return words if len(words) <= _TEXT_LIMIT else words[: _TEXT_LIMIT - 1] + "…"
