"""Pages on the grid of somebody else's dashboards."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from dashboards.cells import COLUMNS, Cell, Look, Placed, cells_of, history_of, placed, plain
from dashboards.panels import Dashboard, parse_config
from telemetry.measurements import BUILT_IN
from telemetry.panel_queries import Lines
from telemetry.schema import Registry
from tests.dashboards.test_panels import SHIPPED

PAGES = parse_config(SHIPPED, "x", BUILT_IN).dashboards
CELLS = some.builds(Cell, some.sampled_from(Look), some.just("x"), some.integers(1, COLUMNS), some.integers(1, 5))


def assert_apart(cells: tuple[Placed, ...]) -> None:
    for one in cells:
        assert 0 <= one.x <= COLUMNS - one.cell.width
    for one, other in combinations(cells, 2):
        beside = one.x + one.cell.width <= other.x or other.x + other.cell.width <= one.x
        assert beside or one.y + one.cell.height <= other.y or other.y + other.cell.height <= one.y


@given(some.lists(some.lists(CELLS, max_size=9), max_size=4))
def test_no_cell_lies_on_another_or_beside_the_grid(sections: list[list[Cell]]) -> None:
    """Of any sizes, in the order they came in, each section below the one before it."""
    found = placed(sections)

    assert [one.cell for one in found] == [cell for section in sections for cell in section]
    assert_apart(found)
    bottoms = 0
    for section in sections:
        mine, found = found[: len(section)], found[len(section) :]
        assert all(one.y >= bottoms for one in mine)
        bottoms = max((one.y + one.cell.height for one in mine), default=bottoms)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_panel_of_a_page_is_there(page: Dashboard) -> None:
    """Each with a question and words for it; sections under their titles."""
    cells = cells_of(page, BUILT_IN)
    titles = [one.cell.title for one in cells]

    assert_apart(cells)
    assert {section.title for section in page.sections} - {""} <= set(titles)
    for section in page.sections:
        for panel in section.panels:
            assert panel.title in titles or panel.kind in {"facts", "quarantine"}
    assert all((one.cell.query is None) == (one.cell.look is Look.HEADING) for one in cells)
    assert all(one.cell.note for one in cells if one.cell.query is not None)


def test_history_holds_the_charts_that_levels_can_answer() -> None:
    """Of samples that are rolled up; a page without such has no history."""
    history = {page.name: [one.cell for one in history_of(page, BUILT_IN)] for page in PAGES}

    assert [name for name, cells in history.items() if cells] == ["host", "service"]
    charts = [cell.query for cell in history["host"] if cell.look is not Look.HEADING]
    assert len(charts) >= 10
    assert all(isinstance(query, Lines) and query.of_history for query in charts)


def test_what_an_older_registry_does_not_know_is_left_out() -> None:
    """The facts of the status page are asked of what OpsWatch writes of itself."""
    status = next(page for page in PAGES if page.name == "status")
    facts = status.model_copy(update={"sections": status.sections[:1]})

    assert len(cells_of(facts, BUILT_IN)) >= 8
    assert cells_of(facts, Registry(())) == ()


def test_a_title_is_one_line_of_a_hundred_characters() -> None:
    """Whatever stands in the file."""
    assert plain("a\n\tb\x1b[31m\u202ec  d") == "a b [31m c d"
    assert plain("x" * 101) == "x" * 99 + "…"
