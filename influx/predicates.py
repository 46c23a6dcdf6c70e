"""Predicates on tags: as Flux that InfluxDB's index answers by itself, and as they are meant, in Python. Pure.

The index knows a tag that a series does not have as the empty text, and knows values as `influx/text.py` writes them.
What is asked of it is therefore a superset where a pattern meets such a value; `meaning` decides on what comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import re2

from influx.parameters import FluxQuery, Parameter, Pattern
from influx.text import encode_name, encode_tag
from telemetry.errors import InvalidQuery, PointRejected
from telemetry.schema import check_name
from telemetry.series import AllOf, Equals, Exists, Matches, Not, OneOf, Predicate

# In a value that holds one of these, a pattern may see something else than what was written.
_ENCODED = Pattern("%(0A|0D|5C|25)")
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 _./:@-")


class Leaves(Protocol):
    """How a text says what is asked of one tag; `column` is Flux for it, and may be missing of a series.

    Each is true of all series that are meant, and with `is_meant` false of all for which the same must not hold.
    """

    def equals(self, column: str, value: str, *, is_meant: bool) -> str:
        """That it has this value, which InfluxDB knows so (influx/text.py)."""
        ...

    def matches(self, column: str, pattern: str, *, is_meant: bool) -> str:
        """That the pattern, which is not empty, is found in its value."""
        ...


class Script:
    """A Flux text that is being made: its values get names here, and stand beside it."""

    def __init__(self) -> None:
        self._parameters: dict[str, Parameter] = {}
        self._names: dict[tuple[str, Parameter], str] = {}

    def bind(self, word: str, value: Parameter) -> str:
        """The name that stands for the value in the text."""
        key = (word, value)
        if key not in self._names:
            name = f"p_{word}" if f"p_{word}" not in self._parameters else f"p_{word}_{len(self._parameters)}"
            self._parameters[name] = value
            self._names[key] = name
        return self._names[key]

    def equals(self, column: str, value: str, *, is_meant: bool) -> str:
        """See Leaves."""
        return f"{column} {'==' if is_meant else '!='} {self.bind('tag', value)}"

    def matches(self, column: str, pattern: str, *, is_meant: bool) -> str:
        """See Leaves."""
        known, encoded = self.bind("pattern", Pattern(pattern)), self.bind("encoded", _ENCODED)
        if is_meant:
            return f"(exists {column} and ({column} =~ {known} or {column} =~ {encoded}))"
        return f"(not exists {column} or ({column} !~ {known} or {column} =~ {encoded}))"

    def query(self, text: str) -> FluxQuery:
        """The text with all that it names."""
        return FluxQuery(text, self._parameters)


def literal(text: str) -> str:
    r"""A text as Flux has it. What is not surely harmless is written as the \xHH of its bytes."""
    return '"' + "".join(one if one in _PLAIN else _escaped(one) for one in text) + '"'


def _escaped(character: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "replace"))


def balanced(parts: Sequence[str], word: str) -> str:
    """All parts joined by `and` or `or`; as a flat tree, for the server refuses what is nested deeply."""
    if len(parts) == 1:
        return parts[0]
    middle = len(parts) // 2
    return f"({balanced(parts[:middle], word)} {word} {balanced(parts[middle:], word)})"


def one_of(script: Script, column: str, word: str, values: Sequence[str]) -> str:
    """That a column has one of some values, of which there is at least one."""
    return balanced([f"r.{column} == {script.bind(word, value)}" for value in values], "or")


def pushed(script: Leaves, predicate: Predicate) -> str | bool:
    """What InfluxDB can be asked of a series, or what is known without asking; true of every series that is meant."""
    return _pushed(script, predicate, is_meant=True)


def _pushed(script: Leaves, predicate: Predicate, *, is_meant: bool) -> str | bool:
    match predicate:
        case AllOf(predicates):
            parts = [_pushed(script, one, is_meant=is_meant) for one in predicates]
            return _joined(parts, "and" if is_meant else "or")
        case Not(inner):
            return _pushed(script, inner, is_meant=not is_meant)
        case Equals(tag, value):
            leaf = _one_of(script, tag, (value,), is_meant=is_meant)
        case OneOf(tag, values):
            leaf = _one_of(script, tag, values, is_meant=is_meant)
        case Exists(tag):
            leaf = f"exists {_tag(tag)}" if is_meant else f"not exists {_tag(tag)}"
        case Matches(tag, pattern):
            leaf = _matches(script, tag, pattern, is_meant=is_meant)
    return leaf if can_be(predicate.tag) else not is_meant


def _matches(script: Leaves, tag: str, pattern: str, *, is_meant: bool) -> str:
    if not pattern:  # InfluxDB takes no empty one; it is found in every value
        return f"exists {_tag(tag)}" if is_meant else f"not exists {_tag(tag)}"
    return script.matches(_tag(tag), pattern, is_meant=is_meant)


def _one_of(script: Leaves, tag: str, values: Sequence[str], *, is_meant: bool) -> str | bool:
    possible = [value for value in dict.fromkeys(values) if value]  # an empty tag is no tag
    if not possible:
        return not is_meant
    asked = [script.equals(_tag(tag), encode_tag(value), is_meant=is_meant) for value in possible]
    return balanced(asked, "or" if is_meant else "and")


def _joined(parts: Sequence[str | bool], word: str) -> str | bool:
    """The parts that are not known yet, joined; or what they come to."""
    settles = word == "or"
    if settles in parts:
        return settles
    asked = [part for part in parts if isinstance(part, str)]
    return balanced(asked, word) if asked else not settles


def can_be(tag: str) -> bool:
    """Whether a series can have it: `r._field` is no tag, and asking for it would mean something else."""
    try:
        check_name(tag)
    except PointRejected:
        return False
    return True


def _tag(name: str) -> str:
    return f"r[{literal(encode_name(name))}]"


def tags_of(predicate: Predicate) -> set[str]:
    """The tags that it looks at."""
    match predicate:
        case AllOf(predicates):
            return {tag for one in predicates for tag in tags_of(one)}
        case Not(inner):
            return tags_of(inner)
        case Equals(tag) | OneOf(tag) | Exists(tag) | Matches(tag):
            return {tag}


def is_exact(predicate: Predicate) -> bool:
    """Whether what is pushed holds for those series alone that are meant."""
    match predicate:
        case AllOf(predicates):
            return all(map(is_exact, predicates))
        case Not(inner):
            return is_exact(inner)
        case Matches():
            return False
    return True


Meaning = Callable[[Mapping[str, str]], bool]


def meaning(predicate: Predicate) -> Meaning:
    """What says whether a series with these tags is meant. Raises InvalidQuery for a pattern that is none."""
    match predicate:
        case AllOf(predicates):
            inner = [meaning(one) for one in predicates]
            return lambda tags: all(one(tags) for one in inner)
        case Not(negated):
            other = meaning(negated)
            return lambda tags: not other(tags)
        case Equals(tag, value):
            return lambda tags: tags.get(tag) == value
        case OneOf(tag, values):
            wanted = frozenset(values)
            return lambda tags: tags.get(tag) in wanted
        case Exists(tag):
            return lambda tags: tag in tags
        case Matches(tag, pattern):
            compiled = _compiled(pattern)
            return lambda tags: tag in tags and compiled.search(tags[tag]) is not None


def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False  # RE2 would print to stderr by itself
    try:
        return re2.compile(pattern, options)
    except (re2.error, UnicodeError) as error:
        reason = error.args[0].decode("utf-8", "replace") if isinstance(error.args[0], bytes) else str(error)
        raise InvalidQuery(
            f"a pattern in where is not a regular expression as RE2 knows them: {reason[:300]}", field="where"
        ) from error
