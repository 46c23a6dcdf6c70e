"""Flux as it stands in a dashboard, where nothing can be bound: in InfluxDB's own UI, and in Grafana. Pure.

What is not surely harmless in a value is written as the `\\xHH` of its bytes. What a user chooses reaches the text in
two ways. InfluxDB's UI sends it beside the text, as `v.NAME`. Grafana puts it into the text, and of its formats `regex`
alone is safe there: `raw` and, for one value, `json` put in what they are given, and Flux reads `${...}` in a text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from influx.predicates import literal

# What stands for a variable in a predicate: no value of a tag holds NUL.
_MARK = "\0"


class Dialect(Protocol):
    """How one of the two is spoken to."""

    keeps_tags: bool  # whether a line may keep its tags beside its name

    @property
    def variables(self) -> Mapping[str, str]:
        """What conditions may name, as `$host`, by what stands for it in a predicate."""
        ...

    def literal(self, text: str) -> str:
        """A text as Flux has it."""
        ...

    def bucket(self, name: str) -> str:
        """The name of a bucket, as Flux has it."""
        ...

    def equals(self, column: str, variable: str, *, is_meant: bool) -> str:
        """That a column has the value that is chosen, or one of them."""
        ...

    def pattern(self, variable: str) -> str:
        """What is chosen as a regular expression: a Flux expression."""
        ...


class InfluxUi:
    """InfluxDB's own UI; `names` are what its variables are called there, by ours."""

    keeps_tags = False  # its legend shows every column of a line's key

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = dict(names)

    @property
    def variables(self) -> Mapping[str, str]:
        return marked(self._names)

    def literal(self, text: str) -> str:
        return literal(text)

    def bucket(self, name: str) -> str:
        return literal(name)

    def equals(self, column: str, variable: str, *, is_meant: bool) -> str:
        return f"{column} {'==' if is_meant else '!='} v.{self._names[variable]}"

    def pattern(self, variable: str) -> str:
        return f"regexp.compile(v: v.{self._names[variable]})"


class Grafana:
    """Grafana's Flux data source. Buckets follow its variable `bucket_prefix` where it is our prefix now.

    Where a pattern is a variable, its value is looked for as it is: what Grafana escapes is no pattern any more.
    """

    keeps_tags = True  # their name is a setting of the panel

    def __init__(self, names: Iterable[str], bucket_prefix: str) -> None:
        self._names = {name: name for name in names}
        self._prefix = bucket_prefix

    @property
    def variables(self) -> Mapping[str, str]:
        return marked(self._names)

    def literal(self, text: str) -> str:
        # Grafana reads words with a dot between them as its own, as `x.bucket`, also inside a text.
        return literal(text).replace(".", "\\x2e")

    def bucket(self, name: str) -> str:
        rest = name.removeprefix(self._prefix)
        return self.literal(name) if rest == name else '"${bucket_prefix}' + self.literal(rest)[1:]

    def equals(self, column: str, variable: str, *, is_meant: bool) -> str:
        chosen = f"/^${{{self._names[variable]}:regex}}$/"
        if is_meant:
            return f"{column} =~ {chosen}"
        return f"(not exists {column} or {column} !~ {chosen})"

    def pattern(self, variable: str) -> str:
        return f"/(?:${{{self._names[variable]}:regex}})/"  # without the group nothing chosen would be a comment


def marked(names: Iterable[str]) -> Mapping[str, str]:
    """What conditions may name, by what stands for it in a predicate."""
    return {f"${name}": _MARK + name for name in names}


def variable_of(value: str) -> str | None:
    """The name of the variable that a value of a predicate stands for; None for a plain value."""
    return value.removeprefix(_MARK) if value.startswith(_MARK) else None
