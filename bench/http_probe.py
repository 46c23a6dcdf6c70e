"""The HTTP probe, result stored, against prometheus-blackbox-exporter, which stores nothing. Shell.

Fresh connections to one nginx on core 1; the prober on core 0; cost in CPU seconds per 10,000 probes. The peer is
driven by 50 keep-alive clients, as a Prometheus would; their own CPU is not counted.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp

from bench.measure import Bar, Comparison, alternate
from bench.processes import cpu_of, free_port, missing, started
from collector.collect import Collector, Setting
from collector.http_probe import HttpProber
from collector.quarantine import Quarantine
from collector.spool import Spool, SpoolLimits
from collector.targets import HttpRequestSpec, ProbeSpec, ServiceSpec
from embedded.store import EmbeddedOptions, EmbeddedStore
from telemetry.clock import Clock
from telemetry.measurements import BUILT_IN

PROBES, IN_FLIGHT, TARGETS = 4_000, 50, 100
PEER = "prometheus-blackbox-exporter"
CLOCK = Clock(lambda: datetime.now(UTC), time.monotonic)


@contextmanager
def nginx(folder: Path) -> Iterator[int]:
    """A target on core 1."""
    port = free_port()
    (folder / "nginx.conf").write_text(
        f"daemon off; worker_processes 1; pid {folder}/pid; error_log stderr crit;\n"
        "events { worker_connections 4096; }\n"
        f"http {{ access_log off; server {{ listen 127.0.0.1:{port} backlog=4096;\n"
        ' location / { default_type application/json; return 200 \'{"status":"healthy"}\'; } } }\n'
    )
    command = ["taskset", "-c", "1", "nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
    with started(command, port):
        yield port


@contextmanager
def blackbox(folder: Path) -> Iterator[tuple[int, int]]:
    """The peer on core 0: its pid and port."""
    port = free_port()
    (folder / "blackbox.yml").write_text("modules:\n  http_2xx:\n    prober: http\n    timeout: 5s\n")
    command = [
        "taskset",
        "-c",
        "0",
        PEER,
        f"--config.file={folder}/blackbox.yml",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with started(command, port) as pid:
        yield pid, port


def ours(port: int) -> float:
    """CPU seconds per 10,000 probes through the collector, spool and store included, on core 0."""
    specs = tuple(
        ProbeSpec(
            f"service-{number}",
            "health",
            "http",
            HttpRequestSpec(f"http://127.0.0.1:{port}/"),
            interval=timedelta(seconds=10),
        )
        for number in range(TARGETS)
    )
    services = tuple(ServiceSpec(spec.service, (spec,)) for spec in specs)

    async def run(folder: Path) -> float:
        quarantine = Quarantine(folder / "quarantine", CLOCK)
        async with (
            EmbeddedStore.opened(folder / "metrics.duckdb", EmbeddedOptions(), BUILT_IN) as store,
            Spool.opened(folder / "spool.sqlite", store, quarantine, SpoolLimits(), CLOCK) as spool,
            HttpProber.opened(CLOCK) as prober,
        ):
            collector = Collector(services, prober, spool, BUILT_IN, Setting(CLOCK, "bench", IN_FLIGHT))
            await collector.probe_once(specs[0])
            started = time.process_time()
            left = iter(range(PROBES))

            async def work() -> None:
                for number in left:
                    attempt = await collector.probe_once(specs[number % TARGETS])
                    assert attempt.outcome == 0, attempt

            # More workers than places: each waits for its commit, as the scheduler's jobs do.
            await asyncio.gather(*(work() for _ in range(IN_FLIGHT * 8)))
            await spool.drain(timedelta(seconds=30))
            return time.process_time() - started

    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {0})
    try:
        with tempfile.TemporaryDirectory() as folder:
            return asyncio.run(run(Path(folder))) * 10_000 / PROBES
    finally:
        os.sched_setaffinity(0, before)


def peer(pid: int, blackbox_port: int, port: int) -> float:
    """The peer's CPU seconds per 10,000 probes of the same target."""
    url = f"http://127.0.0.1:{blackbox_port}/probe?module=http_2xx&target=http://127.0.0.1:{port}/"

    async def run() -> None:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=IN_FLIGHT)) as session:
            left = iter(range(PROBES))

            async def work() -> None:
                for _ in left:
                    async with session.get(url) as answer:
                        assert b"probe_success 1" in await answer.read()

            await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))

    started = cpu_of(pid)
    asyncio.run(run())
    return (cpu_of(pid) - started) * 10_000 / PROBES


def main() -> str:
    """The line to report, or why there is none."""
    if absent := missing("nginx", PEER, "taskset"):
        return f"HTTP probe vs blackbox-exporter: skipped, {absent}"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        with nginx(folder) as port, blackbox(folder) as (pid, blackbox_port):
            peer(pid, blackbox_port, port)  # warm
            first, second = alternate(lambda: ours(port), lambda: peer(pid, blackbox_port, port), 5)
    comparison = Comparison(
        "HTTP probe, fresh connection, result stored, CPU vs blackbox-exporter",
        first,
        second,
        "CPU s per 10,000",
        Bar(0.8, 0.65),
    )
    return comparison.report()


if __name__ == "__main__":
    print(main())
