"""A whole run on a real InfluxDB, with OpsWatch killed twice and InfluxDB away: nothing is lost, nothing is doubled."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.durability.influx_run import BATCH, SECOND, run_through
from tests.influx import server


@pytest.fixture
def ours() -> Iterator[server.InfluxServer]:
    """One that may be stopped."""
    if shutil.which("influxd") is None:
        pytest.skip(server.NOT_HERE)
    with server.running("--query-concurrency=10") as running:
        yield running


@pytest.mark.timeout(1_500)
@pytest.mark.parametrize(
    ("seconds", "outage"), [(36.0, 8.0), pytest.param(600.0, 60.0, marks=pytest.mark.soak)], ids=["short", "whole"]
)
def test_nothing_is_lost_or_doubled_on_influxdb(
    tmp_path: Path, ours: server.InfluxServer, seconds: float, outage: float
) -> None:
    """A1, A4: two kills with SIGKILL, one of them while InfluxDB is away; counted by Flux, not by the product."""
    report = run_through(tmp_path, ours, ours.fresh(), seconds, outage)
    print(report)  # pytest -rP shows it

    assert (report.lost, report.doubled) == (0, 0), report
    assert report.acknowledged >= BATCH * (seconds / 2), report
    # What the target was asked just before a kill, nobody had acknowledged.
    assert report.asked - report.kills <= report.attempts <= report.asked, report
    for start, stop, samples in report.spans:
        assert samples >= (stop - start) / SECOND * 0.9 - 2, report
    assert report.most_pending > 0, "InfluxDB was away, and nothing waited"
