"""Parcels: points for one bucket and one UTC day with their lines, and what is taken out of them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from influx.encoder import Encoder
from telemetry.points import Point
from telemetry.ports import WRITTEN, Refused, WriteOutcome, WriteStatus

MAX_BYTES = 10_000_000  # of one request, plain: InfluxDB has no limit of its own, and falls over one day
_NANOSECONDS_PER_HOUR = 3_600 * 1_000_000_000
_NANOSECONDS_PER_DAY = 24 * _NANOSECONDS_PER_HOUR
# What a batch has become when its parts have become this: the first that any of them has.
_WORST_FIRST = (WriteStatus.PAUSE, WriteStatus.RETRY, WriteStatus.SPLIT, WriteStatus.POISON)


@dataclass(frozen=True, slots=True)
class Item:
    """A point as it was given, what of it is still to be written, and the line of that."""

    given: Point
    left: Point
    line: str


@dataclass(frozen=True, slots=True)
class Parcel:
    """What one request holds: of one UTC day, so that one answer is about one shard, or about a few of its hours."""

    bucket: str
    items: tuple[Item, ...]

    @property
    def lines(self) -> Sequence[str]:
        return [item.line for item in self.items]

    @property
    def body(self) -> bytes:
        return "\n".join(self.lines).encode("utf-8")

    def only(self, holds: Callable[[Item], bool]) -> Parcel:
        """The items for which it holds."""
        return replace(self, items=tuple(item for item in self.items if holds(item)))

    def with_field(self, measurement: str, name: str, longer_than: int = -1) -> Parcel:
        """The items that have this field, in a text of more bytes than that."""

        def has(item: Item) -> bool:
            if item.left.measurement != measurement or name not in item.left.fields:
                return False
            value = item.left.fields[name]
            return longer_than < 0 or (isinstance(value, str) and len(value.encode("utf-8")) > longer_than)

        return self.only(has)

    def by_hour(self) -> list[Parcel]:
        """In the smallest shards that InfluxDB makes."""
        hours: dict[int, list[Item]] = {}
        for item in self.items:
            hours.setdefault(item.left.time // _NANOSECONDS_PER_HOUR, []).append(item)
        return [replace(self, items=tuple(items)) for items in hours.values()]

    def changed(self, encoder: Encoder, change: Callable[[Item], Point]) -> Parcel:
        """With another point left of each item; one of which nothing is left, or no line can be made, is gone."""
        items = []
        for item in self.items:
            left = change(item)
            if left is item.left:
                items.append(item)
            elif left.fields and (lines := encoder.encode([left]).lines):
                items.append(Item(item.given, left, lines[0]))
        return replace(self, items=tuple(items))

    def cut(self) -> list[Parcel]:
        """Parcels of at most MAX_BYTES each, unless a single line is longer."""
        done, waiting = [], [self]
        while waiting:
            parcel = waiting.pop()
            if len(parcel.items) > 1 and len(parcel.body) > MAX_BYTES:
                middle = len(parcel.items) // 2
                waiting += [replace(self, items=parcel.items[middle:]), replace(self, items=parcel.items[:middle])]
            else:
                done.append(parcel)
        return done


@dataclass(slots=True)
class Refusals:
    """Points that are refused, each once with all its reasons, as they were given."""

    _found: dict[int, Refused] = field(default_factory=dict)

    def add(self, item: Item, reason: str) -> None:
        known = self._found.get(id(item.given))
        words = reason if known is None else f"{known.reason}; {reason}"
        self._found[id(item.given)] = Refused(item.given, words)

    def outcome(self) -> WriteOutcome:
        """All else was taken."""
        return partial(tuple(self._found.values()))


def partial(refused: Sequence[Refused]) -> WriteOutcome:
    """All was taken but for these."""
    return WriteOutcome(WriteStatus.PARTIAL, refused[0].reason, refused=tuple(refused)) if refused else WRITTEN


def parcels(
    points: Iterable[Point], encoder: Encoder, bucket_of: Callable[[str], str]
) -> tuple[list[Parcel], list[Refused]]:
    """The points by bucket and UTC day, in the order of their first ones; and those that no line can be made of."""
    encoded = encoder.encode(points)
    buckets: dict[str, str] = {}
    groups: dict[tuple[str, int], list[Item]] = {}
    for point, line in zip(encoded.points, encoded.lines, strict=True):
        bucket = buckets.get(point.measurement)
        if bucket is None:
            bucket = buckets[point.measurement] = bucket_of(point.measurement)
        groups.setdefault((bucket, point.time // _NANOSECONDS_PER_DAY), []).append(Item(point, point, line))
    made = [one for (bucket, _), items in groups.items() for one in Parcel(bucket, tuple(items)).cut()]
    return made, encoded.refused


def together(outcomes: Sequence[WriteOutcome]) -> WriteOutcome:
    """What became of a batch of which the parts became this. Nothing is lost where it is written again as a whole."""
    for status in _WORST_FIRST:
        if found := [one for one in outcomes if one.status is status]:
            messages = dict.fromkeys(one.message for one in found if one.message)
            waits = [one.retry_after for one in outcomes if one.retry_after is not None]
            return WriteOutcome(status, "; ".join(messages), max(waits, default=None))
    return partial([refused for one in outcomes for refused in one.refused])
