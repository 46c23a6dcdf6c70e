"""What alerting is told of what is watched: how often probes are asked, and which service needs which. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from collector.targets import ServiceSpec
from telemetry.points import Tags
from telemetry.times import duration_nanoseconds

PROBE = "probe"
_INTERVALS = 2.5  # a probe whose newest attempt is older than so many of its intervals says nothing of now


class WatchedServices:
    """Answers from what is configured."""

    def __init__(self, services: Sequence[ServiceSpec]) -> None:
        self._needs = {one.name: one.depends_on for one in services}
        self._ages: Mapping[tuple[str, str], int] = {
            (service.name, probe.name): int(duration_nanoseconds(probe.interval) * _INTERVALS)
            for service in services
            for probe in service.probes
        }

    def freshness(self, measurement: str, tags: Tags) -> int | None:
        """How old (ns) the newest attempt of a probe may be; None for all else, where the rule's window says it."""
        if measurement != PROBE:
            return None
        names = dict(tags)
        return self._ages.get((names.get("service", ""), names.get("probe", "")))

    def lookback(self, measurement: str) -> int:
        """How far back (ns) the newest sample of a measurement is looked for, if the rule's window is shorter."""
        return max(self._ages.values(), default=0) if measurement == PROBE else 0

    def dependencies(self, service: str) -> tuple[str, ...]:
        """The services that a service depends on, and those that they depend on, nearest first."""
        found: dict[str, None] = {}
        waiting = list(self._needs.get(service, ()))
        while waiting:
            name = waiting.pop(0)
            if name not in found and name != service:
                found[name] = None
                waiting += self._needs.get(name, ())
        return tuple(found)
