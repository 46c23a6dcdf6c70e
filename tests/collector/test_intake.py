"""Pushed points: nothing is acknowledged that a restart would not know, and memory is bounded whatever is pushed."""

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from collector.intake import Intake
from collector.quarantine import Quarantine
from telemetry.errors import StoreUnavailable
from telemetry.measurements import BUILT_IN
from telemetry.ports import PointWriter
from telemetry.schema import Measurement
from tests.collector.doubles import Destination, SetClock

ROOT = Path(__file__).parents[2]


def pushed(lines: int, kind: str) -> dict[str, str]:
    """What a process says that takes so many lines of a kind (tests/collector/flood.py)."""
    command = [sys.executable, "-m", "tests.collector.flood", str(lines), kind]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=True, cwd=ROOT)
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


@pytest.mark.parametrize(
    "lines", [60_000, pytest.param(1_000_000, marks=[pytest.mark.soak, pytest.mark.timeout(900)])], ids=str
)
def test_a21_a_value_of_its_own_in_each_line_needs_no_memory_beyond_the_budget(lines: int) -> None:
    """Ten thousand tag sets are taken, the tag is named, and a neighbour that comes between them is kept whole."""
    told = pushed(lines, "distinct")

    assert (told["status"], told["neighbours"]) == ("422", str(lines // 10_000))
    assert "orders has 10,000 tag sets, all that it may have; tag 'id' alone has 10,000 values" in told["message"]
    assert int(told["kilobytes"]) < 60_000


@pytest.mark.parametrize("kind", ["short", "bad"])
@pytest.mark.parametrize(
    "lines", [100_000, pytest.param(4_000_000, marks=[pytest.mark.soak, pytest.mark.timeout(900)])], ids=str
)
def test_a_body_of_very_short_lines_is_parsed_with_flat_memory(lines: int, kind: str) -> None:
    """Good ones or bad: parts of a body are in memory, not all of its lines."""
    told = pushed(lines, kind)

    assert told["status"] == {"short": "204", "bad": "400"}[kind]
    assert int(told["kilobytes"]) < 20_000 + lines * 20 // 1_000  # the body itself and its text


class Schema:
    """A place for learned measurements that takes its time, and fails as often as it is told."""

    def __init__(self, failures: int = 0) -> None:
        self.may_go_on = asyncio.Event()
        self.failures = failures
        self.saved: list[str] = []

    async def save(self, measurements: Sequence[Measurement]) -> None:
        await self.may_go_on.wait()
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("no room")
        self.saved += [one.name for one in measurements]


def intake_with(schema: Schema, tmp_path: Path, writer: PointWriter) -> Intake:
    clock = SetClock().clock
    return Intake(writer, BUILT_IN.learning(), schema, Quarantine(tmp_path, clock), clock)


async def test_nobody_is_acknowledged_before_what_was_learned_is_saved(tmp_path: Path) -> None:
    """Not the second body either, to which the measurement is known already: a restart would not know it."""
    schema, writer = Schema(), Destination()
    intake = intake_with(schema, tmp_path, writer)
    first = asyncio.create_task(intake.take(b"orders,shop=a total=1", "ns"))
    second = asyncio.create_task(intake.take(b"orders,shop=a total=2", "ns"))
    for _ in range(20):
        await asyncio.sleep(0)
    before = (list(writer.points), first.done(), second.done())
    schema.may_go_on.set()
    outcomes = [await first, await second]

    assert before == ([], False, False)
    assert [outcome.accepted for outcome in outcomes] == [1, 1]
    assert schema.saved == ["orders"]


async def test_what_could_not_be_saved_is_saved_with_the_next_body(tmp_path: Path) -> None:
    """Until then every body that comes is refused: 503, to be sent again."""
    schema, writer = Schema(failures=2), Destination()
    schema.may_go_on.set()
    intake = intake_with(schema, tmp_path, writer)
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await intake.take(b"orders,shop=a total=1", "ns")
    outcome = await intake.take(b"orders,shop=a total=1", "ns")

    assert (outcome.accepted, schema.saved) == (1, ["orders"])
    assert len(writer.points) == 1
