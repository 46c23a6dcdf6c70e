"""How people are told: what the file and the environment say, and every mistake with its place and way out."""

from collections.abc import Iterator
from datetime import date, time
from ipaddress import ip_network
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml

from alerting.duty import Override, Person
from alerting.label_match import LabelMatch
from alerting.receivers import HOUR, MINUTE, AppriseTarget, Budget, EmailTarget, QuietHours, WebhookTarget
from alerting.routes import Step
from alerting.rules import Severity
from alerting.windows import Cron, Monthly, Once, Weekly
from opswatch.settings import Settings, check_text, excerpts_of, load_settings
from telemetry.errors import ConfigurationError
from telemetry.times import parse_instant
from tests.api.world import NOW

WHOLE = """
time_zone: Europe/Berlin
public_url: https://ops.example/
allow_private: [10.0.0.0/8]
smtp: {host: mail.example, port: 25, username: u, password_file: p, from: ops@example.com, timeout: 5s}
receivers:
  - {name: ops-mail, kind: email, to: [anna@example.com, ben@example.com], retry_for: 1h, fallback: ops-hook,
     budget: {messages: 5, window: 10m}, quiet_hours: {from: "22:00", to: "07:00"}, send_resolved: false}
  - {name: ops-hook, kind: webhook, url: "https://hooks.example/secret-path", secret_file: p, previous_secret_file: p,
     headers: {X-Key: hunter2}, template_file: body.j2, success: {path: $.ok, equals: "true"}, timeout: 3s}
  - {name: phone, kind: apprise, url_file: url}
routes:
  - {match: {severity: critical, host: [a, "~web-.*"]}, receiver: on-duty, escalation: default, continue: true,
     group_by: [service], group_wait: 5s, group_interval: 1m, repeat: {critical: 1h, warning: never}}
  - {match: {team: "!shop"}, nobody: true}
  - {receiver: ops-mail}
escalations: [{name: default, steps: [{after: 0s, receiver: ops-mail}, {after: 15m, receiver: on-duty}]}]
maintenance:
  - {name: sunday, match: {service: checkout}, cron: "0 3 * * SUN", duration: 1h, time_zone: UTC}
  - {name: weekend, weekly: {days: [sat, sun], at: "04:00"}, duration: 2h}
  - {name: monthly, monthly: {day: -1, at: "23:00"}, duration: 30m}
  - {name: move, start: 2026-12-24T18:00, stop: 2026-12-24T20:00}
duty:
  - {name: on-duty, handover: TUE 08:30, start: 2026-01-05,
     people: [{name: anna, receiver: phone}, {name: ben, receiver: ops-mail}],
     overrides: [{start: 2026-12-24T00:00, stop: 2026-12-26T00:00, person: ben}]}
dead_mans_switch: {url: "https://watch.example/ping/secret", interval: 30s}
"""


def load(folder: Path, text: str = WHOLE, environ: dict[str, str] | None = None) -> Settings:
    (folder / "opswatch.yaml").write_text(text)
    (folder / "p").write_text("hunter2\n")
    (folder / "url").write_text("json://localhost/secret\n")
    (folder / "body.j2").write_text("{{ title | json }}")
    return load_settings(environ or {}, folder / "opswatch.yaml")


def test_everything_that_can_be_said_of_receivers_is_taken(tmp_path: Path) -> None:
    """E-mail, webhook and apprise, with what holds for all of them."""
    mail, hook, phone = load(tmp_path).telling.receivers
    assert isinstance(mail.target, EmailTarget)
    assert (mail.target.to, mail.retry_for, mail.fallback) == (
        ("anna@example.com", "ben@example.com"),
        HOUR,
        "ops-hook",
    )
    assert (mail.budget, mail.send_resolved) == (Budget(5, 10 * MINUTE), False)
    assert mail.quiet == QuietHours(time(22), time(7), ZoneInfo("Europe/Berlin"))
    server = mail.target.server
    assert (server.host, server.port, server.username, server.sender) == ("mail.example", 25, "u", "ops@example.com")
    assert (server.starttls, server.tls, server.timeout) == (True, False, 5.0)
    assert server.password is not None
    assert server.password.get_secret_value() == "hunter2"
    assert isinstance(hook.target, WebhookTarget)
    assert [one.get_secret_value() for one in hook.target.secrets] == ["hunter2", "hunter2"]
    assert (hook.target.template, hook.target.success, hook.target.timeout) == (
        "{{ title | json }}",
        ("$.ok", "true"),
        3.0,
    )
    assert (hook.target.allow_private, hook.target.allowed_networks) == (True, (ip_network("10.0.0.0/8"),))
    assert isinstance(phone.target, AppriseTarget)
    assert phone.target.url.get_secret_value() == "json://localhost/secret"


def test_routes_ladders_windows_and_duty_are_taken(tmp_path: Path) -> None:
    """Each with its own names and times; times without a zone are of the file's."""
    telling = load(tmp_path).telling
    first, second, third = telling.routes
    assert first.match == LabelMatch.of({"severity": "critical", "host": ["a", "~web-.*"]})
    assert (first.receiver, first.escalation, first.goes_on) == ("on-duty", "default", True)
    assert (first.group_by, first.group_wait, first.group_interval) == (("service",), 5 * 10**9, MINUTE)
    assert dict(first.repeat) == {Severity.CRITICAL: HOUR, Severity.WARNING: 0}
    assert (second.receiver, second.escalation) == ("", "")
    assert (third.receiver, third.match) == ("ops-mail", LabelMatch())
    assert telling.escalations[0].steps == (Step(0, "ops-mail"), Step(15 * MINUTE, "on-duty"))
    cron, weekly, monthly, once = telling.windows
    assert (cron.times, cron.duration, cron.zone) == (Cron("0 3 * * SUN"), HOUR, ZoneInfo("UTC"))
    assert (weekly.times, weekly.zone) == (Weekly(frozenset({5, 6}), time(4)), ZoneInfo("Europe/Berlin"))
    assert monthly.times == Monthly(-1, time(23))
    start, stop = (parse_instant(text, NOW) for text in ("2026-12-24T17:00:00Z", "2026-12-24T19:00:00Z"))
    assert once.times == Once(start, stop)
    (duty,) = telling.rotations
    assert (duty.handover_day, duty.handover, duty.start) == (1, time(8, 30), date(2026, 1, 5))
    assert duty.people == (Person("anna", "phone"), Person("ben", "ops-mail"))
    begins, ends = (parse_instant(text, NOW) for text in ("2026-12-23T23:00:00Z", "2026-12-25T23:00:00Z"))
    assert duty.overrides == (Override(begins, ends, "ben"),)
    assert telling.heartbeat is not None
    assert telling.heartbeat.interval.total_seconds() == 30
    assert telling.public_url == "https://ops.example"


def test_no_secret_is_printed(tmp_path: Path) -> None:
    """Neither a password nor a URL, which is one."""
    shown = repr(load(tmp_path).telling)
    assert "hunter2" not in shown
    assert "secret" not in shown.replace("secrets=", "").replace("SecretStr", "")


def test_the_environment_alone_is_enough(tmp_path: Path) -> None:
    """R80, R81, R154: e-mail and a webhook without any file."""
    (tmp_path / "p").write_text("hunter2")
    telling = load_settings(
        {
            "ALERT_EMAIL_ENABLED": "true",
            "ALERT_WEBHOOK_URL": "https://hooks.example/x",
            "SMTP_HOST": "mail.example",
            "SMTP_PORT": "2525",
            "SMTP_USERNAME": "u",
            "SMTP_PASSWORD_FILE": str(tmp_path / "p"),
            "SMTP_STARTTLS": "true",
            "ALERT_EMAIL_FROM": "ops@example.com",
            "ALERT_EMAIL_TO": "anna@example.com, ben@example.com",
        }
    ).telling
    mail, hook = telling.receivers
    assert (mail.name, hook.name) == ("email", "webhook")
    assert isinstance(mail.target, EmailTarget)
    assert mail.target.to == ("anna@example.com", "ben@example.com")
    server = mail.target.server
    assert (server.host, server.port, server.username, server.sender) == ("mail.example", 2525, "u", "ops@example.com")
    assert [(route.receiver, route.goes_on) for route in telling.routes] == [("email", True), ("webhook", True)]


def test_an_empty_webhook_and_disabled_mail_tell_nobody() -> None:
    """The story's defaults."""
    telling = load_settings({"ALERT_WEBHOOK_URL": "", "ALERT_EMAIL_ENABLED": "false"}).telling
    assert (telling.receivers, telling.routes) == ((), ())


def test_what_enabled_mail_lacks_is_named() -> None:
    """All of it at once."""
    with pytest.raises(ConfigurationError) as raised:
        load_settings({"ALERT_EMAIL_ENABLED": "true", "SMTP_HOST": "mail.example", "ALERT_EMAIL_TO": "nobody"})
    assert [(fault.field, fault.message) for fault in raised.value.faults] == [
        ("ALERT_EMAIL_TO", "'nobody' is not an e-mail address"),
        ("ALERT_EMAIL_ENABLED", "e-mail is enabled, and ALERT_EMAIL_FROM is not set"),
    ]


def test_the_file_wins_over_the_environment(tmp_path: Path) -> None:
    """Its receivers hold; the variables fill what it does not say of SMTP, and that a webhook is not used is told."""
    text = "smtp: {port: 26}\nreceivers: [{name: a, kind: email, to: [x@example.com]}]"
    environ = {"SMTP_HOST": "mail.example", "SMTP_PORT": "25", "ALERT_EMAIL_FROM": "ops@example.com"}
    settings = load(tmp_path, text, environ | {"ALERT_WEBHOOK_URL": "https://hooks.example/x"})
    (only,) = settings.telling.receivers
    assert isinstance(only.target, EmailTarget)
    assert (only.target.server.host, only.target.server.port) == ("mail.example", 26)
    assert settings.warnings == ("ALERT_WEBHOOK_URL: without effect, for the file names receivers of its own",)


def test_a_receiver_that_no_route_leads_to_is_told(tmp_path: Path) -> None:
    """It is not wrong, and yet not what was meant."""
    hook = "kind: webhook, url: 'http://h/x'"
    text = f"receivers: [{{name: a, {hook}}}, {{name: b, {hook}}}]\nroutes: [{{receiver: a}}]"
    assert load(tmp_path, text).warnings == ("no route leads to b",)


HOOK = "receivers: [{name: ops-hook, kind: webhook, url: 'http://h/x'}]\n"
MISTAKES = {
    "routes: [{receiver: ops-hok}]": "no receiver or rotation has the name 'ops-hok' (did you mean `ops-hook`?)",
    "routes: [{receiver: ops-hook, escalation: x}]": "no escalation has the name 'x' (write one under escalations)",
    "routes: [{match: {service: a}}]": "this route reaches nobody (write a receiver, an escalation, or nobody: true)",
    "routes: [{receiver: ops-hook, nobody: true}]": "this route reaches somebody and nobody (remove one of them)",
    "routes: [{receiver: ops-hook, match: {a: '~('}}]": "is not a regular expression of RE2",
    "routes: [{receiver: ops-hook, match: {a: 1}}]": "what a must be must be text",
    "escalations: [{name: e, steps: [{after: 5m, receiver: ops-hook}, {after: 1m, receiver: ops-hook}]}]": (
        "'1m' is before the step above (write the steps in the order of their times)"
    ),
    "escalations: [{name: e, steps: []}]": "",
    "maintenance: [{name: m, cron: '61 * * * *', duration: 1h}]": "is no cron expression",
    "maintenance: [{name: m, duration: 1h}]": "one time is needed, and here is no time",
    "maintenance: [{name: m, cron: '0 3 * * *'}]": "how long it lasts is needed once",
    "maintenance: [{name: m, start: tomorrow, duration: 1h}]": "'tomorrow' is not a date with a time",
    "duty: [{name: ops-hook, start: 2026-01-05, people: [{name: a, receiver: ops-hook}]}]": (
        "the receiver or rotation 'ops-hook' stands twice"
    ),
    "duty: [{name: d, start: 2026-01-05, handover: 'XXX 09:00', people: [{name: a, receiver: ops-hook}]}]": (
        "'XXX' is not a day"
    ),
    "duty: [{name: d, start: 2026-01-05, people: [{name: a, receiver: nobody}]}]": "no receiver has the name 'nobody'",
    "maintenance: [{name: m, start: 2026-12-24T18:00, stop: 2026-12-24T17:00}]": (
        "'2026-12-24T17:00' is not after the start, '2026-12-24T18:00' (write a later time)"
    ),
    "maintenance: [{name: m, start: 2026-12-24T18:00, stop: '2026-12-24T18:30+02:00', time_zone: UTC}]": (
        "is not after the start"
    ),
    "duty: [{name: d, start: 2026-01-05, people: [{name: a, receiver: ops-hook}], overrides: [{person: a, "
    "start: 2026-02-01, stop: 2026-01-01}]}]": "'2026-01-01' is not after the start, '2026-02-01'",
    "dead_mans_switch: {interval: 5s}": "one of url and url_file is needed",
    "dead_mans_switch: {url: 'http://h/', interval: 4s}": "'4s' is too short (from 5s to 1d)",
    "routes: [{receiver: ops-hook, group_wait: 2h}]": "'2h' is too long (from 1s to 1h)",
    "routes: [{receiver: ops-hook, group_interval: 2d}]": "'2d' is too long (from 1s to 1d)",
    "routes: [{receiver: ops-hook, repeat: {critical: 1s}}]": "'1s' is too short (from 1m to 366d)",
    "escalations: [{name: e, steps: [{after: 8d, receiver: ops-hook}]}]": "'8d' is too long (from 1s to 7d)",
    "maintenance: [{name: m, cron: '0 3 * * *', duration: 400d}]": "'400d' is too long (from 1s to 366d)",
    "smtp: {timeout: 1h}": "'1h' is too long (from 100ms to 5m)",
    "smtp: {username: u, starttls: false}": "the password would go through the network as it is",
}


@pytest.mark.parametrize(("text", "message"), MISTAKES.items(), ids=[text[:40] for text in MISTAKES])
def test_each_mistake_is_told_with_its_way_out(tmp_path: Path, text: str, message: str) -> None:
    """In the file's second line."""
    faults = check_text(HOOK + text, tmp_path / "opswatch.yaml", {})
    words = [f"{fault.message} ({fault.hint})" if fault.hint else fault.message for fault in faults]
    assert any(message in one for one in words), words
    assert {fault.line for fault in faults} == {2}


RECEIVERS = {
    "{name: a, kind: email, to: []}": "an e-mail has nobody to go to",
    '{name: a, kind: email, to: ["x@example.com\\r\\nBcc: y@example.com"]}': "is not an e-mail address",
    "{name: a, kind: webhook}": "no URL is here",
    "{name: a, kind: webhook, url: 'http://u:hunter2@h/'}": "has no credentials",
    "{name: a, kind: webhook, url: 'ftp://h/'}": "begins with http:// or https://",
    "{name: a, kind: webhook, url: 'http://h/', to: [x@example.com]}": "to means nothing to",
    "{name: a, kind: webhook, url: 'http://h/', template_file: bad.j2}": "a template cannot hold a call",
    "{name: a, kind: webhook, url: 'http://h/', quiet_hours: {from: '07:00', to: '07:00'}}": "quiet hours that begin",
    "{name: a, kind: webhook, url: 'http://h/', budget: {messages: 1}}": "at least 2",
    "{name: a, kind: webhook, url: 'http://h/', fallback: a}": "'a' cannot be the fallback of itself",
    "{name: a, kind: webhook, url: 'http://h/', retry_for: 1s}": "'1s' is too short",
    "{name: a, kind: webhook, url: 'http://h/', timeout: 1h}": "'1h' is too long",
    "{name: a, kind: webhook, url: 'http://h/', budget: {window: 2d}}": "'2d' is too long",
    "{name: a, kind: pager, url: 'http://h/'}": "'pager' cannot stand here",
}


@pytest.mark.parametrize(("item", "message"), RECEIVERS.items(), ids=[item[:60] for item in RECEIVERS])
def test_a_receiver_that_cannot_be_is_refused(tmp_path: Path, item: str, message: str) -> None:
    """And no fault tells a secret."""
    (tmp_path / "bad.j2").write_text("{{ cycler() }}")
    environ = {"SMTP_HOST": "mail.example", "ALERT_EMAIL_FROM": "ops@example.com"}
    faults = check_text(f"receivers: [{item}]", tmp_path / "opswatch.yaml", environ)
    assert any(message in fault.message for fault in faults), faults
    assert "hunter2" not in repr(faults)


def test_mail_without_a_server_is_refused(tmp_path: Path) -> None:
    """Once, not for every receiver."""
    text = "receivers: [{name: a, kind: email, to: [x@example.com]}, {name: b, kind: email, to: [x@example.com]}]"
    faults = check_text(text, tmp_path / "opswatch.yaml", {})
    assert [(fault.message, fault.hint) for fault in faults] == [
        ("e-mail has no host", "write smtp.host, or set SMTP_HOST"),
        ("e-mail has no from", "write smtp.from, or set ALERT_EMAIL_FROM"),
    ]


TLS = {"SMTP_HOST": "mail.example", "ALERT_EMAIL_FROM": "ops@example.com", "SMTP_PASSWORD": "hunter2"}
MAIL = "receivers: [{name: a, kind: email, to: [x@example.com]}]\n"


@pytest.mark.parametrize(
    ("text", "environ", "field"),
    [
        ("smtp: {starttls: false}", {"SMTP_USERNAME": "u"}, "smtp.starttls"),
        ("smtp: {username: u}", {"SMTP_STARTTLS": "false"}, "SMTP_STARTTLS"),
        ("smtp: {}", {"SMTP_USERNAME": "u", "SMTP_STARTTLS": "false"}, "SMTP_STARTTLS"),
        ("smtp: {username: u, starttls: false}", {"SMTP_STARTTLS": "true"}, "smtp.starttls"),
    ],
)
def test_no_password_goes_without_tls_whoever_says_so(
    tmp_path: Path, text: str, environ: dict[str, str], field: str
) -> None:
    """The file and the variables are one configuration."""
    with pytest.raises(ConfigurationError) as raised:
        load(tmp_path, MAIL + text, TLS | environ)
    words = [(fault.field, fault.message) for fault in raised.value.faults]
    assert words == [(field, "the password would go through the network as it is")]


@pytest.mark.parametrize(
    ("text", "environ"),
    [
        ("smtp: {tls: true}", TLS | {"SMTP_USERNAME": "u", "SMTP_STARTTLS": "false"}),
        ("smtp: {starttls: true}", TLS | {"SMTP_USERNAME": "u", "SMTP_STARTTLS": "false"}),
        ("smtp: {starttls: false}", TLS),  # nobody logs in
        ("smtp: {host: mail.example}", {"ALERT_EMAIL_FROM": "ops@example.com"}),
        ("smtp: {from: ops@example.com}", {"SMTP_HOST": "mail.example"}),
        ("", TLS | {"ALERT_EMAIL_ENABLED": "true"}),  # to whom: the file says
    ],
)
def test_the_file_and_the_variables_fill_what_the_other_does_not_say(
    tmp_path: Path, text: str, environ: dict[str, str]
) -> None:
    """Nothing is missing that one of them says."""
    (only,) = load(tmp_path, MAIL + text, environ).telling.receivers
    assert isinstance(only.target, EmailTarget)
    assert (only.target.server.host, only.target.server.sender) == ("mail.example", "ops@example.com")


def test_enabled_mail_may_have_its_server_in_the_file(tmp_path: Path) -> None:
    """And to whom in a variable."""
    text = "smtp: {host: mail.example, from: ops@example.com}"
    environ = {"ALERT_EMAIL_ENABLED": "true", "ALERT_EMAIL_TO": "x@example.com"}
    (only,) = load(tmp_path, text, environ).telling.receivers
    assert isinstance(only.target, EmailTarget)
    assert only.target.server.host == "mail.example"


SECRET = "https://hooks.example/services/T0/hunter2"


@pytest.mark.parametrize(
    "text",
    [
        f"receivers: [{{name: a, kind: email, to: ['{SECRET}']}}]",
        f"receivers: [{{name: '{SECRET}', kind: webhook, url: 'http://h/'}}]",
        f"receivers: [{{name: a, kind: '{SECRET}'}}]",
        f"receivers: [{{name: a, kind: webhook, uri: '{SECRET}'}}]",
        f"receivers: ['{SECRET}']",
        f"receivers: '{SECRET}'",
        f"receivers: [{{name: a, kind: webhook, url: 'http://h/', fallback: '{SECRET}'}}]",
        f"receivers: [{{name: a, kind: webhook, url: 'http://h/', timeout: '{SECRET}'}}]",
        f"routes: [{{receiver: '{SECRET}'}}]",
        f"escalations: [{{name: e, steps: [{{after: 0s, receiver: '{SECRET}'}}]}}]",
        f"dead_mans_switch: '{SECRET}'",
        f"dead_mans_switch: {{url: 'http://h/', interval: '{SECRET}'}}",
        f"smtp: {{host: 1, from: '{SECRET}'}}",
        f"duty: [{{name: d, start: '{SECRET}', people: []}}]",
        f"maintenance: [{{name: m, start: '{SECRET}', duration: 1h}}]",
    ],
)
def test_a_url_in_the_wrong_place_is_not_printed(tmp_path: Path, text: str) -> None:
    """Neither by a fault nor by the line that stands below it: its path is a secret."""
    (tmp_path / "opswatch.yaml").write_text(text)
    with pytest.raises(ConfigurationError) as raised:
        load_settings({}, tmp_path / "opswatch.yaml")
    shown = [*map(str, raised.value.faults), *excerpts_of(raised.value)]
    assert "hunter2" not in "\n".join(shown), shown
    assert all(fault.line for fault in raised.value.faults)


@pytest.mark.parametrize("name", ["ALERT_EMAIL_TO", "ALERT_EMAIL_FROM", "SMTP_PORT", "SMTP_STARTTLS"])
def test_a_url_in_the_wrong_variable_is_not_printed(name: str) -> None:
    """Nor a webhook with credentials."""
    for environ in ({name: SECRET}, {"ALERT_WEBHOOK_URL": "https://u:hunter2@h/"}):
        with pytest.raises(ConfigurationError) as raised:
            load_settings(environ)
        assert "hunter2" not in str(raised.value.faults)


ODD = (
    None,
    [],
    {},
    1,
    0.5,
    True,
    "",
    "x",
    "a\r\nb",
    "\u202e",
    "x" * 100_000,
    -1,
    10**30,
    [[]],
    {"a": {"b": 1}},
    SECRET,
)


def _places(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield path
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _places(inner, (*path, key))


def _checked(path: tuple[str | int, ...], error: ConfigurationError) -> None:
    assert all(fault.line for fault in error.faults), (path, error.faults)
    shown = "\n".join([*map(str, error.faults), *excerpts_of(error)])
    assert path[0] in {"time_zone", "public_url", "allow_private"} or "hunter2" not in shown, (path, shown)
    assert all(len(fault.message) < 500 for fault in error.faults), (path, error.faults)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("every", [8, pytest.param(1, marks=pytest.mark.soak)], ids=["some", "all"])
def test_whatever_stands_anywhere_is_taken_or_a_fault_with_its_line(tmp_path: Path, every: int) -> None:
    """Never an error of ours, never a secret, and never a page of text."""
    for number, path in enumerate(one for one in _places(yaml.safe_load(WHOLE)) if one):
        for odd in ODD[number % every :: every]:
            changed = above = yaml.safe_load(WHOLE)
            for part in path[:-1]:
                above = above[part]
            above[path[-1]] = odd
            try:
                load(tmp_path, yaml.safe_dump(changed, allow_unicode=True))
            except ConfigurationError as error:
                _checked(path, error)
