"""How a batch of points is written into one row of the spool. Pure.

Encoding `json1`: a JSON array of `[measurement, {tag: value}, {field: value}, time]`. JSON keeps whole numbers,
doubles (shortest text that reads back to the same bits) and text apart, which is what a point needs.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Sequence
from itertools import groupby

from telemetry.points import Point

ENCODING = "json1"
NANOSECONDS_PER_DAY = 86_400 * 1_000_000_000


def encode(points: Sequence[Point]) -> bytes:
    """The points as bytes; exact."""
    rows = [(point.measurement, dict(point.tags), point.fields, point.time) for point in points]
    return json.dumps(rows, separators=(",", ":"), allow_nan=False).encode("ascii")


def decode(payload: bytes, encoding: str) -> list[Point]:
    """The points of a row. Raises ValueError for anything that `encode` did not write."""
    if encoding != ENCODING:
        raise ValueError(f"the encoding {encoding!r} is not known to this version")
    try:
        return [
            Point(str(measurement), tuple(tags.items()), dict(fields), int(time))
            for measurement, tags, fields, time in json.loads(payload)
        ]
    except (TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"the batch is not a list of points: {error}") from error


def checksum(payload: bytes) -> int:
    """CRC-32 (ISO 3309): finds flipped bits; it is no protection against people."""
    return zlib.crc32(payload)


def by_day(points: Iterable[Point]) -> list[list[Point]]:
    """The points in batches of which none crosses a UTC day, so that one answer of a store concerns one shard."""

    def day(point: Point) -> int:
        return point.time // NANOSECONDS_PER_DAY

    return [list(group) for _, group in groupby(sorted(points, key=day), key=day)]
