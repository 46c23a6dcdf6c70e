"""Our pages as InfluxDB's own dashboards: what its template asks of them."""

from typing import Any

import pytest

from dashboards.influx_template import identifier
from influx.settings import InfluxSettings
from opswatch.boards import load_boards
from opswatch.influx_dashboards import template_objects

OBJECTS = template_objects(InfluxSettings("", ""), load_boards(None))
BOARDS = {one["spec"]["name"]: one["spec"] for one in OBJECTS if one["kind"] == "Dashboard"}


def chart(board: str, title: str) -> dict[str, Any]:
    return next(one for one in BOARDS[f"{board} (opswatch)"]["charts"] if one["name"] == title)


def test_there_is_one_label_on_everything_the_variables_and_a_dashboard_for_each_page() -> None:
    """And one more where levels can tell months of it."""
    (label,) = [one for one in OBJECTS if one["kind"] == "Label"]

    assert {one["kind"] for one in OBJECTS} == {"Label", "Variable", "Dashboard"}
    assert [one["spec"]["name"] for one in OBJECTS if one["kind"] == "Variable"] == [
        "opswatch_host",
        "opswatch_service",
        "opswatch_measurement",
    ]
    assert list(BOARDS) == [
        f"{title} (opswatch)"
        for title in ("Overview", "Host", "Host, history", "Service", "Service, history", "Status of OpsWatch")
    ]
    for one in OBJECTS[1:]:
        assert one["spec"]["associations"] == [{"kind": "Label", "name": label["metadata"]["name"]}]


@pytest.mark.parametrize("board", BOARDS)
def test_cells_lie_apart_on_the_twelve_columns(board: str) -> None:
    """Of the places as they are sent."""
    taken = [
        (x, y)
        for one in BOARDS[board]["charts"]
        for x in range(one["xPos"], one["xPos"] + one["width"])
        for y in range(one["yPos"], one["yPos"] + one["height"])
    ]

    assert len(set(taken)) == len(taken)
    assert max(x for x, _ in taken) < 12


def test_units_thresholds_maximum_and_stacking_are_those_of_the_page() -> None:
    """A number over its line; a table's colours by its percentages alone."""
    cpu, modes, space = chart("Overview", "CPU"), chart("Host", "CPU by mode"), chart("Host", "Space")

    assert (cpu["kind"], cpu["suffix"]) == ("Single_Stat_Plus_Line", " %")
    assert [one["value"] for one in cpu["colors"] if one["type"] == "text"] == [0, 80, 95]
    assert (modes["position"], modes["shade"]) == ("stacked", True)
    assert modes["axes"][1] == {"name": "y", "base": "10", "scale": "linear", "suffix": " %", "domain": [0, 100]}
    assert [one["fieldName"] for one in space["fieldOptions"]] == ["path", "used_percent", "space"]


def test_a_chart_for_each_probe_is_one_whose_lines_name_the_probe() -> None:
    """Here a chart cannot be repeated."""
    (query,) = chart("Service", "Phases")["queries"]

    assert 'if exists r["probe"] then r["probe"]' in query["query"]


def test_the_title_of_a_section_is_a_line_of_its_own() -> None:
    """As Markdown."""
    heading = chart("Host", "Disks")

    assert (heading["kind"], heading["note"], heading["width"], heading["height"]) == ("Markdown", "### Disks", 12, 1)


def test_a_name_is_the_same_for_the_same_words_and_another_for_others() -> None:
    """Letters that DNS does not know are told apart by a hash."""
    assert identifier("opswatch", "dashboard", "host") == "opswatch-dashboard-host"
    assert identifier("a_b") == identifier("a_b") != identifier("a-b") != identifier("a", "b_")
    assert len(identifier("x" * 200)) == 63
    assert identifier("___")[0].isalnum()
