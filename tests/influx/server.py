"""A real InfluxDB 2.x for tests: that of OPSWATCH_TEST_INFLUX_URL, else `influxd` from PATH in its own folder."""

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from urllib.error import URLError

from pydantic import SecretStr

from influx.settings import InfluxSettings
from telemetry.rollup import LEVELS
from telemetry.schema import MeasurementClass

URL, TOKEN, ORG = "OPSWATCH_TEST_INFLUX_URL", "OPSWATCH_TEST_INFLUX_TOKEN", "OPSWATCH_TEST_INFLUX_ORG"
NOT_HERE = f"no InfluxDB 2.x: put influxd on PATH, or set {URL} (and {TOKEN}, {ORG} where it is set up already)"
_numbers = count()


def is_here() -> bool:
    """Whether there is one to test against."""
    return bool(os.environ.get(URL)) or shutil.which("influxd") is not None


@dataclass
class InfluxServer:
    """One that runs; `token` may do everything. `process` is None where somebody else runs it."""

    url: str
    org: str
    token: str
    process: subprocess.Popen[bytes] | None = None
    folder: Path | None = None
    flags: tuple[str, ...] = ()
    buckets: dict[str, str] = field(default_factory=dict)

    def call(self, method: str, path: str, body: object = None) -> dict[str, object]:
        """One call of the API, as JSON. Raises urllib.error.HTTPError."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Token {self.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            content = answer.read()
        return json.loads(content) if content else {}

    def write(self, bucket: str, lines: str) -> None:
        """Line protocol with times in ns."""
        self._post(f"/api/v2/write?org={self.org}&bucket={bucket}&precision=ns", lines.encode(), {})

    def run(self, flux: str, now: str) -> None:
        """A text for what it writes, as if it were `now`."""
        body = json.dumps({"query": flux, "type": "flux", "now": now}).encode()
        headers = {"Content-Type": "application/json", "Prefer": "return-no-content-with-error"}
        said = self._post(f"/api/v2/query?org={self.org}", body, headers)
        assert not said.strip(), said

    def _post(self, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        request = urllib.request.Request(self.url + path, body, {"Authorization": f"Token {self.token}", **headers})
        with urllib.request.urlopen(request, timeout=60) as answer:
            content: bytes = answer.read()
        return content

    @property
    def org_id(self) -> str:
        (one,) = self.call("GET", f"/api/v2/orgs?org={self.org}")["orgs"]  # type: ignore[misc]
        return one["id"]  # type: ignore[index,no-any-return]

    def make_bucket(self, name: str, retention_s: int = 0, shard_s: int | None = None) -> str:
        """Make a bucket; its id."""
        rule: dict[str, object] = {"type": "expire", "everySeconds": retention_s}
        if shard_s is not None:
            rule["shardGroupDurationSeconds"] = shard_s
        made = self.call("POST", "/api/v2/buckets", {"orgID": self.org_id, "name": name, "retentionRules": [rule]})
        self.buckets[name] = str(made["id"])
        return self.buckets[name]

    def make_token(self, *rights: tuple[str, str]) -> str:
        """A token with these rights only: (`read` or `write`, name of a bucket that was made here)."""
        permissions = [
            {"action": action, "resource": {"type": "buckets", "id": self.buckets[bucket], "orgID": self.org_id}}
            for action, bucket in rights
        ]
        made = self.call("POST", "/api/v2/authorizations", {"orgID": self.org_id, "permissions": permissions})
        return str(made["token"])

    def settings(self, prefix: str) -> InfluxSettings:
        """Those of buckets that begin so, in the name of the owner."""
        return InfluxSettings(self.url, self.org, SecretStr(self.token), bucket_prefix=prefix)

    def fresh(self, retention_s: int = 0, shard_s: int | None = None) -> InfluxSettings:
        """Settings with buckets of their own, one for each class and each level, which nobody else uses."""
        settings = InfluxSettings(
            self.url, self.org, SecretStr(self.token), bucket_prefix=f"test{os.getpid()}_{next(_numbers)}"
        )
        for name in (*map(settings.bucket, MeasurementClass), *map(settings.level_bucket, LEVELS)):
            self.make_bucket(name, retention_s, shard_s)
        return settings

    def stop(self) -> None:
        """End the process, if it is ours."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)

    def start(self) -> None:
        """Start it, again on the same port with what it holds."""
        assert self.folder is not None
        port = self.url.rsplit(":", 1)[1]
        with (self.folder / "influxd.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    "influxd",
                    f"--http-bind-address=127.0.0.1:{port}",
                    f"--bolt-path={self.folder / 'influxd.bolt'}",
                    f"--sqlite-path={self.folder / 'influxd.sqlite'}",
                    f"--engine-path={self.folder / 'engine'}",
                    "--reporting-disabled",
                    "--log-level=warn",
                    *self.flags,
                ],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        deadline = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(self.url + "/health", timeout=5):
                    return
            except (URLError, OSError):
                if self.process.poll() is not None or time.monotonic() > deadline:
                    log_text = (self.folder / "influxd.log").read_text()[-2_000:]
                    raise AssertionError(f"influxd did not start: {log_text}") from None
                time.sleep(0.05)  # it has no other way of saying that it listens


def _set_up(url: str) -> tuple[str, str]:
    """(org, token) of a server that nobody has set up yet."""
    body = {"username": "owner", "password": "for-tests-only", "org": "ops", "bucket": "unused"}
    request = urllib.request.Request(
        url + "/api/v2/setup", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        made = json.load(answer)
    return "ops", made["auth"]["token"]


@contextmanager
def running(*flags: str) -> Iterator[InfluxServer]:
    """A server as long as the block runs; with `flags` always one of our own."""
    named = os.environ.get(URL, "").rstrip("/")
    if named and not flags:
        if os.environ.get(TOKEN):
            yield InfluxServer(named, os.environ.get(ORG, "ops"), os.environ[TOKEN])
        else:
            yield InfluxServer(named, *_set_up(named))
        return
    with tempfile.TemporaryDirectory(prefix="opswatch-influxd-") as folder:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        server = InfluxServer(f"http://127.0.0.1:{port}", "", "", None, Path(folder), flags)
        server.start()
        try:
            server.org, server.token = _set_up(server.url)
            yield server
        finally:
            server.stop()
