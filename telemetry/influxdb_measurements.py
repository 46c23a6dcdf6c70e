"""What InfluxDB says of itself, as measurements of ours. Pure.

The figures are those of its `/metrics` (InfluxDB 2.9.1), which the server adds up since its start; of shards, of which
there are many, the sum. `host` is whoever asked.
"""

from __future__ import annotations

from telemetry.schema import Field, FieldKind, FieldType, Measurement, MeasurementClass


def _gauge(name: str, unit: str, description: str) -> Field:
    return Field(name, FieldType.FLOAT, FieldKind.GAUGE, unit, description)


def _counter(name: str, unit: str, description: str) -> Field:
    return Field(name, FieldType.INTEGER, FieldKind.COUNTER, unit, description)


def _of(name: str, fields: tuple[Field, ...], description: str, *tags: str) -> Measurement:
    return Measurement(name, MeasurementClass.SELF, tuple(sorted((*tags, "host"))), fields, 1_000, description)


INFLUXDB_SERVER = _of(
    "influxdb_server",
    (
        _gauge("uptime_s", "s", "since it was started"),
        _gauge("write_ms", "ms", "that it took for a write, on average since the previous sample"),
        _gauge("query_ms", "ms", "that it took for a query, on average since the previous sample"),
        _counter("writes", "1", "calls to write"),
        _counter("queries", "1", "calls to query"),
    ),
    "InfluxDB, by its own word",
)
INFLUXDB_WRITES = _of(
    "influxdb_writes",
    (
        _counter("ok_points", "1", "points that it stored"),
        _counter("dropped_points", "1", "points that it refused or that are too old"),
        _counter("error_points", "1", "points of writes that failed"),
        _counter("timeouts", "1", "writes that took too long"),
    ),
    "What InfluxDB made of the points that it was sent",
)
INFLUXDB_STORAGE = _of(
    "influxdb_storage",
    (
        _gauge("disk_bytes", "bytes", "of all files with points"),
        _gauge("cache_bytes", "bytes", "in memory, not in such a file yet"),
        _gauge("wal_bytes", "bytes", "of the write-ahead logs"),
        _gauge("compactions_queued", "1", "compactions that wait"),
        _gauge("shards", "1", "files of points by time"),
        _counter("write_errors", "1", "writes of shards that failed"),
        _counter("dropped_values", "1", "values that shards refused"),
    ),
    "InfluxDB's storage, over all buckets",
)
INFLUXDB_QUERIES = _of(
    "influxdb_queries",
    (
        _gauge("running", "1", "queries that it works at"),
        _gauge("queued", "1", "queries that wait"),
        _counter("succeeded", "1", "queries that were answered"),
        _counter("failed", "1", "queries that were not"),
    ),
    "InfluxDB's queries, those of its tasks among them",
)
INFLUXDB_TASKS = _of(
    "influxdb_tasks",
    (
        _gauge("running", "1", "runs of tasks"),
        _gauge("queue_usage", "share", "of the places for runs that wait"),
        _counter("succeeded", "1", "runs that came to their end"),
        _counter("failed", "1", "runs that did not"),
    ),
    "InfluxDB's tasks",
)
INFLUXDB_BUCKET = _of(
    "influxdb_bucket",
    (
        _gauge("series", "1", "tag sets of all its measurements"),
        _gauge("measurements", "1", "how many there are"),
        _gauge("budget", "1", "tag sets that the measurements may have together"),
    ),
    "One of OpsWatch's buckets, as it was ten seconds ago",
    "bucket",
)
INFLUXDB = (
    INFLUXDB_SERVER,
    INFLUXDB_WRITES,
    INFLUXDB_STORAGE,
    INFLUXDB_QUERIES,
    INFLUXDB_TASKS,
    INFLUXDB_BUCKET,
)
