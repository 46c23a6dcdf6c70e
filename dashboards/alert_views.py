"""What the pages of alerts and incidents are given: values ready to be shown. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from dashboards.views import ChartView


@dataclass(frozen=True, slots=True)
class AlertRow:
    """An alert that is not as it should be. `severity` is empty without an incident; `about` its tags in words."""

    severity: str
    status: str
    flapping: bool
    rule: str
    about: str
    summary: str
    service: str
    since: datetime
    value: str
    incident: int | None
    acknowledged_by: str
    snoozed_until: datetime | None


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """One line of the history. `length` in words, of one that is open so far."""

    id: int
    severity: str
    rule: str
    about: str
    summary: str
    service: str
    opened: datetime
    resolved: datetime | None
    length: str
    resolution: str
    acknowledged_by: str


@dataclass(frozen=True, slots=True)
class HistoryFilter:
    """What the form of the history holds, as it was sent; `rules` and `services` can be chosen from."""

    status: str
    severity: str
    rule: str
    service: str
    start: str
    stop: str
    rules: tuple[str, ...]
    services: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AlertsView:
    """The page of alerts. `lead` says in words what is evaluated; `troubles` what keeps it from being trusted.

    `older` is the link to the next page of the history, or empty; `csv` that to all of it.
    """

    lead: str
    troubles: tuple[str, ...]
    firing: tuple[AlertRow, ...]
    unknown: tuple[AlertRow, ...]
    pending: tuple[AlertRow, ...]
    history: tuple[IncidentRow, ...]
    count: int
    filter: HistoryFilter
    older: str
    csv: str


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """One line of a timeline: `kind` transition, decision or action, `title` in words, `value` where there is one."""

    at: datetime
    kind: str
    severity: str
    title: str
    words: str
    value: str


@dataclass(frozen=True, slots=True)
class IncidentView:
    """The page of one incident. `reads` and `limits` say in words what its rule looks at; empty when that is gone.

    `chart` shows what the rule read from `start` to `stop` (RFC 3339); None when the rule is gone.
    """

    id: int
    severity: str
    status: str
    is_open: bool
    flapping: bool
    rule: str
    about: tuple[tuple[str, str], ...]
    labels: tuple[tuple[str, str], ...]
    summary: str
    service: str
    runbook: str
    opened: datetime
    resolved: datetime | None
    length: str
    resolution: str
    value: str
    acknowledged_by: str
    acknowledged: datetime | None
    snoozed_until: datetime | None
    assigned_to: str
    description: str
    reads: str
    limits: tuple[tuple[str, str], ...]
    hold: str
    timeline: tuple[TimelineRow, ...]
    chart: ChartView | None
    start: str
    stop: str
    can_act: bool
