"""Why somebody was, or nobody was, told; and every message with its answers: from state.sqlite. Shell."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select

from alerting.explanation import AttemptLine, DeliveryLine, Explanation, ReasonLine, sentences
from alerting.outbox import DeliveryState, Outcome
from opswatch.state.database import Database
from opswatch.state.incidents import find_incident
from opswatch.state.ledger_rows import moment_of
from opswatch.state.rests import UNFINISHED
from opswatch.state.telling_tables import attempt, delivery, item, reason
from telemetry.errors import InvalidRequest, NotFound
from telemetry.points import FieldValue
from telemetry.times import NANOSECONDS_PER_SECOND, from_datetime, to_datetime

MAX_LISTED = 500
LATELY = 3_600 * NANOSECONDS_PER_SECOND
_MOST_INCIDENTS = 20  # numbers that a line names
_Row = Row[Any]


@dataclass(frozen=True, slots=True)
class Standing:
    """Of one receiver: messages on their way, when one arrived and when a try failed last, and the newest answer."""

    waiting: int
    last_delivered: datetime | None
    last_failed: datetime | None
    last_answer: str


class StoredExplanations:
    """Implements `alerting.explanation.Explainer`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def explain(self, number: int, at: datetime) -> Explanation:
        """See `Explainer.explain`."""
        instant = from_datetime(at)

        def work(connection: Connection) -> Explanation:
            found = find_incident(connection, number)
            lines = select(reason).where(reason.c.incident == number, reason.c.time <= instant).order_by(reason.c.id)
            reasons = tuple(
                ReasonLine(to_datetime(row.time), row.receiver, row.why, row.tell, row.words)
                for row in connection.execute(lines)
            )
            mine = select(item.c.delivery).where(item.c.incident == number, item.c.delivery.is_not(None))
            wanted = select(delivery).where(delivery.c.id.in_(mine), delivery.c.created <= instant)
            lines_now = _lines(connection, wanted.order_by(delivery.c.id), number)
            deliveries = tuple(one.as_of(at) for one in lines_now)
            words = sentences(found, reasons, deliveries, at)
            return Explanation(found, at, words, reasons, deliveries)

        return await self._database.run(work)

    async def deliveries(self, limit: int, receiver: str, state: str, before: str | None) -> Sequence[DeliveryLine]:
        """See `Explainer.deliveries`."""
        if not 1 <= limit <= MAX_LISTED:
            raise InvalidRequest(f"limit is from 1 to {MAX_LISTED:,}", field="limit", value=limit)
        if state and state not in set(DeliveryState):
            raise InvalidRequest(f"state is one of {', '.join(DeliveryState)}", field="state", value=state)
        wanted = select(delivery).order_by(delivery.c.id.desc()).limit(limit)
        if receiver:
            wanted = wanted.where(delivery.c.receiver == receiver)
        if state:
            wanted = wanted.where(delivery.c.state == state)

        def work(connection: Connection) -> tuple[DeliveryLine, ...]:
            if before is None:
                return _lines(connection, wanted, None)
            newer = select(delivery.c.id).where(delivery.c.identifier == before)
            last = connection.execute(newer).scalar_one_or_none()
            if last is None:
                words = f"there is no message {before[:60]!r} to list those before; leave it out for the newest"
                raise InvalidRequest(words, field="before", value=before[:60])
            return _lines(connection, wanted.where(delivery.c.id < last), None)

        return await self._database.run(work)

    async def delivery(self, identifier: str) -> DeliveryLine:
        """One message. Raises NotFound, StoreUnavailable."""
        wanted = select(delivery).where(delivery.c.identifier == identifier)
        found = await self._database.run(lambda connection: _lines(connection, wanted, None))
        if not found:
            raise NotFound(f"there is no message {identifier}", field="id", value=identifier)
        return found[0]

    async def standing(self, receiver: str) -> Standing:
        """How messages to one receiver fared. Raises StoreUnavailable."""
        mine = delivery.c.receiver == receiver
        waiting = select(func.count()).where(mine, delivery.c.state.in_(UNFINISHED))
        tries = select(attempt).join(delivery, delivery.c.id == attempt.c.delivery).where(mine)
        newest = tries.order_by(attempt.c.id.desc()).limit(1)
        good = attempt.c.outcome == Outcome.DELIVERED.value

        def work(connection: Connection) -> Standing:
            last, delivered, failed = (
                connection.execute(one).first() for one in (newest, newest.where(good), newest.where(~good))
            )
            return Standing(
                connection.execute(waiting).scalar_one(),
                None if delivered is None else to_datetime(delivered.time),
                None if failed is None else to_datetime(failed.time),
                "" if last is None else f"{last.code} {last.text}".strip(),
            )

        return await self._database.run(work)

    async def figures(self, now: int) -> dict[str, FieldValue]:
        """The fields of `opswatch_notify`. Raises StoreUnavailable."""
        counts = select(delivery.c.state, func.count()).group_by(delivery.c.state)
        oldest = select(func.min(delivery.c.created)).where(delivery.c.state.in_(UNFINISHED))
        dead = delivery.c.state == DeliveryState.DEAD.value
        lately = select(func.count()).where(dead, delivery.c.finished > now - LATELY)

        def work(connection: Connection) -> dict[str, FieldValue]:
            found = {row[0]: row[1] for row in connection.execute(counts)}
            first = connection.execute(oldest).scalar()
            return {
                "waiting": sum(found.get(state, 0) for state in UNFINISHED),
                "oldest_s": 0.0 if first is None else max(0.0, (now - first) / NANOSECONDS_PER_SECOND),
                "delivered": found.get(DeliveryState.DELIVERED.value, 0),
                "dead": found.get(DeliveryState.DEAD.value, 0),
                "dead_lately": connection.execute(lately).scalar_one(),
            }

        return await self._database.run(work)


def _lines(connection: Connection, wanted: Select[Any], incident: int | None) -> tuple[DeliveryLine, ...]:
    rows = connection.execute(wanted).all()
    numbers = [row.id for row in rows]
    tries: dict[int, list[AttemptLine]] = defaultdict(list)
    for row in connection.execute(select(attempt).where(attempt.c.delivery.in_(numbers)).order_by(attempt.c.id)):
        outcome = Outcome(row.outcome)
        line = AttemptLine(to_datetime(row.time), row.number, row.recipient, outcome, row.code, row.text, row.took_ms)
        tries[row.delivery].append(line)
    return tuple(_line(connection, row, tries[row.id], incident) for row in rows)


def _line(connection: Connection, row: _Row, tries: Sequence[AttemptLine], incident: int | None) -> DeliveryLine:
    of_it = item.c.delivery == row.id
    count = connection.execute(select(func.count(item.c.incident.distinct())).where(of_it)).scalar_one()
    some = select(item.c.incident).where(of_it).distinct().order_by(item.c.incident).limit(_MOST_INCIDENTS)
    occasions = select(item.c.occasion).where(of_it).order_by(item.c.id)
    occasions = (
        occasions.where(item.c.incident == incident) if incident is not None else occasions.limit(_MOST_INCIDENTS)
    )
    waits = row.state in UNFINISHED
    return DeliveryLine(
        row.identifier,
        row.kind,
        row.receiver,
        row.route,
        DeliveryState(row.state),
        to_datetime(row.created),
        moment_of(row.finished),
        to_datetime(row.due) if waits else None,
        to_datetime(row.deadline),
        row.attempts,
        row.note,
        tuple(connection.execute(some).scalars()),
        count,
        tuple(dict.fromkeys(connection.execute(occasions).scalars())),
        tuple(tries),
        row.only,
    )
