"""Whether an answer is as expected: status, headers, body, JSON paths. Pure.

Patterns are RE2 (linear time); JSON paths are RFC 9535.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jsonpath
import re2

from collector.targets import Comparison, HttpExpectation, JsonExpectation
from telemetry.health import Outcome


@dataclass(frozen=True, slots=True)
class Answer:
    """What a target answered, as far as it was read."""

    code: int
    headers: Mapping[str, str]
    body: bytes
    charset: str = "utf-8"


@dataclass(frozen=True, slots=True)
class Disappointment:
    """The first expectation that was not met."""

    outcome: Outcome
    message: str


def disappointment(answer: Answer, expect: HttpExpectation) -> Disappointment | None:
    """What is not as expected, the most telling first; None when all is."""
    if not any(answer.code in allowed for allowed in expect.status):
        wanted = ", ".join(_range(one.low, one.high) for one in expect.status)
        return Disappointment(Outcome.STATUS, f"status {answer.code}, expected {wanted}")
    for name, wanted in expect.header:
        found = answer.headers.get(name)
        if found is None:
            return Disappointment(Outcome.HEADER, f"no header {name}, expected one with {wanted!r}")
        if wanted.lower() not in found.lower():
            return Disappointment(Outcome.HEADER, f"header {name} is {_short(found)}, expected one with {wanted!r}")
    return _body_disappointment(answer, expect)


def wants_body(expect: HttpExpectation) -> bool:
    """Whether the body has to be read as a whole to judge it."""
    return expect.body_contains is not None or expect.body_matches is not None or bool(expect.json)


def _body_disappointment(answer: Answer, expect: HttpExpectation) -> Disappointment | None:
    if not wants_body(expect):
        return None
    text = _decoded(answer)
    if expect.body_contains is not None and expect.body_contains not in text:
        return Disappointment(Outcome.BODY, f"the body does not contain {expect.body_contains!r}: {_short(text)}")
    if expect.body_matches is not None and not compiled(expect.body_matches).search(text):
        return Disappointment(Outcome.BODY, f"the body does not match {expect.body_matches!r}: {_short(text)}")
    return _json_disappointment(text, expect.json) if expect.json else None


def _json_disappointment(text: str, expectations: Sequence[JsonExpectation]) -> Disappointment | None:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return Disappointment(Outcome.BODY, f"the body is not JSON: {_short(text)}")
    for expectation in expectations:
        found = _find(expectation.path, document)
        if message := _unmet(expectation, found):
            return Disappointment(Outcome.BODY, message)
    return None


def _find(path: str, document: Any) -> list[Any]:
    try:
        return [match.obj for match in compiled_path(path).finditer(document)]
    except (jsonpath.JSONPathError, RecursionError):
        return []  # a filter that does not fit this document finds nothing in it


def _unmet(expectation: JsonExpectation, found: list[Any]) -> str:
    path, wanted = expectation.path, expectation.value
    if expectation.comparison is Comparison.EXISTS:
        if bool(found) is bool(wanted):
            return ""
        return f"{path} is missing" if wanted else f"{path} is there: {_short(_json(found[0]))}"
    if not found:
        return f"{path} is missing, expected {_said(expectation)}"
    for value in found:
        if not _holds(expectation, value):
            return f"{path} is {_short(_json(value))}, expected {_said(expectation)}"
    return ""


def _holds(expectation: JsonExpectation, value: Any) -> bool:
    wanted = expectation.value
    match expectation.comparison:
        case Comparison.EQUALS:
            return _equal(value, wanted)
        case Comparison.NOT_EQUALS:
            return not _equal(value, wanted)
        case Comparison.MATCHES:
            return isinstance(value, str) and compiled(str(wanted)).search(_encodable(value)) is not None
    if not _is_number(value) or not isinstance(wanted, int | float):
        return False
    return bool(value <= wanted) if expectation.comparison is Comparison.AT_MOST else bool(value >= wanted)


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")  # JSON may hold half a character, RE2 may not


def _equal(value: Any, wanted: Any) -> bool:
    # In JSON true is not 1, though Python says so.
    return isinstance(value, bool) is isinstance(wanted, bool) and bool(value == wanted)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _said(expectation: JsonExpectation) -> str:
    words = {
        Comparison.EQUALS: "",
        Comparison.NOT_EQUALS: "anything but ",
        Comparison.AT_MOST: "at most ",
        Comparison.AT_LEAST: "at least ",
        Comparison.MATCHES: "a match of ",
        Comparison.EXISTS: "",
    }
    return words[expectation.comparison] + _json(expectation.value)


@lru_cache(maxsize=1_000)
def compiled(pattern: str) -> Any:
    """The RE2 pattern. Raises re2.error, quietly: RE2 would print to stderr by itself."""
    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern, options)


@lru_cache(maxsize=1_000)
def compiled_path(path: str) -> Any:
    """The JSON path; the configuration has checked that it is one."""
    return jsonpath.compile(path, strict=True)


def _decoded(answer: Answer) -> str:
    try:
        return answer.body.decode(answer.charset, "replace")
    except LookupError:
        return answer.body.decode("utf-8", "replace")


def _range(low: int, high: int) -> str:
    return str(low) if low == high else f"{low}-{high}"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _short(text: str) -> str:
    clean = " ".join(text.split())
    return repr(clean if len(clean) <= 80 else clean[:79] + "…")
