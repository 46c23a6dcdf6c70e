"""What the pages of alerts and incidents are given: words and numbers ready to be shown. Pure.

Every text in them went through `telemetry.visible_text`, for rules, tags and comments come from anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from dashboards.telling_views import WhyView
from dashboards.time_range import TimeRange
from dashboards.views import ChartView


@dataclass(frozen=True, slots=True)
class AlertRow:
    """An alert that is not inactive. `severity` is empty where nothing is known of it and no incident is open.

    `about` are its tags in words; `limit` the threshold that its value is held against; `note` what else is to be
    said: why there is no value, how long it is pending, until when it is snoozed.
    """

    severity: str
    status: str
    summary: str
    about: str
    rule: str
    service: str
    since: datetime
    value: str
    limit: str
    note: str
    incident: int | None
    acknowledged_by: str


@dataclass(frozen=True, slots=True)
class AlertGroup:
    """Alerts under one heading, with what that means; `more` are not listed."""

    name: str
    title: str
    words: str
    rows: tuple[AlertRow, ...]
    more: int


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """An incident in the history; `ended` says how, or its status; `looked_after` who acknowledged it, when."""

    number: int
    severity: str
    is_open: bool
    summary: str
    rule: str
    service: str
    opened: datetime
    lasted: str
    ended: str
    looked_after: str


@dataclass(frozen=True, slots=True)
class FilterView:
    """What the history is narrowed to, as it was asked for; `rules` and `services` are suggestions."""

    status: str = ""
    severity: str = ""
    rule: str = ""
    service: str = ""
    start: str = ""
    stop: str = ""
    rules: tuple[str, ...] = ()
    services: tuple[str, ...] = ()

    @property
    def is_narrowed(self) -> bool:
        return any((self.status, self.severity, self.rule, self.service, self.start, self.stop))


@dataclass(frozen=True, slots=True)
class HistoryView:
    """A page of the history. `parameters` are its filters as they stand in a URL; `older` asks for the next page."""

    rows: tuple[HistoryRow, ...]
    count: int
    parameters: str
    older: str
    is_first: bool


@dataclass(frozen=True, slots=True)
class RuleRow:
    """A rule in force, in words."""

    name: str
    reads: str
    limits: tuple[tuple[str, str], ...]  # severity, words
    holds: str
    firing: int
    pending: int
    unknown: int
    last: datetime | None
    trouble: str
    description: str


@dataclass(frozen=True, slots=True)
class AlertsView:
    """The page `/alerts`. `history` is None where it could not be read, and `troubles` say why."""

    lead: str  # what is evaluated, in words
    groups: tuple[AlertGroup, ...]
    unacknowledged: int
    rules_words: str
    rules: tuple[RuleRow, ...]
    filters: FilterView
    history: HistoryView | None
    troubles: tuple[str, ...]
    now: datetime


@dataclass(frozen=True, slots=True)
class IncidentFact:
    """`path` leads to a page of ours, `address` elsewhere."""

    subject: str
    value: str
    path: str = ""
    address: str = ""


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
class ActionsView:
    """What whoever looks may do with it. `typed` is what an attempt that failed had in its fields, by name."""

    may_act: bool
    is_open: bool
    user: str
    zone: str
    snoozes: tuple[tuple[str, str], ...]
    typed: dict[str, str] = field(default_factory=dict)
    failed: str = ""  # which action it was


@dataclass(frozen=True, slots=True)
class IncidentView:
    """The page `/incidents/{id}`. `chart` is None where there is none, and `no_chart` says why.

    `reads` says in words what the rule looks at; empty when it is gone.
    """

    number: int
    summary: str
    severity: str
    status: str
    state: str
    opened: datetime
    resolved: datetime | None
    acknowledged: datetime | None
    acknowledged_by: str
    facts: tuple[IncidentFact, ...]
    chart: ChartView | None
    reads: str
    no_chart: str
    timeline: tuple[TimelineRow, ...]
    actions: ActionsView
    range: TimeRange
    why: WhyView
    silence: str  # the path of an editor for a silence of what is like this
    troubles: tuple[str, ...]
    now: datetime
