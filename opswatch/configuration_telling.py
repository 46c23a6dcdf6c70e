"""What `opswatch.yaml` may hold of telling people, as models. Pure."""

from __future__ import annotations

import re
from datetime import time
from typing import Annotated, Literal

from pydantic import Field, SecretStr, StrictBool, StrictInt, model_validator

from alerting.label_match import LabelMatch
from opswatch.configuration_model import Model
from opswatch.configuration_telling_values import (
    Address,
    BudgetWindow,
    Clock,
    CronText,
    Day,
    GroupInterval,
    GroupWait,
    Handover,
    HeartbeatInterval,
    Match,
    Moment,
    Patience,
    Repeat,
    RetryTime,
    SecretHeaders,
    SecretUrl,
    StartDay,
    StepTime,
    WindowLength,
)
from opswatch.configuration_values import BadValue, FileName, JsonPath, Name, Text, Zone


class Smtp(Model):
    """Where e-mail is handed over; what is not written holds by the SMTP_ variables."""

    host: Text | None = Field(default=None, description="The server's name.", examples=["mail.example"])
    port: Annotated[StrictInt, Field(ge=1, le=65_535)] | None = Field(default=None, description="Its port.")
    username: Text | None = Field(default=None, description="Whom to log in as.")
    password_file: FileName | None = Field(default=None, description="File with the password.")
    starttls: StrictBool | None = Field(
        default=None, description="Whether STARTTLS must come before anything else; without TLS no password is sent."
    )
    tls: StrictBool = Field(default=False, description="TLS from the first byte, as on port 465.")
    ca_file: FileName | None = Field(default=None, description="Authorities to trust instead of the system's, PEM.")
    from_: Address | None = Field(
        default=None, alias="from", description="Sender of the mails.", examples=["ops@example.com"]
    )
    timeout: Patience | None = Field(default=None, description="How long each step may take; `30s`.")


class QuietTimes(Model):
    """From one time of the day to another, these severities wait."""

    from_: Clock = Field(alias="from", description="When they begin.", examples=["22:00"])
    to: Clock = Field(description="When they end.", examples=["07:00"])
    time_zone: Zone | None = Field(default=None, description="Zone of these times; else that of the file.")
    severities: tuple[Literal["warning", "critical"], ...] = Field(
        default=("warning",), description="Which wait; else warnings alone."
    )

    @model_validator(mode="after")
    def _has_length(self) -> QuietTimes:
        if self.from_ == self.to:
            raise BadValue("quiet hours that begin when they end are none", "write two times")
        return self


class BudgetItem(Model):
    """How many messages at most; what is more comes in one digest."""

    messages: Annotated[StrictInt, Field(ge=2, le=10_000)] = Field(default=10, description="So many messages,")
    window: BudgetWindow | None = Field(default=None, description="within this time; else `1m`.", examples=["1m"])


class Success(Model):
    """What the JSON of an answer must hold to count, beside a status of 200 to 299."""

    path: JsonPath = Field(description="JSONPath (RFC 9535).", examples=["$.ok"])
    equals: Text = Field(description="What must stand there, as text.", examples=["true"])


class ReceiverItem(Model):
    """Somebody who can be told."""

    name: Name = Field(description="Unique among receivers and rotations.", examples=["ops-mail"])
    kind: Literal["email", "webhook", "apprise"] = Field(
        description="`email`, `webhook`, or `apprise` for chats and pagers (docs/notifications.md)."
    )
    to: tuple[Address, ...] = Field(default=(), description="email: the addresses.", max_length=50)
    url: SecretUrl | None = Field(default=None, description="webhook, apprise: the URL. It is kept secret.")
    url_file: FileName | None = Field(default=None, description="webhook, apprise: file with the URL, instead of it.")
    secret_file: FileName | None = Field(
        default=None, description="webhook: file with the secret that signs (Standard Webhooks)."
    )
    previous_secret_file: FileName | None = Field(
        default=None, description="webhook: file with the secret before, which signs as well until all have the new."
    )
    headers: SecretHeaders = Field(default={}, description="webhook: further headers. Their values are kept secret.")
    template_file: FileName | None = Field(
        default=None, description="webhook: file with a template of the body, Jinja2 in a sandbox; else our JSON."
    )
    content_type: Text | None = Field(default=None, description="webhook: of the body; else `application/json`.")
    success: Success | None = Field(default=None, description="webhook: what makes an answer a good one.")
    ca_file: FileName | None = Field(default=None, description="webhook: authorities to trust instead, PEM.")
    verify_tls: StrictBool | None = Field(default=None, description="webhook: whether the certificate must be good.")
    timeout: Patience | None = Field(
        default=None, description="webhook, apprise: how long a try may take; else `15s`, `20s`."
    )
    retry_for: RetryTime | None = Field(
        default=None, description="How long a message is tried; else `4h`. Then it is a dead letter.", examples=["4h"]
    )
    fallback: Name | None = Field(
        default=None, description="Receiver that gets dead letters; else the first other one of this file."
    )
    budget: BudgetItem = Field(default=BudgetItem(), description="How many messages at most.")
    quiet_hours: QuietTimes | None = Field(default=None, description="When warnings wait.")
    send_resolved: StrictBool = Field(default=True, description="Whether it hears that something is over.")

    @model_validator(mode="after")
    def _fits_its_kind(self) -> ReceiverItem:
        webhook = {"secret_file", "previous_secret_file", "headers", "template_file", "content_type", "success",
                   "ca_file", "verify_tls"}  # fmt: skip
        foreign = {
            "email": {"url", "url_file", "timeout"} | webhook,
            "webhook": {"to"},
            "apprise": {"to"} | webhook,
        }[self.kind]
        wrong = sorted(foreign & self.model_fields_set)
        if wrong:
            raise BadValue(f"{wrong[0]} means nothing to a receiver of the kind {self.kind}", "remove it", (wrong[0],))
        if self.kind == "email" and not self.to:
            raise BadValue("an e-mail has nobody to go to", "write to: [ops@example.com]")
        if self.kind != "email" and (self.url is None) == (self.url_file is None):
            words = "no URL is here" if self.url is None else "both url and url_file are here"
            raise BadValue(words, "write one of url and url_file")
        if self.kind == "webhook" and self.url is not None:
            check_webhook(self.url)
        if self.previous_secret_file is not None and self.secret_file is None:
            raise BadValue("a previous secret needs a present one", "write secret_file", ("previous_secret_file",))
        return self


def check_webhook(url: SecretStr) -> None:
    """Raises BadValue, which does not quote it, when it is nothing that can be posted to."""
    if not re.fullmatch(r"https?://[^\s/?#@]+(?:[/?][^\s#]*)?", url.get_secret_value()):
        raise BadValue("the URL of a webhook begins with http:// or https:// and has no credentials", at=("url",))


class RepeatTimes(Model):
    """How often what is open and not acknowledged is told again; `never` for not at all."""

    warning: Repeat | None = Field(default=None, description="Else `24h`.", examples=["24h"])
    critical: Repeat | None = Field(default=None, description="Else `4h`.", examples=["1h"])


class RouteItem(Model):
    """Which incidents go to whom. The first route that matches is taken; `continue` looks further."""

    match: Match = Field(default=LabelMatch(), description="Which incidents; all of them where it is not written.")
    receiver: Name | None = Field(default=None, description="Receiver or rotation that is told.")
    nobody: StrictBool = Field(default=False, description="That nobody is told of these is meant.")
    escalation: Name | None = Field(default=None, description="Ladder that is climbed until somebody acknowledges.")
    continue_: StrictBool = Field(default=False, alias="continue", description="Whether later routes are looked at.")
    group_by: tuple[Text, ...] | None = Field(
        default=None, description="Labels by which incidents are told together; else `[rule]`.", max_length=20
    )
    group_wait: GroupWait | None = Field(default=None, description="How long the first waits for others; else `10s`.")
    group_interval: GroupInterval | None = Field(
        default=None, description="How long later ones wait after a message, critical news excepted; else `5m`."
    )
    repeat: RepeatTimes = Field(default=RepeatTimes(), description="How often it is told again.")

    @model_validator(mode="after")
    def _reaches_somebody(self) -> RouteItem:
        reaches = self.receiver is not None or self.escalation is not None
        if not reaches and not self.nobody:
            raise BadValue("this route reaches nobody", "write a receiver, an escalation, or nobody: true")
        if reaches and self.nobody:
            raise BadValue("this route reaches somebody and nobody", "remove one of them", ("nobody",))
        return self


class StepItem(Model):
    """One step of a ladder."""

    after: StepTime = Field(description="So long after the ladder began.", examples=["15m"])
    receiver: Name = Field(description="Receiver or rotation that is told.")


class Escalation(Model):
    """A ladder: each step tells somebody else, until an acknowledgement."""

    name: Name = Field(description="Its name.", examples=["default"])
    steps: tuple[StepItem, ...] = Field(description="In the order of their times.", min_length=1, max_length=50)


class WeeklyTimes(Model):
    """On these days of the week."""

    days: tuple[Day, ...] = Field(description="Days.", min_length=1, max_length=7, examples=[["sat", "sun"]])
    at: Clock = Field(description="When it begins.", examples=["03:00"])


class MonthlyTimes(Model):
    """On one day of the month."""

    day: Annotated[StrictInt, Field(ge=-1, le=31)] = Field(description="1 to 31, or -1 for the last.")
    at: Clock = Field(description="When it begins.", examples=["03:00"])


class Maintenance(Model):
    """A planned time in which nobody is told of what matches; one of `cron`, `weekly`, `monthly`, `start`."""

    name: Name = Field(description="Its name.", examples=["sunday"])
    match: Match = Field(default=LabelMatch(), description="Which incidents; all of them where it is not written.")
    cron: CronText | None = Field(
        default=None, description="When it begins, again and again, as cron writes it.", examples=["0 3 * * SUN"]
    )
    weekly: WeeklyTimes | None = Field(default=None, description="When it begins, week by week.")
    monthly: MonthlyTimes | None = Field(default=None, description="When it begins, month by month.")
    start: Moment | None = Field(default=None, description="When it begins, once.", examples=["2026-12-24T18:00"])
    stop: Moment | None = Field(default=None, description="When it ends, instead of `duration`.")
    duration: WindowLength | None = Field(default=None, description="How long it lasts.", examples=["1h"])
    time_zone: Zone | None = Field(default=None, description="Zone of these times; else that of the file.")

    @model_validator(mode="after")
    def _has_one_time(self) -> Maintenance:
        given = [name for name in ("cron", "weekly", "monthly", "start") if getattr(self, name) is not None]
        if len(given) != 1:
            words = " and ".join(given) or "no time"
            raise BadValue(f"one time is needed, and here is {words}", "one of cron, weekly, monthly, start")
        if (self.duration is None) == (self.stop is None):
            raise BadValue("how long it lasts is needed once", "write duration, or with start a stop")
        if self.stop is not None and self.start is None:
            raise BadValue("stop goes with start alone", "write duration", ("stop",))
        if self.monthly is not None and self.monthly.day == 0:
            raise BadValue("no month has a day 0", "1 to 31, or -1 for the last", ("monthly", "day"))
        return self


class PersonItem(Model):
    """Somebody who takes turns."""

    name: Name = Field(description="Who it is.", examples=["anna"])
    receiver: Name = Field(description="Receiver that reaches them.", examples=["anna-phone"])


class OverrideItem(Model):
    """Somebody steps in, whoever has the week."""

    start: Moment = Field(description="From then.", examples=["2026-12-24T18:00"])
    stop: Moment = Field(description="Until then.")
    person: Name = Field(description="Somebody of the rotation.")


class RotationItem(Model):
    """People who take turns, and hand over once a week."""

    name: Name = Field(description="Unique among receivers and rotations.", examples=["on-duty"])
    people: tuple[PersonItem, ...] = Field(description="In the order of their turns.", min_length=1, max_length=200)
    handover: Handover = Field(default=(0, time(9)), description="Day and time of the handover; `MON 09:00`.")
    start: StartDay = Field(description="A day of the first one's week.", examples=["2026-01-05"])
    time_zone: Zone | None = Field(default=None, description="Zone of these times; else that of the file.")
    overrides: tuple[OverrideItem, ...] = Field(default=(), description="Who steps in.", max_length=1_000)


class DeadMansSwitch(Model):
    """An address outside that expects a request again and again, and tells people when none comes."""

    url: SecretUrl | None = Field(default=None, description="What is asked. It is kept secret.")
    url_file: FileName | None = Field(default=None, description="File with the URL, instead of it.")
    interval: HeartbeatInterval | None = Field(
        default=None, description="How often, `5s` at least; else `60s`.", examples=["60s"]
    )

    @model_validator(mode="after")
    def _has_a_url(self) -> DeadMansSwitch:
        if (self.url is None) == (self.url_file is None):
            raise BadValue("one of url and url_file is needed", "write url: https://watch.example/ping/x")
        return self
