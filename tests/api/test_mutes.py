"""`/api/v1/silences`, `/maintenance` and `/duty`: who is told nothing, when, and who is told."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import aiohttp
import pytest
from jsonschema import Draft202012Validator

from alerting.duty import Person, Rotation
from alerting.label_match import LabelMatch
from alerting.receivers import HOUR
from alerting.windows import Cron, Window
from api.doors import Doors
from api.openapi import document
from api.routes import API_VERSION, ROUTE_TABLE
from telemetry.points import Point
from telemetry.times import from_datetime
from tests.api.world import World, running

Json = dict[str, object]
BERLIN = ZoneInfo("Europe/Berlin")
SUNDAY = Window("sunday", LabelMatch.of({"service": "checkout"}), HOUR, BERLIN, Cron("0 3 * * SUN"))
OPS = Rotation(
    "ops", BERLIN, 0, time(9), date(2026, 11, 23), tuple(Person(name, f"{name}-pager") for name in ("ada", "ben"))
)
CHECKOUT = {"service": "checkout"}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A server whose opswatch.yaml has a window and a rotation."""

    def change(doors: Doors) -> Doors:
        return replace(doors, windows=lambda: (SUNDAY,), rotations=lambda: (OPS,))

    async with running(tmp_path, change=change) as one:
        yield one


async def send(
    world: World, method: str, path: str, body: Json | None = None, who: str = "operator"
) -> aiohttp.ClientResponse:
    async with world.session.request(method, f"{world.url}/api/v1{path}", json=body, headers=world.bearer(who)) as one:
        await one.read()
    return one


async def made(world: World, path: str, body: Json) -> Json:
    answer = await send(world, "POST", path, body)
    assert answer.status == 201, await answer.text()
    found: Json = await answer.json()
    return found


async def listed(world: World, path: str, **parameters: str) -> list[Json]:
    answer = await (await world.get(f"/api/v1{path}", **parameters)).json()
    (found,) = answer.values()
    assert isinstance(found, list)
    return found


async def test_a_deploy_script_mutes_with_one_call(world: World) -> None:
    """In the name of its token, from now on."""
    one = await made(world, "/silences", {"match": CHECKOUT, "duration": "10m"})
    assert one == {
        "id": 1,
        "match": CHECKOUT,
        "author": "operator",
        "comment": "",
        "created": "2026-11-24T12:00:00.000Z",
        "starts": "2026-11-24T12:00:00.000Z",
        "ends": "2026-11-24T12:10:00.000Z",
        "ended_by": "",
        "version": 1,
        "active": True,
    }
    world.clock.advance(timedelta(minutes=10))
    assert await listed(world, "/silences") == []
    assert [(silence["id"], silence["active"]) for silence in await listed(world, "/silences", all="true")] == [
        (1, False)
    ]


async def test_a_silence_is_planned_changed_and_ended(world: World) -> None:
    """A change says all of it, and the version that was looked at; its start stays where none is given."""
    await made(world, "/silences", {"match": CHECKOUT, "starts": "1h", "duration": "2h", "comment": "deploy"})
    body: Json = {"match": {"service": ["checkout", "cart"]}, "duration": "3h", "comment": "two", "version": 1}
    changed = await (await send(world, "PUT", "/silences/1", body)).json()
    late = await send(world, "PUT", "/silences/1", body, "admin")
    shown = await (await world.get("/api/v1/silences/1")).json()

    assert changed == shown
    assert (changed["starts"], changed["ends"]) == ("2026-11-24T13:00:00.000Z", "2026-11-24T16:00:00.000Z")
    assert (changed["match"], changed["version"], changed["active"]) == ({"service": ["checkout", "cart"]}, 2, False)
    assert (late.status, (await late.json())["error"]["value"]) == (409, 2)
    assert (await send(world, "DELETE", "/silences/1")).status == 204
    assert (await send(world, "DELETE", "/silences/1")).status == 409
    assert (await send(world, "PUT", "/silences/1", body | {"version": 3})).status == 409
    assert [one["ended_by"] for one in await listed(world, "/silences", all="true")] == ["operator"]


async def test_a_preview_says_which_open_incidents_would_be_muted(world: World) -> None:
    """By their tags, labels, rule and severity; what is resolved does not count."""
    assert world.alerting is not None
    for loads in ({"a": 7, "b": 70, "c": 7}, {"a": 1, "b": 70, "c": 7}):
        for _ in range(4):
            world.clock.advance(timedelta(seconds=15))
            at = from_datetime(world.clock.wall - timedelta(seconds=6))
            points = (Point.of("system", {"host": host}, {"load1": load}, at) for host, load in loads.items())
            await world.write(*points)
            await world.alerting.evaluate_once()

    async def preview(match: Json) -> tuple[list[str], int, int]:
        found = await (await send(world, "POST", "/silences/preview", {"match": match})).json()
        return [one["tags"]["host"] for one in found["incidents"]], found["count"], found["open"]

    assert await preview({"severity": "critical"}) == (["b"], 1, 2)
    assert await preview({"team": "shop", "host": "!b"}) == (["c"], 1, 2)
    assert await preview({}) == (["c", "b"], 2, 2)
    assert await preview({"rule": "other"}) == ([], 0, 2)


async def test_maintenance_of_the_configuration_stands_beside_that_of_people(world: World) -> None:
    """With whether it holds, and when it next begins; the former has no number."""
    body: Json = {
        "name": "nightly",
        "match": CHECKOUT,
        "time_zone": "Europe/Berlin",
        "weekly": {"days": ["tue", "wed"], "at": "12:30"},
        "duration": "1h",
        "comment": "backups",
    }
    one = await made(world, "/maintenance", body)
    found = await listed(world, "/maintenance")

    assert [(window["id"], window["name"], window["next_start"]) for window in found] == [
        (None, "sunday", "2026-11-29T02:00:00.000Z"),
        (1, "nightly", "2026-11-25T11:30:00.000Z"),
    ]
    assert found[1] == one
    assert (one["weekly"], one["duration_seconds"], one["active_until"]) == (
        {"days": ["tue", "wed"], "at": "12:30"},
        3_600.0,
        "2026-11-24T12:30:00.000Z",
    )
    assert found[0]["cron"] == "0 3 * * SUN"


@pytest.mark.parametrize(
    ("times", "start", "until"),
    [
        ({"duration": "2h"}, None, "2026-11-24T14:00:00.000Z"),
        ({"start": "1h", "duration": "2h"}, "2026-11-24T13:00:00.000Z", None),
        (
            {"start": "2026-11-25T00:00:00+01:00", "stop": "2026-11-25T04:00:00+01:00"},
            "2026-11-24T23:00:00.000Z",
            None,
        ),
        ({"monthly": {"day": -1, "at": "03:00"}, "duration": "2h"}, "2026-11-30T03:00:00.000Z", None),
        ({"cron": "*/30 * * * *", "duration": "5m"}, "2026-11-24T12:30:00.000Z", "2026-11-24T12:05:00.000Z"),
    ],
)
async def test_a_window_is_planned_in_one_of_its_ways(
    world: World, times: Json, start: str | None, until: str | None
) -> None:
    """In the time zone of the configuration, where none is given."""
    one = await made(world, "/maintenance", {"name": "w", "match": CHECKOUT, **times})
    assert (one["next_start"], one["active_until"], one["time_zone"]) == (start, until, "UTC")


async def test_a_window_is_changed_and_taken_out(world: World) -> None:
    """Of two who change it at once the second is told."""
    body: Json = {"name": "w", "match": CHECKOUT, "duration": "2h"}
    await made(world, "/maintenance", body)
    world.clock.advance(timedelta(minutes=30))
    changed = await (await send(world, "PUT", "/maintenance/1", body | {"duration": "3h", "version": 1})).json()
    late = await send(world, "PUT", "/maintenance/1", body | {"version": 1})

    assert (changed["version"], changed["active_until"]) == (2, "2026-11-24T15:00:00.000Z")
    assert (late.status, (await late.json())["error"]["field"]) == (409, "version")
    assert (await send(world, "DELETE", "/maintenance/1")).status == 204
    shown = await (await world.get("/api/v1/maintenance/1")).json()
    assert (shown["ended"], shown["ended_by"], shown["active_until"]) == ("2026-11-24T12:30:00.000Z", "operator", None)
    assert [window["name"] for window in await listed(world, "/maintenance")] == ["sunday"]
    assert [window["name"] for window in await listed(world, "/maintenance", all="true")] == ["sunday", "w"]


async def test_who_is_on_duty_is_told_and_somebody_steps_in(world: World) -> None:
    """Now, and in the weeks to come; whoever stepped in is there until it is ended."""
    body: Json = {"rotation": "ops", "person": "ben", "start": "1h", "duration": "2h", "comment": "dentist"}
    one = await made(world, "/duty/overrides", body)
    world.clock.advance(timedelta(hours=2))
    (during,) = await listed(world, "/duty")
    assert (await send(world, "DELETE", "/duty/overrides/1")).status == 204
    (after,) = await listed(world, "/duty")

    assert (one["start"], one["stop"], one["author"]) == (
        "2026-11-24T13:00:00.000Z",
        "2026-11-24T15:00:00.000Z",
        "operator",
    )
    assert during["on_duty"] == {
        "person": "ben",
        "receiver": "ben-pager",
        "since": "2026-11-24T13:00:00.000Z",
        "until": "2026-11-24T15:00:00.000Z",
        "override": True,
    }
    assert [(shift["person"], shift["until"]) for shift in during["shifts"]] == [
        ("ada", "2026-11-30T08:00:00.000Z"),
        ("ben", "2026-12-07T08:00:00.000Z"),
        ("ada", "2026-12-14T08:00:00.000Z"),
        ("ben", "2026-12-21T08:00:00.000Z"),
        ("ada", "2026-12-28T08:00:00.000Z"),
    ]
    assert during["overrides"] == [one]
    assert (after["on_duty"]["person"], after["on_duty"]["since"]) == ("ada", "2026-11-24T14:00:00.000Z")
    assert after["overrides"] == []
    assert (await send(world, "DELETE", "/duty/overrides/1")).status == 409


WINDOW: Json = {"name": "w", "match": CHECKOUT, "duration": "1h"}
STEPS_IN: Json = {"rotation": "ops", "person": "ben", "duration": "1h"}


@pytest.mark.parametrize(
    ("path", "body", "status", "field", "words"),
    [
        ("/silences", {"match": CHECKOUT}, 400, "duration", "how long (duration), or until when (until)"),
        ("/silences", {"match": CHECKOUT, "duration": "1h", "until": "1h"}, 400, "duration", "one of them"),
        ("/silences", {"match": CHECKOUT, "duration": "soon"}, 400, "duration", "'soon' is not a duration"),
        ("/silences", {"match": CHECKOUT, "until": "-1h"}, 400, "until", "ends after it starts"),
        ("/silences", {"match": CHECKOUT, "until": "soon"}, 400, "until", "or a duration as 2h"),
        ("/silences", {"match": CHECKOUT, "duration": "300000d"}, 400, "until", "ten years at most"),
        ("/silences", {"match": CHECKOUT, "duration": "99999999d"}, 400, "duration", "too long"),
        ("/silences", {"match": CHECKOUT, "duration": "1h", "starts": "300000d"}, 400, "starts", "within ten years"),
        ("/silences", {"match": {}, "duration": "1h"}, 400, "match", "everything: true"),
        ("/silences", {"match": {"a": "~("}, "duration": "1h"}, 400, "match", "is not a regular expression"),
        ("/silences", {"match": {"a": []}, "duration": "1h"}, 400, "match", "means no incident at all"),
        ("/silences", {"match": {"a": "x" * 10_000}, "duration": "1h"}, 400, "match", "at most 10,000 characters"),
        ("/silences", {"match": CHECKOUT, "duration": "1h", "coment": ""}, 400, "coment", "coment"),
        ("/silences/preview", {"match": {"a": "~("}}, 400, "match", "is not a regular expression"),
        ("/maintenance", WINDOW | {"name": "sunday"}, 409, "name", "opswatch.yaml has a maintenance window"),
        ("/maintenance", WINDOW | {"match": {}}, 400, "match", "everything: true"),
        ("/maintenance", WINDOW | {"time_zone": "Europe/Berlim"}, 400, "time_zone", "is not a time zone"),
        ("/maintenance", WINDOW | {"time_zone": "../../etc/passwd"}, 400, "time_zone", "is not a time zone"),
        ("/maintenance", WINDOW | {"cron": "0 3 * *"}, 400, "cron", "five fields"),
        ("/maintenance", WINDOW | {"cron": "0 3 * * SUN", "start": "1h"}, 400, "start", "by cron and start"),
        ("/maintenance", WINDOW | {"monthly": {"day": 32, "at": "03:00"}}, 400, "monthly", "from 1 to 31"),
        (
            "/maintenance",
            WINDOW | {"weekly": {"days": ["sun"], "at": "3"}},
            400,
            "weekly.at",
            "By the clock of the time zone",
        ),
        ("/maintenance", WINDOW | {"weekly": {"days": [], "at": "03:00"}}, 400, "weekly.days", "at least 1"),
        (
            "/maintenance",
            WINDOW | {"start": "1h", "stop": "1h", "duration": None},
            400,
            "start",
            "ends after it starts",
        ),
        ("/maintenance", {"name": "w", "match": CHECKOUT, "cron": "0 3 * * SUN"}, 400, "duration", "each time"),
        ("/maintenance", {"name": "w", "match": CHECKOUT}, 400, "duration", "until when (stop)"),
        ("/maintenance", WINDOW | {"duration": "0s", "cron": "0 3 * * SUN"}, 400, "duration", "a second at least"),
        ("/duty/overrides", STEPS_IN | {"rotation": "opps"}, 400, "rotation", "there is: ops"),
        ("/duty/overrides", STEPS_IN | {"person": "eve"}, 400, "person", "ada, ben are"),
        ("/duty/overrides", STEPS_IN | {"start": "-2h"}, 400, "stop", "still to come"),
    ],
)
async def test_what_makes_no_sense_is_told(
    world: World, path: str, body: Json, status: int, field: str, words: str
) -> None:
    """With the field and the way out; nothing is kept of it."""
    answer = await send(world, "POST", path, body)
    error = (await answer.json())["error"]
    assert (answer.status, error["field"]) == (status, field)
    assert words in error["message"]
    assert await listed(world, "/silences", all="true") == []
    assert len(await listed(world, "/maintenance", all="true")) == 1


@pytest.mark.parametrize("path", ["/silences?al=true", "/maintenance?all=yes"])
async def test_a_question_that_makes_no_sense_names_its_parameter(world: World, path: str) -> None:
    """400."""
    assert (await world.get(f"/api/v1{path}")).status == 400


async def test_what_there_is_is_answered_as_documented(world: World) -> None:
    """Each kind of window, a silence, a rotation with somebody who steps in."""
    await made(world, "/silences", {"match": {"a": ["b", "!c"]}, "duration": "1h"})
    await made(world, "/duty/overrides", STEPS_IN)
    for number, times in enumerate(
        ({}, {"monthly": {"day": 1, "at": "03:00"}}, {"weekly": {"days": ["mon"], "at": "03:00"}})
    ):
        await made(world, "/maintenance", WINDOW | times | {"name": f"w{number}"})
    described = document(ROUTE_TABLE, API_VERSION)
    for path in ("/api/v1/silences", "/api/v1/maintenance", "/api/v1/duty", "/api/v1/maintenance/{id}"):
        schema = described["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        answer = await (await world.get(path.replace("{id}", "1"))).json()
        Draft202012Validator(schema | {"components": described["components"]}).validate(answer)
