"""The recipes of the documentation: each is Flux that the checker takes, and finds something on a real server."""

import csv
import json
import re
import urllib.request
from io import StringIO
from pathlib import Path

import pytest

from influx.settings import InfluxSettings
from tests.influx.flux_checker import checker
from tests.influx.server import InfluxServer
from tests.opswatch.test_influx_dashboards import written  # noqa: F401 (a fixture)

PAGES = ("influxdb-operations.md", "influxdb.md")
RECIPES = [
    text
    for page in PAGES
    for text in re.findall(r"```flux\n(.*?)```", (Path(__file__).parents[2] / "docs" / page).read_text(), re.DOTALL)
]


def named(recipe: str) -> str:
    return re.sub(r"\W+", "-", recipe)[:60]


@pytest.mark.parametrize("recipe", RECIPES, ids=named)
def test_a_recipe_is_flux(recipe: str) -> None:
    """Names are known and types fit."""
    assert checker().accepts(recipe)


@pytest.mark.parametrize("recipe", RECIPES, ids=named)
def test_a_recipe_finds_something(recipe: str, influx: InfluxServer, written: InfluxSettings) -> None:  # noqa: F811
    """On a server with four hours of everything, as if they had just ended."""
    text = recipe.replace('"opswatch_', f'"{written.bucket_prefix}_').replace('"checkout"', '"web"')
    if "createEmpty: true" in text:  # the one that looks for what is missing: nothing is
        text = text.replace("r._value == 0", "r._value >= 0")
    body = json.dumps({"query": text, "type": "flux", "now": "2026-11-01T04:00:00Z", "dialect": {"annotations": []}})
    headers = {"Authorization": f"Token {influx.token}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{influx.url}/api/v2/query?org={influx.org}", body.encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        rows = [row for row in csv.reader(StringIO(answer.read().decode())) if row]

    assert len(rows) > 1, text
    assert rows[0][1:3] != ["error", "reference"], rows


def test_there_are_recipes() -> None:
    """The page is found, and its blocks are."""
    assert len(RECIPES) >= 15
