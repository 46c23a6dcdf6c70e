"""Parcels on their way to InfluxDB, compressed where that helps; whose fault it is where one is not taken. Shell."""

from __future__ import annotations

import asyncio
import gzip
import logging

from influx.canary import Canary
from influx.connection import InfluxConnection
from influx.parcel import Parcel
from influx.write_answers import Asked, Indivisible, Later, Meaning, Taken, meaning
from telemetry.clock import Clock
from telemetry.errors import StoreUnavailable

logger = logging.getLogger(__name__)

_WORTH_COMPRESSING = 1_000  # bytes
_MANY_BYTES = 64 * 1024  # from here on it is done in a thread
_ENOUGH_FAILURES = 3  # in a row, until a point of ours is written instead
_MAX_REMEMBERED = 1_000
_PLAIN_SECONDS = 600.0  # that nothing is compressed after compressing was at fault
_SUSPICIOUS_SECONDS = 600.0  # that parts of a batch that was at fault are suspected at once


class Sender:
    """Remembers failures from one write to the next."""

    def __init__(self, connection: InfluxConnection, clock: Clock, canary: Canary) -> None:
        self._connection = connection
        self._clock = clock
        self._canary = canary
        self._failures: dict[tuple[str, str], int] = {}  # in a row, by bucket and first line
        self._plain_until = 0.0
        self._suspicious_until = 0.0

    async def send(self, parcel: Parcel) -> Meaning:
        """What became of it. Later only where it may help to send the same again."""
        said = await self._post(parcel)
        if isinstance(said, Later):
            return await self._whose_fault(parcel, said)
        if isinstance(said, Taken):
            self._failures.pop(_name_of(parcel), None)
        return said

    async def _whose_fault(self, parcel: Parcel, said: Later) -> Meaning:
        """After some failures in a row: the batch's, if a single point can be written there, else the server's."""
        if said.wait is not None:
            return said
        name = _name_of(parcel)
        count = self._failures.pop(name, 0) + 1
        if len(self._failures) >= _MAX_REMEMBERED:
            self._failures.clear()
        self._failures[name] = count
        # A half of what was at fault is suspected at once; a single point only after as many failures as anything.
        is_suspected = len(parcel.items) > 1 and self._clock.monotonic() < self._suspicious_until
        if count < _ENOUGH_FAILURES and not is_suspected:
            return said
        if not await self._canary.is_taken(parcel.bucket, parcel.items[0].left.time):
            return said
        again = await self._post(parcel)  # the server may have come back in this moment
        if not isinstance(again, Later) or again.wait is not None:
            self._failures.pop(name, None)
            return again
        logger.warning("InfluxDB takes a single point, but not this batch", extra={"reason": said.reason})
        self._failures.pop(name, None)  # the first of its parts has the same name, and failed at nothing yet
        self._suspicious_until = self._clock.monotonic() + _SUSPICIOUS_SECONDS
        return Indivisible(f"InfluxDB takes others, but not this: {said.reason}")

    async def _post(self, parcel: Parcel) -> Meaning:
        body = parcel.body
        is_gzip = len(body) >= _WORTH_COMPRESSING and self._clock.monotonic() >= self._plain_until
        said = await self._ask(parcel, body, is_gzip=is_gzip)
        if is_gzip and isinstance(said, Later) and said.may_be_gzip:
            said = await self._ask(parcel, body, is_gzip=False)
            if not isinstance(said, Later):
                self._plain_until = self._clock.monotonic() + _PLAIN_SECONDS
                logger.warning("InfluxDB, or what stands before it, cannot read compressed points; they go plain now")
        return said

    async def _ask(self, parcel: Parcel, body: bytes, *, is_gzip: bool) -> Meaning:
        if is_gzip:
            many = len(body) > _MANY_BYTES
            body = await asyncio.to_thread(gzip.compress, body, 1) if many else gzip.compress(body, 1)
        try:
            answer = await self._connection.write(parcel.bucket, body, is_gzip=is_gzip)
        except StoreUnavailable as error:
            return Later(error.message)
        asked = Asked(parcel.bucket, self._connection.settings.org, parcel.lines)
        return meaning(answer.status, answer.headers, answer.body, asked, self._clock.now())


def _name_of(parcel: Parcel) -> tuple[str, str]:
    """Stays the same for a batch and its first half, however it is put together next time."""
    return parcel.bucket, parcel.items[0].line[:1_000]
