"""The shapes of alerts, incidents and rules, as the OpenAPI document publishes them. Pure."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from api.models import Answer

SeverityWord = Literal["warning", "critical"]
StatusWord = Literal["inactive", "pending", "firing", "recovering", "unknown"]


class FiringCountsAnswer(Answer):
    """How many incidents are open."""

    critical: int
    warning: int
    unacknowledged: int = Field(description="Of all of them, those that nobody has acknowledged.")


class AlertAnswer(Answer):
    """One rule on one tag set."""

    id: str = Field(description="16 hex digits of the SHA-256 of the rule's name and the sorted tags.")
    rule: str
    tags: dict[str, str]
    service: str = Field(description="Empty where it is about no service.")
    status: StatusWord
    severity: SeverityWord | None = Field(description="null unless an incident is open.")
    flapping: bool
    since: str = Field(description="When the status last changed, RFC 3339, UTC.")
    value: float | None
    reason: str = Field(description="Why there is no value, where there is none.")
    summary: str
    labels: dict[str, str]
    runbook: str
    incident: int | None
    acknowledged_by: str


class AlertsAnswer(Answer):
    alerts: list[AlertAnswer] = Field(description="All that are not inactive, the worst first.")
    counts: FiringCountsAnswer


class IncidentAnswer(Answer):
    """One firing-to-resolved span of one alert."""

    id: int
    alert: str
    rule: str
    rule_version: str
    tags: dict[str, str]
    service: str
    severity: SeverityWord = Field(description="Of now, or the last it had.")
    worst: SeverityWord
    status: StatusWord
    flapping: bool
    opened: str
    resolved: str | None
    resolution: str = Field(description="Why it is over; empty while it is open.")
    value: float | None
    summary: str
    labels: dict[str, str]
    runbook: str
    acknowledged: str | None
    acknowledged_by: str
    snoozed_until: str | None
    assigned_to: str


class TimelineAnswer(Answer):
    """One line of an incident's timeline."""

    time: str
    kind: Literal["transition", "decision", "action"]
    what: str = Field(description="The kind of transition, the cause of a decision, or what somebody did.")
    words: str
    author: str
    value: float | None
    severity: SeverityWord | None
    status: StatusWord | None
    tell: bool = Field(description="Of a decision: whether somebody is to be told.")


class IncidentDetailAnswer(IncidentAnswer):
    timeline: list[TimelineAnswer]


class IncidentsAnswer(Answer):
    incidents: list[IncidentAnswer] = Field(description="The newest first.")
    count: int = Field(description="Of all that were asked for.")
    next_cursor: str | None


class ActionRequest(BaseModel):
    """What somebody does with an incident."""

    model_config = ConfigDict(extra="forbid")

    comment: str = Field(default="", description="Why; a note and a close need one.")
    until: str | None = Field(default=None, description="For a snooze: RFC 3339, or a duration as 2h.")
    assignee: str = Field(default="", description="For an assignment; empty: nobody.")


class ThresholdAnswer(Answer):
    severity: SeverityWord
    comparison: Literal["above", "at_least", "below", "at_most"]
    limit: float
    clear: float | None


class RuleAnswer(Answer):
    """A rule in force, and what it finds."""

    name: str
    version: str
    description: str
    reads: str = Field(description="What it looks at, in words.")
    unit: str
    thresholds: list[ThresholdAnswer]
    for_seconds: float
    keep_firing_for_seconds: float
    interval_seconds: float
    no_data: Literal["unknown", "alert", "ok"]
    labels: dict[str, str]
    runbook: str
    depends_on: list[str]
    firing: int
    pending: int
    unknown: int
    last_evaluated: str | None
    trouble: str = Field(description="Why nothing can be said of it now; empty when it can.")


class RulesAnswer(Answer):
    rules: list[RuleAnswer]
    source: str = Field(description="The file they come from.")
    version: str
    interval_seconds: float
    lag_seconds: float
    enabled: bool = Field(description="Whether they are evaluated here (ALERTING_ENABLED).")
    took_ms: float = Field(description="The newest evaluation of all that were due.")


class ReloadAnswer(Answer):
    version: str
    started: list[str]
    stopped: list[str]
    changed: list[str]
    closes: int = Field(description="Incidents that end, because no rule means them any more.")
    applied: bool
