"""The schema registry: the door through which every point passes."""

import math

import pytest

from telemetry.errors import PointRejected
from telemetry.measurements import BUILT_IN
from telemetry.points import Point
from telemetry.schema import RESERVED_NAMES, check_name

MEM = {"host": "web-1"}


def test_a_point_comes_out_in_its_registered_types() -> None:
    """An integer given for a float field becomes a float, so that a type never flips."""
    point = BUILT_IN.coerce(Point.of("mem", MEM, {"used_percent": 50, "used": 7.0}, 1))

    assert point.fields == {"used_percent": 50.0, "used": 7}
    assert isinstance(point.fields["used_percent"], float)
    assert isinstance(point.fields["used"], int)


@pytest.mark.parametrize(
    ("point", "named"),
    [
        (Point.of("memory", MEM, {"used": 1}, 1), "'memory' is not registered"),
        (Point.of("mem", {"hots": "a"}, {"used": 1}, 1), "no tag 'hots'"),
        (Point.of("mem", MEM, {"usde": 1}, 1), "no field 'usde'"),
        (Point.of("mem", MEM, {"used": "many"}, 1), "is a number, not text"),
        (Point.of("mem", MEM, {"used": 1.5}, 1), "is an integer"),
        (Point.of("mem", MEM, {"used": 2**53 + 1}, 1), "beyond 2\\^53"),
        (Point.of("mem", MEM, {"used_percent": math.nan}, 1), "is nan"),
        (Point.of("mem", MEM, {"used_percent": -math.inf}, 1), "is -inf"),
        (Point.of("probe", {}, {"message": 5}, 1), "is text"),
        (Point.of("mem", MEM, {}, 1), "has no field"),
        (Point.of("mem", {"host": "x" * 70_000}, {"used": 1}, 1), "70,000 characters"),
        (Point.of("mem", {"host": "a\x00b"}, {"used": 1}, 1), "holds NUL"),
        (Point.of("mem", {"host": "a\udfffb"}, {"used": 1}, 1), "half a character"),
        (Point.of("mem", MEM, {"used": 1}, 2**63), "not between 1678 and 2262"),
        (Point.of("mem", MEM, {"used": 1}, -(2**63)), "not between 1678 and 2262"),
    ],
)
def test_a_point_that_no_store_could_hold_is_refused_by_name(point: Point, named: str) -> None:
    """A22: what cannot be stored exactly is refused at the door, and the message names it."""
    with pytest.raises(PointRejected, match=named):
        BUILT_IN.coerce(point)


def test_hostile_text_is_cleaned_and_bounded() -> None:
    """NUL and lone surrogates become marks, and a text field has an end."""
    point = BUILT_IN.coerce(Point.of("probe", {}, {"message": "a\x00b\ud800" + "x" * 10_000}, 1))

    text = str(point.fields["message"])
    assert text.startswith("a\ufffdb?")
    assert len(text) == 4_096


@pytest.mark.parametrize("name", ["", "_time", *sorted(RESERVED_NAMES)])
def test_names_that_blind_a_query_are_refused(name: str) -> None:
    """InfluxDB takes some of these and then fails every query on the series."""
    with pytest.raises(PointRejected, match="cannot be a name"):
        check_name(name)


def test_no_built_in_name_is_refused() -> None:
    """Our own measurements, tags and fields pass the check that others must pass."""
    for measurement in BUILT_IN:
        for name in (measurement.name, *measurement.tags, *(field.name for field in measurement.fields)):
            check_name(name)
        assert list(measurement.tags) == sorted(measurement.tags)
