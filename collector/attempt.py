"""One asking of one probe and what came of it: a value, never an exception. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from telemetry.health import Outcome

MAX_MESSAGE_LENGTH = 300


@dataclass(frozen=True, slots=True)
class Phases:
    """How long each part took, in ms; None for what did not happen. After redirects, of the last request."""

    dns_ms: float | None = None
    connect_ms: float | None = None
    tls_ms: float | None = None
    first_byte_ms: float | None = None
    transfer_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """`latency_ms` is from the start to the end whatever the outcome; `message` is for people, on one line."""

    outcome: Outcome
    latency_ms: float
    message: str = ""
    code: int | None = None
    phases: Phases = field(default_factory=Phases)
    certificate_days_left: float | None = None


def one_line(text: str) -> str:
    """Hostile text as one bounded line: control and direction characters become spaces or marks."""
    clean = "".join(character if character.isprintable() else "·" for character in " ".join(text.split()))
    return clean if len(clean) <= MAX_MESSAGE_LENGTH else clean[: MAX_MESSAGE_LENGTH - 1] + "…"
