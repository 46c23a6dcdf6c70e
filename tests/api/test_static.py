"""Scripts and styles: public, kept for ever under their digest, and only those that are there."""

import pytest

from dashboards.assets import asset
from tests.api.world import World


async def test_a_file_may_be_kept_for_ever_under_its_digest(world: World) -> None:
    """The address changes with the content."""
    found = asset("live.js")
    assert found is not None
    kept = await world.get("/static/live.js", "", v=found.digest)
    other = await world.get("/static/live.js", "", v="0")

    assert kept.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert other.headers["Cache-Control"] == "no-cache"
    assert kept.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert kept.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_file_that_is_known_is_not_sent_again(world: World) -> None:
    """304 for the same ETag."""
    tag = (await world.get("/static/live.js", "")).headers["ETag"]
    async with world.session.get(f"{world.url}/static/live.js", headers={"If-None-Match": tag}) as answer:
        assert (answer.status, await answer.read()) == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        "../render.py",
        "%2e%2e/render.py",
        "..%2frender.py",
        "/etc/passwd",
        "vendor",
        "vendor/",
        "live.js/",
        "live.js%00",
    ],
)
async def test_nothing_else_is_given_out(world: World, path: str) -> None:
    """A path is looked up in what was there at start; it never becomes a path of the disk."""
    status, answer = await world.raw(f"GET /static/{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())

    assert status == 404
    assert b"Renderer" not in answer
