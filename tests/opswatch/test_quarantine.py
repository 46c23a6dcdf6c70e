"""`opswatch quarantine`: looked at, replayed and discarded from the command line, whatever stands in it."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from collector.quarantine import Quarantine
from telemetry.points import Point
from telemetry.ports import Refused
from tests.api.world import NOW_NS, SECOND, World, running
from tests.opswatch.process import on_terminal, opswatch

HOSTILE = "<script>\x1b]0;owned\x07\x1b[31m\u202e\u200f\nnew line" + "x" * 300


def load(number: float | str, measurement: str = "system") -> Point:
    return Point.of(measurement, {"host": "h1"}, {"load1": number}, NOW_NS - SECOND)


async def refuse(world: World, *points: Point, source: str = "store", reason: str = "broken") -> list[str]:
    """Refuse these; their ids, the oldest first."""
    quarantine = Quarantine(world.folder / "quarantine", world.clock.clock)
    await asyncio.to_thread(quarantine.add, [Refused(point, reason) for point in points], source)
    answer = await world.get("/api/v1/quarantine", limit=str(min(len(points), 1_000)))
    return [one["id"] for one in (await answer.json())["items"]][::-1]


def there(world: World, who: str = "operator") -> dict[str, str]:
    return {"OPSWATCH_URL": world.url, "OPSWATCH_TOKEN": world.tokens[who]}


async def test_the_list_says_what_was_refused_and_why(world: World, tmp_path: Path) -> None:
    """Two lines for each item, and how many there are in all; as JSON what the API says."""
    await refuse(world, *(load(number) for number in range(5)))
    await refuse(world, load(9, "mem"), source="push", reason="field type conflict")
    text = await opswatch(tmp_path, "quarantine", "list", "--limit", "2", **there(world))
    found = await opswatch(tmp_path, "quarantine", "list", "--measurement", "mem", "--json", **there(world))
    none = await opswatch(tmp_path, "quarantine", "list", "--source", "spool", **there(world))

    lines = text.output.splitlines()
    assert (text.code, found.code, none.code) == (0, 0, 0), text.complaint
    assert re.fullmatch(r"[0-9]{8}-[0-9a-f]{12}  2026-11-24T12:00:00.000Z  push  mem,host=h1", lines[0])
    assert lines[1] == "    field type conflict"
    assert lines[4].startswith("2 of 6 items, ")
    assert "--limit shows more" in lines[4]
    assert [one["point"]["measurement"] for one in json.loads(found.output)["items"]] == ["mem"]
    assert "0 of 6 items" in none.output


async def test_more_than_a_page_is_fetched_page_by_page(world: World, tmp_path: Path) -> None:
    """The limit is the person's, not the API's."""
    await refuse(world, *(load(number) for number in range(1_050)))
    found = await opswatch(tmp_path, "quarantine", "list", "--limit", "1040", "--json", **there(world))

    assert len({one["id"] for one in json.loads(found.output)["items"]}) == 1_040


async def test_an_item_is_shown_replayed_and_discarded(world: World, tmp_path: Path) -> None:
    """By its id."""
    first, second, bad = await refuse(world, load(1), load(2), load("text"))
    shown = await opswatch(tmp_path, "quarantine", "show", first, **there(world))
    as_json = await opswatch(tmp_path, "quarantine", "show", first, "--json", **there(world))
    replayed = await opswatch(tmp_path, "quarantine", "replay", first, **there(world))
    again = await opswatch(tmp_path, "quarantine", "replay", bad, **there(world))
    gone = await opswatch(tmp_path, "quarantine", "discard", second, **there(world))
    twice = await opswatch(tmp_path, "quarantine", "discard", second, **there(world))

    assert "measurement  system\ntime         2026-11-24T11:59:59Z\ntag          host = h1\n" in shown.output
    assert json.loads(as_json.output)["id"] == first
    assert (replayed.code, replayed.output) == (0, "1 item stored\n")
    assert (again.code, again.output) == (1, "")
    assert "answered 422: field load1 is a number, not text" in again.complaint
    assert (gone.code, gone.output) == (0, f"discarded {second}\n")
    assert twice.code == 1
    assert f"quarantine has no item '{second}'" in twice.complaint


async def test_all_are_replayed_and_what_stays_says_why(world: World, tmp_path: Path) -> None:
    """Exit code 1 while something stays; the filters say which are tried."""
    await refuse(world, *(load(number) for number in range(2_100)), load("text"))
    await refuse(world, load(7, "mem"), source="push")
    some = await opswatch(tmp_path, "quarantine", "replay", "--all", "--source", "store", "--json", **there(world))
    rest = await opswatch(tmp_path, "quarantine", "replay", "--all", **there(world))

    reason = "field load1 is a number, not text"
    assert (some.code, json.loads(some.output)) == (1, {"replayed": 2_100, "refused": 1, "reasons": [reason]})
    assert rest.code == 1
    assert rest.output.splitlines()[:2] == ["1 item stored", "1 item refused again, and still in quarantine:"]
    assert rest.complaint == ""  # no progress where nobody looks


async def test_a_person_sees_how_far_it_is(world: World, tmp_path: Path) -> None:
    """A bar on the terminal, with how many of how many."""
    await refuse(world, *(load(number) for number in range(1_500)))
    drawn = await on_terminal(tmp_path, "quarantine", "replay", "--all", **there(world))

    assert drawn.code == 0
    assert "replaying" in drawn.complaint
    assert "100%" in drawn.complaint
    assert "1,500 items" in drawn.complaint


async def test_hostile_text_plays_no_tricks_on_a_terminal(world: World, tmp_path: Path) -> None:
    """Escapes, directions and ends of lines are shown as what they are; each item keeps its own lines."""
    (identifier,) = await refuse(
        world, Point.of("m" + HOSTILE, {HOSTILE: HOSTILE}, {HOSTILE: HOSTILE}, NOW_NS), reason=HOSTILE, source="push"
    )
    for arguments in (("list",), ("show", identifier), ("replay", identifier), ("replay", "--all"), ("list", "--json")):
        finished = await opswatch(tmp_path, "quarantine", *arguments, **there(world))
        said = finished.output + finished.complaint
        assert not set(said) & set("\x1b\x07\u202e\u200f"), arguments
        if arguments == ("list",):
            assert len(said.splitlines()) == 3
            assert max(map(len, said.splitlines())) < 500


@pytest.mark.parametrize(
    "arguments",
    [
        ("replay",),
        ("replay", "20261124-000000000000", "--all"),
        ("replay", "20261124-000000000000", "--source", "push"),
        ("list", "--source", "everybody"),
        ("list", "--limit", "0"),
        ("show",),
    ],
)
async def test_a_command_that_makes_no_sense_is_exit_2(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Before anybody is asked."""
    finished = await opswatch(tmp_path, "quarantine", *arguments, OPSWATCH_URL="http://127.0.0.1:9")

    assert finished.code == 2
    assert "Traceback" not in finished.complaint


async def test_a_viewer_and_a_stranger_are_told_what_is_missing(world: World, tmp_path: Path) -> None:
    """Exit code 1, in the server's words."""
    (identifier,) = await refuse(world, load(1))
    viewer = await opswatch(tmp_path, "quarantine", "replay", identifier, **there(world, "viewer"))
    stranger = await opswatch(tmp_path, "quarantine", "list", OPSWATCH_URL=world.url, OPSWATCH_TOKEN="x" * 40)
    nobody = await opswatch(tmp_path, "quarantine", "list", OPSWATCH_URL="http://127.0.0.1:9")

    assert [one.code for one in (viewer, stranger, nobody)] == [1, 1, 1]
    assert "needs the role operator" in viewer.complaint
    assert "set OPSWATCH_TOKEN" in stranger.complaint
    assert "check OPSWATCH_URL" in nobody.complaint


async def test_a_disk_that_becomes_low_in_the_middle_says_how_far_it_came(world: World, tmp_path: Path) -> None:
    """What was stored is stored; the rest stays."""
    await refuse(world, *(load(number) for number in range(3)))
    world.disk.free = 1
    finished = await opswatch(tmp_path, "quarantine", "replay", "--all", **there(world))

    assert finished.code == 1
    assert "replays are refused while the disk is low" in finished.complaint
    assert finished.complaint.rstrip().endswith("0 items were stored before that")


async def test_without_a_server_the_data_directory_is_opened(tmp_path: Path) -> None:
    """The same command on the machine itself, while nothing runs."""
    collected = await opswatch(tmp_path, "collect", "--once")
    quarantine = tmp_path / ".opswatch" / "quarantine"
    line = {"time": "2026-11-24T12:00:00+00:00", "source": "store", "reason": "old", "measurement": "system"}
    line |= {"tags": {"host": "h"}, "fields": {"load1": 1.5}, "point_time": "2026-11-24T12:00:00Z"}
    (quarantine / "points-20261124.jsonl").write_text(json.dumps(line) + "\n")
    listed = await opswatch(tmp_path, "quarantine", "list", "--json")
    replayed = await opswatch(tmp_path, "quarantine", "replay", json.loads(listed.output)["items"][0]["id"])
    empty = await opswatch(tmp_path, "quarantine", "list")

    assert (collected.code, replayed.code, empty.code) == (0, 0, 0), replayed.complaint
    assert empty.output == "nothing is in quarantine\n"


async def test_every_command_explains_itself_with_an_example(tmp_path: Path) -> None:
    """`--help`."""
    for name in ("list", "show", "replay", "discard"):
        assert f"opswatch quarantine {name}" in (await opswatch(tmp_path, "quarantine", name, "--help")).output


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    (tmp_path / "server").mkdir()
    async with running(tmp_path / "server") as one:
        yield one
