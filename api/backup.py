"""`POST /api/v1/backup`: everything that is kept, as of now, for admins. Shell."""

from __future__ import annotations

import logging
from contextlib import aclosing

from aiohttp import web

from api.downloads import download, send
from api.keys import DOORS, IDENTITY
from telemetry.errors import InvalidRequest, OpsWatchError

logger = logging.getLogger(__name__)

_WORDS = {"true": True, "false": False}


async def make_backup(request: web.Request) -> web.StreamResponse:
    """`POST /api/v1/backup`: a tar file whose last member is its manifest."""
    unknown = request.query.keys() - {"with_keys"}
    if unknown:
        name = min(unknown)
        raise InvalidRequest(f"there is no parameter {name[:40]!r}: only with_keys", field=name[:40])
    word = request.query.get("with_keys", "false")
    if word not in _WORDS:
        raise InvalidRequest(f"with_keys is true or false, not {word[:20]!r}", field="with_keys", value=word[:20])
    logger.info("backup began", extra={"by": request[IDENTITY].name, "with_keys": word})
    async with (
        request.app[DOORS].backups.prepared(with_keys=_WORDS[word]) as backup,
        aclosing(backup.pieces()) as pieces,
    ):
        response = download(backup.name, "application/x-tar")
        response.content_length = backup.size
        await response.prepare(request)
        try:
            async for piece in pieces:
                await send(request, response, piece)
        except OpsWatchError as error:
            logger.warning("a backup stopped in the middle", extra={"reason": error.message})
            raise ConnectionResetError("a backup stopped in the middle") from error  # cut off, so that it shows
        await response.write_eof()
    logger.info("backup sent", extra={"by": request[IDENTITY].name, "bytes": backup.size})
    return response
