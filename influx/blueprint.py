"""What an InfluxDB must hold to be ours: buckets, tokens with few rights, tasks, dashboards. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from influx.rollup_tasks import rollup_tasks
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
class Task:
    """A task that must run. `description` is by which it is known as ours: names are not unique in InfluxDB."""

    name: str
    description: str
    flux: str


@dataclass(frozen=True, slots=True)
class Stack:
    """Dashboards, variables and labels that are made, kept and removed together: objects of InfluxDB's templates.

    `objects` is empty where none of them should be there.
    """

    name: str
    objects: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Blueprint:
    """Everything that must be there in one organisation. `stack` None: what is there of it is nobody's business."""

    org: str
    buckets: tuple[Bucket, ...]
    tokens: tuple[Token, ...]
    tasks: tuple[Task, ...] = ()
    stack: Stack | None = None


OWN_TOKEN, GRAFANA_TOKEN = "opswatch", "grafana"


def blueprint(
    settings: InfluxSettings, retention: Retention, objects: Sequence[Mapping[str, Any]] | None = None
) -> Blueprint:
    """What the settings ask for: levels, events and our own (design.md 4), who may read and write them, what makes the
    levels, and the dashboards, which are `objects` of a template; none are to be there where these are empty."""
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
    tasks = tuple(
        Task(
            task.name, f"OpsWatch {prefix}: makes the level {task.level.name}; `opswatch provision` keeps it", task.flux
        )
        for task in rollup_tasks(settings)
    )
    stack = None if objects is None else Stack(f"OpsWatch {prefix}", tuple(objects))
    return Blueprint(settings.org, buckets, tokens, tasks, stack)


def _bucket(name: str, kept: timedelta, shard: timedelta) -> Bucket:
    seconds = math.ceil(kept.total_seconds())
    retention = seconds if seconds <= _LONGEST else FOR_EVER
    # InfluxDB refuses a shard that is longer than what is kept.
    longest = retention or _LONGEST
    return Bucket(name, retention, min(int(shard.total_seconds()), longest))


def kept_words(retention: int) -> str:
    """A retention as people read it."""
    return "for ever" if retention == FOR_EVER else format_duration(timedelta(seconds=retention))
