"""Servers to measure, each a process of its own: OpsWatch as a user starts it, and its peers. Shell."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PATIENCE = 60.0  # seconds; a loaded machine is slow to start anything

# Nothing but what is measured: no host samples, no probes.
CONFIGURATION = "version: 1\nhost: {enabled: false}\nservices: []\n"


@dataclass(frozen=True)
class Server:
    """A running server; `token` is what it wants as `Authorization: Token ...`, empty when it wants none."""

    pid: int
    port: int
    token: str = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Token {self.token}"} if self.token else {}

    def get(self, path: str, timeout: float = PATIENCE) -> bytes:
        request = urllib.request.Request(self.url + path, headers=self.headers)
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return bytes(answer.read())

    def post(self, path: str, body: bytes, content_type: str = "application/json") -> bytes:
        headers = {**self.headers, "Content-Type": content_type}
        request = urllib.request.Request(self.url + path, body, headers)
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return bytes(answer.read())


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def wait_for(port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"nothing came up at port {port}")


@contextmanager
def started(command: Sequence[str], port: int, **more: str) -> Iterator[int]:
    """The pid of a peer that listens on a port, as long as the block runs."""
    with subprocess.Popen(
        command, env=os.environ | more, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            wait_for(port)
            yield process.pid
        finally:
            process.terminate()


@contextmanager
def opswatch(folder: Path, configuration: str = CONFIGURATION) -> Iterator[Server]:
    """`opswatch run` in a folder, with its data in `.opswatch` there."""
    (folder / "opswatch.yaml").write_text(configuration)
    keep = {name: value for name, value in os.environ.items() if not name.startswith(("OPSWATCH_", "LOG_"))}
    environment = keep | {"OPSWATCH_LISTEN": "127.0.0.1:0", "PYTHONPATH": str(ROOT)}
    with (
        (folder / "stderr.txt").open("a") as log,
        subprocess.Popen(
            [sys.executable, "-m", "opswatch.cli.main", "run"],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            if not first.startswith("listening "):
                raise RuntimeError((folder / "stderr.txt").read_text()[-2_000:])
            facts = json.loads((folder / ".opswatch" / "server.json").read_text())
            yield Server(process.pid, int(first.rpartition(":")[2]), facts["token"])
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=PATIENCE)


@contextmanager
def victoria_metrics(folder: Path) -> Iterator[Server]:
    """The peer with its data in a folder."""
    port = free_port()
    command = [
        "victoria-metrics",
        f"-storageDataPath={folder / 'victoria'}",
        f"-httpListenAddr=127.0.0.1:{port}",
        "-retentionPeriod=1y",
    ]
    with started(command, port) as pid:
        yield Server(pid, port)


@contextmanager
def influxdb(folder: Path) -> Iterator[Server]:
    """InfluxDB 2 with the organisation `o` and the buckets `b` (kept for ever)."""
    port, token = free_port(), "token-of-a-bench-that-nobody-else-reads"
    command = [
        "influxd",
        f"--bolt-path={folder / 'influxd.bolt'}",
        f"--sqlite-path={folder / 'influxd.sqlite'}",
        f"--engine-path={folder / 'engine'}",
        f"--http-bind-address=127.0.0.1:{port}",
        "--reporting-disabled",
        "--log-level=error",
    ]
    with started(command, port) as pid:
        owner = {"username": "u", "password": "password", "org": "o", "bucket": "b", "token": token}
        Server(pid, port).post("/api/v2/setup", json.dumps(owner).encode())
        yield Server(pid, port, token)


def missing(*programs: str) -> str:
    """How to get the first of these programs that is not here; empty when all are."""
    for program in programs:
        if shutil.which(program) is None:
            return f"{program} is not here ({_WAYS.get(program, 'Debian has it')})"
    return ""


_WAYS = {
    "influxd": "InfluxDB 2.9.1: a release of github.com/influxdata/influxdb, put on PATH",
    "victoria-metrics": "Debian: apt install victoria-metrics",
    "prometheus-blackbox-exporter": "Debian: apt install prometheus-blackbox-exporter",
    "wrk": "Debian: apt install wrk",
    "nginx": "Debian: apt install nginx-light",
    "taskset": "Debian: apt install util-linux",
    "curl": "Debian: apt install curl",
}


def cpu_of(pid: int) -> float:
    """User and system seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_memory_of(pid: int) -> float:
    """The most resident memory so far, in MB."""
    return _memory(pid, "VmHWM")


def memory_of(pid: int) -> float:
    """Resident memory, in MB."""
    return _memory(pid, "VmRSS")


def forget_peak(pid: int) -> None:
    """Let the peak begin anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def _memory(pid: int, name: str) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith(name + ":"))
    return int(line.split()[1]) / 1024
