"""What an InfluxDB must hold to be ours: buckets, and tokens that may do no more than they must. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from influx.settings import InfluxSettings
from telemetry.rollup import FIVE_MINUTES, ONE_HOUR, Retention
from telemetry.schema import MeasurementClass
from telemetry.times import format_duration

FOR_EVER = 0  # as a retention, in seconds: InfluxDB writes it so
_LONGEST = 292 * 365 * 86_400  # seconds; beyond it InfluxDB's nanoseconds run over, and the bucket keeps nothing
_DAY = timedelta(days=1)


class Action(StrEnum):
    """What a right allows, in InfluxDB's words."""

    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class Right:
    """What may be done with one bucket, by its name."""

    action: Action
    bucket: str


@dataclass(frozen=True, slots=True)
class Bucket:
    """What a bucket is called, how long it keeps its points (FOR_EVER has no end) and how much time is in a file of it.

    Both in seconds.
    """

    name: str
    retention: int
    shard: int


@dataclass(frozen=True, slots=True)
class Token:
    """A token that must exist: `name` among ours, `description` in InfluxDB, by which it is found again."""

    name: str
    description: str
    rights: frozenset[Right]


@dataclass(frozen=True, slots=True)
class Blueprint:
    """Everything that must be there in one organisation."""

    org: str
    buckets: tuple[Bucket, ...]
    tokens: tuple[Token, ...]


OWN_TOKEN, GRAFANA_TOKEN = "opswatch", "grafana"


def blueprint(settings: InfluxSettings, retention: Retention) -> Blueprint:
    """What the settings ask for: levels, events and our own (design.md 4), and who may read and write them."""
    shards = (
        (settings.bucket(MeasurementClass.METRICS), retention.raw, _DAY),
        (settings.level_bucket(FIVE_MINUTES), retention.five_minutes, 7 * _DAY),
        (settings.level_bucket(ONE_HOUR), retention.one_hour, 30 * _DAY),
        (settings.bucket(MeasurementClass.EVENTS), retention.events, 30 * _DAY),
        (settings.bucket(MeasurementClass.SELF), retention.own, _DAY),
    )
    buckets = tuple(_bucket(*one) for one in shards)
    reads, writes = (frozenset(Right(action, one.name) for one in buckets) for action in Action)
    prefix = settings.bucket_prefix
    tokens = (
        Token(OWN_TOKEN, f"OpsWatch {prefix}: reads and writes its buckets", reads | writes),
        Token(GRAFANA_TOKEN, f"OpsWatch {prefix}: Grafana reads its buckets", reads),
    )
    return Blueprint(settings.org, buckets, tokens)


def _bucket(name: str, kept: timedelta, shard: timedelta) -> Bucket:
    seconds = math.ceil(kept.total_seconds())
    retention = seconds if seconds <= _LONGEST else FOR_EVER
    # InfluxDB refuses a shard that is longer than what is kept.
    longest = retention or _LONGEST
    return Bucket(name, retention, min(int(shard.total_seconds()), longest))


def kept_words(retention: int) -> str:
    """A retention as people read it."""
    return "for ever" if retention == FOR_EVER else format_duration(timedelta(seconds=retention))
