"""How a service was over a period: slots of seconds per state. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from telemetry.health import State, availability

SLOTS = 48


@dataclass(frozen=True, slots=True)
class Slot:
    """A stretch of time: seconds per state, of `period_s` that there were."""

    start: int
    period_s: float
    up_s: float = 0.0
    degraded_s: float = 0.0
    down_s: float = 0.0

    @property
    def unknown_share(self) -> float:
        known = self.up_s + self.degraded_s + self.down_s
        return min(1.0, max(0.0, 1 - known / self.period_s)) if self.period_s > 0 else 1.0

    @property
    def state(self) -> State:
        """The worst that is known to have happened in it; unknown where nothing is."""
        if self.down_s > 0:
            return State.DOWN
        if self.degraded_s > 0:
            return State.DEGRADED
        return State.UP if self.up_s > 0 else State.UNKNOWN


@dataclass(frozen=True, slots=True)
class Uptime:
    """A period in slots. A service is in each what its worst probe is, as in reports (dashboards/reports/states.py)."""

    slots: tuple[Slot, ...]

    @property
    def availability(self) -> float | None:
        """From 0 to 1; None where nothing is known."""
        return availability(
            sum(slot.up_s for slot in self.slots),
            sum(slot.degraded_s for slot in self.slots),
            sum(slot.down_s for slot in self.slots),
        )

    @property
    def unknown_share(self) -> float:
        """The share of the period that none of up, degraded and down covers."""
        period = sum(slot.period_s for slot in self.slots)
        known = sum(slot.up_s + slot.degraded_s + slot.down_s for slot in self.slots)
        return min(1.0, max(0.0, 1 - known / period)) if period > 0 else 1.0
