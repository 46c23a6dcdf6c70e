"""Line protocol by our encoder against influxdb-client's Point, from the same points to the same bytes. Shell."""

from __future__ import annotations

import random
import time

from influxdb_client import Point as ClientPoint

from bench.measure import Bar, Comparison, alternate
from influx.encoder import Encoder
from telemetry.measurements import BUILT_IN, CPU, SYSTEM
from telemetry.points import Point

START = 1_795_500_000 * 10**9
POINTS, PAIRS = 20_000, 9


def one_field() -> list[Point]:
    """One value of each of 500 hosts in turn."""
    chance = random.Random(1)
    return [
        Point(
            "system", (("host", f"host-{number % 500:03}"),), {"load1": round(chance.uniform(0, 8), 2)}, START + number
        )
        for number in range(POINTS)
    ]


def of_a_host() -> list[Point]:
    """What a host gives: all modes of each of its cores, and its load."""
    chance = random.Random(1)
    points = []
    for number in range(POINTS // 5):
        host = f"host-{number % 100:03}"
        for core in range(4):
            fields = {field.name: chance.uniform(0, 100) for field in CPU.fields}
            points.append(Point("cpu", (("cpu", f"cpu{core}"), ("host", host)), fields, START + number))
        loads = {field.name: 1 if field.type.value == "integer" else chance.uniform(0, 8) for field in SYSTEM.fields}
        points.append(Point("system", (("host", host),), loads, START + number))
    return points


def of_probes() -> list[Point]:
    """Attempts with their phases, outcome and a message."""
    chance = random.Random(1)
    return [
        Point(
            "probe",
            (("host", "web"), ("kind", "http"), ("probe", f"probe-{number % 200:03}"), ("service", "shop")),
            {
                "up": 1,
                "outcome": 0,
                "latency_ms": chance.uniform(0, 100),
                "dns_ms": chance.uniform(0, 1),
                "connect_ms": chance.uniform(0, 1),
                "first_byte_ms": chance.uniform(0, 90),
                "code": 200,
                "message": 'HTTP 200, "fine"',
                "state": 2,
                "streak": 0,
                "up_s": 10.0,
                "degraded_s": 0.0,
                "down_s": 0.0,
                "unknown_s": 0.0,
            },
            START + number,
        )
        for number in range(POINTS)
    ]


def by_ours(encoder: Encoder, points: list[Point]) -> bytes:
    return "\n".join(encoder.encode(points).lines).encode()


def by_the_client(points: list[Point]) -> bytes:
    """Its Point is built from ours, as a program that has it would build it."""
    lines = []
    for point in points:
        theirs = ClientPoint(point.measurement)
        for tag, text in point.tags:
            theirs.tag(tag, text)
        for name, value in point.fields.items():
            theirs.field(name, value)
        lines.append(theirs.time(point.time).to_line_protocol())
    return "\n".join(lines).encode()


def compare(title: str, points: list[Point]) -> str:
    """The line of one kind of points."""
    encoder = Encoder(BUILT_IN)
    assert by_ours(encoder, points) == by_the_client(points), "they must write the same"

    def ours() -> float:
        started = time.perf_counter()
        by_ours(encoder, points)
        return time.perf_counter() - started

    def peer() -> float:
        started = time.perf_counter()
        by_the_client(points)
        return time.perf_counter() - started

    first, second = alternate(ours, peer, PAIRS)
    bar = Bar(3, 5, at_least=True)
    title = f"line protocol, {title}, speed vs influxdb-client's Point"
    return Comparison(title, first, second, f"s per {len(points):,} points", bar).report()


def main() -> str:
    """The lines to report."""
    return "\n".join(
        (
            compare("one field", one_field()),
            compare("cpu and load of hosts", of_a_host()),
            compare("probe attempts", of_probes()),
        )
    )


if __name__ == "__main__":
    print(main())
