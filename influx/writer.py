"""InfluxWriter: points into the buckets of their classes, and what InfluxDB says of them as an outcome. Shell."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from influx.canary import Canary
from influx.connection import InfluxConnection
from influx.delivery import Delivery
from influx.encoder import Encoder
from influx.parcel import parcels, partial, together
from influx.sender import Sender
from telemetry.clock import Clock
from telemetry.points import Point
from telemetry.ports import WRITTEN, WriteOutcome, WriteStatus
from telemetry.schema import MeasurementClass, Registry

_MANY_POINTS = 500  # from here on they are encoded in a thread
_PROVE_AGAIN = 5.0  # seconds that the answer of a canary that failed is good for


class InfluxWriter:
    """A PointWriter. It writes nothing before the canary has come back, and quarantines nothing itself."""

    def __init__(self, connection: InfluxConnection, registry: Registry, clock: Clock, canary: Canary) -> None:
        self._settings = connection.settings
        self._registry = registry
        self._clock = clock
        self._canary = canary
        self._encoder = Encoder(registry)
        self._sender = Sender(connection, clock, canary)
        self._held = ""
        self._is_proven = False
        self._proving = asyncio.Lock()
        self._proof = WRITTEN
        self._proof_until = 0.0

    def hold(self, reason: str) -> None:
        """From now on answer PAUSE with this reason; an empty one lets writes go on."""
        self._held = reason

    def doubt(self, reason: str) -> None:
        """It does not answer now: what is not proven yet is told so for some seconds, without asking."""
        self._proof = WriteOutcome(WriteStatus.RETRY, reason)
        self._proof_until = self._clock.monotonic() + _PROVE_AGAIN

    async def prove(self) -> WriteOutcome:
        """Send the canary, and keep everything back while it is lost; for whoever looks after the store regularly."""
        async with self._proving:
            return await self._prove()

    async def write(self, points: Sequence[Point]) -> WriteOutcome:
        """Every point where it belongs; does not raise for InfluxDB's troubles.

        PARTIAL names the points of which InfluxDB will never take something; their other fields are stored. RETRY and
        PAUSE are said where they hold for any part, SPLIT where any part is to be halved: all of it may be sent again.
        """
        if self._held:
            return WriteOutcome(WriteStatus.PAUSE, self._held)
        if not points:
            return WRITTEN
        if not self._is_proven and (proof := await self._first_proof()).status is not WriteStatus.OK:
            return proof
        work = (points, self._encoder, self._bucket)
        made, refused = await asyncio.to_thread(parcels, *work) if len(points) > _MANY_POINTS else parcels(*work)
        outcomes = [partial(refused)]
        for parcel in made:
            outcomes.append(await Delivery(parcel, self._sender, self._encoder).run())
            if outcomes[-1].status is WriteStatus.RETRY:  # it is in trouble: the rest would be more of it
                break
        return together(outcomes)

    async def _first_proof(self) -> WriteOutcome:
        async with self._proving:
            if self._is_proven or self._clock.monotonic() < self._proof_until:  # another write has asked meanwhile
                return self._proof
            return await self._prove()

    async def _prove(self) -> WriteOutcome:
        self._proof = await self._canary.check()
        self._proof_until = self._clock.monotonic() + _PROVE_AGAIN
        if self._proof.status is not WriteStatus.RETRY:  # that says nothing of what it keeps
            self._is_proven = self._proof.status is WriteStatus.OK
        return self._proof

    def _bucket(self, measurement: str) -> str:
        known = self._registry.get(measurement)
        return self._settings.bucket(known.measurement_class if known else MeasurementClass.METRICS)
