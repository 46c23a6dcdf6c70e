"""`opswatch run` on a real InfluxDB while both of them fail: what was acknowledged, and what the server then holds.

What should be there is known from outside: a sender that numbers what it pushes and counts only what was acknowledged,
and a target that counts how often it was asked. What is there is counted by Flux texts of this file.
"""

import csv
import io
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from influx.settings import InfluxSettings
from telemetry.schema import MeasurementClass
from tests.influx.server import InfluxServer

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0  # seconds
BATCH = 20
SECOND = 10**9

NUMBERS = """
from(bucket: "{bucket}") |> range(start: {start}, stop: {stop})
  |> filter(fn: (r) => r._measurement == "pushed" and r._field == "number")
  |> group()
"""
STORED = NUMBERS + "|> count()"
DISTINCT = NUMBERS + '|> distinct(column: "_value") |> count()'
ATTEMPTS = """
from(bucket: "{bucket}") |> range(start: {start}, stop: {stop})
  |> filter(fn: (r) => r._measurement == "probe" and r._field == "outcome")
  |> group() |> count()
"""
HOST_SAMPLES = """
from(bucket: "{bucket}") |> range(start: {start}, stop: {stop})
  |> filter(fn: (r) => r._measurement == "system" and r._field == "load1")
  |> group() |> count()
"""


@dataclass
class Report:
    """Of one run. `spans` are (start, stop) in ns of each life of OpsWatch, with the host's samples in it."""

    version: str
    seconds: float
    acknowledged: int
    stored: int
    distinct: int
    asked: int
    attempts: int
    kills: int
    outage: float
    most_pending: int
    spans: list[tuple[int, int, int]] = field(default_factory=list)

    @property
    def lost(self) -> int:
        """Acknowledged numbers that are not there."""
        return self.acknowledged - self.distinct

    @property
    def doubled(self) -> int:
        """Numbers that are there more than once."""
        return self.stored - self.distinct

    def __str__(self) -> str:
        spans = ", ".join(f"{(stop - start) / SECOND:.0f} s: {count}" for start, stop, count in self.spans)
        return (
            f"{self.version}\n{self.seconds:.0f} s of `opswatch run` at 1 s intervals, killed {self.kills} times,"
            f" InfluxDB away for {self.outage:.0f} s\npushed and acknowledged {self.acknowledged:,}; in InfluxDB"
            f" {self.stored:,}, distinct {self.distinct:,}: lost {self.lost}, doubled {self.doubled}\n"
            f"target asked {self.asked} times, attempts in InfluxDB {self.attempts}\n"
            f"host samples by life of the process: {spans}\nmost batches that waited: {self.most_pending}"
        )


class Target:
    """An endpoint that is well and counts."""

    def __init__(self) -> None:
        self.asked = 0
        target = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                target.asked += 1
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    @contextmanager
    def serving(self) -> Iterator[None]:
        thread = threading.Thread(target=self._server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()


class Sender:
    """Pushes numbered points every second; a batch that was not acknowledged goes again, as clients do."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._send_for_ever)
        self.acknowledged = 0

    @contextmanager
    def sending(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._ending.set()
            self._thread.join()

    def _send_for_ever(self) -> None:
        for first in itertools.count(0, BATCH):
            now = time.time_ns()
            lines = [f"pushed,writer=w{n % 4} number={first + n} {now + n * 1_000_000}" for n in range(BATCH)]
            while not self._send("\n".join(lines)):
                if self._ending.wait(0.3):
                    return
            self.acknowledged += BATCH
            if self._ending.wait(1):
                return

    def _send(self, text: str) -> bool:
        try:
            url, headers = facts_of(self._data)
            request = urllib.request.Request(f"{url}/api/v2/write", text.encode(), headers)
            with urllib.request.urlopen(request, timeout=10) as answer:
                return bool(answer.status == 204)
        except (OSError, ValueError):  # it does not run, or was killed before it answered
            return False


def facts_of(data: Path) -> tuple[str, dict[str, str]]:
    """Where the server on this data directory answers, and what lets us in. Raises OSError, ValueError."""
    facts = json.loads((data / "server.json").read_text())
    return facts["url"], {"Authorization": f"Bearer {facts['token']}"}


class Program:
    """`opswatch run` in a folder, on InfluxDB."""

    def __init__(self, folder: Path, settings: InfluxSettings, target: str) -> None:
        self.data = folder / ".opswatch"
        self._folder = folder
        assert settings.token is not None
        (folder / "token").write_text(settings.token.get_secret_value())
        (folder / "opswatch.yaml").write_text(
            "version: 1\nhost: {interval: 1s}\n"
            f"storage:\n  kind: influxdb\n  influxdb: {{url: '{settings.url}', org: {settings.org},"
            f" token_file: token, bucket_prefix: {settings.bucket_prefix}}}\n"
            "services:\n  - name: target\n"
            f"    probes: [{{name: health, kind: http, url: '{target}', interval: 1s, timeout: 900ms}}]\n"
        )
        self._process: subprocess.Popen[str] | None = None
        self.lives: list[tuple[int, int]] = []

    def start(self) -> None:
        keep = {name: value for name, value in os.environ.items() if not name.startswith(("OPSWATCH_", "INFLUXDB_"))}
        with (self._folder / "stderr.txt").open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-W", "error", "-m", "opswatch.cli.main", "run"],
                cwd=self._folder,
                env=keep | {"OPSWATCH_LISTEN": "127.0.0.1:0", "PYTHONPATH": str(ROOT)},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("listening "), (self._folder / "stderr.txt").read_text()[-3_000:]
        self.lives.append((time.time_ns(), 0))

    def end(self, number: signal.Signals) -> int:
        assert self._process is not None
        self.lives[-1] = (self.lives[-1][0], time.time_ns())
        self._process.send_signal(number)
        self._process.communicate(timeout=PATIENCE)
        return self._process.returncode

    def health(self) -> dict[str, dict[str, object]]:
        url, headers = facts_of(self.data)
        with urllib.request.urlopen(urllib.request.Request(f"{url}/api/v1/health", headers=headers)) as answer:
            return json.load(answer)["connection_status"]  # type: ignore[no-any-return]

    def wait_until_drained(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while self.health()["spool"]["pending_batches"] != 0 or self.health()["status"] != "healthy":
            assert time.monotonic() < deadline, self.health()
            time.sleep(0.5)


def count(server: InfluxServer, text: str, bucket: str, start: int, stop: int) -> int:
    """The one number that a Flux text makes."""
    times = [f"time(v: {moment})" for moment in (start, stop)]
    query = text.format(bucket=bucket, start=times[0], stop=times[1])
    headers = {"Authorization": f"Token {server.token}", "Content-Type": "application/vnd.flux"}
    request = urllib.request.Request(f"{server.url}/api/v2/query?org={server.org}", query.encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        rows = list(csv.DictReader(io.StringIO(answer.read().decode())))
    return sum(int(row["_value"]) for row in rows)


def version_of(server: InfluxServer) -> str:
    """What the server says that it is, and what its program says."""
    with urllib.request.urlopen(f"{server.url}/ping") as answer:
        header = answer.headers["X-Influxdb-Version"]
    words = subprocess.run(["influxd", "version"], capture_output=True, text=True, check=True).stdout.strip()
    return f"X-Influxdb-Version: {header}; {words}"


def run_through(folder: Path, server: InfluxServer, settings: InfluxSettings, seconds: float, outage: float) -> Report:
    """Run for so long; a kill before InfluxDB goes away, one while it is away, and it comes back after `outage`."""
    target = Target()
    program = Program(folder, settings, target.url)
    sender = Sender(program.data)
    began, most, start = time.monotonic(), 0, time.time_ns()
    version, quarter = version_of(server), (seconds - outage) / 4

    def live(until: float) -> None:
        nonlocal most
        while (left := began + until - time.monotonic()) > 0:
            time.sleep(min(1.0, left))  # this is the time that passes
            most = max(most, int(str(program.health()["spool"]["pending_batches"])))

    with target.serving():
        program.start()
        with sender.sending():
            live(quarter)
            program.end(signal.SIGKILL)
            program.start()
            live(2 * quarter)
            server.stop()
            live(2 * quarter + outage / 2)
            program.end(signal.SIGKILL)
            program.start()
            live(2 * quarter + outage)
            server.start()
            live(seconds)
        program.wait_until_drained()
        assert program.end(signal.SIGTERM) == 0
    stop, bucket = time.time_ns() + SECOND, settings.bucket(MeasurementClass.METRICS)
    return Report(
        version=version,
        seconds=time.monotonic() - began,
        acknowledged=sender.acknowledged,
        stored=count(server, STORED, bucket, start, stop),
        distinct=count(server, DISTINCT, bucket, start, stop),
        asked=target.asked,
        attempts=count(server, ATTEMPTS, bucket, start, stop),
        kills=2,
        outage=outage,
        most_pending=most,
        spans=[(life[0], life[1], count(server, HOST_SAMPLES, bucket, *life)) for life in program.lives],
    )
