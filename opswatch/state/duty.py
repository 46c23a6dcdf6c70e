"""Who steps in for whom, in state.sqlite. Shell."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from alerting.duty import Override
from alerting.silences import OverrideDraft, StoredOverride, check_override
from opswatch.state.database import Database
from opswatch.state.incidents import note_audit
from opswatch.state.mute_rows import row_of, words_of
from opswatch.state.mute_tables import duty_override
from telemetry.errors import Conflict
from telemetry.times import from_datetime, to_datetime

_WHAT = "override"


class StoredDuty:
    """Implements `alerting.silences.DutyBook`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, after: datetime) -> tuple[StoredOverride, ...]:
        """Those that end after this time, in the order in which they were added. Raises StoreUnavailable."""
        columns = duty_override.c
        wanted = select(duty_override).where(columns.stop > from_datetime(after)).order_by(columns.id)
        rows = await self._database.run(lambda connection: connection.execute(wanted).mappings().all())
        return tuple(_stored(row) for row in rows)

    async def add(self, draft: OverrideDraft, author: str, now: datetime) -> StoredOverride:
        """Make one. Raises InvalidRequest, StoreUnavailable."""
        check_override(draft, now)
        values = {
            "rotation": draft.rotation,
            "person": draft.override.person,
            "start": draft.override.start,
            "stop": draft.override.stop,
            "author": author,
            "comment": draft.comment,
            "created": from_datetime(now),
        }

        def work(connection: Connection) -> StoredOverride:
            key = connection.execute(insert(duty_override).values(**values)).inserted_primary_key
            assert key is not None
            return _noted(connection, key[0], author, "duty", now)

        return await self._database.run(work)

    async def end(self, number: int, author: str, now: datetime) -> None:
        """From now on it does not count. Raises NotFound, Conflict when it is over, StoreUnavailable."""

        def work(connection: Connection) -> None:
            row, instant = row_of(connection, duty_override, number, _WHAT), from_datetime(now)
            if row["stop"] <= instant:
                over = f"{to_datetime(row['stop']):%Y-%m-%d %H:%M} UTC"
                raise Conflict(f"override {number} is over since {over}", field="id", value=number)
            values = {"start": min(row["start"], instant), "stop": instant}
            connection.execute(update(duty_override).where(duty_override.c.id == number).values(**values))
            _noted(connection, number, author, "end_duty", now)

        await self._database.run(work)


def _noted(connection: Connection, number: int, author: str, action: str, now: datetime) -> StoredOverride:
    found = _stored(row_of(connection, duty_override, number, _WHAT))
    start, stop = to_datetime(found.override.start), to_datetime(found.override.stop)
    span = f"{found.override.person} in {found.rotation}, {start:%Y-%m-%d %H:%M} to {stop:%Y-%m-%d %H:%M} UTC"
    note_audit(connection, now, author, action, words_of(f"override {number}, {span}", found.comment), None)
    return found


def _stored(row: Mapping[Any, Any]) -> StoredOverride:
    return StoredOverride(
        id=row["id"],
        rotation=row["rotation"],
        override=Override(row["start"], row["stop"], row["person"]),
        author=row["author"],
        comment=row["comment"],
        created=to_datetime(row["created"]),
    )
