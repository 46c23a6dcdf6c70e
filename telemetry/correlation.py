"""The correlation id of what is being done: one context variable that requests, jobs and log lines share. Pure."""

from __future__ import annotations

import re
from contextvars import ContextVar

# Set by the server for each request and by the scheduler for each job; None outside of both.
correlation_id: ContextVar[str | None] = ContextVar("correlation_id", default=None)

_ACCEPTABLE = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)


def is_acceptable(text: str) -> bool:
    """Whether an id that a client sent may be taken over: it ends in logs and headers, so letters, digits, `._-`."""
    return _ACCEPTABLE.fullmatch(text) is not None
