"""What InfluxDB's answers to a write mean, word for word as a 2.9.1 gives them."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from influx.connection import MAX_ANSWER_BYTES
from influx.write_answers import (
    LONGEST_WAIT,
    Asked,
    BadField,
    BadLines,
    Closed,
    Indivisible,
    Later,
    Meaning,
    Taken,
    TooOld,
    meaning,
    retry_after,
)
from tests.influx import stub

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def read(reply: stub.Reply, lines: Sequence[str] = ("m f=1 1", "m f=2 2")) -> Meaning:
    headers = {name.lower(): value for name, value in reply.headers.items()}
    return meaning(reply.status, headers, reply.body[:MAX_ANSWER_BYTES], Asked("opswatch_raw", "ops", lines), NOW)


def test_an_empty_204_is_yes() -> None:
    """And nothing else is."""
    assert read(stub.TAKEN) == Taken()


@pytest.mark.parametrize(
    "reply", [stub.HTML, stub.Reply(200), stub.Reply(201), stub.Reply(202, b"{}"), stub.Reply(200, b'{"ok": true}')]
)
def test_any_other_yes_is_not_believed(reply: stub.Reply) -> None:
    """A proxy's page, or a server that is none."""
    said = read(reply)

    assert isinstance(said, Closed)
    assert "no InfluxDB's answer" in said.reason


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_trouble_of_the_server_is_for_later(status: int) -> None:
    """With what it said, whether it is JSON or a proxy's page."""
    said = read(stub.error(status, "unavailable", "busy"))
    assert isinstance(said, Later)
    assert said.reason == f"InfluxDB answers {status}: busy"
    assert said.may_be_gzip is (status == 500)
    assert isinstance(read(stub.Reply(status, b"<h1>Bad gateway</h1>")), Later)
    assert isinstance(read(stub.Reply(status)), Later)


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("7", timedelta(seconds=7)),
        ("0", timedelta(0)),
        ("-5", timedelta(0)),
        ("1.5", timedelta(seconds=1.5)),
        ("315360000", timedelta(days=3650)),
        ("9" * 400, LONGEST_WAIT),
        ("inf", LONGEST_WAIT),
        ("nan", None),
        ("Tue, 24 Nov 2026 12:00:30 GMT", timedelta(seconds=30)),
        ("Tue, 24 Nov 2026 11:00:00 GMT", timedelta(0)),
        ("Tue, 24 Nov 2026 12:00:30 -0000", timedelta(seconds=30)),
        ("Fri, 24 Nov 2036 12:00:00 GMT", LONGEST_WAIT),
        ("soon", None),
        ("", None),
        ("Tue, 99 Nov 2026 12:00:30 GMT", None),
    ],
)
def test_a7_how_long_it_wants_to_be_left_alone(header: str, wait: timedelta | None) -> None:
    """Seconds or a date, nothing negative, nothing that overflows."""
    assert retry_after({"retry-after": header}, NOW) == wait
    said = read(stub.error(503, "unavailable", "busy", {"Retry-After": header}))
    assert isinstance(said, Later)
    assert said.wait == wait


def test_a_compressed_body_that_cannot_be_read_may_be_the_compressions_fault() -> None:
    """The end is missing (500), or the checksum is wrong (400)."""
    checksum = stub.error(400, "invalid", "unable to read data: gzip: invalid checksum")
    for reply in (stub.BROKEN_GZIP, checksum):
        said = read(reply)
        assert isinstance(said, Later)
        assert said.may_be_gzip


def test_a10_bad_lines_are_found_where_they_are() -> None:
    """By their words, in the order of the batch, each with its own reason; equal lines one after the other."""
    lines = ["m f=1 1", "m,t= f=1 2", "m f=1 3", "m f=x 4", "m f=x 4", "m f=1 5"]
    said = read(
        stub.bad_lines((lines[1], "missing tag value"), (lines[3], "invalid boolean"), (lines[4], "invalid boolean")),
        lines,
    )

    assert said == BadLines(
        {
            1: "InfluxDB cannot parse it: missing tag value",
            3: "InfluxDB cannot parse it: invalid boolean",
            4: "InfluxDB cannot parse it: invalid boolean",
        }
    )


def test_a_line_may_hold_what_the_answer_is_made_of() -> None:
    """Quotation marks, colons, line ends, even the whole phrase in a text."""
    lines = [
        """m,t=' f= 2""",
        """m s="it's: 'x': y\nunable to parse 'm f=1 9': z",f=x 3""",
        "m f=1 9",
        """m,t=a': f=x 3""",
        'm s="é🦆 \\"",f=x 3',
    ]
    said = read(
        stub.bad_lines((lines[0], "missing field value"), *((lines[one], "invalid boolean") for one in (1, 3, 4))),
        lines,
    )

    assert isinstance(said, BadLines)
    assert set(said.reasons) == {0, 1, 3, 4}
    assert said.reasons[1] == "InfluxDB cannot parse it: invalid boolean"


def test_of_a_long_answer_what_was_read_is_used() -> None:
    """5,000 bad lines are 339 KB, of which 64 are read: hundreds of them are known, and no good one is blamed."""
    chance = random.Random(1)
    lines = [f"m,host=h{number} f={'x' if chance.random() < 0.5 else 1} {number:019}" for number in range(5_000)]
    bad = [number for number, line in enumerate(lines) if "f=x" in line]
    said = read(stub.bad_lines(*((lines[number], "invalid boolean") for number in bad)), lines)

    assert isinstance(said, BadLines)
    assert 500 < len(said.reasons) < len(bad)
    assert list(said.reasons) == bad[: len(said.reasons)]


def test_a_line_that_is_longer_than_what_is_read_is_known_by_its_beginning() -> None:
    """A tag of 70 kB comes back whole, and its end is not read."""
    lines = ["m f=1 1", f"m,t={'x' * 70_000} f=1 1", "m f=1 2"]
    said = read(stub.bad_lines((lines[1], "max key length exceeded: 70006 > 65535")), lines)

    assert isinstance(said, BadLines)
    assert list(said.reasons) == [1]


def test_wherever_an_answer_is_cut_off_no_good_line_is_blamed() -> None:
    """In the middle of an escape, of a character, of a quotation: what stands before is used."""
    lines = [
        'm,t=" f=x 1',
        "m f=1 1",
        'm,t=\u00e9<\U0001f986 f=x,s="a" 2',
        'm,t=\u00e9<\U0001f986 f=1,s="a" 2',
        "m f=x 3",
    ]
    body = stub.bad_lines(*((lines[number], "invalid boolean") for number in (0, 2, 4))).body
    body = body.replace(b"<", b"\\u003c")  # as Go writes it
    for end in range(body.index(b"1': "), len(body)):
        said = read(stub.Reply(400, body[:end]), lines)
        if end > body.index(b"1': ") + len("1': "):
            assert isinstance(said, BadLines), body[:end]
            assert 0 in said.reasons
            assert set(said.reasons) <= {0, 2, 4}


def test_lines_that_are_not_ours_are_not_blamed_on_anybody() -> None:
    """Then it is halved."""
    assert isinstance(read(stub.bad_lines(("other f=x 1", "invalid boolean"))), Indivisible)


@pytest.mark.parametrize(
    ("field", "measurement"), [("f", "m"), ('f ",', 'm "x,y'), ("a%5Cb", "c%5C"), ("é", "日🦆"), ("a=b", "c d")]
)
def test_a_type_conflict_names_field_and_measurement(field: str, measurement: str) -> None:
    """In Go's quotation; what we have encoded comes back decoded."""
    said = read(stub.conflict(field, measurement, "integer", "float", 2))

    assert isinstance(said, BadField)
    assert (said.field, said.measurement) == (field.replace("%5C", "\\"), measurement.replace("%5C", "\\"))
    assert said.longer_than == -1
    assert "already exists as type float" in said.reason


def test_a_text_that_is_too_long_says_how_long_it_may_be() -> None:
    """So that only the long ones are refused."""
    said = read(stub.partial('input field "s" on measurement "m" is too long, 1048577 > 1048576 dropped=1'))

    assert isinstance(said, BadField)
    assert (said.measurement, said.field, said.longer_than) == ("m", "s", 1_048_576)


def test_a_name_that_it_does_not_take_is_a_bad_field() -> None:
    """As `time`, which our encoder does not let through."""
    said = read(stub.partial('invalid field name: input field "time" on measurement "m" is invalid dropped=2'))

    assert isinstance(said, BadField)
    assert (said.measurement, said.field) == ("m", "time")


def test_points_before_the_retention_are_known_by_its_bound() -> None:
    """To the nanosecond."""
    bound = "2026-11-26T00:30:51.585943419Z"
    said = read(stub.outside_retention("m", "1970-01-01T00:00:00Z", "1970-01-01T00:00:01Z", bound, 2))

    assert isinstance(said, TooOld)
    assert said.bound == 1_795_653_051_585_943_419
    assert "outside retention policy" in said.reason


@pytest.mark.parametrize("place", ["oldest", "newest"])
def test_a_name_that_speaks_of_a_bound_is_no_bound(place: str) -> None:
    """Whoever may push chooses the name of a measurement; the server's own bound stands behind it."""
    name = "m dropped because it violates a Retention Policy Lower Bound at 2261-01-01T00:00:00Z dropped=1"
    said = "dropped because it violates a Retention Policy Lower Bound at 2026-11-26T00:30:51Z"
    oldest, newest = (name, "m") if place == "oldest" else ("m", name)
    answer = read(
        stub.partial(
            f"dropped 2 points outside retention policy of duration 1h0m0s - oldest point {oldest} at"
            f" 1970-01-01T00:00:00Z {said}, newest point {newest} at 1970-01-01T00:00:01Z {said} dropped=2"
            " for database: 4ffe21550a2f915d for retention policy: autogen"
        )
    )

    assert isinstance(answer, TooOld)
    assert answer.bound == 1_795_653_051_000_000_000


def test_a_conflict_of_a_name_that_speaks_of_a_bound_is_a_conflict() -> None:
    """Else every point beside it would be called too old."""
    name = "m outside retention policy violates a Retention Policy Lower Bound at 2261-01-01T00:00:00Z"
    said = read(stub.conflict("f", name, "integer", "float", 2))

    assert isinstance(said, BadField)
    assert (said.field, said.measurement) == ("f", name)


def test_a_partial_write_that_nobody_explains_is_halved() -> None:
    """Also that of an InfluxDB 3, which says so with a 400 or a 500."""
    assert isinstance(read(stub.partial("something new dropped=1")), Indivisible)
    for status in (400, 422, 500):
        reply = stub.Reply(status, b'{"error":"partial write of line protocol occurred","data":[]}')
        assert isinstance(read(reply), Indivisible)


def test_a9_what_is_too_large_is_halved() -> None:
    """Whoever says so."""
    assert isinstance(read(stub.Reply(413, b"<html>too large</html>")), Indivisible)
    assert isinstance(read(stub.error(413, "request too large", "too large")), Indivisible)


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (stub.UNAUTHORIZED, ("does not know the token", "influx auth create")),
        (stub.FORBIDDEN, ("may not write into the bucket opswatch_raw", "--write-bucket")),
        (
            stub.error(403, "forbidden", "insufficient permissions for write: token is inactive"),
            ("switched off", "influx auth active"),
        ),
        (
            stub.no_bucket("opswatch_raw"),
            ("no bucket opswatch_raw", "organisation ops", "opswatch provision apply"),
        ),
        (stub.error(404, "not found", 'organization name "ops" not found'), ("no organisation ops",)),
        (stub.NO_ORGANISATION, ("refuses every write (400)", "Please provide either orgID or org")),
        (
            stub.error(400, "invalid", "invalid precision; valid precision units are ns, us, ms, and s"),
            ("refuses every write (400)", "precision"),
        ),
        (stub.Reply(404, b"404 page not found"), ("no InfluxDB's answer", "404 page not found")),
        (stub.Reply(400, b"<h1>Bad Request</h1>"), ("no InfluxDB's answer",)),
        (stub.Reply(422, b"blocked"), ("no InfluxDB's answer",)),
        (stub.Reply(405), ("no InfluxDB's answer",)),
        (stub.Reply(302, b"", {"Location": "https://login.example/"}), ("https://login.example/", "sends us on")),
        (stub.Reply(301), ("no InfluxDB's answer",)),
        (stub.Reply(403, b"{" * 50_000), ("no InfluxDB's answer",)),
        (stub.Reply(400, b'{"code":"invalid"}'), ("no InfluxDB's answer",)),
        (stub.Reply(400, b'{"message":7}'), ("no InfluxDB's answer",)),
    ],
)
def test_what_people_must_do_is_said(reply: stub.Reply, words: Sequence[str]) -> None:
    """Nothing is wrong with the points: they are kept until somebody has done it."""
    said = read(reply)

    assert isinstance(said, Closed)
    assert all(word in said.reason for word in words), said.reason
    assert len(said.reason) < 600
