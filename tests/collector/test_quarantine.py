"""What is refused is kept with its reason, bounded, and stops nobody."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest

from collector.quarantine import MAX_PAGE_BYTES, Quarantine
from telemetry.errors import InvalidRequest, NotFound
from telemetry.points import Point
from telemetry.ports import Refused
from telemetry.quarantine import QuarantinedItem, QuarantineQuery
from tests.collector.doubles import SECOND, START, SetClock, load


def refused(reason: str = "type conflict", point: Point | None = None) -> list[Refused]:
    return [Refused(point or load(0), reason)]


def test_an_item_is_kept_with_all_that_is_needed_to_replay_it(tmp_path: Path) -> None:
    """One JSON line: when, where from, why, and the point itself."""
    Quarantine(tmp_path / "quarantine", SetClock().clock).add(refused(), "store")
    (path,) = (tmp_path / "quarantine").iterdir()

    assert path.name == "points-20261124.jsonl"
    kept = json.loads(path.read_text())
    assert re.fullmatch("20261124-[0-9a-f]{12}", kept.pop("id"))
    assert kept == {
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

    assert [line[:6] for line in (tmp_path / "points-20261124.jsonl").read_text().splitlines()] == [
        '{"time',
        '{"id":',
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
    page = quarantine.page(QuarantineQuery())
    assert page.count + page.unkept == 10


def test_g7_a_quarantine_that_cannot_be_written_stops_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With a file in the place of its folder it counts and goes on, and tells once."""
    (tmp_path / "quarantine").write_text("")
    quarantine = Quarantine(tmp_path / "quarantine", SetClock().clock)
    for _ in range(3):
        quarantine.add(refused(), "store")

    assert quarantine.unwritten_points == 3
    assert len(caplog.records) == 1


# What is in it


def everything(quarantine: Quarantine, query: QuarantineQuery) -> list[QuarantinedItem]:
    """All items that fit, page by page."""
    found: list[QuarantinedItem] = []
    while True:
        page = quarantine.page(query)
        assert len(page.items) <= query.limit
        found += page.items
        if not page.cursor:
            return found
        query = replace(query, cursor=page.cursor)


def filled(folder: Path, count: int = 10) -> tuple[Quarantine, SetClock]:
    """Items of three days, one after the other, by two who refuse, of two measurements."""
    clock = SetClock()
    quarantine = Quarantine(folder, clock.clock)
    for number in range(count):
        point = load(number, measurement="system" if number % 3 else "mem")
        quarantine.add([Refused(point, f"reason {number}")], "push" if number % 2 else "store")
        if number % 4 == 3:
            clock.advance(86_400)
    return quarantine, clock


@pytest.mark.parametrize("limit", [1, 3, 10, 11, 1_000])
def test_pages_of_any_size_hold_everything_once_the_newest_first(tmp_path: Path, limit: int) -> None:
    """Across the days' files; the count is that of all items, and the size that of the files."""
    quarantine, _ = filled(tmp_path)
    page = quarantine.page(QuarantineQuery(limit))

    assert [one.reason for one in everything(quarantine, QuarantineQuery(limit))] == [
        f"reason {number}" for number in reversed(range(10))
    ]
    assert (page.count, page.size) == (10, sum(path.stat().st_size for path in tmp_path.iterdir()))


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        (QuarantineQuery(2, source="push"), [9, 7, 5, 3, 1]),
        (QuarantineQuery(2, measurement="mem"), [9, 6, 3, 0]),
        (QuarantineQuery(1, source="store", measurement="mem"), [6, 0]),
        (QuarantineQuery(5, measurement="me"), []),
        (QuarantineQuery(5, source="nobody"), []),
    ],
)
def test_filters_hold_all_together(tmp_path: Path, query: QuarantineQuery, numbers: list[int]) -> None:
    """Who refused it, and the whole name of the measurement."""
    quarantine, _ = filled(tmp_path)

    assert [one.reason for one in everything(quarantine, query)] == [f"reason {number}" for number in numbers]


def test_what_comes_while_somebody_turns_pages_moves_nothing(tmp_path: Path) -> None:
    """A cursor names a place, not a number: new items come before it."""
    quarantine, _ = filled(tmp_path)
    first = quarantine.page(QuarantineQuery(4))
    quarantine.add(refused("new"), "store")
    rest = everything(quarantine, QuarantineQuery(4, first.cursor))

    assert [one.reason for one in (*first.items, *rest)] == [f"reason {number}" for number in reversed(range(10))]


@pytest.mark.parametrize("cursor", ["x", "20261124", "20261124-", "20261124--1", "2026112४-1", "../../etc-1", "1" * 99])
def test_a_cursor_that_nobody_gave_is_refused(tmp_path: Path, cursor: str) -> None:
    """By its name."""
    with pytest.raises(InvalidRequest) as raised:
        filled(tmp_path)[0].page(QuarantineQuery(cursor=cursor))
    assert raised.value.field == "cursor"


@pytest.mark.parametrize("cursor", ["20261124-0", "20261124-7", "19990101-5", "20990101-5", "20261124-999999999999"])
def test_a_cursor_into_nowhere_gives_whole_items_or_none(tmp_path: Path, cursor: str) -> None:
    """A file may have been copied meanwhile: nothing is read from the middle of a line."""
    quarantine, _ = filled(tmp_path)

    assert all(one.point is not None for one in quarantine.page(QuarantineQuery(cursor=cursor)).items)


def test_an_item_is_found_by_its_id_and_as_it_was(tmp_path: Path) -> None:
    """With its point, also one whose numbers JSON does not know."""
    strange = Point.of("system", {"host": "\u202e\n<b>"}, {"load1": math.inf, "n": 2**70, "text": "x"}, 2**80)
    quarantine = Quarantine(tmp_path, SetClock().clock)
    quarantine.add(refused(point=strange), "spool")
    (item,) = quarantine.page(QuarantineQuery()).items
    found = quarantine.find(item.id)

    assert found.item == item
    assert found.item.point == strange
    assert found.item.source == "spool"


@pytest.mark.parametrize("identifier", ["", "x", "20261124-000000000000", "../points", "20261124-00000000000\n", "*"])
def test_an_id_that_nothing_has_is_not_found(tmp_path: Path, identifier: str) -> None:
    """Whatever it looks like; it never becomes a path."""
    with pytest.raises(NotFound):
        filled(tmp_path)[0].find(identifier)


def test_a_large_point_is_listed_without_and_shown_with_its_point(tmp_path: Path) -> None:
    """A list reads the beginning of a line alone; the item itself is whole."""
    large = Point.of("probe", {"service": "a"}, {"message": "x" * 100_000}, START)
    quarantine = Quarantine(tmp_path, SetClock().clock)
    quarantine.add([Refused(large, "too long"), *refused("short")], "push")
    listed = quarantine.page(QuarantineQuery()).items

    assert [(one.reason, one.point is None) for one in listed] == [("short", False), ("too long", True)]
    assert listed[1].size > 100_000
    assert quarantine.find(listed[1].id).item.point == large
    assert [one.id for one in everything(quarantine, QuarantineQuery(measurement="probe"))] == [listed[1].id]


def test_a_point_too_large_to_be_kept_leaves_its_reason(tmp_path: Path) -> None:
    """And says so."""
    quarantine = Quarantine(tmp_path, SetClock().clock)
    quarantine.add([Refused(Point.of("probe", {}, {"message": "x" * 1_100_000}, START), "no")], "push")
    (item,) = quarantine.page(QuarantineQuery()).items

    assert (item.point, item.size < 1_000) == (None, True)
    assert "too large to be kept" in item.reason


def test_a_page_ends_early_where_items_are_large(tmp_path: Path) -> None:
    """Memory is bounded by bytes too, not by the number of items alone; the cursor leads on."""
    quarantine = Quarantine(tmp_path, SetClock().clock)
    for number in range(12):
        point = Point.of("probe", {}, {"message": "x" * 900_000}, START + number)
        quarantine.add([Refused(point, str(number))], "push")
    sizes = []
    query = QuarantineQuery(1_000)
    while True:
        page = quarantine.page(query)
        sizes.append(sum(one.size for one in page.items))
        query = replace(query, cursor=page.cursor)
        if not page.cursor:
            break

    assert max(sizes) < MAX_PAGE_BYTES + 1_000_000
    assert len(everything(quarantine, QuarantineQuery(1_000))) == 12


def test_a_reason_of_the_longest_kind_is_read_back(tmp_path: Path) -> None:
    """2,000 characters, each of which takes twelve bytes as JSON."""
    quarantine = Quarantine(tmp_path, SetClock().clock)
    quarantine.add(refused("\U0001f4a5" * 5_000, Point.of("probe", {}, {"message": "x" * 50_000}, START)), "store")
    (item,) = quarantine.page(QuarantineQuery()).items

    assert item.reason == "\U0001f4a5" * 1_999 + "…"
    assert quarantine.find(item.id).item.point is not None


# What somebody else wrote there

FOREIGN = [
    b"\x00\xff\xfe",
    b"{",
    b"[]",
    b"null",
    b'"text"',
    b"[" * 5_000,
    b'{"id": "../../etc/passwd", "time": "now", "source": 1}',
    b'{"id": "20261124-0123456789ab", "time": "yesterday", "source": "store", "reason": "x"}',
    b'{"id": "20261124-0123456789ab", "time": "9999-12-31T23:59:59+00:00", "source": "store", "reason": "x"}',
    b'{"time": "2026-11-24T12:00:00", "source": "\xff", "reason": "\\ud800"}',
    b'{"measurement": "m", "tags": {"a": 1}, "fields": {"f": 1}, "point_time": "1"}',
    b'{"measurement": "m", "tags": {}, "fields": {"f": [1]}, "point_time": "1"}',
    b'{"measurement": "m", "tags": {}, "fields": {}, "point_time": "1"}',
    b'{"measurement": ["m"], "tags": {}, "fields": {"f": 1}, "point_time": "1"}',
    b'{"measurement": "m", "tags": {}, "fields": {"f": 1}, "point_time": 1}',
    b'{"measurement": "m", "tags": {}, "fields": {"f": null}, "point_time": "x", "not_finite": ["f"]}',
]


@pytest.mark.parametrize("line", FOREIGN)
def test_a_foreign_line_is_an_item_that_can_be_removed(tmp_path: Path, line: bytes) -> None:
    """It is listed under an id of its bytes, found by it and taken out; its neighbours are as they were."""
    quarantine = Quarantine(tmp_path, SetClock().clock)
    quarantine.add(refused("before"), "store")
    with (tmp_path / "points-20261124.jsonl").open("ab") as stream:
        stream.write(line + b"\n")
    quarantine.add(refused("after"), "store")
    after, foreign, before = quarantine.page(QuarantineQuery()).items
    found = quarantine.find(foreign.id)

    assert [after.reason, before.reason] == ["after", "before"]
    assert (found.item, found.item.point) == (foreign, None)
    assert foreign.time is None or foreign.time.tzinfo is not None
    assert quarantine.remove([found]) == 1
    assert quarantine.page(QuarantineQuery()).items == (after, before)


def test_half_a_line_is_an_item_of_its_own(tmp_path: Path) -> None:
    """A kill in the middle of a write: what is left of it is seen, under the same id before and after the next."""
    quarantine, _ = filled(tmp_path, 1)
    path = tmp_path / "points-20261124.jsonl"
    path.write_bytes(path.read_bytes()[:-40])
    (half,) = quarantine.page(QuarantineQuery()).items
    quarantine.add(refused("next"), "store")

    assert quarantine.page(QuarantineQuery()).items[0].reason == "next"
    assert quarantine.find(half.id).item.point is None


def test_lines_of_the_first_version_have_an_id_that_stays(tmp_path: Path) -> None:
    """They had none; refused again they keep the one they were given, and are found by it."""
    quarantine = Quarantine(tmp_path, SetClock().clock)
    old = {"time": "2026-11-23T12:00:00+00:00", "source": "store", "reason": "old", "measurement": "system"}
    old |= {"tags": {"host": "web"}, "fields": {"load1": 0.0}, "point_time": "2026-11-23T12:00:00Z"}
    (tmp_path / "points-20261123.jsonl").write_text(json.dumps(old) + "\n")
    (item,) = quarantine.page(QuarantineQuery()).items
    quarantine.refuse_again([(quarantine.find(item.id), "new")])
    again = quarantine.find(item.id).item

    assert (item.reason, again.reason, again.id) == ("old", "new", item.id)
    assert again.point == item.point == Point.of("system", {"host": "web"}, {"load1": 0.0}, START - 86_400 * SECOND)
    assert [one.id for one in quarantine.page(QuarantineQuery()).items] == [item.id]


def test_files_of_other_names_are_left_alone(tmp_path: Path) -> None:
    """A copy that somebody made for themselves is neither listed nor deleted."""
    quarantine, _ = filled(tmp_path, 1)
    (tmp_path / "points-mine.jsonl").write_text('{"time": "x"}\n')
    quarantine.tidy()

    assert quarantine.page(QuarantineQuery()).count == 1
    assert (tmp_path / "points-mine.jsonl").exists()


# What is taken out, and what stays


def test_what_is_removed_is_gone_and_its_file_with_the_last(tmp_path: Path) -> None:
    """Once: whoever removes it again is told that it was not there."""
    quarantine, _ = filled(tmp_path, 4)
    items = [quarantine.find(one.id) for one in quarantine.page(QuarantineQuery()).items]

    assert quarantine.remove(items[:2]) == 2
    assert quarantine.remove(items[:2]) == 0
    assert [one.reason for one in quarantine.page(QuarantineQuery()).items] == ["reason 1", "reason 0"]
    assert quarantine.page(QuarantineQuery()).count == 2
    quarantine.remove(items[2:])
    quarantine.tidy()
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_mostly_removed_lines_is_copied_and_places_are_found_again(tmp_path: Path) -> None:
    """Its room comes back; somebody who looked before may still remove and read what stayed."""
    quarantine = Quarantine(tmp_path, SetClock().clock)
    for number in range(30):
        point = Point.of("probe", {}, {"message": f"{number}" + "x" * 60_000}, START)
        quarantine.add([Refused(point, str(number))], "push")
    found, _ = quarantine.select(QuarantineQuery(100))
    path = tmp_path / "points-20261124.jsonl"
    before = path.stat().st_size
    quarantine.remove([one for one in found if int(one.item.reason) % 3])
    quarantine.tidy()
    left = [one for one in found if int(one.item.reason) % 3 == 0]

    assert path.stat().st_size < before / 2
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.reason for one in quarantine.page(QuarantineQuery(100)).items] == [one.item.reason for one in left]
    for one in left[1:]:  # a place of the old file is never read as something else
        read = quarantine.whole(one.place)
        assert read is None or read.item.id == one.item.id
    assert quarantine.remove(left) == len(left)
    assert quarantine.page(QuarantineQuery()).count == 0


def test_what_a_killed_copy_left_is_removed(tmp_path: Path) -> None:
    """It would fill the disk, and nobody would see it."""
    quarantine, _ = filled(tmp_path, 1)
    (tmp_path / ".points-abcdef").write_text("x" * 1_000)
    quarantine.tidy()

    assert [path.name for path in tmp_path.iterdir()] == ["points-20261124.jsonl"]


def test_refused_again_an_item_keeps_its_id_and_gets_the_new_reason(tmp_path: Path) -> None:
    """At the new time; with the old reason nothing is written at all."""
    quarantine, clock = filled(tmp_path, 2)
    clock.advance(86_400)
    items = [quarantine.find(one.id) for one in quarantine.page(QuarantineQuery()).items]
    quarantine.refuse_again([(items[0], "another"), (items[1], items[1].item.reason)])
    after = quarantine.page(QuarantineQuery()).items

    assert [(one.id, one.reason) for one in after] == [(items[0].item.id, "another"), (items[1].item.id, "reason 0")]
    assert after[0].time is not None
    assert after[0].time.day == 25
    assert after[0].point == items[0].item.point


def test_g2_no_neighbour_is_deleted_to_write_a_new_reason(tmp_path: Path) -> None:
    """At the cap the oldest day makes room for new items, but not for a new reason of an old one."""
    clock = SetClock()
    quarantine = Quarantine(tmp_path, clock.clock, max_bytes=1_500)
    for _ in range(3):
        quarantine.add(refused("x" * 200), "store")
        clock.advance(86_400)
    items = [quarantine.find(one.id) for one in quarantine.page(QuarantineQuery()).items]
    quarantine.refuse_again([(one, "y" * 900) for one in items])

    assert [one.id for one in quarantine.page(QuarantineQuery()).items] == [one.item.id for one in items]
