"""`/api/v1/stream` to 500 clients at 10 events a second, CPU against a bare aiohttp server of the same bytes. Shell.

Two processes: the whole application, whose pages are brought up to date more often than the settings allow; and an
aiohttp server that writes ready-made bytes to every response in turn. The clients only count.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from aiohttp import web

from bench.measure import Bar, Comparison, alternate
from bench.processes import ROOT, cpu_of

CLIENTS, PER_SECOND, SECONDS, PAIRS = 500, 10, 5, 5
CONFIGURATION = """version: 1
services:
  - name: shop
    probes: [{name: health, url: 'http://127.0.0.1:9/', interval: 5s, timeout: 1s}]
"""


async def our_server(folder: Path) -> None:
    """OpsWatch until it is ended, as `opswatch run` starts it."""
    from opswatch.serve import serve
    from opswatch.settings import load_settings

    file = folder / "opswatch.yaml"
    file.write_text(CONFIGURATION)
    environment = {"OPSWATCH_LISTEN": "127.0.0.1:0", "OPSWATCH_DATA_DIR": str(folder / "data")}
    await serve(replace(load_settings(environment, file), refresh_interval=timedelta(seconds=1 / PER_SECOND)))


async def bare_server(event: bytes) -> None:
    """The same bytes, as many times a second, by the library alone."""
    responses: set[web.StreamResponse] = set()

    async def serve(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        responses.add(response)
        try:
            await asyncio.Event().wait()
        finally:
            responses.discard(response)
        return response

    application = web.Application()
    application.router.add_get("/api/v1/stream", serve)
    runner = web.AppRunner(application, access_log=None, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"listening http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    while True:
        await asyncio.sleep(1 / PER_SECOND)
        for response in list(responses):
            with suppress(ConnectionResetError):
                await response.write(event)


@contextmanager
def child(*arguments: str) -> Iterator[tuple[int, int]]:
    """This module as a process of its own: pid and port."""
    command = [sys.executable, "-m", "bench.live_stream", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.pid, int(process.stdout.readline().rpartition(":")[2])
        finally:
            process.terminate()


class Counting(asyncio.Protocol):
    """A client that asks once, and counts the events that come."""

    def __init__(self, token: str) -> None:
        self.events = 0
        self.first = b""
        self._token = token
        self._last = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        words = f"GET /api/v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Token {self._token}\r\n\r\n"
        transport.write(words.encode())

    def data_received(self, data: bytes) -> None:
        if len(self.first) < 20_000:
            self.first += data
        self.events += (self._last + data).count(b"\n\n")
        self._last = data[-1:] if not data.endswith(b"\n\n") else b""


async def listened(pid: int, port: int, token: str) -> tuple[float, bytes]:
    """CPU seconds of the server per event and client; and what the first client got."""
    loop = asyncio.get_running_loop()
    clients = [await loop.create_connection(lambda: Counting(token), "127.0.0.1", port) for _ in range(CLIENTS)]
    await asyncio.sleep(1)
    before, events = cpu_of(pid), sum(client.events for _, client in clients)
    await asyncio.sleep(SECONDS)
    cpu = cpu_of(pid) - before
    events = sum(client.events for _, client in clients) - events
    for transport, _ in clients:
        transport.close()
    await asyncio.sleep(0.5)  # the server lets them go
    # Per event, for a loaded machine may send fewer than it should.
    return cpu / events, clients[0][1].first


def one_event(received: bytes) -> bytes:
    """An update as it came, without the chunk that it came in."""
    start = received.index(b"id: ", received.index(b"event: update") - 40)
    return received[start : received.index(b"\n\n", start) + 2]


def main() -> str:
    """The line to report."""
    with tempfile.TemporaryDirectory() as name, child("ours", name) as (pid, port):
        token = json.loads((Path(name) / "data" / "server.json").read_text())["token"]
        event = one_event(asyncio.run(listened(pid, port, token))[1])
        file = Path(name) / "event"
        file.write_bytes(event)
        with child("bare", str(file)) as (bare_pid, bare_port):
            first, second = alternate(
                lambda: asyncio.run(listened(pid, port, token))[0] * 1e6,
                lambda: asyncio.run(listened(bare_pid, bare_port, "-"))[0] * 1e6,
                PAIRS,
            )
    title = f"/api/v1/stream, {CLIENTS} clients x {PER_SECOND} events/s of {len(event)} bytes, CPU vs bare aiohttp"
    return Comparison(title, first, second, "CPU us per event and client", Bar(2, 1.3)).report()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["ours", folder]:
            asyncio.run(our_server(Path(folder)))
        case ["bare", file]:
            asyncio.run(bare_server(Path(file).read_bytes()))
        case _:
            print(main())
