"""Answers of InfluxDB as series: by InfluxReader, and by `query()` of influxdb-client with a loop over records. Shell.

First the bytes of one large answer, the same for both, which no network slows down; then questions to one server.
Both end with the times (ns) and values of every series, by its tags. The client is asked as its documentation shows.
"""

from __future__ import annotations

import asyncio
import gzip
import io
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from influxdb_client import InfluxDBClient
from influxdb_client.client.flux_csv_parser import FluxCsvParser, FluxSerializationMode
from influxdb_client.client.flux_table import FluxTable
from pydantic import SecretStr

from bench.measure import Bar, Comparison, alternate
from bench.processes import Server, influxdb, missing
from influx.annotated_csv import AnnotatedCsvParser
from influx.asking import BITE_BYTES
from influx.connection import InfluxConnection
from influx.encoder import Encoder
from influx.reader import InfluxReader
from influx.samples import Samples, SeriesRows
from influx.settings import InfluxSettings
from telemetry.measurements import BUILT_IN
from telemetry.points import Point
from telemetry.schema import MeasurementClass
from telemetry.series import EVERYTHING, Equals, Latest, Raw, SeriesQuery, Window

SERIES, PAIRS = 500, 5
SECOND, HOUR = 10**9, 3_600 * 10**9
START = 1_795_500_000 * SECOND // HOUR * HOUR
STOP = START + 24 * HOUR
Found = dict[tuple[str, ...], tuple[list[int], list[float]]]

FIVE_MINUTES = "|> aggregateWindow(every: 5m, fn: mean, createEmpty: false)"
WHOLE = SeriesQuery("system", ("load1",), START, STOP, Raw(1_000_000))
QUESTIONS: dict[str, tuple[SeriesQuery, str, int]] = {
    f"4 h of samples of {SERIES} series": (replace(WHOLE, start=STOP - 4 * HOUR), "", 4 * 60 * SERIES),
    f"24 h of {SERIES} series by 5 min": (replace(WHOLE, shape=Window(300 * SECOND)), FIVE_MINUTES, 288 * SERIES),
    "24 h of one series by 5 min": (
        replace(WHOLE, shape=Window(300 * SECOND), where=Equals("host", "host-042")),
        '|> filter(fn: (r) => r.host == "host-042") ' + FIVE_MINUTES,
        288,
    ),
    f"latest of {SERIES} series": (replace(WHOLE, start=STOP - HOUR, shape=Latest()), "|> last()", SERIES),
}


def settings_of(server: Server) -> InfluxSettings:
    return InfluxSettings(server.url, "o", SecretStr(server.token), bucket_prefix="bench")


async def load(server: Server) -> None:
    """A sample of each series per minute, for a day."""
    client = InfluxDBClient(server.url, server.token, org="o")
    bucket = settings_of(server).bucket(MeasurementClass.METRICS)
    client.buckets_api().create_bucket(bucket_name=bucket)
    client.close()
    encoder = Encoder(BUILT_IN)
    async with InfluxConnection.opened(settings_of(server)) as connection:
        for start in range(START, STOP, 20 * 60 * SECOND):
            points = [
                Point(
                    "system", (("host", f"host-{number:03d}"),), {"load1": (time // SECOND * number % 9_973) / 7}, time
                )
                for time in range(start, start + 20 * 60 * SECOND, 60 * SECOND)
                for number in range(SERIES)
            ]
            body = gzip.compress("\n".join(encoder.encode(points).lines).encode(), 1)
            answer = await connection.write(bucket, body, is_gzip=True)
            assert answer.status == 204, answer.text


def flux_of(query: SeriesQuery, rest: str) -> str:
    """As the client's documentation asks."""
    return (
        f'from(bucket: "bench_raw") |> range(start: {query.start // SECOND}, stop: {query.stop // SECOND})'
        f' |> filter(fn: (r) => r._measurement == "system" and r._field == "load1") {rest}'
    )


def series_of(tables: list[FluxTable]) -> Found:
    """What the client found, by host. Times of whole seconds, which its datetimes hold exactly."""
    found: Found = {}
    for table in tables:
        records = table.records
        times = [int(record.values["_time"].timestamp()) * SECOND for record in records]
        found[(records[0].values["host"],)] = times, [record.values["_value"] for record in records]
    return found


def ours_of_bytes(content: bytes) -> Found:
    measurement = BUILT_IN.get("system")
    assert measurement is not None
    parser, samples = AnnotatedCsvParser(), Samples(SeriesRows(measurement, EVERYTHING))
    for place in range(0, len(content), BITE_BYTES):
        for rows in parser.feed(content[place : place + BITE_BYTES]):
            samples.take(rows)
    parser.close()
    return {(series.tags[0][1],): found for series, found in samples.found().items()}  # type: ignore[misc]


def theirs_of_bytes(content: bytes) -> Found:
    parser = FluxCsvParser(io.BytesIO(content), FluxSerializationMode.tables)  # type: ignore[arg-type]
    list(parser.generator())
    return series_of(parser.tables)


def timed(work: Callable[[], object]) -> Callable[[], float]:
    def measured() -> float:
        started = time.perf_counter()
        work()
        return time.perf_counter() - started

    return measured


def of_bytes(client: InfluxDBClient) -> list[str]:
    """The lines of answers that are here already."""
    lines = []
    for title, (query, rest, count) in list(QUESTIONS.items())[:2]:
        # Without the columns that nobody reads, which would be half of it.
        text = flux_of(query, rest) + ' |> drop(columns: ["_start", "_stop", "_measurement"])'
        content = client.query_api().query_raw(text).read()
        one, other = ours_of_bytes(content), theirs_of_bytes(content)
        assert one == other
        assert sum(len(times) for times, _ in one.values()) == count
        first, second = alternate(timed(lambda: ours_of_bytes(content)), timed(lambda: theirs_of_bytes(content)), PAIRS)  # noqa: B023
        named = f"{title}, {len(content) / 1e6:.0f} MB of CSV to series, speed vs influxdb-client"
        lines.append(Comparison(named, first, second, "s", Bar(5, 10, at_least=True)).report())
    return lines


def of_questions(server: Server, client: InfluxDBClient) -> list[str]:
    """The lines of questions to the server."""
    lines = []
    with asyncio.Runner() as runner:
        opened = InfluxConnection.opened(settings_of(server))
        reader = InfluxReader(runner.run(opened.__aenter__()), BUILT_IN)
        for title, (query, rest, count) in QUESTIONS.items():

            def ours(query: SeriesQuery = query, count: int = count) -> None:
                answer = runner.run(reader.read(query)).series
                assert sum(value is not None for one in answer for value in one.values) == count

            def theirs(text: str = flux_of(query, rest), count: int = count) -> None:
                found = series_of(client.query_api().query(text))
                assert sum(len(times) for times, _ in found.values()) == count

            ours(), theirs()  # warm
            first, second = alternate(timed(ours), timed(theirs), PAIRS)
            named = f"{title}, asked and read, speed vs influxdb-client"
            lines.append(Comparison(named, first, second, "s", Bar(1, 5, at_least=True)).report())
        runner.run(opened.__aexit__(None, None, None))
    return lines


def main() -> str:
    """The lines to report."""
    if absent := missing("influxd"):
        return f"InfluxReader vs influxdb-client: skipped, {absent}"
    with tempfile.TemporaryDirectory() as name, influxdb(Path(name)) as server:
        asyncio.run(load(server))
        client = InfluxDBClient(server.url, server.token, org="o", timeout=120_000)
        lines = [*of_bytes(client), *of_questions(server, client)]
        client.close()
    return "\n".join(lines)


if __name__ == "__main__":
    print(main())
