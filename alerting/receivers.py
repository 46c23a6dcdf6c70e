"""Who is told, by which way, and how often at most. Pure.

How receivers are written is docs/notifications.md; durations here are in ns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import SecretStr

from alerting.rules import Severity
from telemetry.times import NANOSECONDS_PER_SECOND

MINUTE = 60 * NANOSECONDS_PER_SECOND
HOUR = 60 * MINUTE


class ReceiverKind(StrEnum):
    """The ways of telling somebody."""

    EMAIL = "email"
    WEBHOOK = "webhook"
    APPRISE = "apprise"


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where e-mail is handed over. `tls`: from the first byte (port 465); `starttls`: before anything else is said.

    Without TLS of either kind no credentials are sent; `ca_file` are authorities to trust instead of the system's.
    """

    host: str
    port: int = 587
    username: str = ""
    password: SecretStr | None = None
    starttls: bool = True
    tls: bool = False
    ca_file: Path | None = None
    sender: str = ""
    timeout: float = 30.0  # seconds, for each step


@dataclass(frozen=True, slots=True)
class EmailTarget:
    """People by their addresses."""

    to: tuple[str, ...]
    server: SmtpServer


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """A URL that takes POST. `secrets` sign (Standard Webhooks): the newest first, at most two.

    `template` makes the body, None: our JSON. `success` are a JSON path and the text that must stand there: some answer
    200 with an error in the body. `allow_private`: whether it may be in any private network, or on this machine;
    else only in `allowed_networks`.
    """

    url: SecretStr
    secrets: tuple[SecretStr, ...] = ()
    headers: tuple[tuple[str, SecretStr], ...] = ()
    template: str | None = None
    content_type: str = "application/json"
    success: tuple[str, str] | None = None
    ca_file: Path | None = None
    verify_tls: bool = True
    allow_private: bool = True
    allowed_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    timeout: float = 15.0  # seconds, for all of it


@dataclass(frozen=True, slots=True)
class AppriseTarget:
    """A chat, a pager, ...: anything that apprise has a URL for; the URL holds the credentials."""

    url: SecretStr
    timeout: float = 20.0  # seconds


Target = EmailTarget | WebhookTarget | AppriseTarget


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From `start` to `stop` of each day in a zone (over midnight, if stop is earlier) these severities wait."""

    start: time
    stop: time
    zone: ZoneInfo
    severities: frozenset[Severity] = frozenset({Severity.WARNING})


@dataclass(frozen=True, slots=True)
class Budget:
    """At most so many messages begin within `window` (ns); what is more comes in one digest."""

    messages: int = 10
    window: int = MINUTE


@dataclass(frozen=True, slots=True)
class Receiver:
    """Somebody who is told. `retry_for`: how long a delivery is tried; then `fallback` (a receiver, or empty) gets it.

    `send_resolved` false is for what only wants to hear that something began.
    """

    name: str
    target: Target
    retry_for: int = 4 * HOUR
    fallback: str = ""
    budget: Budget = Budget()
    quiet: QuietHours | None = None
    send_resolved: bool = True

    @property
    def kind(self) -> ReceiverKind:
        """Which way it goes."""
        match self.target:
            case EmailTarget():
                return ReceiverKind.EMAIL
            case WebhookTarget():
                return ReceiverKind.WEBHOOK
        return ReceiverKind.APPRISE

    @property
    def target_timeout(self) -> float:
        """Seconds that a try takes at most, more or less: each step of handing over mail has the limit of its own."""
        return self.target.server.timeout * 6 if isinstance(self.target, EmailTarget) else self.target.timeout


def second_of(receivers: Mapping[str, Receiver], receiver: Receiver) -> str:
    """Who gets the dead letters of a receiver: its fallback, else the first other one; empty where there is none."""
    others = [name for name in receivers if name != receiver.name]
    return receiver.fallback if receiver.fallback in others else next(iter(others), "")


def whom(target: Target) -> str:
    """Whom a target reaches, for people: without anything that is a secret, as paths and queries of URLs may be."""
    match target:
        case EmailTarget(to=to):
            return ", ".join(to)
        case WebhookTarget(url=url):
            parts = urlsplit(url.get_secret_value())
            return f"{parts.scheme}://{parts.hostname or ''}"
        case AppriseTarget(url=url):
            return f"{url.get_secret_value().partition('://')[0]}://…"
