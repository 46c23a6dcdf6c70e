"""How rules stand, and what a reload of them changes, for people. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from alerting.rules import Rule


@dataclass(frozen=True, slots=True)
class RuleStatus:
    """How many alerts of a rule are in which state. `trouble`: why nothing can be said of it now, or empty.

    `last_evaluated` is the end of the newest window that was looked at, None before the first. `unit` is that of what
    it reads.
    """

    rule: Rule
    firing: int
    pending: int
    unknown: int
    last_evaluated: datetime | None
    unit: str
    trouble: str


@dataclass(frozen=True, slots=True)
class RulesStanding:
    """The rules in force, OpsWatch's own last; `interval` and `lag` are those of their file.

    `enabled`: whether they are evaluated here. `took_ms`: the newest evaluation of all that were due.
    """

    rules: tuple[RuleStatus, ...]
    source: str
    version: str
    interval: timedelta
    lag: timedelta
    enabled: bool
    took_ms: float


@dataclass(frozen=True, slots=True)
class ReloadOutcome:
    """What a reload did, or would do: names of rules, and how many incidents end because no rule means them."""

    version: str
    started: tuple[str, ...]
    stopped: tuple[str, ...]
    changed: tuple[str, ...]
    closes: int
    applied: bool
