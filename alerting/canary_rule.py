"""The canary's rule, which fires when its point is there: asked, read and judged as every other rule. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from alerting.machine import Alert, Reading, Status, step
from alerting.questions import Asked, Plan, Question, asked_by
from alerting.readings import Answer, readings_of
from alerting.rules import Comparison, Rule, Selection, Severity, Threshold, Value
from telemetry.points import Tags
from telemetry.series import Function, SeriesQuery

MEASUREMENT = "opswatch_loop"
FIELD = "latency_ms"


@dataclass(frozen=True, slots=True)
class CanaryRule:
    """At `now` (ns), a multiple of the rule's interval. `tags`: those of the canary's own points."""

    rule: Rule
    asked: Sequence[Asked]
    tags: Tags
    now: int

    @classmethod
    def of(cls, host: str, interval: int, seen: int) -> CanaryRule:
        """The rule for a point that is at `seen` (ns): its instant is the next multiple of the interval (ns)."""
        value = Value(Selection(MEASUREMENT, FIELD, Function.COUNT, 2 * interval, group_by=("host",)))
        rule = Rule("canary", value, ((Severity.CRITICAL, Threshold(Comparison.ABOVE, 0.0)),), interval)
        return cls(rule, asked_by(value, lambda _: 2 * interval), (("host", host),), seen - seen % interval + interval)

    def questions(self) -> dict[Question, SeriesQuery]:
        """What the store is to be asked."""
        plan = Plan.of(self.asked)
        return {question: plan.query(question, self.now) for question in plan.functions}

    def fires(self, answers: dict[Question, Answer]) -> bool:
        """Whether the rule fires by these answers, as it does when all is well."""
        readings = readings_of(self.rule, self.asked, answers, self.now, _any_age)
        reading = readings.get(self.tags, Reading.missing("there was no sample"))
        alert, _ = step(Alert(self.rule.name, self.tags), reading, self.rule, self.now)
        return alert.status is Status.FIRING


def _any_age(_measurement: str, _tags: Tags) -> None:
    """How old a sample may be; of a count that is not asked."""
