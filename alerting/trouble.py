"""What an alert depends on and is in trouble itself. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from alerting.machine import Alert
from alerting.rules import Rule, Severity
from telemetry.points import Tags

Dependencies = Callable[[str], Sequence[str]]  # the services that a service depends on, all the way up
Current = Callable[[Sequence[str] | None], Iterator[Alert]]  # the alerts of these rules, or all


class Trouble:
    """Which alerts are open, found when they are first asked for."""

    def __init__(self, current: Current) -> None:
        self._current = current
        self._services: dict[str, Alert] | None = None
        self._open: dict[str, list[Alert]] = {}

    def behind(self, rule: Rule, tags: Tags, dependencies: Dependencies) -> str:
        """What an alert of a rule on these tags depends on and is in trouble, in words; empty when there is none."""
        own = dict(tags)
        for name in rule.depends_on:
            for other in self._of_rule(name):
                if all(own.get(tag, value) == value for tag, value in other.tags):
                    return f"{name}{_described(other.tags)}"
        for service in dependencies(own.get("service", "")):
            if service != own["service"] and service in self._down():
                return f"service {service} ({self._down()[service].rule})"
        return ""

    def _of_rule(self, name: str) -> list[Alert]:
        if name not in self._open:
            self._open[name] = [one for one in self._current([name]) if one.is_open]
        return self._open[name]

    def _down(self) -> Mapping[str, Alert]:
        if self._services is None:
            critical = (one for one in self._current(None) if one.severity is Severity.CRITICAL)
            self._services = {dict(one.tags).get("service", ""): one for one in critical}
            self._services.pop("", None)
        return self._services


def _described(tags: Tags) -> str:
    return " on " + ", ".join(f"{name} {value}" for name, value in tags) if tags else ""
