"""Whether a predicate holds for a tag set, as the stores see it. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import re2

from telemetry.series import AllOf, Equals, Exists, Matches, Not, OneOf, Predicate


def holds(predicate: Predicate, tags: Mapping[str, str]) -> bool:
    """Whether a series with these tags is meant."""
    match predicate:
        case AllOf(predicates):
            return all(holds(one, tags) for one in predicates)
        case Not(inner):
            return not holds(inner, tags)
        case Equals(tag, value):
            return tags.get(tag) == value
        case OneOf(tag, values):
            return tags.get(tag) in values
        case Matches(tag, pattern):
            return tag in tags and re2.search(pattern, tags[tag]) is not None
        case Exists(tag):
            return tag in tags


def required(predicate: Predicate) -> tuple[str, str] | None:
    """A tag and the value that it must have for the predicate to hold; None when there is no such tag."""
    match predicate:
        case Equals(tag, value):
            return tag, value
        case AllOf(predicates):
            return next((found for one in predicates if (found := required(one)) is not None), None)
    return None
