"""What an InfluxDB must be for OpsWatch, and what is wrong with the one that was named. Shell."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from influx import advice
from influx.canary import ask_small, query_trouble
from influx.connection import InfluxConnection
from influx.http_answers import Answer, shown
from influx.write_answers import Asked, Closed, Later, Taken, meaning
from telemetry.clock import Clock
from telemetry.errors import StoreUnavailable
from telemetry.rollup import LEVELS, Retention
from telemetry.schema import MeasurementClass
from telemetry.times import format_duration

MAX_SKEW = 5.0  # seconds between the server's clock and ours
_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")
_STOPS_COMPACTING = (2, 9, 0)
# Nothing of what is stored comes back: it is hostile text, and may be much.
_READ = 'from(bucket: p_bucket) |> range(start: -1m) |> last() |> keep(columns: ["_start"]) |> limit(n: 1)'


@dataclass(frozen=True, slots=True)
class Examination:
    """Each fault and each warning is a sentence with a way out. `version` is what the server says, often `dev`.

    `is_another` when it is another product, or another generation of it, which will never be right.
    """

    version: str = ""
    faults: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    is_another: bool = False


async def examine(connection: InfluxConnection, clock: Clock, retention: Retention) -> Examination:
    """Ask the server who it is, and whether each bucket can be written and read. Nothing is stored.

    `retention` is how long a bucket that is missing should keep what goes into it.
    """
    url = connection.settings.url
    before = clock.now()
    try:
        answer = await connection.ask("GET", "/ping")
        after = clock.now()
        version = answer.headers.get("x-influxdb-version", "")
        if fault := wrong_server(answer, url):
            # A proxy before a server that is away says so with a 5xx, and that passes.
            return Examination(version, (fault,), is_another=answer.status < HTTPStatus.INTERNAL_SERVER_ERROR)
        # At once: a server that takes a second for each answer is not to look like one that gives none.
        buckets = {connection.settings.bucket(one): retention.of_class(one) for one in MeasurementClass}
        faults = await asyncio.gather(*(_fault(connection, name, kept, after) for name, kept in buckets.items()))
        levels = await _level_warnings(connection, retention, after) if not any(faults) else ()
    except StoreUnavailable as error:
        return Examination("", (error.message,))
    warnings = (_version_warning(version, url), _clock_warning(answer, before, after, url), *levels)
    # Of a wrong token every bucket says the same.
    return Examination(version, tuple(dict.fromkeys(filter(None, faults))), tuple(filter(None, warnings)))


def wrong_server(answer: Answer, url: str) -> str:
    """What is wrong with whoever gave this answer to `/ping`; empty for an InfluxDB 2."""
    version = answer.headers.get("x-influxdb-version")
    if version is None and (location := answer.headers.get("location")) is not None:
        return f"at {url}: " + advice.moved(shown(location.encode("utf-8", "replace")))
    if version is None:
        return f"at {url}: " + advice.no_influxdb(f"{answer.status} {answer.text}".strip())
    found = _VERSION.match(version)
    if found is None or found[1] == "2":  # one that somebody built says `dev`
        return ""
    return (
        f"at {url} is InfluxDB {version.removeprefix('v')}, and OpsWatch needs InfluxDB 2: it asks in Flux, which"
        " others do not answer or answer otherwise (the image influxdb:2.9.1 is one; `latest` is not)"
    )


async def _level_warnings(connection: InfluxConnection, retention: Retention, now: datetime) -> Sequence[str]:
    """What is wrong with the buckets of the levels; what is measured is stored without them."""
    buckets = {connection.settings.level_bucket(level): retention.of_level(level.name) for level in LEVELS}
    found = await asyncio.gather(*(_fault(connection, name, kept, now) for name, kept in buckets.items()))
    return [f"nothing is kept beyond the samples: {fault}" for fault in found if fault]


async def _fault(connection: InfluxConnection, bucket: str, kept: timedelta, now: datetime) -> str:
    """What is wrong with a bucket, which should be kept so long; empty when nothing is."""
    org = connection.settings.org
    answer = await connection.write(bucket, b"", is_gzip=False)
    said = meaning(answer.status, answer.headers, answer.body, Asked(bucket, org, ()), now)
    if isinstance(said, Closed):
        is_missing = said.reason == advice.no_bucket(bucket, org)
        return advice.no_bucket(bucket, org, format_duration(kept)) if is_missing else said.reason
    if not isinstance(said, Taken):
        said_so = said.reason if isinstance(said, Later) else f"{answer.status} {answer.text}"
        return f"the bucket {bucket} cannot be written at the moment: {said_so}"
    trouble = query_trouble(await ask_small(connection, _READ, {"p_bucket": bucket}), bucket, org)
    return trouble.message if trouble is not None else ""


def _version_warning(version: str, url: str) -> str:
    found = _VERSION.match(version)
    if found is None or tuple(map(int, found.groups())) != _STOPS_COMPACTING:
        return ""
    return f"InfluxDB at {url} is 2.9.0, which can stop compacting its files (use 2.9.1)"


def _clock_warning(answer: Answer, before: datetime, after: datetime, url: str) -> str:
    """`before` and `after` are when it was asked and had answered; its date has whole seconds."""
    try:
        date = parsedate_to_datetime(answer.headers.get("date", ""))
    except ValueError:
        return ""
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    ahead, behind = (date - after).total_seconds(), (before - date).total_seconds() - 1
    if max(ahead, behind) <= MAX_SKEW:
        return ""
    words = f"{ahead:,.0f} s ahead of" if ahead > 0 else f"{behind:,.0f} s behind"
    return (
        f"the clock of InfluxDB at {url} is {words} ours (have both follow the same time source: it drops and keeps"
        " points by its own clock)"
    )
