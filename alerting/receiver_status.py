"""How receivers stand, and how they are tried: words and a door. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from alerting.explanation import DeliveryLine


@dataclass(frozen=True, slots=True)
class ReceiverStatus:
    """`to`: whom it reaches, without anything secret. `routes`: those that name it; `last_delivered` and `last_failed`
    with what was answered then; `waiting` messages that are on their way."""

    name: str
    kind: str
    to: str
    fallback: str
    routes: tuple[str, ...]
    waiting: int
    last_delivered: datetime | None
    last_failed: datetime | None
    last_answer: str


class ReceiverDesk(Protocol):
    """Receivers, and a try of one. Both raise StoreUnavailable."""

    async def receivers(self) -> Sequence[ReceiverStatus]:
        """All of them, in the order of the file."""
        ...

    async def test(self, name: str, author: str) -> DeliveryLine:
        """Send one a message that says that it is a test, and wait for the answer. Raises NotFound."""
        ...
