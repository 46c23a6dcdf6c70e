"""`/api/v1/tokens`: make, list and revoke API tokens; for admins. Shell."""

from __future__ import annotations

import logging
from datetime import datetime

from aiohttp import web

from api.access import Role, TokenRecord
from api.bodies import read_json
from api.errors import json_response
from api.keys import DOORS, IDENTITY
from api.models import NewTokenAnswer, TokenAnswer, TokenRequest, TokensAnswer
from api.services import written
from telemetry.errors import InvalidRequest
from telemetry.times import parse_duration

logger = logging.getLogger(__name__)


async def list_tokens(request: web.Request) -> web.StreamResponse:
    """`GET /api/v1/tokens`."""
    records = await request.app[DOORS].tokens.list()
    return json_response(TokensAnswer(tokens=[_token_answer(record) for record in records]).model_dump())


async def create_token(request: web.Request) -> web.StreamResponse:
    """`POST /api/v1/tokens`."""
    doors = request.app[DOORS]
    wanted = await read_json(request, TokenRequest)
    now = doors.clock.now()
    text = await doors.tokens.create(wanted.name, Role[wanted.role.upper()], now, _end(wanted.expires, now))
    logger.info("token created", extra={"token": wanted.name, "role": wanted.role, "by": request[IDENTITY].name})
    return json_response(NewTokenAnswer(name=wanted.name, token=text).model_dump(), status=201)


async def revoke_token(request: web.Request) -> web.StreamResponse:
    """`DELETE /api/v1/tokens/{name}`."""
    doors, name = request.app[DOORS], request.match_info["name"]
    await doors.tokens.revoke(name, doors.clock.now())
    logger.info("token revoked", extra={"token": name, "by": request[IDENTITY].name})
    return web.Response(status=204)


def _end(expires: str | None, now: datetime) -> datetime | None:
    if expires is None:
        return None
    try:
        return now + parse_duration(expires)
    except (ValueError, OverflowError) as error:
        raise InvalidRequest(f"expires: {error}", field="expires", value=expires) from error


def _token_answer(record: TokenRecord) -> TokenAnswer:
    return TokenAnswer(
        name=record.name,
        role=record.role.word,  # type: ignore[arg-type]  # the words of Role are RoleWord
        prefix=record.prefix,
        created=written(record.created) or "",
        expires=written(record.expires),
        last_used=written(record.last_used),
        revoked=written(record.revoked),
    )
