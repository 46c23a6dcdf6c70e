"""What one address of a receiver could not take, as a message of its own, so that the others do not wait for it. Shell.

A rest keeps the place of the message that it is of: the address gets its messages of an incident in their order, and a
later message to the receiver leaves an address out that still waits for an older one (`without`), and is a rest for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Row, func, insert, select, update

from alerting.outbox import DeliveryState, NoticeKind
from alerting.retries import Verdict
from opswatch.state.telling import combine, insert_delivery
from opswatch.state.telling_tables import delivery, item

UNFINISHED = (DeliveryState.WAITING.value, DeliveryState.SENDING.value)
_KEPT = ("kind", "receiver", "route", "grouping", "created", "deadline", "attempts", "severity")
_Row = Row[Any]


def add_rests(connection: Connection, whole: _Row, verdict: Verdict, now: int) -> None:
    """A message for each address that could not take it though others did, within somebody's transaction."""
    _add(connection, whole, verdict.rest, (verdict.due or now, now), "the others have it")


def _add(connection: Connection, whole: _Row, addresses: Sequence[str], times: tuple[int, int], note: str) -> None:
    """A message for each of the addresses, within somebody's transaction; what waits for it of the group joins it."""
    for address in addresses:
        facts: dict[str, Any] = {name: getattr(whole, name) for name in _KEPT}
        facts |= {
            "due": times[0],
            "state": DeliveryState.WAITING.value,
            "only": address,
            "rest_of": whole.id,
            "note": f"for {address} alone: {note}",
        }
        is_alert = whole.kind == NoticeKind.ALERT.value  # other kinds have words of their own
        number = combine(connection, facts, times[1]) if is_alert else insert_delivery(connection, facts)
        mine = select(item).where(item.c.delivery == whole.id).order_by(item.c.id)
        rows = [{**row._asdict(), "delivery": number} for row in connection.execute(mine)]
        for row in rows:
            del row["id"]
        if rows:
            connection.execute(insert(item), rows)


def leave_out(connection: Connection, whole: _Row, addresses: Sequence[str], now: int) -> None:
    """These addresses get a message later than its other recipients: they still wait for an older one."""
    new = sorted(set(addresses) - set(whole.without))
    _add(connection, whole, new, (now, now), "an older message waits for it")
    left_out = [*whole.without, *new]
    connection.execute(update(delivery).where(delivery.c.id == whole.id).values(without=left_out))


def ahead_of(connection: Connection, row: _Row) -> set[str]:
    """Whom older unfinished messages to the same receiver are for that tell of an incident of this one.

    Addresses; an empty one: all of the receiver.
    """
    mine, theirs, older = item.alias(), item.alias(), delivery.alias()
    found = (
        select(older.c.only)
        .join(theirs, theirs.c.delivery == older.c.id)
        .join(mine, mine.c.incident == theirs.c.incident)
        .where(mine.c.delivery == row.id, older.c.id != row.id)
        .where(older.c.receiver == row.receiver, older.c.state.in_(UNFINISHED))
        .where(_place(older) < (row.rest_of or row.id))
        .distinct()
    )
    return set(connection.execute(found).scalars())


def _place(of: FromClause) -> ColumnElement[int]:
    return func.coalesce(of.c.rest_of, of.c.id)
