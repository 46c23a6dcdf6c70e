"""Conditions on tags as people write them: `tag:value`, `tag|:one|other`, `tag~:regex`, and with `!` not so. Pure.

`tag:` alone is a tag that is not there, and `tag!:` one that is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from telemetry.errors import InvalidQuery
from telemetry.schema import Measurement
from telemetry.series import EVERYTHING, MAX_PATTERN_LENGTH, AllOf, Equals, Exists, Matches, Not, OneOf, Predicate

MAX_CONDITIONS = 50
FORMS = "tag:value, tag|:one|other or tag~:regex, or with ! not so as tag!:value"
_CONDITION = re.compile(r"([^:]+?)(!?)([~|]?):(.*)", re.DOTALL)


def parse_conditions(
    texts: Sequence[str], measurement: Measurement, variables: Mapping[str, str] | None = None
) -> Predicate:
    """All of them must hold. A value that is one of `variables` (as `$host`) stands for its value.

    Raises InvalidQuery that quotes the condition and names the near miss of a tag.
    """
    if len(texts) > MAX_CONDITIONS:
        raise InvalidQuery(f"where may be given {MAX_CONDITIONS} times at most", field="where")
    conditions = tuple(_parse(text, measurement, variables or {}) for text in texts)
    return AllOf(conditions) if conditions else EVERYTHING


def near_miss(word: str, known: Sequence[str]) -> str:
    """`; did you mean x?`, or which there are, or nothing when there are many."""
    names = sorted(known)
    if close := get_close_matches(word, names, n=1):
        return f"; did you mean {close[0]}?"
    return f"; there are {', '.join(names)}" if 0 < len(names) <= 20 else ""


def _parse(text: str, measurement: Measurement, variables: Mapping[str, str]) -> Predicate:
    found = _CONDITION.fullmatch(text)
    if found is None:
        raise InvalidQuery(f"where must be {FORMS}, not {text[:60]!r}", field="where", value=text[:60])
    tag, negation, operator, value = found.groups()
    if tag not in measurement.tags:
        hint = near_miss(tag, measurement.tags)
        raise InvalidQuery(f"{measurement.name} has no tag {tag[:60]!r}{hint}", field="where", value=text[:60])
    predicate = _predicate(tag, operator, variables.get(value, value))
    return Not(predicate) if negation else predicate


def _predicate(tag: str, operator: str, value: str) -> Predicate:
    match operator:
        case "~":
            if len(value) > MAX_PATTERN_LENGTH:
                raise InvalidQuery(f"a pattern has at most {MAX_PATTERN_LENGTH} characters", field="where")
            return Matches(tag, value)
        case "|":
            return OneOf(tag, tuple(value.split("|")))
    # An empty tag is no tag (telemetry/points.py).
    return Equals(tag, value) if value else Not(Exists(tag))


def written_conditions(predicate: Predicate) -> tuple[str, ...]:
    """The texts that `parse_conditions` reads as this predicate. Raises InvalidQuery for what it never makes."""
    predicates = predicate.predicates if isinstance(predicate, AllOf) else (predicate,)
    return tuple(_written(one) for one in predicates)


def _written(predicate: Predicate, negation: str = "") -> str:
    match predicate:
        case Not(Exists(tag)):
            return f"{tag}{negation}:"
        case Not(inner) if not negation:
            return _written(inner, "!")
        case Equals(tag, value) if value:
            return f"{tag}{negation}:{value}"
        case OneOf(tag, values) if not any("|" in value for value in values):
            return f"{tag}{negation}|:{'|'.join(values)}"
        case Matches(tag, pattern):
            return f"{tag}{negation}~:{pattern}"
    raise InvalidQuery("this condition cannot be written", field="where")
