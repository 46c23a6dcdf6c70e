"""`/alerts` and `/incidents/{id}` as they come without JavaScript: what is read there, and what their forms do."""

import html
import json
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest

from alerting.ledger import IncidentPage, IncidentQuery
from api.doors import ApiSettings, Doors
from api.keys import DOORS
from telemetry.errors import StoreUnavailable
from tests.api.alert_story import HOSTILE, LONG, incident_of, tell
from tests.api.test_alerts import evaluated
from tests.api.world import NOW, RULES, World, running


@pytest.fixture
async def told(world: World) -> World:
    await tell(world)
    return world


async def page(world: World, path: str, who: str = "operator") -> str:
    """A page as text, with what is quoted in it as it was meant."""
    answer = await world.get(path, who)
    assert answer.status == 200, await answer.text()
    return html.unescape(await answer.text())


def table(text: str, title: str) -> list[str]:
    """The rows of a table, as words."""
    part = text[text.index(f'aria-label="{title}, table"') :]
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", part[part.index("<tbody>") : part.index("</tbody>")], re.DOTALL)
    return [" ".join(re.sub(r"<(?!script|/script)[^>]*>", " ", row).split()) for row in rows]


async def send(world: World, path: str, who: str = "operator", **form: str) -> aiohttp.ClientResponse:
    """A form, as a browser that is logged in sends it."""
    headers = {"Cookie": f"opswatch_session={await world.log_in(who)}", "Origin": world.url}
    async with world.session.post(world.url + path, data=form, headers=headers, allow_redirects=False) as answer:
        await answer.read()
    return answer


async def test_what_fires_stands_with_its_value_its_threshold_and_who_looks_after_it(told: World) -> None:
    """Firing first, then what is not known, then what is pending; the worst of each first."""
    text = await page(told, "/alerts")
    firing, unknown, pending = (table(text, title) for title in ("Firing", "Not known", "Pending"))

    assert [row.split()[0] for row in firing] == ["critical"] * 4 + ["warning"]
    assert "30 % above 20 %, clear at 10 % nobody" in firing[2]
    assert firing[3] == (
        "critical firing checkout is down service_health · probe health, service checkout checkout"
        " 2026-11-24 12:16:30 8 min 30 s ago down when down snoozed for 1 h 54 min; assigned to grace ada"
    )
    assert [row.split()[0] for row in unknown] == ["unknown", "unknown"]
    assert "has no sample in the last 1m" in unknown[0]
    assert len(pending) == 1
    assert "1,500 ms above 1,000 ms, clear at 500 ms for 2 min 45 s of 10 min" in pending[0]
    assert text.index("Firing, table") < text.index("Not known, table") < text.index("Pending, table")


async def test_nothing_that_fires_is_said_in_words(world: World) -> None:
    """A page that is empty could also be one that is broken."""
    before = await page(world, "/alerts", "viewer")
    assert "Nothing fires." in before
    assert "No rule is evaluated here: ALERTING_ENABLED is false." in before
    assert "No incident has been recorded yet." in before
    assert "nobody" not in before


async def test_every_page_says_how_many_incidents_are_open(told: World) -> None:
    """Beside the way to them, as shape, number and word."""
    for path in (
        "/",
        "/host",
        "/services/checkout",
        "/reports",
        "/reports/trend",
        "/status",
        "/alerts",
        "/incidents/1",
    ):
        text = await page(told, path)
        head = text[text.index('data-live="firing"') :]
        words = re.sub(r"<[^>]*>", "", head[head.index(">") + 1 : head.index("</a>")])

        assert words.split() == ["4", "critical", "1", "warning"], path


async def test_hostile_tags_and_comments_are_text(told: World) -> None:
    """Nothing in them is markup, and nothing turns around what stands beside it."""
    number = await incident_of(told, "service_health", "checkout")
    hostile = [one["id"] for one in (await (await told.get("/api/v1/incidents?rule=load_high")).json())["incidents"]]
    for path in ("/alerts", f"/incidents/{number}", *(f"/incidents/{one}" for one in hostile), "/host?start=-40m"):
        raw = await (await told.get(path, "operator")).text()
        assert "<script>window" not in raw
        assert "\u202e" not in raw
        assert "style=" not in raw
    assert HOSTILE.replace("\u202e", "\\u202e") in await page(told, f"/incidents/{number}")
    assert LONG in await page(told, f"/incidents/{hostile[0]}")


async def test_the_history_is_narrowed_and_exported_as_it_is_shown(told: World) -> None:
    """The filters are in the address, and in that of the CSV."""
    text = await page(told, "/alerts?status=resolved&severity=&rule=load_high&service=&start=-1h&stop=")
    rows = table(text, "History")
    link = re.search(r'href="(/api/v1/incidents\.csv[^"]*)"', text)
    assert link is not None
    exported = await (await told.get(link[1])).text()

    assert len(rows) == 1
    assert "resolved The load of" in rows[0]
    assert link[1] == "/api/v1/incidents.csv?status=resolved&rule=load_high&start=-1h"
    assert len(exported.splitlines()) == 2


async def test_a_filter_that_makes_no_sense_is_told_and_what_fires_is_shown_all_the_same(told: World) -> None:
    """Nobody should miss an outage for a typing error."""
    answer = await told.get("/alerts?start=yesterdy")
    text = html.unescape(await answer.text())

    assert answer.status == 400
    assert "The history cannot be shown: start: 'yesterdy' is not a time" in text
    assert len(table(text, "Firing")) == 5
    assert 'name="start" value="yesterdy"' in text


async def test_a_long_history_is_read_page_by_page(world: World) -> None:
    """Fifty at a time, the newest first; the older ones by a link that keeps the filters."""
    await evaluated(world, **{f"h{number:02}": 7.0 for number in range(60)})
    first = await page(world, "/alerts?rule=load_high")
    older = re.search(r'href="(/alerts\?[^"]*cursor=\d+)#history">Older', first)
    assert older is not None
    second = await page(world, older[1])

    assert "60 incidents of these" in first
    assert (len(table(first, "History")), len(table(second, "History"))) == (50, 10)
    assert 'href="/alerts?rule=load_high#history">Newest' in second


async def test_more_alerts_than_anybody_reads_do_not_make_the_page_endless(world: World) -> None:
    """The first 200 are listed, the others counted."""
    await evaluated(world, **{f"h{number:03}": 7.0 for number in range(230)})
    text = await page(world, "/alerts")

    assert len(table(text, "Firing")) == 200
    assert "And 30 more:" in text


def timeline(text: str) -> list[str]:
    """The lines of a timeline, as words."""
    part = text[text.index('class="timeline"') :]
    lines = re.findall(r"<li[^>]*>(.*?)</li>", part[: part.index("</ol>")], re.DOTALL)
    return [" ".join(re.sub(r"<(?!script|/script)[^>]*>", " ", line).split()) for line in lines]


async def test_the_timeline_tells_transitions_decisions_and_actions_with_times_and_values(told: World) -> None:
    """Oldest first, in the words that people use."""
    lines = timeline(await page(told, f"/incidents/{await incident_of(told, 'app_error_rate')}"))
    acted = timeline(await page(told, f"/incidents/{await incident_of(told, 'service_health', 'checkout')}"))

    assert lines == [
        "2026-11-24 12:15:45 warning fires at 8.25 %",
        "2026-11-24 12:15:45 to be told, unless something holds it back: a new incident",
        "2026-11-24 12:16:45 critical is worse at 22.8 %",
        "2026-11-24 12:16:45 to be told, unless something holds it back: it is worse than people were told",
    ]
    assert acted[0] == "2026-11-24 12:16:30 critical fires at down"
    assert acted[3] == "2026-11-24 12:19:00 acknowledged by ada looking into it"
    assert [line.split()[2] for line in acted[2:]] == ["snoozed", "acknowledged", "note", "assigned"]


async def test_a_form_acknowledges_and_leads_back(told: World) -> None:
    """303, and the page says who does it; also the alert's row, and the head of every page."""
    number = await incident_of(told, "app_error_rate")
    answer = await send(told, f"/incidents/{number}/ack", comment="on it")

    assert (answer.status, answer.headers["Location"]) == (303, f"/incidents/{number}")
    text = await page(told, f"/incidents/{number}")
    assert "acknowledged by operator" in text
    assert "Acknowledge too" in text
    assert "3 not acknowledged" in await page(told, "/alerts")


async def test_each_form_does_what_it_says(told: World) -> None:
    """Note, snooze for a time and until one, assign, close."""
    number = await incident_of(told, "app_error_rate")
    path = f"/incidents/{number}"
    for action, form in (
        ("note", {"comment": "the new release"}),
        ("snooze", {"until": "4h", "at": "", "comment": "known"}),
        ("assign", {"assignee": " grace "}),
    ):
        assert (await send(told, f"{path}/{action}", **form)).status == 303
    shown = await (await told.get(f"/api/v1{path}")).json()
    assert (await send(told, f"{path}/close", comment="rolled back")).status == 303
    closed = await page(told, path)

    assert (shown["assigned_to"], shown["snoozed_until"]) == ("grace", "2026-11-24T16:25:00.000Z")
    assert "resolved" in closed
    assert "rolled back" in closed
    assert "Snooze for" not in closed
    assert "Add the note" in closed


async def test_a_time_without_a_zone_is_one_of_the_page(tmp_path: Path) -> None:
    """What a browser sends of a field for a date and a time has none."""
    settings = ApiSettings(host="h1", version="0.1.0", time_zone="Europe/Berlin")
    async with running(tmp_path, settings) as world:
        await evaluated(world, a=7)
        assert (await send(world, "/incidents/1/snooze", until="1h", at="2026-11-24T18:30")).status == 303
        shown = await (await world.get("/api/v1/incidents/1")).json()

        assert shown["snoozed_until"] == "2026-11-24T17:30:00.000Z"
        assert "2026-11-24 18:30" in await page(world, "/incidents/1")


WRONG = (
    ("note", {"comment": "  "}, "a note needs words"),
    ("close", {"comment": ""}, "whoever closes an incident says why"),
    ("snooze", {"until": "1h", "at": "2020-01-01T00:00", "comment": "typed <b>"}, "a time that is still to come"),
    ("snooze", {"until": "for ever"}, "or a duration as 2h"),
    ("snooze", {"until": "", "at": "9999999999d"}, "a duration as 2h"),
    ("assign", {"assignee": "a" * 300}, "at most 200 printable characters"),
)


async def test_what_cannot_be_done_is_told_on_the_page_with_what_was_typed(told: World) -> None:
    """400, and nothing that somebody has written is lost."""
    number = await incident_of(told, "app_error_rate")
    for action, form, words in WRONG:
        answer = await send(told, f"/incidents/{number}/{action}", **form)
        text = html.unescape(await answer.text())
        kept = {name: value for name, value in form.items() if name in {"comment", "at", "assignee"}}

        assert answer.status == 400, action
        assert words in text
        assert all(value in text for value in kept.values())


async def test_an_incident_that_is_over_takes_a_note_and_nothing_else(told: World) -> None:
    """409 as a page; somebody had it open when it ended."""
    refused = await send(told, "/incidents/1/ack", comment="late")
    taken = await send(told, "/incidents/1/note", comment="it was the cache")

    assert refused.status == 409
    assert "a note is all that it takes" in await refused.text()
    assert taken.status == 303
    assert "it was the cache" in await page(told, "/incidents/1")


async def test_a_viewer_reads_and_is_offered_nothing_else(told: World) -> None:
    """And a form sent all the same is refused."""
    text = await page(told, "/incidents/1", "viewer")

    assert "it takes the role operator" in text
    assert '/incidents/1/note"' not in text
    assert (await send(told, "/incidents/1/note", "viewer", comment="x")).status == 403


async def test_another_sites_page_cannot_acknowledge(told: World) -> None:
    """The session alone is not enough: the same protection as of every write (CSRF)."""
    number = await incident_of(told, "app_error_rate")
    cookie = {"Cookie": f"opswatch_session={await told.log_in('operator')}"}
    for headers in (
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "null"},
        {},
    ):
        url, sent = f"{told.url}/incidents/{number}/ack", cookie | headers
        async with told.session.post(url, data={"comment": "x"}, headers=sent, allow_redirects=False) as answer:
            assert answer.status == 403, headers
    assert (await (await told.get(f"/api/v1/incidents/{number}")).json())["acknowledged"] is None


async def test_the_chart_has_the_thresholds_as_lines_and_the_incident_as_a_span(told: World) -> None:
    """And the table beside it says the same in words."""
    number = await incident_of(told, "load_high")
    text = await page(told, f"/incidents/{number}")
    lines = json.loads(re.search(r'data-limits="(\[.*?\])"', text)[1])  # type: ignore[index]
    (mark,) = json.loads(re.search(r'data-marks="(\[.*?\])"', text)[1])  # type: ignore[index]

    assert [(line["value"], line["severity"]) for line in lines] == [(5.0, "warning"), (10.0, "critical")]
    assert (mark["stop"], mark["severity"], mark["number"], mark["label"]) == (None, "warning", number, "load_high")
    assert mark["start"] == (NOW + timedelta(minutes=21)).timestamp() * 1000
    assert "still open" in text
    assert f'data-source="/api/v1/incidents/{number}/evaluations?field=value&fn=evaluated"' in text
    assert "mean of system load1 over 1m" in text


def marks(text: str) -> list[tuple[int, str]]:
    """All of a page's charts: the number of each incident, and its title."""
    found = [json.loads(one) for one in re.findall(r'data-marks="(\[.*?\])"', text)]
    return sorted({(one["number"], one["title"]) for some in found for one in some})


async def test_incidents_of_a_service_are_marks_on_the_charts_of_what_they_are_about(told: World) -> None:
    """Each with its span and a title, and in the table of each chart; those of others are not there."""
    text = await page(told, "/services/checkout")

    assert marks(text) == [(6, "checkout is down")]
    assert text.count('<a href="/incidents/6">#6 checkout is down</a>') == 3
    assert "2026-11-24 12:16:30" in text
    assert marks(await page(told, "/status")) == []


async def test_incidents_of_this_host_are_marks_on_its_charts(told: World) -> None:
    """Those within the range that is shown."""
    text = await page(told, "/host?start=-40m")
    earlier = await page(told, "/host?start=-40m&stop=-20m")

    assert [number for number, _ in marks(text)] == [3, 4]
    assert marks(earlier) == []


async def test_what_the_rule_read_is_in_the_table_of_its_chart(told: World) -> None:
    """Of a mean, a ratio, a newest state and a forecast: lowest and highest, for whoever sees no drawing."""
    for number, low, high in ((4, "2", "12.25"), (5, "1.0 %", "30.0 %"), (6, "0", "2"), (3, "0.85", "1.10")):
        text = await page(told, f"/incidents/{number}")
        row = re.search(r'<th scope="row">value</th>(.*?)</tr>', text)
        assert row is not None
        cells = re.findall(r"<td>(.*?)</td>", row[1])
        assert (cells[1], cells[3]) == (low, high), number


async def test_a_stretch_that_is_too_long_to_be_drawn_is_told(told: World) -> None:
    """With what is in the address, and everything else of the page."""
    text = await page(told, "/incidents/4?start=-1000d")

    assert "stop must be after start, by 31 days at most" in text
    assert 'value="-1000d"' in text
    assert len(timeline(text)) == 4


async def test_without_its_rule_an_incident_has_no_trend_and_its_page_says_so(told: World) -> None:
    """What it reads is not known any more; everything else is there."""
    assert told.alerting is not None
    (told.folder / "rules.yaml").write_text(RULES.replace("load_high", "load_too_high"))
    await told.alerting.reload("test", dry_run=False)
    text = await page(told, "/incidents/4")

    assert "Its rule is not in force any more" in text
    assert "its rule is gone" in text
    assert (await told.refusal("/api/v1/incidents/4/evaluations"))[0] == 404


async def test_a_rule_that_was_changed_since_is_said(told: World) -> None:
    """The thresholds in the chart are not those that the incident opened by."""
    assert told.alerting is not None
    rules = (told.folder / "rules.yaml").read_text().replace("above: 5, clear: 4", "above: 6, clear: 4")
    (told.folder / "rules.yaml").write_text(rules)
    await told.alerting.reload("test", dry_run=False)

    assert "changed: thresholds shown are those of now" in await page(told, "/incidents/2")


async def test_a_runbook_that_is_no_page_is_no_link(told: World) -> None:
    """A rule may say anything; a browser must not run it."""
    assert 'href="https://wiki.example/load" rel="noopener noreferrer external"' in await page(told, "/incidents/4")
    assert told.alerting is not None
    rules = (told.folder / "rules.yaml").read_text()
    for number, runbook in enumerate(("javascript:alert(1)", "ask ada", "data:text/html,x")):
        renamed = rules.replace("load_high", f"load_{number}").replace("https://wiki.example/load", runbook)
        (told.folder / "rules.yaml").write_text(renamed)
        try:
            await told.alerting.reload("test", dry_run=False)
        except Exception:  # refused where rules are read: as good
            continue
        told.clock.advance(timedelta(seconds=15))
        await told.alerting.evaluate_once()
        newest = await (await told.get(f"/api/v1/incidents?rule=load_{number}")).json()
        for one in newest["incidents"]:
            assert f'href="{runbook}' not in await page(told, f"/incidents/{one['id']}")


class AwayBook:
    """A ledger that cannot be used."""

    async def list(self, query: IncidentQuery) -> IncidentPage:
        raise StoreUnavailable("state.sqlite cannot be read: disk on fire")


async def test_what_fires_is_shown_without_the_ledger(tmp_path: Path) -> None:
    """And so are service and host; the pages say what is missing."""

    def away(doors: Doors) -> Doors:
        return replace(doors, incidents=AwayBook())  # type: ignore[arg-type]  # the rest is not asked

    async with running(tmp_path, change=away) as world:
        await evaluated(world, a=7)
        alerts = await page(world, "/alerts")

        assert len(table(alerts, "Firing")) == 1
        assert "The history cannot be shown: state.sqlite cannot be read" in alerts
        for path in ("/host", "/services/checkout"):
            assert "Incidents are not known at the moment" in await page(world, path)


class AwayReader:
    """A store that cannot be asked."""

    async def evaluations(self, *asked: object) -> None:
        raise StoreUnavailable("InfluxDB at http://influxdb:8086 cannot be reached")


async def test_an_incident_is_shown_and_acknowledged_without_the_store(told: World) -> None:
    """Only its trend is missing: that is when people need the rest most."""
    object.__setattr__(told.app[DOORS], "evaluations", AwayReader())
    text = await page(told, "/incidents/4")

    assert (
        "What the rule read cannot be drawn at the moment: InfluxDB at http://influxdb:8086 cannot be reached" in text
    )
    assert (await send(told, "/incidents/4/ack")).status == 303


async def test_links_and_forms_honour_the_base_path(tmp_path: Path) -> None:
    """Behind a reverse proxy at /ops nothing points outside of it."""
    async with running(tmp_path, ApiSettings(host="h1", version="0.1.0", base_path="/ops")) as world:
        assert world.alerting is not None
        await evaluated(world, a=7)
        for path in ("/ops/alerts", "/ops/incidents/1", "/ops/services/checkout"):
            text = await (await world.get(path, "operator")).text()
            paths = re.findall(r'(?:href|src|action)="(/[^"]*)"', text)
            assert paths
            assert [one for one in paths if not one.startswith("/ops/")] == []


async def test_an_incident_that_is_not_there_is_a_page_that_says_so(world: World) -> None:
    """404, whatever stands there."""
    for number in ("0", "99", "-1", "1e3", "99999999999999999999", "%2e%2e%2f", "1%00"):
        answer = await world.get(f"/incidents/{number}")

        assert answer.status == 404, number
        assert "There is nothing here" in await answer.text()
