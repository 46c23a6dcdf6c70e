"""`POST /api/v2/write` with 500 lines a body against VictoriaMetrics and InfluxDB 2, by the same client. Shell.

Sixteen agents (wrk: a thread and a connection each) send what is new, each of its own 500 hosts, and wait for the 204.
OpsWatch's says that the spool has committed, with fsync; InfluxDB's that its log has; VictoriaMetrics' that it is in
memory. The delivery to OpsWatch's store goes on meanwhile, and takes its share of the processor.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
import time
from pathlib import Path

from bench.measure import Bar, Comparison, alternate
from bench.processes import Server, influxdb, missing, opswatch, victoria_metrics

AGENTS, LINES, SECONDS, PAIRS = 16, 500, 4, 5
PATH = "/api/v2/write?org=o&bucket=b&precision=ns"
SCRIPT = Path(__file__).with_name("write.lua")


def seconds_per_million(server: Server) -> float:
    """What a million lines take, answered with 204."""
    command = ["wrk", f"-t{AGENTS}", f"-c{AGENTS}", f"-d{SECONDS}s", "--timeout=10s", "-s", str(SCRIPT)]
    output = subprocess.run(
        [*command, server.url + PATH, "--", server.token or "-", str(LINES)], check=True, capture_output=True, text=True
    ).stdout
    found = re.search(r"RESULT (\d+) (\d+) (\d+) ([0-9.]+)", output)
    assert found is not None, output
    requests, refused, failed, seconds = int(found[1]), int(found[2]), int(found[3]), float(found[4])
    assert not refused, f"{refused} of {requests} were not answered with 204"
    assert failed <= AGENTS, output
    return seconds / (requests * LINES) * 1e6


def settle(server: Server) -> None:
    """Wait until everything acknowledged is in OpsWatch's store, so that the next one is not measured with it."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        health = json.loads(server.get("/api/v1/health"))
        if not health["connection_status"]["spool"]["pending_batches"]:
            return
        time.sleep(0.2)


def compare(ours: Server, peer: Server, name: str, bar: Bar) -> str:
    """The line of one peer."""

    def our_cost() -> float:
        cost = seconds_per_million(ours)
        settle(ours)
        return cost

    our_cost(), seconds_per_million(peer)  # warm: the series are known
    first, second = alternate(our_cost, lambda: seconds_per_million(peer), PAIRS)
    title = f"POST /api/v2/write, {LINES} lines a body, {AGENTS} agents, speed vs {name}"
    return Comparison(title, first, second, "s per million lines", bar).report()


def main() -> str:
    """The lines to report."""
    if absent := missing("wrk"):
        return f"POST /api/v2/write: skipped, {absent}"
    lines = []
    with tempfile.TemporaryDirectory() as name, opswatch(Path(name)) as ours:
        for program, peer, bar in (
            ("victoria-metrics", victoria_metrics, Bar(0.4, 1, at_least=True)),
            ("influxd", influxdb, Bar(0.5, 1, at_least=True)),
        ):
            if absent := missing(program):
                lines.append(f"POST /api/v2/write vs {program}: skipped, {absent}")
                continue
            with peer(Path(name)) as server:
                lines.append(compare(ours, server, program, bar))
    return "\n".join(lines)


if __name__ == "__main__":
    print(main())
