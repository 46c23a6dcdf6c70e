"""How a person becomes the owner, logs in and logs out."""

import asyncio
from datetime import timedelta
from http.cookies import SimpleCookie
from pathlib import Path

import pytest

from api.access import Role
from tests.api.world import NOW, ApiSettings, World, running


async def post(world: World, path: str, form: dict[str, str], cookie: str = "") -> tuple[int, str, SimpleCookie, str]:
    """Status, Location, cookies and text of a form that a page of ours sends."""
    headers = {"Origin": world.url, "Sec-Fetch-Site": "same-origin"}
    if cookie:
        headers["Cookie"] = f"opswatch_session={cookie}"
    async with world.session.post(world.url + path, data=form, headers=headers, allow_redirects=False) as answer:
        return answer.status, answer.headers.get("Location", ""), answer.cookies, await answer.text()


async def as_session(world: World, path: str, key: str) -> int:
    headers = {"Cookie": f"opswatch_session={key}"}
    async with world.session.get(world.url + path, headers=headers, allow_redirects=False) as answer:
        return answer.status


# The owner


async def test_the_owner_link_makes_the_owner_once(world: World) -> None:
    """The key makes an admin's session, and is spent with that."""
    key = world.state.ownership.issue_key(NOW)
    status, location, cookies, _ = await post(world, "/setup", {"key": key})
    again, _, no_cookies, text = await post(world, "/setup", {"key": key})

    assert (status, location) == (303, "/")
    assert await as_session(world, "/api/v1/tokens", cookies["opswatch_session"].value) == 200
    assert (again, dict(no_cookies)) == (401, {})
    assert "has an owner already" in text


async def test_of_two_who_hold_the_link_one_becomes_the_owner(world: World) -> None:
    """At the same moment, too."""
    key = world.state.ownership.issue_key(NOW)
    answers = await asyncio.gather(*(post(world, "/setup", {"key": key}) for _ in range(5)))

    assert sorted(status for status, *_ in answers) == [303, 401, 401, 401, 401]


@pytest.mark.parametrize("key", ["", "x", "ü" * 43, " "])
async def test_a_wrong_key_makes_nobody(world: World, key: str) -> None:
    """And the right one is still good afterwards."""
    right = world.state.ownership.issue_key(NOW)
    status, _, cookies, text = await post(world, "/setup", {"key": key})

    assert (status, dict(cookies)) == (401, {})
    assert "Restart OpsWatch for a new link" in text
    assert (await post(world, "/setup", {"key": right}))[0] == 303


async def test_the_owner_link_ends_after_15_minutes_and_with_a_new_one(world: World) -> None:
    """A link in an old terminal opens nothing."""
    first = world.state.ownership.issue_key(NOW)
    second = world.state.ownership.issue_key(NOW)
    replaced = (await post(world, "/setup", {"key": first}))[0]
    world.clock.advance(timedelta(minutes=15))
    late = (await post(world, "/setup", {"key": second}))[0]

    assert (replaced, late) == (401, 401)


async def test_the_key_is_never_asked_for_in_an_address(world: World) -> None:
    """A key in the query, where logs would keep it, does nothing: it stands behind the #."""
    key = world.state.ownership.issue_key(NOW)
    answer = await world.get("/setup", "", key=key)

    assert answer.status == 200
    assert key not in await answer.text()
    assert not await world.state.ownership.exists()


async def test_the_setup_page_works_without_javascript(world: World) -> None:
    """It has a form with a field for the key, and no script of its own inside."""
    text = await (await world.get("/setup", "")).text()

    assert '<form method="post" action="/setup"' in text
    assert 'name="key"' in text
    assert "<script>" not in text


# Sessions


async def test_a_token_pasted_once_becomes_a_session(world: World) -> None:
    """With the token's role, in a cookie that scripts and other sites cannot use."""
    async with world.session.post(
        f"{world.url}/login", data={"token": f" {world.tokens['viewer']}\n"}, allow_redirects=False
    ) as answer:
        cookie = answer.headers["Set-Cookie"]
        key = answer.cookies["opswatch_session"].value

    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert "Secure" not in cookie  # not under TLS
    assert world.tokens["viewer"] not in cookie
    assert await as_session(world, "/", key) == 200
    assert await as_session(world, "/api/v1/tokens", key) == 403


async def test_logging_in_again_ends_the_session_before(world: World) -> None:
    """A key that somebody planted or knew is worth nothing after the login."""
    old = await world.log_in()
    _, _, cookies, _ = await post(world, "/login", {"token": world.tokens["admin"]}, old)
    new = cookies["opswatch_session"].value

    assert new != old
    assert (await as_session(world, "/", old), await as_session(world, "/", new)) == (401, 200)


async def test_a_planted_key_becomes_no_session(world: World) -> None:
    """The server makes the keys; one that a client brings along is not taken over."""
    _, _, cookies, _ = await post(world, "/login", {"token": world.tokens["viewer"]}, "planted")

    assert cookies["opswatch_session"].value != "planted"
    assert await as_session(world, "/", "planted") == 401


async def test_logging_out_ends_the_session_on_the_server(world: World) -> None:
    """The cookie is taken back, and a copy of it is worth nothing."""
    key = await world.log_in()
    status, location, cookies, _ = await post(world, "/logout", {}, key)

    assert (status, location) == (303, "/login")
    assert cookies["opswatch_session"]["max-age"] == "0"
    assert await as_session(world, "/", key) == 401


async def test_a_session_ends_with_the_token_it_was_opened_with(world: World) -> None:
    """Revoked means: the next request is refused, whichever way it comes."""
    key = await world.log_in("operator")
    await world.state.tokens.revoke("operator", NOW)

    assert await as_session(world, "/", key) == 401


@pytest.mark.parametrize("idle", [timedelta(days=7, seconds=1), timedelta(days=31)])
async def test_an_idle_session_ends(world: World, idle: timedelta) -> None:
    """A browser that nobody used for a week has to log in again."""
    key = await world.log_in()
    world.clock.advance(idle)

    assert await as_session(world, "/", key) == 401


async def test_a_used_session_ends_after_30_days(world: World) -> None:
    """However busy it was."""
    key = await world.log_in()
    found = []
    for _ in range(6):
        world.clock.advance(timedelta(days=6))
        found.append(await as_session(world, "/", key))

    assert found == [200, 200, 200, 200, 200, 401]


@pytest.mark.parametrize("token", ["", "wrong", "opw_" + "A" * 43, "\x00"])
async def test_a_wrong_token_opens_no_session(world: World, token: str) -> None:
    """401, the form again, and no cookie."""
    status, _, cookies, text = await post(world, "/login", {"token": token})

    assert (status, dict(cookies)) == (401, {})
    assert "not known, or revoked, or expired" in text


@pytest.mark.parametrize(
    ("wanted", "location"),
    [
        ("/host?start=-6h", "/host?start=-6h"),
        ("", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("/ok\r\nSet-Cookie: a=b", "/"),
        ("/\tevil", "/"),
        ("javascript:alert(1)", "/"),
    ],
)
async def test_after_the_login_one_stays_here(world: World, wanted: str, location: str) -> None:
    """`next` leads to a path of ours or to the start page, never to another host."""
    status, found, _, _ = await post(world, "/login", {"token": world.tokens["viewer"], "next": wanted})

    assert (status, found) == (303, location)


async def test_a_page_that_needs_a_login_comes_back_to_itself(world: World) -> None:
    """Who opens a link without a session gets the login form, and after it the link."""
    await world.state.ownership.claim(world.state.ownership.issue_key(NOW), NOW)
    answer = await world.get("/host?start=-6h&x=%22%3E%3Cscript%3E", "")

    assert answer.status == 401
    assert 'name="next" value="/host?start=-6h&amp;x=' in await answer.text()
    assert "<script>" not in await answer.text()


async def test_below_a_base_path_everything_stays_there(tmp_path: Path) -> None:
    """Behind a reverse proxy: routes, redirects, cookies and documents carry the base path."""
    async with running(tmp_path, ApiSettings("h1", "0.1.0", base_path="/ops")) as world:
        async with world.session.post(
            f"{world.url}/ops/login", data={"token": world.tokens["viewer"], "next": "/host"}, allow_redirects=False
        ) as answer:
            location, path = answer.headers["Location"], answer.cookies["opswatch_session"]["path"]
        document = await (await world.get("/ops/openapi.json")).json()
        outside = (await world.get("/health", "")).status

    assert (location, path) == ("/ops/host", "/ops")
    assert document["servers"] == [{"url": "/ops"}]
    assert outside == 401


async def test_the_role_of_a_session_is_that_of_its_token(world: World) -> None:
    """A viewer's browser is a viewer."""
    identity = await world.state.sessions.find(await world.log_in(), NOW)

    assert identity is not None
    assert (identity.name, identity.role) == ("viewer", Role.VIEWER)
