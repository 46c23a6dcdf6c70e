"""From the models of `opswatch.yaml` and the environment to how people are told. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from zoneinfo import ZoneInfo

from pydantic import SecretStr

from alerting.duty import Override, Person, Rotation
from alerting.label_match import LabelMatch
from alerting.receivers import (
    MINUTE,
    AppriseTarget,
    Budget,
    EmailTarget,
    QuietHours,
    Receiver,
    SmtpServer,
    Target,
    WebhookTarget,
)
from alerting.routes import REPEAT, Escalation, Route, Step
from alerting.rules import Severity
from alerting.windows import Cron, Monthly, Once, Weekly, Window
from opswatch.configuration import Configuration
from opswatch.configuration_telling import Escalation as EscalationItem
from opswatch.configuration_telling import Maintenance, QuietTimes, ReceiverItem, RotationItem, RouteItem, Smtp
from opswatch.environment import Environment
from opswatch.telling_settings import HeartbeatSettings, TellingSettings
from telemetry.times import duration_nanoseconds, from_datetime

_EVERYTHING = LabelMatch()
EMAIL, WEBHOOK = "email", "webhook"  # the receivers that the environment makes


@dataclass(frozen=True, slots=True)
class TellingSources:
    """What the file does not say itself: where names of files begin, and what the files hold, by their whole paths."""

    place: Callable[[str], Path]
    secrets: Mapping[str, SecretStr]
    texts: Mapping[str, str]
    allowed_networks: tuple[IPv4Network | IPv6Network, ...] = ()

    def secret(self, name: str) -> SecretStr:
        """What a file holds that a configuration without faults names."""
        return self.secrets[str(self.place(name))]


def telling_of(configuration: Configuration, environment: Environment, sources: TellingSources) -> TellingSettings:
    """How people are told; the environment's receivers hold where the file names none."""
    zone = configuration.time_zone or ZoneInfo("UTC")
    server = smtp_of(configuration.smtp or Smtp(), environment, sources)
    receivers = tuple(_receiver(one, server, sources, zone) for one in configuration.receivers)
    if not receivers:
        receivers = tuple(_of_environment(environment, server))
    routes = tuple(_route(one, number) for number, one in enumerate(configuration.routes, start=1))
    if not routes:
        routes = tuple(Route(f"to {one.name}", _EVERYTHING, one.name, goes_on=True) for one in receivers)
    switch = configuration.dead_mans_switch
    heartbeat = None
    if switch is not None:
        url = switch.url if switch.url_file is None else sources.secret(switch.url_file)
        assert url is not None
        heartbeat = HeartbeatSettings(url, switch.interval or timedelta(seconds=60))
    return TellingSettings(
        receivers,
        routes,
        tuple(_escalation(one) for one in configuration.escalations),
        tuple(_rotation(one, zone) for one in configuration.duty),
        tuple(_window(one, zone) for one in configuration.maintenance),
        heartbeat,
        configuration.public_url or "",
    )


def smtp_of(written: Smtp, environment: Environment, sources: TellingSources) -> SmtpServer:
    """Where e-mail is handed over: what the file says, else the SMTP_ variables."""
    password = environment.smtp_password
    if written.password_file is not None:
        password = sources.secret(written.password_file)
    return SmtpServer(
        host=written.host or environment.smtp_host or "",
        port=written.port or environment.smtp_port,
        username=written.username or environment.smtp_username or "",
        password=password,
        starttls=environment.smtp_starttls if written.starttls is None else written.starttls,
        tls=written.tls,
        ca_file=None if written.ca_file is None else sources.place(written.ca_file),
        sender=written.from_ or environment.alert_email_from or "",
        timeout=30.0 if written.timeout is None else written.timeout.total_seconds(),
    )


def _of_environment(environment: Environment, server: SmtpServer) -> Iterator[Receiver]:
    if environment.alert_email_enabled:
        yield Receiver(EMAIL, EmailTarget(environment.alert_email_to, server))
    if environment.alert_webhook_url is not None:
        yield Receiver(WEBHOOK, WebhookTarget(environment.alert_webhook_url))


def _receiver(one: ReceiverItem, server: SmtpServer, sources: TellingSources, zone: ZoneInfo) -> Receiver:
    made = Receiver(one.name, _target(one, server, sources), fallback=one.fallback or "")
    window = MINUTE if one.budget.window is None else duration_nanoseconds(one.budget.window)
    return replace(
        made,
        retry_for=made.retry_for if one.retry_for is None else duration_nanoseconds(one.retry_for),
        budget=Budget(one.budget.messages, window),
        quiet=None if one.quiet_hours is None else _quiet(one.quiet_hours, zone),
        send_resolved=one.send_resolved,
    )


def _target(one: ReceiverItem, server: SmtpServer, sources: TellingSources) -> Target:
    if one.kind == "email":
        return EmailTarget(one.to, server)
    url = one.url if one.url_file is None else sources.secret(one.url_file)
    assert url is not None
    if one.kind == "apprise":
        made = AppriseTarget(url)
        return made if one.timeout is None else replace(made, timeout=one.timeout.total_seconds())
    secrets = (one.secret_file, one.previous_secret_file)
    webhook = WebhookTarget(
        url,
        secrets=tuple(sources.secret(name) for name in secrets if name is not None),
        headers=tuple(one.headers.items()),
        template=None if one.template_file is None else sources.texts[str(sources.place(one.template_file))],
        success=None if one.success is None else (one.success.path, one.success.equals),
        ca_file=None if one.ca_file is None else sources.place(one.ca_file),
        verify_tls=one.verify_tls is not False,
        allowed_networks=sources.allowed_networks,
    )
    return replace(
        webhook,
        content_type=one.content_type or webhook.content_type,
        timeout=webhook.timeout if one.timeout is None else one.timeout.total_seconds(),
    )


def _quiet(written: QuietTimes, zone: ZoneInfo) -> QuietHours:
    severities = frozenset(Severity[name.upper()] for name in written.severities)
    return QuietHours(written.from_, written.to, written.time_zone or zone, severities)


def _route(one: RouteItem, number: int) -> Route:
    target = one.receiver or one.escalation or "nobody"
    made = Route(f"{number} to {target}", one.match, one.receiver or "", one.escalation or "", goes_on=one.continue_)
    written = {Severity.WARNING: one.repeat.warning, Severity.CRITICAL: one.repeat.critical}
    repeat = dict(REPEAT) | {severity: every for severity, every in written.items() if every is not None}
    return replace(
        made,
        group_by=made.group_by if one.group_by is None else one.group_by,
        group_wait=made.group_wait if one.group_wait is None else duration_nanoseconds(one.group_wait),
        group_interval=made.group_interval if one.group_interval is None else duration_nanoseconds(one.group_interval),
        repeat=tuple(repeat.items()),
    )


def _escalation(one: EscalationItem) -> Escalation:
    return Escalation(one.name, tuple(Step(duration_nanoseconds(step.after), step.receiver) for step in one.steps))


def _rotation(one: RotationItem, zone: ZoneInfo) -> Rotation:
    own = one.time_zone or zone
    day, handover = one.handover
    people = tuple(Person(person.name, person.receiver) for person in one.people)
    overrides = tuple(
        Override(_instant(each.start, own), _instant(each.stop, own), each.person) for each in one.overrides
    )
    return Rotation(one.name, own, day, handover, one.start, people, overrides)


def _window(one: Maintenance, zone: ZoneInfo) -> Window:
    own, duration = one.time_zone or zone, one.duration or timedelta()
    times: Once | Weekly | Monthly | Cron
    if one.cron is not None:
        times = Cron(one.cron)
    elif one.weekly is not None:
        times = Weekly(frozenset(one.weekly.days), one.weekly.at)
    elif one.monthly is not None:
        times = Monthly(one.monthly.day, one.monthly.at)
    else:
        assert one.start is not None
        start = _instant(one.start, own)
        times = Once(start, start + duration_nanoseconds(duration) if one.stop is None else _instant(one.stop, own))
    return Window(one.name, one.match, duration_nanoseconds(duration), own, times)


def _instant(moment: datetime, zone: ZoneInfo) -> int:
    return from_datetime(moment if moment.tzinfo is not None else moment.replace(tzinfo=zone))
