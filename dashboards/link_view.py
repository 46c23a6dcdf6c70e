"""The page behind a link in a message: what it shows. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LinkedIncident:
    """`state` says how long it has been open, or that it is over, and who has it."""

    severity: str
    summary: str
    state: str


@dataclass(frozen=True, slots=True)
class LinkPage:
    """`act` is `ack` or `snooze`; `done` says what was done, once it is; `message` what went wrong."""

    token: str
    act: str
    receiver: str
    count: int
    open: int
    incidents: tuple[LinkedIncident, ...] = ()
    more: int = 0
    choices: tuple[tuple[str, str], ...] = ()
    done: str = ""
    message: str = ""
