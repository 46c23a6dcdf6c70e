"""Errors as answers: one table from our exceptions to statuses, one shape for all of them. Pure."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from telemetry.errors import (
    Conflict,
    Forbidden,
    Gone,
    InvalidQuery,
    InvalidRequest,
    NotFound,
    OpsWatchError,
    PointRejected,
    QueryTimedOut,
    QueryTooLarge,
    SpoolFull,
    StoreUnavailable,
    TooManyRequests,
    Unauthenticated,
)

# The first that fits decides, so the special ones stand before the general.
_STATUSES: tuple[tuple[type[OpsWatchError], int], ...] = (
    (QueryTooLarge, 422),
    (InvalidQuery, 422),
    (InvalidRequest, 400),
    (Unauthenticated, 401),
    (Forbidden, 403),
    (NotFound, 404),
    (Conflict, 409),
    (Gone, 410),
    (PointRejected, 422),
    (TooManyRequests, 429),
    (QueryTimedOut, 503),
    (StoreUnavailable, 503),
    (SpoolFull, 503),
)

_CODES = {400: "invalid_request", 403: "forbidden", 404: "not_found", 405: "method_not_allowed", 413: "too_large"}


RETRY_AFTER = 5  # seconds, after which whatever was not possible may be


def status_of(error: OpsWatchError) -> int:
    """The HTTP status of one of our errors; 500 for those that no client can cause."""
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)


def error_body(error: OpsWatchError) -> dict[str, Any]:
    """`{"error": {"code", "message", "field", "value"}}`."""
    return {
        "error": {
            "code": error.code,
            "message": error.message,
            "field": error.field,
            "value": error.value if isinstance(error.value, str | int | float | bool | None) else str(error.value),
        }
    }


def error_response(error: OpsWatchError) -> web.Response:
    """One of our errors as an answer."""
    response = json_response(error_body(error), status=status_of(error))
    if response.status == 503:
        response.headers["Retry-After"] = str(RETRY_AFTER)
    if isinstance(error, TooManyRequests):
        response.headers["Retry-After"] = str(max(1, round(error.retry_after)))
    if isinstance(error, Unauthenticated):
        response.headers["WWW-Authenticate"] = 'Bearer realm="OpsWatch"'
    return response


def http_exception_response(error: web.HTTPException) -> web.Response:
    """aiohttp's own refusals (no such path, wrong method, body too large) in the same shape."""
    code = _CODES.get(error.status, "invalid_request" if error.status < 500 else "internal")
    body = {"error": {"code": code, "message": error.reason, "field": None, "value": None}}
    response = json_response(body, status=error.status)
    if "Allow" in error.headers:
        response.headers["Allow"] = error.headers["Allow"]
    return response


def json_response(body: Any, status: int = 200) -> web.Response:
    """JSON, compact, without NaN."""
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    # "replace": what a client sent may hold lone surrogates, and an error about it must still be an answer.
    encoded = text.encode("utf-8", "replace")
    return web.Response(body=encoded, status=status, content_type="application/json", charset="utf-8")
