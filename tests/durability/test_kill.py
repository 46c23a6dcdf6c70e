"""A1 to A3: whenever the process is killed, every acknowledged point is there afterwards, once.

The oracle is here, outside the victim: it knows a batch only from the line that is printed after the acknowledgement.
"""

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from collector.quarantine import Quarantine
from collector.spool import Spool, SpoolLimits
from embedded.store import EmbeddedOptions, EmbeddedStore
from telemetry.measurements import BUILT_IN
from telemetry.series import Raw, SeriesQuery
from telemetry.times import to_datetime
from tests.collector.doubles import REAL_CLOCK
from tests.durability.victim import BATCH, START, STEPS, batch

ROOT = Path(__file__).parent.parent.parent
LEAST_POINTS_PER_SECOND = 2_000
SECOND = 10**9
AT_RANDOM = "never"  # the victim never kills itself: it is killed from here, whenever


@dataclass
class Kills:
    """What the oracle knows after some kills."""

    acknowledged: set[int] = field(default_factory=set)
    next_number: int = 1
    count: int = 0
    inside: int = 0  # a transaction, of the spool's or of the store's
    written_at_random: int = 0
    seconds_at_random: float = 0.0


def kill_once(directory: Path, kills: Kills, chance: random.Random, step: str) -> None:
    """Let a victim write until it comes to a step, or for a random while, and dies."""
    times = str(chance.randint(1, 3))
    victim = [sys.executable, "-m", "tests.durability.victim", str(directory), str(kills.next_number), step, times]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(victim, stdout=subprocess.PIPE, cwd=ROOT, env=environment, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        began, numbers = time.perf_counter(), []
        if step not in STEPS:
            numbers = [int(process.stdout.readline()) for _ in range(chance.randint(20, 200))]
            time.sleep(chance.random() * 0.05)  # not for luck: the moment of the kill is to be any
            process.send_signal(signal.SIGKILL)
            kills.seconds_at_random += time.perf_counter() - began
        numbers += [int(line) for line in process.stdout.read().split("\n")[:-1]]
        assert process.wait() == -signal.SIGKILL
    kills.written_at_random += len(numbers) * BATCH if step not in STEPS else 0
    kills.acknowledged |= set(numbers)
    kills.next_number = max([kills.next_number, *numbers]) + 1_000  # others may be there without acknowledgement
    kills.count += 1
    kills.inside += any((directory / "inside").read_bytes())


async def stored(directory: Path) -> dict[tuple[str, int], list[float]]:
    """Every value that is stored, by host and time, once the spool is empty."""
    quarantine = Quarantine(directory / "quarantine", REAL_CLOCK)
    limits = SpoolLimits(backlog_per_second=10_000)
    async with (
        EmbeddedStore.opened(directory / "metrics.duckdb", EmbeddedOptions(), BUILT_IN) as store,
        Spool.opened(directory / "spool.sqlite", store, quarantine, limits, REAL_CLOCK) as spool,
    ):
        assert await spool.drain(timedelta(seconds=60))
        everything = SeriesQuery("system", (), START - 2 * 10**6 * SECOND, START + 10**6 * SECOND, Raw(1_000_000))
        answer = await store.read(everything)
        await store.roll_up(to_datetime(START + 10**6 * SECOND))
        assert await store.check_rollups(to_datetime(START - 2 * 10**6 * SECOND), to_datetime(START + 10**15)) == 0
    found: dict[tuple[str, int], list[float]] = {}
    for one in answer.series:
        for moment, value in zip(one.times, one.values, strict=True):
            found.setdefault((dict(one.series.tags)["host"], moment), []).append(float(value))  # type: ignore[arg-type]
    return found


def missing_of(found: dict[tuple[str, int], list[float]], acknowledged: set[int]) -> list[int]:
    """The acknowledged batches of which a point is not there, or is another's."""
    return [
        number
        for number in sorted(acknowledged)
        if any(found.get((dict(point.tags)["host"], point.time)) != [float(number)] for point in batch(number))
    ]


async def kill_and_look(directory: Path, seed: int) -> Kills:
    """Twenty kills on one directory: one at each step of the write path, the others at any moment."""
    chance, kills = random.Random(seed), Kills()
    steps = [*STEPS, *[AT_RANDOM] * (20 - len(STEPS))]
    chance.shuffle(steps)
    for step in steps:
        kill_once(directory, kills, chance, step)
    found = await stored(directory)

    assert missing_of(found, kills.acknowledged) == []
    assert [name for name, values in found.items() if len(values) > 1] == []
    assert not list((directory / "quarantine").glob("*.jsonl"))
    assert not list(directory.glob("*.broken-*"))
    return kills


@pytest.mark.timeout(300)
async def test_a1_whenever_it_is_killed_no_acknowledged_point_is_lost_and_none_doubled(tmp_path: Path) -> None:
    """Twenty kills, at each step of the write path and at random, under 2,000 points a second and more."""
    kills = await kill_and_look(tmp_path, seed=1)

    assert kills.count == 20
    assert 3 * kills.inside >= kills.count, f"only {kills.inside} of {kills.count} kills fell into a transaction"
    assert kills.written_at_random / kills.seconds_at_random >= LEAST_POINTS_PER_SECOND
    assert len(kills.acknowledged) > 200


@pytest.mark.soak
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("round_number", range(10))
async def test_a1_two_hundred_kills(tmp_path: Path, round_number: int) -> None:
    """The same ten times over, on ten directories."""
    kills = await kill_and_look(tmp_path, seed=100 + round_number)

    assert 3 * kills.inside >= kills.count


async def test_the_oracle_sees_an_acknowledgement_that_comes_before_the_commit(tmp_path: Path) -> None:
    """A test that cannot fail proves nothing: of a victim that says so too early, points are missing."""
    chance, kills = random.Random(2), Kills()
    for _ in range(3):
        kill_once(tmp_path, kills, chance, "liar")

    assert missing_of(await stored(tmp_path), kills.acknowledged) != []
