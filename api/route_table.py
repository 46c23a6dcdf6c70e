"""The route table: each path with what it takes to be let in. What stands nowhere here is refused. Pure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum

from aiohttp import web
from pydantic import BaseModel

from api.access import Identity, Role

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Permission(Enum):
    """Who is let in."""

    PUBLIC = "public"
    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def admits(self, identity: Identity | None) -> bool:
        if self is Permission.PUBLIC:
            return True
        return identity is not None and identity.role >= Role[self.name]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query or path parameter, for the OpenAPI document."""

    name: str
    description: str
    required: bool = False
    repeatable: bool = False
    place: str = "query"


@dataclass(frozen=True, slots=True)
class Route:
    """One method on one path.

    `answer` is the model of what comes with `status`, or None where it is not JSON (`media` says what); `body` is the
    model of what is sent.
    """

    method: str
    path: str
    handler: Handler
    permission: Permission
    summary: str
    answer: type[BaseModel] | None = None
    parameters: tuple[Parameter, ...] = ()
    media: str = "application/json"
    is_page: bool = False
    status: int = 200
    body: type[BaseModel] | None = None
