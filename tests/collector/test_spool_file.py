"""The spool's file survives kills, full disks and flipped bytes."""

import asyncio
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from collector.quarantine import Quarantine
from collector.spool import Spool
from collector.spool_codec import pack
from collector.spool_file import Pending, SpoolFile
from collector.spool_rows import StoredBatch
from embedded.store import EmbeddedStore
from telemetry.measurements import BUILT_IN
from telemetry.series import Raw, SeriesQuery
from tests.collector.doubles import REAL_CLOCK, SECOND, START, load
from tests.collector.victim import LIMITS, OPTIONS

ROOT = Path(__file__).parent.parent.parent
YEAR = 366 * 86_400 * SECOND


def run_victim(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.collector.victim", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def kill_at_random(directory: Path, first: int, chance: random.Random) -> set[int]:
    """Let a victim write for a moment, kill it, and return what it was told is safe."""
    with run_victim(str(directory), "kill", str(first)) as victim:
        assert victim.stdout is not None
        acknowledged = {int(victim.stdout.readline())}
        time.sleep(chance.uniform(0.05, 0.5))  # the moment of the kill is the experiment
        os.kill(victim.pid, signal.SIGKILL)
        lines = victim.stdout.read().split("\n")[:-1]  # a line without its end was not said
    return acknowledged | {int(line) for line in lines}


async def test_a1_a2_g1_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    """Killed six times in a row at any moment, every acknowledged point is in the store after the next start."""
    acknowledged: set[int] = set()
    chance = random.Random(1)
    for round_number in range(6):
        acknowledged |= await asyncio.to_thread(kill_at_random, tmp_path, round_number * 1_000_000, chance)

    quarantine = Quarantine(tmp_path / "quarantine", REAL_CLOCK)
    async with (
        EmbeddedStore.opened(tmp_path / "metrics.duckdb", OPTIONS, BUILT_IN) as store,
        Spool.opened(tmp_path / "spool.sqlite", store, quarantine, LIMITS, REAL_CLOCK) as spool,
    ):
        assert await spool.drain(timedelta(seconds=20))
        assert spool.statistics.set_aside is None
        answer = await store.read(SeriesQuery("system", ("load1",), START, START + YEAR, Raw(1_000_000)))
    stored = {int(value or 0) for one in answer.series for value in one.values if not isinstance(value, str)}
    assert len(acknowledged) >= 100
    assert acknowledged - stored == set()


def test_a_full_disk_refuses_clearly_and_resumes_alone(tmp_path: Path) -> None:
    """A write that the disk cannot take says RETRY and why; with room again the next one is acknowledged."""
    with run_victim(str(tmp_path), "full") as victim:
        assert victim.stdout is not None
        *written, refused, trouble, after = victim.stdout.read().splitlines()

    assert len(written) >= 3
    assert all(line.split()[1] == "ok" for line in written)
    assert " retry the spool cannot commit: " in refused
    assert trouble != "trouble "
    assert after == "after ok "
    with closing(sqlite3.connect(tmp_path / "spool.sqlite")) as connection:
        assert connection.execute("SELECT count(*) FROM batch").fetchone() == (len(written) + 1,)


def filled(path: Path) -> bytes:
    """A closed spool with some rows, as bytes."""
    file = SpoolFile.open(path, "stamp")
    for second in range(0, 60, 10):
        file.insert(pack([load(second + more) for more in range(10)])[0], START, ())
    file.close()
    return path.read_bytes()


@pytest.mark.parametrize("seed", range(24))
def test_f6_a_file_with_flipped_bytes_never_stops_the_start(tmp_path: Path, seed: int) -> None:
    """Whatever bytes are damaged, the spool opens, takes points and gives them back; none is made up."""
    path = tmp_path / "spool.sqlite"
    damaged = bytearray(filled(path))
    chance = random.Random(seed)
    if seed % 4 == 0:
        del damaged[chance.randrange(len(damaged)) :]
    else:
        # The first page, which says what the file is, more often than the others.
        bound = 200 if seed % 4 == 1 else len(damaged)
        for _ in range(chance.choice([1, 20])):
            damaged[chance.randrange(min(bound, len(damaged)))] = chance.randrange(256)
    path.write_bytes(damaged)
    file = SpoolFile.open(path, "stamp")
    file.insert(pack([load(1_000)])[0], START, ())
    found = []
    while (batch := file.oldest(())) is not None:
        stored = isinstance(batch, StoredBatch)
        found += list(batch.points) if isinstance(batch, StoredBatch) else []
        file.delete(batch.identifiers if isinstance(batch, StoredBatch) else [batch.identifier])
        assert stored or batch.reason  # type: ignore[union-attr]
    file.close()

    assert load(1_000) in found
    assert set(map(repr, found)) <= {repr(load(second)) for second in (*range(60), 1_000)}


def test_the_numbers_of_a_new_file_go_on(tmp_path: Path) -> None:
    """Whoever holds a number of the damaged file cannot delete a row of the new one with it."""
    file = SpoolFile.open(tmp_path / "spool.sqlite", "stamp")
    (before,) = file.insert(pack([load(0)])[0], START, ())
    file.start_anew("stamp", sqlite3.DatabaseError("found damaged"))
    (after,) = file.insert(pack([load(1)])[0], START, ())
    file.delete(before.identifiers)

    assert after.first > before.first
    assert file.pending().batches == 1
    file.close()


def test_what_is_put_in_the_place_of_a_row_stays_there(tmp_path: Path) -> None:
    """Halved down to single points, 5,000 of them; rows behind it stay behind it, and no number comes twice."""
    file = SpoolFile.open(tmp_path / "spool.sqlite", "stamp")
    points = [load(second / 10) for second in range(5_000)]
    (whole,) = file.insert(pack(points)[0], START, ())
    file.insert(pack([load(86_400)])[0], START, ())
    waiting, single, numbers = [whole], [], {whole.first}
    while waiting:
        batch = waiting.pop()
        middle = len(batch.points) // 2
        if not middle:
            single.append(batch)
            continue
        halves = file.replace(batch, [*pack(batch.points[:middle])[0], *pack(batch.points[middle:])[0]])
        assert numbers.isdisjoint(half.first for half in halves)
        numbers.update(half.first for half in halves)
        waiting += reversed(halves)

    oldest = file.oldest(())
    assert isinstance(oldest, StoredBatch)
    assert list(oldest.points) == points
    assert [one.first for one in single] == list(oldest.identifiers)
    file.close()


def test_a_row_of_an_earlier_version_has_no_room_for_halves_behind_it(tmp_path: Path) -> None:
    """Its numbers are one after the other; then halves come last."""
    file = SpoolFile.open(tmp_path / "spool.sqlite", "stamp")
    first, _ = (file.insert(pack([load(second), load(second + 1)])[0], START, ())[0] for second in (0, 10))
    with file._connection as connection:
        connection.execute("UPDATE batch SET id = ? WHERE id > ?", (first.first + 1, first.first))
    halves = file.replace(first, [pack([one])[0][0] for one in first.points])

    oldest = file.oldest(())
    assert isinstance(oldest, StoredBatch)
    assert oldest.points == (load(10), load(11), load(0), load(1))
    assert [half.first for half in halves] == list(oldest.identifiers[1:])
    file.close()


def test_a_file_of_another_program_is_set_aside(tmp_path: Path) -> None:
    """A good SQLite file that is no spool of ours is not written into, and not lost."""
    path = tmp_path / "spool.sqlite"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE batch (something TEXT)")
    file = SpoolFile.open(path, "stamp")

    assert file.set_aside == tmp_path / "spool.sqlite.broken-stamp"
    assert file.pending() == Pending()
    file.close()


def test_the_file_does_not_outgrow_its_cap_by_much(tmp_path: Path) -> None:
    """The cap is on what the rows take; the file stays within a third of it, and its log within some MB."""
    path = tmp_path / "spool.sqlite"
    file = SpoolFile.open(path, "stamp")
    for second in range(400):
        file.insert(pack([load(second + part / 100) for part in range(30)])[0], START, ())
        file.trim(300_000, 0)

    assert file.pending().bytes <= 300_000
    assert path.stat().st_size <= 400_000
    assert path.with_name("spool.sqlite-wal").stat().st_size <= 8_000_000
    file.close()


def test_trimming_a_long_backlog_is_quick(tmp_path: Path) -> None:
    """Twenty thousand rows past their age go in some commits, without counting all rows for each."""
    file = SpoolFile.open(tmp_path / "spool.sqlite", "stamp")
    packed = pack([load(day * 86_400) for day in range(1_000)])[0]
    for _ in range(20):
        file.insert(packed, START, ())
    started = time.perf_counter()
    dropped = 0
    while file.pending().batches:
        dropped += file.trim(10**12, START + 1).total()

    assert dropped == 20_000
    assert time.perf_counter() - started < 5
    file.close()
