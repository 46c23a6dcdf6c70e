"""Scripts, styles and images of the pages. Shell."""

from __future__ import annotations

from aiohttp import web

from dashboards.assets import asset
from telemetry.errors import NotFound


async def show_asset(request: web.Request) -> web.StreamResponse:
    """`GET /static/{path}`: one of the files that were there at start; a path is never made of what a client sends."""
    name = request.match_info["path"]
    found = asset(name)
    if found is None:
        raise NotFound("there is no such file", field="path", value=name[:60])
    headers = {"ETag": f'"{found.digest}"', "Content-Type": found.media, "Cache-Control": "no-cache"}
    if request.query.get("v") == found.digest:
        headers["Cache-Control"] = "public, max-age=31536000, immutable"
    if request.headers.get("If-None-Match") == headers["ETag"]:
        return web.Response(status=304, headers=headers)
    return web.Response(body=found.content, headers=headers)
