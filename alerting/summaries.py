"""What an alert says of itself, from its rule's template. Pure."""

from __future__ import annotations

from alerting.machine import Alert
from alerting.rules import Change, Forecast, Ratio, Rule, Value
from alerting.template import SummaryContext, render
from telemetry.schema import Registry

_STATE = ("probe", "state")


def is_state(rule: Rule) -> bool:
    """Whether what a rule reads are states of probes, which have names."""
    expression = rule.expression
    return isinstance(expression, Value) and (expression.of.measurement, expression.of.field) == _STATE


def unit_of(rule: Rule, registry: Registry) -> str:
    """The unit of what a rule reads, as the registry writes units."""
    match rule.expression:
        case Ratio(percent=True) | Change(percent=True):
            return "percent"
        case Forecast():
            return "h"
    selection = next(rule.selections)
    measurement = registry.get(selection.measurement)
    field = None if measurement is None else measurement.field(selection.field)
    return "1" if field is None or isinstance(rule.expression, Ratio) else field.unit


class Summaries:
    """Renders summaries; call it with a rule and an alert of it."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def __call__(self, rule: Rule, alert: Alert) -> str:
        """The summary of the alert as it is now; never raises."""
        context = SummaryContext(
            rule=rule.name,
            severity=alert.severity.word if alert.severity else "",
            value=alert.value,
            unit=unit_of(rule, self._registry),
            reason=alert.reason,
            tags=dict(alert.tags),
            labels=dict(rule.labels),
        )
        return render(rule.summary or rule.description or rule.name, context)
