"""A refused point as a line: whatever it is made of, it comes back from strict JSON as it was."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.quarantine_lines import (
    has_identifier,
    identifier_of,
    needle_of,
    payload_line,
    point_line,
    read_head,
    read_item,
    with_reason,
)
from telemetry.points import Point
from telemetry.ports import Refused

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LATER = datetime(2026, 11, 25, 1, 2, 3, tzinfo=UTC)
ID = "20261124-0123456789ab"
TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=20)  # lone surrogates too
POINTS = st.builds(
    Point.of,
    TEXT,
    st.dictionaries(TEXT, TEXT, max_size=3),
    st.dictionaries(TEXT, st.floats() | st.integers() | TEXT, min_size=1, max_size=4),
    st.integers(-(2**70), 2**70),
)


def refuse_constants(name: str) -> Any:
    raise AssertionError(name)


@given(point=POINTS, reason=TEXT)
def test_every_point_comes_back(point: Point, reason: str) -> None:
    """NaN, infinities, halves of characters, times beyond the calendar; on one line, without JSON's extensions."""
    line = point_line(ID, Refused(point, reason), "push", NOW)
    json.loads(line, parse_constant=refuse_constants)
    item = read_item(line.encode(), "20261124")

    assert "\n" not in line
    assert (item.id, item.time, item.source, item.reason, item.size) == (ID, NOW, "push", reason, len(line))
    assert repr(item.point) == repr(point)  # NaN is not equal to itself
    assert needle_of(point.measurement) in line.encode()


@given(point=POINTS, reason=TEXT, other=TEXT)
def test_refused_again_only_time_and_reason_are_new(point: Point, reason: str, other: str) -> None:
    """Who refused it first, and the point, stay."""
    line = point_line(ID, Refused(point, reason), "push", NOW).encode()
    item = read_item(with_reason(line, ID, other, LATER).encode(), "20261124")

    assert (item.id, item.time, item.source, item.reason) == (ID, LATER, "push", other)
    assert repr(item.point) == repr(point)


@given(line=st.binary(max_size=200))
def test_no_bytes_are_too_strange_to_be_listed(line: bytes) -> None:
    """They have an id, and no point."""
    item = read_item(line, "20261124")

    assert item.point is None
    assert item.id == identifier_of(line, "20261124")


def test_a_batch_that_is_no_points_has_no_point() -> None:
    """Its bytes are kept in hexadecimal."""
    line = payload_line(ID, b"\x00\xff", "broken", "spool", NOW).encode()

    assert read_item(line, "20261124").point is None
    assert json.loads(line)["payload"] == "00ff"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"id": "20261124-0123456789ab", "time": "x', True),
        (b'{"id": "20261124-x0123456789ab", "time"', True),
        (b'{"id": "../../etc/passwd", "time": "x"', False),
        (b'{"id": "", "time": "x"', False),
        (b'#"id": "20261124-0123456789ab", "time": "x"', False),
        (b'{"time": "x"', False),
    ],
)
def test_only_our_own_ids_are_ids(line: bytes, expected: bool) -> None:
    """What else stands in that place is not repeated to anybody."""
    assert has_identifier(line) is expected
    assert identifier_of(line, "20261124").startswith("20261124-x" if not expected else "20261124-")


def test_the_beginning_of_a_line_is_enough_for_a_list() -> None:
    """All but the point."""
    line = point_line(ID, Refused(Point.of("m", {}, {"f": "x" * 9_000}, 0), "why"), "store", NOW).encode()
    item = read_head(line[:500], ID, len(line))

    assert (item.time, item.source, item.reason, item.point) == (NOW, "store", "why", None)
