"""What the evaluator remembers, in state.sqlite: one transaction holds a transition with all that follows. Shell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, Row, delete, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from alerting.decisions import Standing, decide
from alerting.ledger import AlertChange, Batch
from alerting.machine import Alert, Kind
from opswatch.state.database import Database
from opswatch.state.ledger_rows import alert_of, alert_row, opened_row, transition_point, transition_row
from opswatch.state.ledger_tables import alert, decision, incident, notification, transition
from telemetry.points import Point
from telemetry.times import to_datetime

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
        if batch.forgotten:
            gone = delete(alert).where(alert.c.key.in_(batch.forgotten), alert.c.incident.is_(None))
            await self._database.run(lambda connection: connection.execute(gone))
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


def _keep(connection: Connection, changes: Sequence[AlertChange], recorded: int) -> dict[str, int]:
    numbers: dict[str, int] = {}
    rows = []
    for change in changes:
        number = _incident_of(connection, change, recorded)
        row = alert_row(change.alert)
        if change.alert.is_open and number is not None:
            numbers[row["key"]] = number
        rows.append(row | {"incident": number if change.alert.is_open else None})
    if rows:
        wish = upsert(alert)
        connection.execute(
            wish.on_conflict_do_update(
                index_elements=["key"], set_={name: wish.excluded[name] for name in ("state", "incident")}
            ),
            rows,
        )
    return numbers


def _incident_of(connection: Connection, change: AlertChange, recorded: int) -> int | None:
    """The number of the incident that the change belongs to, which it opens, changes or ends."""
    made = change.transition
    if made is None:
        return change.alert.incident
    number = change.alert.incident
    if made.kind is Kind.OPENED:
        number = connection.execute(insert(incident).values(**opened_row(change))).inserted_primary_key[0]  # type: ignore[index]
    row = None
    if number is not None:
        row = connection.execute(select(incident).where(incident.c.id == number)).one()
        _update(connection, change, row)
    key = connection.execute(insert(transition).values(**transition_row(change, number, recorded)))
    if row is not None:
        _decide(connection, change, row, key.inserted_primary_key[0], recorded)  # type: ignore[index]
    return number


def _update(connection: Connection, change: AlertChange, row: Row[tuple[object, ...]]) -> None:
    now, made = change.alert, change.transition
    assert made is not None
    values: dict[str, object] = {"status": now.status.value, "flapping": now.flapping}
    if made.value is not None:
        values["value"] = made.value
    if now.severity is not None:
        values |= {"severity": int(now.severity), "worst": max(row.worst, int(now.severity))}
    if made.kind is Kind.RAISED:
        values |= {"summary": change.facts.summary, "rule_version": change.rule_version}
    if made.kind is Kind.RESOLVED:
        values |= {"resolved": made.time, "resolution": change.resolution or "its values are clear", "flapping": False}
    connection.execute(update(incident).where(incident.c.id == row.id).values(**values))


def _decide(
    connection: Connection, change: AlertChange, row: Row[tuple[object, ...]], made: int, recorded: int
) -> None:
    """The decision on a transition, and the notification that follows from it."""
    assert change.transition is not None
    standing = Standing(
        acknowledged=row.acknowledged is not None,
        snoozed_until=row.snoozed_until,
        told=row.told,
        suppressed_by=change.suppressed_by,
    )
    found = decide(change.transition, standing)
    if found is None:
        return
    connection.execute(
        insert(decision).values(
            incident=row.id,
            transition=made,
            time=recorded,
            tell=found.tell,
            cause=found.cause.value,
            words=found.words if found.tell or not row.snoozed_until else _until(found.words, row.snoozed_until),
        )
    )
    if found.tell:
        connection.execute(
            insert(notification).values(incident=row.id, transition=made, created=recorded, state="waiting")
        )
        connection.execute(update(incident).where(incident.c.id == row.id).values(told=True))


def _until(words: str, instant: int) -> str:
    return words.replace("until then", f"until {to_datetime(instant):%Y-%m-%d %H:%M} UTC")
