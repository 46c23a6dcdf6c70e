"""Incidents for people, in state.sqlite: lists, timelines, and what people do with them. Shell."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, insert, select, update

from alerting.decisions import Cause
from alerting.ledger import (
    Action,
    EntryKind,
    FiringCounts,
    Incident,
    IncidentPage,
    IncidentQuery,
    PersonAction,
    TimelineEntry,
)
from alerting.machine import Status
from alerting.rules import Severity
from opswatch.state.database import Database
from opswatch.state.ledger_rows import incident_of, severity_of
from opswatch.state.ledger_tables import audit, decision, incident, transition
from telemetry.errors import Conflict, InvalidRequest, NotFound
from telemetry.times import from_datetime, to_datetime

MAX_COMMENT = 4_000  # characters
MAX_LISTED = 1_000
_MAX_NAME = 200
_LONGEST_SNOOZE = timedelta(days=3_653)


class StoredIncidents:
    """Implements `alerting.ledger.IncidentBook`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, query: IncidentQuery) -> IncidentPage:
        """Those asked for, newest first. Raises InvalidRequest, StoreUnavailable."""
        if not 1 <= query.limit <= MAX_LISTED:
            raise InvalidRequest(f"limit is from 1 to {MAX_LISTED:,}", field="limit", value=query.limit)
        wanted = _conditions(query)
        page = select(incident).where(*wanted).order_by(incident.c.id.desc()).limit(query.limit + 1)
        if query.before is not None:
            page = page.where(incident.c.id < query.before)

        def work(connection: Connection) -> tuple[list[Incident], int]:
            count = connection.execute(select(func.count()).select_from(incident).where(*wanted)).scalar_one()
            return [incident_of(row) for row in connection.execute(page).mappings()], count

        found, count = await self._database.run(work)
        more = len(found) > query.limit
        found = found[: query.limit]
        return IncidentPage(tuple(found), count, found[-1].id if more else None)

    async def show(self, number: int) -> tuple[Incident, tuple[TimelineEntry, ...]]:
        """One, with everything that happened, oldest first. Raises NotFound, StoreUnavailable."""
        return await self._database.run(lambda connection: _shown(connection, number))

    async def open_incidents(self) -> tuple[Incident, ...]:
        """All that are open. Raises StoreUnavailable."""
        wanted = select(incident).where(incident.c.resolved.is_(None)).order_by(incident.c.id)
        rows = await self._database.run(lambda connection: connection.execute(wanted).mappings().all())
        return tuple(incident_of(row) for row in rows)

    async def counts(self) -> FiringCounts:
        """How many are open. Raises StoreUnavailable."""
        wanted = (
            select(incident.c.severity, incident.c.acknowledged.is_(None), func.count())
            .where(incident.c.resolved.is_(None))
            .group_by(incident.c.severity, incident.c.acknowledged.is_(None))
        )
        rows = await self._database.run(lambda connection: connection.execute(wanted).all())
        return FiringCounts(
            sum(count for severity, _, count in rows if severity == Severity.CRITICAL),
            sum(count for severity, _, count in rows if severity == Severity.WARNING),
            sum(count for _, unseen, count in rows if unseen),
        )

    async def act(self, number: int, action: PersonAction, now: datetime) -> Incident:
        """Do it, and keep who did it. Raises NotFound, Conflict, InvalidRequest, StoreUnavailable."""
        check_action(action, now)
        return await self._database.run(lambda connection: act_on(connection, number, action, now))

    async def record(self, author: str, action: str, words: str, now: datetime) -> None:
        """Keep what somebody did with something else than an incident. Raises StoreUnavailable."""
        await self._database.run(lambda connection: note_audit(connection, now, author, action, words, None))


def act_on(connection: Connection, number: int, action: PersonAction, now: datetime) -> Incident:
    """Do it, within somebody's transaction. Raises NotFound, Conflict."""
    found = find_incident(connection, number)
    if found.resolved is not None and action.action is not Action.NOTE:
        over = f"{found.resolved:%Y-%m-%d %H:%M} UTC"
        raise Conflict(f"incident {number} is over since {over}; a note is all that it takes", value=number)
    risen = connection.execute(select(incident.c.risen).where(incident.c.id == number)).scalar_one()
    values = _changed(found, action, now, risen)
    if values:
        connection.execute(update(incident).where(incident.c.id == number).values(**values))
    note_audit(connection, now, action.author, action.action.value, _words(action, found), number)
    return find_incident(connection, number)


def note_audit(connection: Connection, now: datetime, author: str, action: str, words: str, number: int | None) -> None:
    """One line of the audit, within somebody's transaction."""
    row = {"time": from_datetime(now), "author": author, "action": action, "incident": number, "words": words}
    connection.execute(insert(audit).values(**row))


def _conditions(query: IncidentQuery) -> list[ColumnElement[bool]]:
    columns = incident.c
    found: list[ColumnElement[bool]] = []
    if query.status:
        found.append(columns.resolved.is_(None) if query.status == "open" else columns.resolved.is_not(None))
    if query.severity is not None:
        found.append(columns.worst == int(query.severity))
    if query.rule:
        found.append(columns.rule == query.rule)
    if query.service:
        found.append(columns.service == query.service)
    if query.stop is not None:
        found.append(columns.opened < from_datetime(query.stop))
    if query.start is not None:
        found.append(columns.resolved.is_(None) | (columns.resolved >= from_datetime(query.start)))
    return found


def find_incident(connection: Connection, number: int) -> Incident:
    """One, within somebody's transaction. Raises NotFound."""
    row = None
    if 0 < number < 2**63:
        row = connection.execute(select(incident).where(incident.c.id == number)).mappings().first()
    if row is None:
        raise NotFound(f"there is no incident {number}", field="id", value=number)
    return incident_of(row)


def _shown(connection: Connection, number: int) -> tuple[Incident, tuple[TimelineEntry, ...]]:
    found = find_incident(connection, number)
    entries: list[tuple[int, int, TimelineEntry]] = []

    def add(instant: int, order: int, **facts: Any) -> None:
        entries.append((instant, order, TimelineEntry(to_datetime(instant), **facts)))

    # What was pending before the incident began is part of its story.
    before = (transition.c.alert == found.alert) & transition.c.incident.is_(None)
    since = select(func.max(transition.c.id)).where(
        transition.c.alert == found.alert, transition.c.incident < number, transition.c.incident.is_not(None)
    )
    first = connection.execute(since).scalar() or 0
    last = connection.execute(select(func.max(transition.c.id)).where(transition.c.incident == number)).scalar() or 0
    own = (transition.c.incident == number) | (before & (transition.c.id > first) & (transition.c.id < last))
    for row in connection.execute(select(transition).where(own).order_by(transition.c.id.desc()).limit(1_000)):
        add(
            row.time,
            row.id * 2,
            kind=EntryKind.TRANSITION,
            what=row.kind,
            words=row.reason,
            value=row.value,
            severity=severity_of(row.severity_after),
            status=Status(row.after),
        )
    times = {row.id: row.time for row in connection.execute(select(transition.c.id, transition.c.time).where(own))}
    for row in connection.execute(select(decision).where(decision.c.incident == number).order_by(decision.c.id)):
        what, instant = Cause(row.cause).value, times.get(row.transition, row.time)
        order = row.transition * 2 + 1
        add(instant, order, kind=EntryKind.DECISION, what=what, words=row.words, tell=row.tell)
    for row in connection.execute(select(audit).where(audit.c.incident == number).order_by(audit.c.id)):
        add(row.time, 2**62 + row.id, kind=EntryKind.ACTION, what=row.action, words=row.words, author=row.author)
    entries.sort(key=lambda entry: entry[:2])
    return found, tuple(entry for _, _, entry in entries)


def check_action(action: PersonAction, now: datetime) -> None:
    """Raises InvalidRequest."""
    if len(action.comment) > MAX_COMMENT:
        words = f"a comment has at most {MAX_COMMENT:,} characters; this one has {len(action.comment):,}"
        raise InvalidRequest(words, field="comment")
    if action.action is Action.NOTE and not action.comment.strip():
        raise InvalidRequest("a note needs words", field="comment")
    if action.action is Action.SNOOZE and (action.until is None or action.until <= now):
        raise InvalidRequest("a snooze lasts until a time that is still to come", field="until")
    if action.until is not None and action.until - now > _LONGEST_SNOOZE:
        raise InvalidRequest("a snooze lasts ten years at most", field="until")
    if action.action is Action.CLOSE and not action.comment.strip():
        raise InvalidRequest("whoever closes an incident says why", field="comment")
    if len(action.assignee) > _MAX_NAME or not action.assignee.isprintable():
        raise InvalidRequest(f"a name has at most {_MAX_NAME} printable characters", field="assignee")


def _changed(found: Incident, action: PersonAction, now: datetime, risen: int) -> dict[str, object]:
    """What becomes of the row; an acknowledgement is of an incident as bad as it is, so a rise needs another."""
    match action.action:
        case Action.ACKNOWLEDGE if found.acknowledged is None or from_datetime(found.acknowledged) < risen:
            return {"acknowledged": from_datetime(now), "acknowledged_by": action.author, "due": from_datetime(now)}
        case Action.SNOOZE:
            assert action.until is not None
            # "Tell me again then" takes "I have it" back: else nothing would come back.
            unanswered = {"acknowledged": None, "acknowledged_by": ""}
            return {"snoozed_until": from_datetime(action.until), "due": from_datetime(now), **unanswered}
        case Action.ASSIGN:
            return {"assigned_to": action.assignee}
    return {}


def _words(action: PersonAction, before: Incident) -> str:
    words = [action.comment.strip()] if action.comment.strip() else []
    if action.action is Action.SNOOZE and action.until is not None:
        taken_back = f"; the acknowledgement of {before.acknowledged_by} is taken back" if before.acknowledged else ""
        words.insert(0, f"until {action.until:%Y-%m-%d %H:%M} UTC{taken_back}")
    if action.action is Action.ASSIGN:
        words.insert(0, f"to {action.assignee}" if action.assignee else "to nobody")
    return ": ".join(words)
