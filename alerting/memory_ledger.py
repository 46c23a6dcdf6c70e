"""A ledger in memory, for alerts that are only tried: tests of rules and replay over history. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from alerting.ledger import AlertChange, Batch
from alerting.machine import Alert, Kind


@dataclass(slots=True)
class MemoryLedger:
    """Implements `alerting.ledger.Ledger`; `made` are all changes with a transition, in order."""

    made: list[AlertChange] = field(default_factory=list)
    _alerts: dict[str, Alert] = field(default_factory=dict)
    _incidents: dict[str, int] = field(default_factory=dict)
    _last: int = 0

    @classmethod
    def of(cls, alerts: Sequence[Alert]) -> MemoryLedger:
        """One that remembers these, with the numbers of their incidents."""
        open_now = {alert.key: alert.incident for alert in alerts if alert.incident is not None}
        return cls([], {alert.key: alert for alert in alerts}, open_now, max(open_now.values(), default=0))

    async def alerts(self) -> tuple[Alert, ...]:
        """Every alert that is remembered."""
        return tuple(self._alerts.values())

    async def commit(self, batch: Batch) -> Mapping[str, int]:
        """Keep it; the numbers of the open incidents of its alerts, by key."""
        open_now: dict[str, int] = {}
        for change in batch.changes:
            key = change.alert.key
            self._alerts[key] = change.alert
            if change.transition is not None:
                self.made.append(change)
                if change.transition.kind is Kind.OPENED:
                    self._last += 1
                    self._incidents[key] = self._last
            if change.alert.is_open:
                open_now[key] = self._incidents[key]
                self._alerts[key] = replace(change.alert, incident=self._incidents[key])
        for key in batch.forgotten:
            self._alerts.pop(key, None)
        return open_now
