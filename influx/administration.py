"""The calls of InfluxDB's API by which a server is made ours: setup, buckets, authorizations. Shell.

Every method raises StoreUnavailable when no answer comes, and ServerError, with the right that is missing where one is,
when the answer is a refusal or none of InfluxDB's.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated

from pydantic import BaseModel, Field, SecretStr

from influx import advice
from influx.admin_answers import JSON, Id, lacks, message_of, read_answer, refused, was_made
from influx.blueprint import FOR_EVER, Bucket, Right
from influx.connection import InfluxConnection
from influx.http_answers import Answer
from telemetry.errors import ServerError

OWNER = "opswatch"  # the user that a setup makes


class _Rule(BaseModel):
    everySeconds: Annotated[int, Field(ge=0)] = FOR_EVER  # noqa: N815 (InfluxDB's name)
    shardGroupDurationSeconds: Annotated[int, Field(ge=0)] = 0  # noqa: N815


class _Bucket(BaseModel):
    id: Id
    name: str
    retentionRules: list[_Rule] = []  # noqa: N815


class _Buckets(BaseModel):
    buckets: list[_Bucket]


class _Organisation(BaseModel):
    id: Id
    name: str


class _Organisations(BaseModel):
    orgs: list[_Organisation]


class _Authorization(BaseModel):
    id: Id
    description: str = ""
    createdAt: str = ""  # noqa: N815


class _Authorizations(BaseModel):
    authorizations: list[_Authorization]


class _NewAuthorization(BaseModel):
    id: Id
    token: Annotated[SecretStr, Field(min_length=1)]


class _Setup(BaseModel):
    allowed: bool


@dataclass(frozen=True, slots=True)
class SeenBucket:
    """A bucket with its id."""

    id: str
    bucket: Bucket


@dataclass(frozen=True, slots=True)
class SeenAuthorization:
    """An authorization, without its token, which nobody is told a second time. `made` is a time in text."""

    id: str
    description: str
    made: str


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token that was just made: the only time that its value is seen."""

    authorization: str
    value: SecretStr


class Administration:
    """Asks in the name of the connection's token."""

    def __init__(self, connection: InfluxConnection) -> None:
        self._connection = connection
        self._org = connection.settings.org

    async def is_fresh(self) -> bool:
        """Whether nobody has set the server up."""
        answer = await self._connection.ask("GET", "/api/v2/setup")
        return read_answer(_Setup, answer, "say whether it was set up").allowed

    async def set_up(self, bucket: Bucket, password: SecretStr, token: SecretStr) -> bool:
        """Make the owner, the organisation and its first bucket; False when somebody has done so meanwhile."""
        answer = await self._post(
            "/api/v2/setup",
            {
                "username": OWNER,
                "password": password.get_secret_value(),
                "org": self._org,
                "bucket": bucket.name,
                "retentionPeriodSeconds": bucket.retention,
                "token": token.get_secret_value(),
            },
        )
        return was_made(answer, "be set up")

    async def organisation(self) -> str:
        """The organisation's id."""
        answer = await self._connection.ask("GET", "/api/v2/orgs", {"org": self._org})
        if answer.status == HTTPStatus.NOT_FOUND and answer.is_json:
            raise ServerError(advice.no_organisation(self._org))
        found = [
            one.id
            for one in read_answer(_Organisations, answer, "show its organisations").orgs
            if one.name == self._org
        ]
        if not found:  # one without the right to see any sees an empty list
            raise ServerError(lacks("read", f"the organisation {self._org}"))
        return found[0]

    async def buckets(self, names: Collection[str]) -> dict[str, SeenBucket]:
        """Those of these names that are there and that the token may see, by name."""
        found = {}
        for name in names:
            # A list has a hundred at most, and is filtered by rights only after it was cut: so each by its name.
            answer = await self._connection.ask("GET", "/api/v2/buckets", {"org": self._org, "name": name})
            if answer.status == HTTPStatus.NOT_FOUND and answer.is_json and f'"{name}"' in message_of(answer):
                continue
            for one in read_answer(_Buckets, answer, f"show the bucket {name}").buckets:
                if one.name == name:
                    rule = one.retentionRules[0] if one.retentionRules else _Rule()
                    bucket = Bucket(name, rule.everySeconds, rule.shardGroupDurationSeconds)
                    found[name] = SeenBucket(one.id, bucket)
        return found

    async def make_bucket(self, org: str, bucket: Bucket) -> bool:
        """Make it in the organisation of this id; False when one of this name is there already."""
        body = {"orgID": org, "name": bucket.name, "retentionRules": _rules(bucket)}
        return was_made(await self._post("/api/v2/buckets", body), f"make the bucket {bucket.name}")

    async def alter_bucket(self, identifier: str, bucket: Bucket) -> None:
        """Give the bucket of this id its retention and its shards; those that exist stay as they are."""
        body = json.dumps({"retentionRules": _rules(bucket)}).encode()
        answer = await self._connection.ask("PATCH", f"/api/v2/buckets/{identifier}", None, body, JSON)
        if answer.status != HTTPStatus.OK:
            raise refused(answer, f"change the bucket {bucket.name}")

    async def authorizations(self, org: str) -> tuple[SeenAuthorization, ...]:
        """Those of the organisation of this id that the token may see."""
        answer = await self._connection.listing("/api/v2/authorizations", {"orgID": org})
        found = read_answer(_Authorizations, answer, "list its tokens").authorizations
        return tuple(SeenAuthorization(one.id, one.description, one.createdAt) for one in found)

    async def make_token(self, org: str, description: str, rights: Sequence[tuple[Right, str]]) -> NewToken:
        """A token with these rights, each on the bucket of the id beside it."""
        permissions = [
            {"action": right.action, "resource": {"type": "buckets", "id": bucket, "orgID": org}}
            for right, bucket in rights
        ]
        body = {"orgID": org, "description": description, "permissions": permissions}
        answer = await self._post("/api/v2/authorizations", body)
        if answer.status != HTTPStatus.CREATED:
            raise refused(answer, f"make a token ({description})")
        made = read_answer(_NewAuthorization, answer, "make a token")
        return NewToken(made.id, made.token)

    async def delete_authorization(self, identifier: str) -> None:
        """Delete it; that it is gone already is as good."""
        answer = await self._connection.ask("DELETE", f"/api/v2/authorizations/{identifier}")
        if answer.status not in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_FOUND}:
            raise refused(answer, f"delete the authorization {identifier}")

    async def _post(self, path: str, body: object) -> Answer:
        return await self._connection.ask("POST", path, None, json.dumps(body).encode(), JSON)


def _rules(bucket: Bucket) -> list[dict[str, object]]:
    rule = {"everySeconds": bucket.retention, "shardGroupDurationSeconds": bucket.shard}
    return [{"type": "expire", **rule}]
