"""Whether a predicate holds for a tag set, as the stores see it. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import re2

from alerting.rules import Ratio, Rule, Selection
from telemetry.points import Tags
from telemetry.series import EVERYTHING, AllOf, Equals, Exists, Matches, Not, OneOf, Predicate


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


def mentioned(predicate: Predicate) -> frozenset[str]:
    """The tags that a predicate asks about."""
    match predicate:
        case AllOf(predicates):
            return frozenset[str]().union(*(mentioned(one) for one in predicates))
        case Not(inner):
            return mentioned(inner)
        case Equals(tag) | OneOf(tag) | Matches(tag) | Exists(tag):
            return frozenset({tag})


def means(rule: Rule, tags: Tags) -> bool:
    """Whether an alert on these tags can be one of this rule, as far as its tags tell."""
    if isinstance(rule.expression, Ratio):
        return all(_means(one, tags, EVERYTHING) for one in rule.selections)
    return all(_means(one, tags, one.where) for one in rule.selections)


def _means(selection: Selection, tags: Tags, where: Predicate) -> bool:
    names = {name for name, _ in tags}
    if selection.group_by is not None and not names <= set(selection.group_by):
        return False
    if selection.group_by is not None and not mentioned(where) <= set(selection.group_by):
        return True
    return holds(where, dict(tags))
