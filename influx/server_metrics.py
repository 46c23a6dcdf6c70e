"""InfluxDB's own `/metrics` as points: few figures of a text that grows with its shards to megabytes. Pure.

Format: Prometheus' text exposition format, read by prometheus_client; before that, all lines but those of the names
that are wanted are left out, which is nearly all of the text.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

from telemetry.influxdb_measurements import INFLUXDB
from telemetry.points import FieldValue, Point
from telemetry.schema import FieldType

# (measurement, field) by the name of a sample; all of the same name are added up.
_SUMS: Mapping[str, tuple[str, str]] = {
    "influxdb_uptime_seconds": ("influxdb_server", "uptime_s"),
    "storage_writer_ok_points_sum": ("influxdb_writes", "ok_points"),
    "storage_writer_dropped_points_sum": ("influxdb_writes", "dropped_points"),
    "storage_writer_err_points_sum": ("influxdb_writes", "error_points"),
    "storage_writer_timeouts": ("influxdb_writes", "timeouts"),
    "storage_tsm_files_disk_bytes": ("influxdb_storage", "disk_bytes"),
    "storage_cache_inuse_bytes": ("influxdb_storage", "cache_bytes"),
    "storage_wal_size": ("influxdb_storage", "wal_bytes"),
    "storage_compactions_queued": ("influxdb_storage", "compactions_queued"),
    "storage_shard_write_err_sum": ("influxdb_storage", "write_errors"),
    "storage_shard_write_dropped_sum": ("influxdb_storage", "dropped_values"),
    "qc_executing_active": ("influxdb_queries", "running"),
    "qc_queueing_active": ("influxdb_queries", "queued"),
    "task_executor_total_runs_active": ("influxdb_tasks", "running"),
    "task_executor_promise_queue_usage": ("influxdb_tasks", "queue_usage"),
}
_COUNTED = {"storage_shard_series": ("influxdb_storage", "shards")}  # how many samples there are
# What comes to an end, well or not: its measurement, and the label that says which.
_ENDINGS = {
    "qc_requests_total": ("influxdb_queries", "result"),
    "task_executor_total_runs_complete": ("influxdb_tasks", "status"),
}
_BUCKETS = {"storage_bucket_series_num": "series", "storage_bucket_measurement_num": "measurements"}
_REQUESTS = "http_api_request_duration_seconds"
_PATHS = {"/api/v2/write": "write", "/api/v2/query": "query"}
_WANTED = frozenset((*_SUMS, *_COUNTED, *_ENDINGS, *_BUCKETS, f"{_REQUESTS}_sum", f"{_REQUESTS}_count"))
# What there is no sample of before the first time: then it has not happened.
_AT_LEAST = {
    "influxdb_queries": ("running", "queued", "succeeded", "failed"),
    "influxdb_tasks": ("running", "succeeded", "failed"),
    "influxdb_storage": ("compactions_queued", "write_errors", "dropped_values"),
    "influxdb_writes": ("ok_points", "dropped_points", "error_points", "timeouts"),
}
_WHOLE = frozenset(field.name for one in INFLUXDB for field in one.fields if field.type is FieldType.INTEGER)


@dataclass(slots=True)
class ServerFigures:
    """What one answer of `/metrics` says. `requests` are (seconds, calls) of writes and queries since its start."""

    sums: dict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))
    requests: dict[str, tuple[float, float]] = field(default_factory=dict)
    buckets: dict[str, dict[str, float]] = field(default_factory=lambda: defaultdict(dict))  # by id


def read_metrics(text: bytes) -> ServerFigures:
    """The figures in an answer. Raises ValueError when it is none of InfluxDB's."""
    figures = ServerFigures()
    for name, labels, value in _samples(text):
        if math.isfinite(value):
            _take(figures, name, labels, value)
    if ("influxdb_server", "uptime_s") not in figures.sums:
        raise ValueError("it has no influxdb_uptime_seconds")
    return figures


def _take(figures: ServerFigures, name: str, labels: Mapping[str, str], value: float) -> None:
    if name in _SUMS:
        figures.sums[_SUMS[name]] += value
    elif name in _COUNTED:
        figures.sums[_COUNTED[name]] += 1
    elif name in _ENDINGS:
        measurement, label = _ENDINGS[name]
        figures.sums[measurement, "succeeded" if labels.get(label) == "success" else "failed"] += value
    elif name in _BUCKETS:
        figures.buckets[labels.get("bucket", "")][_BUCKETS[name]] = value
    elif (kind := _PATHS.get(labels.get("path", ""))) is not None:
        seconds, calls = figures.requests.get(kind, (0.0, 0.0))
        is_sum = name.endswith("_sum")
        figures.requests[kind] = (seconds + value, calls) if is_sum else (seconds, calls + value)


def points_of(
    figures: ServerFigures, before: ServerFigures | None, names: Mapping[str, str], host: str, time: int
) -> Iterator[Point]:
    """The points of a sample at `time` (ns); `names` are our buckets by id, `before` is the previous sample."""
    fields: dict[str, dict[str, FieldValue]] = defaultdict(dict)
    for measurement, wanted in _AT_LEAST.items():
        for name in wanted:
            fields[measurement][name] = _value(name, 0.0)
    for (measurement, name), value in figures.sums.items():
        fields[measurement][name] = _value(name, value)
    for kind, calls in (("write", "writes"), ("query", "queries")):
        seconds, count = figures.requests.get(kind, (0.0, 0.0))
        fields["influxdb_server"][calls] = int(count)
        earlier = before.requests.get(kind, (0.0, 0.0)) if before is not None else None
        if earlier is not None and count > earlier[1]:
            fields["influxdb_server"][f"{kind}_ms"] = 1_000 * (seconds - earlier[0]) / (count - earlier[1])
    for measurement, values in fields.items():
        yield Point.of(measurement, {"host": host}, values, time)
    for identifier, sizes in figures.buckets.items():
        if identifier in names:
            yield Point.of("influxdb_bucket", {"host": host, "bucket": names[identifier]}, dict(sizes), time)


def _samples(text: bytes) -> Iterator[tuple[str, Mapping[str, str], float]]:
    lines = [
        line
        for line in text.decode("utf-8", "replace").splitlines()
        if line.partition("{")[0].partition(" ")[0] in _WANTED
    ]
    for family in text_string_to_metric_families("\n".join(lines) + "\n"):
        for sample in family.samples:
            yield sample.name, sample.labels, sample.value


def _value(name: str, value: float) -> FieldValue:
    return int(value) if name in _WHOLE else float(value)
