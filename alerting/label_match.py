"""Which incidents a route, a silence or a maintenance window means: conditions on their labels. Pure.

Written as a mapping from label to what it must be: `checkout` is that text, `[a, b]` one of these, `!a` anything but
that (also: no such label), `~web-.*` a regular expression (RE2) that must match from begin to end, `!~web-.*` one that
must not. All conditions must hold; none at all mean every incident.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import re2

MAX_CONDITIONS = 50
Written = str | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LabelMatch:
    """Conditions on labels, as they were written, sorted by label."""

    conditions: tuple[tuple[str, Written], ...] = ()

    @classmethod
    def of(cls, written: Mapping[str, str | Sequence[str]]) -> LabelMatch:
        """Of what was written. Raises ValueError, with words for people, when it is malformed."""
        if len(written) > MAX_CONDITIONS:
            raise ValueError(f"at most {MAX_CONDITIONS} conditions are taken, not {len(written)}")
        found = []
        for label, wanted in sorted(written.items()):
            if not isinstance(wanted, str) and not wanted:
                raise ValueError(f"an empty list for {label} means no incident at all")
            for one in (wanted,) if isinstance(wanted, str) else wanted:
                _check(one)
            found.append((label, wanted if isinstance(wanted, str) else tuple(wanted)))
        return cls(tuple(found))

    @classmethod
    def parse(cls, lines: Sequence[str]) -> LabelMatch:
        """Of lines `LABEL=VALUE`; a label that stands in several is to be one of these. Raises ValueError."""
        found: dict[str, list[str]] = {}
        for line in lines:
            label, equals, wanted = line.partition("=")
            if not equals or not label.strip():
                raise ValueError(f"{line[:60]!r} is no condition: write LABEL=VALUE, as service=checkout")
            found.setdefault(label.strip(), []).append(wanted.strip())
        return cls.of({label: wanted[0] if len(wanted) == 1 else wanted for label, wanted in found.items()})

    def lines(self) -> list[str]:
        """As `parse` takes it."""
        return [
            f"{label}={text}" for label, one in self.conditions for text in ([one] if isinstance(one, str) else one)
        ]

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether an incident with these labels is meant; a label that is missing counts as empty."""
        return all(_holds(wanted, labels.get(label, "")) for label, wanted in self.conditions)

    def written(self) -> dict[str, str | list[str]]:
        """As `of` takes it."""
        return {label: one if isinstance(one, str) else list(one) for label, one in self.conditions}

    def __str__(self) -> str:
        parts = [f"{label}={one if isinstance(one, str) else '|'.join(one)}" for label, one in self.conditions]
        return ", ".join(parts) or "everything"


def _check(wanted: str) -> None:
    pattern = wanted.removeprefix("!")
    if not pattern.startswith("~"):
        return
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(pattern[1:], options)
    except re2.error as error:
        reason = error.args[0].decode("utf-8", "replace") if isinstance(error.args[0], bytes) else str(error.args[0])
        raise ValueError(f"{pattern[1:]!r} is not a regular expression of RE2: {reason[:100]}") from error


def _holds(wanted: Written, value: str) -> bool:
    if not isinstance(wanted, str):
        return any(_holds(one, value) for one in wanted)
    if wanted.startswith("!"):
        return not _holds(wanted[1:], value)
    if wanted.startswith("~"):
        return re2.fullmatch(wanted[1:], value) is not None
    return value == wanted
