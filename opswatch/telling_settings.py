"""How people are told, as it was decided before the start. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from pydantic import SecretStr

from alerting.duty import Rotation
from alerting.receivers import Receiver
from alerting.routes import Escalation, Route
from alerting.windows import Window


@dataclass(frozen=True, slots=True)
class HeartbeatSettings:
    """Where the dead man's switch is told that all is well, and how often."""

    url: SecretStr
    interval: timedelta = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class TellingSettings:
    """`public_url`: where people reach the pages, for links in messages; empty where nobody said."""

    receivers: tuple[Receiver, ...] = ()
    routes: tuple[Route, ...] = ()
    escalations: tuple[Escalation, ...] = ()
    rotations: tuple[Rotation, ...] = ()
    windows: tuple[Window, ...] = ()
    heartbeat: HeartbeatSettings | None = None
    public_url: str = ""
