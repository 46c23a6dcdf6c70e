"""Write docs/configuration.md from the models: `python -m opswatch.configuration_reference`. Shell."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from opswatch.configuration import (
    BasicAuthentication,
    Configuration,
    Dashboards,
    Defaults,
    Expectations,
    Host,
    HttpProbe,
    InfluxDb,
    JsonValueExpectation,
    RetentionTimes,
    Service,
    Storage,
    Tls,
)
from opswatch.configuration_faults import LATER_KEYS, LATER_VALUES
from opswatch.configuration_targets import DEFAULT_RETENTION
from opswatch.configuration_telling import (
    BudgetItem,
    DeadMansSwitch,
    Escalation,
    Maintenance,
    MonthlyTimes,
    OverrideItem,
    PersonItem,
    QuietTimes,
    ReceiverItem,
    RepeatTimes,
    RotationItem,
    RouteItem,
    Smtp,
    StepItem,
    Success,
    WeeklyTimes,
)
from opswatch.configuration_writer import STARTER
from opswatch.environment import SECRETS, VARIABLES
from telemetry.times import format_duration

FILE = Path(__file__).parent.parent / "docs" / "configuration.md"

_SECTIONS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("The whole file", Configuration),
    ("tls", Tls),
    ("storage", Storage),
    ("storage.retention", RetentionTimes),
    ("storage.influxdb", InfluxDb),
    ("host", Host),
    ("defaults", Defaults),
    ("services[]", Service),
    ("services[].probes[]", HttpProbe),
    ("services[].probes[].basic_auth", BasicAuthentication),
    ("services[].probes[].expect", Expectations),
    ("services[].probes[].expect.json[]", JsonValueExpectation),
    ("dashboards", Dashboards),
    ("smtp", Smtp),
    ("receivers[]", ReceiverItem),
    ("receivers[].success", Success),
    ("receivers[].budget", BudgetItem),
    ("receivers[].quiet_hours", QuietTimes),
    ("routes[]", RouteItem),
    ("routes[].repeat", RepeatTimes),
    ("escalations[]", Escalation),
    ("escalations[].steps[]", StepItem),
    ("maintenance[]", Maintenance),
    ("maintenance[].weekly", WeeklyTimes),
    ("maintenance[].monthly", MonthlyTimes),
    ("duty[]", RotationItem),
    ("duty[].people[]", PersonItem),
    ("duty[].overrides[]", OverrideItem),
    ("dead_mans_switch", DeadMansSwitch),
)

# What holds where the file says nothing, and the model cannot say it, because the environment has a word in it.
_EFFECTIVE: dict[tuple[type[BaseModel], str], str] = {
    (Configuration, "listen"): "`OPSWATCH_LISTEN`",
    (Configuration, "data_dir"): "`OPSWATCH_DATA_DIR`",
    (Configuration, "time_zone"): "`UTC`",
    (Storage, "kind"): "`OPSWATCH_STORAGE`",
    (InfluxDb, "url"): "`INFLUXDB_V2_URL`",
    (InfluxDb, "org"): "`INFLUXDB_V2_ORG`",
    (InfluxDb, "token_file"): "`INFLUXDB_V2_TOKEN`, `INFLUXDB_V2_TOKEN_FILE`",
    (InfluxDb, "ca_file"): "`INFLUXDB_V2_SSL_CA_CERT`",
    (Smtp, "host"): "`SMTP_HOST`",
    (Smtp, "port"): "`SMTP_PORT`",
    (Smtp, "username"): "`SMTP_USERNAME`",
    (Smtp, "password_file"): "`SMTP_PASSWORD`, `SMTP_PASSWORD_FILE`",
    (Smtp, "starttls"): "`SMTP_STARTTLS`",
    (Smtp, "from"): "`ALERT_EMAIL_FROM`",
    (RotationItem, "handover"): "`MON 09:00`",
    (RouteItem, "match"): "",
    (Maintenance, "match"): "",
    (Storage, "disk_reserve"): "the smaller of `1GB` and 5 % of the filesystem",
    (Host, "interval"): "`METRICS_INTERVAL_SECONDS`",
    (Defaults, "interval"): "`HEALTH_CHECK_INTERVAL_SECONDS`",
    (Defaults, "timeout"): "`10s`, or ⅔ of the interval where that is less",
    (Defaults, "failure_threshold"): "`2`",
    (Defaults, "success_threshold"): "`1`",
    **{(HttpProbe, key): f"`defaults.{key}`" for key in Defaults.model_fields},
    (Expectations, "status"): "`[200-299]`",
    (RetentionTimes, "raw"): f"`{format_duration(DEFAULT_RETENTION.raw)}`",
    (RetentionTimes, "5m"): f"`{format_duration(DEFAULT_RETENTION.five_minutes)}`",
    (RetentionTimes, "1h"): f"`{format_duration(DEFAULT_RETENTION.one_hour)}`",
    (RetentionTimes, "events"): f"`{format_duration(DEFAULT_RETENTION.events)}`",
    (RetentionTimes, "self"): f"`{format_duration(DEFAULT_RETENTION.own)}`",
}

_INTRODUCTION = """\
# Configuration

<!-- Made by `make docs` from the models in opswatch/. Do not edit; a test compares. -->

OpsWatch runs without any configuration. What it is told comes from one file, `opswatch.yaml`, and from environment
variables. **An environment variable replaces a default; a value that is written in the file wins.** When both are there
and differ, a line in the log says so. The file is the one of `--config`, else that of `OPSWATCH_CONFIG`, else
`./opswatch.yaml` where it exists.

- `opswatch init` writes a file to start with, `opswatch add URL` adds an endpoint and leaves the rest as it is.
- `opswatch check-config` says everything that is wrong at once, with line and column; `--probe` asks all of them, too.
- `opswatch schema config` prints the JSON Schema for your editor.
- A running server reads the file at its next start.

## How values are written

The file is YAML 1.2 in UTF-8, one document, at most 1 MiB. `yes`, `no`, `on` and `12:30` are text there; write `true`
and `false`. Text that looks like a number needs quotes. Keys that are not listed here are faults.

- **Durations**: a number and a unit: `500ms`, `30s`, `5m`, `2h`, `7d`, `2w`.
- **Sizes**: a number and a unit: `500MB` and `2GB` are powers of ten, `4MiB` and `1GiB` of two.
- **Names** of services and probes: up to 200 letters, digits, spaces, `.`, `_` and `-`; a letter or digit first.
- **Files** are looked up beside the configuration file, unless their names are absolute.
- **Regular expressions** are those of [RE2](https://github.com/google/re2/wiki/Syntax): no lookaround, no
  backreferences.
- **Secrets** belong into files of their own (`password_file`). Headers, bodies and passwords are never shown or logged;
  URLs are, so a token belongs into a header.
- A probe's `timeout` must be shorter than its `interval`.
"""


def reference() -> str:
    """The whole page."""
    parts = [_INTRODUCTION, "## The file to start with\n", f"```yaml\n{STARTER}```\n", "## Keys of `opswatch.yaml`\n"]
    for title, model in _SECTIONS:
        heading = title if model is Configuration else f"`{title}`"
        parts.append(f"### {heading}\n\n{(model.__doc__ or '').strip()}\n")
        parts.append("\n".join(_key_table(model)) + "\n")
    parts.append(_later())
    parts.append("## Environment variables\n")
    parts.append(
        "An empty variable counts as not set. Numbers of seconds may have decimals; switches are `true` or `false`.\n"
    )
    parts.append("\n".join(_variable_table()) + "\n")
    files = ", ".join(f"`{name}_FILE`" for name in SECRETS)
    parts.append(
        f"Secrets may stand in files instead: {files} name them. Setting a variable and its file is a fault.\n\n"
        "Other variables that begin with `OPSWATCH_` are named in a warning, with the nearest known name.\n"
    )
    return "\n".join(parts)


def _key_table(model: type[BaseModel]) -> Iterator[str]:
    yield "| Key | Default | Meaning |"
    yield "|---|---|---|"
    for name, field in model.model_fields.items():
        key = field.alias or name
        default = _EFFECTIVE.get((model, key)) or _default(field)
        yield f"| `{key}` | {default} | {_meaning(field)} |"


def _variable_table() -> Iterator[str]:
    yield "| Variable | Default | Meaning |"
    yield "|---|---|---|"
    for name, field in VARIABLES.items():
        yield f"| `{name}` | {_default(field)} | {field.description} |"


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True) if not field.is_required() else None
    if field.is_required():
        return "required"
    if value is None or value in ({}, ()) or isinstance(value, BaseModel | SecretStr):
        return ""
    return f"`{_written(value)}`" if value != "" else ""


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g}"
    if isinstance(value, tuple):
        return ":".join(map(str, value))
    return str(value)


def _meaning(field: FieldInfo) -> str:
    examples = ", ".join(f"`{example}`" for example in field.examples or ())
    return f"{field.description} Example: {examples}." if examples else str(field.description)


def _later() -> str:
    keys = ", ".join(f"`{key}`" for key in sorted(LATER_KEYS["Configuration"]))
    values = ", ".join(f"`{value}`" for value in sorted(LATER_VALUES))
    return f"### Not in this version yet\n\n{keys}; probes of the kinds {values}. They are faults that say so.\n"


def main() -> None:
    FILE.write_text(reference(), encoding="utf-8")
    sys.stdout.write("wrote docs/configuration.md\n")


if __name__ == "__main__":
    main()
