"""The ledger by itself: numbers that are never used again, what is pruned, and a file that is damaged."""

from datetime import timedelta
from pathlib import Path

import pytest

from alerting.ledger import IncidentQuery
from opswatch.state import State
from telemetry.errors import DataDirectoryError
from telemetry.times import from_datetime
from tests.alerting.house import MINUTE, house, load_rule


async def test_what_led_to_no_incident_is_forgotten_once_it_is_a_point(tmp_path: Path) -> None:
    """What belongs to an incident stays, whatever its age."""
    async with house(tmp_path, load_rule(hold_for=2 * MINUTE)) as it:
        await it.go(timedelta(minutes=1), {"a": 7})
        await it.go(timedelta(minutes=1), {"a": 1})
        await it.go(timedelta(minutes=5), {"a": 7})
        later = from_datetime(it.wall + timedelta(days=40))
        assert await it.ledger.prune(later) == 0  # none of them is a point yet
        numbers = [number for number, _ in await it.ledger.unwritten(100)]
        await it.ledger.mark_written(numbers)
        assert await it.ledger.prune(from_datetime(it.wall - timedelta(days=1))) == 0
        assert await it.ledger.prune(later) == len(numbers) - 1
        _, timeline = await it.incidents.show(1)
        assert "opened" in [entry.what for entry in timeline]


async def test_a_number_is_never_used_again(tmp_path: Path) -> None:
    """Not even when nothing else is left."""
    async with house(tmp_path, load_rule()) as it:
        await it.go(timedelta(minutes=1), {"a": 7})
        await it.go(timedelta(minutes=2), {"a": 1})
        await it.go(timedelta(minutes=2), {"a": 7})
        page = await it.incidents.list(IncidentQuery())
        assert [one.id for one in page.incidents] == [2, 1]


async def test_a_ledger_that_is_no_database_is_refused_with_the_way_out(tmp_path: Path) -> None:
    """At the start, naming the file."""
    (tmp_path / "state.sqlite").write_bytes(b"this is no database" * 1_000)
    with pytest.raises(DataDirectoryError, match=r"state\.sqlite cannot be used: .* restore a backup"):
        async with State.opened(tmp_path / "state.sqlite"):
            pass
