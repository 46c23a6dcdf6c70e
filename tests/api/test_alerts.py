"""`/api/v1/alerts`, `/incidents` and `/rules`: what fires, what people do about it, and other rules from now on."""

import csv
import io
from datetime import timedelta

import aiohttp
import pytest

from telemetry.points import Point
from telemetry.times import from_datetime
from tests.api.world import RULES, World

Json = dict[str, object]


async def evaluated(world: World, **loads: float) -> None:
    """A minute of samples of each host, and an evaluation."""
    assert world.alerting is not None
    for _ in range(4):
        world.clock.advance(timedelta(seconds=15))
        at = from_datetime(world.clock.wall - timedelta(seconds=6))
        await world.write(*(Point.of("system", {"host": host}, {"load1": load}, at) for host, load in loads.items()))
        await world.alerting.evaluate_once()


async def post(world: World, path: str, body: Json | None = None, who: str = "operator") -> aiohttp.ClientResponse:
    async with world.session.post(world.url + path, json=body, headers=world.bearer(who)) as answer:
        await answer.read()
    return answer


async def test_what_fires_is_listed_with_its_incident_the_worst_first(world: World) -> None:
    """And counted; what is fine is not there."""
    await evaluated(world, a=7, b=70, c=1)
    answer = await (await world.get("/api/v1/alerts")).json()
    found = [(one["tags"], one["status"], one["severity"], one["incident"], one["summary"]) for one in answer["alerts"]]
    assert [one[0]["host"] for one in found] == ["b", "a"]
    assert found[0][1:3] == ("firing", "critical")
    assert found[0][4] == "load of b is 70"
    assert answer["counts"] == {"critical": 1, "warning": 1, "unacknowledged": 2}
    assert (await (await world.get("/api/v1/alerts", status="pending")).json())["alerts"] == []


async def test_an_incident_is_acknowledged_snoozed_noted_assigned_and_closed(world: World) -> None:
    """In the name of the token; each is a line of its timeline, and a close ends the alert too."""
    await evaluated(world, a=7)
    for action, body in (
        ("ack", {"comment": "looking"}),
        ("snooze", {"until": "2h"}),
        ("note", {"comment": "it was the backup"}),
        ("assign", {"assignee": "ada"}),
    ):
        assert (await post(world, f"/api/v1/incidents/1/{action}", body)).status == 200
    shown = await (await world.get("/api/v1/incidents/1")).json()
    closed = await (await post(world, "/api/v1/incidents/1/close", {"comment": "the host is gone"})).json()
    alerts = await (await world.get("/api/v1/alerts")).json()

    assert (shown["acknowledged_by"], shown["assigned_to"], shown["status"]) == ("", "ada", "firing")
    assert shown["snoozed_until"] == "2026-11-24T14:01:00.000Z"
    assert [(one["what"], one["author"], one["words"]) for one in shown["timeline"] if one["kind"] == "action"] == [
        ("ack", "operator", "looking"),
        ("snooze", "operator", "until 2026-11-24 14:01 UTC; the acknowledgement of operator is taken back"),
        ("note", "operator", "it was the backup"),
        ("assign", "operator", "to ada"),
    ]
    assert closed["resolution"] == "closed by operator: the host is gone"
    assert alerts["alerts"] == []
    assert (await post(world, "/api/v1/incidents/1/ack")).status == 409


async def test_acknowledging_twice_keeps_the_first_and_records_both(world: World) -> None:
    """Whoever was first looks after it."""
    await evaluated(world, a=7)
    await post(world, "/api/v1/incidents/1/ack")
    answer = await (await post(world, "/api/v1/incidents/1/ack", who="admin")).json()
    assert answer["acknowledged_by"] == "operator"


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("/api/v1/incidents/1/note", {}, 400, "a note needs words"),
        ("/api/v1/incidents/1/close", {}, 400, "whoever closes an incident says why"),
        ("/api/v1/incidents/1/snooze", {}, 400, "a snooze lasts until a time that is still to come"),
        ("/api/v1/incidents/1/snooze", {"until": "-2h"}, 400, "a time that is still to come"),
        ("/api/v1/incidents/1/snooze", {"until": "soon"}, 400, "or a duration as 2h"),
        ("/api/v1/incidents/1/snooze", {"until": "300000d"}, 400, "ten years at most"),
        ("/api/v1/incidents/1/note", {"comment": "x" * 5_000}, 400, "at most 4,000 characters"),
        ("/api/v1/incidents/1/assign", {"assignee": "a\r\nb"}, 400, "printable"),
        ("/api/v1/incidents/1/note", {"coment": "x"}, 400, "coment"),
        ("/api/v1/incidents/99/ack", {}, 404, "there is no incident 99"),
        ("/api/v1/incidents/99999999999999999999/ack", {}, 404, "there is no incident"),
    ],
)
async def test_what_cannot_be_done_is_told(world: World, path: str, body: Json, status: int, words: str) -> None:
    """With the field and the way out."""
    await evaluated(world, a=7)
    answer = await post(world, path, body)
    assert answer.status == status
    assert words in (await answer.json())["error"]["message"]


async def test_incidents_are_listed_by_what_is_asked_for_and_page_by_page(world: World) -> None:
    """The newest first; the count is of all of them."""
    await evaluated(world, a=7, b=70, c=7)
    await evaluated(world, a=1, b=70, c=7)
    ids = {
        query: [one["id"] for one in (await (await world.get(f"/api/v1/incidents?{query}")).json())["incidents"]]
        for query in ("", "status=open", "status=resolved", "severity=critical", "rule=load_high", "service=x")
    }
    first = await (await world.get("/api/v1/incidents?limit=2")).json()
    second = await (await world.get(f"/api/v1/incidents?limit=2&cursor={first['next_cursor']}")).json()

    assert (ids[""], ids["status=open"], ids["status=resolved"]) == ([3, 2, 1], [3, 2], [1])
    assert (ids["severity=critical"], ids["rule=load_high"], ids["service=x"]) == ([2], [3, 2, 1], [])
    assert ([one["id"] for one in second["incidents"]], second["count"], second["next_cursor"]) == ([1], 3, None)


async def test_incidents_as_csv_hold_no_formula(world: World) -> None:
    """Whatever a tag says."""
    await evaluated(world, **{"=cmd()": 7})
    answer = await world.get("/api/v1/incidents.csv")
    (head, row) = csv.reader(io.StringIO(await answer.text()))
    assert head[:3] == ["id", "rule", "service"]
    assert row[head.index("tags")] == "host==cmd()"
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in row)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("status=closed", "status"),
        ("severity=bad", "severity"),
        ("limit=0", "limit"),
        ("start=soon", "start"),
        ("x=1", "x"),
    ],
)
async def test_a_question_that_makes_no_sense_names_its_parameter(world: World, query: str, field: str) -> None:
    """400, with the field."""
    answer = await world.get(f"/api/v1/incidents?{query}")
    assert (answer.status, (await answer.json())["error"]["field"]) == (400, field)


async def test_rules_are_listed_with_what_they_find(world: World) -> None:
    """In words, with their thresholds; OpsWatch's own rule among them."""
    await evaluated(world, a=7)
    answer = await (await world.get("/api/v1/rules")).json()
    one = answer["rules"][0]
    assert [rule["name"] for rule in answer["rules"]] == ["load_high", "service_health", "source_blind"]
    assert (one["firing"], one["reads"]) == (1, "mean of system load1 over 1m")
    assert one["thresholds"][0] == {"severity": "warning", "comparison": "above", "limit": 5.0, "clear": 4.0}


async def test_a_reload_says_what_it_would_do_and_then_does_it(world: World) -> None:
    """An edited rule keeps its incident, one that is gone ends it; who did it is on record."""
    await evaluated(world, a=7)
    await post(world, "/api/v1/incidents/1/ack")
    edited = RULES.replace("above: 5, clear: 4", "above: 6, clear: 5").replace("service_health", "service_state")
    (world.folder / "rules.yaml").write_text(edited)
    dry = await (await post(world, "/api/v1/rules/reload?dry_run=true", who="admin")).json()
    before = await (await world.get("/api/v1/rules")).json()
    real = await (await post(world, "/api/v1/rules/reload", who="admin")).json()
    await evaluated(world, a=7)
    shown = await (await world.get("/api/v1/incidents/1")).json()

    assert (dry["started"], dry["stopped"], dry["changed"]) == (["service_state"], ["service_health"], ["load_high"])
    assert (dry["applied"], real["applied"], before["version"] != real["version"]) == (False, True, True)
    assert (shown["resolved"], shown["acknowledged_by"]) == (None, "operator")

    (world.folder / "rules.yaml").write_text("rules: []")
    assert (await (await post(world, "/api/v1/rules/reload?dry_run=true", who="admin")).json())["closes"] == 1
    await post(world, "/api/v1/rules/reload", who="admin")
    over = await (await world.get("/api/v1/incidents/1")).json()
    assert over["resolution"] == "its rule is gone, or does not mean it any more"


async def test_a_wrong_file_changes_nothing_and_every_fault_is_told(world: World) -> None:
    """422, with line and column of each."""
    before = await (await world.get("/api/v1/rules")).json()
    (world.folder / "rules.yaml").write_text("rules:\n  - {name: Bad}\n  - {name: b, sevrity: x}\n")
    answer = await post(world, "/api/v1/rules/reload", who="admin")
    error = (await answer.json())["error"]
    assert answer.status == 422
    assert {fault["line"] for fault in error["faults"]} == {2, 3}
    assert (await (await world.get("/api/v1/rules")).json()) == before


async def test_transitions_are_points_that_can_be_charted(world: World) -> None:
    """Each once, with the incident and the value."""
    await evaluated(world, a=7)
    await evaluated(world, a=1)
    await world.spool.drain(timedelta(seconds=10))
    answer = await (
        await world.get("/api/v1/series?measurement=alert&field=state&field=incident&start=-1h&limit=10")
    ).json()
    found = {one["field"]: one["values"] for one in answer["series"]}
    assert found == {"state": [2, 0], "incident": [1, 1]}
    assert answer["series"][0]["tags"]["rule"] == "load_high"
