"""A disk that is low, and one that is really full in the middle of commits: refused in time, nothing acknowledged lost.

The data directory is a small filesystem of its own, mounted for the server alone.
"""

import asyncio
import csv
import io
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from influxdb_client import InfluxDBClient, WriteOptions

ROOT = Path(__file__).parents[2]
PATIENCE = 40.0  # seconds
MEGABYTE = 1_000_000


def can_mount() -> bool:
    """Whether an unprivileged mount namespace with a tmpfs is to be had."""
    with suppress(OSError):
        tried = ["unshare", "-rm", "sh", "-c", "mount -t tmpfs -o size=1m none /mnt"]
        return subprocess.run(tried, check=False, capture_output=True).returncode == 0
    return False


pytestmark = [
    pytest.mark.skipif(not can_mount(), reason="NOT PROVED: a full disk, because no filesystem can be mounted here"),
    pytest.mark.timeout(180),
]


@dataclass
class Server:
    """A running `opswatch run` whose data directory is a filesystem of 160 MB."""

    process: asyncio.subprocess.Process
    url: str
    disk: Path  # as we reach it
    session: aiohttp.ClientSession

    @property
    def token(self) -> str:
        return str(json.loads((self.disk / "server.json").read_text())["token"])

    @property
    def filler(self) -> Path:
        return self.disk / "filler"

    def free(self) -> int:
        status = os.statvfs(self.disk)
        return status.f_bavail * status.f_frsize

    def leave(self, free: int) -> None:
        """Fill the disk but for so many bytes."""
        with self.filler.open("ab", buffering=0) as stream, suppress(OSError):
            while self.free() > free:
                stream.write(b"x" * min(self.free() - free, MEGABYTE))

    async def get(self, path: str) -> tuple[int, str]:
        async with self.session.get(self.url + path) as answer:
            return answer.status, await answer.text()

    async def push(self, body: str) -> tuple[int, dict[str, Any], str]:
        """Status, answer and Retry-After of a write."""
        async with self.session.post(self.url + "/api/v2/write", data=body.encode()) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text else {}, answer.headers.get("Retry-After", "")

    async def latest(self, measurement: str) -> int:
        """The time of the newest sample, in ms."""
        _, text = await self.get(f"/api/v1/series?measurement={measurement}&latest=true")
        return max((time for one in json.loads(text)["series"] for time in one["time"]), default=0)

    async def until(self, holds: Callable[[], Any]) -> None:
        """Wait until an awaited condition holds; bounded."""
        async with asyncio.timeout(PATIENCE):
            while not await holds():
                await asyncio.sleep(0.1)


@asynccontextmanager
async def disk_of(folder: Path) -> AsyncIterator[int]:
    """A filesystem of 160 MB at `data` for all who join this process, as long as the block runs."""
    (folder / "data").mkdir()
    program = "mount -t tmpfs -o size=160m none data && echo mounted && exec sleep 600"
    holder = await asyncio.create_subprocess_exec(
        *("unshare", "-rm", "sh", "-c", program), cwd=folder, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert holder.stdout is not None
        assert await asyncio.wait_for(holder.stdout.readline(), PATIENCE) == b"mounted\n"
        yield holder.pid
    finally:
        holder.kill()
        await holder.wait()


async def started(folder: Path, holder: int, reserve: str) -> asyncio.subprocess.Process:
    """`opswatch run` on that filesystem."""
    (folder / "opswatch.yaml").write_text(
        f"version: 1\ndata_dir: data\nhost: {{interval: 1s}}\nstorage: {{disk_reserve: {reserve}}}\nservices:\n"
        "  - name: itself\n"
        "    probes: [{name: none, kind: http, url: 'http://127.0.0.1:9/', interval: 1s, timeout: 500ms}]\n"
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPSWATCH_", "LOG_"))}
    joined = ("nsenter", "--preserve-credentials", "-U", "-m", "-t", str(holder), "--")
    program = f"cd {folder} && exec {sys.executable} -m opswatch.cli.main run"  # from there on it sees the mount
    with (folder / "stderr.txt").open("a") as log:
        return await asyncio.create_subprocess_exec(
            *(*joined, "sh", "-c", program),
            cwd=folder,
            env=kept | {"PYTHONPATH": str(ROOT), "OPSWATCH_LISTEN": "127.0.0.1:0", "LOG_ROTATION_ENABLED": "false"},
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )


@asynccontextmanager
async def running(folder: Path, holder: int, reserve: str) -> AsyncIterator[Server]:
    process = await started(folder, holder, reserve)
    try:
        assert process.stdout is not None
        first = (await asyncio.wait_for(process.stdout.readline(), PATIENCE)).decode()
        assert first.startswith("listening "), (folder / "stderr.txt").read_text()
        inside = Path(f"/proc/{holder}/root{folder / 'data'}")  # the mount is theirs alone
        token = json.loads((inside / "server.json").read_text())["token"]
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session:
            yield Server(process, first.split()[-1], inside, session)
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), PATIENCE) == 0
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def test_a_low_disk_refuses_what_can_wait_and_comes_back_by_itself(tmp_path: Path) -> None:
    """503 with Retry-After to whoever pushes and exports; probes, the host and OpsWatch itself go on being stored.

    InfluxDB's own client waits and sends again: what it was given while the disk was low is there afterwards.
    """
    async with disk_of(tmp_path) as disk, running(tmp_path, disk, "60MB") as server:
        now = time.time_ns()
        assert (await server.push(f"orders,shop=a n=1 {now}"))[0] == 204
        server.leave(45 * MEGABYTE)
        await server.until(lambda: _is(server.push(f"orders,shop=a n=2 {now}"), 503))
        status, error, wait = await server.push(f"orders,shop=a n=2 {now + 1}")
        export, text = await server.get("/api/v1/export.csv?measurement=system")
        ready = await server.get("/ready")
        page = (await server.get("/status"))[1]
        seen = {name: await server.latest(name) for name in ("probe", "system", "opswatch_spool")}

        assert (status, error["code"], wait) == (503, "disk_low", "5")
        assert "pushed points are refused while the disk is low" in error["message"]
        assert "storage.disk_reserve" in error["message"]
        assert (export, json.loads(text)["error"]["code"]) == (503, "disk_low")
        assert "disk_low" in json.loads(ready[1])["reasons"]
        assert "pushed points, exports and snapshots are refused" in page
        for name, before in seen.items():
            await server.until(lambda n=name, b=before: _greater(server.latest(n), b))

        client = InfluxDBClient(server.url, server.token, org="any")
        options = WriteOptions(batch_size=10, flush_interval=100, retry_interval=500, max_retry_time=60_000)
        writer = client.write_api(write_options=options)
        for number in range(30):
            writer.write("any", record=f"orders,shop=b n={number} {now + number}")
        await asyncio.sleep(1.5)  # the client's own pace: it has been refused by now
        refused = int(await _disk_refusals(server))
        server.filler.unlink()
        await server.until(lambda: _is(server.push(f"orders,shop=a n=3 {now + 2}"), 204))
        await asyncio.to_thread(writer.close)  # waits for what it still has to send
        await asyncio.to_thread(client.close)
        await server.until(lambda: _has(server, {"1.0", "3.0", *(f"{number}.0" for number in range(30))}))

    assert refused >= 2
    assert "Traceback" not in (tmp_path / "stderr.txt").read_text()


async def test_near_the_end_only_opswatchs_own_measurements_are_kept(tmp_path: Path) -> None:
    """Below half the reserve: the last room is for telling people how it stands."""
    async with disk_of(tmp_path) as disk, running(tmp_path, disk, "80MB") as server:
        await server.until(lambda: _greater(server.latest("system"), 0))
        server.leave(30 * MEGABYTE)
        await server.until(lambda: _told(server, "critical"))
        await server.until(lambda: _stands_still(server, "system"))
        own = await server.latest("opswatch_spool")
        await server.until(lambda: _greater(server.latest("opswatch_spool"), own))
        before = await server.latest("system")
        server.filler.unlink()
        await server.until(lambda: _greater(server.latest("system"), before))


@dataclass
class Pushed:
    """What was sent while the disk filled: numbers that were acknowledged, and every status."""

    start: int = field(default_factory=time.time_ns)
    acknowledged: set[int] = field(default_factory=set)
    statuses: list[int] = field(default_factory=list)
    over: bool = False
    numbers: Iterator[int] = field(default_factory=itertools.count)

    async def push_for_ever(self, server: Server) -> None:
        """Batches of 500, until it is over or the server is gone."""
        with suppress(aiohttp.ClientError):
            while not self.over:
                batch = [next(self.numbers) for _ in range(500)]
                body = "\n".join(f"orders,shop=s{number % 7} n={number} {self.start + number}" for number in batch)
                status, answer, wait = await server.push(body)
                self.statuses.append(status)
                if status == 204:
                    self.acknowledged.update(batch)
                else:
                    assert (status, wait) == (503, "5"), answer
                    await asyncio.sleep(0.05)


async def fill_while_pushing(server: Server, pushed: Pushed, seconds: float) -> None:
    """Points stream in while somebody else takes every byte that is free or becomes so."""
    tasks = [asyncio.create_task(pushed.push_for_ever(server)) for _ in range(4)]
    await server.until(lambda: _longer(pushed.acknowledged, 5_000))
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        await asyncio.to_thread(server.leave, 0)
        await asyncio.sleep(0.05)
    assert 503 in pushed.statuses, "the disk was never full"
    pushed.over = True
    await asyncio.gather(*tasks)


async def test_a_disk_that_fills_in_the_middle_of_commits_loses_nothing(tmp_path: Path) -> None:
    """Somebody else takes the last byte, within the second between two looks at the disk, while points stream in.

    What cannot be committed is refused with 503, and everything that was acknowledged is there when room is back.
    """
    pushed = Pushed()
    async with disk_of(tmp_path) as disk, running(tmp_path, disk, "1MB") as server:
        await fill_while_pushing(server, pushed, 5.0)
        ready = await server.get("/ready")
        server.filler.unlink()
        await server.until(lambda: _is(server.push(f"orders,shop=after n=-1 {pushed.start - 1}"), 204))
        await server.until(lambda: _holds_all(server, pushed.acknowledged))

    assert ready[0] == 503
    assert "Traceback" not in (tmp_path / "stderr.txt").read_text()


async def test_killed_on_a_full_disk_it_says_so_at_the_start_and_loses_nothing(tmp_path: Path) -> None:
    """SIGKILL while the disk is full: a start there ends with a message or works, and one with room has every point."""
    pushed = Pushed()
    async with disk_of(tmp_path) as disk:
        async with running(tmp_path, disk, "1MB") as server:
            filling = asyncio.create_task(fill_while_pushing(server, pushed, 4.0))
            await server.until(lambda: _any_refused(pushed))
            await asyncio.sleep(1.0)
            server.process.kill()
            pushed.over = True
            await server.process.wait()
            await filling
        second = await started(tmp_path, disk, "1MB")
        assert second.stdout is not None
        line = await asyncio.wait_for(second.stdout.readline(), PATIENCE)
        if line:
            second.terminate()
        code = await asyncio.wait_for(second.wait(), PATIENCE)
        assert (code, bool(line)) in {(0, True), (1, False)}, (tmp_path / "stderr.txt").read_text()
        Path(f"/proc/{disk}/root{tmp_path / 'data' / 'filler'}").unlink()
        async with running(tmp_path, disk, "1MB") as server:
            await server.until(lambda: _holds_all(server, pushed.acknowledged))

    assert "Traceback" not in (tmp_path / "stderr.txt").read_text()


# What is awaited


async def _is(pushed: Any, status: int) -> bool:
    return (await pushed)[0] == status


async def _greater(number: Any, before: int) -> bool:
    return int(await number) > before


async def _any_refused(pushed: Pushed) -> bool:
    return 503 in pushed.statuses


async def _longer(found: set[int], length: int) -> bool:
    return len(found) > length


async def _told(server: Server, level: str) -> bool:
    return "only OpsWatch" in (await server.get("/status"))[1] if level == "critical" else False


async def _stands_still(server: Server, measurement: str) -> bool:
    before = await server.latest(measurement)
    await asyncio.sleep(2.5)  # it comes once a second
    return await server.latest(measurement) == before


async def _disk_refusals(server: Server) -> str:
    _, text = await server.get("/api/v1/series?measurement=opswatch_store&field=disk_refusals&latest=true")
    return str(max((value for one in json.loads(text)["series"] for value in one["values"]), default=0))


async def _orders(server: Server) -> list[str]:
    status, text = await server.get("/api/v1/export.csv?measurement=orders&start=-1h&stop=now%2B1h")
    assert status in {200, 404, 503}, text
    assert "# incomplete" not in text
    return (
        [row["value"] for row in csv.DictReader(io.StringIO(text)) if row.get("field") == "n"] if status == 200 else []
    )


async def _has(server: Server, values: set[str]) -> bool:
    found = await _orders(server)
    return values <= {f"{float(value):.1f}" for value in found}


async def _holds_all(server: Server, numbers: set[int]) -> bool:
    found = [int(float(value)) for value in await _orders(server)]
    assert len(found) == len(set(found))
    return numbers <= set(found)
