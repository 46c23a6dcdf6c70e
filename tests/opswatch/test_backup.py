"""F14: a backup of a running server, restored elsewhere: whole or not at all, with everything that was acknowledged."""

import asyncio
import hashlib
import io
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Self

import pytest
from aiohttp import web

from collector.disk_room import DiskRoom, Filesystem
from collector.quarantine import Quarantine
from collector.spool import Spool, SpoolLimits
from embedded.store import EmbeddedStore
from opswatch.backup import Backups, Surroundings
from opswatch.backup_files import read_manifest
from opswatch.backup_manifest import FORMAT, MANIFEST, BackedUpFile, Manifest, is_path_in_backup
from opswatch.data_directory import VERSION, DataDirectory, ServerFacts
from opswatch.restore import restore
from opswatch.state import State
from telemetry.errors import BackupError, DataDirectoryError, DataDirectoryInUse, DataDirectoryTooNew, StoreUnavailable
from telemetry.measurements import BUILT_IN
from telemetry.points import Point
from telemetry.ports import WriteOutcome, WriteStatus
from telemetry.series import Raw, SeriesQuery
from tests.api.world import options_in
from tests.collector.doubles import REAL_CLOCK, START
from tests.opswatch.test_run import ROOT, Server, command, environment, run, running

HOUR = 3_600 * 10**9
SECOND = 10**9


def silent(name: str, size: int) -> Callable[[int], None]:
    del name, size
    return lambda advanced: None


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Only what is pushed and OpsWatch's own figures."""
    (tmp_path / "opswatch.yaml").write_text("version: 1\nhost: {enabled: false}\n")
    return tmp_path


# With a server of its own process


def push(server: Server, token: str, lines: str) -> None:
    request = urllib.request.Request(
        server.url + "/api/v2/write", data=lines.encode(), headers={"Authorization": f"Token {token}"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 204


class Writers:
    """Threads that write as fast as they are answered, each id once; `acknowledged` holds those that got their 204."""

    def __init__(self, server: Server, token: str) -> None:
        self.acknowledged: set[int] = set()
        self._numbers = itertools.count(1)
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(server, token)) for _ in range(4)]

    def _write(self, server: Server, token: str) -> None:
        while not self._stop.is_set():
            ids = [next(self._numbers) for _ in range(50)]
            base = server_time_ns()
            push(server, token, "\n".join(f"work,worker=w{number % 7} id={number}i {base + number}" for number in ids))
            self.acknowledged.update(ids)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def server_time_ns() -> int:
    return int(REAL_CLOCK.now().timestamp()) * SECOND - HOUR


def exported_ids(folder: Path, data: str) -> set[int]:
    result = run(folder, "export", "work", "--start=-1d", OPSWATCH_DATA_DIR=data)
    assert result.returncode == 0, result.stderr
    return {int(float(line.rsplit(",", 1)[1])) for line in result.stdout.splitlines()[1:]}


def test_f14_what_was_acknowledged_before_a_backup_began_is_in_it(directory: Path) -> None:
    """Three backups while four writers write: each has every id that had its 204 before the command was started."""
    with running(directory) as server:
        token = run(directory, "token", "create", "writer", "--role", "operator").stdout.strip()
        before = []
        with Writers(server, token) as writers:
            for number in range(3):
                wait_until(lambda wanted=(number + 1) * 1_000: len(writers.acknowledged) > wanted)  # type: ignore[misc]
                before.append(set(writers.acknowledged))
                backed_up = run(directory, "backup", f"b{number}")
                assert backed_up.returncode == 0, backed_up.stderr

    assert len(writers.acknowledged) > len(before[-1])
    for number, expected in enumerate(before):
        restored = run(directory, "restore", f"b{number}", OPSWATCH_DATA_DIR=f"r{number}")
        assert restored.returncode == 0, restored.stderr
        assert expected <= exported_ids(directory, f"r{number}")
    assert not list((directory / ".opswatch" / "exports").iterdir())


def wait_until(holds: Callable[[], bool]) -> None:
    event = threading.Event()
    for _ in range(600):
        if holds():
            return
        event.wait(0.05)
    raise AssertionError("it never held")


def test_after_a_restore_elsewhere_the_server_gives_the_same_answers(directory: Path) -> None:
    """The same export, byte for byte; the same tokens and owner; with nothing but the backup and a configuration."""
    asked = ("/api/v1/export.csv?measurement=work&start=-1d&stop=now", "/api/v1/schema")
    with running(directory) as server:
        token = run(directory, "token", "create", "writer", "--role", "admin").stdout.strip()
        base = server_time_ns()
        push(
            server,
            token,
            "\n".join(f"work,worker=w{one % 5} id={one}i,x={one / 7} {base + one}" for one in range(5_000)),
        )
        server.wait_for(asked[0], r",4999\b")
        before = [server.get(path) for path in asked]
        made = json.loads(run(directory, "backup", "b", "--json").stdout)
    elsewhere = directory / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(directory / "opswatch.yaml", elsewhere)
    shutil.move(directory / "b", elsewhere / "moved")
    restored = json.loads(run(elsewhere, "restore", "moved", "--json").stdout)
    with running(elsewhere) as server:
        after = [server.get(path) for path in asked]
        request = urllib.request.Request(server.url + "/api/v1/tokens", headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 200

    assert len(before[0][1].splitlines()) == 10_001
    assert after == before
    assert made["files"] == restored["files"]
    assert (made["keys"], made["data_version"], made["host"] != "") == (False, VERSION, True)
    assert made["configuration"] == str(directory / "opswatch.yaml")


def test_a_backup_from_elsewhere_needs_an_admins_token(directory: Path) -> None:
    """OPSWATCH_URL: the backup is sent over HTTP; who may only look gets none, and nothing is left of the attempt."""
    with running(directory) as server:
        tokens = {
            role: run(directory, "token", "create", role, "--role", role).stdout.strip() for role in ("viewer", "admin")
        }
        results = {
            role: run(directory, "backup", f"b-{role}", OPSWATCH_URL=server.url, OPSWATCH_TOKEN=token)
            for role, token in tokens.items()
        }
        refused = run(directory, "restore", "b-admin", OPSWATCH_URL=server.url)

    assert {role: result.returncode for role, result in results.items()} == {"viewer": 1, "admin": 0}
    assert "answered 403" in results["viewer"].stderr
    assert "OPSWATCH_TOKEN" in results["viewer"].stderr
    assert not (directory / "b-viewer").exists()
    assert read_manifest(directory / "b-admin").data_version == VERSION
    assert refused.returncode == 2
    assert "OPSWATCH_URL" in refused.stderr


def test_private_keys_are_in_a_backup_only_when_asked_for(directory: Path) -> None:
    """The manifest says which; everything is readable by its owner alone; no token is in it, only its sum."""
    with running(directory):
        token = run(directory, "token", "create", "viewer").stdout.strip()
        (directory / ".opswatch" / "keys" / "signing.pem").write_text("private")
        assert run(directory, "backup", "plain").returncode == 0
        assert run(directory, "backup", "full", "--with-keys").returncode == 0
    plain, full = read_manifest(directory / "plain"), read_manifest(directory / "full")

    assert (plain.keys, full.keys) == (False, True)
    assert any(one.startswith("keys/") for one in plain.left_out)
    assert not any(one.startswith("keys/") for one in full.left_out)
    assert not (directory / "plain" / "keys").exists()
    assert (directory / "full" / "keys" / "signing.pem").read_text() == "private"
    for path in (directory / "full").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
        assert path.is_dir() or token.encode() not in path.read_bytes()
    assert run(directory, "restore", "full", OPSWATCH_DATA_DIR="new").returncode == 0
    assert (directory / "new" / "keys" / "signing.pem").read_text() == "private"


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("full", "full is not empty, it holds notes.txt: name a new folder"),
        ("full/notes.txt", "is no folder"),
        (".opswatch/backup", "is in the data directory"),
        (".opswatch", "is in the data directory"),
        ("full/notes.txt/x", "cannot be made"),
    ],
)
def test_a_target_that_is_none_is_refused_by_its_name(directory: Path, target: str, message: str) -> None:
    """Exit code 1, and what is there stays as it is."""
    (directory / "full").mkdir()
    (directory / "full" / "notes.txt").write_text("mine")
    with DataDirectory(directory / ".opswatch").held():
        pass
    result = run(directory, "backup", target)

    assert result.returncode == 1
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert [path.name for path in (directory / "full").iterdir()] == ["notes.txt"]


def test_where_there_is_no_data_there_is_no_backup(directory: Path) -> None:
    """Run in the wrong folder it does not back up a new, empty data directory, and makes none."""
    result = run(directory, "backup", "b")

    assert result.returncode == 1
    assert "there is no data in" in result.stderr
    assert [path.name for path in directory.iterdir()] == ["opswatch.yaml"]


def test_a_command_line_that_makes_no_sense_exits_with_2(directory: Path) -> None:
    """Usage and configuration are 2."""
    assert run(directory, "backup").returncode == 2
    assert run(directory, "restore").returncode == 2
    assert run(directory, "backup", "x", "--config", "missing.yaml").returncode == 2


def test_a_restore_beside_a_running_server_is_refused(directory: Path) -> None:
    """Naming the process; and the server goes on."""
    with running(directory) as server:
        assert run(directory, "backup", "b").returncode == 0
        result = run(directory, "restore", "b")
        assert server.get("/health")[0] == 200

    assert result.returncode == 1
    assert f"in use by process {server.process.pid}" in result.stderr


# The order in which it is copied


class Gate:
    """A store that takes nothing until it is opened."""

    def __init__(self, store: EmbeddedStore) -> None:
        self.store = store
        self.is_open = False

    async def write(self, points: object) -> WriteOutcome:
        return await self.store.write(points) if self.is_open else WriteOutcome(WriteStatus.RETRY, "closed")  # type: ignore[arg-type]


async def test_a_point_that_leaves_the_spool_while_the_backup_is_made_is_in_it(tmp_path: Path) -> None:
    """Acknowledged before, it goes to the store after the store was copied: then it is in the spool's copy."""
    data = DataDirectory(tmp_path / "data")
    with data.held():
        quarantine = Quarantine(data.quarantine, REAL_CLOCK)
        async with (
            EmbeddedStore.opened(data.metrics, options_in(data.root), BUILT_IN) as store,
            State.opened(data.state),
        ):
            gate = Gate(store)
            async with Spool.opened(data.spool, gate, quarantine, SpoolLimits(), REAL_CLOCK) as spool:
                points = [Point.of("system", {"host": "a"}, {"load1": float(one)}, START + one) for one in range(100)]
                assert (await spool.write(points)).status is WriteStatus.OK

                class Draining:
                    async def copy_to(self, target: Path) -> None:
                        await store.copy_to(target)
                        gate.is_open = True
                        assert await spool.drain(timedelta(seconds=30))

                backups = Backups(data, Draining(), roomy(), Surroundings("h", None, REAL_CLOCK))
                async with backups.prepared(with_keys=False) as backup:
                    await unpack(backup, tmp_path / "backup")
    elsewhere = DataDirectory(tmp_path / "elsewhere")
    restore(tmp_path / "backup", elsewhere, silent)
    async with (
        EmbeddedStore.opened(elsewhere.metrics, options_in(elsewhere.root), BUILT_IN) as store,
        Spool.opened(elsewhere.spool, store, quarantine, SpoolLimits(), REAL_CLOCK) as spool,
    ):
        assert await spool.drain(timedelta(seconds=30))
        answer = await store.read(SeriesQuery("system", ("load1",), START, START + SECOND, Raw(1_000)))

    assert list(answer.series[0].values) == [float(one) for one in range(100)]


def roomy() -> DiskRoom:
    return DiskRoom(lambda: Filesystem(10**12, 10**12), None, REAL_CLOCK)


async def unpack(backup: object, folder: Path) -> None:
    content = b"".join([piece async for piece in backup.pieces()])  # type: ignore[attr-defined]
    assert len(content) == backup.size  # type: ignore[attr-defined]
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        archive.extractall(folder, filter="data")


async def test_what_a_killed_server_has_left_of_a_backup_is_removed_at_the_next_start(tmp_path: Path) -> None:
    """The copy lies below exports/ while it is sent."""
    data = DataDirectory(tmp_path)
    data.prepare()
    (data.exports / ".backup-0123" / "archive").mkdir(parents=True)
    (data.exports / ".backup-0123" / "metrics.duckdb").write_text("half")
    (data.exports / "mine.csv").write_text("x")
    Backups(data, None, roomy(), Surroundings("h", None, REAL_CLOCK))  # type: ignore[arg-type]

    assert [path.name for path in data.exports.iterdir()] == ["mine.csv"]


# A server that is not what it should be


def member(name: str, content: bytes, kind: bytes = tarfile.REGTYPE) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(content)
    info.linkname = "/etc/passwd" if kind in {tarfile.SYMTYPE, tarfile.LNKTYPE} else ""
    return info.tobuf(tarfile.PAX_FORMAT) + content + bytes(-len(content) % 512)


def manifest_of(contents: dict[str, bytes], **changes: object) -> bytes:
    listed = tuple(
        BackedUpFile(path=path, size=len(content), sha256=hashlib.sha256(content).hexdigest())
        for path, content in contents.items()
    )
    known = Manifest(
        format=FORMAT,
        opswatch="0.1.0",
        data_version=VERSION,
        began=REAL_CLOCK.now(),
        made=REAL_CLOCK.now(),
        host="h",
        configuration=None,
        keys=False,
        left_out=(),
        files=listed,
    )
    return known.model_copy(update=changes).text().encode()


GOOD = {"version": b"2\n", "spool.sqlite": b"spool" * 1_000}
END = bytes(1_024)
WHOLE = b"".join(member(name, content) for name, content in GOOD.items())


@asynccontextmanager
async def answering(body: bytes, **headers: str) -> AsyncIterator[str]:
    """A server that answers every backup with these bytes; gives its URL."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        await response.write(body)
        if "Content-Length" in headers and request.transport is not None:
            request.transport.close()
        return response

    app = web.Application()
    app.router.add_post("/api/v1/backup", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (WHOLE + END, "its manifest, which comes last, is missing"),
        (WHOLE[:3_000], "ended the backup early"),
        (b"", "ended the backup early"),
        (b"<html>no such page</html>" * 100, "ended the backup early, or sent something else"),
        (member("../../evil", b"x") + END, "has no place in a backup"),
        (member("/etc/evil", b"x") + END, "has no place in a backup"),
        (member("keys/../../evil", b"x") + END, "has no place in a backup"),
        (member("archive/.hidden", b"x") + END, "has no place in a backup"),
        (member("server.json", b"x") + END, "has no place in a backup"),
        (member("version", b"", tarfile.SYMTYPE) + END, "has no place in a backup"),
        (member("version", b"", tarfile.LNKTYPE) + END, "has no place in a backup"),
        (member("version", b"", tarfile.FIFOTYPE) + END, "has no place in a backup"),
        (WHOLE + member("version", b"3\n") + END, "cannot be written: File exists"),
        (WHOLE + member(MANIFEST, manifest_of(GOOD)) + member("keys/late", b"x") + END, "has no place in a backup"),
        (WHOLE + member(MANIFEST, manifest_of({**GOOD, "version": b"3\n"})) + END, "not what the server has sent"),
        (WHOLE + member(MANIFEST, manifest_of({"version": b"2\n"})) + END, "not what the server has sent"),
        (WHOLE + member(MANIFEST, b"{}") + END, "is no manifest of a backup"),
        (WHOLE + member(MANIFEST, manifest_of(GOOD, format=FORMAT + 1)) + END, "made by a later OpsWatch"),
    ],
)
async def test_what_is_no_whole_backup_leaves_nothing(directory: Path, body: bytes, message: str) -> None:
    """Whatever a server sends: one message, no file, and nothing outside of the folder."""
    async with answering(body) as url:
        result = await asyncio.to_thread(run, directory, "backup", "b", OPSWATCH_URL=url)

    assert result.returncode == 1
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert not (directory / "b").exists()
    assert not (directory.parent / "evil").exists()


async def test_a_disk_that_is_too_small_is_told_before_anything_is_written(directory: Path) -> None:
    """The server says how large the backup is."""
    async with answering(WHOLE, **{"Content-Length": str(10**16)}) as url:
        result = await asyncio.to_thread(run, directory, "backup", "b", OPSWATCH_URL=url)

    assert result.returncode == 1
    assert "the backup has 10,000,000,000.0 MB, and" in result.stderr
    assert not (directory / "b").exists()


async def test_a_backup_that_is_killed_leaves_nothing_that_looks_whole(directory: Path) -> None:
    """kill -9 in the middle: no manifest, so restore refuses it, and so does the next backup into the same folder."""
    async with hanging(WHOLE) as slow:
        process = await asyncio.create_subprocess_exec(
            *command("backup", "b"),
            cwd=directory,
            env=environment(directory, OPSWATCH_URL=slow),
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(60):
            while not (directory / "b" / "spool.sqlite").exists():
                await asyncio.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        await process.wait()
    restored = await asyncio.to_thread(run, directory, "restore", "b")
    again = await asyncio.to_thread(run, directory, "backup", "b", OPSWATCH_URL=slow)

    assert restored.returncode == again.returncode == 1
    assert "has no manifest.json, so it is no backup, or one that was cut off" in restored.stderr
    assert "b is not empty, it holds spool.sqlite" in again.stderr
    assert not (directory / ".opswatch").exists()


async def test_a_backup_that_is_interrupted_leaves_nothing(directory: Path) -> None:
    """Ctrl-C: what was written is removed, and the exit code says so."""
    async with hanging(WHOLE) as slow:
        process = await asyncio.create_subprocess_exec(
            *command("backup", "b"),
            cwd=directory,
            env=environment(directory, OPSWATCH_URL=slow),
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(60):
            while not (directory / "b" / "spool.sqlite").exists():
                await asyncio.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, complaint = await asyncio.wait_for(process.communicate(), 30)

    assert process.returncode == 130
    assert b"Traceback" not in complaint
    assert not (directory / "b").exists()


@asynccontextmanager
async def hanging(body: bytes) -> AsyncIterator[str]:
    """A server that sends this, and then nothing."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n" + body)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


# Restoring


def backup_in(folder: Path, files: dict[str, bytes] | None = None, **changes: object) -> Path:
    """A backup of these files."""
    files = {**GOOD, "archive/metrics/raw/2026-11-24.parquet": b"p" * 5_000_000} if files is None else files
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / MANIFEST).write_bytes(manifest_of(files, **changes))
    return folder


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def link(path: Path) -> None:
    path.rename(path.with_name("real"))
    path.symlink_to(path.with_name("real"))


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda folder: (folder / MANIFEST).unlink(), "has no manifest.json"),
        (lambda folder: flip(folder / "archive/metrics/raw/2026-11-24.parquet"), "is not what was backed up"),
        (lambda folder: (folder / "spool.sqlite").write_bytes(b""), "0 bytes with SHA-256 e3b0c44298fc"),
        (lambda folder: (folder / "spool.sqlite").unlink(), "spool.sqlite cannot be read: No such file"),
        (lambda folder: link(folder / "spool.sqlite"), "spool.sqlite cannot be read"),
        (lambda folder: pipe(folder / "spool.sqlite"), "spool.sqlite cannot be read"),
        (lambda folder: link(folder / MANIFEST), "manifest.json cannot be read"),
        (lambda folder: (folder / MANIFEST).write_bytes(b"\xff"), "is no manifest of a backup"),
        (lambda folder: (folder / MANIFEST).write_bytes(manifest_of({})), "names no file version"),
        (shutil.rmtree, "there is no folder"),
        (lambda folder: (shutil.rmtree(folder), folder.write_bytes(b"tar")), "is a file: unpack it"),
    ],
)
def test_a_backup_that_is_not_whole_is_refused_before_anything_is_written(
    tmp_path: Path, harm: Callable[[Path], object], message: str
) -> None:
    """Every sum is compared first; not even the data directory is made."""
    source = backup_in(tmp_path / "b")
    harm(source)

    with pytest.raises(BackupError, match=message):
        restore(source, DataDirectory(tmp_path / "data"), silent)
    assert not (tmp_path / "data").exists()


def test_a_manifest_that_names_paths_outside_is_refused(tmp_path: Path) -> None:
    """Whoever wrote it: no name leads out of the data directory."""
    source = backup_in(tmp_path / "b")
    text = (source / MANIFEST).read_text()
    for name in ("../x", "/etc/x", "archive/../../x", "LOCK", "keys", "archive/a\\nb", "archive//x", ""):
        (source / MANIFEST).write_text(text.replace('"spool.sqlite"', f'"{name}"'))
        with pytest.raises(BackupError, match=r"no name of a file in a backup|is no manifest"):
            restore(source, DataDirectory(tmp_path / "data"), silent)


def test_a_backup_of_a_later_version_is_refused_naming_both(tmp_path: Path) -> None:
    """F13: before anything is touched."""
    source = backup_in(tmp_path / "b", data_version=VERSION + 1, opswatch="9.9")

    expected = f"has version {VERSION + 1}, made by OpsWatch 9.9; this one knows version {VERSION}"
    with pytest.raises(DataDirectoryTooNew, match=expected):
        restore(source, DataDirectory(tmp_path / "data"), silent)
    assert not (tmp_path / "data").exists()


def test_a_backup_larger_than_the_disk_is_refused_before_it_is_read(tmp_path: Path) -> None:
    """The manifest says how much it is."""
    source = backup_in(tmp_path / "b")
    huge = (BackedUpFile(path="version", size=10**16, sha256="0" * 64),)
    (source / MANIFEST).write_bytes(manifest_of({}, files=huge))

    with pytest.raises(BackupError, match=r"the backup has 10,000,000,000.0 MB, and .* are free"):
        restore(source, DataDirectory(tmp_path / "data"), silent)


@pytest.mark.parametrize("name", ["state.sqlite", "log/opswatch.jsonl", "archive/metrics/raw/2026-11-24.parquet", "x"])
def test_a_data_directory_with_anything_in_it_is_refused(tmp_path: Path, name: str) -> None:
    """The message names what is there, and the ways out."""
    source, data = backup_in(tmp_path / "b"), DataDirectory(tmp_path / "data")
    with data.held():
        pass
    (data.root / name).parent.mkdir(parents=True, exist_ok=True)
    (data.root / name).write_text("mine")

    with pytest.raises(DataDirectoryError, match=f"is not empty, it holds {name}: move it away"):
        restore(source, data, silent)
    assert (data.root / name).read_text() == "mine"


def test_a_new_data_directory_is_none_with_anything_in_it(tmp_path: Path) -> None:
    """The folders, the LOCK and the version that a start makes are nothing yet."""
    source, data = backup_in(tmp_path / "b"), DataDirectory(tmp_path / "data")
    with data.held():
        pass
    restore(source, data, silent)

    assert (data.root / "spool.sqlite").read_bytes() == GOOD["spool.sqlite"]


def test_a_directory_that_somebody_holds_is_refused(tmp_path: Path) -> None:
    """By its LOCK, and by the facts of a server that lives."""
    source, data = backup_in(tmp_path / "b"), DataDirectory(tmp_path / "data")
    with data.held(), pytest.raises(DataDirectoryInUse, match=f"in use by process {os.getpid()}"):
        restore(source, data, silent)
    data.write_server_facts(ServerFacts("http://127.0.0.1:1", os.getpid(), "x"))
    with pytest.raises(DataDirectoryInUse, match=r"which serves http://127\.0\.0\.1:1"):
        restore(source, data, silent)


def test_whenever_a_restore_is_killed_it_is_whole_or_says_so(tmp_path: Path) -> None:
    """Killed before each change of a file: nothing starts on a half, and the next restore makes it whole."""
    source = backup_in(tmp_path / "b")
    base = tmp_path / "killed"
    base.mkdir()
    victim = [sys.executable, "-m", "tests.opswatch.victim", "restore", str(source), str(base)]
    deaths = subprocess.run(victim, cwd=ROOT, env=environment(ROOT), capture_output=True, text=True, check=True)

    assert int(deaths.stdout) >= 15, deaths.stderr
    cut_off = 0
    for number in range(1, int(deaths.stdout) + 1):
        data = DataDirectory(base / str(number))
        there = {path.name for path in data.root.iterdir() if path.is_file()} if data.root.exists() else set()
        if (data.root / ".restore").exists():
            cut_off += 1
            with pytest.raises(DataDirectoryError, match=r"a restore into .* was cut off"), data.held():
                pass
        elif there - {"LOCK"}:
            raise AssertionError(f"death {number} left {there} without a word")
        restore(source, data, silent)
        for name, content in GOOD.items():
            assert (data.root / name).read_bytes() == content
        assert not (data.root / ".restore").exists()
        assert data.version() == VERSION
    assert cut_off >= 8


def test_commands_do_not_use_what_is_half_restored(directory: Path) -> None:
    """`run`, and commands that need one file only, tell what happened and what to do."""
    (directory / ".opswatch" / ".restore").mkdir(parents=True)
    for arguments in (("run",), ("token", "create", "x"), ("export", "mem"), ("backup", "b")):
        result = run(directory, *arguments)
        assert result.returncode == 1
        assert "was cut off: run `opswatch restore` again" in result.stderr
        assert not (directory / ".opswatch" / "state.sqlite").exists()


def test_names_of_files_in_a_backup() -> None:
    """Ours, and nothing that leads elsewhere."""
    good = (
        "version",
        "metrics.duckdb",
        "archive/metrics/raw/2026-11-24.parquet",
        "quarantine/20261124.jsonl",
        "keys/a",
    )
    bad = (
        "x",
        "archive",
        "archive/",
        "archive/..",
        "keys/a b",
        "../version",
        "/version",
        "log/x",
        "keys/" + "a/" * 9 + "b",
    )

    assert all(map(is_path_in_backup, good))
    assert not any(map(is_path_in_backup, bad))


async def test_a_store_that_cannot_be_copied_is_said_and_nothing_is_left(tmp_path: Path) -> None:
    """The disk, or the engine: an answer that says why."""
    data = DataDirectory(tmp_path)
    with data.held():
        data.metrics.write_bytes(b"")
        data.spool.write_bytes(b"this is no database, but it is long enough to look at" * 100)
        data.state.write_bytes(b"")
        backups = Backups(data, None, roomy(), Surroundings("h", None, REAL_CLOCK))  # type: ignore[arg-type]
        with pytest.raises(StoreUnavailable, match="the backup cannot be made: file is not a database"):
            async with backups.prepared(with_keys=False):
                pass

    assert list(data.exports.iterdir()) == []
