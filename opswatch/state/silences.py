"""Silences in state.sqlite. Shell."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from alerting.label_match import LabelMatch
from alerting.silences import Silence, SilenceDraft, check_silence
from opswatch.state.database import Database
from opswatch.state.incidents import note_audit
from opswatch.state.mute_rows import MAX_LISTED, check_version, row_of, words_of
from opswatch.state.mute_tables import silence
from telemetry.errors import Conflict
from telemetry.times import from_datetime, to_datetime

_WHAT = "silence"


class StoredSilences:
    """Implements `alerting.silences.SilenceBook`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, after: datetime | None = None) -> tuple[Silence, ...]:
        """Those that end after this time, by their ends; the newest 1,000 of all without it."""
        if after is None:
            wanted = select(silence).order_by(silence.c.id.desc()).limit(MAX_LISTED)
        else:
            wanted = select(silence).where(silence.c.ends > from_datetime(after)).order_by(silence.c.ends, silence.c.id)
        rows = await self._database.run(lambda connection: connection.execute(wanted).mappings().all())
        return tuple(_silence(row) for row in rows)

    async def show(self, number: int) -> Silence:
        """One. Raises NotFound, StoreUnavailable."""
        return await self._database.run(lambda connection: _silence(row_of(connection, silence, number, _WHAT)))

    async def add(self, draft: SilenceDraft, author: str, now: datetime) -> Silence:
        """Make one. Raises InvalidRequest, StoreUnavailable."""
        check_silence(draft, now)
        values = _values(draft) | {"author": author, "created": from_datetime(now), "ended_by": "", "version": 1}

        def work(connection: Connection) -> Silence:
            key = connection.execute(insert(silence).values(**values)).inserted_primary_key
            assert key is not None
            return _noted(connection, key[0], author, "silence", now)

        return await self._database.run(work)

    async def change(self, number: int, version: int, draft: SilenceDraft, author: str, now: datetime) -> Silence:
        """Make it so. Raises InvalidRequest, NotFound, Conflict, StoreUnavailable."""
        check_silence(draft, now)

        def work(connection: Connection) -> Silence:
            row = row_of(connection, silence, number, _WHAT)
            _check_going_on(row, now)
            check_version(row, version, _WHAT)
            values = _values(draft) | {"version": version + 1}
            connection.execute(update(silence).where(silence.c.id == number).values(**values))
            return _noted(connection, number, author, "change_silence", now)

        return await self._database.run(work)

    async def end(self, number: int, author: str, now: datetime) -> Silence:
        """End it now. Raises NotFound, Conflict when it is over, StoreUnavailable."""

        def work(connection: Connection) -> Silence:
            row = row_of(connection, silence, number, _WHAT)
            _check_going_on(row, now)
            instant = from_datetime(now)
            values = {
                "starts": min(row["starts"], instant),
                "ends": instant,
                "ended_by": author,
                "version": row["version"] + 1,
            }
            connection.execute(update(silence).where(silence.c.id == number).values(**values))
            return _noted(connection, number, author, "end_silence", now)

        return await self._database.run(work)


def _check_going_on(row: Mapping[Any, Any], now: datetime) -> None:
    if row["ends"] <= from_datetime(now):
        over = f"{to_datetime(row['ends']):%Y-%m-%d %H:%M} UTC"
        raise Conflict(f"silence {row['id']} is over since {over}; make another one", field="id", value=row["id"])


def _noted(connection: Connection, number: int, author: str, action: str, now: datetime) -> Silence:
    found = _silence(row_of(connection, silence, number, _WHAT))
    span = f"silence {number} of {found.match}, {found.starts:%Y-%m-%d %H:%M} to {found.ends:%Y-%m-%d %H:%M} UTC"
    note_audit(connection, now, author, action, words_of(span, found.comment), None)
    return found


def _values(draft: SilenceDraft) -> dict[str, Any]:
    return {
        "match": draft.match.written(),
        "comment": draft.comment,
        "starts": from_datetime(draft.starts),
        "ends": from_datetime(draft.ends),
    }


def _silence(row: Mapping[Any, Any]) -> Silence:
    return Silence(
        id=row["id"],
        match=LabelMatch.of(row["match"]),
        author=row["author"],
        comment=row["comment"],
        created=to_datetime(row["created"]),
        starts=to_datetime(row["starts"]),
        ends=to_datetime(row["ends"]),
        ended_by=row["ended_by"],
        version=row["version"],
    )
