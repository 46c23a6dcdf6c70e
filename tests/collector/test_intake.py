"""Pushed points: whatever is pushed, memory is bounded, and what was known before goes on."""

import subprocess
import sys
from pathlib import Path

import pytest

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
