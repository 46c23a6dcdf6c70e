"""What the spool's rows are labelled with: the lanes of their points. Pure.

A label only spares reading the rows of other lanes; what lane a point belongs to is always asked of `lane_of`. So a
label that somebody else wrote, who knows no lanes or others, is replaced when its row is read first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from collector.spool_codec import LaneOf
from telemetry.points import Point

_BETWEEN = "\x1f"  # the names of a row that holds points of several lanes


class Labels:
    """Remembers which labels stand for which lanes; a handful, as there are a handful of lanes."""

    def __init__(self, lane_of: LaneOf) -> None:
        self.lane_of = lane_of
        self._lanes: dict[str, frozenset[str]] = {}

    def of(self, points: Iterable[Point]) -> str:
        """The label of a row with these points."""
        lanes = frozenset(map(self.lane_of, points))
        label = _BETWEEN.join(sorted(lanes))
        self._lanes[label] = lanes
        return label

    def lanes(self, label: str) -> frozenset[str]:
        """The lanes of a label; none of one that is not known."""
        return self._lanes.get(label, frozenset())

    @property
    def known(self) -> Sequence[str]:
        return list(self._lanes)

    def without(self, lane: str) -> Sequence[str]:
        """The known labels of rows that have nothing of this lane."""
        return [label for label, lanes in self._lanes.items() if lane not in lanes]
