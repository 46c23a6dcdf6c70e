"""The OpenAPI 3.1 document, generated from the route table and the models. Shell.

`python -m api.openapi` writes the committed copy, `api/openapi.json`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

from aiohttp import web
from pydantic.json_schema import models_json_schema

from api.errors import json_response
from api.keys import DOORS
from api.models import ErrorAnswer
from api.route_table import Permission, Route

COMMITTED = Path(__file__).with_name("openapi.json")


@dataclass(frozen=True, slots=True)
class Documented:
    """What the document is made of."""

    routes: tuple[Route, ...]
    version: str


DOCUMENTED: web.AppKey[Documented] = web.AppKey("documented", Documented)


async def show_openapi(request: web.Request) -> web.StreamResponse:
    """`GET /openapi.json`."""
    base, known = request.app[DOORS].settings.base_path, request.app[DOCUMENTED]
    return json_response(document(known.routes, known.version) | {"servers": [{"url": base or "/"}]})


@lru_cache(maxsize=1)
def document(routes: tuple[Route, ...], version: str) -> dict[str, Any]:
    """The whole document; made when it is first asked for, for that takes longer than all else at start."""
    models = sorted(
        {model for route in routes for model in (route.answer, route.body) if model is not None} | {ErrorAnswer},
        key=lambda one: one.__name__,
    )
    references, definitions = models_json_schema(
        [(model, "serialization") for model in models], ref_template="#/components/schemas/{model}"
    )
    named = {model: reference for (model, _), reference in references.items()}
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        if route.path != "/static/{path}":
            paths.setdefault(_plain_path(route.path), {})[route.method.lower()] = _operation(route, named)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "OpsWatch",
            "version": version,
            "description": "Times in answers are RFC 3339 in UTC, or integer milliseconds in columns.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": definitions["$defs"],
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "opswatch_session"},
            },
        },
    }


def _operation(route: Route, named: dict[type, Any]) -> dict[str, Any]:
    content = _content(route, named)
    operation: dict[str, Any] = {
        "operationId": ("page_" if route.is_page else "") + route.handler.__name__,
        "summary": route.summary,
        "responses": {str(route.status): {"description": "What was asked for."}},
    }
    if route.status != HTTPStatus.NO_CONTENT:
        operation["responses"][str(route.status)]["content"] = content
    if route.path == "/ready":
        operation["responses"]["503"] = {"description": "Not ready.", "content": content}
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": named[route.body]}}}
    if route.parameters:
        operation["parameters"] = [
            {
                "name": one.name,
                "in": one.place,
                "required": one.required,
                "description": one.description,
                "schema": {"type": "array", "items": {"type": "string"}} if one.repeatable else {"type": "string"},
            }
            for one in route.parameters
        ]
    if route.permission is not Permission.PUBLIC:
        operation["security"] = [{"token": []}, {"session": []}]
        operation["description"] = f"Needs the role {route.permission.value}."
    refused: dict[str, Any] = {"application/json": {"schema": named[ErrorAnswer]}}
    operation["responses"]["default"] = {
        "description": "Refused or failed: the error says which field, which value, and the way out.",
        "content": content | refused if route.is_page else refused,
    }
    return operation


def _content(route: Route, named: dict[type, Any]) -> dict[str, Any]:
    if route.is_page:
        return {"text/html": {"schema": {"type": "string"}}}
    if route.answer is not None:
        return {route.media: {"schema": named[route.answer]}}
    # The one JSON answer without a model is this document itself.
    return {route.media: {"schema": {"type": "object" if route.media == "application/json" else "string"}}}


def _plain_path(path: str) -> str:
    return re.sub(r"\{(\w+):[^}]*\}", r"{\1}", path)


def _main() -> None:
    from api.routes import API_VERSION, ROUTE_TABLE

    COMMITTED.write_text(
        json.dumps(document(ROUTE_TABLE, API_VERSION), indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    _main()
