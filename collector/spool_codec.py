"""How batches of points are written into rows of the spool. Pure.

Encoding `json1`: a JSON array of `[measurement, {tag: value}, {field: value}, time]`. JSON keeps whole numbers,
doubles (shortest text that reads back to the same bits) and text apart, which is what a point needs.
"""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from pydantic_core import to_json

from telemetry.points import FieldValue, Point
from telemetry.ports import Refused

ENCODING = "json1"
NANOSECONDS_PER_DAY = 86_400 * 1_000_000_000
MAX_POINTS = 5_000  # of one row
MAX_BYTES = 10_000_000  # of one row (design.md 5)
ONE_LANE = "store"  # the lane of every point where a destination is one

LaneOf = Callable[[Point], str]


def one_lane(point: Point) -> str:  # noqa: ARG001 (it is the same for all)
    """The lane of a point whose destination is as well or as unwell for it as for every other."""
    return ONE_LANE


@dataclass(frozen=True, slots=True)
class Packed:
    """One row to be: its points and their bytes."""

    points: tuple[Point, ...]
    payload: bytes
    lane: str = ONE_LANE

    @property
    def sources(self) -> Counter[str]:
        """How many points of each measurement."""
        return Counter(point.measurement for point in self.points)


def pack(points: Iterable[Point], lane_of: LaneOf = one_lane) -> tuple[list[Packed], list[Refused]]:
    """Points as rows, each of one lane and one UTC day; one that cannot be written is refused, its neighbours go on."""
    packed: list[Packed] = []
    refused: list[Refused] = []
    for lane, some in by_lane(points, lane_of).items():
        rows, bad = _pack(some, lane)
        packed += rows
        refused += bad
    return packed, refused


def by_lane(points: Iterable[Point], lane_of: LaneOf) -> dict[str, list[Point]]:
    """The points of each lane, in their order."""
    found: dict[str, list[Point]] = {}
    for point in points:
        found.setdefault(lane_of(point), []).append(point)
    return found


def _pack(points: list[Point], lane: str) -> tuple[list[Packed], list[Refused]]:
    packed: list[Packed] = []
    refused: list[Refused] = []
    # A stack instead of recursion: what cannot be one row is halved until it can, or is a single point.
    waiting = [day[at : at + MAX_POINTS] for day in by_day(points) for at in range(0, len(day), MAX_POINTS)][::-1]
    while waiting:
        batch = waiting.pop()
        try:
            packed.append(Packed(tuple(batch), encode(batch), lane))
        except (ValueError, TypeError, RecursionError) as error:
            if len(batch) == 1:
                refused.append(Refused(batch[0], f"the spool cannot hold it: {error}"))
            else:
                middle = len(batch) // 2
                waiting += [batch[middle:], batch[:middle]]
    return packed, refused


def encode(points: Sequence[Point]) -> bytes:
    """The points as bytes, exact.

    Raises ValueError or TypeError for NaN, infinities, times beyond 64 bits, and more than MAX_BYTES.
    """
    for point in points:
        if not -(2**63) <= point.time < 2**63:
            raise ValueError("the time does not fit 64 bits")
    payload = _json([(point.measurement, dict(point.tags), point.fields, point.time) for point in points])
    if len(payload) > MAX_BYTES:
        raise ValueError(f"{len(payload):,} bytes are more than {MAX_BYTES:,}")
    return payload


def _json(rows: list[tuple[object, ...]]) -> bytes:
    # Three times as fast as the standard library; but it writes NaN as NaN, and knows no lone surrogates.
    try:
        payload = to_json(rows)
    except ValueError:
        payload = b"NaN"
    if b"NaN" in payload or b"Infinity" in payload:
        return json.dumps(rows, separators=(",", ":"), allow_nan=False).encode("ascii")
    return payload


def decode(payload: bytes, encoding: str) -> list[Point]:
    """The points of a row. Raises ValueError for anything that `encode` did not write."""
    if encoding != ENCODING:
        raise ValueError(f"the encoding {encoding!r} is not known to this version")
    try:
        return [_point(*row) for row in json.loads(payload)]
    except (TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"the batch is not a list of points: {error}") from error


def checksum(payload: bytes) -> int:
    """CRC-32 (ISO 3309): finds flipped bits; it is no protection against people."""
    return zlib.crc32(payload)


def by_day(points: Iterable[Point]) -> list[list[Point]]:
    """The points in batches of which none crosses a UTC day, so that one answer of a store concerns one shard."""
    points = list(points)
    times = [point.time // NANOSECONDS_PER_DAY for point in points]
    if times and min(times) == max(times):
        return [points]
    return [list(group) for _, group in groupby(sorted(points, key=day_of), key=day_of)]


def day_of(point: Point) -> int:
    """The UTC day of a point, in days since 1970."""
    return point.time // NANOSECONDS_PER_DAY


def _point(measurement: str, tags: dict[str, str], fields: dict[str, FieldValue], time: int) -> Point:
    texts = (measurement, *tags, *tags.values(), *fields)
    if not all(isinstance(text, str) for text in texts) or type(time) is not int:
        raise TypeError("a name, a tag or a time is of another type")
    if not all(isinstance(value, float | int | str) for value in fields.values()):
        raise TypeError("a field is neither number nor text")
    return Point(measurement, tuple(tags.items()), fields, time)
