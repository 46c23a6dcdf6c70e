"""Conditions on tags as people write them: `tag:value`, `tag!:value`, `tag~:regex`. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from telemetry.errors import InvalidQuery
from telemetry.schema import Measurement
from telemetry.series import EVERYTHING, MAX_PATTERN_LENGTH, AllOf, Equals, Matches, Not, Predicate

MAX_CONDITIONS = 50


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
    head, colon, value = text.partition(":")
    tag, operator = (head[:-1], head[-1]) if head.endswith(("!", "~")) else (head, "")
    if not colon or not tag:
        raise InvalidQuery(
            f"where must be tag:value, tag!:value or tag~:regex, not {text[:60]!r}", field="where", value=text[:60]
        )
    if tag not in measurement.tags:
        hint = near_miss(tag, measurement.tags)
        raise InvalidQuery(f"{measurement.name} has no tag {tag[:60]!r}{hint}", field="where", value=text[:60])
    value = variables.get(value, value)
    if operator == "~":
        if len(value) > MAX_PATTERN_LENGTH:
            raise InvalidQuery(f"a pattern has at most {MAX_PATTERN_LENGTH} characters", field="where")
        return Matches(tag, value)
    return Not(Equals(tag, value)) if operator == "!" else Equals(tag, value)
