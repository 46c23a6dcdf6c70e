"""Deliveries on their way, in state.sqlite: claimed under a lease, settled with every answer. Shell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, insert, select, update

from alerting.ledger import Incident
from alerting.outbox import URGING, Answer, Claimed, DeliveryState, NoticeKind, Occasion, Outcome
from alerting.outlook import Known
from alerting.retries import Verdict
from alerting.rules import Severity
from opswatch.state.database import Database
from opswatch.state.ledger_rows import incident_of, tags_of
from opswatch.state.ledger_tables import incident
from opswatch.state.rests import UNFINISHED, add_rests, ahead_of, leave_out
from opswatch.state.telling import insert_delivery, keep_known
from opswatch.state.telling_tables import attempt, delivery, item, known

MOST_SHOWN = 50  # incidents of one message
_CANDIDATES = 200
_ONE_BY_ONE = "its addresses get it one by one"
_ANSWERED = "somebody acknowledged before it could be sent"
_Row = Row[Any]


class StoredOutbox:
    """Implements `alerting.outbox.Outbox`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, receiver: str, now: int, lease: int) -> Claimed | None:
        """See `Outbox.claim`: the worst first, but never before an older one that tells of the same incident.

        An address that waits for an older one keeps the others of its receiver from nothing.
        """
        wanted = select(delivery).where(delivery.c.receiver == receiver, _is_due(now))
        wanted = wanted.order_by(delivery.c.severity.desc(), delivery.c.id)

        def work(connection: Connection) -> Claimed | None:
            for row in connection.execute(wanted.limit(_CANDIDATES)).all():
                if _is_answered(connection, row):
                    done = {"state": DeliveryState.COMBINED.value, "finished": now, "note": _ANSWERED}
                    connection.execute(update(delivery).where(delivery.c.id == row.id).values(**done))
                    continue
                ahead = ahead_of(connection, row)
                if "" in ahead or row.only in ahead:
                    continue
                if ahead and not row.only:
                    leave_out(connection, row, sorted(ahead), now)
                    row = connection.execute(select(delivery).where(delivery.c.id == row.id)).one()  # noqa: PLW2901
                taken = {"state": DeliveryState.SENDING.value, "lease": now + lease, "attempts": row.attempts + 1}
                connection.execute(update(delivery).where(delivery.c.id == row.id).values(**taken))
                return _claimed(connection, row)
            return None

        return await self._database.run(work)

    async def settle(self, claimed: Claimed, answers: Sequence[Answer], verdict: Verdict, now: int) -> None:
        """See `Outbox.settle`."""

        def work(connection: Connection) -> None:
            rows = [_attempt_row(claimed, answer, now) for answer in answers]
            if rows:
                connection.execute(insert(attempt), rows)
            values: dict[str, object] = {"state": verdict.state.value, "lease": None}
            if verdict.state is DeliveryState.WAITING:
                values["due"] = verdict.due
            else:
                values["finished"] = now
            if verdict.state is DeliveryState.COMBINED:
                values["note"] = _ONE_BY_ONE
            mine = delivery.c.id == claimed.number
            connection.execute(update(delivery).where(mine).values(**values))
            if verdict.rest:
                add_rests(connection, connection.execute(select(delivery).where(mine)).one(), verdict, now)
            if verdict.second:
                _send_instead(connection, claimed, verdict.second, now)

        await self._database.run(work)

    async def reclaim(self, now: int) -> int:
        """See `Outbox.reclaim`."""
        sending = update(delivery).where(delivery.c.state == DeliveryState.SENDING.value)
        again = sending.values(state=DeliveryState.WAITING.value, due=now, lease=None)
        return await self._database.run(lambda connection: connection.execute(again).rowcount)

    async def abandon(self, receivers: Sequence[str], now: int) -> int:
        """What waits for a receiver that there is no more is a dead letter; how many. Raises StoreUnavailable."""
        lost = delivery.c.state.in_(UNFINISHED) & delivery.c.receiver.not_in(receivers)
        facts = {"state": DeliveryState.DEAD.value, "finished": now, "note": "there is no such receiver any more"}
        wish = update(delivery).where(lost).values(**facts)
        return await self._database.run(lambda connection: connection.execute(wish).rowcount)

    async def waiting(self, now: int) -> Sequence[str]:
        """Receivers for whom something is due. Raises StoreUnavailable."""
        wanted = select(delivery.c.receiver).where(_is_due(now)).distinct().order_by(delivery.c.receiver)
        return await self._database.run(lambda connection: list(connection.execute(wanted).scalars()))

    async def add(self, receiver: str, kind: NoticeKind, note: str, now: int, retry_for: int) -> str:
        """A message of its own, not about incidents; its identifier. Raises StoreUnavailable."""
        (found,) = await self.add_to_all([receiver], kind, note, now, retry_for)
        return found

    async def add_to_all(
        self, receivers: Sequence[str], kind: NoticeKind, note: str, now: int, retry_for: int
    ) -> Sequence[str]:
        """The same to several, to all of them or to none; the identifiers. Raises StoreUnavailable."""
        facts: dict[str, Any] = {
            "kind": kind.value,
            "route": "",
            "grouping": [],
            "created": now,
            "due": now,
            "deadline": now + retry_for,
            "attempts": 0,
            "state": DeliveryState.WAITING.value,
            "severity": int(Severity.CRITICAL),
            "note": note,
        }

        def work(connection: Connection) -> list[str]:
            numbers = [insert_delivery(connection, facts | {"receiver": one}) for one in receivers]
            wanted = select(delivery.c.identifier).where(delivery.c.id.in_(numbers)).order_by(delivery.c.id)
            return list(connection.execute(wanted).scalars())

        return await self._database.run(work)

    async def incidents_of(self, identifier: str) -> tuple[int, ...]:
        """The incidents that a delivery tells of. Raises StoreUnavailable."""
        wanted = (
            select(item.c.incident)
            .join(delivery, delivery.c.id == item.c.delivery)
            .where(delivery.c.identifier == identifier)
            .distinct()
            .order_by(item.c.incident)
        )
        return await self._database.run(lambda connection: tuple(connection.execute(wanted).scalars()))


def _is_due(now: int) -> ColumnElement[bool]:
    """Waiting for its time to come, or left behind by a sender that did not finish."""
    waiting = (delivery.c.state == DeliveryState.WAITING.value) & (delivery.c.due <= now)
    return waiting | ((delivery.c.state == DeliveryState.SENDING.value) & (delivery.c.lease <= now))


def _is_answered(connection: Connection, row: _Row) -> bool:
    """Whether all that a message says is that nobody has acknowledged, and by now somebody has."""
    urging = item.c.occasion.in_([one.value for one in URGING])
    answered = incident.c.acknowledged.is_not(None) & (incident.c.acknowledged >= incident.c.risen)
    mine = select(item.c.id).join(incident, incident.c.id == item.c.incident).where(item.c.delivery == row.id)
    if row.kind != NoticeKind.ALERT.value or connection.execute(mine.limit(1)).first() is None:
        return False
    return connection.execute(mine.where(~(urging & answered)).limit(1)).first() is None


def _claimed(connection: Connection, row: _Row) -> Claimed:
    last = (
        select(item.c.incident, func.max(item.c.id).label("id"))
        .where(item.c.delivery == row.id)
        .group_by(item.c.incident)
        .subquery()
    )
    joined = (
        select(incident, item.c.occasion)
        .join(last, last.c.incident == incident.c.id)
        .join(item, item.c.id == last.c.id)
    )
    worst = joined.order_by(incident.c.resolved.is_not(None), incident.c.severity.desc(), incident.c.id)
    items: list[tuple[Incident, Occasion]] = [
        (incident_of(found), Occasion(found["occasion"]))
        for found in connection.execute(worst.limit(MOST_SHOWN)).mappings()
    ]
    counts: Counter[tuple[bool, int]] = Counter()
    states = select(incident.c.resolved.is_(None), incident.c.severity, func.count()).join(
        last, last.c.incident == incident.c.id
    )
    for is_open, severity, count in connection.execute(
        states.group_by(incident.c.resolved.is_(None), incident.c.severity)
    ):
        counts[bool(is_open), severity] += count
    firing = sum(count for (is_open, _), count in counts.items() if is_open)
    return Claimed(
        row.id,
        row.identifier,
        NoticeKind(row.kind),
        row.receiver,
        row.route,
        tags_of(row.grouping),
        row.created,
        row.deadline,
        row.attempts + 1,
        row.note,
        tuple(items),
        sum(counts.values()) - len(items),
        firing,
        sum(counts.values()) - firing,
        counts[True, int(Severity.CRITICAL)],
        _answers(connection, row.id),
        row.instead_of is not None,
        row.only,
        tuple(row.without),
    )


def _answers(connection: Connection, number: int) -> tuple[Answer, ...]:
    """The newest answer of every recipient."""
    newest: dict[str, Answer] = {}
    for row in connection.execute(select(attempt).where(attempt.c.delivery == number).order_by(attempt.c.id)):
        newest[row.recipient] = Answer(Outcome(row.outcome), row.code, row.text, row.took_ms, row.recipient)
    return tuple(newest.values())


def _attempt_row(claimed: Claimed, answer: Answer, now: int) -> dict[str, Any]:
    return {
        "delivery": claimed.number,
        "number": claimed.attempt,
        "time": now,
        "recipient": answer.recipient,
        "outcome": answer.outcome.value,
        "code": answer.code,
        "text": answer.text,
        "took_ms": answer.took_ms,
    }


def _send_instead(connection: Connection, claimed: Claimed, second: str, now: int) -> None:
    """The same to another receiver, who from now on hears what becomes of it, too."""
    old = connection.execute(select(delivery).where(delivery.c.id == claimed.number)).one()
    facts = {
        "kind": old.kind,
        "receiver": second,
        "route": old.route,
        "grouping": old.grouping,
        "created": now,
        "due": now,
        "deadline": now + (old.deadline - old.created),
        "attempts": 0,
        "state": DeliveryState.WAITING.value,
        "severity": old.severity,
        "note": f"{claimed.receiver} could not be reached; this comes instead",
        "instead_of": claimed.number,
    }
    number = insert_delivery(connection, facts)
    told = connection.execute(select(item).where(item.c.delivery == claimed.number).order_by(item.c.id)).all()
    rows = [{**row._asdict(), "receiver": second, "delivery": number} for row in told]
    for row in rows:
        del row["id"]
    if not rows:
        return
    connection.execute(insert(item), rows)
    knows = select(known.c.incident).where(
        known.c.receiver == second, known.c.incident.in_({row.incident for row in told})
    )
    already = set(connection.execute(knows).scalars())
    keep_known(
        connection,
        [
            (
                row.incident,
                Known(second, row.route, tags_of(row.grouping), Severity(row.severity), flapping=False, last=now),
            )
            for row in told
            if row.incident not in already and row.occasion != Occasion.RESOLVED.value
        ],
    )
