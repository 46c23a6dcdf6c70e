"""A fresh server is provisioned, filled, stopped, and tampered with; then every level stands for every sample.

The server is a real one with InfluxDB's own tasks at work, OpsWatch is a process. What is there is counted by the Flux
texts of this file, per series and level, over all complete windows.
"""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.influx.plain_query import rows
from tests.opswatch.provisioned import Site, everything
from tests.opswatch.test_provision_setup import bare, provision  # noqa: F401 (a fixture)
from tests.opswatch.test_run import Server, running

MINUTE, HOUR = 60, 3_600
SECOND = 10**9
SAMPLES = """
from(bucket: "opswatch_raw") |> range(start: {start}, stop: {stop})
    |> filter(fn: (r) => not (r._measurement == "probe" and r._field == "message"))
    |> count()
"""
WINDOWS = """
from(bucket: "opswatch_{level}") |> range(start: {start}, stop: {stop})
    |> filter(fn: (r) => r._field =~ /_count$/)
    |> sum()
"""


@dataclass
class Walk:
    """What was seen on the way, for people."""

    lines: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def say(self, words: str) -> None:
        self.lines.append(f"{time.monotonic() - self.began:6.1f} s  {words}")
        print(self.lines[-1])


@pytest.mark.timeout(3_000)
@pytest.mark.parametrize("outage", [3.0, pytest.param(11.5 * MINUTE, marks=pytest.mark.soak)], ids=["short", "whole"])
async def test_every_level_stands_for_every_sample_whatever_happened(
    bare: Site,  # noqa: F811
    outage: float,
) -> None:
    """Missed runs, late points, a deleted task; `verify` names it, `apply` mends it, a second one changes nothing."""
    walk, site = Walk(), bare
    done = await provision(site, "apply", "--setup")
    assert (done.code, done.output) == (0, "everything is as it should be\n"), done.complaint
    site.server.token = (site.keys / "influx_owner_token").read_text().strip()
    walk.say(f"provisioned: {len(done.complaint.splitlines())} changes, {version(site)}")
    hour = int(time.time()) // HOUR * HOUR - 3 * HOUR
    with running(site.folder, METRICS_INTERVAL_SECONDS="1") as server:
        server.wait_for("/ready", '"ready"')
        push(server, [line for second in range(0, HOUR, 10) if second % 70 for line in lines(hour, second)])
        walk.say("an hour of simulated points was pushed, 51 in a minute; the host is sampled each second")
        if outage > MINUTE:
            await until(lambda: run_of(site, "5m") == "success", 7 * MINUTE)
            walk.say("InfluxDB's task of the level 5m has run by itself")
        site.server.stop()
        walk.say("InfluxDB is stopped")
        stopped = time.time()
        await asyncio.sleep(outage)  # that is how long it is away
        site.server.start()
        away = (int(stopped) // (5 * MINUTE), int(time.time()) // (5 * MINUTE))
        walk.say(f"InfluxDB is back after {outage:.0f} s, in which {away[1] - away[0]} runs of the task 5m were due")
        server.wait_for("/ready", '"ready"')
        push(server, [line for second in range(0, HOUR, 70) for line in lines(hour, second)])
        walk.say("the late points of that hour were pushed")
        one = next(one for one in everything(site.server)["tasks"] if one["name"] == "opswatch_5m")
        site.server.call("DELETE", f"/api/v2/tasks/{one['id']}")
        verified = await provision(site, "verify")
        walk.say(f"the task was deleted by hand; verify, exit code {verified.code}: {verified.output.splitlines()[0]}")
        applied = await provision(site, "apply")
        walk.say(f"apply: {applied.complaint.strip()}; {applied.output.strip()}")
        before = everything(site.server)
        again = await provision(site, "apply")
        after = everything(site.server)
        walk.say(f"a second apply, exit code {again.code}, changes {len(again.complaint.splitlines())}")
        assert (verified.code, applied.code, again.code, again.complaint) == (3, 0, 0, "")
        assert verified.output.startswith("+ task opswatch_5m: is missing; make it\n")
        assert after == before
        if outage > MINUTE:
            await until(lambda: run_of(site, "5m") == "success", 7 * MINUTE)
            walk.say("the task that was made anew has run by itself")
        compared = {level: await conserved(site, level, hour, walk) for level in ("5m", "1h")}
        assert compared["5m"] >= compared["1h"] >= 14
    titles = [one["name"] for one in everything(site.server)["dashboards"]]
    walk.say(f"dashboards: {', '.join(sorted(titles))}")
    assert len(titles) == len(set(titles)) == 6


def version(site: Site) -> str:
    import urllib.request

    with urllib.request.urlopen(f"{site.server.url}/ping", timeout=10) as answer:
        return f"InfluxDB {answer.headers['X-Influxdb-Version']}"


def lines(hour: int, second: int) -> list[str]:
    """What three hosts and an application measured at a second of the hour; counters begin anew now and then."""
    time_ns = (hour + second) * SECOND
    found = [f"orders,shop=a placed={second % 977},open=1.5 {time_ns}"]
    for number in range(3):
        found += [
            f"cpu,cpu=cpu-total,host=h{number} usage_active={second % 101},usage_idle=1 {time_ns}",
            f"net,host=h{number},interface=eth0 bytes_recv={second % 1_777}i,bytes_sent={second}i {time_ns}",
        ]
    return found


def push(server: Server, points: list[str]) -> None:
    import json
    import urllib.request

    token = json.loads((server.directory / ".opswatch" / "server.json").read_text())["token"]
    for start in range(0, len(points), 1_000):
        body = "\n".join(points[start : start + 1_000]).encode()
        headers = {"Authorization": f"Token {token}"}
        request = urllib.request.Request(f"{server.url}/api/v2/write?precision=ns", body, headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert answer.status == 204


def run_of(site: Site, level: str) -> str:
    """How the last run of a task ended; empty when there was none."""
    listed: Any = site.server.call("GET", f"/api/v2/tasks?name=opswatch_{level}")["tasks"]
    return str(listed[0].get("lastRunStatus", ""))


async def until(holds: Any, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while not await asyncio.to_thread(holds):
            await asyncio.sleep(1)


async def conserved(site: Site, level: str, start: int, walk: Walk) -> int:
    """How many series of a level stand for just as many samples as there are, over all windows that are complete by
    the clock, not by the product; every series must, when it has had the time to make the last of them."""
    length = {"5m": 5 * MINUTE, "1h": HOUR}[level]
    stop = int(time.time()) // length * length
    span = {
        name: datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        for name, moment in (("start", start), ("stop", stop))
    }
    raw: dict[tuple[tuple[str, str], ...], int] = {}
    made: dict[tuple[tuple[str, str], ...], int] = {}

    def are_equal() -> bool:
        nonlocal raw, made
        raw = counts(rows(site.server, SAMPLES.format(**span)), "")
        made = counts(rows(site.server, WINDOWS.format(level=level, **span)), "_count")
        return made == raw

    with suppress(TimeoutError):
        await until(are_equal, 4 * MINUTE)
    walk.say(
        f"{level}, {span['start']} to {span['stop']}: {len(raw)} series, {sum(raw.values())} samples;"
        f" {len(made)} series in the level, which stand for {sum(made.values())}"
    )
    assert made == raw
    return len(raw)


def counts(answer: list[dict[str, str]], suffix: str) -> dict[tuple[tuple[str, str], ...], int]:
    """How many samples, by series."""
    hidden = {"", "result", "table", "_start", "_stop", "_value", "_time"}
    found = {}
    for row in answer:
        row["_field"] = row["_field"].removesuffix(suffix)
        found[tuple(sorted((name, value) for name, value in row.items() if name not in hidden and value))] = int(
            row["_value"]
        )
    return found
