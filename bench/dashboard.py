"""A dashboard of 300 series x 288 points through `/api/v1/series`: uncached vs bare SQL, cached vs `/health`. Shell.

Uncached: one client over a kept connection, each question a little another (its range moves by five minutes); the
bare side fetches the same rows from the same level of a copy of the file, in this process. Cached: wrk with eight
connections; an answer is kept for a second, so one in each second is computed.
"""

from __future__ import annotations

import http.client
import itertools
import json
import re
import subprocess
import time
from urllib.parse import urlencode

import duckdb

from bench.filled_store import FIELD, MEASUREMENT, SECOND, filled_store
from bench.measure import Bar, Comparison, alternate
from bench.processes import Server, missing, opswatch

SERIES, STEP, WINDOWS = 300, 300 * SECOND, 288
PAIRS, WRK_SECONDS, CONNECTIONS = 15, 4, 8


def path(stop: int) -> str:
    """The first 300 hosts over 24 hours by 5 minutes."""
    asked = {
        "measurement": MEASUREMENT,
        "field": FIELD,
        "where": "host~:^host-([0-2]|300)",
        "start": f"{(stop - WINDOWS * STEP) // SECOND}",
        "stop": f"{stop // SECOND}",
        "every": "5m",
    }
    return "/api/v1/series?" + urlencode(asked)


def check(body: bytes) -> None:
    """It is the whole answer."""
    answer = json.loads(body)
    assert (len(answer["series"]), len(answer["time"])) == (SERIES, WINDOWS), body[:300]
    assert all(value is not None for one in answer["series"] for value in one["values"])


def over_http(server: Server, connection: http.client.HTTPConnection, stop: int) -> float:
    """Seconds until the whole body is here."""
    started = time.perf_counter()
    connection.request("GET", path(stop), headers=server.headers)
    body = connection.getresponse().read()
    elapsed = time.perf_counter() - started
    check(body)
    return elapsed


def by_sql(connection: duckdb.DuckDBPyConnection, stop: int) -> float:
    """Seconds of the statement and the fetching of its rows."""
    started = time.perf_counter()
    rows = connection.execute(
        f"SELECT series_id, ts, sum / count FROM rollup_5m WHERE series_id <= {SERIES}"
        f" AND ts >= {stop - WINDOWS * STEP} AND ts < {stop}"
    ).fetchall()
    elapsed = time.perf_counter() - started
    assert len(rows) == SERIES * WINDOWS, len(rows)
    return elapsed


def requests_per_second(server: Server, target: str) -> float:
    """By wrk, with the token."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{WRK_SECONDS}s", "-H", f"Authorization: Token {server.token}"]
    output = subprocess.run([*command, server.url + target], check=True, capture_output=True, text=True).stdout
    assert "Non-2xx" not in output, output
    found = re.search(r"Requests/sec:\s+([0-9.]+)", output)
    assert found is not None, output
    return float(found[1])


def main() -> str:
    """The lines to report."""
    if absent := missing("wrk"):
        return f"dashboard: skipped, {absent}"
    filled = filled_store()
    stops, bare_stops = itertools.tee(filled.stop - number * STEP for number in range(12 * 24))
    with filled.bare_copy() as bare, opswatch(filled.folder) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        over_http(server, connection, next(stops)), by_sql(bare, next(bare_stops))  # warm
        first, second = alternate(
            lambda: over_http(server, connection, next(stops)), lambda: by_sql(bare, next(bare_stops)), PAIRS
        )
        connection.close()
        title = f"dashboard of {SERIES} series x {WINDOWS} points, uncached, /api/v1/series vs bare SQL"
        uncached = Comparison(title, first, second, "s", Bar(1.6, 1.2)).report()
        return f"{uncached}\n{cached_against_health(server, filled.stop)}"


def cached_against_health(server: Server, stop: int) -> str:
    """The line of the cached one."""
    first, second = alternate(
        lambda: 1 / requests_per_second(server, path(stop)), lambda: 1 / requests_per_second(server, "/health"), 3
    )
    title = "the same, cached, req/s vs /health"
    return Comparison(title, first, second, "s per request", Bar(0.15, at_least=True)).report()


if __name__ == "__main__":
    print(main())
