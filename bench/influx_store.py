"""OpsWatch on InfluxDB against OpsWatch on its embedded store: three questions and a CSV export, all over HTTP. Shell.

Both hold the same 13 million samples of 30 days (`bench/filled_store.py`) and the levels of them, which OpsWatch has
InfluxDB make before anything is measured: the samples come from somebody else, and no task has ever run.
"""

from __future__ import annotations

import http.client
import json
import tempfile
import time
from pathlib import Path

from bench.csv_export import over_http
from bench.filled_store import DAY, SECOND, FilledStore, filled_store
from bench.http_queries import QUESTIONS, Question, ask_ours, asking, load
from bench.measure import Comparison, alternate
from bench.processes import CONFIGURATION, Server, influxdb, missing, opswatch

PAIRS = 7
EXPORTS = 3  # pairs
LONGEST = 1_200.0  # seconds
BUCKETS = ("raw", "5m", "1h", "events", "self")


def on_influxdb(folder: Path, server: Server) -> str:
    """The configuration of OpsWatch on this server, whose buckets it makes."""
    (org,) = json.loads(server.get("/api/v2/orgs?org=o"))["orgs"]
    for one in BUCKETS:
        body = {"orgID": org["id"], "name": f"opswatch_{one}", "retentionRules": []}
        server.post("/api/v2/buckets", json.dumps(body).encode())
    (folder / "token").write_text(server.token)
    return f"{CONFIGURATION}storage: {{kind: influxdb, influxdb: {{url: '{server.url}', org: o, token_file: token}}}}\n"


def made_levels(server: Server) -> str:
    """The line of how long it takes until every window of the levels is made."""
    started, deadline = time.monotonic(), time.monotonic() + LONGEST
    while True:
        levels = json.loads(server.get("/api/v1/health"))["connection_status"]["store"]["levels"]
        if all(one["until"] and one["behind_seconds"] < 2 * 3_600 and not one["late_windows"] for one in levels):
            break
        if time.monotonic() > deadline:
            raise RuntimeError(f"the levels are not made after {LONGEST:.0f} s: {levels}")
        time.sleep(0.5)
    return f"levels of 30 days of 500 series made by the reconciler: {time.monotonic() - started:.0f} s (observed)"


def compare(one: Server, other: Server, question: Question, filled: FilledStore) -> str:
    """The line of one question."""
    clients = [http.client.HTTPConnection("127.0.0.1", server.port, timeout=120) for server in (one, other)]
    first = asking(lambda stop: ask_ours(one, clients[0], question, stop), question, filled.stop)
    second = asking(lambda stop: ask_ours(other, clients[1], question, stop), question, filled.stop)
    first(), second()  # warm
    ours, peer = alternate(first, second, PAIRS)
    for client in clients:
        client.close()
    title = f"{question.title} over HTTP, OpsWatch on InfluxDB, time vs on the embedded store"
    return Comparison(title, ours, peer, "s", None).report()


def export(one: Server, other: Server, filled: FilledStore) -> str:
    """The line of the CSV: a day of every series, 1.4 million samples."""
    start, stop = filled.stop - DAY, filled.stop
    sizes = {over_http(server, start, stop)[1] for server in (one, other)}
    assert len(sizes) == 1, sizes
    ours, peer = alternate(lambda: over_http(one, start, stop)[0], lambda: over_http(other, start, stop)[0], EXPORTS)
    title = f"CSV of 1.4 million samples ({sizes.pop() / 1e6:.0f} MB) over HTTP, OpsWatch on InfluxDB, time vs embedded"
    return Comparison(title, ours, peer, "s", None).report()


def main() -> str:
    """The lines to report."""
    if absent := missing("influxd", "curl"):
        return f"OpsWatch on InfluxDB vs on the embedded store: skipped, {absent}"
    filled = filled_store()
    with tempfile.TemporaryDirectory() as name, influxdb(Path(name)) as server:
        folder = Path(name) / "opswatch"
        folder.mkdir()
        configuration = on_influxdb(folder, server)
        load(server, "opswatch_raw", (filled.stop - 30 * DAY, filled.stop - 7 * DAY), 300 * SECOND)
        load(server, "opswatch_raw", (filled.stop - 7 * DAY, filled.stop), 30 * SECOND)
        with opswatch(folder, configuration) as one, opswatch(filled.folder) as other:
            lines = [made_levels(one)]
            lines += [compare(one, other, question, filled) for question in QUESTIONS]
            return "\n".join([*lines, export(one, other, filled)])


if __name__ == "__main__":
    print(main())
