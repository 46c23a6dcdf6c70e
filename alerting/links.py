"""Links in messages that act without a login: what they say, signed, and how they are read again. Pure.

A token is `v1.KEY.CLAIM.SIGNATURE`: the key's id, what is claimed (base64url of lines), and HMAC-SHA256 over all that
stands before it. It names the delivery, so that what it acts on is what the message told, and no later incident.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from alerting.ledger import Incident
from telemetry.errors import Forbidden, Gone
from telemetry.times import from_datetime, to_datetime

LIFETIME = timedelta(hours=24)
MAX_TOKEN = 1_000  # characters
_VERSION = "v1"


class LinkAct(StrEnum):
    """What a link does, once somebody presses the button behind it."""

    ACKNOWLEDGE = "ack"
    SNOOZE = "snooze"


@dataclass(frozen=True, slots=True)
class Claim:
    """`receiver` is who got the message: whoever has the link acts in that name."""

    delivery: str
    act: LinkAct
    receiver: str
    expires: datetime


@dataclass(frozen=True, slots=True)
class SigningKey:
    """`id` has no `.`; `secret` are 32 random bytes."""

    id: str
    secret: bytes


def sign(key: SigningKey, claim: Claim) -> str:
    """The token of a claim."""
    lines = (claim.delivery, claim.act.value, claim.receiver, str(from_datetime(claim.expires)))
    head = f"{_VERSION}.{key.id}.{_encoded(chr(10).join(lines).encode())}"
    return f"{head}.{_encoded(_signature(key.secret, head))}"


def read(keys: Mapping[str, SigningKey], token: str, now: datetime) -> Claim:
    """What a token claims. Raises Forbidden when nobody here has signed it, Gone when its time is over."""
    head, _, signature = token.rpartition(".")
    parts = head.split(".")
    key = keys.get(parts[1]) if len(parts) == 3 and parts[0] == _VERSION and len(token) <= MAX_TOKEN else None
    expected = _encoded(_signature(key.secret, head)) if key is not None else ""
    if key is None or not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace")):
        raise Forbidden("this link is not one of ours, or a part of it is missing: copy it whole, or log in")
    delivery, act, receiver, expires = _decoded(parts[2]).split("\n")
    claim = Claim(delivery, LinkAct(act), receiver, to_datetime(int(expires)))
    if now >= claim.expires:
        raise Gone(f"this link was good until {claim.expires:%Y-%m-%d %H:%M} UTC: log in instead")
    return claim


def digest_of(token: str) -> str:
    """By which a token that was used is known again."""
    return hashlib.sha256(token.encode()).hexdigest()


def _signature(secret: bytes, head: str) -> bytes:
    return hmac.new(secret, head.encode("utf-8", "replace"), hashlib.sha256).digest()


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decoded(text: str) -> str:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError) as error:  # which we would not have signed
        raise Forbidden("this link is not one of ours") from error


@dataclass(frozen=True, slots=True)
class LinkView:
    """What somebody sees before pressing: `incidents` are the first of those that the message told, `count` all."""

    claim: Claim
    incidents: tuple[Incident, ...]
    count: int
    open: int


class LinkDesk(Protocol):
    """Links, for whoever has one. Both raise Forbidden, Gone (also when it was used), StoreUnavailable."""

    async def show(self, token: str, now: datetime) -> LinkView:
        """What it would do; nothing changes by that."""
        ...

    async def act(self, token: str, until: datetime | None, now: datetime) -> int:
        """Do it, once; on how many incidents. `until`: for a snooze."""
        ...
