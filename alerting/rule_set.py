"""The rules that are in force together. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from alerting.rules import Rule


@dataclass(frozen=True, slots=True)
class RuleSet:
    """`interval` (ns): how often rules are looked at; `lag` (ns): how long samples are given to arrive."""

    rules: tuple[Rule, ...]
    interval: int
    lag: int
    source: str
    version: str
