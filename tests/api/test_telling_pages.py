"""The forms of `/silences`, `/maintenance`, `/duty` and `/messages`, as a browser without a script sends them."""

import html
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from api.doors import ApiSettings
from tests.api.test_alert_pages import page, send
from tests.api.world import World, running


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A server whose people live in Berlin."""
    async with running(tmp_path, ApiSettings(host="h1", version="0.1.0", time_zone="Europe/Berlin")) as one:
        yield one


SILENCE = {"match": "service=checkout", "duration": "1h"}
WINDOW = {"name": "w", "match": "service=checkout", "kind": "once", "duration": "1h"}
STEP_IN = {"rotation": "on-duty", "person": "ben", "duration": "1h"}


async def test_a_time_is_read_by_the_clock_that_the_page_shows(world: World) -> None:
    """18:00 in Berlin is 17:00 UTC in winter and 16:00 in summer; a window has a zone of its own."""
    for path, form in (
        ("/silences", SILENCE | {"until": "2026-12-24 18:00"}),
        ("/silences", SILENCE | {"until": "2027-06-24T18:00"}),
        ("/silences", SILENCE | {"until": "2026-12-24T18:00:00Z"}),
        ("/maintenance", WINDOW | {"start": "2026-12-24 18:00"}),
        ("/maintenance", WINDOW | {"name": "x", "start": "2026-12-24 18:00", "time_zone": "Asia/Tokyo"}),
        ("/duty", STEP_IN | {"start": "2026-12-24 18:00"}),
    ):
        assert (await send(world, path, **form)).status == 303
        assert "by the clock of Europe/Berlin" in await page(world, path) or path == "/maintenance"
    silences = (await (await world.get("/api/v1/silences")).json())["silences"]
    windows = (await (await world.get("/api/v1/maintenance")).json())["windows"]
    (rotation,) = (await (await world.get("/api/v1/duty")).json())["rotations"]

    assert sorted(one["ends"] for one in silences) == [
        "2026-12-24T17:00:00.000Z",
        "2026-12-24T18:00:00.000Z",
        "2027-06-24T16:00:00.000Z",
    ]
    assert [one["start"] for one in windows[1:]] == ["2026-12-24T17:00:00.000Z", "2026-12-24T09:00:00.000Z"]
    assert rotation["overrides"][0]["start"] == "2026-12-24T17:00:00.000Z"


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("2027-03-28 02:30", "clocks in Europe/Berlin skip 2027-03-28 02:30; the next time there is: 2027-03-28T03:30"),
        ("2027-10-31 02:30", "twice; write 2027-10-31T02:30:00+02:00 or 2027-10-31T02:30:00+01:00"),
    ],
)
async def test_a_time_that_clocks_skip_or_show_twice_is_told(world: World, typed: str, words: str) -> None:
    """With the ways out; what was typed stays."""
    for path, form in (
        ("/silences", SILENCE | {"until": typed}),
        ("/maintenance", WINDOW | {"start": typed}),
        ("/duty", STEP_IN | {"start": typed}),
    ):
        answer = await send(world, path, **form)
        text = html.unescape(await answer.text())
        assert answer.status == 400
        assert words in text
        assert f'value="{typed}"' in text


async def test_a_length_that_is_chosen_for_a_silence_counts(world: World) -> None:
    """From now on; with another end beside it nobody guesses; and where neither is touched its end stays."""
    await send(world, "/silences", **SILENCE)
    world.clock.advance(timedelta(minutes=30))

    async def change(**typed: str) -> tuple[int, str, str]:
        text = await page(world, "/silences?edit=1")
        fields = dict(re.findall(r'name="(number|version|until)" value="([^"]*)"', text))
        answer = await send(world, "/silences", **(SILENCE | {"duration": ""} | fields | typed))
        shown = await (await world.get("/api/v1/silences/1")).json()
        return answer.status, shown["ends"], html.unescape(await answer.text())

    assert (await change())[:2] == (303, "2026-11-24T13:00:00.000Z")
    assert (await change(duration="4h"))[:2] == (303, "2026-11-24T16:30:00.000Z")
    assert (await change(until="2026-11-24 20:00"))[:2] == (303, "2026-11-24T19:00:00.000Z")
    status, ends, text = await change(duration="4h", until="2026-11-24 21:00")
    assert (status, ends) == (400, "2026-11-24T19:00:00.000Z")
    assert "a length and another end: choose one" in text


async def test_a_page_that_is_loaded_again_sends_no_second_test(world: World) -> None:
    """What the receiver answered stands on a page of its own address."""
    answer = await send(world, "/messages/test", receiver="hook")
    path = answer.headers["Location"].partition("#")[0]
    pages = [await page(world, path) for _ in range(2)]
    sent = (await (await world.get("/api/v1/deliveries")).json())["deliveries"]

    assert answer.status == 303
    assert all("The test</h2>" in text and "200 thanks" in text for text in pages)
    assert [one["kind"] for one in sent] == ["test"]
    assert "The test</h2>" not in await page(world, "/messages?tried=nothing")
    assert (await send(world, "/messages/test", receiver="nobody")).status == 404


async def test_every_message_can_be_come_to(world: World) -> None:
    """Fifty on a page, the newest first, by links that keep what it was narrowed to; the API takes the same cursor."""
    assert world.telling is not None
    for _ in range(51):
        await world.telling.test("hook", "ada")
    await world.telling.test("ops-mail", "ada")
    every = [one["id"] for one in (await (await world.get("/api/v1/deliveries")).json())["deliveries"]]
    to_hook = every[1:]
    rest = await (await world.get("/api/v1/deliveries", before=every[50], limit="9")).json()

    first = await page(world, "/messages?receiver=hook")
    (older,) = re.findall(r'href="(/messages\?[^"#]*)#sent" rel="next"', first)
    last = await page(world, older)

    assert [one["id"] for one in rest["deliveries"]] == every[51:]
    assert [one for one in to_hook if one in first] == to_hook[:50]
    assert [one for one in to_hook if f"· {one}" in last] == to_hook[50:]
    assert 'rel="next"' not in last
    assert 'href="/messages?receiver=hook#sent">Newest' in last
    assert (await world.refusal("/api/v1/deliveries", before="nothing"))[:2] == (400, "before")
    assert (await world.get("/messages?before=nothing")).status == 400


@pytest.mark.parametrize(
    ("path", "form", "field"),
    [
        ("/silences", SILENCE | {"match": ""}, "match"),
        ("/silences", SILENCE | {"until": "yesterday"}, "until"),
        ("/silences", SILENCE | {"duration": "999999999w"}, "duration"),
        ("/maintenance", WINDOW | {"name": ""}, "name"),
        ("/maintenance", WINDOW | {"time_zone": "Mars/Utopia"}, "time_zone"),
        ("/maintenance", WINDOW | {"kind": "cron", "cron": "nonsense"}, "cron"),
        ("/maintenance", WINDOW | {"kind": "weekly", "days": "mon", "at": "25:00"}, "at"),
        ("/maintenance", WINDOW | {"kind": "monthly", "day": "40", "at": "03:00"}, "day"),
        ("/duty", STEP_IN | {"start": "soon"}, "start"),
        ("/duty", STEP_IN | {"duration": "soon"}, "duration"),
    ],
)
async def test_what_is_wrong_stands_beside_its_field(world: World, path: str, form: dict[str, str], field: str) -> None:
    """And everything that was typed stays."""
    answer = await send(world, path, **form)
    text = await answer.text()
    (before,) = re.findall(r'(<label>(?:(?!</label>).)*)<strong class="fault">', text, re.DOTALL)
    assert answer.status == 400
    assert f'name="{field}"' in before
    assert all(html.escape(value) in text for value in form.values())


@pytest.mark.parametrize(("path", "form"), [("/silences", SILENCE), ("/maintenance", WINDOW)])
async def test_a_number_that_is_none_changes_nothing(world: World, path: str, form: dict[str, str]) -> None:
    """A form that somebody tampered with makes no new one, and breaks nothing."""
    for number in ("²", "9" * 40):
        assert (await send(world, path, **form, number=number, version="1")).status == 404


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (WINDOW | {"name": ""}, "name is missing"),
        (WINDOW | {"kind": "weekly", "days": "mon", "at": "25:00"}, "By the clock of the time zone: 03:00"),
        (WINDOW | {"kind": "nonsense"}, "when it begins is once, weekly, monthly or cron"),
    ],
)
async def test_what_is_wrong_is_said_for_people(world: World, form: dict[str, str], words: str) -> None:
    """Not as the library says it that reads the form."""
    answer = await send(world, "/maintenance", **form)
    text = await answer.text()
    assert answer.status == 400
    assert words in text
    assert "pattern" not in text.replace('pattern="', "")
