"""A3: a store file that cannot be opened is set aside and filled again; what is lost is named, nothing is deleted."""

import asyncio
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from embedded.archive import Archive
from embedded.engine import EngineOptions, damage_marker, fault_of, open_engine, recovery_journal
from embedded.store import EmbeddedOptions, EmbeddedStore
from telemetry.errors import StoreUnavailable
from telemetry.measurements import BUILT_IN
from telemetry.points import Point
from telemetry.rollup import LEVELS
from telemetry.series import Function, Raw, SeriesQuery, Window
from telemetry.times import from_datetime

SECOND = 10**9
HOUR, DAY = 3_600 * SECOND, 86_400 * SECOND
FIRST = datetime(2026, 11, 20, tzinfo=UTC)
START = from_datetime(FIRST)
NOON = FIRST + timedelta(days=3, hours=12)  # three days are over


@asynccontextmanager
async def opened(folder: Path, now: datetime = NOON) -> AsyncIterator[EmbeddedStore]:
    archive = folder / "archive" / "metrics"
    archive.mkdir(parents=True, exist_ok=True)
    options = EmbeddedOptions(engine=EngineOptions(allowed_directories=(archive,)), archive=Archive(archive))
    async with EmbeddedStore.opened(folder / "metrics.duckdb", options, BUILT_IN, now) as store:
        yield store


def minute(number: int, host: str = "a") -> Point:
    return Point.of("net", {"host": host}, {"bytes_sent": number}, START + number * 60 * SECOND)


ALL = [minute(number, host) for number in range(3 * 1_440 + 720) for host in ("a", "b")]


async def values(store: EmbeddedStore) -> dict[str, list[float]]:
    answer = await store.read(SeriesQuery("net", (), START, START + 4 * DAY, Raw(1_000_000)))
    return {dict(one.series.tags)["host"]: list(one.values) for one in answer.series}  # type: ignore[arg-type]


async def fill(folder: Path) -> None:
    """Three and a half days, rolled up, three of them in the archive."""
    async with opened(folder) as store:
        for start in range(0, len(ALL), 1_440):
            await store.write(ALL[start : start + 1_440])
        await store.roll_up(NOON)
        assert await store.snapshot_closed_days(NOON) == 9  # samples and two levels


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def behead(path: Path) -> None:
    os.truncate(path, 12_288)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def text(path: Path) -> None:
    path.write_text("this is no database\n" * 100)


def flip_header(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4_096 + 20] ^= 0xFF
    content[8_192 + 20] ^= 0xFF
    path.write_bytes(content)


def foreign_sqlite(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE somebody (name)")
    connection.close()


def foreign_duckdb(path: Path) -> None:
    path.unlink()
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE somebody (name VARCHAR)")


DAMAGES = [behead, empty, text, flip_header, foreign_sqlite, foreign_duckdb]


@pytest.mark.parametrize("damage", DAMAGES, ids=[damage.__name__ for damage in DAMAGES])
async def test_a3_a_file_that_cannot_be_opened_is_set_aside_and_filled_from_snapshots(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    """Whatever it was: the closed days are back, the levels too, and the half day since is named as missing."""
    await fill(tmp_path)
    path = tmp_path / "metrics.duckdb"
    damage(path)
    broken = path.read_bytes()
    later = NOON + timedelta(minutes=5)
    async with opened(tmp_path, later) as store:
        found = await values(store)
        (missing,) = store.missing_periods
        hours = await store.read(SeriesQuery("net", (), START, START + 3 * DAY, Window(HOUR, (Function.INCREASE,))))
        assert (await store.write([minute(5_000)])).message == ""
        assert await store.check_rollups(FIRST, NOON) == 0

    (aside,) = tmp_path.glob("metrics.duckdb.broken-*")
    assert aside.read_bytes() == broken
    assert found == {host: list(range(3 * 1_440)) for host in ("a", "b")}
    assert (missing.start, missing.stop, missing.file) == (FIRST + timedelta(days=3), later, aside.name)
    assert missing.reason
    assert hours.level == "1h"
    assert [sum(one.values) for one in hours.series] == [3 * 1_440 - 1] * 2  # type: ignore[arg-type]
    async with opened(tmp_path, later) as store:  # and the next start is an ordinary one
        assert store.missing_periods == (missing,)
    assert len(list(tmp_path.glob("metrics.duckdb.broken-*"))) == 1


async def test_a_file_that_is_not_there_is_filled_from_snapshots(tmp_path: Path) -> None:
    """Deleted by mistake, or a restored archive: what was kept comes back."""
    await fill(tmp_path)
    (tmp_path / "metrics.duckdb").unlink()
    async with opened(tmp_path) as store:
        assert await values(store) == {host: list(range(3 * 1_440)) for host in ("a", "b")}
        (missing,) = store.missing_periods

    assert (missing.start, missing.stop) == (FIRST + timedelta(days=3), NOON)


async def test_without_any_snapshot_everything_before_is_missing(tmp_path: Path) -> None:
    """A store that was damaged on its first day: it starts, and says so."""
    async with opened(tmp_path) as store:
        await store.write([minute(1)])
    behead(tmp_path / "metrics.duckdb")
    async with opened(tmp_path) as store:
        (missing,) = store.missing_periods
        assert await values(store) == {}

    assert (missing.start, missing.stop) == (None, NOON)


async def test_a_damaged_snapshot_loses_its_own_day_only(tmp_path: Path) -> None:
    """D10: the bad unit is lost, and its day is named."""
    await fill(tmp_path)
    truncate(tmp_path / "archive" / "metrics" / "raw" / "2026-11-21.parquet")
    empty(tmp_path / "metrics.duckdb")
    async with opened(tmp_path) as store:
        found = await values(store)
        missing = [(period.start, period.stop) for period in store.missing_periods]

    day = timedelta(days=1)
    assert found["a"] == [number for number in range(3 * 1_440) if not 1_440 <= number < 2_880]
    assert missing == [(FIRST + day, FIRST + 2 * day), (FIRST + 3 * day, NOON)]


async def test_half_a_file_gives_what_is_in_that_half(tmp_path: Path) -> None:
    """Closed days come from the snapshots, what can still be read of today from the file; the rest is named."""
    await fill(tmp_path)
    truncate(tmp_path / "metrics.duckdb")
    async with opened(tmp_path) as store:
        found = await values(store)
        missing = store.missing_periods

    for host in ("a", "b"):
        lost = set(range(3 * 1_440 + 720)) - set(found[host])
        moments = [FIRST + timedelta(minutes=number) for number in lost]
        assert lost.isdisjoint(range(3 * 1_440))
        assert all(any(one.start and one.start <= moment < one.stop for one in missing) for moment in moments)


async def test_a_block_that_breaks_while_the_store_is_open_is_noted_for_the_next_start(tmp_path: Path) -> None:
    """A bad disk, found when it is read: the next start sets the file aside and takes from it what can be read."""
    chance = random.Random(3)
    path = tmp_path / "metrics.duckdb"
    async with opened(tmp_path) as store:
        for part in range(10):
            numbers = range(part * 20_000, (part + 1) * 20_000)
            fields = [{"load1": chance.random()} for _ in numbers]
            times = [START + DAY + number * SECOND // 10 for number in numbers]
            points = zip(fields, times, strict=True)
            await store.write([Point.of("system", {"host": "a"}, some, time) for some, time in points])
        await store.write([minute(1)])
        await store.snapshot_closed_days(NOON)
    content = bytearray(path.read_bytes())
    content[len(content) * 6 // 10] ^= 0xFF
    path.write_bytes(content)
    asked = SeriesQuery("system", (), START, START + 4 * DAY, Raw(1_000_000))
    async with opened(tmp_path) as store:
        with pytest.raises(StoreUnavailable):
            await store.read(asked)
        assert store.damage
        assert damage_marker(path).exists()
        assert await values(store) == {"a": [1]}  # what can be read is read
    async with opened(tmp_path) as store:
        (series,) = (await store.read(asked)).series
        assert store.damage == ""

    assert len(series.values) == 200_000
    assert not damage_marker(path).exists()
    assert len(list(tmp_path.glob("metrics.duckdb.broken-*"))) == 1


async def copy_as_if_killed(folder: Path, copy: Path) -> bytes:
    """Write without a checkpoint and take the files as a kill would leave them; returns the log."""
    async with opened(folder) as store:
        for start in range(5_100, 5_500, 20):
            assert (await store.write([minute(number) for number in range(start, start + 20)])).message == ""
        shutil.copytree(folder, copy)
    return (copy / "metrics.duckdb.wal").read_bytes()


@pytest.mark.parametrize("place", [0.05, 0.48, 0.9])
async def test_a_damaged_log_loses_what_stood_behind_the_damage_and_nothing_else(tmp_path: Path, place: float) -> None:
    """A byte of the write-ahead log is wrong: the file is whole, the log counts up to there, and the rest is named."""
    await fill(tmp_path / "old")
    log = bytearray(await copy_as_if_killed(tmp_path / "old", tmp_path / "new"))
    log[int(len(log) * place)] ^= 0xFF
    (tmp_path / "new" / "metrics.duckdb.wal").write_bytes(log)
    later = FIRST + timedelta(minutes=5_500)
    async with opened(tmp_path / "new", later) as store:
        found = await values(store)
        (missing,) = store.missing_periods
    written = found["a"][3 * 1_440 + 720 :]

    assert found["a"][: 3 * 1_440 + 720] == found["b"] == list(range(3 * 1_440 + 720))
    assert written == list(range(5_100, 5_100 + len(written)))
    assert int(400 * place) - 40 <= len(written) < 400
    assert missing.start == FIRST + timedelta(minutes=found["a"][-1])
    assert missing.stop == later
    aside = [path.name.partition(".broken-")[2] for path in (tmp_path / "new").glob("*.broken-*")]
    assert sorted(aside) == ["20261123T194000Z", "20261123T194000Z.wal"]


@pytest.mark.parametrize("content", [b"", b"no log at all" * 100, bytes(5_000)], ids=["empty", "text", "zeros"])
async def test_a_log_that_is_none_does_not_stop_the_start(tmp_path: Path, content: bytes) -> None:
    """Whatever lies there in its place."""
    await fill(tmp_path)
    (tmp_path / "metrics.duckdb.wal").write_bytes(content)
    async with opened(tmp_path) as store:
        assert await values(store) == {host: list(range(3 * 1_440 + 720)) for host in ("a", "b")}
        assert (await store.write([minute(5_000)])).message == ""


async def test_a_folder_in_the_place_of_the_store_is_named_and_left_alone(tmp_path: Path) -> None:
    """It is nothing of ours, and nothing to be set aside."""
    (tmp_path / "metrics.duckdb").mkdir()
    with pytest.raises(StoreUnavailable, match=r"metrics\.duckdb cannot be read: Is a directory"):
        async with opened(tmp_path):
            pass

    assert [path.name for path in tmp_path.iterdir() if path.name != "archive"] == ["metrics.duckdb"]


async def test_bits_that_flip_anywhere_never_stop_the_start(tmp_path: Path) -> None:
    """One, or a few hundred: closed days are there, no value is another than was written, and writing goes on."""
    await fill(tmp_path / "whole")
    content = (tmp_path / "whole" / "metrics.duckdb").read_bytes()
    for seed in range(5):
        chance, folder = random.Random(seed), tmp_path / str(seed)
        shutil.copytree(tmp_path / "whole", folder)
        flipped = bytearray(content)
        for _ in range(chance.choice([1, 1, 8, 200])):
            flipped[chance.randrange(len(flipped))] ^= 1 << chance.randrange(8)
        (folder / "metrics.duckdb").write_bytes(flipped)
        for _ in range(2):  # what is found broken while it is open is mended by the next start
            async with opened(folder) as store:
                with suppress(StoreUnavailable):
                    found = await values(store)
                    await store.write([minute(5_000, "c")])
                    await store.check_rollups(FIRST, NOON)
                    await store.roll_up(NOON)
        found.pop("c", None)
        assert found.keys() == {"a", "b"}, seed
        for numbers in found.values():
            assert numbers[: 3 * 1_440] == list(range(3 * 1_440)), seed
            assert numbers == sorted(set(numbers)), seed
            assert set(numbers) <= set(range(3 * 1_440 + 720)), seed


async def test_a_file_that_another_process_holds_is_left_alone(tmp_path: Path) -> None:
    """It is not broken: the message names who has it."""
    await fill(tmp_path)
    script = "import duckdb, sys, time; c = duckdb.connect(sys.argv[1]); print('held', flush=True); time.sleep(60)"
    command = [sys.executable, "-c", script, str(tmp_path / "metrics.duckdb")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            with pytest.raises(StoreUnavailable, match=f"in use by process {holder.pid}"):
                async with opened(tmp_path):
                    pass
        finally:
            holder.kill()

    assert list(tmp_path.glob("*.broken-*")) == []


def noted_as_damaged(folder: Path) -> None:
    damage_marker(folder / "metrics.duckdb").write_text("a block is broken")


def with_a_broken_log(folder: Path) -> None:
    log = folder / "metrics.duckdb.wal"
    content = bytearray(log.read_bytes())
    # A length that is wrong would make it a log that ends there; among values there are no zeros.
    place = next(place for place in range(len(content) // 2, len(content)) if 0 not in content[place - 5 : place + 5])
    content[place] ^= 0xFF
    log.write_bytes(content)


def taken_away(folder: Path) -> None:
    (folder / "metrics.duckdb").unlink()


def victim(*arguments: str) -> str:
    command = [sys.executable, "-m", "tests.embedded.recovery_victim", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return result.stdout.strip() or result.stderr


def periods(store: EmbeddedStore) -> list[tuple[datetime | None, datetime, str]]:
    return [(one.start, one.stop, one.file) for one in store.missing_periods]


def set_aside(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("metrics.duckdb*.broken-*")}


async def prepared(folder: Path, damage: Callable[[Path], None]) -> Path:
    """A small store as a kill leaves it, samples of two days in the file, one in the archive, some in the log alone."""
    async with opened(folder / "old") as store:
        await store.write([minute(number) for number in range(0, 2_880, 30)])
        await store.roll_up(NOON)
        await store.snapshot_closed_days(FIRST + timedelta(days=1, hours=12))
    await copy_as_if_killed(folder / "old", folder / "damaged")
    damage(folder / "damaged")
    return folder / "damaged"


@pytest.mark.parametrize("damage", [noted_as_damaged, with_a_broken_log, taken_away])
async def test_a_start_that_is_killed_anywhere_loses_nothing(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    """SIGKILL before each change of a file and each statement, and again in the start after it: the next one has the
    samples, the missing period and the files that were set aside of a start that nobody disturbs."""
    damaged = await prepared(tmp_path, damage)
    before = {path.name: path.read_bytes() for path in damaged.glob("metrics.duckdb*")}
    deaths = int(victim("kill", str(damaged), str(tmp_path)))
    async with opened(tmp_path / str(deaths + 1)) as store:
        expected, missing = await values(store), periods(store)
    aside = set_aside(tmp_path / str(deaths + 1))

    assert deaths > 30
    assert len(expected["a"]) >= 48
    for number in range(1, deaths + 1):
        folder = tmp_path / str(number)
        async with opened(folder) as store:
            assert await values(store) == expected, number
            assert periods(store) == missing, number
        assert set_aside(folder) == aside, number
        assert {path.name for path in folder.iterdir()} == {"archive", "metrics.duckdb", *aside}, number
    assert sorted(aside.values()) == sorted(
        content for name, content in before.items() if name in ("metrics.duckdb", "metrics.duckdb.wal")
    )


@pytest.mark.parametrize("limit", [0, 10_000, 300_000, 600_000])
async def test_a_start_without_room_says_so_and_the_next_one_has_everything(tmp_path: Path, limit: int) -> None:
    """A disk that is full at any size of the new file: no store is opened with less, and nothing is told as missing."""
    await fill(tmp_path)
    noted_as_damaged(tmp_path)
    said = victim("full", str(tmp_path), str(limit))
    again = victim("full", str(tmp_path), str(limit))
    async with opened(tmp_path) as store:
        assert await values(store) == {host: list(range(3 * 1_440 + 720)) for host in ("a", "b")}
        assert store.missing_periods == ()

    assert said.startswith("StoreUnavailable no new store can be made at")
    assert f"make room first (df -h {tmp_path})" in said
    assert again == said
    assert len(set_aside(tmp_path)) == 1


async def test_a_store_that_is_being_filled_is_not_opened_empty_meanwhile(tmp_path: Path) -> None:
    """By a command that does not go on with it: an empty file would take the place, and what was set aside be lost."""
    await fill(tmp_path)
    noted_as_damaged(tmp_path)
    victim("full", str(tmp_path), "300000")
    with pytest.raises(StoreUnavailable, match="was set aside, and the new one is not filled yet"):
        open_engine(tmp_path / "metrics.duckdb", EngineOptions())
    assert "is not filled yet" in fault_of(tmp_path / "metrics.duckdb")
    assert not (tmp_path / "metrics.duckdb").exists()


async def test_a_backup_put_in_the_place_of_a_store_that_is_being_filled_is_opened(tmp_path: Path) -> None:
    """Whoever restores it does not have it set aside in its turn."""
    await fill(tmp_path)
    backup = (tmp_path / "metrics.duckdb").read_bytes()
    noted_as_damaged(tmp_path)
    victim("full", str(tmp_path), "300000")
    (tmp_path / "metrics.duckdb").write_bytes(backup)
    async with opened(tmp_path) as store:
        assert len((await values(store))["a"]) == 3 * 1_440 + 720

    assert len(set_aside(tmp_path)) == 1
    assert not list(tmp_path.glob("*.recovery"))


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b'{"aside": "", "reason": ""}', b'{"aside": 1}'])
async def test_a_journal_that_is_none_is_named_with_the_way_out(tmp_path: Path, content: bytes) -> None:
    """It would say which file was set aside; nothing is changed."""
    await fill(tmp_path)
    recovery_journal(tmp_path / "metrics.duckdb").write_bytes(content)
    with pytest.raises(StoreUnavailable, match=r"metrics\.duckdb\.recovery cannot be read; delete it, and when"):
        async with opened(tmp_path):
            pass

    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive", "metrics.duckdb", "metrics.duckdb.recovery"]


async def test_a_lone_log_is_not_read_into_the_store_that_is_filled_again(tmp_path: Path) -> None:
    """It belongs to a file that somebody took away; it is set aside."""
    await fill(tmp_path)
    log = b"some log"
    (tmp_path / "metrics.duckdb").unlink()
    (tmp_path / "metrics.duckdb.wal").write_bytes(log)
    async with opened(tmp_path) as store:
        assert len((await values(store))["a"]) == 3 * 1_440

    assert set_aside(tmp_path) == {f"metrics.duckdb.broken-{NOON:%Y%m%dT%H%M%SZ}.wal": log}


async def test_a_lone_log_of_a_store_that_is_gone_does_no_harm(tmp_path: Path) -> None:
    """A write-ahead log without its file belongs to nothing."""
    (tmp_path / "metrics.duckdb.wal").write_bytes(os.urandom(4_096))
    async with opened(tmp_path) as store:
        await store.write([minute(1)])
        assert await values(store) == {"a": [1]}


@pytest.mark.parametrize("readable", [True, False], ids=["readable", "from snapshots"])
async def test_what_was_made_of_a_day_that_is_half_deleted_stays(tmp_path: Path, readable: bool) -> None:
    """The samples of a week are kept, so its first day is cut; its windows are not compared with what is gone."""
    now = FIRST + timedelta(days=7, hours=20)
    async with opened(tmp_path, now) as store:
        await store.write([minute(number) for number in range(0, 7 * 1_440, 2)])
        await store.roll_up(now)
        await store.delete_expired(now)  # samples before 20:00
        await store.snapshot_closed_days(now)
        before = await hourly_counts(store)
    noted_as_damaged(tmp_path)
    if not readable:
        behead(tmp_path / "metrics.duckdb")
    async with opened(tmp_path, now) as store:
        assert await store.check_rollups(FIRST, FIRST + timedelta(days=1)) == 0
        await store.roll_up(now)
        assert await hourly_counts(store) == before

    assert before == [30] * 24


async def hourly_counts(store: EmbeddedStore) -> list[float]:
    answer = await store.read(SeriesQuery("net", (), START, START + DAY, Window(HOUR, (Function.COUNT,))))
    return list(answer.series[0].values)  # type: ignore[arg-type]


async def test_a_store_that_is_damaged_again_keeps_what_was_noted_in_it(tmp_path: Path) -> None:
    """Periods that were lost before, windows that late samples touched, from when on its tables are whole."""
    await fill(tmp_path)
    behead(tmp_path / "metrics.duckdb")
    later = NOON + timedelta(hours=6)
    async with opened(tmp_path, later) as store:
        await store.write([minute(100, "late")])
        first, late, kept = store.missing_periods, stale(store), store._rollups.kept_since("rollup_5m")
    noted_as_damaged(tmp_path)
    async with opened(tmp_path, later) as store:
        assert store.missing_periods == first
        assert stale(store) == late
        assert store._rollups.kept_since("rollup_5m") == kept
        await store.roll_up(later)
        hours = await store.read(SeriesQuery("net", (), START, START + 2 * HOUR, Window(HOUR, (Function.COUNT,))))

    assert len(first) == 1
    assert all(late)
    assert [list(one.values) for one in hours.series if dict(one.series.tags)["host"] == "late"] == [[None, 1]]


def stale(store: EmbeddedStore) -> list[frozenset[int]]:
    return [store._rollups.stale(level) for level in LEVELS]


# Snapshots


async def test_a_day_is_written_once_and_again_when_late_samples_touch_it(tmp_path: Path) -> None:
    """What came late is in the snapshot after the next run."""
    await fill(tmp_path)
    async with opened(tmp_path) as store:
        assert await store.snapshot_closed_days(NOON) == 0
        await store.write([minute(1_441, "late")])
        await store.roll_up(NOON)
        assert await store.snapshot_closed_days(NOON) == 3
    (tmp_path / "metrics.duckdb").unlink()
    async with opened(tmp_path) as store:
        assert (await values(store))["late"] == [1_441]


async def test_a_snapshot_that_somebody_deleted_is_written_again(tmp_path: Path) -> None:
    """The archive is looked at, not only remembered."""
    await fill(tmp_path)
    (tmp_path / "archive" / "metrics" / "raw" / "2026-11-21.parquet").unlink()
    async with opened(tmp_path) as store:
        assert await store.snapshot_closed_days(NOON) == 1


async def test_a_day_whose_writing_failed_is_written_by_the_next_run(tmp_path: Path) -> None:
    """The file of the run before stands there meanwhile, and does not pass for the new one; nor after a restart."""
    await fill(tmp_path)
    file = tmp_path / "archive" / "metrics" / "raw" / "2026-11-21.parquet"
    in_the_way = file.with_name(f".{file.name}.tmp")
    for number in range(2):
        async with opened(tmp_path) as store:
            await store.write([minute(1_441 + number, "late")])
            in_the_way.mkdir()  # nothing can be written there
            with pytest.raises(StoreUnavailable, match="archive cannot be written"):
                await store.snapshot_closed_days(NOON)
            in_the_way.rmdir()
            assert await rows_of(file) == 2 * 1_440 + number
            if number == 0:
                assert await store.snapshot_closed_days(NOON) == 1
                assert await rows_of(file) == 2 * 1_440 + 1
    async with opened(tmp_path) as store:
        assert await store.snapshot_closed_days(NOON) == 1
        assert await rows_of(file) == 2 * 1_440 + 2
        assert await store.snapshot_closed_days(NOON) == 0


async def test_a_row_that_comes_while_its_day_is_copied_has_the_day_written_again(tmp_path: Path) -> None:
    """Whether it was in the copy or not."""
    await fill(tmp_path)
    file = tmp_path / "archive" / "metrics" / "raw" / "2026-11-21.parquet"
    async with opened(tmp_path) as store:
        for number in range(10):
            await store.write([minute(1_441 + 2 * number, "late")])
            copying = asyncio.create_task(store.snapshot_closed_days(NOON))
            await asyncio.sleep(number / 300)  # at another moment each time
            await store.write([minute(1_442 + 2 * number, "late")])
            await copying
        await store.snapshot_closed_days(NOON)
        assert await rows_of(file) == 2 * 1_440 + 20


async def test_rows_of_a_series_whose_name_is_lost_are_given_to_no_other(tmp_path: Path) -> None:
    """The days have them, the newest readable list of names has not: the next series gets a number of its own."""
    await fill(tmp_path)
    names = tmp_path / "archive" / "metrics" / "series" / "2026-11-23.parquet"
    before = names.read_bytes()
    async with opened(tmp_path) as store:
        await store.write([minute(1_441, "lost")])
        await store.snapshot_closed_days(NOON)
    names.write_bytes(before)
    (tmp_path / "metrics.duckdb").unlink()
    async with opened(tmp_path) as store:
        await store.write([minute(4_000, "new")])
        found = await values(store)

    assert found["new"] == [4_000]
    assert set(found) == {"a", "b", "new"}


async def test_names_are_in_the_archive_before_the_days_that_need_them(tmp_path: Path) -> None:
    """A round of snapshots that is cut off leaves no rows that nobody can name."""
    await fill(tmp_path)
    folder = tmp_path / "archive" / "metrics"
    async with opened(tmp_path) as store:
        await store.write([minute(1_441, "late")])
        (folder / "raw" / ".2026-11-21.parquet.tmp").mkdir()  # nothing can be written there
        with pytest.raises(StoreUnavailable):
            await store.snapshot_closed_days(NOON)

    assert await rows_of(folder / "series" / "2026-11-23.parquet") == 3


async def rows_of(file: Path) -> int:
    ((count,),) = await asyncio.to_thread(lambda: duckdb.sql(f"SELECT count(*) FROM '{file}'").fetchall())
    return int(count)


async def test_snapshots_are_kept_as_long_as_their_level(tmp_path: Path) -> None:
    """Samples for a week, hours for three years."""
    await fill(tmp_path)
    later = NOON + timedelta(days=20)
    async with opened(tmp_path, later) as store:
        await store.roll_up(later)
        await store.delete_expired(later)
        await store.snapshot_closed_days(later)

    kept = {file.parent.name for file in (tmp_path / "archive" / "metrics").glob("*/2026-11-2?.parquet")}
    assert kept == {"rollup_5m", "rollup_1h", "series"} - {"series"}
