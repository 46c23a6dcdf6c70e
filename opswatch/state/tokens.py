"""API tokens in state.sqlite. Shell."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, exc, insert, select, update

from api.access import Identity, Role, TokenRecord
from opswatch.state.database import Database
from opswatch.state.tables import token
from telemetry.errors import Conflict, InvalidRequest, NotFound
from telemetry.times import from_datetime, to_datetime

PREFIX = "opw_"  # so that people, and scanners for leaked secrets, recognise one
_MAX_NAME = 100
_NOTE_USE_EVERY = timedelta(minutes=1)


class StoredTokens:
    """Implements `api.access.Tokens`, and what the command line needs beside it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def identify(self, text: str, now: datetime) -> Identity | None:
        """Whose token this is, or None when it is unknown, revoked or expired."""
        record = await self.record(text, now)
        return None if record is None else Identity(record.name, record.role)

    async def record(self, text: str, now: datetime) -> TokenRecord | None:
        """The token's record, if it is good; notes the use at most once a minute."""
        digest, instant = digest_of(text), from_datetime(now)

        def work(connection: Connection) -> TokenRecord | None:
            row = connection.execute(select(token).where(token.c.digest == digest)).mappings().first()
            if row is None or not is_good(row, instant):
                return None
            if (
                row["last_used"] is None
                or instant - row["last_used"] >= _NOTE_USE_EVERY // timedelta(microseconds=1) * 1000
            ):
                connection.execute(update(token).where(token.c.id == row["id"]).values(last_used=instant))
            return _record(row)

        return await self._database.run(work)

    async def create(self, name: str, role: Role, now: datetime, expires: datetime | None = None) -> str:
        """Make one and return its text, which is never shown again. Raises Conflict when the name is taken."""
        text = PREFIX + secrets.token_urlsafe(32)
        await self.store(name, role, now, text, expires)
        return text

    async def store(self, name: str, role: Role, now: datetime, text: str, expires: datetime | None = None) -> None:
        """Keep a token whose text was made elsewhere. Raises Conflict, InvalidRequest."""
        await self._database.run(lambda connection: insert_token(connection, name, role, now, text, expires))

    async def list(self) -> tuple[TokenRecord, ...]:
        """All tokens, also the revoked ones, oldest first."""
        rows = await self._database.run(
            lambda connection: connection.execute(select(token).order_by(token.c.id)).mappings().all()
        )
        return tuple(_record(row) for row in rows)

    async def revoke(self, name: str, now: datetime) -> None:
        """End a token, and with it the sessions that were opened with it. Raises NotFound."""
        statement = (
            update(token).where(token.c.name == name, token.c.revoked.is_(None)).values(revoked=from_datetime(now))
        )
        if await self._database.run(lambda connection: connection.execute(statement).rowcount) == 0:
            raise NotFound(f"there is no token {name!r} that could be revoked", field="name", value=name)


def insert_token(
    connection: Connection, name: str, role: Role, now: datetime, text: str, expires: datetime | None = None
) -> None:
    """Keep a token, within somebody's transaction. Raises Conflict, InvalidRequest."""
    if not name.strip() or len(name) > _MAX_NAME or not name.isprintable():
        raise InvalidRequest(
            f"a token's name has 1 to {_MAX_NAME} printable characters", field="name", value=name[:_MAX_NAME]
        )
    instant = from_datetime(now)
    if expires is not None and not instant < from_datetime(expires) < 2**63:
        raise InvalidRequest("a token is good for more than nothing, and until 2262 at the latest", field="expires")
    # An expired token is good for nothing, so it does not hold its name either.
    expired = (token.c.name == name, token.c.revoked.is_(None), token.c.expires <= instant)
    connection.execute(update(token).where(*expired).values(revoked=instant))
    values = {
        "name": name,
        "role": int(role),
        "prefix": text[:8],
        "digest": digest_of(text),
        "created": instant,
        "expires": None if expires is None else from_datetime(expires),
    }
    try:
        connection.execute(insert(token).values(**values))
    except exc.IntegrityError as error:
        raise Conflict(
            f"there is a token {name!r} already: revoke it first, or choose another name", field="name", value=name
        ) from error


def digest_of(text: str) -> str:
    """What is kept of a secret."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def is_good(row: Mapping[Any, Any], instant: int) -> bool:
    """Whether a token's row is neither revoked nor expired."""
    return row["revoked"] is None and (row["expires"] is None or row["expires"] > instant)


def _record(row: Mapping[Any, Any]) -> TokenRecord:
    def moment(name: str) -> datetime | None:
        return None if row[name] is None else to_datetime(row[name])

    return TokenRecord(
        row["id"],
        row["name"],
        Role(row["role"]),
        row["prefix"],
        to_datetime(row["created"]),
        moment("expires"),
        moment("last_used"),
        moment("revoked"),
    )
