"""The OpenAPI document is valid, committed as it is served, and true."""

import json

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from api.openapi import COMMITTED, document
from api.routes import API_VERSION, ROUTE_TABLE
from telemetry.points import Point
from tests.api.world import NOW_NS, World

DOCUMENT = document(ROUTE_TABLE, API_VERSION)


def test_the_document_is_openapi() -> None:
    """By the validator of the specification."""
    validate(DOCUMENT)


def test_the_committed_copy_is_the_generated_one() -> None:
    """`python -m api.openapi` writes it; whoever changes the API sees the change in the diff."""
    assert json.loads(COMMITTED.read_text("utf-8")) == DOCUMENT


def test_every_route_is_documented() -> None:
    """All but the static files."""
    documented = {(method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods}

    assert documented == {(route.method, route.path) for route in ROUTE_TABLE if route.path != "/static/{path}"}


def test_every_operation_has_its_own_id() -> None:
    """Generators of clients make a function of each."""
    identifiers = [operation["operationId"] for path in DOCUMENT["paths"].values() for operation in path.values()]

    assert len(identifiers) == len(set(identifiers))


async def test_it_is_served_offline(world: World) -> None:
    """The same document, with the server as it is."""
    assert await (await world.get("/openapi.json")).json() == DOCUMENT


ANSWERS = {
    "/health": "/health",
    "/ready": "/ready",
    "/api/v1/health": "/api/v1/health",
    "/api/v1/services": "/api/v1/services",
    "/api/v1/services/{name}": "/api/v1/services/checkout",
    "/api/v1/schema": "/api/v1/schema",
    "/api/v1/series": "/api/v1/series?measurement=probe",
    "/api/v1/series#windows": "/api/v1/series?measurement=probe&every=5m&fn=mean&fn=count",
    "/api/v1/reports/{name}": "/api/v1/reports/trend",
    "/api/v1/tokens": "/api/v1/tokens",
    "/api/v1/alerts": "/api/v1/alerts",
    "/api/v1/incidents": "/api/v1/incidents",
    "/api/v1/rules": "/api/v1/rules",
    "/api/v1/silences": "/api/v1/silences",
    "/api/v1/maintenance": "/api/v1/maintenance",
    "/api/v1/duty": "/api/v1/duty",
}


def validator(schema: dict[str, object]) -> Draft202012Validator:
    return Draft202012Validator(schema | {"components": DOCUMENT["components"]})


@pytest.mark.parametrize("documented", ANSWERS)
async def test_answers_are_as_documented(world: World, documented: str) -> None:
    """Each answer fits the schema that the document gives for it."""
    tags = {"service": "checkout", "probe": "health", "kind": "http"}
    await world.write(Point.of("probe", tags, {"up": 1, "latency_ms": 2.5, "message": "slow"}, NOW_NS - 10**9))
    answer = await (await world.get(ANSWERS[documented], "admin")).json()
    responses = DOCUMENT["paths"][documented.partition("#")[0]]["get"]["responses"]

    validator(responses["200"]["content"]["application/json"]["schema"]).validate(answer)


@pytest.mark.parametrize("path", ["/api/v1/series", "/api/v1/services/nobody", "/nothing"])
async def test_errors_are_as_documented(world: World, path: str) -> None:
    """All errors have one shape."""
    validator({"$ref": "#/components/schemas/ErrorAnswer"}).validate(await (await world.get(path)).json())
