"""The built-in measurements, as the registry holds them. Pure."""

from __future__ import annotations

from telemetry.histogram import BOUNDS, bucket_field
from telemetry.influxdb_measurements import INFLUXDB
from telemetry.schema import Field, FieldKind, FieldType, Measurement, MeasurementClass, Registry
from telemetry.telling_measurements import TELLING


def _gauge(name: str, unit: str, description: str = "") -> Field:
    return Field(name, FieldType.FLOAT, FieldKind.GAUGE, unit, description)


def _amount(name: str, unit: str = "bytes", description: str = "") -> Field:
    return Field(name, FieldType.INTEGER, FieldKind.GAUGE, unit, description)


def _counter(name: str, unit: str = "1", description: str = "") -> Field:
    return Field(name, FieldType.INTEGER, FieldKind.COUNTER, unit, description)


def _state(name: str, description: str) -> Field:
    return Field(name, FieldType.INTEGER, FieldKind.STATE, "1", description)


def _seconds_in(name: str, description: str) -> Field:
    return Field(name, FieldType.FLOAT, FieldKind.DURATION, "s", description)


def _buckets(name: str, unit: str) -> tuple[Field, ...]:
    return tuple(
        Field(
            bucket_field(name, bound),
            FieldType.INTEGER,
            FieldKind.HISTOGRAM,
            "1",
            f"values of {name} up to {bound:g} {unit}",
            name,
            bound,
        )
        for bound in BOUNDS
    )


_METRICS, _SELF = MeasurementClass.METRICS, MeasurementClass.SELF

CPU = Measurement(
    "cpu",
    _METRICS,
    ("cpu", "host"),
    (
        _gauge("usage_active", "percent", "everything but idle, as Telegraf counts it"),
        *(
            _gauge(f"usage_{mode}", "percent")
            for mode in ("user", "system", "idle", "nice", "iowait", "irq", "softirq", "steal", "guest", "guest_nice")
        ),
    ),
    50_000,
    "Share of CPU time per mode since the previous sample; the tag cpu is cpu-total or cpu0, cpu1, ...",
)
MEM = Measurement(
    "mem",
    _METRICS,
    ("host",),
    (
        *(
            _amount(name)
            for name in (
                "total",
                "available",
                "used",
                "free",
                "active",
                "inactive",
                "buffered",
                "cached",
                "shared",
                "slab",
            )
        ),
        _gauge("used_percent", "percent"),
        _gauge("available_percent", "percent"),
    ),
    1_000,
    "Memory of the host",
)
SWAP = Measurement(
    "swap",
    _METRICS,
    ("host",),
    (
        _amount("total"),
        _amount("used"),
        _amount("free"),
        _gauge("used_percent", "percent"),
        _counter("in", "bytes", "swapped in since boot"),
        _counter("out", "bytes", "swapped out since boot"),
    ),
    1_000,
    "Swap space of the host",
)
DISK = Measurement(
    "disk",
    _METRICS,
    ("device", "fstype", "host", "mode", "path"),
    (
        _amount("total"),
        _amount("free"),
        _amount("used"),
        _gauge("used_percent", "percent", "of what users can use, as df counts"),
        _amount("inodes_total", "1"),
        _amount("inodes_free", "1"),
        _amount("inodes_used", "1"),
        _gauge("inodes_used_percent", "percent"),
    ),
    20_000,
    "Space and inodes of each mounted filesystem",
)
NET = Measurement(
    "net",
    _METRICS,
    ("host", "interface"),
    tuple(
        _counter(name, "bytes" if name.startswith("bytes") else "1")
        for name in (
            "bytes_sent",
            "bytes_recv",
            "packets_sent",
            "packets_recv",
            "err_in",
            "err_out",
            "drop_in",
            "drop_out",
        )
    ),
    20_000,
    "Traffic of each network interface since boot",
)
SYSTEM = Measurement(
    "system",
    _METRICS,
    ("host",),
    (
        _gauge("load1", "1"),
        _gauge("load5", "1"),
        _gauge("load15", "1"),
        _amount("n_cpus", "1"),
        _amount("n_users", "1"),
        _amount("uptime", "s"),
    ),
    1_000,
    "Load averages, processors, users and uptime of the host",
)
CGROUP = Measurement(
    "cgroup",
    _METRICS,
    ("host",),
    (
        _gauge("cpu_limit_cores", "1", "processors that this container may use"),
        _gauge("cpu_used_percent", "percent", "of the limit, since the previous sample"),
        _counter("throttled_usec", "us", "time that the container was held back for its limit"),
        _amount("memory_limit_bytes"),
        _amount("memory_used_bytes", description="without the page cache that can be reclaimed"),
        _gauge("memory_used_percent", "percent", "of the limit"),
    ),
    1_000,
    "The limits of the container that OpsWatch itself runs in, where there are any",
)
PROBE = Measurement(
    "probe",
    _METRICS,
    ("host", "kind", "probe", "service"),
    (
        # No state: its mean is the share of attempts that succeeded, of years as of minutes.
        _amount("up", "1", "of the attempt: 1 for up and degraded, 0 for down; absent when unknown"),
        _state("outcome", "how the attempt ended: the numbers of the documented enum"),
        _gauge("latency_ms", "ms", "from the start to the last byte read"),
        *(
            _gauge(f"{phase}_ms", "ms", description)
            for phase, description in (
                ("dns", "resolving the name"),
                ("connect", "opening the TCP connection"),
                ("tls", "the TLS handshake"),
                ("first_byte", "from the request to the first byte of the answer"),
                ("transfer", "reading the rest"),
            )
        ),
        _amount("code", "1", "the protocol's status, as 200"),
        _gauge("cert_days_left", "days", "until the certificate ends"),
        Field("message", FieldType.TEXT, FieldKind.TEXT, "", "why the outcome is not ok, for people"),
        _state("state", "confirmed: 0 down, 1 degraded, 2 up, 3 unknown"),
        _state("streak", "attempts in a row that argue against the confirmed state"),
        *(_seconds_in(f"{word}_s", f"seconds accounted as {word}") for word in ("up", "degraded", "down", "unknown")),
        *_buckets("latency_ms", "ms"),
    ),
    50_000,
    "One attempt of one probe, with the confirmed state after it",
)
APP = Measurement(
    "app",
    _METRICS,
    ("instance", "service"),
    (
        _counter("events", "1", "events processed since start"),
        _counter("errors", "1", "events that failed since start"),
        Field("latency_ms_sum", FieldType.FLOAT, FieldKind.DURATION, "ms", "of the events since the previous point"),
        Field("latency_ms_count", FieldType.INTEGER, FieldKind.DURATION, "1", "events since the previous point"),
        *_buckets("latency_ms", "ms"),
    ),
    10_000,
    "What a service says of its own work",
)
APP_ERRORS = Measurement(
    "app_errors",
    _METRICS,
    ("kind", "service"),
    (_counter("errors", "1", "failures of this kind since start"),),
    10_000,
    "Failures that a service counts, by kind",
)
OPSWATCH_ROLLUP = Measurement(
    "opswatch_rollup",
    _SELF,
    ("host", "level"),
    (
        _gauge("lag_s", "s", "how far the level is behind the clock"),
        _amount("missed_windows", "1", "windows that are due and not made yet"),
        _amount("late_windows", "1", "windows that late samples touched and that are to be made again"),
        _counter("made_windows", "1", "windows made since start, those made again included"),
        _counter("failures", "1", "runs that failed since start"),
    ),
    1_000,
    "The rollups of the store, by level",
)
OPSWATCH_PROCESS = Measurement(
    "opswatch_process",
    _SELF,
    ("host",),
    (
        _gauge("cpu_percent", "percent", "of one core"),
        _amount("rss_bytes"),
        _amount("open_files", "1"),
        _amount("threads", "1"),
        _gauge("loop_lag_ms", "ms", "the longest wait of the event loop since the previous sample"),
    ),
    1_000,
    "OpsWatch's own process",
)
OPSWATCH_COLLECTOR = Measurement(
    "opswatch_collector",
    _SELF,
    ("host",),
    (
        _counter("attempts", "1", "probe attempts since start"),
        _counter("points_rejected", "1", "points that the registry refused since start"),
        _gauge("late_ms", "ms", "the latest start of a probe since the previous sample"),
        _amount("running", "1", "attempts under way"),
        _counter("skipped", "1", "runs skipped because the one before was still under way"),
    ),
    1_000,
    "The collector at work",
)
OPSWATCH_SPOOL = Measurement(
    "opswatch_spool",
    _SELF,
    ("host",),
    (
        _amount("pending_batches", "1"),
        _amount("pending_bytes"),
        _gauge("oldest_s", "s", "age of the oldest batch that the store has not taken"),
        _counter("acknowledged_points", "1"),
        _counter("delivered_points", "1"),
        _counter("dropped_points", "1", "lost to the caps on bytes and age"),
        _counter("refused_points", "1", "gone to quarantine"),
    ),
    1_000,
    "The buffer on disk between collector and store",
)
OPSWATCH_STORE = Measurement(
    "opswatch_store",
    _SELF,
    ("host", "kind"),
    (
        _gauge("write_ms", "ms", "the longest commit since the previous sample"),
        _gauge("read_ms", "ms", "the longest query since the previous sample"),
        _counter("written_values", "1"),
        _counter("queries", "1"),
        _amount("series", "1"),
        _amount("file_bytes"),
        _amount("disk_free_bytes", "bytes", "room for us on the filesystem of the data directory"),
        _amount("disk_reserve_bytes", "bytes", "below this much room, work that can wait is refused"),
        _counter("disk_refusals", "1", "what was refused since start because the disk was low"),
    ),
    1_000,
    "The store at work",
)

OPSWATCH_CANARY = Measurement(
    "opswatch_canary",
    _SELF,
    ("host",),
    (_amount("number", "1", "what is looked for when the point is read back"),),
    1_000,
    "Points that are written only to be read back, which shows that the store keeps what it takes",
)

OPSWATCH_ALERTING = Measurement(
    "opswatch_alerting",
    _SELF,
    ("host",),
    (
        _amount("rules", "1", "rules in force"),
        _counter("evaluations", "1", "since start"),
        _counter("failures", "1", "evaluations whose findings could not be kept"),
        _counter("queries", "1", "that rules asked of the store"),
        _counter("transitions", "1", "of alerts"),
        _gauge("took_ms", "ms", "the newest evaluation of all rules that were due"),
        _amount("firing", "1", "alerts that fire or recover"),
        _amount("pending", "1", "alerts whose breach has not lasted long enough"),
        _amount("unknown", "1", "alerts of which nothing is known"),
    ),
    1_000,
    "The evaluation of rules",
)

OPSWATCH_TROUBLE = Measurement(
    "opswatch_trouble",
    _SELF,
    ("host", "kind", "subject"),
    (
        _state("active", "1 while it lasts, 0 where it does not"),
        Field("reason", FieldType.TEXT, FieldKind.TEXT, "", "what is wrong, for people"),
    ),
    1_000,
    "What OpsWatch finds wrong with itself, for rules to alert on: kind `rollup_late`, subject the level",
)

ALERT = Measurement(
    "alert",
    MeasurementClass.EVENTS,
    ("alert", "rule", "service", "severity"),
    (
        _state("state", "after it: 0 inactive, 1 pending, 2 firing, 3 recovering, 4 unknown"),
        _gauge("value", "1", "what the rule read, in the unit of its field"),
        _amount("incident", "1", "the number of the incident that it belongs to"),
        Field("message", FieldType.TEXT, FieldKind.TEXT, "", "what kind of transition it was, and why"),
    ),
    50_000,
    "Transitions of alerts, each once",
)

BUILT_IN = Registry(
    (
        CPU,
        MEM,
        SWAP,
        DISK,
        NET,
        SYSTEM,
        CGROUP,
        PROBE,
        APP,
        APP_ERRORS,
        ALERT,
        OPSWATCH_PROCESS,
        OPSWATCH_COLLECTOR,
        OPSWATCH_SPOOL,
        OPSWATCH_STORE,
        OPSWATCH_ROLLUP,
        OPSWATCH_CANARY,
        OPSWATCH_ALERTING,
        *TELLING,
        OPSWATCH_TROUBLE,
        *INFLUXDB,
    )
)
