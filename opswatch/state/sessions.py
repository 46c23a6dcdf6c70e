"""Browser sessions and the first owner, in state.sqlite. Shell."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from hmac import compare_digest

from sqlalchemy import Connection, delete, insert, select, update

from api.access import SETUP_KEY_LIFETIME, Identity, Role
from opswatch.state.database import Database
from opswatch.state.tables import owner, session, token
from opswatch.state.tokens import digest_of, insert_token, is_good
from telemetry.errors import Conflict, InvalidRequest
from telemetry.times import from_datetime

IDLE = timedelta(days=7)
LIFETIME = timedelta(days=30)
_NOTE_SIGHT_EVERY = 60 * 1_000_000_000  # ns
_LEAST_TOKEN_LENGTH = 24
OWNER = Identity("owner", Role.ADMIN)


class StoredSessions:
    """Implements `api.access.Sessions`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, identity: Identity, now: datetime, token_text: str | None = None) -> str:
        """A new session's key. With the token it was opened with, it ends when that does."""
        key, instant = secrets.token_urlsafe(32), from_datetime(now)
        digest = None if token_text is None else digest_of(token_text)

        def work(connection: Connection) -> None:
            oldest = from_datetime(now - LIFETIME)
            connection.execute(delete(session).where(session.c.created < oldest))
            token_id = None
            if digest is not None:
                token_id = connection.execute(select(token.c.id).where(token.c.digest == digest)).scalar()
            connection.execute(
                insert(session).values(
                    digest=digest_of(key),
                    name=identity.name,
                    role=int(identity.role),
                    created=instant,
                    last_seen=instant,
                    token_id=token_id,
                )
            )

        await self._database.run(work)
        return key

    async def find(self, key: str, now: datetime) -> Identity | None:
        """Whose session this is, or None when it is unknown, idle for 7 days, 30 days old, or its token is not good."""
        digest, instant = digest_of(key), from_datetime(now)

        def work(connection: Connection) -> Identity | None:
            row = connection.execute(select(session).where(session.c.digest == digest)).mappings().first()
            if row is None:
                return None
            if row["last_seen"] < from_datetime(now - IDLE) or row["created"] < from_datetime(now - LIFETIME):
                return None
            if row["token_id"] is not None:
                kept = connection.execute(select(token).where(token.c.id == row["token_id"])).mappings().first()
                if kept is None or not is_good(kept, instant):
                    return None
            if instant - row["last_seen"] >= _NOTE_SIGHT_EVERY:
                connection.execute(update(session).where(session.c.digest == digest).values(last_seen=instant))
            return Identity(row["name"], Role(row["role"]))

        return await self._database.run(work)

    async def close(self, key: str) -> None:
        """End a session."""
        digest = digest_of(key)
        await self._database.run(
            lambda connection: connection.execute(delete(session).where(session.c.digest == digest))
        )


class StoredOwnership:
    """Implements `api.access.Ownership`. The one-time key lives in memory: a restart makes a new one."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._key: str | None = None
        self._expires: datetime | None = None

    def issue_key(self, now: datetime) -> str:
        """A new one-time key, good for 15 minutes; the one before is good no more."""
        self._key, self._expires = secrets.token_urlsafe(32), now + SETUP_KEY_LIFETIME
        return self._key

    async def exists(self) -> bool:
        """Whether there is an owner."""
        return await self._database.run(lambda connection: connection.execute(select(owner.c.id)).first() is not None)

    async def claim(self, key: str, now: datetime) -> Identity | None:
        """Spend the one-time key; the owner, or None when it is wrong, spent, expired, or an owner exists."""
        if self._key is None or self._expires is None or now >= self._expires:
            return None
        if not compare_digest(self._key.encode(), key.encode("utf-8", "surrogatepass")):
            return None
        if not await self._make(now):
            return None
        self._key = None  # spent only now: a full disk does not burn the link
        return OWNER

    async def ensure_token(self, text: str, now: datetime) -> None:
        """Make the owner with a token of the operator's choice (OPSWATCH_OWNER_TOKEN_FILE), if there is none yet.

        Raises InvalidRequest for a token that could be guessed, Conflict when another token is named as the owner.
        """
        if len(text) < _LEAST_TOKEN_LENGTH:
            raise InvalidRequest(f"the owner's token must have at least {_LEAST_TOKEN_LENGTH} characters")
        if not await self._make(now, text) and await self._database.run(lambda one: not _is_admin(one, text, now)):
            raise Conflict(
                "this OpsWatch has an owner already, and the token of OPSWATCH_OWNER_TOKEN_FILE is no good admin token:"
                " make one with `opswatch token create NAME --role admin`, or unset the variable"
            )

    async def _make(self, now: datetime, token_text: str | None = None) -> bool:
        def work(connection: Connection) -> bool:
            if connection.execute(select(owner.c.id)).first() is not None:
                return False
            # The owner and its token in one transaction: no stop in between leaves an owner who cannot get in.
            connection.execute(insert(owner).values(id=1, name=OWNER.name, created=from_datetime(now)))
            if token_text is not None:
                insert_token(connection, OWNER.name, OWNER.role, now, token_text)
            return True

        return await self._database.run(work)


def _is_admin(connection: Connection, text: str, now: datetime) -> bool:
    row = connection.execute(select(token).where(token.c.digest == digest_of(text))).mappings().first()
    return row is not None and is_good(row, from_datetime(now)) and row["role"] == int(Role.ADMIN)
