"""Alerts, incidents and rules of whatever server there is. Shell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from opswatch.server_client import server_of
from opswatch.settings import Settings


async def alerts_now(settings: Settings) -> dict[str, Any]:
    """The JSON of `/api/v1/alerts`. Raises ServerError."""
    async with server_of(settings) as server:
        found: dict[str, Any] = await server.json("GET", "/api/v1/alerts")
    return found


async def acted(settings: Settings, number: int, action: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Do something with an incident; the incident afterwards. Raises ServerError."""
    async with server_of(settings) as server:
        found: dict[str, Any] = await server.json("POST", f"/api/v1/incidents/{number}/{action}", body=body)
    return found


async def rules_in_force(settings: Settings) -> dict[str, Any]:
    """The JSON of `/api/v1/rules`. Raises ServerError."""
    async with server_of(settings) as server:
        found: dict[str, Any] = await server.json("GET", "/api/v1/rules")
    return found


async def reloaded(settings: Settings, *, dry_run: bool) -> dict[str, Any]:
    """Have the rules read anew, or say what that would do. Raises ServerError."""
    async with server_of(settings) as server:
        parameters = [("dry_run", "true")] if dry_run else []
        found: dict[str, Any] = await server.json("POST", "/api/v1/rules/reload", parameters)
    return found


async def explained(settings: Settings, number: int, at: str) -> dict[str, Any]:
    """The JSON of `/api/v1/incidents/{id}/explain`. Raises ServerError."""
    async with server_of(settings) as server:
        parameters = [("at", at)] if at else []
        found: dict[str, Any] = await server.json("GET", f"/api/v1/incidents/{number}/explain", parameters)
    return found


async def silenced(settings: Settings, body: Mapping[str, Any]) -> dict[str, Any]:
    """Make a silence. Raises ServerError."""
    async with server_of(settings) as server:
        found: dict[str, Any] = await server.json("POST", "/api/v1/silences", body=body)
    return found


async def silences(settings: Settings) -> dict[str, Any]:
    """The JSON of `/api/v1/silences`. Raises ServerError."""
    async with server_of(settings) as server:
        found: dict[str, Any] = await server.json("GET", "/api/v1/silences")
    return found


async def silence_ended(settings: Settings, number: int) -> None:
    """End a silence now. Raises ServerError."""
    async with server_of(settings) as server:
        await server.json("DELETE", f"/api/v1/silences/{number}")


async def receivers(settings: Settings) -> dict[str, Any]:
    """The JSON of `/api/v1/receivers`. Raises ServerError."""
    async with server_of(settings) as server:
        found: dict[str, Any] = await server.json("GET", "/api/v1/receivers")
    return found


async def receiver_tried(settings: Settings, name: str) -> dict[str, Any]:
    """Send a receiver a test; the message with its answers. Raises ServerError."""
    async with server_of(settings) as server:
        found: dict[str, Any] = await server.json("POST", f"/api/v1/receivers/{quote(name, safe='')}/test")
    return found


async def duty(settings: Settings) -> dict[str, Any]:
    """The JSON of `/api/v1/duty`. Raises ServerError."""
    async with server_of(settings) as server:
        found: dict[str, Any] = await server.json("GET", "/api/v1/duty")
    return found
