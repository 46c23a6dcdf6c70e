"""`/api/v1/quarantine`: what was refused, and another try of it, over HTTP."""

import asyncio
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from collector.quarantine import Quarantine
from telemetry.errors import StoreUnavailable
from telemetry.points import Point
from telemetry.ports import Refused
from telemetry.quarantine import QuarantinePage, QuarantineQuery
from telemetry.series import Raw, SeriesQuery
from tests.api.world import NOW_NS, SECOND, World, running

HOSTILE = "<script>alert(1)</script>\u202e\x1b[31m\n\"'" + "x" * 300


def load(number: float | str, measurement: str = "system") -> Point:
    return Point.of(measurement, {"host": "h1"}, {"load1": number}, NOW_NS - SECOND)


async def refuse(world: World, *points: Point, source: str = "store", reason: str = "broken") -> list[str]:
    """Refuse these; their ids, the oldest first."""
    quarantine = Quarantine(world.folder / "quarantine", world.clock.clock)
    await asyncio.to_thread(quarantine.add, [Refused(point, reason) for point in points], source)
    return [one["id"] for one in (await listed(world, limit="1000"))["items"]][: len(points)][::-1]


async def listed(world: World, **parameters: str) -> dict[str, Any]:
    answer = await world.get("/api/v1/quarantine", **parameters)
    assert answer.status == 200
    return await answer.json()  # type: ignore[no-any-return]


async def call(world: World, method: str, path: str, who: str = "operator", **body: Any) -> tuple[int, dict[str, Any]]:
    """Status and answer; of an error what stands in it."""
    data = json.dumps(body) if body or path.endswith("quarantine/replay") else None
    async with world.session.request(method, world.url + path, data=data, headers=world.bearer(who)) as answer:
        text = await answer.text()
        found = json.loads(text) if text else {}
        return answer.status, found.get("error", found)


async def values(world: World) -> Sequence[object]:
    query = SeriesQuery("system", (), NOW_NS - 10**4 * SECOND, NOW_NS + SECOND, Raw())
    return [value for one in (await world.store.read(query)).series for value in one.values]


async def test_the_list_has_points_reasons_and_what_was_set_aside(world: World) -> None:
    """The newest first, with everything a person needs to decide."""
    (world.folder / "metrics.duckdb.broken-20261124").write_bytes(b"xyz")
    old, new = await refuse(world, load("text"), Point.of("mem", {}, {"used": float("nan")}, 2**80), reason="why")
    answer = await listed(world)

    assert [one["id"] for one in answer["items"]] == [new, old]
    assert answer["items"][1] | {"bytes": 0} == {
        "id": old,
        "time": "2026-11-24T12:00:00.000Z",
        "source": "store",
        "reason": "why",
        "bytes": 0,
        "point": {
            "measurement": "system",
            "tags": {"host": "h1"},
            "fields": {"load1": "text"},
            "time": "2026-11-24T11:59:59Z",
        },
    }
    assert answer["items"][0]["point"]["fields"] == {"used": "nan"}
    assert answer["items"][0]["point"]["time"] == str(2**80)
    assert (answer["count"], answer["next_cursor"], answer["unkept"]) == (2, None, 0)
    assert [(Path(one["path"]).name, one["bytes"]) for one in answer["files"]] == [
        ("metrics.duckdb.broken-20261124", 3)
    ]


async def test_pages_lead_through_everything(world: World) -> None:
    """Each id once; filters hold together."""
    await refuse(world, *(load(number) for number in range(7)))
    await refuse(world, *(load(number, "mem") for number in range(3)), source="push")
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = await listed(world, limit="3", **cursor)
        found += [one["id"] for one in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}

    assert len(found) == len(set(found)) == page["count"] == 10
    assert len((await listed(world, source="push"))["items"]) == 3
    assert len((await listed(world, measurement="system", source="push"))["items"]) == 0


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "1001"}, "limit"),
        ({"limit": "-1"}, "limit"),
        ({"limit": "٣"}, "limit"),
        ({"limit": "9" * 5_000}, "limit"),
        ({"cursor": "x"}, "cursor"),
        ({"cursor": "20261124-" + "1" * 13}, "cursor"),
        ({"source": "pusch"}, "source"),
        ({"sort": "id"}, "sort"),
    ],
)
async def test_a_question_that_makes_no_sense_is_refused_by_name(
    world: World, parameters: dict[str, str], field: str
) -> None:
    """400, the parameter, and what it takes."""
    status, named, _ = await world.refusal("/api/v1/quarantine", **parameters)

    assert (status, named) == (400, field)


async def test_one_item_is_shown_whole(world: World) -> None:
    """A large one too, which the list tells without its point."""
    large = Point.of("probe", {"service": "a"}, {"message": "x" * 100_000}, NOW_NS)
    (identifier,) = await refuse(world, large, source="push")
    (item,) = (await listed(world))["items"]
    shown = await (await world.get(f"/api/v1/quarantine/{identifier}")).json()

    assert item["point"] is None
    assert shown["point"]["fields"]["message"] == "x" * 100_000
    assert {**shown, "point": None} == item


@pytest.mark.parametrize("identifier", ["nothing", "20261124-000000000000", "%2e%2e%2fetc%2fpasswd", "%00", "%ff", "*"])
async def test_an_id_that_nothing_has_is_404_on_every_way(world: World, identifier: str) -> None:
    """Shown, replayed, discarded."""
    await refuse(world, load(1))
    path = f"/api/v1/quarantine/{identifier}"
    for method, end in (("GET", ""), ("POST", "/replay"), ("DELETE", "")):
        status, error = await call(world, method, path + end)
        assert (status, error["code"]) == (404, "not_found"), (method, error)
    assert len((await listed(world))["items"]) == 1


async def test_an_item_is_replayed_once(world: World) -> None:
    """200 once the store has it; then it is gone."""
    (identifier,) = await refuse(world, load(7))
    path = f"/api/v1/quarantine/{identifier}/replay"
    first = await call(world, "POST", path)
    second = await call(world, "POST", path)

    assert first == (200, {"replayed": 1, "refused": 0, "reasons": [], "next_cursor": None})
    assert second[0] == 404
    assert await values(world) == [7.0]


async def test_what_is_refused_again_is_422_and_says_why(world: World) -> None:
    """With the id, and the item stays with its new reason."""
    (identifier,) = await refuse(world, load("text"))
    status, error = await call(world, "POST", f"/api/v1/quarantine/{identifier}/replay")
    (item,) = (await listed(world))["items"]

    assert (status, error["code"], error["value"]) == (422, "point_rejected", identifier)
    assert error["message"] == item["reason"] == "field load1 is a number, not text"


async def test_two_at_the_same_time_store_an_item_once(world: World) -> None:
    """One of them is told that it is not there any more."""
    (identifier,) = await refuse(world, load(7))
    path = f"/api/v1/quarantine/{identifier}/replay"
    answers = await asyncio.gather(*(call(world, "POST", path) for _ in range(5)))

    assert sorted(status for status, _ in answers) == [200, 404, 404, 404, 404]
    assert await values(world) == [7.0]


async def test_many_are_replayed_in_pages(world: World) -> None:
    """A cursor leads through them; what is refused again is counted and stays."""
    await refuse(world, *(load(number) for number in range(5)), load("bad"))
    await refuse(world, load(9), source="push")
    path = "/api/v1/quarantine/replay"
    first = await call(world, "POST", path, limit=4, source="store")
    second = await call(world, "POST", path, limit=4, source="store", cursor=first[1]["next_cursor"])

    assert (first[0], first[1]["replayed"], first[1]["refused"]) == (200, 3, 1)
    assert first[1]["reasons"] == ["field load1 is a number, not text"]
    assert second == (200, {"replayed": 2, "refused": 0, "reasons": [], "next_cursor": None})
    assert [one["source"] for one in (await listed(world))["items"]] == ["store", "push"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 1_001}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"source": "everybody"}, "source"),
        ({"cursor": "x"}, "cursor"),
        ({"everything": True}, "everything"),
        ({"measurement": "x" * 5_000}, "measurement"),
    ],
)
async def test_a_replay_that_makes_no_sense_tries_nothing(world: World, body: dict[str, Any], field: str) -> None:
    """400 with the field's name."""
    await refuse(world, load(1))
    status, error = await call(world, "POST", "/api/v1/quarantine/replay", **body)

    assert (status, error["field"]) == (400, field)
    assert len((await listed(world))["items"]) == 1


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b"x" * 2_000_000])
async def test_a_body_that_is_none_is_refused(world: World, body: bytes) -> None:
    """400, or 413 for one that is too large."""
    async with world.session.post(
        world.url + "/api/v1/quarantine/replay", data=io.BytesIO(body), headers=world.bearer("operator")
    ) as answer:
        assert answer.status in {400, 413}
        assert "error" in await answer.json()


async def test_an_item_is_discarded_once(world: World) -> None:
    """204, and then 404."""
    first, second = await refuse(world, load(1), load(2))
    answers = [await call(world, "DELETE", f"/api/v1/quarantine/{first}") for _ in range(2)]

    assert [status for status, _ in answers] == [204, 404]
    assert [one["id"] for one in (await listed(world))["items"]] == [second]
    assert await values(world) == []


async def test_viewers_look_and_operators_change(world: World) -> None:
    """A viewer's token changes nothing; nobody without a token sees anything, for points hold what people sent."""
    (identifier,) = await refuse(world, load(1))
    path = f"/api/v1/quarantine/{identifier}"
    assert (await call(world, "POST", f"{path}/replay", "viewer"))[0] == 403
    assert (await call(world, "POST", "/api/v1/quarantine/replay", "viewer"))[0] == 403
    assert (await call(world, "DELETE", path, "viewer"))[0] == 403
    assert (await world.get(path, who="")).status == 401

    assert [one["id"] for one in (await listed(world))["items"]] == [identifier]


async def test_another_sites_page_changes_nothing(world: World) -> None:
    """A session cookie alone is not enough for a write."""
    (identifier,) = await refuse(world, load(1))
    cookie = {"Cookie": f"opswatch_session={await world.log_in('operator')}", "Origin": "http://evil.example"}
    async with world.session.delete(f"{world.url}/api/v1/quarantine/{identifier}", headers=cookie) as answer:
        assert answer.status == 403


async def test_a_disk_that_is_low_refuses_replays_and_nothing_else(world: World) -> None:
    """503 with Retry-After; the list is there, and discarding gives room."""
    first, second = await refuse(world, load(1), load(2))
    world.disk.free = 1
    headers = world.bearer("operator")
    async with world.session.post(f"{world.url}/api/v1/quarantine/{first}/replay", headers=headers) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
        assert (await answer.json())["error"]["code"] == "disk_low"
    assert (await call(world, "POST", "/api/v1/quarantine/replay"))[0] == 503
    assert (await call(world, "DELETE", f"/api/v1/quarantine/{first}"))[0] == 204

    assert [one["id"] for one in (await listed(world))["items"]] == [second]


async def test_a_folder_that_cannot_be_read_is_503_with_the_reason(world: World) -> None:
    """No traceback, and nothing of the path."""
    (world.folder / "quarantine" / "points-20261124.jsonl").mkdir(parents=True)
    for method, path in (
        ("GET", ""),
        ("GET", "/20261124-000000000000"),
        ("POST", "/20261124-000000000000/replay"),
        ("POST", "/replay"),
        ("DELETE", "/20261124-000000000000"),
    ):
        status, error = await call(world, method, f"/api/v1/quarantine{path}")
        assert (status, error["message"]) == (503, "quarantine cannot be used: Is a directory"), (method, path)


@pytest.mark.parametrize("text", [HOSTILE, "\ud800", "\x00", "{{7*7}}", "\u202e\u2028"])
async def test_hostile_text_stays_text(world: World, text: str) -> None:
    """JSON quotes it, the page shows it as text, and a filter may ask for it."""
    await refuse(world, Point.of("m" + text, {text: text}, {text: text}, NOW_NS), reason=text, source="push")
    answer = await world.get("/api/v1/quarantine")
    (item,) = (await answer.json())["items"]
    page = await (await world.get("/status")).text()

    assert answer.headers["Content-Type"].startswith("application/json")
    assert item["reason"] == text.encode("utf-8", "replace").decode()
    assert item["point"]["fields"] == {
        text.encode("utf-8", "replace").decode(): text.encode("utf-8", "replace").decode()
    }
    assert "<script>alert" not in page
    status, error = await call(world, "POST", f"/api/v1/quarantine/{item['id']}/replay")
    assert (status, "cannot be a name" in error["message"] or "only text" in error["message"]) == (422, True), error


class Away:
    """A desk whose disk is gone."""

    async def list(self, query: QuarantineQuery) -> QuarantinePage:
        raise StoreUnavailable("quarantine cannot be used: Input/output error")


async def test_a_page_goes_on_without_a_quarantine_that_cannot_be_read(tmp_path: Path) -> None:
    """The status page says why its panel is missing, and shows everything else."""
    async with running(tmp_path, change=lambda doors: replace(doors, quarantine=Away())) as world:  # type: ignore[arg-type]
        answer = await world.get("/status")
        page = await answer.text()

    assert answer.status == 200
    assert "quarantine cannot be used: Input/output error" in page
    assert "Readiness" in page
