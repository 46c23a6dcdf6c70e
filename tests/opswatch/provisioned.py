"""An InfluxDB that is to be provisioned, and the command that does it: for the tests of `opswatch provision`."""

import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from tests.influx.server import InfluxServer
from tests.opswatch.process import Finished, opswatch

_numbers = count()
DAY = 86_400
LEVELS = {"raw": (7, 1), "5m": (180, 7), "1h": (1_095, 30), "events": (400, 30), "self": (31, 1)}  # days


@dataclass
class Site:
    """A folder to provision from, with buckets of its own prefix; `server` is asked directly to see what is true."""

    folder: Path
    server: InfluxServer
    prefix: str = field(default_factory=lambda: f"site{os.getpid()}_{next(_numbers)}")

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self.configure()

    def configure(self, **influx: str) -> None:
        """Write opswatch.yaml, with more keys of storage.influxdb."""
        keys = {"url": self.server.url, "org": self.server.org, "bucket_prefix": self.prefix} | influx
        document = {"version": 1, "storage": {"kind": "influxdb", "influxdb": keys}}
        (self.folder / "opswatch.yaml").write_text(json.dumps(document))

    @property
    def keys(self) -> Path:
        return self.folder / ".opswatch" / "keys"

    @property
    def own_token(self) -> str:
        return (self.keys / "influx_token").read_text().strip()

    @property
    def grafana_token(self) -> str:
        return (self.keys / "influx_grafana_token").read_text().strip()

    async def provision(self, *arguments: str, token: str | None = None) -> Finished:
        """The command, in the name of the server's owner or of another token; no secret is in what it says."""
        done = await opswatch(self.folder, "provision", *arguments, INFLUXDB_V2_TOKEN=token or self.server.token)
        secrets = [file.read_text().strip() for file in self.keys.glob("influx_*") if file.suffix != ".json"]
        for secret in filter(None, (*secrets, token or self.server.token)):
            assert secret not in done.output + done.complaint
        return done

    async def plan(self) -> dict[str, Any]:
        """What `plan` says, as a program reads it."""
        done = await self.provision("plan", "--json")
        assert done.complaint == ""
        answer: dict[str, Any] = json.loads(done.output)
        assert done.code == (3 if answer["changes"] else 0)
        return answer

    def name(self, word: str) -> str:
        return f"{self.prefix}_{word}"

    def bucket(self, word: str) -> dict[str, Any] | None:
        """How the server describes one of our buckets."""
        with suppress(urllib.error.HTTPError):  # 404 for a name that is not there
            listed: Any = self.server.call("GET", f"/api/v2/buckets?org={self.server.org}&name={self.name(word)}")
            return next(iter(listed["buckets"]), None)
        return None

    def kept(self) -> dict[str, tuple[float, float]]:
        """(retention, shard) in days of each of our buckets that is there."""
        found = {word: self.bucket(word) for word in LEVELS}
        rules = {word: one["retentionRules"][0] for word, one in found.items() if one is not None}
        return {
            word: (rule["everySeconds"] / DAY, rule["shardGroupDurationSeconds"] / DAY) for word, rule in rules.items()
        }

    def make(self, word: str, retention_s: int, shard_s: int | None = None) -> str:
        """One of our buckets as somebody else would have made it."""
        return self.server.make_bucket(self.name(word), retention_s, shard_s)

    def tasks(self) -> dict[str, str]:
        """Status of each of our tasks, by name."""
        tasks: Any = everything(self.server)["tasks"]
        return {one["name"]: one["status"] for one in tasks if one["name"].startswith(f"{self.prefix}_")}

    def dashboards(self) -> dict[str, str]:
        """Id of each of our dashboards, by name."""
        boards: Any = everything(self.server)["dashboards"]
        return {one["name"]: one["id"] for one in boards if one["name"].endswith(f"({self.prefix})")}

    def authorizations(self) -> list[dict[str, Any]]:
        """Those of our descriptions."""
        return [one for one in everything(self.server)["authorizations"] if f" {self.prefix}:" in one["description"]]


def everything(server: InfluxServer) -> dict[str, Any]:
    """All buckets, authorizations, tasks, dashboards and stacks of a server, as it describes them."""
    buckets = _pages(server, "/api/v2/buckets?", "buckets")
    authorizations: Any = server.call("GET", "/api/v2/authorizations")["authorizations"]
    tasks: Any = server.call("GET", "/api/v2/tasks?limit=500")["tasks"]
    for one in tasks:  # it runs meanwhile
        for name in ("latestCompleted", "latestScheduled", "lastRunStatus", "lastRunError", "latestSuccess"):
            one.pop(name, None)
    boards = _pages(server, "/api/v2/dashboards?include=properties&", "dashboards")
    stacks: Any = server.call("GET", f"/api/v2/stacks?orgID={server.org_id}")["stacks"]
    return {
        "buckets": buckets,
        "authorizations": authorizations,
        "tasks": tasks,
        "dashboards": boards,
        "stacks": stacks,
    }


def _pages(server: InfluxServer, path: str, name: str) -> list[Any]:
    """A list that InfluxDB gives a hundred of at most."""
    found: list[Any] = []
    while True:
        page: Any = server.call("GET", f"{path}limit=100&offset={len(found)}")[name]
        found += page
        if len(page) < 100:
            return found


def status(server: InfluxServer, token: str, method: str, path: str, body: bytes | None = None) -> int:
    """What the server answers to a call in the name of a token."""
    headers: Mapping[str, str] = {"Authorization": f"Token {token}", "Content-Type": "application/vnd.flux"}
    request = urllib.request.Request(server.url + path, body, dict(headers), method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def may_write(server: InfluxServer, token: str, bucket: str) -> bool:
    return status(server, token, "POST", f"/api/v2/write?org={server.org}&bucket={bucket}", b"m v=1") == 204


def may_read(server: InfluxServer, token: str, bucket: str) -> bool:
    flux = f'from(bucket: "{bucket}") |> range(start: -1m)'.encode()
    return status(server, token, "POST", f"/api/v2/query?org={server.org}", flux) == 200
