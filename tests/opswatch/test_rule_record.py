"""A test recorded from an incident reads back, whatever the incident was made of."""

from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from alerting.machine import Status
from opswatch.rule_record import recorded
from opswatch.rule_record import test_text as text_of_test
from opswatch.rule_test_file import load_tests
from opswatch.rule_tests import run_tests
from telemetry.points import Point
from telemetry.times import from_datetime
from tests.alerting.house import INTERVAL, MINUTE, START, House, house, load_rule, rule_set

HOSTS = ["a", "del\x7f next\x85 separator\u2028 tag \U0001f600 \u202e", "x" * 1_500]


def _shown(opened: int, told: list[tuple[int, str, str | None]], host: str) -> dict[str, Any]:
    """An incident as the API shows it: minutes after the start, status and severity of each transition."""
    return {
        "id": 1,
        "rule": "load_high",
        "tags": {"host": host},
        "opened": (START + timedelta(minutes=opened)).isoformat(),
        "resolved": None,
        "resolution": "",
        "summary": "",
        "timeline": [
            {
                "time": (START + timedelta(minutes=minutes)).isoformat(),
                "kind": "transition",
                "what": "opened" if severity else "pending",
                "words": "",
                "status": status,
                "severity": severity,
            }
            for minutes, status, severity in told
        ],
    }


async def _noise(it: House, host: str, minutes: range) -> None:
    chance = Random(1)
    await it.store.write(
        [
            Point.of(
                "system",
                {"host": host},
                {"load1": 7 + chance.random()},
                from_datetime(START + timedelta(seconds=10 * number)),
            )
            for number in range(minutes.start * 6, minutes.stop * 6)
        ]
    )


@pytest.mark.parametrize("host", HOSTS, ids=["plain", "hostile", "long"])
async def test_what_was_recorded_reads_back_and_passes(tmp_path: Path, host: str) -> None:
    """An hour of noise every ten seconds, on tags of every kind."""
    rule = load_rule()
    async with house(tmp_path, rule) as it:
        await _noise(it, host, range(2, 62))
        shown = _shown(2, [(3, "firing", "warning"), (60, "firing", "warning")], host)
        made = await recorded(shown, rule, it.store, START + timedelta(hours=2))
        file = tmp_path / "recorded.yaml"
        file.write_text(text_of_test(made))
        tests = load_tests(file, rule_set(rule))
        assert tests[0].series == made.test.series
        [outcome] = await run_tests(tests, rule_set(rule), lambda _: None)
        assert outcome.passed, outcome.differences


async def test_what_was_pending_weeks_before_is_no_part_of_it(tmp_path: Path) -> None:
    """The test begins where this incident's own story began."""
    rule = load_rule()
    async with house(tmp_path, rule) as it:
        minutes = 20 * 24 * 60
        await _noise(it, "a", range(minutes, minutes + 5))
        story = [(0, "pending", None), (1, "inactive", None), (minutes + 2, "firing", "warning")]
        made = await recorded(_shown(minutes + 2, story, "a"), rule, it.store, START + timedelta(days=21))
        assert from_datetime(START + timedelta(minutes=minutes)) - made.test.start < 10 * INTERVAL


async def test_how_a_person_ended_it_is_not_tested(tmp_path: Path) -> None:
    """Its values went on to breach, so no test of them can find it over; nor is a state between two evaluations."""
    rule = load_rule(interval=2 * MINUTE)
    async with house(tmp_path, rule) as it:
        await _noise(it, "a", range(2, 20))
        told = [(3, "firing", "warning"), (4, "firing", "warning"), (10, "inactive", None)]
        shown = _shown(3, told, "a")
        shown |= {"resolved": (START + timedelta(minutes=10)).isoformat(), "resolution": "closed by anna: enough"}
        made = await recorded(shown, rule, it.store, START + timedelta(hours=2))
        assert [[one.status for one in moment.alerts] for moment in made.test.expectations] == [[Status.FIRING]]
        assert "closed" in made.notes[-1]
