"""How long the buckets keep what is in them. Shell."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from influx.connection import InfluxConnection
from influx.settings import InfluxSettings
from telemetry.rollup import LEVELS, Retention
from telemetry.schema import MeasurementClass
from telemetry.times import format_duration


def wanted_retentions(settings: InfluxSettings, retention: Retention) -> dict[str, timedelta]:
    """How long each bucket is to keep what is in it, by its name."""
    levels = {settings.level_bucket(level): retention.of_level(level.name) for level in LEVELS}
    return {settings.bucket(one): retention.of_class(one) for one in MeasurementClass} | levels


@dataclass(frozen=True, slots=True)
class FoundBucket:
    """A bucket of ours. `retention` None is for ever."""

    id: str
    retention: timedelta | None


async def read_buckets(connection: InfluxConnection) -> dict[str, FoundBucket]:
    """Ours by name. What the token may not know is left out. Raises StoreUnavailable."""
    settings, found = connection.settings, {}
    names = list(wanted_retentions(settings, Retention()))
    asked = ({"org": settings.org, "name": name} for name in names)
    answers = await asyncio.gather(*(connection.ask("GET", "/api/v2/buckets", parameters) for parameters in asked))
    for name, answer in zip(names, answers, strict=True):
        for one in _found(answer.body) if answer.status == 200 else ():
            found[name] = one
    return found


def _found(body: bytes) -> Iterator[FoundBucket]:
    """Of the one bucket that was asked for, if it is there; 0 is for ever."""
    try:
        buckets: Any = json.loads(body)["buckets"]
        if len(buckets) == 1:
            rules = buckets[0]["retentionRules"]
            seconds = int(rules[0]["everySeconds"]) if rules else 0
            yield FoundBucket(str(buckets[0]["id"]), timedelta(seconds=seconds) if seconds else None)
    except (ValueError, KeyError, TypeError, LookupError, OverflowError):
        return  # it is no answer of InfluxDB; others say so


def retention_notes(found: Mapping[str, FoundBucket], wanted: Mapping[str, timedelta]) -> Iterator[str]:
    """A sentence for each bucket that keeps less than the configuration says."""
    for bucket, one in found.items():
        kept, asked = one.retention, wanted[bucket]
        if kept is not None and kept < asked:
            yield (
                f"the bucket {bucket} keeps {format_duration(kept)}, and storage.retention says"
                f" {format_duration(asked)} (`opswatch provision apply` lengthens it, and so does"
                f" `influx bucket update --id ID --retention {format_duration(asked)}`;"
                " or write the shorter one into the configuration)"
            )
