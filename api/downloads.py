"""Send a file piece by piece, and let go of a client that takes nothing. Shell."""

from __future__ import annotations

import asyncio

from aiohttp import web

from api.keys import DOORS


def download(name: str, content_type: str) -> web.StreamResponse:
    """An answer that browsers save under a name."""
    return web.StreamResponse(
        headers={"Content-Type": content_type, "Content-Disposition": f'attachment; filename="{name}"'}
    )


async def send(request: web.Request, response: web.StreamResponse, piece: bytes) -> None:
    """Raises ConnectionResetError when the client has left, or reads nothing, which ends the handler and its work.

    A client that stays and reads nothing would keep one of the store's few readers for ever.
    """
    try:
        async with asyncio.timeout(request.app[DOORS].settings.stalled_after.total_seconds()):
            await response.write(piece)
    except TimeoutError as error:
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError("the client of a download reads nothing") from error
