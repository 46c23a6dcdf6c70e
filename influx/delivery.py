"""One parcel's delivery: what InfluxDB names as bad is taken out, until it takes the rest. Shell."""

from __future__ import annotations

from collections.abc import Sequence

from influx.encoder import Encoder
from influx.parcel import Item, Parcel, Refusals
from influx.sender import Sender
from influx.write_answers import BadField, BadLines, Closed, Indivisible, Later, Meaning, Taken, TooOld
from telemetry.points import Point
from telemetry.ports import WriteOutcome, WriteStatus

_MAX_ROUNDS = 50  # requests for one parcel of which something is taken out each time


class Delivery:
    """Make one for each parcel, and `run` it once."""

    def __init__(self, parcel: Parcel, sender: Sender, encoder: Encoder) -> None:
        self._parcel = parcel
        self._sender = sender
        self._encoder = encoder
        self._refusals = Refusals()
        self._was_cut = False

    async def run(self) -> WriteOutcome:
        """What became of it; POISON never, since a point that is refused is named in PARTIAL."""
        for _ in range(_MAX_ROUNDS):
            if not self._parcel.items:
                return self._refusals.outcome()
            said = await self._sender.send(self._parcel)
            if isinstance(said, Taken):
                return self._refusals.outcome()
            if (ended := await self._take_out(said)) is not None:
                return ended
        return WriteOutcome(WriteStatus.SPLIT, "InfluxDB finds fault with one thing after the other")

    async def _take_out(self, said: Meaning) -> WriteOutcome | None:
        """Take out what the answer names; the outcome where nothing more is to be sent."""
        match said:
            case BadField():
                return await self._take_field_out(said)
            case BadLines(reasons) if not self._was_cut or len(self._parcel.items) == 1:
                self._was_cut = True
                return self._refuse([(self._parcel.items[number], reason) for number, reason in reasons.items()], "")
            case BadLines():
                return self._halved("some of its lines cannot be parsed")
            case TooOld(bound, reason):
                return self._refuse([(item, reason) for item in self._parcel.items if item.left.time < bound], reason)
            case Indivisible(reason):
                return self._halved(reason)
        return _ended(said)

    def _refuse(self, reasons: Sequence[tuple[Item, str]], said: str) -> WriteOutcome | None:
        if not reasons:  # it names what is not there, so nobody knows what it means
            return self._halved(said)
        for item, reason in reasons:
            self._refusals.add(item, reason)
        bad = {id(item) for item, _ in reasons}
        self._parcel = self._parcel.only(lambda item: id(item) not in bad)
        return None

    def _halved(self, reason: str) -> WriteOutcome | None:
        if len(self._parcel.items) == 1:
            return self._refuse([(self._parcel.items[0], reason)], reason)
        return WriteOutcome(WriteStatus.SPLIT, reason)

    async def _take_field_out(self, said: BadField) -> WriteOutcome | None:
        """Refuse the points for this field, and keep their other fields."""
        having = self._parcel.with_field(said.measurement, said.field, said.longer_than)
        bad = list(having.items)
        hours = having.by_hour()
        if len(hours) > 1 and said.longer_than < 0:
            # The day may be several shards, and the field of another type in one of them only.
            bad = []
            for hour in hours:
                answer = await self._sender.send(hour.changed(self._encoder, lambda item: _only(item.left, said.field)))
                if (ended := _ended(answer)) is not None:
                    return ended
                # Were there a conflict, it would hide what is too old; that is seen when all is sent again.
                bad += () if isinstance(answer, Taken | TooOld) else hour.items
        if not bad:
            return self._halved(said.reason)
        for item in bad:
            self._refusals.add(item, said.reason)
        numbers = {id(item) for item in bad}
        self._parcel = self._parcel.changed(
            self._encoder, lambda item: _without(item.left, said.field) if id(item) in numbers else item.left
        )
        return None


def _ended(said: Meaning) -> WriteOutcome | None:
    match said:
        case Later(reason, wait):
            return WriteOutcome(WriteStatus.RETRY, reason, wait)
        case Closed(reason):
            return WriteOutcome(WriteStatus.PAUSE, reason)
    return None


def _only(point: Point, name: str) -> Point:
    return Point(point.measurement, point.tags, {name: point.fields[name]}, point.time)


def _without(point: Point, name: str) -> Point:
    fields = {field: value for field, value in point.fields.items() if field != name}
    return Point(point.measurement, point.tags, fields, point.time)
