"""Line protocol: what InfluxDB accepts is accepted, and what it refuses is refused in its words."""

import string
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from influxdb_client import Point as ClientPoint
from influxdb_client import WritePrecision

from collector.line_protocol import MAX_KEY_LENGTH, Faults, parse_in_parts, parse_lines


@pytest.mark.parametrize(
    ("line", "measurement", "tags", "fields", "time"),
    [
        ("cpu f=1", "cpu", {}, {"f": 1.0}, None),
        ("cpu,host=a f=1 17", "cpu", {"host": "a"}, {"f": 1.0}, 17),
        ("  cpu,host=a   f=1   17  ", "cpu", {"host": "a"}, {"f": 1.0}, 17),
        ("cpu f=1i,g=2u,h=t,i=FALSE,j=.5,k=1.,l=-0.0,m=1e3", "cpu", {}, None, None),
        (r"my\ cpu\,1,ho\=st=a\ b\,c f\ g=1", "my cpu,1", {"ho=st": "a b,c"}, {"f g": 1.0}, None),
        (r"cpu,path=C:\dir f=1", "cpu", {"path": "C:\\dir"}, {"f": 1.0}, None),
        (r'cpu s="a \"quoted\" \\ \n text, = and space" 5', "cpu", {}, {"s": 'a "quoted" \\ \\n text, = and space'}, 5),
        ('cpu s="two\nlines",f=1 5', "cpu", {}, {"s": "two\nlines", "f": 1.0}, 5),
        ('cpu,h=a"b f=1', "cpu", {"h": 'a"b'}, {"f": 1.0}, None),
        ("cpu f=1,f=2", "cpu", {}, {"f": 2.0}, None),
        ("cpu f=1 -9223372036854775806", "cpu", {}, {"f": 1.0}, -9223372036854775806),
        ("größe,ü=ö µ=1", "größe", {"ü": "ö"}, {"µ": 1.0}, None),
    ],
)  # fmt: skip
def test_what_influxdb_accepts_is_accepted(
    line: str, measurement: str, tags: dict[str, str], fields: dict[str, object] | None, time: int | None
) -> None:
    """Numbers, booleans, strings over several lines, escapes, and a backslash that escapes nothing."""
    (parsed,), bad = parse_lines(line)
    expected = fields or {"f": 1, "g": 2, "h": True, "i": False, "j": 0.5, "k": 1.0, "l": 0.0, "m": 1000.0}

    assert bad == []
    assert (parsed.measurement, dict(parsed.tags), parsed.fields, parsed.time) == (measurement, tags, expected, time)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("cpu", "missing fields"),
        ("cpu,host=a", "missing fields"),
        (",host=a f=1", "missing measurement"),
        ("cpu,host f=1", "missing tag value"),
        ("cpu,host= f=1", "missing tag value"),
        ("cpu,=a f=1", "missing tag key"),
        ("cpu,a=1,a=2 f=1", "duplicate tags"),
        ("cpu,a=b=c f=1", "invalid tag format"),
        ("cpu,time=1 f=1", 'cannot use reserved tag key "time"'),
        ("cpu f", "invalid field format"),
        ("cpu =1", "missing field key"),
        ("cpu f=", "missing field value"),
        ("cpu f=NaN", "invalid number"),
        ("cpu f=0x10", "invalid number"),
        ("cpu f=1,5", "invalid field format"),
        ("cpu f=tRue", "invalid boolean"),
        ("cpu f=+Inf", "invalid boolean"),
        ("cpu f=1e400", "invalid float"),
        ("cpu f=9223372036854775808i", "value out of range"),
        ("cpu f=18446744073709551616u", "value out of range"),
        (f"cpu f={'9' * 5_000}i", "value out of range"),
        (f"cpu f=1 {'9' * 5_000}", "bad timestamp"),
        (f"cpu {'f' * 2_100_000}=1", "max line length exceeded: 2100006 > 2097152"),
        ('cpu f="open', "unbalanced quotes"),
        ("cpu f=1 soon", "bad timestamp"),
        ("cpu f=1 17\r", "bad timestamp"),
        ("cpu f=1 1 2", "bad timestamp"),
        ("cpu f=1 9223372036854775807", "time outside range"),
        ("cpu,a=" + "x" * 70_000 + " f=1", "max key length exceeded"),
    ],
)
def test_what_influxdb_refuses_is_refused_in_its_words(line: str, reason: str) -> None:
    """With the line and its number, counted from 1; the lines beside it are lines."""
    lines, bad = parse_lines(f"ok f=1\n# a comment\n\n{line}\nok f=2" if '"' not in line else f"ok f=1\n\n\n{line}")

    assert lines[0].measurement == "ok"
    assert (bad[0].number, len(bad)) == (4, 1)
    assert reason in str(bad[0])
    assert str(bad[0]).startswith("unable to parse '")
    assert str(bad[0]).endswith("(line 4)")


@pytest.mark.parametrize(("precision", "factor"), [("ns", 1), ("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000)])
def test_times_are_in_the_precision_that_was_named(precision: str, factor: int) -> None:
    """And come out in nanoseconds."""
    assert parse_lines("cpu f=1 17", precision)[0][0].time == 17 * factor


TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
# The client neither escapes a backslash nor can it say a tag that ends in one.
NAMES = TEXT.filter(
    lambda text: "\\" not in text and not text.startswith(("#", "_")) and text.strip() and text != "time"
)


@given(
    measurement=NAMES,
    tags=st.dictionaries(NAMES, NAMES, max_size=3),
    fields=st.dictionaries(
        NAMES,
        st.floats(allow_nan=False, allow_infinity=False)
        | st.integers(-(2**63), 2**63 - 1)
        | st.booleans()
        | st.text(string.printable.replace("\r", "").replace("\x0b", "").replace("\x0c", ""), max_size=20),
        min_size=1,
        max_size=3,
    ),
    time=st.integers(0, 2**62),
)
@example(measurement="a b,c", tags={"k=1": "v, =w"}, fields={"f ,=": 'say "x\\"\n,= y'}, time=0)
def test_what_influxdbs_own_client_writes_is_read_back(
    measurement: str, tags: dict[str, str], fields: dict[str, object], time: int
) -> None:
    """Escapes and types survive the way through influxdb-client's encoder."""
    point = ClientPoint(measurement).time(time, WritePrecision.NS)
    for name, value in tags.items():
        point.tag(name, value)
    for name, value in fields.items():
        point.field(name, value)
    (line,), bad = parse_lines(point.to_line_protocol())

    assert bad == []
    assert (line.measurement, dict(line.tags), line.fields, line.time) == (measurement, tags, fields, time)


@given(st.text(st.sampled_from(list('a1,= \\"\n#tTi.-')), max_size=40))
def test_no_text_whatever_breaks_the_parser(text: str) -> None:
    """Every line is a line, or a fault that says which."""
    lines, bad = parse_lines(text)

    assert all(line.fields and line.measurement for line in lines)
    assert all(str(one) for one in bad)


def test_one_bad_line_of_five_thousand_is_named() -> None:
    """And only that one."""
    body = "\n".join("cpu f=" if number == 4_217 else f"cpu f={number}" for number in range(1, 5_001))
    lines, bad = parse_lines(body)

    assert (len(lines), [one.number for one in bad]) == (4_999, [4_217])


def test_the_faults_of_a_hopeless_body_are_cut_short() -> None:
    """Five thousand bad lines are not five thousand lines of answer, and a long line is not quoted whole."""
    faults = Faults()
    for part in parse_in_parts("\n".join("x" * 70_000 for _ in range(50)) + "\nx" * 5_000):
        faults.add(part.bad)

    assert len(faults.shown()) < 65_000
    assert "5,050 bad lines in all" in faults.shown()


def test_a_key_may_be_as_long_as_influxdbs() -> None:
    """65,535 bytes of measurement and tags."""
    lines, bad = parse_lines("m,a=" + "x" * (MAX_KEY_LENGTH - 4) + " f=1")

    assert (len(lines), bad) == (1, [])


def test_a_client_may_send_a_datetime() -> None:
    """The time of a point as the client writes it."""
    point = ClientPoint("cpu").field("f", 1.0).time(datetime(2026, 11, 24, 12, tzinfo=UTC), WritePrecision.S)

    assert parse_lines(point.to_line_protocol(), "s")[0][0].time == 1_795_521_600 * 10**9


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    ("body", "lines", "bad"),
    [
        ('cpu s="' + "\n" * 500_000, 0, 1),
        ('cpu s="' + '\\"' * 200_000 + '"', 1, 0),
        ('cpu s="' + "\\" * 1_000_000 + '"', 1, 0),
        ('cpu s="' + "two\n" * 20_000 + '",t="' + "x\n" * 20_000 + '"', 1, 0),
        ("cpu " + ",".join(f'f{number}="x"' for number in range(20_000)), 1, 0),
        ("cpu," + "a\\=" * 15_000 + "=b f=1", 1, 0),
        ("cpu f=" + "9" * 1_000_000 + "i", 0, 1),
        ("cpu f=" + "9" * 1_000_000, 0, 1),
        ("cpu f=1 " + "9" * 1_000_000, 0, 1),
    ],
    ids=[
        "open string",
        "escaped quotes",
        "backslashes",
        "long strings",
        "many strings",
        "escaped key",
        "long integer",
        "long float",
        "long time",
    ],
)
def test_no_body_takes_longer_than_its_length_deserves(body: str, lines: int, bad: int) -> None:
    """Each of them would take hours if a line were looked at anew for each of its quotes or line ends."""
    parsed, faults = parse_lines(body)

    assert (len(parsed), len(faults)) == (lines, bad)


def test_a_long_body_is_parsed_in_parts_of_bounded_size() -> None:
    """By lines and by length; numbers go on from part to part, and an open string is in one part."""
    short = list(parse_in_parts("\n".join(f"cpu f={number}" for number in range(12_001))))
    long = list(parse_in_parts("\n".join(['cpu s="' + "two\n" * 50_000 + '"'] * 12 + ["cpu f="])))

    assert [len(part.lines) for part in short] == [5_000, 5_000, 2_001]
    assert [part.lines[-1].number for part in short] == [5_000, 10_000, 12_001]
    assert [len(part.lines) for part in long] == [5, 5, 2]
    assert [bad.number for bad in long[-1].bad] == [12 * 50_001 + 1]
