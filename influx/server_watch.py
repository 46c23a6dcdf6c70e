"""Asks InfluxDB every minute how it is, and how many series are in each of our buckets. Shell."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus

from influx.connection import MAX_LISTING_BYTES, InfluxConnection
from influx.server_metrics import ServerFigures, points_of, read_metrics
from telemetry.clock import Clock
from telemetry.errors import StoreUnavailable
from telemetry.points import Point
from telemetry.rollup import LEVELS, rolled_up
from telemetry.schema import Registry
from telemetry.times import NANOSECONDS_PER_MILLISECOND, from_datetime

logger = logging.getLogger(__name__)

_NEARLY = 0.8  # of a budget


class ServerWatch:
    """`points` are those of the newest sample; none where the server does not say anything of itself."""

    def __init__(self, connection: InfluxConnection, registry: Registry, clock: Clock, host: str) -> None:
        self._connection = connection
        self._registry = registry
        self._clock = clock
        self._host = host
        self._before: ServerFigures | None = None
        self._silence = ""  # why it says nothing of itself
        self.points: Sequence[Point] = ()

    async def sample(self, buckets: Mapping[str, str]) -> None:
        """One sample; `buckets` are the names of ours by id. Never raises for what the server does."""
        now = from_datetime(self._clock.now())
        try:
            figures = await self._figures()
        except (StoreUnavailable, ValueError) as error:
            words = error.message if isinstance(error, StoreUnavailable) else str(error)
            if words != self._silence:
                logger.info("InfluxDB says nothing of itself", extra={"reason": words})
            self._silence, self._before, self.points = words, None, ()
            return
        time = now - now % NANOSECONDS_PER_MILLISECOND
        made = points_of(figures, self._before, buckets, self._host, time)
        self.points = tuple(self._with_budget(point) for point in made)
        self._silence, self._before = "", figures

    async def _figures(self) -> ServerFigures:
        answer = await self._connection.listing("/metrics", {})
        if answer.status != HTTPStatus.OK:
            raise ValueError(f"/metrics answers {answer.status} (is it switched off, by --metrics-disabled?)")
        if len(answer.body) >= MAX_LISTING_BYTES:
            raise ValueError("/metrics has no end")
        return await asyncio.to_thread(read_metrics, answer.body)

    @property
    def notes(self) -> Iterator[str]:
        """A sentence for each bucket with more series than it should have, or nearly so many."""
        for point in self.points:
            if point.measurement == "influxdb_bucket" and "series" in point.fields:
                series, budget = float(point.fields["series"]), float(point.fields["budget"])
                if series > _NEARLY * budget:
                    yield (
                        f"the bucket {dict(point.tags)['bucket']} has {series:,.0f} series, and its measurements may"
                        f" have {budget:,.0f} together: a tag with ever new values makes queries slow (the recipe"
                        " `Which tags have many values` in docs/influxdb-operations.md finds it)"
                    )

    def _with_budget(self, point: Point) -> Point:
        if point.measurement != "influxdb_bucket":
            return point
        name, settings = dict(point.tags)["bucket"], self._connection.settings
        levels = set(map(settings.level_bucket, LEVELS))
        budget = sum(
            one.budget
            for one in self._registry
            if settings.bucket(one.measurement_class) == name or (rolled_up(one) and name in levels)
        )
        return replace(point, fields={**point.fields, "budget": float(budget)})
