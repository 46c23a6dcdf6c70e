"""What stores refused, as the page shows it: short, plain, whatever it is made of."""

from datetime import UTC, datetime

import pytest

from dashboards.panels import QuarantinePanel
from dashboards.quarantine_view import quarantine_view
from telemetry.points import Point
from telemetry.quarantine import QuarantinedItem, QuarantinePage, SetAsideFile

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
POINT = Point.of("mem", {"host": "web", "dc": "a"}, {"used": 1.5}, 0)
ITEM = QuarantinedItem("20261124-0123456789ab", NOW, "push", "type conflict", 200, POINT)


def test_a_row_names_the_series_and_the_reason() -> None:
    """As it is written in a query, with its tags."""
    view = quarantine_view(QuarantinePanel(kind="quarantine"), QuarantinePage((ITEM,), "", 1_234, 2_000_000))
    (row,) = view.rows

    assert (row.id, row.at, row.source, row.what, row.reason) == (
        "20261124-0123456789ab",
        NOW,
        "push",
        "mem, dc=a, host=web",
        "type conflict",
    )
    assert view.total == "1,234 items, 2 MB, were"
    assert (view.files, view.unkept) == ((), "")


def test_what_is_no_point_has_only_its_reason() -> None:
    """Half a line, a broken batch, a very large point: its size is told instead."""
    page = QuarantinePage((QuarantinedItem("x", None, "", "cannot be read", 5, None),), "", 1, 5)
    (row,) = quarantine_view(QuarantinePanel(kind="quarantine"), page).rows

    assert (row.at, row.what, row.reason) == (None, "5 B", "cannot be read")
    assert quarantine_view(QuarantinePanel(kind="quarantine"), page).total == "1 item, 5 B, was"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb\tc", "a\\u000ab\\u0009c"),
        ("\u202egnp.exe\u2066", "\\u202egnp.exe\\u2066"),
        ("\ud800", "\\ud800"),
        ("ü 日本 <b>", "ü 日本 <b>"),
        ("x" * 400, "x" * 299 + "…"),
    ],
)
def test_what_has_no_shape_is_told_by_its_number(text: str, shown: str) -> None:
    """Nothing turns a reason around, and none fills the page."""
    item = QuarantinedItem("x", NOW, "push", text, 5, Point.of(text, {}, {"f": 1}, 0))
    (row,) = quarantine_view(QuarantinePanel(kind="quarantine"), QuarantinePage((item,), "", 1, 5)).rows

    assert (row.what, row.reason) == (shown, shown)


def test_what_is_missing_and_what_was_set_aside_is_said() -> None:
    """Also where nothing else is in it."""
    page = QuarantinePage((), "", 0, 0, 7, (SetAsideFile("/data/metrics.duckdb.broken-1", 1_000, NOW),))
    view = quarantine_view(QuarantinePanel(kind="quarantine"), page)

    assert view.total == ""
    assert view.unkept == "7 more were refused since the start and not kept: there was no room."
    assert view.files == (("/data/metrics.duckdb.broken-1", "1 kB", NOW),)
