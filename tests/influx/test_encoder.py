"""Our line protocol against the client library's, and where the two differ on purpose."""

import math
import random
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from influxdb_client import Point as ClientPoint

from influx.encoder import MAX_KEY_BYTES, Encoder
from telemetry.measurements import BUILT_IN
from telemetry.points import FieldValue, Point
from telemetry.schema import Field, FieldKind, FieldType, Measurement, MeasurementClass, Registry

TIME = 1_795_500_000 * 10**9
TYPES = {
    **{f"f{number}": FieldType.FLOAT for number in range(4)},
    "float, of = odd.0 %s name": FieldType.FLOAT,
    "i": FieldType.INTEGER,
    "other % integer": FieldType.INTEGER,
    "text": FieldType.TEXT,
    'say "x"': FieldType.TEXT,
}
TAGS = ("cpu", "host", "odd, tag = x", "ü", "z%")
NAMES = ("plain", "odd, name = x", "ü", 'quoted "x"')
# What the client writes otherwise is tested below: line ends, tabs, backslashes, and `%` before a code of ours.
PLAIN = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\\%"), max_size=20)
FLOATS = st.floats(allow_nan=False, allow_infinity=False).map(lambda value: value + 0.0) | st.sampled_from(
    [0.0, -0.01, 1.0, 1e-5, 1e16, 5e-324, 0.1]
)
INTEGERS = st.integers(-(2**53), 2**53)


def measurement(name: str, fields: dict[str, FieldType] = TYPES, tags: tuple[str, ...] = TAGS) -> Measurement:
    kinds = {FieldType.TEXT: FieldKind.TEXT}
    made = tuple(Field(field, type_, kinds.get(type_, FieldKind.GAUGE)) for field, type_ in fields.items())
    return Measurement(name, MeasurementClass.METRICS, tags, made, 1_000, "for tests")


REGISTRY = Registry(measurement(name) for name in NAMES)
VALUES: dict[FieldType, st.SearchStrategy[FieldValue]] = {
    FieldType.FLOAT: FLOATS,
    FieldType.INTEGER: INTEGERS,
    FieldType.TEXT: PLAIN | st.sampled_from(['say "x"', "back\\slash", "end\\", "a=b, c", "line\nend", ".0,", "%s"]),
}
POINTS = st.builds(
    Point.of,
    st.sampled_from(NAMES),
    st.dictionaries(st.sampled_from(TAGS), PLAIN),
    st.fixed_dictionaries({}, optional={name: VALUES[type_] for name, type_ in TYPES.items()}).filter(bool),
    st.integers(TIME - 10**18, TIME + 10**18),
)


def by_the_client(point: Point) -> str:
    theirs = ClientPoint(point.measurement)
    for tag, text in point.tags:
        theirs.tag(tag, text)
    for name, value in point.fields.items():
        theirs.field(name, value)
    return str(theirs.time(point.time).to_line_protocol())


def line(point: Point, registry: Registry = BUILT_IN) -> str:
    encoded = Encoder(registry).encode([point])
    assert encoded.refused == []
    return encoded.lines[0]


def reason(point: Point, registry: Registry = BUILT_IN) -> str:
    encoded = Encoder(registry).encode([point])
    assert (encoded.points, encoded.lines) == ([], [])
    assert encoded.refused[0].point is point
    return encoded.refused[0].reason


def load(value: FieldValue, host: str = "web", time: int = TIME) -> Point:
    return Point.of("system", {"host": host}, {"load1": value}, time)


@settings(max_examples=300)
@given(st.lists(POINTS, max_size=8))
def test_random_points_are_written_as_by_the_client(points: list[Point]) -> None:
    """Byte for byte, whether series and fields are new to the encoder or known."""
    encoder = Encoder(REGISTRY)
    lines = [by_the_client(point) for point in points]

    assert encoder.encode(points).lines == lines
    assert encoder.encode(points).lines == lines


@settings(max_examples=300)
@given(st.lists(FLOATS, min_size=4, max_size=4))
def test_every_float_is_written_as_by_the_client(values: list[float]) -> None:
    """Also where there are several and the fast way of writing them has another notation."""
    point = Point.of("plain", {}, {f"f{number}": value for number, value in enumerate(values)}, TIME)
    encoder = Encoder(REGISTRY)

    assert encoder.encode([point, point]).lines == [by_the_client(point)] * 2


def test_order_and_repetition_change_nothing() -> None:
    """The same point is the same bytes, in whatever order its fields came."""
    one = Point.of("system", {"host": "web"}, {"load1": 1.0, "load5": 2.5}, TIME)
    other = Point.of("system", {"host": "web"}, {"load5": 2.5, "load1": 1.0}, TIME)

    assert line(one) == line(other) == f"system,host=web load1=1,load5=2.5 {TIME}"


def test_the_type_is_the_registrys() -> None:
    """A whole number for a float stays a float, and a whole float becomes an integer: a field's type never flips."""
    assert line(load(3)) == line(load(3.0)) == f"system,host=web load1=3 {TIME}"
    assert by_the_client(load(3)).endswith(f"load1=3i {TIME}")
    assert line(Point.of("probe", {"probe": "p"}, {"up": 1.0}, TIME)) == f"probe,probe=p up=1i {TIME}"
    assert "load1 is a number, not text" in reason(load("3"))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_refused(value: float) -> None:
    """The client leaves such a field out and says nothing."""
    assert "which no store can hold" in reason(load(value))
    two = Point.of("system", {"host": "web"}, {"load1": value, "load5": 1.0}, TIME)
    assert "which no store can hold" in reason(two)
    assert "load1" not in by_the_client(two)


@pytest.mark.parametrize("value", [2**53 + 1, -(2**63), 2**63, 10**400])
def test_an_integer_that_is_too_large_is_refused(value: int) -> None:
    """The client writes any, and InfluxDB refuses the whole batch for one beyond 64 bits."""
    assert "beyond 2^53" in reason(Point.of("probe", {"probe": "p"}, {"up": value}, TIME))
    known = Encoder(BUILT_IN)
    known.encode([Point.of("probe", {"probe": "p"}, {"up": 1}, TIME)])
    assert known.encode([Point.of("probe", {"probe": "p"}, {"up": value}, TIME)]).lines == []


def test_zero_has_no_sign() -> None:
    """Whether it is the first of its series or not; the client writes -0."""
    points = [Point.of("system", {"host": "web"}, {"load1": -0.0, "load5": -0.0}, TIME), load(-0.0)] * 2
    written = f"system,host=web load1=0,load5=0 {TIME}", f"system,host=web load1=0 {TIME}"

    assert tuple(Encoder(BUILT_IN).encode(points).lines) == written * 2


def test_an_empty_tag_is_no_tag() -> None:
    """As with the client, also where a point was not built by `Point.of`."""
    point = Point("system", (("host", ""),), {"load1": 1.0}, TIME)

    assert line(point) == by_the_client(point) == f"system load1=1 {TIME}"


def test_line_ends_and_backslashes_come_back() -> None:
    """The client writes a newline as two characters, and puts a space behind a backslash at the end."""
    assert line(load(1.0, "new\nline\r")) == f"system,host=new%0Aline%0D load1=1 {TIME}"
    assert "new\\nline" in by_the_client(load(1.0, "new\nline"))
    assert line(load(1.0, "C:\\")) == f"system,host=C:%5C load1=1 {TIME}"
    assert "C:\\ " in by_the_client(load(1.0, "C:\\"))
    assert line(load(1.0, "a\tb")) == f"system,host=a\tb load1=1 {TIME}"
    assert "a\\tb" in by_the_client(load(1.0, "a\tb"))


def test_text_keeps_its_line_ends() -> None:
    """A newline is a newline in a text; a carriage return would not come back."""
    point = Point.of("probe", {"probe": "p"}, {"message": 'say\r\n"x"\\'}, TIME)

    assert line(point) == f'probe,probe=p message="say%0D\n\\"x\\"\\\\" {TIME}'


def test_a_measurement_that_would_be_a_comment_is_refused() -> None:
    """InfluxDB drops such a line and answers 204; the client only warns."""
    point = Point.of("#x", {}, {"f0": 1.0}, TIME)

    assert "takes it for a comment" in reason(point, Registry([measurement("#x")]))
    with pytest.warns(SyntaxWarning):
        assert by_the_client(point).startswith("#x")


@pytest.mark.parametrize("name", ["_internal", "time", "table", "new\nline", ""])
def test_names_that_cannot_be_queried_are_refused(name: str) -> None:
    """InfluxDB takes some of them and then fails every query."""
    assert "cannot be a name" in reason(Point.of(name, {}, {"f0": 1.0}, TIME), Registry([measurement(name)]))
    as_tag = Registry([measurement("m", tags=(name,))])
    assert "cannot be a name" in reason(Point("m", ((name, "x"),), {"f0": 1.0}, TIME), as_tag)
    as_field = Registry([measurement("m", {name: FieldType.FLOAT})])
    assert "cannot be a name" in reason(Point.of("m", {}, {name: 1.0}, TIME), as_field)


def test_a_series_key_that_is_too_long_is_refused() -> None:
    """InfluxDB would refuse the whole batch."""
    tags = tuple(f"t{number}" for number in range(100))
    point = Point.of("m", dict.fromkeys(tags, "x" * 1_000), {"f0": 1.0}, TIME)

    assert f"more than the {MAX_KEY_BYTES:,}" in reason(point, Registry([measurement("m", tags=tags)]))


@pytest.mark.parametrize("time", [-(2**63), 2**63 - 1, 10**30])
def test_a_time_that_no_query_reaches_is_refused(time: int) -> None:
    """Beyond 64 bits, and at their ends."""
    known = Encoder(BUILT_IN)
    known.encode([load(1.0)])

    assert "between 1678 and 2262" in known.encode([load(1.0, time=time)]).refused[0].reason


@pytest.mark.parametrize("text", ["half \ud800", "NUL \0"])
def test_broken_text_does_no_harm(text: str) -> None:
    """Half a character or NUL is refused in a tag and replaced in a text."""
    assert "holds NUL or half a character" in reason(load(1.0, text))
    message = line(Point.of("probe", {"probe": "p"}, {"message": text}, TIME))
    assert message.encode("utf-8").startswith(b'probe,probe=p message="')
    assert text not in message


def test_a_refused_point_does_not_take_its_neighbours_along() -> None:
    """Each by itself, and what was refused is said."""
    encoded = Encoder(BUILT_IN).encode(
        [load(1.0), Point.of("unknown", {}, {"f": 1.0}, TIME), load(math.nan), Point.of("cpu", {}, {}, TIME), load(2.0)]
    )

    assert [one.fields["load1"] for one in encoded.points] == [1.0, 2.0]
    assert [one.reason.split(" is ")[-1].split(" has ")[-1] for one in encoded.refused] == [
        "not registered",
        "nan, which no store can hold",
        "no field",
    ]


def test_what_is_learned_later_is_written() -> None:
    """A field that the registry did not have is no matter once it is learned."""
    registry = BUILT_IN.learning()
    encoder = Encoder(registry)
    point = Point.of("shop", {"app": "a"}, {"orders": 1.0, "sum": 2.0}, TIME)
    registry.learn("shop", ["app"], ["orders"])
    assert "has no field" in encoder.encode([point]).refused[0].reason
    registry.learn("shop", ["app"], ["sum"])

    assert encoder.encode([point]).lines == [f"shop,app=a orders=1,sum=2 {TIME}"]


def test_what_is_remembered_is_bounded() -> None:
    """Ever new series and ever new sets of fields do not fill the memory, and are written all the same."""
    registry = Registry([measurement("m", {f"f{number}": FieldType.FLOAT for number in range(400)})])
    encoder = Encoder(registry)
    chance = random.Random(1)
    points = [
        Point.of("m", {"host": f"{number}"}, {f"f{one}": 1.0 for one in chance.sample(range(400), 3)}, TIME)
        for number in range(60_000)
    ]

    assert len(encoder.encode(points).lines) == 60_000
    assert len(encoder._keys) <= 50_000
    assert len(encoder._layouts) <= 10_000


def test_the_client_warns_of_nothing_else() -> None:
    """What is compared above is what the client thinks right."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert by_the_client(load(1.5)) == line(load(1.5))
