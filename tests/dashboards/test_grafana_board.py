"""Our pages as Grafana's dashboards: what its model asks of them."""

import json
from typing import Any

import pytest

from dashboards.grafana_looks import UNITS
from opswatch.boards import load_boards
from opswatch.influx_dashboards import FOLDER, grafana_files

BOARDS = {name: json.loads(text) for name, text in grafana_files(load_boards(None)).items()}
each_board = pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in board["panels"] if one["type"] != "row"]


@each_board
def test_a_dashboard_is_bound_to_no_server(board: dict[str, Any]) -> None:
    """The data source by a variable, no number, an identity that stays."""
    sources = [one.get("datasource", {}).get("uid") for one in panels(board)]
    sources += [target["datasource"]["uid"] for one in panels(board) for target in one["targets"]]
    sources += [one["datasource"]["uid"] for one in board["templating"]["list"] if one["type"] == "query"]

    assert board["id"] is None
    assert board["uid"].startswith("opswatch-")
    assert set(sources) == {"${datasource}"}
    assert board["schemaVersion"] >= 39


@each_board
def test_every_variable_that_a_panel_names_is_there_and_no_other(board: dict[str, Any]) -> None:
    """In queries of panels and of other variables, and for repeated charts."""
    text = json.dumps([board["panels"], board["templating"]["list"]])
    names = [one["name"] for one in board["templating"]["list"]]

    assert len(set(names)) == len(names)
    assert {"datasource", "bucket_prefix"} <= set(names)
    for name in ("host", "service", "each_probe"):
        assert (f"${{{name}:regex}}" in text) == (name in names)


@each_board
def test_panels_lie_apart_on_the_grid(board: dict[str, Any]) -> None:
    """Of 24 columns; each has a number of its own."""
    places = [one["gridPos"] for one in board["panels"]]
    cells = [
        (x, y)
        for one in places
        for x in range(one["x"], one["x"] + one["w"])
        for y in range(one["y"], one["y"] + one["h"])
    ]

    assert len(set(cells)) == len(cells)
    assert max(one["x"] + one["w"] for one in places) <= 24
    assert len({one["id"] for one in board["panels"]}) == len(board["panels"])


@each_board
def test_every_panel_has_a_title_words_a_unit_and_one_question(board: dict[str, Any]) -> None:
    """Of a kind that Grafana draws by itself."""
    for one in panels(board):
        assert one["title"]
        assert one["description"]
        assert one["type"] in {"stat", "timeseries", "table"}
        assert [target["refId"] for target in one["targets"]] == ["A"]
        if one["type"] != "table":
            assert one["fieldConfig"]["defaults"]["unit"] in UNITS.values()


def test_thresholds_maximum_and_stacking_are_those_of_the_page() -> None:
    """As the file of the pages says it."""
    overview, host = BOARDS["opswatch-overview.json"], BOARDS["opswatch-host.json"]
    cpu = next(one for one in panels(overview) if one["title"] == "CPU")
    modes = next(one for one in panels(host) if one["title"] == "CPU by mode")

    assert [step["value"] for step in cpu["fieldConfig"]["defaults"]["thresholds"]["steps"]] == [None, 80, 95]
    assert modes["fieldConfig"]["defaults"]["max"] == 100
    assert modes["fieldConfig"]["defaults"]["custom"]["stacking"]["mode"] == "normal"
    assert overview["time"] == {"from": "now-15m", "to": "now"}


def test_a_chart_for_each_probe_is_repeated_by_a_variable_of_its_own() -> None:
    """Whose values are those of the chosen service."""
    service = BOARDS["opswatch-service.json"]
    phases = next(one for one in panels(service) if one["title"].startswith("Phases"))
    variable = next(one for one in service["templating"]["list"] if one["name"] == phases["repeat"])

    assert phases["title"] == "Phases: ${each_probe}"
    assert 'r["probe"] =~ /^${each_probe:regex}$/' in phases["targets"][0]["query"]
    assert 'r["service"] =~ /^${service:regex}$/' in variable["query"]
    assert (variable["multi"], variable["includeAll"]) == (True, True)


def test_the_provisioned_data_source_speaks_flux_and_holds_no_secret() -> None:
    """The token by a file, the address by the environment, certificates are looked at."""
    text = (FOLDER / "provisioning" / "datasources" / "opswatch.yaml").read_text()

    assert "version: Flux" in text
    assert "tlsSkipVerify: false" in text
    assert "token: $__file{" in text
    assert "url: $" in text
