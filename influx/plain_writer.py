"""Writes points into one bucket and waits until they are there: for who has them elsewhere too. Shell."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Sequence
from datetime import timedelta

from influx.connection import InfluxConnection
from influx.encoder import Encoder
from influx.write_answers import Asked, Closed, Later, Taken, TooOld, meaning
from telemetry.clock import Clock
from telemetry.errors import ServerError, StoreUnavailable
from telemetry.points import Point
from telemetry.schema import Registry

_TRIES = 6
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 15.0  # seconds


class PlainWriter:
    """Of a bucket whose fields the registry has. `left_out` are sentences about points that InfluxDB cannot hold."""

    def __init__(self, connection: InfluxConnection, bucket: str, registry: Registry, clock: Clock) -> None:
        self._connection = connection
        self._bucket = bucket
        self._encoder = Encoder(registry)
        self._clock = clock
        self.left_out: list[str] = []

    async def write(self, points: Sequence[Point]) -> None:
        """All of them, of one day if possible. Raises StoreUnavailable when InfluxDB does not take them in time, and
        ServerError for what it refuses."""
        encoded = await asyncio.to_thread(self._encoder.encode, points)
        self.left_out += [one.reason for one in encoded.refused]
        if not encoded.lines:
            return
        body = await asyncio.to_thread(gzip.compress, "\n".join(encoded.lines).encode("utf-8"), 1)
        asked = Asked(self._bucket, self._connection.settings.org, encoded.lines)
        wait = _FIRST_WAIT
        for is_last in (*[False] * (_TRIES - 1), True):
            trouble = await self._attempt(body, asked)
            if trouble is None:
                return
            if is_last:
                raise StoreUnavailable(trouble.reason)
            least = trouble.wait or timedelta(0)
            await asyncio.sleep(max(wait, min(least.total_seconds(), _LONGEST_WAIT)))
            wait = min(2 * wait, _LONGEST_WAIT)

    async def _attempt(self, body: bytes, asked: Asked) -> Later | None:
        try:
            answer = await self._connection.write(self._bucket, body, is_gzip=True)
        except StoreUnavailable as error:
            return Later(error.message)
        match meaning(answer.status, answer.headers, answer.body, asked, self._clock.now()):
            case Taken():
                return None
            case Later() as later:
                return later
            case TooOld(reason=reason):  # the others are there
                self.left_out.append(reason)
                return None
            case Closed(reason):
                raise StoreUnavailable(reason)
            case other:
                raise ServerError(f"InfluxDB refuses what is to go into the bucket {self._bucket}: {other}")
