"""CSV of ten million samples over HTTP against DuckDB's COPY of the identical SELECT; and the server's memory. Shell.

The client is curl, which counts and keeps nothing. The peer writes the same lines, by the same expression, to a file of
its own from a copy of the store, with the same threads and memory limit, in one statement.
"""

from __future__ import annotations

import subprocess
import time
from urllib.parse import urlencode

import duckdb

from bench.filled_store import DAY, FIELD, MEASUREMENT, SECOND, SERIES, FilledStore, filled_store
from bench.measure import Bar, Comparison, alternate
from bench.processes import Server, forget_peak, memory_of, missing, opswatch, peak_memory_of
from embedded.export_sql import CSV_OPTIONS, Member, Part, long_lines

PAIRS = 3
FLAT = 1.5  # ten million samples may take so many times the memory of one million


def path(start: int, stop: int) -> str:
    """All series of a time."""
    asked = {"measurement": MEASUREMENT, "field": FIELD, "start": start // SECOND, "stop": stop // SECOND}
    return "/api/v1/export.csv?" + urlencode(asked)


def over_http(server: Server, start: int, stop: int) -> tuple[float, int]:
    """Seconds until the last byte, and how many came."""
    command = ["curl", "-sS", "--fail", "-o", "/dev/null", "-w", "%{size_download}"]
    started = time.perf_counter()
    output = subprocess.run(
        [*command, "-H", f"Authorization: Token {server.token}", server.url + path(start, stop)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return time.perf_counter() - started, int(output)


def by_copy(connection: duckdb.DuckDBPyConnection, filled: FilledStore) -> tuple[float, int]:
    """Seconds of the COPY, and how many bytes it wrote."""
    members = [
        Member(number, number, 0, f",{MEASUREMENT},host-{number:03d},{FIELD},", is_integer=False, is_text=False)
        for number in range(1, SERIES + 1)
    ]
    lines = long_lines("raw", Part(tuple(members), filled.stop - 7 * DAY, filled.stop))
    file = filled.folder / "bare.csv"
    started = time.perf_counter()
    connection.execute(f"COPY ({lines}) TO '{file}' {CSV_OPTIONS}")
    elapsed = time.perf_counter() - started
    size = file.stat().st_size
    file.unlink()
    return elapsed, size


def main() -> str:
    """The lines to report."""
    if absent := missing("curl"):
        return f"CSV export: skipped, {absent}"
    filled = filled_store()
    start, stop = filled.stop - 7 * DAY, filled.stop
    with filled.bare_copy() as bare, opswatch(filled.folder) as server:
        _, size = over_http(server, start, stop)
        _, copied = by_copy(bare, filled)  # the header is all that it lacks
        assert 0 < size - copied < 100, (size, copied)
        first, second = alternate(lambda: over_http(server, start, stop)[0], lambda: by_copy(bare, filled)[0], PAIRS)
    title = f"CSV of 10 million samples ({size / 1e6:.0f} MB) over HTTP, speed vs DuckDB COPY of the same lines"
    line = Comparison(title, first, second, "s", Bar(0.7, 0.9, at_least=True)).report()
    return f"{line}\n{memory(filled)}"


def memory(filled: FilledStore) -> str:
    """The line of the server's memory: a fresh one for each, so that neither has what the other left."""
    peaks = {}
    for million, length in ((1, 7 * DAY // 10), (10, 7 * DAY)):
        with opswatch(filled.folder) as server:
            server.get(path(filled.stop - 3_600 * SECOND, filled.stop))  # warm
            before = memory_of(server.pid)
            forget_peak(server.pid)
            over_http(server, filled.stop - length, filled.stop)
            peaks[million] = (before, peak_memory_of(server.pid))
    words = "; ".join(
        f"{million} million {peak:.0f} MB (before {before:.0f})" for million, (before, peak) in peaks.items()
    )
    ratio = peaks[10][1] / peaks[1][1]
    return f"the same, the server's peak of resident memory: {words}; {Bar(FLAT).verdict(ratio)} ({ratio:.2f}x)"


if __name__ == "__main__":
    print(main())
