"""Look at incidents and make messages of what is to be told, in state.sqlite. Shell.

One transaction holds a look with all that follows from it: what receivers are told, what they then know, the ladders,
and the reasons. A look goes by what is so (`alerting.telling.look`); done again, it does nothing again.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, bindparam, delete, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from alerting.batches import Batch, Pace, Pending, Recent, batches
from alerting.outbox import URGING, DeliveryState, NoticeKind, Occasion
from alerting.outlook import Known, Ladder, Outlook, Policy, Subject, labels_of
from alerting.receivers import Receiver
from alerting.rules import Severity
from alerting.telling import look
from opswatch.state.database import Database
from opswatch.state.ledger_rows import tags_of
from opswatch.state.ledger_tables import incident, notification
from opswatch.state.telling_tables import attempt, delivery, item, known, ladder, reason
from telemetry.points import Tags

AT_ONCE = 500  # incidents of one transaction: other work of the state need not wait for ten thousand
# What an answer says when the message was not taken: SMTP's 4xx and HTTP's, and those of HTTP that no proxy makes up.
_NOT_TAKEN = ("500", "503", "refused", "dns", "tls", "certificate")
_TAKEN_BACK = "taken back before anybody had it"
_Row = Row[Any]


class StoredTelling:
    """Implements `alerting.outbox.TellingDesk`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def touch(self, now: int) -> None:
        """Every open incident is to be looked at: silences, windows, duty or routes are others. StoreUnavailable."""
        wish = update(incident).where(incident.c.resolved.is_(None)).values(due=now)
        await self._database.run(lambda connection: connection.execute(wish))

    async def plan(self, policy: Policy, now: int) -> int:
        """Look at the incidents that are due, the worst first; how many. Raises StoreUnavailable."""
        wanted = select(incident).where(incident.c.due <= now).order_by(incident.c.severity.desc(), incident.c.id)

        def work(connection: Connection) -> int:
            rows = connection.execute(wanted.limit(AT_ONCE)).all()
            _look(connection, rows, policy, now)
            return len(rows)

        return await self._database.run(work)

    async def batch(self, policy: Policy, now: int) -> int:
        """Make messages of what has waited long enough; how many. Raises StoreUnavailable."""
        made = 0
        for name in await self._database.run(_receivers_with_items):
            receiver = policy.receivers.get(name)
            if receiver is None:
                made += await self._database.run(lambda connection, name=name: _bury(connection, name, now))  # type: ignore[misc]
                continue
            ready = await self._database.run(lambda connection, one=receiver: _ready(connection, one, policy, now))  # type: ignore[misc]
            numbers = sorted({one.incident for batch in ready for one in batch.items})
            for start in range(0, len(numbers), AT_ONCE):  # what has come up meanwhile may hold it back
                part = numbers[start : start + AT_ONCE]
                await self._database.run(lambda connection, part=part: _look_again(connection, part, policy, now))  # type: ignore[misc]
            if ready:
                made += await self._database.run(
                    lambda connection, one=receiver: _make(connection, one, _ready(connection, one, policy, now), now)  # type: ignore[misc]
                )
        return made


def _look_again(connection: Connection, numbers: Sequence[int], policy: Policy, now: int) -> None:
    rows = connection.execute(select(incident).where(incident.c.id.in_(numbers))).all()
    _look(connection, rows, policy, now)


def _look(connection: Connection, rows: Sequence[_Row], policy: Policy, now: int) -> None:
    if not rows:
        return
    numbers = [row.id for row in rows]
    told, ladders = _known(connection, numbers), _ladders(connection, numbers)
    outlooks = {
        row.id: look(_subject(row, policy), told.get(row.id, {}), ladders.get(row.id, {}), policy, now) for row in rows
    }
    _take_back(connection, outlooks, told, now)
    _keep(connection, outlooks, now)
    states = [
        {
            "number": number,
            "due": outlook.due,
            "held": outlook.held,
            "told": bool((told.get(number, {}).keys() | outlook.known.keys()) - set(outlook.withdrawn)),
        }
        for number, outlook in outlooks.items()
    ]
    connection.execute(update(incident).where(incident.c.id == bindparam("number")), states)
    planned = notification.c.incident.in_(numbers) & (notification.c.state == "waiting")
    connection.execute(update(notification).where(planned).values(state="planned"))


def _subject(row: _Row, policy: Policy) -> Subject:
    labels, resolved = tags_of(row.labels), row.resolved is not None
    severity = Severity(row.severity)
    return Subject(
        row.id,
        labels_of(row.rule, row.service, severity, labels),
        severity,
        row.flapping,
        row.risen,
        resolved,
        row.acknowledged,
        row.acknowledged_by,
        row.snoozed_until,
        row.held,
        "" if resolved else policy.suppressed(row.rule, tags_of(row.tags)),
    )


def _known(connection: Connection, numbers: Sequence[int]) -> dict[int, dict[str, Known]]:
    left = _left(connection, numbers)
    found: dict[int, dict[str, Known]] = defaultdict(dict)
    for row in connection.execute(select(known).where(known.c.incident.in_(numbers))):
        found[row.incident][row.receiver] = Known(
            row.receiver,
            row.route,
            tags_of(row.grouping),
            Severity(row.severity),
            row.flapping,
            row.last,
            first_unsent=(row.incident, row.receiver) not in left,
            over=row.over,
        )
    return found


def _left(connection: Connection, numbers: Sequence[int]) -> set[tuple[int, str]]:
    """Incidents and receivers of which something may have left the house."""
    sent = select(item.c.incident, item.c.receiver).join(delivery, delivery.c.id == item.c.delivery).distinct()
    wanted = sent.where(item.c.incident.in_(numbers), ~_is_still_here())
    return {(row.incident, row.receiver) for row in connection.execute(wanted)}


def _is_still_here() -> ColumnElement[bool]:
    """Whether a delivery waits, and everybody that was tried has said that it was not taken.

    After a kill, a timeout or a proxy's answer it is not known: then it counts as gone.
    """
    tries = attempt.c.delivery == delivery.c.id
    answered = select(func.count(attempt.c.number.distinct())).where(tries).scalar_subquery()
    unclear = select(attempt.c.id).where(tries, attempt.c.code.not_in(_NOT_TAKEN), attempt.c.code.not_like("4__"))
    waits = delivery.c.state == DeliveryState.WAITING.value
    return waits & (answered >= delivery.c.attempts) & ~unclear.exists()


def _ladders(connection: Connection, numbers: Sequence[int]) -> dict[int, dict[str, Ladder]]:
    found: dict[int, dict[str, Ladder]] = defaultdict(dict)
    for row in connection.execute(select(ladder).where(ladder.c.incident.in_(numbers))):
        found[row.incident][row.route] = Ladder(row.route, row.began, row.done)
    return found


def _take_back(
    connection: Connection, outlooks: Mapping[int, Outlook], told: Mapping[int, Mapping[str, Known]], now: int
) -> None:
    """What has not left the house, and must not any more; a ladder of which nobody has heard begins anew."""
    answered = [number for number, outlook in outlooks.items() if outlook.is_answered]
    if answered:
        urging = item.c.delivery.is_(None) & item.c.occasion.in_([one.value for one in URGING])
        connection.execute(delete(item).where(urging, item.c.incident.in_(answered)))
    for number, outlook in outlooks.items():
        if not outlook.withdrawn:
            continue
        mine = (item.c.incident == number) & item.c.receiver.in_(outlook.withdrawn)
        _empty(connection, mine, now)
        gone = (known.c.incident == number) & known.c.receiver.in_(outlook.withdrawn)
        connection.execute(delete(known).where(gone))
        if set(outlook.withdrawn) >= set(told.get(number, {})):
            connection.execute(delete(ladder).where(ladder.c.incident == number))


def _empty(connection: Connection, mine: ColumnElement[bool], now: int) -> None:
    """Delete these items, and end the deliveries that tell of nothing any more."""
    numbers = list(connection.execute(select(item.c.delivery).where(mine, item.c.delivery.is_not(None))).scalars())
    connection.execute(delete(item).where(mine))
    if numbers:
        tells = select(item.c.id).where(item.c.delivery == delivery.c.id).exists()
        done = {"state": DeliveryState.COMBINED.value, "finished": now, "note": _TAKEN_BACK}
        connection.execute(update(delivery).where(delivery.c.id.in_(numbers), ~tells).values(**done))


def _keep(connection: Connection, outlooks: Mapping[int, Outlook], now: int) -> None:
    items = [
        {
            "incident": number,
            "receiver": one.receiver,
            "route": one.route,
            "grouping": _listed(one.group),
            "occasion": one.occasion.value,
            "severity": int(one.severity),
            "made": now,
        }
        for number, outlook in outlooks.items()
        for one in outlook.tellings
    ]
    if items:
        connection.execute(insert(item), items)
    keep_known(connection, ((number, one) for number, outlook in outlooks.items() for one in outlook.known.values()))
    climbed = [
        {"incident": number, "route": one.route, "began": one.began, "done": one.done}
        for number, outlook in outlooks.items()
        for one in outlook.ladders.values()
    ]
    if climbed:
        kept = upsert(ladder)
        renewed = {name: kept.excluded[name] for name in ("began", "done")}
        connection.execute(kept.on_conflict_do_update(index_elements=["incident", "route"], set_=renewed), climbed)
    reasons = [
        {
            "incident": number,
            "time": now,
            "receiver": one.receiver,
            "why": one.why.value,
            "tell": one.tell,
            "words": one.words,
        }
        for number, outlook in outlooks.items()
        for one in outlook.reasons
    ]
    if reasons:
        connection.execute(insert(reason), reasons)


def keep_known(connection: Connection, entries: Iterable[tuple[int, Known]]) -> None:
    """What receivers know of incidents, within somebody's transaction."""
    rows = [
        {
            "incident": number,
            "receiver": one.receiver,
            "route": one.route,
            "grouping": _listed(one.group),
            "severity": int(one.severity),
            "flapping": one.flapping,
            "last": one.last,
            "over": one.over,
        }
        for number, one in entries
    ]
    if rows:
        kept = upsert(known)
        renewed = {name: kept.excluded[name] for name in ("severity", "flapping", "last", "over")}
        connection.execute(kept.on_conflict_do_update(index_elements=["incident", "receiver"], set_=renewed), rows)


def _listed(tags: Tags) -> list[list[str]]:
    return [list(tag) for tag in tags]


def _receivers_with_items(connection: Connection) -> list[str]:
    wanted = select(item.c.receiver).where(item.c.delivery.is_(None)).distinct().order_by(item.c.receiver)
    return list(connection.execute(wanted).scalars())


def _ready(connection: Connection, receiver: Receiver, policy: Policy, now: int) -> list[Batch]:
    paces = {route.name: Pace(route.group_wait, route.group_interval) for route in policy.routes}
    looked_back = max([receiver.budget.window, *(pace.interval for pace in paces.values())])
    own = (delivery.c.receiver == receiver.name) & (delivery.c.kind == NoticeKind.ALERT.value) & (delivery.c.only == "")
    since = (delivery.c.created > now - looked_back) & (delivery.c.state != DeliveryState.COMBINED.value)
    last: dict[tuple[str, Tags], int] = {}
    made = []
    columns = (delivery.c.route, delivery.c.grouping, delivery.c.created)
    for row in connection.execute(select(*columns).where(own & since).order_by(delivery.c.created)):
        made.append(row.created)
        last[row.route, tags_of(row.grouping)] = row.created
    mine = (item.c.receiver == receiver.name) & item.c.delivery.is_(None)
    pending = [
        Pending(
            row.id,
            row.incident,
            row.route,
            tags_of(row.grouping),
            Occasion(row.occasion),
            Severity(row.severity),
            row.made,
        )
        for row in connection.execute(select(item).where(mine).order_by(item.c.id))
    ]
    return batches(pending, Recent(made, last), paces, receiver.budget, now)[0]


def _make(connection: Connection, receiver: Receiver, ready: Sequence[Batch], now: int) -> int:
    for batch in ready:
        note = (
            f"{batch.groups} groups in one message: more than the budget of this receiver" if batch.groups > 1 else ""
        )
        facts = {
            "kind": NoticeKind.ALERT.value,
            "receiver": receiver.name,
            "route": batch.route,
            "grouping": _listed(batch.group),
            "created": now,
            "due": now,
            "deadline": now + receiver.retry_for,
            "attempts": 0,
            "state": DeliveryState.WAITING.value,
            "severity": max(int(one.severity) for one in batch.items),
            "note": note,
            "only": "",
        }
        number = combine(connection, facts, now)
        mine = [one.id for one in batch.items]
        for start in range(0, len(mine), 10_000):
            part = mine[start : start + 10_000]
            connection.execute(update(item).where(item.c.id.in_(part)).values(delivery=number))
    return len(ready)


def combine(connection: Connection, facts: dict[str, Any], now: int) -> int:
    """A new delivery, of which what waits of its group for the same people becomes a part; its number.

    Within somebody's transaction.
    """
    before = _waiting(connection, facts)
    for row in before:
        facts["deadline"] = min(facts["deadline"], row.deadline)
        facts["due"] = max(facts["due"], row.due)
        facts["attempts"] = max(facts["attempts"], row.attempts)
        facts["severity"] = max(facts["severity"], row.severity)
        if row.rest_of is not None:
            facts["rest_of"] = min(facts["rest_of"], row.rest_of)
    number = insert_delivery(connection, facts)
    combined = [row.id for row in before]
    if combined:
        connection.execute(update(item).where(item.c.delivery.in_(combined)).values(delivery=number))
        done = {
            "state": DeliveryState.COMBINED.value,
            "finished": now,
            "note": f"is part of delivery {number}",
        }
        connection.execute(update(delivery).where(delivery.c.id.in_(combined)).values(**done))
    return number


def _waiting(connection: Connection, facts: Mapping[str, Any]) -> Sequence[_Row]:
    """Messages of the same group that the receiver could not take yet, nobody of it: they are made one."""
    served = select(attempt.c.id).where(attempt.c.delivery == delivery.c.id, attempt.c.outcome == "delivered")
    same = (delivery.c[name] == facts[name] for name in ("kind", "receiver", "route", "grouping", "state", "only"))
    return connection.execute(select(delivery).where(*same, ~served.exists())).all()


def insert_delivery(connection: Connection, facts: Mapping[str, Any]) -> int:
    """A new delivery with an identifier of its own, within somebody's transaction; its number."""
    row = {"identifier": f"msg_{secrets.token_hex(16)}", **facts}
    number: int = connection.execute(insert(delivery).values(**row).returning(delivery.c.id)).scalar_one()
    return number


def _bury(connection: Connection, name: str, now: int) -> int:
    """Items of a receiver that there is no more: a dead letter, so that they are seen."""
    mine = (item.c.receiver == name) & item.c.delivery.is_(None)
    severity = connection.execute(select(func.max(item.c.severity)).where(mine)).scalar()
    facts: dict[str, Any] = {
        "kind": NoticeKind.ALERT.value,
        "receiver": name,
        "route": "",
        "grouping": [],
        "created": now,
        "due": now,
        "deadline": now,
        "attempts": 0,
        "state": DeliveryState.DEAD.value,
        "finished": now,
        "severity": severity or 0,
        "note": f"there is no receiver {name} any more",
    }
    number = insert_delivery(connection, facts)
    connection.execute(update(item).where(mine).values(delivery=number))
    return 1
