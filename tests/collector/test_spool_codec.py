"""What goes into a row of the spool comes out of it, exactly."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.spool_codec import MAX_POINTS, NANOSECONDS_PER_DAY, by_day, checksum, decode, encode, pack
from telemetry.points import Point
from tests.collector.doubles import START, load

ENCODING = "json1"
TEXT = st.text(st.characters(), max_size=20)  # with lone surrogates, NUL, line ends, everything
VALUES = st.one_of(st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False), TEXT)
TIMES = st.integers(-(2**63), 2**63 - 1)
POINTS = st.builds(
    Point.of, TEXT, st.dictionaries(TEXT, TEXT, max_size=4), st.dictionaries(TEXT, VALUES, max_size=4), TIMES
)


@given(st.lists(POINTS, max_size=10))
def test_points_come_back_exactly(points: list[Point]) -> None:
    """Whole numbers stay whole, doubles keep every bit, text keeps every character."""
    returned = decode(encode(points), ENCODING)

    assert returned == points
    assert [repr(point) for point in returned] == [repr(point) for point in points]


@given(st.binary(max_size=60))
def test_bytes_that_are_no_batch_are_a_value_error(payload: bytes) -> None:
    """Whatever stands in a broken row, reading it fails in the one way that is handled."""
    try:
        decode(payload, ENCODING)
    except ValueError:
        return
    assert isinstance(json.loads(payload), list | dict | str)


@pytest.mark.parametrize(
    "payload",
    [
        b"[1]",
        b'[["cpu",{},{}]]',
        b'[["cpu",{},{},Infinity]]',
        b'[["cpu",{},{},1.5]]',
        b'[["cpu",{},{},"1"]]',
        b'[["cpu",{"host":1},{},1]]',
        b'[["cpu",{},{"a":null},1]]',
        b'[["cpu",{},{"a":[1]},1]]',
        b'[["cpu",[],{},1]]',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
    ids=lambda payload: payload[:40].decode("ascii", "replace"),
)
def test_json_that_is_no_batch_is_a_value_error(payload: bytes) -> None:
    """JSON of another shape than ours is refused, not guessed at."""
    with pytest.raises(ValueError, match=r"."):
        decode(payload, ENCODING)


def test_an_unknown_encoding_is_refused_by_name() -> None:
    """A row that a later version wrote is not misread."""
    with pytest.raises(ValueError, match="zstd9"):
        decode(encode([load(0)]), "zstd9")


@given(st.binary(min_size=1, max_size=200), st.data())
def test_one_flipped_bit_changes_the_checksum(payload: bytes, data: st.DataObject) -> None:
    """A checksum finds each single flipped bit."""
    at, bit = data.draw(st.integers(0, len(payload) - 1)), data.draw(st.integers(0, 7))
    flipped = bytearray(payload)
    flipped[at] ^= 1 << bit

    assert checksum(bytes(flipped)) != checksum(payload)


@given(st.lists(TIMES, max_size=20))
def test_no_batch_crosses_a_day(times: list[int]) -> None:
    """Points are parted by UTC day, also before 1970, and none is lost."""
    points = [Point.of("system", {}, {"load1": 1.0}, time) for time in times]
    days = by_day(points)

    assert sorted(point.time for day in days for point in day) == sorted(times)
    assert [len({point.time // NANOSECONDS_PER_DAY for point in day}) for day in days] == [1] * len(days)


def test_a_batch_has_a_bounded_number_of_points() -> None:
    """What comes at once is cut into rows of at most 5,000 points."""
    packed, refused = pack([load(second) for second in range(2 * MAX_POINTS + 1)])

    assert [len(one.points) for one in packed] == [MAX_POINTS, MAX_POINTS, 1]
    assert refused == []


def test_a_batch_has_a_bounded_number_of_bytes() -> None:
    """A row is at most 10 MB, however long the texts are."""
    points = [Point.of("probe", {}, {"message": "x" * 4_000_000}, START + number) for number in range(5)]
    packed, _ = pack(points)

    assert max(len(one.payload) for one in packed) <= 10_000_000
    assert [point for one in packed for point in one.points] == points


def test_a22_a_point_that_cannot_be_written_leaves_its_neighbours_alone() -> None:
    """NaN, infinities, foreign types and times beyond 64 bits are refused one by one, each with its reason."""
    bad = [
        Point.of("system", {}, {"load1": math.nan}, START),
        Point.of("system", {}, {"load1": math.inf}, START),
        Point.of("system", {}, {"load1": 1.0}, 2**63),
        Point.of("system", {}, {"load1": object()}, START),  # type: ignore[dict-item]
        Point.of("probe", {}, {"message": "x" * 11_000_000}, START),
    ]
    good = [load(second) for second in range(10)]
    packed, refused = pack([*good[:5], *bad, *good[5:]])

    assert sorted((point for one in packed for point in one.points), key=lambda point: point.time) == good
    assert {id(one.point) for one in refused} == {id(point) for point in bad}
    assert all(one.reason.startswith("the spool cannot hold it: ") for one in refused)


def test_a_row_knows_its_measurements() -> None:
    """What is dropped is counted by source without being read."""
    (packed,) = pack([load(0), load(1), load(2, measurement="mem")])[0]

    assert packed.sources == {"system": 2, "mem": 1}
