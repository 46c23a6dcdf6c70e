"""How many series a measurement may have: the guard against a tag that has a value of its own for everything. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from telemetry.errors import PointRejected
from telemetry.points import Tags
from telemetry.schema import Measurement


class SeriesBudget:
    """Remembers the tag sets of each measurement up to its budget, by their hashes, and no more: memory is bounded.

    `known` are those that the store has, as (measurement, tags): a restart begins with them.
    """

    def __init__(self, known: Iterable[tuple[str, Tags]] = ()) -> None:
        self._seen: dict[str, set[int]] = defaultdict(set)
        self._values: dict[str, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
        for measurement, tags in known:
            self._add(measurement, tags)

    def check(self, measurement: Measurement, tags: Tags) -> None:
        """Raise PointRejected, naming the tag with the most values, for a tag set beyond the budget."""
        seen, key = self._seen[measurement.name], hash(tags)
        if key in seen:
            return
        if len(seen) >= measurement.budget:
            values = self._values[measurement.name]
            worst = max(values, key=lambda tag: len(values[tag]), default="")
            raise PointRejected(
                f"{measurement.name} has {len(seen):,} tag sets, all that it may have; tag {worst!r} alone has"
                f" {len(values.get(worst, ())):,} values: what is different each time belongs into a field",
                field=worst,
            )
        self._add(measurement.name, tags)

    def _add(self, measurement: str, tags: Tags) -> None:
        self._seen[measurement].add(hash(tags))
        for name, value in tags:
            self._values[measurement][name].add(hash(value))
