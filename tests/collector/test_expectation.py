"""Whether an answer is as expected."""

import pytest

from collector.expectation import Answer, disappointment
from collector.http_message import Headers
from collector.targets import Comparison, HttpExpectation, JsonExpectation, JsonValue, StatusRange
from telemetry.health import Outcome

DOCUMENT = b'{"status": "healthy", "queue": 7, "on": true, "parts": [{"n": 1}, {"n": 3}], "none": null}'


def answer(code: int = 200, body: bytes = DOCUMENT, **headers: str) -> Answer:
    return Answer(code, Headers({name.replace("_", "-"): value for name, value in headers.items()}), body)


def json_of(path: str, comparison: Comparison, value: JsonValue) -> HttpExpectation:
    return HttpExpectation(json=(JsonExpectation(path, comparison, value),))


@pytest.mark.parametrize(("code", "met"), [(200, True), (299, True), (301, False), (503, False)])
def test_any_success_is_the_default(code: int, met: bool) -> None:
    """200 to 299, unless something else is said."""
    assert (disappointment(answer(code), HttpExpectation()) is None) is met


def test_a_missed_status_is_said_with_what_was_expected() -> None:
    """The number that came and the ranges that were wanted."""
    expect = HttpExpectation(status=(StatusRange(200, 200), StatusRange(300, 399)))
    missed = disappointment(answer(503), expect)

    assert missed is not None
    assert (missed.outcome, missed.message) == (Outcome.STATUS, "status 503, expected 200, 300-399")


@pytest.mark.parametrize(("wanted", "met"), [("application/json", True), ("JSON", True), ("text/html", False)])
def test_a_header_must_contain_the_text(wanted: str, met: bool) -> None:
    """Without regard to case; parameters as charset do not disturb."""
    expect = HttpExpectation(header=(("Content-Type", wanted),))

    assert (disappointment(answer(content_type="application/json; charset=utf-8"), expect) is None) is met


@pytest.mark.parametrize(
    ("expect", "met"),
    [
        (HttpExpectation(body_contains="healthy"), True),
        (HttpExpectation(body_contains="Healthy"), False),
        (HttpExpectation(body_matches=r"queue\W+[0-9]+"), True),
        (HttpExpectation(body_matches="^queue"), False),
    ],
)
def test_a_body_may_have_to_contain_or_match(expect: HttpExpectation, met: bool) -> None:
    """Text as it is, patterns as RE2."""
    missed = disappointment(answer(), expect)

    assert (missed is None) is met
    assert missed is None or missed.outcome is Outcome.BODY


@pytest.mark.parametrize(
    ("path", "comparison", "value", "met"),
    [
        ("$.status", Comparison.EQUALS, "healthy", True),
        ("$.status", Comparison.NOT_EQUALS, "healthy", False),
        ("$.queue", Comparison.AT_MOST, 7, True),
        ("$.queue", Comparison.AT_MOST, 6.5, False),
        ("$.queue", Comparison.AT_LEAST, 8, False),
        ("$.on", Comparison.EQUALS, True, True),
        ("$.on", Comparison.EQUALS, 1, False),
        ("$.on", Comparison.AT_LEAST, 0, False),
        ("$.none", Comparison.EQUALS, None, True),
        ("$.parts[*].n", Comparison.AT_MOST, 3, True),
        ("$.parts[*].n", Comparison.AT_MOST, 2, False),
        ("$.status", Comparison.MATCHES, "^heal", True),
        ("$.queue", Comparison.MATCHES, "7", False),
        ("$.missing", Comparison.EQUALS, 1, False),
        ("$.missing", Comparison.EXISTS, False, True),
        ("$.status", Comparison.EXISTS, True, True),
        ("$.status", Comparison.EXISTS, False, False),
    ],
)
def test_a_json_path_is_compared_as_json_means_it(
    path: str, comparison: Comparison, value: JsonValue, met: bool
) -> None:
    """Every value that the path finds must hold; true is no number; what is missing fails, unless it should be."""
    missed = disappointment(answer(), json_of(path, comparison, value))

    assert (missed is None) is met
    assert missed is None or path in missed.message


@pytest.mark.parametrize("body", [b"", b"<html>", b"[" * 100_000, b"\xff\xfe"])
def test_a_body_that_is_not_json_is_said_to_be_so(body: bytes) -> None:
    """Also one that is nested to death."""
    missed = disappointment(answer(body=body), json_of("$.status", Comparison.EQUALS, "healthy"))

    assert missed is not None
    assert "not JSON" in missed.message
