"""Pages as configuration: what is wrong in the file is said all at once."""

import json
from importlib.resources import files

import pytest

from dashboards.panels import parse_config
from telemetry.errors import ConfigurationError
from telemetry.measurements import BUILT_IN

SHIPPED = files("infrastructure.monitoring").joinpath("dashboard_config.json").read_text(encoding="utf-8")


def faults_of(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        parse_config(text, "pages.json", BUILT_IN)
    return [str(fault) for fault in caught.value.faults]


def test_the_pages_that_come_with_opswatch_are_good() -> None:
    """R102: the shipped file is what the program runs on."""
    assert [one.name for one in parse_config(SHIPPED, "x", BUILT_IN).dashboards] == [
        "overview",
        "host",
        "service",
        "status",
    ]


def test_unknown_names_are_named_with_their_near_miss_all_at_once() -> None:
    """A measurement, a field and a tag that do not exist: three faults, each with its place."""
    document = json.loads(SHIPPED)
    panels = document["dashboards"][0]["sections"][0]["panels"]
    panels[0]["query"]["measurement"] = "cpuu"
    panels[1]["query"]["fields"] = ["used_percentt"]
    panels[2]["query"]["where"] = ["hots:$host"]
    faults = faults_of(json.dumps(document))

    assert len(faults) == 3
    assert "dashboards[0].sections[0].panels[0].query.measurement" in faults[0]
    assert "did you mean 'cpu'?" in faults[0]
    assert "did you mean 'used_percent'?" in faults[1]
    assert "did you mean 'host'?" in faults[2]


def test_what_is_not_json_is_shown_with_its_place() -> None:
    """Line and column, as editors count."""
    assert faults_of('{"version": 1,\n oops}') == [
        "pages.json:2:2: this is not JSON: Expecting property name enclosed in double quotes"
    ]


def test_unknown_keys_and_missing_pages_are_faults() -> None:
    """A typo must not pass in silence."""
    assert "dashboards[0].sections[0].panels[0]" in faults_of(SHIPPED.replace('"thresholds"', '"treshholds"', 1))[0]
    assert "the page 'overview' is missing" in faults_of('{"version": 1, "dashboards": []}')[0]
