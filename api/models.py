"""The shapes of answers, as the OpenAPI document publishes them. Pure."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from telemetry.quarantine import MAX_LISTED

StateWord = Literal["up", "degraded", "down", "unknown"]


class Answer(BaseModel):
    """Frozen, and without fields that nobody documented."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Liveness(Answer):
    status: Literal["ok"] = Field(description="The process answers; nothing else is implied.")


class Readiness(Answer):
    status: Literal["ready", "not_ready"]
    reasons: list[str] = Field(description="Codes of what is missing; empty when ready.")


class ProbeAnswer(Answer):
    name: str
    kind: str
    status: StateWord = Field(description="Confirmed, after failure_threshold and success_threshold.")
    outcome: str | None = Field(description="How the newest attempt ended; null before the first.")
    latency_ms: float | None
    message: str
    last_attempt: str | None = Field(description="RFC 3339, UTC.")
    next_attempt: str | None
    certificate_days_left: float | None


class ServiceAnswer(Answer):
    name: str
    status: StateWord = Field(description="The worst of its probes, in the order down, unknown, degraded, up.")
    maintenance: bool
    since: str | None
    labels: dict[str, str]
    depends_on: list[str]
    probes: list[ProbeAnswer]
    uptime_24h: float | None = Field(
        description="(up + degraded) / (up + degraded + down) from 0 to 1; null: not known."
    )
    unknown_24h: float | None = Field(description="The share of the last 24 hours that is not known.")


class ServicesAnswer(Answer):
    services: list[ServiceAnswer]


class ServiceStatusAnswer(Answer):
    """R103, R155: how the watched services stand."""

    status: StateWord = Field(description="The worst of all services.")
    up: int
    degraded: int
    down: int
    unknown: int
    services: dict[str, StateWord]


class EventStatsAnswer(Answer):
    """R104, R155: what the watched services process. Null until an application reports (a later version)."""

    events_processed: int | None
    events_per_second: float | None
    error_rate: float | None = Field(description="A fraction from 0 to 1.")
    probe_attempts_per_minute: float | None = Field(description="What OpsWatch itself asked, over the last 5 minutes.")


class MissingAnswer(Answer):
    """A period whose measurements are lost, at most."""

    start: str | None = Field(description="null: from whenever on.")
    stop: str
    reason: str
    file: str = Field(description="What was set aside, in the data directory.")


class StoreLevelAnswer(Answer):
    """How far a rolled-up level is."""

    level: str
    until: str | None = Field(description="Every window that begins before is made; null while there is none.")
    behind_seconds: float
    missed_windows: int = Field(description="Due, and not made yet.")
    late_windows: int = Field(description="To be made again, because samples came late.")


class StoreAnswer(Answer):
    """R68: how the store stands, and how long it takes."""

    kind: str
    address: str | None = Field(description="Where the server is; null where the store is a file of OpsWatch.")
    version: str | None = Field(description="What the server says that it is.")
    canary_ms: float | None = Field(
        description="How long a point took, of the last minute, to be written and read back; null when it did not come."
    )
    longest_write_ms: float | None = Field(description="In the ten seconds before the newest sample.")
    longest_query_ms: float | None = Field(description="In the ten seconds before the newest sample.")
    levels: list[StoreLevelAnswer]
    series: int | None = Field(description="null: the store does not say.")
    file_bytes: int | None = Field(description="null: the store does not say.")
    notes: list[str] = Field(description="What is odd with the store, in sentences.")
    missing: list[MissingAnswer]


class SpoolAnswer(Answer):
    pending_batches: int
    oldest_seconds: float
    catch_up_seconds: float | None = Field(
        description="Until nothing waits, at the pace of now; null when nothing does, or when it does not become less."
    )
    dropped_points: int
    trouble: str = Field(description="Why the store takes no points; empty when it does.")


class ConnectionStatusAnswer(Answer):
    """R105, R155: what OpsWatch itself depends on."""

    status: Literal["healthy", "degraded"]
    store: StoreAnswer
    spool: SpoolAnswer


class SystemMetricsAnswer(Answer):
    """R106, R108-R112, R156: this host. Null where there is no sample of the last minutes."""

    cpu_usage_percent: float | None
    memory_usage_mb: float | None = Field(description="In units of 10^6 bytes.")
    disk_usage_percent: float | None = Field(description="The fullest watched mount.")
    network_io_bytes: int | None = Field(description="Sent plus received since boot, without loopback.")
    log_rotation_status: Literal["healthy", "warning", "critical"]


class SystemHealthAnswer(Answer):
    """The story's SystemHealth (R103-R112)."""

    service_status: ServiceStatusAnswer
    event_stats: EventStatsAnswer
    connection_status: ConnectionStatusAnswer
    system_metrics: SystemMetricsAnswer
    last_updated: str
    age_seconds: float = Field(description="How old this answer is: it is computed at most every few seconds.")


class FieldAnswer(Answer):
    name: str
    type: Literal["float", "integer", "text"]
    kind: str
    unit: str
    description: str


class MeasurementAnswer(Answer):
    name: str
    measurement_class: str = Field(serialization_alias="class")
    description: str
    tags: list[str]
    fields: list[FieldAnswer]
    histograms: list[str] = Field(description="What has a histogram: ask for q of it, at any age.")


class SchemaAnswer(Answer):
    measurements: list[MeasurementAnswer]


class OneSeries(Answer):
    tags: dict[str, str]
    field: str
    fn: str | None
    time: list[int] | None = Field(default=None, description="Milliseconds; only without every.")
    values: list[float | int | str | None]


class LevelAnswer(Answer):
    """A stretch of time that was read from one level."""

    level: str
    start: str
    stop: str


class ValuesAnswer(Answer):
    start: str
    stop: str
    values: list[str]


class SeriesAnswer(Answer):
    start: str
    stop: str
    step_ms: int | None
    level: str = Field(description="raw, 5m or 1h: the coarsest level that was read.")
    levels: list[LevelAnswer] = Field(description="Which level was read for which stretch, oldest first.")
    time: list[int] | None = Field(
        default=None, description="Milliseconds at which the windows start; only with every."
    )
    series: list[OneSeries]
    warnings: list[str]


RoleWord = Literal["viewer", "operator", "admin"]


class TokenRequest(BaseModel):
    """What a new token is to be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=100, description="What it is for; unique among those that are good.")
    role: RoleWord = "viewer"
    expires: str | None = Field(
        default=None, max_length=40, description="For how long it is good, as 30d; else until revoked."
    )


class TokenAnswer(Answer):
    """A token as it is kept: never its value."""

    name: str
    role: RoleWord
    prefix: str = Field(description="Its first characters, to recognise it by.")
    created: str
    expires: str | None
    last_used: str | None = Field(description="Noted at most once a minute.")
    revoked: str | None


class NewTokenAnswer(Answer):
    name: str
    token: str = Field(description="Shown this once; only its SHA-256 is kept.")


class TokensAnswer(Answer):
    tokens: list[TokenAnswer]


class ErrorDetail(Answer):
    code: str
    message: str
    field: str | None
    value: str | int | float | bool | None


class ErrorAnswer(Answer):
    error: ErrorDetail


class PointAnswer(Answer):
    measurement: str
    tags: dict[str, str]
    fields: dict[str, float | int | str] = Field(description="NaN and infinities as text.")
    time: str = Field(description="RFC 3339, UTC; a whole number of nanoseconds where no calendar reaches.")


class QuarantinedItemAnswer(Answer):
    id: str
    time: str | None = Field(description="When it was refused last.")
    source: str = Field(description="Who refused it: push, spool or store.")
    reason: str
    bytes: int = Field(description="What it takes on the disk.")
    point: PointAnswer | None = Field(
        description="Null for what is no point, and in lists for a very large one: ask for it by its id."
    )


class SetAsideAnswer(Answer):
    """A file that could not be opened and was renamed, never deleted."""

    path: str
    bytes: int
    time: str


class QuarantineAnswer(Answer):
    items: list[QuarantinedItemAnswer] = Field(description="The newest first.")
    next_cursor: str | None = Field(description="Where the next page begins; null at the end.")
    count: int = Field(description="Of all items, whatever was asked for.")
    bytes: int
    unkept: int = Field(description="Refused since start and only counted, because there was no room to keep them.")
    files: list[SetAsideAnswer]


class ReplayRequest(BaseModel):
    """Which items are to be replayed: all that fit, a page at a time, the newest first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: Literal["push", "spool", "store"] | None = Field(default=None, description="Only what this refused.")
    measurement: str | None = Field(default=None, max_length=4_096)
    limit: int = Field(default=MAX_LISTED, ge=1, le=MAX_LISTED)
    cursor: str | None = Field(default=None, max_length=40, description="next_cursor of the answer before")


class ReplayAnswer(Answer):
    replayed: int = Field(description="Items that the store has taken; they are gone from the list.")
    refused: int = Field(description="Items that were refused again; they stay, with their new reasons.")
    reasons: list[str] = Field(description="Some of those reasons.")
    next_cursor: str | None = Field(description="Where the next page begins; null at the end.")
