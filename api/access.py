"""Who may do what: roles, identities, and the doors behind which tokens and sessions are kept. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Protocol


class Role(IntEnum):
    """Each role may do what the ones below it may."""

    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3

    @property
    def word(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody who was recognised. `name` is the token's or the owner's."""

    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """An API token as it is kept: never its value. `prefix` is what people recognise it by."""

    id: int
    name: str
    role: Role
    prefix: str
    created: datetime
    expires: datetime | None
    last_used: datetime | None
    revoked: datetime | None


class Tokens(Protocol):
    """API tokens: 256 random bits, stored as SHA-256 only."""

    async def identify(self, token: str, now: datetime) -> Identity | None:
        """Whose token this is, or None when it is unknown, revoked or expired."""
        ...

    async def create(self, name: str, role: Role, now: datetime, expires: datetime | None = None) -> str:
        """Make one and return its text, which is never shown again. Raises Conflict when the name is taken."""
        ...

    async def list(self) -> tuple[TokenRecord, ...]:
        """All tokens, also the revoked ones, oldest first."""
        ...

    async def revoke(self, name: str, now: datetime) -> None:
        """End a token, and with it the sessions that were opened with it. Raises NotFound."""
        ...


class Sessions(Protocol):
    """Browser sessions, kept on the server; the cookie holds only a random key."""

    async def open(self, identity: Identity, now: datetime, token_text: str | None = None) -> str:
        """A new session's key; one that was opened with a token ends with it."""
        ...

    async def find(self, key: str, now: datetime) -> Identity | None:
        """Whose session this is, or None when it is unknown, idle for 7 days, or 30 days old."""
        ...

    async def close(self, key: str) -> None: ...


class Ownership(Protocol):
    """The first owner: whether there is one, and the one-time key that makes one."""

    async def exists(self) -> bool: ...

    async def claim(self, key: str, now: datetime) -> Identity | None:
        """Spend the one-time key; the owner, or None when the key is wrong, spent, expired, or an owner exists."""
        ...


SETUP_KEY_LIFETIME = timedelta(minutes=15)
