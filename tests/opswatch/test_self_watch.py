"""What OpsWatch finds wrong with itself is a point, so that it can be alerted on, and a sentence on the status page."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from opswatch.self_watch import SelfWatch, Watched
from telemetry.clock import Clock
from telemetry.measurements import BUILT_IN
from telemetry.points import Point
from telemetry.rollup import FIVE_MINUTES, LEVELS, ONE_HOUR, Level
from telemetry.store_status import LevelStatus, StoreCondition

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def standing(level: Level, lag_s: float) -> LevelStatus:
    return LevelStatus(level.name, NOW - timedelta(seconds=lag_s), lag_s, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("level", "lag_s", "is_late"),
    [
        (FIVE_MINUTES, 660.0, False),  # two steps, and the minute that a window is given
        (FIVE_MINUTES, 660.1, True),
        (ONE_HOUR, 7_320.0, False),
        (ONE_HOUR, 7_320.1, True),
        (ONE_HOUR, 0.0, False),  # nothing was ever made, or it is not known yet
    ],
)
def test_a_level_is_late_when_it_is_older_than_twice_its_step(level: Level, lag_s: float, is_late: bool) -> None:
    """And the time that its windows are given before they are made."""
    assert standing(level, lag_s).is_late(level) is is_late


@dataclass
class Figures:
    """Of a store whose levels stand so."""

    levels: tuple[LevelStatus, ...]

    def condition(self, now: datetime) -> StoreCondition:
        del now
        return StoreCondition(levels=self.levels)

    def server_points(self) -> tuple[Point, ...]:
        return ()


@dataclass
class Storage:
    figures: Figures
    kind: str = "influxdb"


def test_a_late_level_is_a_point_that_says_why() -> None:
    """One for each level at each sample, active or not: what stops is seen too."""
    storage = Storage(Figures((standing(FIVE_MINUTES, 7_000.0), standing(ONE_HOUR, 7_000.0))))
    parts = Watched(*cast("list[Any]", [storage, None, None, None, None, None, None, None, None, None]))
    watch = SelfWatch(parts, BUILT_IN, Clock(lambda: NOW, lambda: 0.0), "here")
    points = [one for one in watch._rollup_points(NOW, 7) if one.measurement == "opswatch_trouble"]

    assert [dict(one.tags) for one in points] == [
        {"host": "here", "kind": "rollup_late", "subject": level.name} for level in LEVELS
    ]
    assert [one.fields["active"] for one in points] == [1, 0]
    assert points[0].fields["reason"] == (
        "the rolled-up level 5m is 1 h 56 min behind, made up to 2026-11-26 10:03 UTC; queries read finer levels"
        " meanwhile, and samples that are deleted before it is made are in no level"
    )
    for one in points:
        BUILT_IN.coerce(one)
