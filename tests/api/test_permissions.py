"""Nobody is let in further than the table of permissions says, on whatever way the path is written."""

from typing import NamedTuple

import pytest

from api.route_table import Permission
from api.routes import ROUTE_TABLE
from tests.api.world import World


class Expected(NamedTuple):
    """The statuses that each role gets; `session` is a viewer's browser."""

    anonymous: int
    viewer: int
    operator: int
    admin: int
    session: int


def public(status: int) -> Expected:
    return Expected(status, status, status, status, status)


def for_viewers(status: int = 200) -> Expected:
    return Expected(401, status, status, status, status)


def for_admins(status: int = 200) -> Expected:
    return Expected(401, 403, 403, status, 403)


def for_operators(status: int = 200) -> Expected:
    return Expected(401, 403, status, status, 403)


# What is sent is empty, so 400 and 404 mean: let in, and then told what is missing.
TABLE = {
    "GET /health": public(200),
    "GET /ready": public(200),
    "GET /metrics": for_viewers(),
    "GET /openapi.json": for_viewers(),
    "GET /api/v1/health": for_viewers(),
    "GET /api/v1/services": for_viewers(),
    "GET /api/v1/services/{name}": for_viewers(404),
    "GET /api/v1/schema": for_viewers(),
    "GET /api/v1/series": for_viewers(400),
    "GET /api/v1/export.csv": for_viewers(400),
    "GET /api/v1/export.parquet": for_viewers(400),
    "GET /api/v1/reports/{name}": for_viewers(404),
    "GET /api/v1/stream": for_viewers(),
    "POST /api/v2/write": for_operators(204),
    "POST /api/v1/backup": for_admins(),
    "GET /api/v1/quarantine": for_viewers(),
    "GET /api/v1/quarantine/{id}": for_viewers(404),
    "POST /api/v1/quarantine/{id}/replay": for_operators(404),
    "POST /api/v1/quarantine/replay": for_operators(400),
    "DELETE /api/v1/quarantine/{id}": for_operators(404),
    "GET /api/v1/alerts": for_viewers(),
    "GET /api/v1/incidents": for_viewers(),
    "GET /api/v1/incidents.csv": for_viewers(),
    "GET /api/v1/incidents/{id}": for_viewers(404),
    "POST /api/v1/incidents/{id}/ack": for_operators(404),
    "POST /api/v1/incidents/{id}/snooze": for_operators(404),
    "POST /api/v1/incidents/{id}/note": for_operators(404),
    "POST /api/v1/incidents/{id}/assign": for_operators(404),
    "POST /api/v1/incidents/{id}/close": for_operators(404),
    "GET /api/v1/incidents/{id}/evaluations": for_viewers(404),
    "GET /api/v1/incidents/{id}/explain": for_viewers(404),
    "GET /api/v1/deliveries": for_viewers(),
    "GET /silences": for_viewers(),
    "POST /silences": for_operators(400),
    "POST /silences/{id}/end": for_operators(404),
    "GET /maintenance": for_viewers(),
    "POST /maintenance": for_operators(400),
    "POST /maintenance/{id}/end": for_operators(404),
    "GET /duty": for_viewers(),
    "POST /duty": for_operators(400),
    "POST /duty/{id}/end": for_operators(404),
    "GET /messages": for_viewers(),
    "POST /messages/test": for_operators(404),
    "GET /act/{token}": public(403),
    "POST /act/{token}": public(403),
    "GET /api/v1/receivers": for_viewers(),
    "POST /api/v1/receivers/{name}/test": for_operators(404),
    "GET /alerts": for_viewers(),
    "GET /incidents/{id}": for_viewers(404),
    "POST /incidents/{id}/ack": for_operators(404),
    "POST /incidents/{id}/snooze": for_operators(404),
    "POST /incidents/{id}/note": for_operators(404),
    "POST /incidents/{id}/assign": for_operators(404),
    "POST /incidents/{id}/close": for_operators(404),
    "GET /api/v1/silences": for_viewers(),
    "POST /api/v1/silences": for_operators(400),
    "POST /api/v1/silences/preview": for_operators(400),
    "GET /api/v1/silences/{id}": for_viewers(404),
    "PUT /api/v1/silences/{id}": for_operators(404),
    "DELETE /api/v1/silences/{id}": for_operators(404),
    "GET /api/v1/maintenance": for_viewers(),
    "POST /api/v1/maintenance": for_operators(400),
    "GET /api/v1/maintenance/{id}": for_viewers(404),
    "PUT /api/v1/maintenance/{id}": for_operators(404),
    "DELETE /api/v1/maintenance/{id}": for_operators(404),
    "GET /api/v1/duty": for_viewers(),
    "POST /api/v1/duty/overrides": for_operators(400),
    "DELETE /api/v1/duty/overrides/{id}": for_operators(404),
    "GET /api/v1/rules": for_viewers(),
    "POST /api/v1/rules/reload": for_admins(),
    "GET /ping": for_viewers(204),
    "GET /api/v1/tokens": for_admins(),
    "POST /api/v1/tokens": for_admins(400),
    "DELETE /api/v1/tokens/{name}": for_admins(404),
    "GET /": for_viewers(),
    "GET /host": for_viewers(),
    "GET /services/{name}": for_viewers(404),
    "GET /reports": for_viewers(),
    "GET /reports/{name}": for_viewers(404),
    "GET /status": for_viewers(),
    "GET /setup": public(200),
    "POST /setup": public(401),
    "GET /login": public(200),
    "POST /login": public(401),
    "POST /logout": for_viewers(303),
    "GET /static/{path}": public(404),
}


async def statuses(world: World, method: str, path: str) -> Expected:
    """What each role gets for it; nothing of the answer is read, for one of them never ends."""
    credentials = {
        "anonymous": {},
        **{role: world.bearer(role) for role in ("viewer", "operator", "admin")},
        "session": {"Cookie": f"opswatch_session={await world.log_in()}", "Origin": world.url},
    }
    found = {}
    for role, headers in credentials.items():
        async with world.session.request(method, world.url + path, headers=headers, allow_redirects=False) as answer:
            found[role] = answer.status
    return Expected(**found)


def filled(path: str) -> str:
    return (
        path.replace("{name}", "nobody")
        .replace("{token}", "v1.x.y.z")
        .replace("{id}", "20261124-000000000000")
        .replace("{path}", "nothing.js")
    )


async def test_every_route_is_in_the_table(world: World) -> None:
    """A route that nobody thought about fails here."""
    routes = {f"{route.method} {route.resource.canonical}" for route in world.app.router.routes() if route.resource}

    assert {route for route in routes if not route.startswith("HEAD")} == set(TABLE)


@pytest.mark.parametrize("route", TABLE)
async def test_each_role_gets_what_the_table_says(world: World, route: str) -> None:
    """Anonymous, viewer, operator, admin and a viewer's browser, each on each route."""
    method, path = route.split()

    assert await statuses(world, method, filled(path)) == TABLE[route]


async def test_head_is_let_in_as_get(world: World) -> None:
    """HEAD tells nobody more than GET does."""
    routes = [route for route in TABLE if route.startswith("GET") and "stream" not in route]

    assert {route: await statuses(world, "HEAD", filled(route.split()[1])) for route in routes} == {
        route: TABLE[route] for route in routes
    }


async def test_the_declared_permission_is_the_one_that_holds() -> None:
    """The permission in the route table, which the documents print, fits the statuses above."""
    for route in ROUTE_TABLE:
        expected = TABLE[f"{route.method} {route.path}"]
        refused = {role for role, status in expected._asdict().items() if status in {401, 403}}
        # /setup and /login are public, and refuse those who bring no key.
        if route.permission is not Permission.PUBLIC:
            allowed = {
                Permission.VIEWER: set(),
                Permission.OPERATOR: {"viewer", "session"},
                Permission.ADMIN: {"viewer", "operator", "session"},
            }
            assert refused == {"anonymous"} | allowed[route.permission]


SECRETS = [
    "/metrics",
    "/openapi.json",
    "/api/v1/health",
    "/api/v1/services",
    "/api/v1/services/checkout",
    "/api/v1/schema",
    "/api/v1/series?measurement=cpu",
    "/api/v1/export.csv?measurement=cpu",
    "/api/v1/tokens",
    "/",
    "/host",
    "/services/checkout",
    "/status",
    "/alerts",
    "/api/v1/incidents",
]


def variants(path: str) -> list[str]:
    """Ways to write a path that some router or proxy takes for the same one."""
    inner = path.lstrip("/")
    return [
        path,
        f"/{path}",
        f"/.{path}",
        f"/x/..{path}",
        f"/health/..{path}",
        f"/static/..{path}",
        f"/static/%2e%2e{path}",
        f"/static/..%2f{inner}",
        f"/login/%2e%2e/{inner}",
        f"/%2f{inner}",
        f"/%2F{inner}",
        "/" + inner.replace("/", "%2F"),
        "/" + inner.replace("a", "%61", 1),
        path.upper(),
        path.split("?", maxsplit=1)[0] + "/",
        path.split("?", maxsplit=1)[0] + "/.",
        path.split("?", maxsplit=1)[0] + "%00",
        path.split("?", maxsplit=1)[0] + ";.css",
        path.split("?", maxsplit=1)[0] + "/health",
        path + ("&" if "?" in path else "?") + "x=/health",
        f"http://localhost{path}",
    ]


@pytest.mark.parametrize("path", SECRETS)
async def test_no_spelling_of_a_path_lets_an_anonymous_client_in(world: World, path: str) -> None:
    """Doubled slashes, dots, %2F, case, a trailing slash: none of them widens access."""
    for variant in variants(path):
        status, answer = await world.raw(
            f"GET {variant} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        )

        assert status in {400, 401, 404}, variant
        assert b"checkout:8080" not in answer


async def test_no_spelling_makes_an_admin_of_a_viewer(world: World) -> None:
    """What is for admins stays so, however a viewer writes the path."""
    token = world.tokens["viewer"]
    for variant in variants("/api/v1/tokens"):
        status, answer = await world.raw(
            f"GET {variant} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n".encode()
        )

        # 405: a path below it that has a method of its own, for admins too.
        assert status in {400, 403, 404, 405}, variant
        assert b"opw_" not in answer


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
async def test_other_methods_tell_an_anonymous_client_nothing(world: World, method: str) -> None:
    """A method that no route has is refused before anybody learns whether the path is there."""
    async with world.session.request(method, f"{world.url}/api/v1/services") as answer:
        assert answer.status == 401
    async with world.session.request(method, f"{world.url}/api/v1/services", headers=world.bearer()) as answer:
        assert answer.status == 405
