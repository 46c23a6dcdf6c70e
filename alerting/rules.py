"""What a rule is: which value it looks at, from where that is worth telling, and for how long. Pure.

How rules are written is `opswatch/rules_file.py`; the exact meaning of each word is docs/alerting-rules.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import IntEnum, StrEnum
from hashlib import sha256

from telemetry.points import Tags
from telemetry.series import EVERYTHING, Function, GroupFunction, Predicate

SOURCE_BLIND = "source_blind"  # the built-in rule: nothing can be said of a source


class Severity(IntEnum):
    """How bad; the greater the worse."""

    WARNING = 1
    CRITICAL = 2

    @property
    def word(self) -> str:
        """`warning`, `critical`."""
        return self.name.lower()


class Comparison(StrEnum):
    """On which side of its limit a value breaches a threshold."""

    ABOVE = "above"
    AT_LEAST = "at_least"
    BELOW = "below"
    AT_MOST = "at_most"

    @property
    def is_upward(self) -> bool:
        """Whether greater values are the worse ones."""
        return self in {Comparison.ABOVE, Comparison.AT_LEAST}


@dataclass(frozen=True, slots=True)
class Threshold:
    """`limit` is where trouble begins; `clear` where it is over, None: as soon as the limit is not breached."""

    comparison: Comparison
    limit: float
    clear: float | None = None

    def is_breached(self, value: float) -> bool:
        """Whether the value lies beyond the limit."""
        match self.comparison:
            case Comparison.ABOVE:
                return value > self.limit
            case Comparison.AT_LEAST:
                return value >= self.limit
            case Comparison.BELOW:
                return value < self.limit
        return value <= self.limit

    def is_cleared(self, value: float) -> bool:
        """Whether what was breached is over: the value is at the clear value, or on its good side."""
        if self.clear is None:
            return not self.is_breached(value)
        return value <= self.clear if self.comparison.is_upward else value >= self.clear


class NoData(StrEnum):
    """What it means when a tag set that was there gives no value.

    `unknown`: nothing is known; it neither fires nor resolves. `alert`: that is the trouble. `ok`: that is fine.
    """

    UNKNOWN = "unknown"
    ALERT = "alert"
    OK = "ok"


@dataclass(frozen=True, slots=True)
class Selection:
    """One value per tag set: what the samples of the last `window` (ns) come to.

    `function` None means `quantile`. `Function.LAST` takes the newest sample. `group_by` None: one value for each
    series; else one for all series that agree in these tags, by `group_function` (None: what fits the function).
    """

    measurement: str
    field: str
    function: Function | None
    window: int
    quantile: float | None = None
    where: Predicate = EVERYTHING
    group_by: tuple[str, ...] | None = None
    group_function: GroupFunction | None = None


@dataclass(frozen=True, slots=True)
class Value:
    """The selection's own value."""

    of: Selection


@dataclass(frozen=True, slots=True)
class Ratio:
    """`part` / `whole`, or per cent of it. Where `whole` is less than `least` (or 0) there is nothing to judge."""

    part: Selection
    whole: Selection
    percent: bool = True
    least: float = 0.0


@dataclass(frozen=True, slots=True)
class Change:
    """How the value differs from the same window `against` ns ago: in per cent of the value then, or absolutely."""

    of: Selection
    against: int
    percent: bool = True


@dataclass(frozen=True, slots=True)
class Forecast:
    """In how many hours the value reaches `reaches`, if it goes on as over the last `over` ns.

    By the median of the slopes between any two of the means of `FORECAST_WINDOWS` windows (Theil-Sen estimator, Sen
    1968), which a third of outliers does not move.
    """

    of: Selection
    reaches: float
    over: int


Expression = Value | Ratio | Change | Forecast
FORECAST_WINDOWS = 24


@dataclass(frozen=True, slots=True)
class Flapping:
    """More than `transitions` openings and closings within `window` (ns) are one state, told once."""

    transitions: int
    window: int


@dataclass(frozen=True, slots=True)
class Rule:
    """Durations in ns. `thresholds` has at most one per severity, the milder first.

    `hold_for`: how long a breach must last before the alert fires; `keep_firing_for`: how long it must be clear before
    the alert resolves; `interval`: how often it is looked at.
    """

    name: str
    expression: Expression
    thresholds: tuple[tuple[Severity, Threshold], ...]
    interval: int
    hold_for: int = 0
    keep_firing_for: int = 0
    no_data: NoData = NoData.UNKNOWN
    flapping: Flapping | None = None
    labels: Tags = ()
    summary: str = ""
    description: str = ""
    runbook: str = ""
    depends_on: tuple[str, ...] = ()

    def threshold(self, severity: Severity) -> Threshold | None:
        """The threshold of this severity, or None."""
        return next((one for level, one in self.thresholds if level is severity), None)

    @property
    def version(self) -> str:
        """Twelve hex digits that change when anything of the rule does."""
        text = json.dumps(asdict(self), sort_keys=True, default=str)
        return sha256(text.encode()).hexdigest()[:12]

    @property
    def selections(self) -> Iterator[Selection]:
        """Every selection of the expression."""
        match self.expression:
            case Ratio(part, whole):
                yield from (part, whole)
            case Value(of) | Change(of) | Forecast(of):
                yield of


def alert_key(rule: str, tags: Tags) -> str:
    """The identity of an alert: 16 hex digits of the SHA-256 of its rule's name and its sorted tags."""
    text = json.dumps([rule, [list(tag) for tag in tags]], ensure_ascii=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()[:16]


def source_blind_rule(interval: int) -> Rule:
    """The rule of OpsWatch itself on its sources: 1 where nothing can be said, for a minute."""
    return Rule(
        SOURCE_BLIND,
        Value(Selection(SOURCE_BLIND, "blind", Function.LAST, interval)),
        ((Severity.CRITICAL, Threshold(Comparison.AT_LEAST, 1.0)),),
        interval,
        hold_for=60 * 1_000_000_000,
        summary="Nothing can be said of {{ tags.source }}: {{ reason }}",
        description="A source of values does not answer; what is watched by it neither fires nor resolves meanwhile.",
    )
