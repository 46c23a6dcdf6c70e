"""What a try came to, in the words that all senders share. Pure."""

from __future__ import annotations

from time import perf_counter

from alerting.outbox import MOST_KEPT_OF_AN_ANSWER, Answer, Outcome
from telemetry.visible_text import visible_lines


class Stopwatch:
    """Begins when it is made."""

    def __init__(self) -> None:
        self._began = perf_counter()

    def answer(
        self, outcome: Outcome, code: str, text: str, recipient: str = "", retry_after: int | None = None
    ) -> Answer:
        """An answer now."""
        took = (perf_counter() - self._began) * 1_000
        return Answer(outcome, code, kept(text), took, recipient, retry_after)


def kept(text: str | bytes) -> str:
    """The first 500 bytes of what somebody answered: text, with what has no shape of its own shown by its number."""
    raw = text.encode("utf-8", "replace") if isinstance(text, str) else text
    return visible_lines(raw[:MOST_KEPT_OF_AN_ANSWER].decode("utf-8", "replace").strip())
