"""Which series and which alerts a rule means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.matching import holds, means, mentioned, required
from alerting.rules import Comparison, Rule, Selection, Severity, Threshold, Value
from telemetry.conditions import parse_conditions, written_conditions
from telemetry.measurements import CPU
from telemetry.series import AllOf, Equals, Exists, Function, Matches, Not, OneOf, Predicate
from tests import oracle

VALUES = st.sampled_from(["", "a", "b", "ab", "web-1"])
TAGS = st.dictionaries(st.sampled_from(["host", "cpu"]), st.sampled_from(["a", "b", "ab", "web-1"]))
SIMPLE = (
    st.builds(Equals, st.sampled_from(["host", "cpu"]), VALUES)
    | st.builds(OneOf, st.sampled_from(["host", "cpu"]), st.lists(VALUES, max_size=3).map(tuple))
    | st.builds(Matches, st.sampled_from(["host", "cpu"]), st.sampled_from(["a", "^a$", "b|c", "."]))
    | st.builds(Exists, st.sampled_from(["host", "cpu"]))
)
PREDICATES = st.recursive(
    SIMPLE, lambda inner: st.builds(Not, inner) | st.lists(inner, max_size=3).map(tuple).map(AllOf), max_leaves=6
)


@given(PREDICATES, TAGS)
def test_a_predicate_holds_where_the_oracle_says(predicate: Predicate, tags: dict[str, str]) -> None:
    """As the stores see it."""
    assert holds(predicate, tags) is oracle.holds(predicate, tags)


@given(PREDICATES, TAGS)
def test_a_required_tag_is_there_wherever_the_predicate_holds(predicate: Predicate, tags: dict[str, str]) -> None:
    """Else a rule would not find its series."""
    found = required(predicate)
    if found is not None and holds(predicate, tags):
        assert tags.get(found[0]) == found[1]


@pytest.mark.parametrize(
    "texts",
    [(), ("host:a",), ("host!:a", "cpu|:a|b"), ("host~:^a", "cpu!~:b"), ("host:",), ("host!:",), ("cpu!|:a|b",)],
)
def test_conditions_are_written_as_they_are_read(texts: tuple[str, ...]) -> None:
    """So that a rule's condition can be asked over HTTP."""
    assert written_conditions(parse_conditions(texts, CPU)) == texts


def rule(where: Predicate, group_by: tuple[str, ...] | None) -> Rule:
    of = Selection("cpu", "usage_active", Function.MEAN, 1, where=where, group_by=group_by)
    return Rule("r", Value(of), ((Severity.WARNING, Threshold(Comparison.ABOVE, 1)),), 1)


@pytest.mark.parametrize(
    ("where", "group_by", "tags", "is_meant"),
    [
        (AllOf(()), None, {"host": "a"}, True),
        (Equals("host", "a"), None, {"host": "a"}, True),
        (Equals("host", "a"), None, {"host": "b"}, False),
        (Equals("host", "b"), ("host",), {"host": "a"}, False),
        (Equals("cpu", "x"), ("host",), {"host": "a"}, True),
        (AllOf(()), ("cpu",), {"host": "a"}, False),
        (AllOf(()), (), {}, True),
    ],
)
def test_an_alert_may_be_one_of_its_rule_as_far_as_its_tags_tell(
    where: Predicate, group_by: tuple[str, ...] | None, tags: dict[str, str], is_meant: bool
) -> None:
    """What is grouped away cannot be asked."""
    assert means(rule(where, group_by), tuple(tags.items())) is is_meant


def test_what_a_predicate_mentions() -> None:
    """Through every operator."""
    assert mentioned(AllOf((Not(Equals("a", "")), OneOf("b", ()), Matches("c", ""), Exists("d")))) == {
        "a",
        "b",
        "c",
        "d",
    }
