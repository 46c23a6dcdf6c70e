"""API tokens over the API: made, listed, revoked, by admins."""

import pytest

from tests.api.world import World


async def make(world: World, body: object, who: str = "admin") -> tuple[int, dict[str, object]]:
    async with world.session.post(f"{world.url}/api/v1/tokens", json=body, headers=world.bearer(who)) as answer:
        return answer.status, await answer.json()


async def test_a_new_token_is_shown_once_and_works(world: World) -> None:
    """The list has its name, role and first characters, and never the token."""
    status, made = await make(world, {"name": "grafana", "role": "viewer", "expires": "90d"})
    world.tokens["new"] = str(made["token"])
    used = (await world.get("/api/v1/schema", "new")).status
    listed = await world.get("/api/v1/tokens", "admin")
    (record,) = [one for one in (await listed.json())["tokens"] if one["name"] == "grafana"]

    assert (status, used) == (201, 200)
    assert record == {
        "name": "grafana",
        "role": "viewer",
        "prefix": world.tokens["new"][:8],
        "created": "2026-11-24T12:00:00.000Z",
        "expires": "2027-02-22T12:00:00.000Z",
        "last_used": "2026-11-24T12:00:00.000Z",
        "revoked": None,
    }
    assert world.tokens["new"] not in await listed.text()


async def test_a_revoked_token_is_refused_and_its_name_free(world: World) -> None:
    """The next request with it is 401."""
    _, made = await make(world, {"name": "ci"})
    world.tokens["ci"] = str(made["token"])
    async with world.session.delete(f"{world.url}/api/v1/tokens/ci", headers=world.bearer("admin")) as answer:
        assert answer.status == 204
    async with world.session.delete(f"{world.url}/api/v1/tokens/ci", headers=world.bearer("admin")) as answer:
        assert answer.status == 404

    assert (await world.get("/api/v1/schema", "ci")).status == 401
    assert (await make(world, {"name": "ci"}))[0] == 201


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"name": "viewer"}, 409, "name"),
        ({"name": ""}, 400, "name"),
        ({"name": " "}, 400, "name"),
        ({"name": "a\nb"}, 400, "name"),
        ({"name": "x" * 101}, 400, "name"),
        ({"role": "viewer"}, 400, "name"),
        ({"name": "a", "role": "root"}, 400, "role"),
        ({"name": "a", "expires": "soon"}, 400, "expires"),
        ({"name": "a", "expires": "999999999d"}, 400, "expires"),
        ({"name": "a", "rolle": "admin"}, 400, "rolle"),
        ([], 400, None),
        ("x", 400, None),
    ],
)
async def test_a_bad_request_for_a_token_names_what_is_wrong(
    world: World, body: object, status: int, field: str | None
) -> None:
    """400 or 409 with the field; nothing is made."""
    found, answer = await make(world, body)

    assert (found, answer["error"]["field"]) == (status, field)  # type: ignore[index]
    assert len(await world.state.tokens.list()) == 3


async def test_what_is_not_json_is_refused(world: World) -> None:
    """400, in our shape."""
    for body in (b"", b"{", b"\xff", b'{"name": NaN}', b"[" * 100_000):
        async with world.session.post(f"{world.url}/api/v1/tokens", data=body, headers=world.bearer("admin")) as answer:
            assert answer.status == 400
            assert (await answer.json())["error"]["code"] == "invalid_request"
