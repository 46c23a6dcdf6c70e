"""What waits to be told, made into messages: by group, criticals first, and within each receiver's budget. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alerting.outbox import Occasion
from alerting.receivers import Budget
from alerting.routes import GROUP_INTERVAL, GROUP_WAIT
from alerting.rules import Severity
from telemetry.points import Tags

DIGEST = "digest"  # the route of messages that a budget has made of several groups


@dataclass(frozen=True, slots=True)
class Pending:
    """An item that is in no message yet; `made` in ns by the wall clock."""

    id: int
    incident: int
    route: str
    group: Tags
    occasion: Occasion
    severity: Severity
    made: int

    @property
    def is_urgent(self) -> bool:
        """Whether it does not wait for the group's interval."""
        return self.occasion is Occasion.ESCALATED or (
            self.severity is Severity.CRITICAL and self.occasion not in {Occasion.RESOLVED, Occasion.REMINDER}
        )


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a group waits: for its first message, and after one. In ns."""

    wait: int = GROUP_WAIT
    interval: int = GROUP_INTERVAL


@dataclass(frozen=True, slots=True)
class Batch:
    """Items that one message tells; `groups` > 1: a digest, since the budget was too small for one of each."""

    route: str
    group: Tags
    items: tuple[Pending, ...]
    groups: int = 1


@dataclass(frozen=True, slots=True)
class Recent:
    """Messages to a receiver: when they were made (ns), and of each group the last."""

    made: Sequence[int]
    last: Mapping[tuple[str, Tags], int]


def batches(
    pending: Sequence[Pending], recent: Recent, paces: Mapping[str, Pace], budget: Budget, now: int
) -> tuple[list[Batch], int | None]:
    """The messages to one receiver that are due at `now`, and when to look again; None: when something new waits.

    As many groups as the budget has messages left, the worst and then the oldest first; when there are more, the last
    message is a digest of all the others.
    """
    groups: dict[tuple[str, Tags], list[Pending]] = {}
    for item in pending:
        groups.setdefault((item.route, item.group), []).append(item)
    ready, later = [], []
    for (route, group), items in groups.items():
        due = _due(items, recent.last.get((route, group)), paces.get(route, Pace()))
        if due <= now:
            ready.append(Batch(route, group, tuple(items)))
        else:
            later.append(due)
    within = [made for made in recent.made if now - budget.window < made <= now]
    left = budget.messages - len(within)
    if ready and left <= 0:
        return [], min([min(within) + budget.window, *later])
    ready.sort(key=lambda batch: _rank(batch.items))
    if len(ready) > left:
        ready = [*ready[: left - 1], _digest(ready[left - 1 :])]
    return ready, min(later, default=None)


def _due(items: Sequence[Pending], last: int | None, pace: Pace) -> int:
    urgent = [item.made for item in items if item.is_urgent]
    waited = min(item.made for item in items) + pace.wait
    regular = waited if last is None else max(waited, last + pace.interval)
    return min(regular, min(urgent) + pace.wait) if urgent else regular


def _rank(items: Sequence[Pending]) -> tuple[bool, int, int]:
    news = [item for item in items if item.occasion is not Occasion.RESOLVED]
    worst = max((item.severity for item in news), default=0)
    return (not news, -worst, min(item.made for item in items))


def _digest(ready: Sequence[Batch]) -> Batch:
    if len(ready) == 1:
        return ready[0]
    return Batch(DIGEST, (), tuple(item for batch in ready for item in batch.items), len(ready))
