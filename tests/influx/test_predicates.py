"""What the index is asked is true of every series that is meant; what is decided here is what the oracle means."""

import random
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from influx.predicates import Script, is_exact, meaning, pushed, tags_of
from influx.text import encode_tag
from telemetry.series import AllOf, Equals, Exists, Matches, Not, OneOf, Predicate
from tests.oracle import holds

TAGS = ["host", "cpu", "my tag"]
VALUES = ["a", "ab", "new\nline", "re\rturn", "end\\", "%0A", "0A", "ü", ""]
PATTERNS = ["^a", "b", "line", "%", "0A", "", "^$", "\\\\", "[^a]"]


def predicate(chance: random.Random, depth: int = 3) -> Predicate:
    tag = chance.choice([*TAGS, "_field", "time"])
    kind = chance.randrange(8 if depth else 4)
    if kind == 0:
        return Equals(tag, chance.choice(VALUES))
    if kind == 1:
        return OneOf(tag, tuple(chance.choices(VALUES, k=chance.randint(0, 3))))
    if kind == 2:
        return Exists(tag)
    if kind == 3:
        return Matches(tag, chance.choice(PATTERNS))
    if kind < 6:
        return Not(predicate(chance, depth - 1))
    return AllOf(tuple(predicate(chance, depth - 1) for _ in range(chance.randint(0, 3))))


def answered(text: str, parameters: dict[str, object], stored: dict[str, str]) -> bool:
    """As InfluxDB's index does: a tag that is not there is the empty text."""

    def compared(tag: str, sign: str, name: str) -> bool:
        value, wanted = stored.get(tag, ""), parameters[name]
        if sign in ("==", "!="):
            return (value == wanted) is (sign == "==")
        return (re.search(wanted.text, value) is not None) is (sign == "=~")  # type: ignore[attr-defined]

    asked = re.sub(r'exists r\["([^"]*)"\]', r'(stored.get("\1", "") != "")', text)
    asked = re.sub(r'r\["([^"]*)"\] (==|!=|=~|!~) (\w+)', r'compared("\1", "\2", "\3")', asked)
    return bool(eval(asked, {"stored": stored, "compared": compared}))


@settings(max_examples=1_000, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_nothing_that_is_meant_is_missed(seed: int) -> None:
    """And nothing else comes where no pattern is asked, so that what only names columns can be left to the server."""
    chance = random.Random(seed)
    where = predicate(chance)
    script = Script()
    asked = pushed(script, where)
    parameters = dict(script.query("").parameters)
    is_meant = meaning(where)
    for _ in range(10):
        tags = {tag: value for tag in TAGS if (value := chance.choice(VALUES)) and chance.random() < 0.7}
        stored = {tag: encode_tag(value) for tag, value in tags.items()}
        given_back = asked if isinstance(asked, bool) else answered(asked, parameters, stored)

        assert is_meant(tags) is holds(where, tags)
        assert given_back or not is_meant(tags), (where, asked, tags)
        if is_exact(where):
            assert given_back is is_meant(tags), (where, asked, tags)


def test_the_tags_of_a_predicate_are_all_that_it_looks_at() -> None:
    """They must come back where it is decided here."""
    where = AllOf((Not(Equals("a", "x")), OneOf("b", ("y",)), Not(AllOf((Exists("c"), Matches("d", "z"))))))

    assert tags_of(where) == {"a", "b", "c", "d"}
    assert not is_exact(where)
