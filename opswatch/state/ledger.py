"""What the evaluator remembers, in state.sqlite: one transaction holds a transition with all that follows. Shell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from alerting.decisions import Cause, Standing, decide
from alerting.ledger import AlertChange, Batch
from alerting.machine import Alert, Kind
from opswatch.state.database import Database
from opswatch.state.ledger_rows import alert_of, alert_row, opened_row, transition_point, transition_row
from opswatch.state.ledger_tables import alert, decision, incident, notification, transition
from telemetry.points import Point
from telemetry.times import to_datetime

_Row = Row[Any]
_AT_ONCE = 500  # changes of one transaction: those of people need not wait for ten thousand


class StoredLedger:
    """Implements `alerting.ledger.Ledger` and `alerting.ledger.TransitionFeed`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def alerts(self) -> tuple[Alert, ...]:
        """Every alert that is remembered. Raises StoreUnavailable."""
        rows = await self._database.run(lambda connection: connection.execute(select(alert)).mappings().all())
        return tuple(alert_of(row) for row in rows)

    async def commit(self, batch: Batch) -> Mapping[str, int]:
        """Keep it, some hundred changes at a time; the numbers of open incidents, by key. Raises StoreUnavailable."""
        numbers: dict[str, int] = {}
        for start in range(0, len(batch.changes), _AT_ONCE):
            part = batch.changes[start : start + _AT_ONCE]
            numbers |= await self._database.run(lambda connection, part=part: _keep(connection, part, batch.time))  # type: ignore[misc]
        for start in range(0, len(batch.forgotten), _AT_ONCE):
            keys = batch.forgotten[start : start + _AT_ONCE]
            gone = delete(alert).where(alert.c.key.in_(keys), alert.c.incident.is_(None))
            await self._database.run(lambda connection, gone=gone: connection.execute(gone))  # type: ignore[misc]
        return numbers

    async def unwritten(self, limit: int) -> Sequence[tuple[int, Point]]:
        """The oldest transitions that are no points yet, with their numbers. Raises StoreUnavailable."""
        wanted = select(transition).where(~transition.c.written).order_by(transition.c.id).limit(limit)
        rows = await self._database.run(lambda connection: connection.execute(wanted).mappings().all())
        return [(row["id"], transition_point(row)) for row in rows]

    async def mark_written(self, numbers: Sequence[int]) -> None:
        """These need not be written again. Raises StoreUnavailable."""
        done = update(transition).where(transition.c.id.in_(numbers)).values(written=True)
        await self._database.run(lambda connection: connection.execute(done))

    async def prune(self, before: int) -> int:
        """Forget transitions that belong to no incident, are points already, and were recorded before this instant.

        How many; incidents and what belongs to them stay. Raises StoreUnavailable.
        """
        columns = transition.c
        old = delete(transition).where(columns.incident.is_(None), columns.written, columns.recorded < before)
        return await self._database.run(lambda connection: connection.execute(old).rowcount)


def _keep(connection: Connection, changes: Sequence[AlertChange], recorded: int) -> dict[str, int]:
    """Each step for all changes at once: ten thousand alerts may fire in one evaluation."""
    keys = [change.alert.key for change in changes]
    numbers = {key: change.alert.incident for key, change in zip(keys, changes, strict=True)}
    numbers |= _open(connection, dict(zip(keys, changes, strict=True)), recorded)
    made = [(key, change) for key, change in zip(keys, changes, strict=True) if change.transition is not None]
    standing = _incidents(connection, [number for key, _ in made if (number := numbers[key]) is not None])
    for key, change in made:
        row = standing.get(numbers[key])
        if row is not None and change.transition is not None and change.transition.kind is not Kind.OPENED:
            _update(connection, change, row, recorded)
    if made:
        wish = insert(transition).returning(transition.c.id, sort_by_parameter_order=True)
        rows = [transition_row(change, numbers[key], recorded) for key, change in made]
        written = connection.execute(wish, rows).scalars().all()
        _decide(connection, [(change, standing.get(numbers[key])) for key, change in made], written, recorded)
    found = {
        key: number
        for key, change in zip(keys, changes, strict=True)
        if change.alert.is_open and (number := numbers[key])
    }
    alerts = [alert_row(change.alert) | {"incident": found.get(key)} for key, change in zip(keys, changes, strict=True)]
    kept = upsert(alert)
    renewed = {name: kept.excluded[name] for name in ("state", "incident")}
    connection.execute(kept.on_conflict_do_update(index_elements=["key"], set_=renewed), alerts)
    return found


def _open(connection: Connection, changes: Mapping[str, AlertChange], recorded: int) -> dict[str, int]:
    """Make the incidents that begin; their numbers by the keys of their alerts."""
    opened = {
        key: opened_row(change, recorded)
        for key, change in changes.items()
        if change.transition is not None and change.transition.kind is Kind.OPENED
    }
    if not opened:
        return {}
    wish = insert(incident).returning(incident.c.id, sort_by_parameter_order=True)
    return dict(zip(opened, connection.execute(wish, list(opened.values())).scalars().all(), strict=True))


def _incidents(connection: Connection, numbers: Sequence[int]) -> dict[int | None, _Row]:
    wanted = select(incident).where(incident.c.id.in_(numbers))
    return {row.id: row for row in connection.execute(wanted)} if numbers else {}


def _update(connection: Connection, change: AlertChange, row: _Row, recorded: int) -> None:
    now, made = change.alert, change.transition
    assert made is not None
    values: dict[str, object] = {"status": now.status.value, "flapping": now.flapping, "due": recorded}
    if made.value is not None:
        values["value"] = made.value
    if now.severity is not None:
        values |= {"severity": int(now.severity), "worst": max(row.worst, int(now.severity))}
    if made.kind is Kind.RAISED:
        values |= {"summary": change.facts.summary, "rule_version": change.rule_version, "risen": recorded}
    if made.kind is Kind.RESOLVED:
        values |= {"resolved": made.time, "resolution": change.resolution or "its values are clear", "flapping": False}
    connection.execute(update(incident).where(incident.c.id == row.id).values(**values))


def _decide(
    connection: Connection, made: Sequence[tuple[AlertChange, _Row | None]], written: Sequence[int], recorded: int
) -> None:
    """The decisions on transitions, and the notifications that follow from them."""
    decisions, notifications = [], []
    for (change, row), number in zip(made, written, strict=True):
        if row is None or change.transition is None:
            continue
        standing = Standing(row.acknowledged is not None, row.snoozed_until, row.told, change.suppressed_by)
        found = decide(change.transition, standing)
        if found is None:
            continue
        words = found.words if found.cause is not Cause.SNOOZED else _until(found.words, row.snoozed_until)
        about = {"incident": row.id, "transition": number}
        decisions.append(about | {"time": recorded, "tell": found.tell, "cause": found.cause.value, "words": words})
        if found.tell:
            notifications.append(about | {"created": recorded, "state": "waiting"})
    if decisions:
        connection.execute(insert(decision), decisions)
    if notifications:
        connection.execute(insert(notification), notifications)


def _until(words: str, instant: int) -> str:
    return words.replace("until then", f"until {to_datetime(instant):%Y-%m-%d %H:%M} UTC")
