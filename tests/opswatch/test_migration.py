"""F13: the data of each release before this one, as it stood after kill -9, is opened with everything that is in it.

`fixtures/make_release.py` has made the archives, with what that release itself exports from its data.
"""

import csv
import logging
import shutil
import subprocess
import sys
import tarfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from api.access import Role
from collector.quarantine import Quarantine
from collector.spool import Spool, SpoolLimits
from embedded.archive import Archive
from embedded.engine import EngineOptions, open_engine
from embedded.schema import SCHEMA_VERSION, schema_version
from embedded.store import EmbeddedOptions, EmbeddedStore
from opswatch.backup_files import read_manifest
from opswatch.data_directory import VERSION, DataDirectory
from opswatch.migration import bring_forward, ensure_current
from opswatch.restore import restore
from opswatch.state import State
from telemetry.errors import DataDirectoryError, DataDirectoryTooNew
from telemetry.measurements import BUILT_IN
from telemetry.series import Function, Raw, SeriesQuery, Window
from telemetry.times import from_datetime
from tests.collector.doubles import REAL_CLOCK
from tests.opswatch.fixtures.make_release import MEASUREMENTS, OWNER_TOKEN, TOKEN_FILE
from tests.opswatch.test_run import ROOT, command, environment, run

FIXTURES = Path(__file__).parent / "fixtures"
START, STOP = datetime(2026, 11, 19, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC)
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
Rows = Counter[tuple[tuple[str, ...], datetime, str]]


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release-1")
    with tarfile.open(FIXTURES / "release-1.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture
def release(unpacked: Path, tmp_path: Path) -> DataDirectory:
    """A data directory of version 1, to be used up."""
    shutil.copytree(unpacked / "data", tmp_path / ".opswatch")
    return DataDirectory(tmp_path / ".opswatch")


def expected_rows(unpacked: Path, measurement: str) -> Rows:
    """What the release itself exports: (tags and field, time, value)."""
    rows = csv.reader((unpacked / "expected" / f"{measurement}.csv").read_text().splitlines())
    next(rows)
    return Counter((tuple(row[2:-1]), datetime.fromisoformat(row[0]), canonical(row[-1])) for row in rows)


def canonical(text: str) -> str:
    try:
        return repr(float(text))
    except ValueError:
        return text


async def rows_of(store: EmbeddedStore, measurement: str, tags: list[str]) -> Rows:
    query = SeriesQuery(measurement, (), from_datetime(START), from_datetime(STOP), Raw(100_000))
    found: Rows = Counter()
    for one in (await store.read(query)).series:
        names = (*(dict(one.series.tags).get(tag, "") for tag in tags), one.series.field)
        for moment, value in zip(one.times, one.values, strict=True):
            at = datetime.fromtimestamp(moment // 10**9, UTC) + timedelta(microseconds=moment % 10**9 / 1_000)
            found[names, at, canonical(str(value))] += 1
    return found


def tags_of(unpacked: Path, measurement: str) -> list[str]:
    header = (unpacked / "expected" / f"{measurement}.csv").read_text().splitlines()[0].split(",")
    return header[2:-2]


async def assert_everything_is_there(directory: DataDirectory, unpacked: Path) -> None:
    """Every point of the store and of the spool, once; the tokens; and the levels are made."""
    options = EmbeddedOptions(
        engine=EngineOptions(allowed_directories=(directory.archive,)), archive=Archive(directory.archive / "metrics")
    )
    quarantine = Quarantine(directory.quarantine, REAL_CLOCK)
    async with State.opened(directory.state) as state:
        registry = await state.learned_schema.registry()
        token = await state.tokens.identify((unpacked / TOKEN_FILE).read_text().strip(), NOW)
        owner = await state.tokens.identify(OWNER_TOKEN, NOW)
        assert await state.ownership.exists()
    async with (
        EmbeddedStore.opened(directory.metrics, options, registry, NOW) as store,
        Spool.opened(directory.spool, store, quarantine, SpoolLimits(), REAL_CLOCK) as spool,
    ):
        assert await spool.drain(timedelta(seconds=30))
        assert store.missing_periods == ()
        for measurement in MEASUREMENTS:
            there = await rows_of(store, measurement, tags_of(unpacked, measurement))
            assert there == expected_rows(unpacked, measurement), measurement
        await store.roll_up(NOW)
        assert await store.check_rollups(START, STOP) == 0
        wide = SeriesQuery(
            "mem",
            ("used",),
            from_datetime(START),
            from_datetime(START + timedelta(hours=24)),
            Window(3_600 * 10**9, (Function.COUNT,)),
        )
        hours = (await store.read(wide)).series[0].values
    raw = sum(1 for names, at, _ in expected_rows(unpacked, "mem").elements() if names[-1] == "used" and at.day == 19)
    assert sum(int(value or 0) for value in hours) == raw > 20  # type: ignore[arg-type]
    assert (token and (token.name, token.role)) == ("fixture", Role.VIEWER)
    assert (owner and owner.role) == Role.ADMIN
    assert not list(directory.root.glob("*.broken-*"))


async def test_a_directory_of_version_1_is_opened_with_everything_in_it(
    release: DataDirectory, unpacked: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Points of the store, of its log and of the spool, owner, tokens; levels are made; the log says what was done."""
    assert release.version() == 1
    with caplog.at_level(logging.WARNING), release.held():
        bring_forward(release, NOW)

    assert release.version() == VERSION
    assert [record.message for record in caplog.records] == [
        "the data directory is of an older version; a copy was made before it is brought forward",
        "the data directory was brought forward",
    ]
    await assert_everything_is_there(release, unpacked)


def test_the_copy_is_what_the_release_has_left(release: DataDirectory, unpacked: Path) -> None:
    """backup-1/ is a whole backup, without exports and logs; with it the older version can go on."""
    (release.exports / "big.csv").write_text("x" * 1_000)
    (release.root / "keys" / "signing.pem").write_text("secret")
    ensure_current(release, NOW)
    copy = release.root / "backup-1"
    manifest = read_manifest(copy)

    assert (manifest.data_version, manifest.keys) == (1, True)
    assert {file.path for file in manifest.files} == {
        "version",
        "metrics.duckdb",
        "metrics.duckdb.wal",
        "spool.sqlite",
        "state.sqlite",
        "keys/signing.pem",
    }
    for name in ("metrics.duckdb", "metrics.duckdb.wal", "version"):
        assert (copy / name).read_bytes() == (unpacked / "data" / name).read_bytes()


async def test_the_copy_can_be_restored_and_brought_forward_again(
    release: DataDirectory, unpacked: Path, tmp_path: Path
) -> None:
    """backup-1/ is a backup like any other."""
    ensure_current(release, NOW)
    elsewhere = DataDirectory(tmp_path / "elsewhere")
    restore(release.root / "backup-1", elsewhere, lambda name, size: lambda advanced: None)

    assert elsewhere.version() == 1
    ensure_current(elsewhere, NOW)
    await assert_everything_is_there(elsewhere, unpacked)


@pytest.mark.timeout(300)
async def test_whenever_a_migration_is_killed_the_next_start_ends_it(release: DataDirectory, unpacked: Path) -> None:
    """Killed before each change that it makes to a file, it begins again or goes on; the copy is never of a half."""
    base = release.root.parent / "killed"
    base.mkdir()
    victim = [sys.executable, "-m", "tests.opswatch.victim", "migrate", str(release.root), str(base)]
    deaths = subprocess.run(victim, cwd=ROOT, env=environment(ROOT), capture_output=True, text=True, check=True)

    assert int(deaths.stdout) >= 10, deaths.stderr
    for number in range(1, int(deaths.stdout) + 1):
        directory = DataDirectory(base / str(number))
        with directory.held():
            bring_forward(directory, NOW)
        assert directory.version() == VERSION
        assert not (directory.root / ".migrating").exists()
        for copy in directory.root.glob("backup-*"):
            assert read_manifest(copy).data_version == 1
            for name in ("metrics.duckdb", "metrics.duckdb.wal"):
                assert (copy / name).read_bytes() == (unpacked / "data" / name).read_bytes()
        if number % 6 == 0 or number == int(deaths.stdout):
            await assert_everything_is_there(directory, unpacked)


def test_a_copy_for_which_there_is_no_room_stops_it_before_anything_is_changed(release: DataDirectory) -> None:
    """A file that is larger than the disk, as far as it says so itself: the message says how much is needed."""
    with release.spool.open("r+b") as spool:
        spool.truncate(10**13)  # a hole: it takes no room

    with pytest.raises(DataDirectoryError, match=r"needs 10,000,\d{3}.\d MB, and .* free; make room there"):
        ensure_current(release, NOW)
    assert release.version() == 1
    assert not list(release.root.glob("*backup-1*"))


def test_who_went_back_and_comes_again_gets_a_second_copy(release: DataDirectory, unpacked: Path) -> None:
    """The copy of the first time is not taken for one of the second."""
    ensure_current(release, NOW)
    shutil.copytree(release.root / "backup-1", release.root, dirs_exist_ok=True)
    assert release.version() == 1
    ensure_current(release, NOW)

    assert sorted(path.name for path in release.root.glob("backup-*")) == ["backup-1", "backup-1-2"]


@pytest.mark.parametrize("arguments", [("run",), ("token", "list"), ("collect", "--once"), ("export", "mem")])
def test_every_command_refuses_the_directory_of_a_later_version(
    release: DataDirectory, arguments: tuple[str, ...]
) -> None:
    """F13: a downgrade is refused cleanly, naming both versions; nothing in the directory changes."""
    release.write_version(VERSION + 1)
    before = (release.state.read_bytes(), release.metrics.read_bytes())
    result = run(release.root.parent, *arguments)

    assert result.returncode == 1
    assert f"has version {VERSION + 1}, written by a later OpsWatch" in result.stderr
    assert f"this one knows version {VERSION}" in result.stderr
    assert "Traceback" not in result.stderr
    assert (release.state.read_bytes(), release.metrics.read_bytes()) == before
    with pytest.raises(DataDirectoryTooNew):
        release.version()


def test_the_program_itself_brings_a_directory_forward_and_its_token_is_good(
    release: DataDirectory, unpacked: Path
) -> None:
    """`opswatch run` on the data of the release: the owner is known, so no link is printed; the log says it."""
    folder = release.root.parent
    listed = run(folder, "token", "list")
    assert listed.stdout.startswith("owner"), listed.stderr
    assert "fixture" in listed.stdout
    with subprocess.Popen(
        command("run"),
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        token = (unpacked / TOKEN_FILE).read_text().strip()
        exported = run(
            folder,
            *("export", "mem", "--field", "total", "--start", "2026-11-19T00:00:00Z", "--stop", "2026-11-21T00:00:00Z"),
            OPSWATCH_URL=url,
            OPSWATCH_TOKEN=token,
        )
        process.terminate()
        rest = process.stdout.read()

    assert exported.returncode == 0, exported.stderr
    assert rest == ""
    assert (release.root / "backup-1" / "manifest.json").is_file()


async def test_a_damaged_store_is_migrated_like_any_other_and_set_aside_when_it_is_opened(
    release: DataDirectory, unpacked: Path
) -> None:
    """A3 and F13 at once: the copy holds what was there, the rest of the directory goes on."""
    release.metrics.write_bytes(b"x" * 5_000)
    ensure_current(release, NOW)
    options = EmbeddedOptions(archive=Archive(release.archive / "metrics"))
    async with EmbeddedStore.opened(release.metrics, options, BUILT_IN, NOW) as store:
        assert [period.reason for period in store.missing_periods] == ["the file is not a DuckDB database"]
    async with State.opened(release.state) as state:
        assert await state.tokens.identify((unpacked / TOKEN_FILE).read_text().strip(), NOW)

    assert (release.root / "backup-1" / "metrics.duckdb").read_bytes() == b"x" * 5_000


def test_a_damaged_state_is_copied_as_it_is_and_named(release: DataDirectory) -> None:
    """F6: nothing is lost by the migration, and the message says which file it is."""
    release.state.write_bytes(b"x" * 50_000)
    with pytest.raises(DataDirectoryError, match=r"state\.sqlite cannot be used"):
        ensure_current(release, NOW)

    assert release.version() == 1
    assert (release.root / "backup-1" / "state.sqlite").read_bytes() == b"x" * 50_000


def test_collecting_once_without_a_server_brings_a_directory_forward_too(release: DataDirectory) -> None:
    """Whatever opens the store: cron may be the first after an upgrade."""
    result = run(release.root.parent, "collect", "--once")

    assert result.returncode == 0, result.stderr
    assert release.version() == VERSION
    assert (release.root / "backup-1" / "manifest.json").is_file()


def test_doctor_says_that_a_directory_is_older_or_later(release: DataDirectory) -> None:
    """What will happen at the next start, or why there will be none; doctor itself changes nothing."""
    older = run(release.root.parent, "doctor").stdout
    assert release.version() == 1
    release.write_version(VERSION + 1)
    later = run(release.root.parent, "doctor").stdout

    assert f"has version 1; the next start brings it to {VERSION}, after a copy (backup-1/)" in older
    assert "FAIL  data directory" in later


def test_the_stores_file_says_its_version(release: DataDirectory) -> None:
    """It is under the version of the directory, and says its own, should it be moved alone."""
    ensure_current(release, NOW)
    connection = open_engine(release.metrics, EngineOptions())
    try:
        assert schema_version(connection) == SCHEMA_VERSION
    finally:
        connection.close()
