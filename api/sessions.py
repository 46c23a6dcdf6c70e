"""`/setup`, `/login`, `/logout`: how a person gets a session, and gives it back. Shell."""

from __future__ import annotations

from aiohttp import web

from api.access import Identity
from api.bodies import read_form
from api.doors import Doors
from api.gate import FAILURES, LOGIN, SESSION_COOKIE, SETUP, client_address, identify_token
from api.keys import DOORS
from api.pages import form_page

_MAX_AGE = 30 * 86_400  # seconds; the server ends idle sessions earlier


async def show_setup(request: web.Request) -> web.StreamResponse:
    """`GET /setup`: the key stands behind the # of the link, which a browser does not send; the page posts it."""
    return form_page(request, "setup.html", message="")


async def claim_ownership(request: web.Request) -> web.StreamResponse:
    """`POST /setup`: spend the one-time key."""
    doors = request.app[DOORS]
    client = client_address(request)
    request.app[FAILURES].check(SETUP, client)
    key = (await read_form(request)).get("key", "").strip()
    identity = await doors.ownership.claim(key, doors.clock.now()) if key else None
    if identity is None:
        request.app[FAILURES].count(SETUP, client)
        message = "This key is not good (any more): it works once, for 15 minutes. Restart OpsWatch for a new link."
        if await doors.ownership.exists():
            message = "This OpsWatch has an owner already. Log in with a token instead."
        return form_page(request, "setup.html", message=message, status=401)
    return await _enter(request, doors, identity, None)


async def show_login(request: web.Request) -> web.StreamResponse:
    """`GET /login`."""
    owned = await request.app[DOORS].ownership.exists()
    next_path = _safe_path(request.query.get("next", ""))
    return form_page(request, "login.html", message="", next_path=next_path, owned=owned)


async def log_in(request: web.Request) -> web.StreamResponse:
    """`POST /login`: a token, pasted once, becomes a session."""
    doors = request.app[DOORS]
    client = client_address(request)
    request.app[FAILURES].check(LOGIN, client)
    form = await read_form(request)
    next_path = _safe_path(form.get("next", ""))
    text = form.get("token", "").strip()
    identity = await identify_token(doors, text) if text else None
    if identity is None:
        request.app[FAILURES].count(LOGIN, client)
        message = "This token is not known, or revoked, or expired."
        return form_page(request, "login.html", message=message, status=401, next_path=next_path)
    return await _enter(request, doors, identity, text, next_path)


async def log_out(request: web.Request) -> web.StreamResponse:
    """`POST /logout`: end the session, here and on the server."""
    doors = request.app[DOORS]
    if key := request.cookies.get(SESSION_COOKIE):
        await doors.sessions.close(key)
    response = _see_other(f"{doors.settings.base_path}/login")
    response.del_cookie(SESSION_COOKIE, path=doors.settings.base_path or "/")
    return response


async def _enter(
    request: web.Request, doors: Doors, identity: Identity, token: str | None, next_path: str = "/"
) -> web.StreamResponse:
    # A new key at every login, and the old one ends: nobody can have planted it.
    if old := request.cookies.get(SESSION_COOKIE):
        await doors.sessions.close(old)
    key = await doors.sessions.open(identity, doors.clock.now(), token)
    response = _see_other(f"{doors.settings.base_path}{next_path}")
    response.set_cookie(
        SESSION_COOKIE,
        key,
        max_age=_MAX_AGE,
        path=doors.settings.base_path or "/",
        httponly=True,
        samesite="Lax",
        secure=doors.settings.secure_cookies,
    )
    return response


def _see_other(path: str) -> web.Response:
    return web.Response(status=303, headers={"Location": path})


def _safe_path(text: str) -> str:
    """A path of ours, or the start page: never another host (CVE-2021-29622 and its like)."""
    if not text.startswith("/") or text.startswith(("//", "/\\")) or any(not " " < letter < "\x7f" for letter in text):
        return "/"
    return "/" if "\\" in text else text
