"""What an alert must be, computed from everything that ever happened to it: nothing is carried from step to step.

Written from the words of docs/alerting-rules.md, not from the product's code: it looks at the whole list of readings
again for every question.
"""

from dataclasses import dataclass

from alerting.rules import Rule, Severity

Value = float | str  # a number, or "nothing"; what is missing is "missing"


@dataclass(frozen=True)
class Happened:
    """A reading at an instant, under the rule of that time."""

    at: int
    value: Value
    rule: Rule


def bad(happened: Happened, severity: Severity) -> bool:
    threshold = happened.rule.threshold(severity)
    if threshold is None or happened.value == "nothing":
        return False
    if happened.value == "missing":
        return happened.rule.no_data.value == "alert"
    return {
        "above": happened.value > threshold.limit,  # type: ignore[operator]
        "at_least": happened.value >= threshold.limit,  # type: ignore[operator]
        "below": happened.value < threshold.limit,  # type: ignore[operator]
        "at_most": happened.value <= threshold.limit,  # type: ignore[operator]
    }[threshold.comparison.value]


def good(happened: Happened, severity: Severity) -> bool:
    threshold = happened.rule.threshold(severity)
    if bad(happened, severity):
        return False
    if threshold is None or isinstance(happened.value, str) or threshold.clear is None:
        return True
    if threshold.comparison.value in {"above", "at_least"}:
        return happened.value <= threshold.clear
    return happened.value >= threshold.clear


def known(history: list[Happened]) -> list[Happened]:
    """The readings that say something: all but those that are missing where that means nothing is known."""
    return [one for one in history if one.value != "missing" or one.rule.no_data.value != "unknown"]


def watched(before: Happened, now: Happened) -> int:
    """How much of the time between two readings counts."""
    return max(0, min(now.at - before.at, 2 * now.rule.interval))


def track(history: list[Happened], severity: Severity) -> list[str]:
    """`out`, `pending`, `on` or `leaving` after each known reading."""
    some, states = known(history), []
    state, started = "out", 0  # `started`: the place in `some` where pending or leaving began
    for place, now in enumerate(some):
        gap = now.at - some[place - 1].at if place else 0
        if state == "pending" and gap > max(now.rule.hold_for, 2 * now.rule.interval):
            state = "out"
        if state in {"out", "pending"}:
            if not bad(now, severity):
                state = "out"
            else:
                if state == "out":
                    started = place
                lasted = sum(
                    watched(a, b) for a, b in zip(some[started:place], some[started + 1 : place + 1], strict=True)
                )
                state = "on" if lasted >= now.rule.hold_for else "pending"
        elif not good(now, severity):
            state = "on"
        else:
            if state == "on":
                started = place
            lasted = sum(watched(a, b) for a, b in zip(some[started:place], some[started + 1 : place + 1], strict=True))
            state = "out" if lasted >= now.rule.keep_firing_for else "leaving"
        states.append(state)
    return states


def expected(history: list[Happened]) -> tuple[str, str]:
    """Status and severity after all of it, where no rule damps flapping."""
    if not history:
        return "inactive", ""
    warning, critical = (([*track(history, severity)] or ["out"])[-1] for severity in Severity)
    severity = "critical" if critical in {"on", "leaving"} else "warning" if warning in {"on", "leaving"} else ""
    last = history[-1]
    if last.value == "missing" and last.rule.no_data.value == "unknown":
        return "unknown", severity
    if severity:
        return ("firing" if "on" in {warning, critical} else "recovering"), severity
    return ("pending" if "pending" in {warning, critical} else "inactive"), severity
