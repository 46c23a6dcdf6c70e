"""The page behind a link in a message: looking changes nothing, pressing acts once."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from api.keys import DOORS
from tests.alerting.office import fire
from tests.api.world import World, running


@pytest.fixture
async def told(tmp_path: Path) -> AsyncIterator[tuple[World, str, str]]:
    """Two incidents that were told in one message; the paths of its links."""
    async with running(tmp_path) as world:
        await fire(world.state, world.clock.clock, "a", "b")
        identifier = await delivered(world)
        links = [link(world, identifier, act) for act in ("ack", "snooze")]
        yield world, links[0], links[1]


async def delivered(world: World) -> str:
    assert world.telling is not None
    await world.telling.notify_once()
    world.clock.advance(timedelta(seconds=11))
    await world.telling.notify_once()
    await world.telling.idle()
    (line,) = [one for one in await world.state.explanations.deliveries(10, "", "", None) if one.count == 2]
    return line.identifier


def link(world: World, identifier: str, act: str) -> str:
    whole: str = world.app[DOORS].links.link(identifier, "hook", act)  # type: ignore[attr-defined]
    assert whole.startswith("http://ops.example/act/v1.")
    return whole.removeprefix("http://ops.example")


async def acknowledged(world: World) -> list[str]:
    return [one.acknowledged_by for one in await world.state.incidents.open_incidents()]


async def post(world: World, path: str, **form: str) -> tuple[int, str]:
    async with world.session.post(world.url + path, data=form, allow_redirects=False) as answer:
        return answer.status, await answer.text()


async def test_looking_changes_nothing_whoever_looks(told: tuple[World, str, str]) -> None:
    """C15: a mail scanner, a preview, HEAD: nobody has acknowledged anything."""
    world, path, _ = told
    for method, headers in (
        ("GET", {}),
        ("HEAD", {}),
        ("GET", {"Purpose": "prefetch"}),
        ("GET", {"User-Agent": "Slackbot"}),
    ):
        async with world.session.request(method, world.url + path, headers=headers) as answer:
            assert answer.status == 200
            assert answer.headers["Referrer-Policy"] == "same-origin"
            assert answer.headers["Cache-Control"] == "no-store"
            text = await answer.text()
    assert "Acknowledge 2 incidents?" in text
    assert await acknowledged(world) == ["", ""]


async def test_pressing_acknowledges_what_the_message_told_and_nothing_later(told: tuple[World, str, str]) -> None:
    """In the name of the receiver; an incident that began after the message is not meant."""
    world, path, _ = told
    await fire(world.state, world.clock.clock, "c")
    status, text = await post(world, path)
    assert (status, "Acknowledged: 2 incidents" in text) == (200, True)
    assert await acknowledged(world) == ["link: hook", "link: hook", ""]
    _, timeline = await world.state.incidents.show(1)
    assert [(one.what, one.author) for one in timeline if one.author] == [("ack", "link: hook")]


async def test_a_link_works_once(told: tuple[World, str, str]) -> None:
    """The second time it says who was first, and when."""
    world, path, _ = told
    await post(world, path)
    status, text = await post(world, path)
    assert status == 410
    assert "this link works once, and was used at" in text
    assert "link: hook" in text
    assert (await world.get(path, who="")).status == 410


async def test_of_two_people_who_press_at_once_one_acts(told: tuple[World, str, str]) -> None:
    """And the other hears so."""
    world, path, _ = told
    answers = await asyncio.gather(*(post(world, path) for _ in range(5)))
    assert sorted(status for status, _ in answers) == [200, 410, 410, 410, 410]
    _, timeline = await world.state.incidents.show(1)
    assert [one.what for one in timeline if one.author] == ["ack"]


async def test_a_snooze_needs_to_know_for_how_long(told: tuple[World, str, str]) -> None:
    """One of three; nonsense is refused and the link is still good."""
    world, _, path = told
    assert (await post(world, path, **{"for": "a year"}))[0] == 400
    status, text = await post(world, path, **{"for": "4h"})
    assert (status, "Snoozed until" in text) == (200, True)
    assert all(one.snoozed_until is not None for one in await world.state.incidents.open_incidents())


async def test_a_link_that_expired_or_was_changed_leads_to_the_login(told: tuple[World, str, str]) -> None:
    """Each with its own words."""
    world, path, _ = told
    assert (await post(world, path[:-2] + "xx"))[0] == 403
    world.clock.advance(timedelta(seconds=86_400))
    status, text = await post(world, path)
    assert (status, "this link was good until" in text) == (410, True)
    assert await acknowledged(world) == ["", ""]


async def test_who_guesses_is_soon_kept_out(told: tuple[World, str, str]) -> None:
    """As at the login."""
    world, _, _ = told
    statuses = [(await post(world, f"/act/v1.x.y.{number}"))[0] for number in range(22)]
    assert statuses == [403] * 20 + [429] * 2


async def test_what_is_over_needs_no_acknowledgement(told: tuple[World, str, str]) -> None:
    """The page says so, without a button."""
    world, path, _ = told
    await fire(world.state, world.clock.clock, "a", "b", over=True)
    text = await (await world.session.get(world.url + path)).text()
    assert "Nothing of it is open any more" in text
    assert "<button" not in text
