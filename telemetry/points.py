"""Point: what is written. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Tags = tuple[tuple[str, str], ...]
FieldValue = float | int | str


@dataclass(frozen=True, slots=True)
class Point:
    """One observation: a measurement, sorted tags without empty values, fields, and a time in ns since 1970 UTC.

    Build it with `Point.of`, which sorts; the constructor trusts its caller.
    """

    measurement: str
    tags: Tags
    fields: Mapping[str, FieldValue]
    time: int

    @classmethod
    def of(cls, measurement: str, tags: Mapping[str, str], fields: Mapping[str, FieldValue], time: int) -> Point:
        """A point with its tags in canonical order; an empty tag is no tag, as in InfluxDB."""
        return cls(measurement, canonical_tags(tags), dict(fields), time)


def canonical_tags(tags: Mapping[str, str]) -> Tags:
    """Tags sorted by name, without those that are empty."""
    return tuple(sorted((name, value) for name, value in tags.items() if value))
