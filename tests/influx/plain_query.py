"""Reading back what a real server holds, by Flux texts of the tests and not by the product's reader."""

import csv
import json
import urllib.request
from datetime import UTC, datetime
from io import StringIO

from influx.text import decode
from telemetry.times import parse_instant
from tests.influx.server import InfluxServer

csv.field_size_limit(4_000_000)  # a text of a megabyte
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def rows(server: InfluxServer, flux: str) -> list[dict[str, str]]:
    """The rows of an answer, each by its columns, as the server writes them."""
    body = json.dumps({"query": flux, "type": "flux", "dialect": {"annotations": []}}).encode()
    headers = {"Authorization": f"Token {server.token}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{server.url}/api/v2/query?org={server.org}", body, headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        text = answer.read().decode()
    found: list[dict[str, str]] = []
    header: list[str] | None = None
    for row in csv.reader(StringIO(text, newline="")):
        if not row:
            header = None
        elif header is None:
            header = row
        else:
            found.append(dict(zip(header, row, strict=True)))
    assert not any("error" in row for row in found), found
    return found


def raw(server: InfluxServer, bucket: str, start: str = "1700-01-01T00:00:00Z") -> list[dict[str, str]]:
    """Every value of a bucket since `start`. Where a field has two types, only those of the first one's (InfluxDB)."""
    return rows(server, f'from(bucket: "{bucket}") |> range(start: {start}, stop: 2260-01-01T00:00:00Z)')


def stored(server: InfluxServer, bucket: str) -> dict[tuple[str, int], float]:
    """`load1` of `system`, by host and time."""
    return {
        (decode(row["host"]), parse_instant(row["_time"], _EPOCH)): float(row["_value"])
        for row in raw(server, bucket)
        if (row["_measurement"], row["_field"]) == ("system", "load1")
    }


def write_lines(server: InfluxServer, bucket: str, lines: str) -> None:
    """Past the product. Raises urllib.error.HTTPError."""
    request = urllib.request.Request(
        f"{server.url}/api/v2/write?org={server.org}&bucket={bucket}&precision=ns",
        lines.encode(),
        {"Authorization": f"Token {server.token}"},
    )
    urllib.request.urlopen(request, timeout=60).close()
