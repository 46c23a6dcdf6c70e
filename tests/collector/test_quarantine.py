"""What is refused is kept with its reason, bounded, and stops nobody."""

import json
import math
from pathlib import Path

import pytest

from collector.quarantine import Quarantine
from telemetry.points import Point
from telemetry.ports import Refused
from tests.collector.doubles import START, SetClock, load


def refused(reason: str = "type conflict", point: Point | None = None) -> list[Refused]:
    return [Refused(point or load(0), reason)]


def test_an_item_is_kept_with_all_that_is_needed_to_replay_it(tmp_path: Path) -> None:
    """One JSON line: when, where from, why, and the point itself."""
    Quarantine(tmp_path / "quarantine", SetClock().clock).add(refused(), "store")
    (path,) = (tmp_path / "quarantine").iterdir()

    assert path.name == "points-20261124.jsonl"
    assert json.loads(path.read_text()) == {
        "time": "2026-11-24T12:00:00+00:00",
        "source": "store",
        "reason": "type conflict",
        "measurement": "system",
        "tags": {"host": "web"},
        "fields": {"load1": 0.0},
        "point_time": "2026-11-24T12:00:00Z",
    }


def test_the_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    """Neither the folder nor a file in it is readable by others."""
    Quarantine(tmp_path / "quarantine", SetClock().clock).add(refused(), "store")
    (path,) = (tmp_path / "quarantine").iterdir()

    assert (path.parent.stat().st_mode & 0o777, path.stat().st_mode & 0o777) == (0o700, 0o600)


@pytest.mark.parametrize(
    "point",
    [
        Point.of("system", {"host": "h"}, {"load1": math.nan}, START),
        Point.of("system", {"host": "h"}, {"load1": -math.inf}, START),
        Point.of("system", {"host": "h"}, {"load1": 1.0}, 2**80),
        Point.of("system", {"host": "\udcff\x00\n"}, {"load1": 1.0}, -(2**63)),
        Point.of("system", {}, {"load1": object()}, START),  # type: ignore[dict-item]
    ],
    ids=["nan", "infinity", "no such time", "no such text", "no such type"],
)
def test_what_no_format_can_hold_is_kept_all_the_same(tmp_path: Path, point: Point) -> None:
    """Just the strangest points end here: each is one line of strict JSON."""
    quarantine = Quarantine(tmp_path, SetClock().clock)
    quarantine.add(refused(point=point), "spool")
    (path,) = tmp_path.iterdir()

    def no_constants(name: str) -> None:
        raise AssertionError(name)

    assert json.loads(path.read_text(), parse_constant=no_constants)["reason"] == "type conflict"
    assert path.read_text().count("\n") == 1


def test_each_day_has_its_file(tmp_path: Path) -> None:
    """What is refused after midnight UTC goes to the next file."""
    clock = SetClock()
    quarantine = Quarantine(tmp_path, clock.clock)
    quarantine.add(refused(), "store")
    clock.advance(86_400)
    quarantine.add_bytes(b"\x00\xff", "broken", "spool")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["points-20261124.jsonl", "points-20261125.jsonl"]
    assert json.loads((tmp_path / "points-20261125.jsonl").read_text())["payload"] == "00ff"


def test_a_line_that_a_kill_cut_short_does_not_spoil_the_next(tmp_path: Path) -> None:
    """After half a line the next item begins on a line of its own."""
    (tmp_path / "points-20261124.jsonl").write_text('{"time": "2026-')
    Quarantine(tmp_path, SetClock().clock).add(refused(), "store")

    assert [line[:9] for line in (tmp_path / "points-20261124.jsonl").read_text().splitlines()] == [
        '{"time": ',
        '{"time": ',
    ]


def test_g2_the_oldest_day_makes_room(tmp_path: Path) -> None:
    """The folder stays below its cap; old days go before today's items are turned away."""
    clock = SetClock()
    quarantine = Quarantine(tmp_path, clock.clock, max_bytes=1_000)
    for _ in range(6):
        quarantine.add(refused("x" * 200), "store")
        clock.advance(86_400)

    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 1_000
    assert max(path.name for path in tmp_path.iterdir()) == "points-20261129.jsonl"
    assert quarantine.unwritten_points == 0


def test_g2_past_the_cap_items_are_only_counted(tmp_path: Path) -> None:
    """One day cannot fill the disk; what is not kept is counted, and said once."""
    quarantine = Quarantine(tmp_path, SetClock().clock, max_bytes=1_000)
    for _ in range(10):
        quarantine.add(refused("x" * 200), "store")

    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 1_000
    assert quarantine.refused_points == 10
    assert 0 < quarantine.unwritten_points < 10


def test_g7_a_quarantine_that_cannot_be_written_stops_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With a file in the place of its folder it counts and goes on, and tells once."""
    (tmp_path / "quarantine").write_text("")
    quarantine = Quarantine(tmp_path / "quarantine", SetClock().clock)
    for _ in range(3):
        quarantine.add(refused(), "store")

    assert quarantine.unwritten_points == 3
    assert len(caplog.records) == 1
