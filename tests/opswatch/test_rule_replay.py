"""Replay where only levels of five minutes are kept, and on into the samples: one story, not two."""

from datetime import timedelta
from pathlib import Path

from opswatch.rule_replay import ReplayRequest, replayed
from telemetry.clock import Clock
from tests.alerting.house import START, around, house, load, load_rule


async def test_an_incident_that_is_open_across_the_seam_is_one(tmp_path: Path) -> None:
    """It ends when it ended, and is counted once."""
    async with house(tmp_path, load_rule()) as it:
        minutes = (START + timedelta(minutes=number) for number in range(120))
        await it.store.write([load("a", 7 if 30 <= n < 90 else 1, at) for n, at in enumerate(minutes)])
        request = ReplayRequest(load_rule(), START, START + timedelta(hours=2), START + timedelta(hours=1))
        told = around(Clock(lambda: it.wall, lambda: 0.0))
        report = await replayed(request, it.store, told, lambda _: None)
        assert len(report.incidents) == 1
        assert timedelta(minutes=50) < report.firing < timedelta(minutes=70)
