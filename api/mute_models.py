"""The shapes of silences, maintenance and duty, as the OpenAPI document publishes them. Pure."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from api.alert_models import IncidentAnswer
from api.models import Answer

DayWord = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Match = dict[str, str | list[str]]

_MATCH = "What each label must be: text, a list of which one holds, !text, ~regular expression, !~regular expression."
_EVERYTHING = "true: that it matches every incident is meant."
_VERSION = "The version that was looked at; 409 when it has another one by now."
_CLOCK = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"


class Asked(BaseModel):
    """What somebody sends: without fields that mean nothing."""

    model_config = ConfigDict(extra="forbid")


class SilenceRequest(Asked):
    """A silence; a deploy script needs one call: `{"match": {"service": "checkout"}, "duration": "10m"}`."""

    match: Match = Field(description=_MATCH)
    duration: str | None = Field(default=None, description="How long, from its start: 10m, 2h, 7d. Or until.")
    until: str | None = Field(default=None, description="RFC 3339, or so long from now: 2h. Or duration.")
    starts: str | None = Field(default=None, description="RFC 3339, or so long from now; now when not given.")
    comment: str = ""
    everything: bool = Field(default=False, description=_EVERYTHING)


class SilenceChange(SilenceRequest):
    """What it is to be from now on, whole; it starts when it did where `starts` is not given."""

    version: int = Field(description=_VERSION)


class PreviewRequest(Asked):
    match: Match = Field(description=_MATCH)


class PreviewAnswer(Answer):
    """Which of the open incidents would be muted."""

    incidents: list[IncidentAnswer] = Field(description="The newest 100 of them.")
    count: int = Field(description="Of all of them.")
    open: int = Field(description="Of all incidents that are open.")


class SilenceAnswer(Answer):
    """Incidents that match are told to nobody from its start to its end."""

    id: int
    match: Match
    author: str
    comment: str
    created: str = Field(description="RFC 3339, UTC.")
    starts: str
    ends: str
    ended_by: str = Field(description="Who ended it before its time; else empty.")
    version: int
    active: bool


class SilencesAnswer(Answer):
    silences: list[SilenceAnswer]


class WeeklyTimes(Asked):
    days: list[DayWord] = Field(min_length=1, max_length=7)
    at: str = Field(pattern=_CLOCK, description="By the clock of the time zone: 03:00.")


class MonthlyTimes(Asked):
    day: int = Field(description="1 to 31; a month without that day has no window. -1: the last day.")
    at: str = Field(pattern=_CLOCK, description="By the clock of the time zone: 03:00.")


class WindowRequest(Asked):
    """A maintenance window: by cron, weekly or monthly with a duration, or once from `start` to `stop`."""

    name: str
    match: Match = Field(description=_MATCH)
    time_zone: str | None = Field(default=None, description="Europe/Berlin; that of the configuration when not given.")
    duration: str | None = Field(default=None, description="How long each time, elapsed; of one time, this or stop.")
    cron: str | None = Field(default=None, description="Five fields: 0 3 * * SUN.")
    weekly: WeeklyTimes | None = None
    monthly: MonthlyTimes | None = None
    start: str | None = Field(default=None, description="Once: RFC 3339, or so long from now; now when not given.")
    stop: str | None = Field(default=None, description="Once: as start.")
    comment: str = ""
    everything: bool = Field(default=False, description=_EVERYTHING)


class WindowChange(WindowRequest):
    """What it is to be from now on, whole; one time starts when it did where `start` is not given."""

    version: int = Field(description=_VERSION)


class WindowAnswer(Answer):
    """Incidents that match are told to nobody while it holds."""

    id: int | None = Field(description="null: it stands in opswatch.yaml, and is changed there.")
    name: str
    match: Match
    time_zone: str
    duration_seconds: float
    cron: str | None
    weekly: WeeklyTimes | None
    monthly: MonthlyTimes | None
    start: str | None
    stop: str | None
    author: str
    comment: str
    created: str | None
    ended: str | None = Field(description="When it was taken out.")
    ended_by: str
    version: int | None
    active_until: str | None = Field(description="null: it does not hold now.")
    next_start: str | None


class MaintenanceAnswer(Answer):
    windows: list[WindowAnswer]


class ShiftAnswer(Answer):
    person: str
    receiver: str
    since: str
    until: str
    override: bool = Field(description="Somebody stepped in.")


class OverrideRequest(Asked):
    """Somebody steps in."""

    rotation: str
    person: str
    start: str | None = Field(default=None, description="RFC 3339, or so long from now; now when not given.")
    duration: str | None = Field(default=None, description="How long, from its start: 12h. Or until.")
    until: str | None = Field(default=None, description="RFC 3339, or so long from now: 2h. Or duration.")
    comment: str = ""


class OverrideAnswer(Answer):
    id: int
    rotation: str
    person: str
    start: str
    stop: str
    author: str
    comment: str
    created: str


class RotationAnswer(Answer):
    """People who take turns; `people` in their order."""

    name: str
    time_zone: str
    people: list[str]
    on_duty: ShiftAnswer
    shifts: list[ShiftAnswer] = Field(description="Those that follow, of the next four weeks.")
    overrides: list[OverrideAnswer] = Field(description="Those that are not over, as they were added.")


class DutyAnswer(Answer):
    rotations: list[RotationAnswer]
