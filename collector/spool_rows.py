"""Batches as rows of the spool's table, and back. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from collector.spool_codec import ENCODING, ONE_LANE, Packed, checksum, decode
from telemetry.points import Point

_ROW_BYTES = 100  # what a row takes beside its payload, about


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """Committed points, and the rows that hold them; `created` is when the oldest of them was made (ns)."""

    identifiers: tuple[int, ...]
    points: tuple[Point, ...]
    created: int
    lane: str = ONE_LANE
    shared: frozenset[int] = frozenset()  # those of the rows that hold points of other lanes as well

    @property
    def first(self) -> int:
        """The number of its first row, by which it is known."""
        return self.identifiers[0]


@dataclass(frozen=True, slots=True)
class BrokenBatch:
    """A row that cannot be read, and why."""

    identifier: int
    payload: bytes
    reason: str


def by_measurement(sources: Any, points: int) -> Mapping[str, int]:
    """How many points of each measurement a row holds, as far as that can be read."""
    try:
        return {str(name): int(count) for name, count in json.loads(sources).items()}
    except (ValueError, TypeError, AttributeError):
        return {"unreadable": points}


def values_of(packed: Packed, label: str, created: int) -> tuple[object, ...]:
    """A row, in the order of the table's columns but for its number."""
    times = [point.time for point in packed.points]
    sources = json.dumps(packed.sources)
    return (
        label,
        created,
        min(times),
        max(times),
        len(packed.points),
        len(packed.payload) + len(sources) + _ROW_BYTES,
        sources,
        checksum(packed.payload),
        ENCODING,
        packed.payload,
    )


def read_row(identifier: int, payload: Any, expected: Any, encoding: Any) -> list[Point] | BrokenBatch:
    """The points of a row, at least one; or what is wrong with it."""
    if not isinstance(payload, bytes):
        return BrokenBatch(identifier, str(payload).encode("utf-8", "replace"), "the payload is not bytes")
    if checksum(payload) != expected:
        return BrokenBatch(identifier, payload, "the checksum does not fit: the row was damaged on disk")
    try:
        points = decode(payload, encoding)
    except ValueError as error:
        return BrokenBatch(identifier, payload, str(error))
    return points or BrokenBatch(identifier, payload, "the batch is empty")
