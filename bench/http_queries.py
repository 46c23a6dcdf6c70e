"""The three questions of `bench/queries.py` over HTTP, against InfluxDB 2 over HTTP. Shell.

OpsWatch has ten million samples of the last seven days, and levels of 30 (`bench/filled_store.py`). InfluxDB is given
one sample of each series per five minutes of the 30 days, 4.3 million: a tenth as many a day, so that it is loaded
within the bench, which favours it. Every question is a little another, so that nothing is answered from a cache.
"""

from __future__ import annotations

import http.client
import itertools
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

import duckdb

from bench.filled_store import DAY, FIELD, HOUR, MEASUREMENT, SECOND, SERIES, VALUE, FilledStore, filled_store
from bench.measure import Bar, Comparison, alternate
from bench.processes import Server, influxdb, missing, opswatch

PAIRS = 7
STEP = 300 * SECOND
LINES = 10_000  # of a body
ONE = "host-042"


@dataclass(frozen=True)
class Question:
    """`length` is how far back it looks, `move` by what the next one differs, `count` how many values come (ns)."""

    title: str
    length: int
    move: int
    count: int
    ours: dict[str, str]
    flux: str


QUESTIONS = (
    Question(
        f"30 days of {SERIES} series by 1 h",
        29 * DAY,
        HOUR,
        29 * 24 * SERIES,
        {"every": "1h"},
        "|> aggregateWindow(every: 1h, fn: mean, createEmpty: false)",
    ),
    Question(
        "24 h of one series by 5 min",
        DAY,
        STEP,
        288,
        {"every": "5m", "where": f"host:{ONE}"},
        f'|> filter(fn: (r) => r.host == "{ONE}") |> aggregateWindow(every: 5m, fn: mean, createEmpty: false)',
    ),
    Question(f"latest of {SERIES} series", 900 * SECOND, STEP, SERIES, {"latest": "true"}, "|> last()"),
)


def load(server: Server, bucket: str, span: tuple[int, int], step: int) -> None:
    """The samples of [start, stop) (ns) into a bucket, one of each series per `step`."""
    connection = duckdb.connect()
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    bodies = connection.execute(
        f"SELECT string_agg(printf('{MEASUREMENT},host=host-%03d {FIELD}=', series_id) || CAST({VALUE} AS VARCHAR)"
        f" || ' ' || ts, chr(10)) FROM (SELECT ts, CAST(n AS INTEGER) AS series_id"
        f" FROM range({span[0]}, {span[1]}, {step}) AS a(ts), range(1, {SERIES + 1}) AS b(n))"
        f" GROUP BY ts // {LINES // SERIES * step} ORDER BY min(ts)"
    )
    while row := bodies.fetchone():
        client.request("POST", f"/api/v2/write?org=o&bucket={bucket}", row[0].encode(), server.headers)
        answer = client.getresponse()
        words = answer.read()
        assert answer.status == 204, words[:300]
    client.close()
    connection.close()


def asking(ask: Callable[[int], tuple[float, int]], question: Question, stop: int) -> Callable[[], float]:
    """Seconds of one answer after the other, each looked at."""
    stops: Iterator[int] = (stop - number * question.move for number in itertools.count())

    def measured() -> float:
        elapsed, count = ask(next(stops))
        assert count == question.count, (question.title, count)
        return elapsed

    return measured


def ask_ours(server: Server, client: http.client.HTTPConnection, question: Question, stop: int) -> tuple[float, int]:
    """Seconds until the whole answer is here, and how many values it has."""
    bounds = {"start": str((stop - question.length) // SECOND), "stop": str(stop // SECOND)}
    target = urlencode({"measurement": MEASUREMENT, "field": FIELD, **bounds, **question.ours})
    started = time.perf_counter()
    client.request("GET", f"/api/v1/series?{target}", headers=server.headers)
    body = client.getresponse().read()
    elapsed = time.perf_counter() - started
    return elapsed, sum(value is not None for one in json.loads(body)["series"] for value in one["values"])


def ask_influxdb(
    server: Server, client: http.client.HTTPConnection, question: Question, stop: int
) -> tuple[float, int]:
    """As `ask_ours`; its answer is annotated CSV."""
    start, end = (datetime.fromtimestamp(at // SECOND, UTC).isoformat() for at in (stop - question.length, stop))
    flux = (
        f'from(bucket: "b") |> range(start: {start}, stop: {end}) |> filter(fn: (r) =>'
        f' r._measurement == "{MEASUREMENT}" and r._field == "{FIELD}") {question.flux}'
    )
    headers = {**server.headers, "Content-Type": "application/vnd.flux", "Accept": "application/csv"}
    started = time.perf_counter()
    client.request("POST", "/api/v2/query?org=o", flux.encode(), headers)
    body = client.getresponse().read()
    elapsed = time.perf_counter() - started
    return elapsed, body.count(b"\r\n,_result,")


def compare(ours: Server, peer: Server, question: Question, filled: FilledStore) -> str:
    """The line of one question."""
    clients = [http.client.HTTPConnection("127.0.0.1", server.port, timeout=120) for server in (ours, peer)]
    one = asking(lambda stop: ask_ours(ours, clients[0], question, stop), question, filled.stop)
    other = asking(lambda stop: ask_influxdb(peer, clients[1], question, stop), question, filled.stop)
    one(), other()  # warm
    first, second = alternate(one, other, PAIRS)
    for client in clients:
        client.close()
    title = f"{question.title} over HTTP, speed vs InfluxDB"
    return Comparison(title, first, second, "s", Bar(1, 5, at_least=True)).report()


def main() -> str:
    """The lines to report."""
    if absent := missing("influxd"):
        return f"the three questions over HTTP vs InfluxDB: skipped, {absent}"
    filled = filled_store()
    with tempfile.TemporaryDirectory() as name, influxdb(Path(name)) as peer, opswatch(filled.folder) as ours:
        load(peer, "b", (filled.stop - 30 * DAY, filled.stop), STEP)
        return "\n".join(compare(ours, peer, question, filled) for question in QUESTIONS)


if __name__ == "__main__":
    print(main())
