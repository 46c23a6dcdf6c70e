"""Telling as a whole: what a start takes up, and what a command that only asks leaves alone."""

from pathlib import Path

import pytest

from alerting.outbox import NoticeKind
from opswatch.telling_settings import TellingSettings
from tests.api.world import TELLING, Taken, World, running
from tests.api.world import joined as joined_world

MINUTE = 60 * 10**9


async def states(world: World) -> list[str]:
    return [one.state.value for one in await world.state.explanations.deliveries(10, "", "", None)]


@pytest.mark.parametrize(("settings", "state"), [(TellingSettings(), "dead"), (TELLING, "delivered")])
async def test_a_command_that_only_asks_leaves_messages_alone(
    tmp_path: Path, settings: TellingSettings, state: str
) -> None:
    """Whatever receivers its configuration names; a server sends them, or says that nobody is there to get them."""
    async with running(tmp_path) as world:
        now = int(world.clock.wall.timestamp()) * 10**9
        await world.state.outbox.add("hook", NoticeKind.OWN, "something", now, MINUTE)
        async with joined_world(world, settings, Taken()) as telling:
            assert await states(world) == ["waiting"]
            await telling.notify_once()
            await telling.idle()
            assert await states(world) == [state]
