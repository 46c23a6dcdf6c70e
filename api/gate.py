"""The gate before every handler: correlation, identity, permission, origin, errors, headers. Shell.

The Host header is not checked: a name that was rebound to this machine (DNS rebinding) gains nothing here, for nobody
is let in by address, and a page of that name has neither our cookie, which belongs to another name, nor a token.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from hmac import compare_digest
from ipaddress import IPv4Address, IPv6Address, ip_address
from time import perf_counter
from urllib.parse import urlsplit

from aiohttp import web
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from api.access import Identity, Role
from api.doors import Doors
from api.errors import error_response, http_exception_response
from api.keys import DOORS, IDENTITY
from api.pages import page_error
from api.route_table import Handler, Permission, Route
from telemetry.correlation import correlation_id, is_acceptable
from telemetry.errors import Forbidden, NotFound, OpsWatchError, TooManyRequests, Unauthenticated

logger = logging.getLogger(__name__)

SESSION_COOKIE = "opswatch_session"

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; font-src 'self';"
        " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_FAILURES_PER_MINUTE = 20


# Ways to identify oneself. Each is counted by itself: a script with an old token locks nobody out of /login.
BEARER, LOGIN, SETUP, LINK = "bearer", "login", "setup", "link"


class FailureLimits:
    """How often one client may fail to identify itself in one way; others are not locked out with it."""

    def __init__(self) -> None:
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._limit = RateLimitItemPerMinute(_FAILURES_PER_MINUTE)

    def check(self, way: str, client: str) -> None:
        """Raise TooManyRequests when this client has failed too often in this minute."""
        if not self._limiter.test(self._limit, way, client):
            raise TooManyRequests(
                f"more than {_FAILURES_PER_MINUTE} failed attempts to log in within a minute; wait a minute",
                retry_after=60,
            )

    def count(self, way: str, client: str) -> None:
        """Note a failure."""
        self._limiter.hit(self._limit, way, client)


FAILURES: web.AppKey[FailureLimits] = web.AppKey("failures", FailureLimits)
ROUTES: web.AppKey[Mapping[tuple[str, str], Route]] = web.AppKey("routes", Mapping)


@web.middleware
async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let a request in, or answer why not; whatever happens is an answer of ours, with an id to look it up by."""
    given = request.headers.get("X-Correlation-ID") or request.headers.get("X-Request-ID") or ""
    identifier = given if is_acceptable(given) else f"req_{secrets.token_hex(8)}"
    token = correlation_id.set(identifier)
    started = perf_counter()
    status = 500
    try:
        response = await _answer(request, handler)
        status = response.status
        if not response.prepared:
            response.headers["X-Correlation-ID"] = identifier
        return response
    finally:
        elapsed = (perf_counter() - started) * 1000
        logger.debug("%s %s %d", request.method, request.path, status, extra={"processing_time_ms": round(elapsed, 3)})
        correlation_id.reset(token)


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """The headers that every answer has, streams and errors too."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["Server"] = "OpsWatch"  # instead of the versions of Python and aiohttp
    response.headers.setdefault("Cache-Control", "no-store")
    if identifier := correlation_id.get():
        response.headers.setdefault("X-Correlation-ID", identifier)
    if request.app[DOORS].settings.secure_cookies:
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")


def client_address(request: web.Request) -> str:
    """Who asks: the peer, or what the nearest trusted proxies say of it, read from the right."""
    address = request.remote or "unknown"
    trusted = request.app[DOORS].settings.trusted_proxies
    # All of them: a proxy may add a header of its own below the one that the client made up.
    for hop in reversed(",".join(request.headers.getall("X-Forwarded-For", ())).split(",")):
        try:
            if not any(_plain(address) in network for network in trusted):
                return address
            address = str(_plain(hop.strip()))
        except ValueError:
            return address
    return address


def _plain(address: str) -> IPv4Address | IPv6Address:
    # Where one socket listens for both families, 10.0.0.1 comes as ::ffff:10.0.0.1.
    found = ip_address(address)
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found


def check_origin(request: web.Request, identity: Identity | None) -> None:
    """Raise Forbidden for a write that another site's page makes (CSRF). A bearer without cookies is exempt."""
    if request.method in _SAFE_METHODS or "Authorization" in request.headers:
        return
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None and site not in {"same-origin", "none"}:
        raise Forbidden(f"this write comes from another site's page (Sec-Fetch-Site: {site[:20]})")
    if origin is not None and _host_of(origin) != request.host.lower():
        raise Forbidden(
            "this write comes from another origin than this server's pages"
            " (a reverse proxy in between must pass the Host header on)"
        )
    if site is None and origin is None and identity is not None:
        raise Forbidden("this write says not where it comes from: send Origin, or use a token instead of a session")


def _host_of(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        await _let_in(request)
        return await handler(request)
    except OpsWatchError as error:
        return await _refuse(request, error)
    except web.HTTPNotFound:
        return await _refuse(request, NotFound(f"there is nothing at {request.path[:100]!r}"))
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return http_exception_response(error)
    except ConnectionResetError:
        raise  # the client is gone: nobody to answer
    except Exception:
        logger.exception("the request failed", extra={"method": request.method, "path": request.path})
        identifier = correlation_id.get()
        message = f"this is our fault; the log has more under correlation id {identifier}"
        return await _refuse(request, OpsWatchError(message))


async def _refuse(request: web.Request, error: OpsWatchError) -> web.StreamResponse:
    plain = error_response(error)
    if not _wants_page(request):
        return plain
    try:
        page = await page_error(request, error)
    except Exception:
        logger.exception("the page of an error failed too", extra={"path": request.path})
        return plain
    if "Retry-After" in plain.headers:
        page.headers["Retry-After"] = plain.headers["Retry-After"]
    return page


async def _let_in(request: web.Request) -> None:
    route = _route(request)
    if route is not None and route.permission is Permission.PUBLIC:
        check_origin(request, None)
        return
    identity = await _identify(request)
    if identity is None:
        raise Unauthenticated(await _how_to_identify(request.app[DOORS]))
    request[IDENTITY] = identity
    check_origin(request, identity)
    if route is None:
        refusal = request.match_info.http_exception
        raise refusal or Forbidden("this path is not in the table of permissions")
    if not route.permission.admits(identity):
        raise Forbidden(f"this needs the role {route.permission.value}; {identity.name} is {identity.role.word}")


def _route(request: web.Request) -> Route | None:
    resource = request.match_info.route.resource
    if resource is None:
        return None
    method = "GET" if request.method == "HEAD" else request.method
    return request.app[ROUTES].get((method, resource.canonical))


async def _identify(request: web.Request) -> Identity | None:
    doors = request.app[DOORS]
    header = request.headers.get("Authorization")
    if header is None:
        key = request.cookies.get(SESSION_COOKIE)
        return None if not key else await doors.sessions.find(key, doors.clock.now())
    scheme, _, text = header.partition(" ")
    identity = None
    if scheme.lower() in {"bearer", "token"} and text.strip():
        identity = await identify_token(doors, text.strip())
    if identity is None:
        # Only failures are held back: behind one address, an old script must not lock out the good tokens.
        client, failures = client_address(request), request.app[FAILURES]
        failures.check(BEARER, client)
        failures.count(BEARER, client)
        raise Unauthenticated("the token is not known, or revoked, or expired")
    return identity


async def is_recognised(request: web.Request) -> bool:
    """Whether whoever sent this request would still be somebody: long answers ask again while they go on."""
    try:
        return await _identify(request) is not None
    except Unauthenticated:
        return False


async def identify_token(doors: Doors, text: str) -> Identity | None:
    """Whose token this is: that of server.json, or a stored one."""
    if compare_digest(text.encode("utf-8", "surrogatepass"), doors.local_token.encode()):
        return Identity("local", Role.ADMIN)
    return await doors.tokens.identify(text, doors.clock.now())


async def _how_to_identify(doors: Doors) -> str:
    if await doors.ownership.exists():
        return "log in at /login, or send Authorization: Bearer TOKEN (opswatch token create NAME makes one)"
    return (
        "nobody owns this OpsWatch yet: open the owner link that it printed when it started (restart it for a new one)"
    )


def _wants_page(request: web.Request) -> bool:
    route = _route(request)
    if route is not None:
        return route.is_page
    return "text/html" in request.headers.get("Accept", "") and not request.path.startswith(
        request.app[DOORS].settings.base_path + "/api/"
    )
