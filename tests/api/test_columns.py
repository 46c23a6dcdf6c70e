"""Large answers are encoded in pieces, and read as if they were not."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import columns
from api.columns import encoded
from telemetry.points import Point
from tests.api.world import NOW_NS, World

VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
DOCUMENTS = st.recursive(
    VALUES | st.lists(VALUES),
    lambda inner: st.dictionaries(st.text(), inner) | st.lists(st.dictionaries(st.text(), inner)),
    max_leaves=10,
)


def read_back(text: bytes) -> str:
    """What a reader finds, to the last bit of every number, the order of keys and the kind of each value."""
    return repr(json.loads(text))


def at_once(value: Any) -> str:
    return read_back(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))


@given(value=DOCUMENTS)
def test_a_reader_finds_what_the_standard_library_would_have_written(value: Any) -> None:
    """Whatever it is: also half a character, 1e+16, -0.0, and integers beyond 64 bits."""
    assert read_back(encoded(value)) == at_once(value)


def test_a_text_that_says_nan_is_text() -> None:
    """The word is refused as a number only."""
    assert json.loads(encoded({"values": ["NaN", "Infinity", 1.5]})) == {"values": ["NaN", "Infinity", 1.5]}


@pytest.mark.parametrize("length", [0, 1, columns._PIECE, columns._PIECE + 1, 3 * columns._PIECE])
def test_a_long_column_is_put_together_again(length: int) -> None:
    """At the edges of the pieces, too."""
    value = {"series": [{"values": [None, 1.5, "é"] * length}], "time": list(range(length))}

    assert read_back(encoded(value)) == at_once(value)


@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
def test_what_is_not_json_is_refused(number: str) -> None:
    """No answer holds NaN or an infinity."""
    with pytest.raises(ValueError, match="Out of range"):
        encoded({"values": [float(number)]})


async def test_a_large_answer_is_whole(world: World) -> None:
    """One that is encoded in a thread has every value, in order."""
    tags = {"host": "h1", "interface": "eth0"}
    await world.write(
        *(Point.of("net", tags, {"bytes_sent": number}, NOW_NS - (25_000 - number) * 10**6) for number in range(25_000))
    )
    answer = await world.get("/api/v1/series", measurement="net", limit="1000000", start="-1m")
    (one,) = (await answer.json())["series"]

    assert one["values"] == list(range(25_000))
    assert len(one["time"]) == 25_000
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
