"""Measurements that were learned from what applications push, in state.sqlite. Shell."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from sqlalchemy import Connection, delete, insert, select

from opswatch.state.database import Database
from opswatch.state.tables import learned_measurement
from telemetry.errors import PointRejected
from telemetry.measurements import BUILT_IN
from telemetry.schema import FieldKind, Measurement, Registry

logger = logging.getLogger(__name__)


class StoredSchema:
    """Implements `collector.intake.LearnedSchema`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, measurements: Sequence[Measurement]) -> None:
        """Keep what was learned of these; of a built-in one only its further fields. Raises StoreUnavailable."""
        rows = [
            {
                "name": one.name,
                "tags": list(one.tags),
                "fields": [field.name for field in one.fields if field.kind is FieldKind.UNTYPED],
            }
            for one in measurements
        ]

        def work(connection: Connection) -> None:
            names = [row["name"] for row in rows]
            connection.execute(delete(learned_measurement).where(learned_measurement.c.name.in_(names)))
            connection.execute(insert(learned_measurement), rows)

        if rows:
            await self._database.run(work)

    async def registry(self) -> Registry:
        """The built-in measurements with everything that was learned before; it may learn more."""
        rows = await self._database.run(
            lambda connection: connection.execute(select(learned_measurement).order_by("name")).all()
        )
        registry = BUILT_IN.learning()
        for row in rows:
            try:
                registry.learn(row.name, row.tags, row.fields)
            except PointRejected as error:  # a later version may know a name better
                extra = {"entity_id": row.name, "reason": error.message}
                logger.warning("what was learned cannot be used", extra=extra)
        return registry
