"""What a token may do, by trying it: nothing is written and nothing of use is read. Shell."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus

from pydantic import SecretStr

from influx.blueprint import Action, Right
from influx.canary import ask_small, query_trouble
from influx.connection import InfluxConnection
from influx.settings import InfluxSettings
from telemetry.errors import StoreUnavailable
from telemetry.ports import WriteStatus

_READ = "from(bucket: p_bucket) |> range(start: -1m) |> limit(n: 1)"
_TIME_AT_END = re.compile(rb",([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})[0-9.]*Z\s*\Z")
_NO_RIGHT = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})


@dataclass(frozen=True, slots=True)
class Granted:
    """What a token that the server knows may do. `sees_others`: buckets that were not asked about."""

    rights: frozenset[Right]
    sees_others: bool


@asynccontextmanager
async def connected(settings: InfluxSettings, token: SecretStr | None) -> AsyncIterator[InfluxConnection]:
    """A connection in the name of this token, and no other."""
    async with InfluxConnection.opened(replace(settings, token=token, token_file=None)) as connection:
        yield connection


async def granted(settings: InfluxSettings, token: SecretStr, buckets: Collection[str]) -> Granted | None:
    """What the token may do with these buckets; None when the server does not know it.

    Raises StoreUnavailable when that cannot be known at the moment.
    """
    async with connected(settings, token) as connection:
        answer = await connection.listing("/api/v2/buckets", {"org": settings.org, "limit": "100"})
        if answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            return None
        if not answer.is_json or answer.status not in {HTTPStatus.OK, HTTPStatus.NOT_FOUND}:
            raise StoreUnavailable(f"what a token may do is not known: {answer.status} {answer.text}")
        rights = set()
        for bucket in buckets:
            if await _may_write(connection, bucket):
                rights.add(Right(Action.WRITE, bucket))
            if await _may_read(connection, bucket):
                rights.add(Right(Action.READ, bucket))
        return Granted(frozenset(rights), bool(_names(answer.body) - set(buckets)))


async def oldest_point(connection: InfluxConnection, bucket: str, before: int) -> str:
    """The time of the oldest point of a bucket before a time in ns; empty when there is none, or nobody says."""
    flux = """from(bucket: p_bucket) |> range(start: 1970-01-01T00:00:00Z, stop: time(v: p_stop))
    |> first() |> keep(columns: ["_time"]) |> group() |> min(column: "_time")"""
    try:
        answer = await ask_small(connection, flux, {"p_bucket": bucket, "p_stop": before})
    except StoreUnavailable:
        return ""
    if query_trouble(answer, bucket, connection.settings.org):
        return ""
    match = _TIME_AT_END.search(answer.body)
    return "" if match is None else f"{match[1].decode('ascii')}Z"


async def _may_write(connection: InfluxConnection, bucket: str) -> bool:
    answer = await connection.write(bucket, b"", is_gzip=False)
    if answer.status == HTTPStatus.NO_CONTENT:
        return True
    if answer.status in _NO_RIGHT:
        return False
    raise StoreUnavailable(f"whether the bucket {bucket} may be written is not known: {answer.status} {answer.text}")


async def _may_read(connection: InfluxConnection, bucket: str) -> bool:
    trouble = query_trouble(await ask_small(connection, _READ, {"p_bucket": bucket}), bucket, connection.settings.org)
    if trouble is not None and trouble.status is WriteStatus.RETRY:
        raise StoreUnavailable(f"whether the bucket {bucket} may be read is not known: {trouble.message}")
    return trouble is None


def _names(body: bytes) -> set[str]:
    try:
        return {str(one["name"]) for one in json.loads(body)["buckets"]}
    except (ValueError, KeyError, TypeError):
        return set()
