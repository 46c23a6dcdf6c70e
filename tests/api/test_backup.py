"""`POST /api/v1/backup`: a tar file that ends with its manifest, one at a time, and nothing is left on the server."""

import asyncio
import hashlib
import io
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import duckdb
import pytest

from opswatch.backup_manifest import MANIFEST, parse_manifest
from telemetry.points import Point
from tests.api.world import NOW_NS, SECOND, World, running


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with running(tmp_path) as world:
        yield world


async def backup(world: World, who: str = "admin", query: str = "") -> tuple[int, bytes, dict[str, str]]:
    async with world.session.post(f"{world.url}/api/v1/backup{query}", headers=world.bearer(who)) as answer:
        return answer.status, await answer.read(), dict(answer.headers)


async def test_it_is_a_tar_file_whose_last_member_is_its_manifest(world: World, tmp_path: Path) -> None:
    """Any tool unpacks it; the sums fit; the store in it opens by itself and has what was written."""
    await world.write(
        *[Point.of("system", {"host": "a"}, {"load1": float(n)}, NOW_NS + n * SECOND) for n in range(500)]
    )
    (tmp_path / "archive" / "metrics" / "raw").mkdir(parents=True)
    (tmp_path / "archive" / "metrics" / "raw" / "2026-11-23.parquet").write_bytes(b"parquet" * 1_000)
    (tmp_path / "quarantine").mkdir(exist_ok=True)
    (tmp_path / "quarantine" / "20261123.jsonl").write_text("{}\n")
    status, content, headers = await backup(world)
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        members = archive.getmembers()
        archive.extractall(tmp_path / "unpacked", filter="data")
    manifest = parse_manifest((tmp_path / "unpacked" / MANIFEST).read_bytes(), "it")

    assert (status, headers["Content-Type"]) == (200, "application/x-tar")
    assert headers["Content-Disposition"] == 'attachment; filename="opswatch-20261124T120000Z.tar"'
    assert members[-1].name == MANIFEST
    assert {member.mode for member in members} == {0o600}
    assert [file.path for file in manifest.files] == [member.name for member in members[:-1]]
    assert {"archive/metrics/raw/2026-11-23.parquet", "quarantine/20261123.jsonl"} < {
        one.path for one in manifest.files
    }
    for file in manifest.files:
        assert hashlib.sha256((tmp_path / "unpacked" / file.path).read_bytes()).hexdigest() == file.sha256
    with duckdb.connect(str(tmp_path / "unpacked" / "metrics.duckdb"), read_only=True) as store:
        assert store.execute("SELECT count(*), sum(value) FROM raw").fetchone() == (500, 124_750.0)
    await cleared(tmp_path)


async def cleared(folder: Path) -> None:
    """The server removes its copy after the last byte, of which a client knows nothing."""
    async with asyncio.timeout(30):
        while list((folder / "exports").glob(".*")):
            await asyncio.sleep(0.02)


def fill_archive(folder: Path) -> None:
    """More than any buffer between a server and a client holds."""
    (folder / "archive").mkdir()
    with (folder / "archive" / "large.parquet").open("wb") as file:
        file.truncate(60_000_000)


async def test_the_store_is_used_while_a_backup_is_sent(world: World, tmp_path: Path) -> None:
    """Writes and queries go on while a backup is taken slowly; a second one is refused."""
    fill_archive(tmp_path)
    async with world.session.post(f"{world.url}/api/v1/backup", headers=world.bearer("admin")) as slow:
        assert (await slow.content.readexactly(512))[:14] == b"metrics.duckdb"
        await world.write(Point.of("system", {"host": "b"}, {"load1": 1.0}, NOW_NS))
        latest = await world.get("/api/v1/series", measurement="system", latest="true")
        second = await backup(world)
        await slow.read()
    await cleared(tmp_path)

    assert latest.status == 200
    assert second[0] == 409
    assert b"under way already" in second[1]
    assert (await backup(world))[0] == 200


async def test_a_client_that_leaves_leaves_nothing_behind(world: World, tmp_path: Path) -> None:
    """The copy is removed, and the next backup is made."""
    fill_archive(tmp_path)
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    token = world.bearer("admin")["Authorization"]
    writer.write(f"POST /api/v1/backup HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n\r\n".encode())
    assert b"200 OK" in await reader.read(1_000)
    assert list((tmp_path / "exports").glob(".backup-*"))
    writer.close()
    await cleared(tmp_path)

    assert (await backup(world))[0] == 200


@pytest.mark.parametrize(
    ("query", "field"), [("?with_keys=yes", "with_keys"), ("?path=/etc", "path"), ("?with_keys=", "with_keys")]
)
async def test_what_is_no_parameter_is_named(world: World, query: str, field: str) -> None:
    """400, with the field; the server is never told a path to write to."""
    status, content, _ = await backup(world, query=query)

    assert status == 400
    assert f'"field":"{field}"'.encode() in content


async def test_without_room_for_the_copy_it_is_refused(world: World) -> None:
    """503 before anything is written: below the reserve, and where the copy would come below it."""
    world.disk.free = 1_000_000_001
    close = await backup(world)
    world.disk.free = 999_000_000
    world.clock.seconds += 5
    low = await backup(world)
    world.disk.free = 50_000_000_000
    world.clock.seconds += 5

    assert (low[0], close[0]) == (503, 503)
    assert b"backups are refused while the disk is low" in low[1]
    assert b"a backup needs" in close[1]
    assert (await backup(world))[0] == 200
