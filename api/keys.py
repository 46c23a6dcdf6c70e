"""Where the application and its requests keep what handlers share. Pure."""

from __future__ import annotations

from aiohttp import web

from api.access import Identity
from api.doors import Doors

DOORS: web.AppKey[Doors] = web.AppKey("doors", Doors)
IDENTITY: web.RequestKey[Identity] = web.RequestKey("identity", Identity)
