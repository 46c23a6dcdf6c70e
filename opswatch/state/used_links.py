"""Links of messages that were used, in state.sqlite: using one and what it does are one transaction. Shell."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import BigInteger, Column, Connection, Integer, String, Table, insert, select

from alerting.ledger import Incident, PersonAction
from opswatch.state.database import Database
from opswatch.state.incidents import act_on, check_action
from opswatch.state.ledger_rows import incident_of
from opswatch.state.ledger_tables import incident
from opswatch.state.tables import metadata
from telemetry.errors import Gone
from telemetry.times import from_datetime, to_datetime

used_link = Table(
    "used_link",
    metadata,
    Column("digest", String, primary_key=True),
    Column("time", BigInteger, nullable=False),
    Column("author", String, nullable=False),
    Column("incidents", Integer, nullable=False),
)
_AT_ONCE = 10_000  # incidents of one statement


class StoredLinks:
    """Which links were used."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def check(self, digest: str) -> None:
        """Raises Gone when it was used, StoreUnavailable."""
        await self._database.run(lambda connection: _check(connection, digest))

    async def incidents(self, numbers: Sequence[int], most: int) -> tuple[tuple[Incident, ...], int]:
        """The first of these incidents, open ones first, and how many are open. Raises StoreUnavailable."""

        def work(connection: Connection) -> tuple[tuple[Incident, ...], int]:
            found: list[Incident] = []
            still_open = 0
            for start in range(0, len(numbers), _AT_ONCE):
                wanted = select(incident).where(incident.c.id.in_(numbers[start : start + _AT_ONCE]))
                for row in connection.execute(wanted.order_by(incident.c.id)).mappings():
                    still_open += row["resolved"] is None
                    found.append(incident_of(row))
            found.sort(key=lambda one: (not one.is_open, -one.severity, one.id))
            return tuple(found[:most]), still_open

        return await self._database.run(work)

    async def spend(self, digest: str, numbers: Sequence[int], action: PersonAction, now: datetime) -> int:
        """Use a link: do this with each of the incidents that is still open; with how many.

        Raises Gone when it was used already, InvalidRequest, StoreUnavailable.
        """
        check_action(action, now)

        def work(connection: Connection) -> int:
            _check(connection, digest)
            still_open: list[int] = []
            for start in range(0, len(numbers), _AT_ONCE):
                of_these = incident.c.id.in_(numbers[start : start + _AT_ONCE])
                wanted = select(incident.c.id).where(of_these, incident.c.resolved.is_(None))
                still_open += connection.execute(wanted).scalars()
            for number in still_open:
                act_on(connection, number, action, now)
            row = {"digest": digest, "time": from_datetime(now), "author": action.author, "incidents": len(still_open)}
            connection.execute(insert(used_link).values(**row))
            return len(still_open)

        return await self._database.run(work)


def _check(connection: Connection, digest: str) -> None:
    row = connection.execute(select(used_link).where(used_link.c.digest == digest)).first()
    if row is not None:
        when = f"{to_datetime(row.time):%Y-%m-%d %H:%M:%S} UTC"
        raise Gone(f"this link works once, and was used at {when} ({row.author}); for more, log in")
