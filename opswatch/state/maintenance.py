"""Maintenance windows that people planned, in state.sqlite. Shell."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, exc, insert, select, update

from alerting.label_match import LabelMatch
from alerting.silences import StoredWindow, WindowDraft, check_window
from alerting.windows import Cron, Monthly, Once, Times, Weekly, Window
from opswatch.state.database import Database
from opswatch.state.incidents import note_audit
from opswatch.state.ledger_rows import moment_of
from opswatch.state.mute_rows import MAX_LISTED, check_version, row_of, words_of
from opswatch.state.mute_tables import maintenance
from telemetry.errors import Conflict
from telemetry.times import from_datetime, to_datetime

_WHAT = "maintenance window"


class StoredMaintenance:
    """Implements `alerting.silences.MaintenanceBook`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, *, with_ended: bool = False) -> tuple[StoredWindow, ...]:
        """Those that are planned; with those that were taken out too, the newest 1,000. Raises StoreUnavailable."""
        wanted = select(maintenance).order_by(maintenance.c.id)
        if with_ended:
            wanted = select(maintenance).order_by(maintenance.c.id.desc()).limit(MAX_LISTED)
        else:
            wanted = wanted.where(maintenance.c.ended.is_(None))
        rows = await self._database.run(lambda connection: connection.execute(wanted).mappings().all())
        return tuple(_stored(row) for row in rows)

    async def show(self, number: int) -> StoredWindow:
        """One. Raises NotFound, StoreUnavailable."""
        return await self._database.run(lambda connection: _stored(row_of(connection, maintenance, number, _WHAT)))

    async def add(self, draft: WindowDraft, author: str, now: datetime) -> StoredWindow:
        """Make one. Raises InvalidRequest, Conflict, StoreUnavailable."""
        check_window(draft, now)
        values = _values(draft) | {"author": author, "created": from_datetime(now), "ended_by": "", "version": 1}

        def work(connection: Connection) -> StoredWindow:
            key = connection.execute(insert(maintenance).values(**values)).inserted_primary_key
            assert key is not None
            return _noted(connection, key[0], author, "maintenance", now)

        try:
            return await self._database.run(work)
        except exc.IntegrityError as error:
            raise _taken(draft) from error

    async def change(self, number: int, version: int, draft: WindowDraft, author: str, now: datetime) -> StoredWindow:
        """Make it so. Raises InvalidRequest, NotFound, Conflict, StoreUnavailable."""
        check_window(draft, now)

        def work(connection: Connection) -> StoredWindow:
            row = row_of(connection, maintenance, number, _WHAT)
            _check_planned(row)
            check_version(row, version, _WHAT)
            values = _values(draft) | {"version": version + 1}
            connection.execute(update(maintenance).where(maintenance.c.id == number).values(**values))
            return _noted(connection, number, author, "change_maintenance", now)

        try:
            return await self._database.run(work)
        except exc.IntegrityError as error:
            raise _taken(draft) from error

    async def end(self, number: int, author: str, now: datetime) -> StoredWindow:
        """Take it out. Raises NotFound, Conflict when it is out, StoreUnavailable."""

        def work(connection: Connection) -> StoredWindow:
            row = row_of(connection, maintenance, number, _WHAT)
            _check_planned(row)
            values = {"ended": from_datetime(now), "ended_by": author, "version": row["version"] + 1}
            connection.execute(update(maintenance).where(maintenance.c.id == number).values(**values))
            return _noted(connection, number, author, "end_maintenance", now)

        return await self._database.run(work)


def _check_planned(row: Mapping[Any, Any]) -> None:
    if row["ended"] is not None:
        words = f"{row['ended_by']} took {_WHAT} {row['id']} out at {to_datetime(row['ended']):%Y-%m-%d %H:%M} UTC"
        raise Conflict(words, field="id", value=row["id"])


def _taken(draft: WindowDraft) -> Conflict:
    name = draft.window.name
    return Conflict(f"there is a maintenance window {name!r} already", field="name", value=name)


def _noted(connection: Connection, number: int, author: str, action: str, now: datetime) -> StoredWindow:
    found = _stored(row_of(connection, maintenance, number, _WHAT))
    words = words_of(f"window {number}, {found.window.name}, of {found.window.match}", found.comment)
    note_audit(connection, now, author, action, words, None)
    return found


def _values(draft: WindowDraft) -> dict[str, Any]:
    window = draft.window
    return {
        "name": window.name,
        "match": window.match.written(),
        "duration": window.duration,
        "zone": window.zone.key,
        "times": _times_row(window.times),
        "comment": draft.comment,
    }


def _stored(row: Mapping[Any, Any]) -> StoredWindow:
    times, zone = _times(row["times"]), ZoneInfo(row["zone"])
    return StoredWindow(
        id=row["id"],
        window=Window(row["name"], LabelMatch.of(row["match"]), row["duration"], zone, times),
        author=row["author"],
        comment=row["comment"],
        created=to_datetime(row["created"]),
        ended=moment_of(row["ended"]),
        ended_by=row["ended_by"],
        version=row["version"],
    )


def _times_row(times: Times) -> dict[str, Any]:
    match times:
        case Once(start, stop):
            return {"kind": "once", "start": start, "stop": stop}
        case Weekly(days, at):
            return {"kind": "weekly", "days": sorted(days), "at": at.isoformat()}
        case Monthly(day, at):
            return {"kind": "monthly", "day": day, "at": at.isoformat()}
        case Cron(expression):
            return {"kind": "cron", "expression": expression}


def _times(row: Mapping[str, Any]) -> Times:
    match row["kind"]:
        case "once":
            return Once(row["start"], row["stop"])
        case "weekly":
            return Weekly(frozenset(row["days"]), time.fromisoformat(row["at"]))
        case "monthly":
            return Monthly(row["day"], time.fromisoformat(row["at"]))
    return Cron(row["expression"])
