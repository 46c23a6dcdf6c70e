"""What a test of a rule holds, and whether the rule did as expected. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from alerting.machine import Alert, Status
from alerting.rules import Severity
from telemetry.points import Point, Tags
from telemetry.series import Series
from telemetry.times import NANOSECONDS_PER_SECOND


@dataclass(frozen=True, slots=True)
class ExpectedAlert:
    """An alert that is not inactive; `severity` None where none is expected, or where it does not matter."""

    tags: Tags
    status: Status
    severity: Severity | None = None


@dataclass(frozen=True, slots=True)
class Expectation:
    """All alerts of the rule that are not inactive, `at` ns after the start."""

    at: int
    alerts: tuple[ExpectedAlert, ...]


@dataclass(frozen=True, slots=True)
class RuleTest:
    """Samples of each series stand every `interval` ns, the first at `start`; None is one that is missing."""

    name: str
    rule: str
    series: tuple[tuple[Series, Sequence[float | None]], ...]
    interval: int
    start: int
    expectations: tuple[Expectation, ...]

    def points(self) -> list[Point]:
        """Every sample as a point."""
        return [
            Point(series.measurement, series.tags, {series.field: value}, self.start + number * self.interval)
            for series, values in self.series
            for number, value in enumerate(values)
            if value is not None
        ]


@dataclass(frozen=True, slots=True)
class TrialOutcome:
    """What was otherwise than expected; nothing when the test passed. `took_s` for people."""

    test: RuleTest
    differences: tuple[str, ...]
    took_s: float

    @property
    def passed(self) -> bool:
        return not self.differences


def differences(expected: Expectation, alerts: Sequence[Alert]) -> list[str]:
    """What is otherwise than expected, for people; nothing when all is as it should be."""
    found = {alert.tags: alert for alert in alerts if alert.status is not Status.INACTIVE}
    at, words = _offset(expected.at), []
    for one in expected.alerts:
        alert = found.pop(one.tags, None)
        if alert is None:
            words.append(f"at {at}: {_tags(one.tags)} should be {_wanted(one)}, and is inactive")
        elif alert.status is not one.status or one.severity not in {None, alert.severity}:
            words.append(f"at {at}: {_tags(one.tags)} should be {_wanted(one)}, and is {_is(alert)}")
    words += [f"at {at}: {_tags(tags)} should be inactive, and is {_is(alert)}" for tags, alert in found.items()]
    return words


def _wanted(expected: ExpectedAlert) -> str:
    return expected.status.value + (f" {expected.severity.word}" if expected.severity else "")


def _is(alert: Alert) -> str:
    value = "" if alert.value is None else f" at {alert.value:g}"
    reason = f" ({alert.reason})" if alert.reason else ""
    return alert.status.value + (f" {alert.severity.word}" if alert.severity else "") + value + reason


def _tags(tags: Tags) -> str:
    return "{" + ", ".join(f"{name}={value}" for name, value in tags) + "}"


def _offset(nanoseconds: int) -> str:
    minutes, seconds = divmod(nanoseconds // NANOSECONDS_PER_SECOND, 60)
    hours, minutes = divmod(minutes, 60)
    parts = (f"{hours}h" if hours else "", f"{minutes}m" if minutes else "", f"{seconds}s" if seconds else "")
    return "".join(parts) or "0s"
