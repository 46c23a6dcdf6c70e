"""The environment variables, as a model: the reference is made from it. Pure."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, WithJsonSchema

from opswatch.configuration_telling import check_webhook
from opswatch.configuration_telling_values import Address, address_of
from opswatch.configuration_values import BadValue, Listen, ServerUrl, quoted

LEVELS = ("DEBUG", "INFO", "WARN", "ERROR", "CRITICAL")

# Read and checked, so that a mistake shows at the start and not in a later version; nothing is done with them yet.
WITHOUT_EFFECT = "Checked, without effect in this version."


def _level(value: Any) -> str:
    level = str(value).upper()
    level = "WARN" if level == "WARNING" else level
    if level not in LEVELS:
        raise BadValue(f"{quoted(value)} is not a level", ", ".join(LEVELS))
    return level


def _word(*words: str) -> BeforeValidator:
    def parse(value: Any) -> str:
        if str(value).lower() not in words:
            raise BadValue(f"{quoted(value)} cannot stand here", f"write {' or '.join(words)}")
        return str(value).lower()

    return BeforeValidator(parse)


def _switch(value: Any) -> bool:
    meanings = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    if str(value).lower() not in meanings:
        raise BadValue(f"{quoted(value)} is neither true nor false", "write true or false")
    return meanings[str(value).lower()]


def _whole(low: int, high: int) -> BeforeValidator:
    def parse(value: Any) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", str(value), re.ASCII) or not low <= int(value) <= high:
            raise BadValue(f"{quoted(value)} is not a whole number from {low} to {high:,}")
        return int(value)

    return BeforeValidator(parse)


def _seconds(value: Any) -> timedelta:
    text = str(value)
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,3})?", text, re.ASCII):
        is_duration = re.fullmatch(r"([0-9.]+)s", text, re.ASCII)
        hint = f"write {is_duration[1]}" if is_duration else "write a number, like 60"
        raise BadValue(f"{quoted(value)} is not a number of seconds", hint)
    if not 0.1 <= float(text) <= 86_400:
        raise BadValue(f"{quoted(value)} seconds is out of range", "from 0.1 to 86400")
    return timedelta(seconds=float(text))


def _webhook(value: Any) -> SecretStr:
    # Its path is the secret of most chat services, so it is never quoted.
    if not re.fullmatch(r"https?://[^\s/?#]+[^\s]*", str(value)):
        raise BadValue("the value is not a URL", "write https://host/path")
    url = SecretStr(str(value))
    try:
        check_webhook(url)
    except BadValue as error:
        raise BadValue(str(error)) from error  # without its place, which is of the file
    return url


def _addresses(value: Any) -> tuple[str, ...]:
    return tuple(address_of(one.strip()) for one in str(value).split(",") if one.strip())


def _token(value: Any) -> SecretStr:
    text = str(value).strip()  # a secret of Kubernetes often ends with a line break
    if not text.isprintable():
        raise BadValue("the value is not one line of printable characters", "put the token alone there")
    return SecretStr(text)


def _base_path(value: Any) -> str:
    text = str(value).rstrip("/")
    if text and not text.startswith("/"):
        text = "/" + text
    if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)*", text, re.ASCII) or {".", ".."} & set(text.split("/")):
        raise BadValue(f"{quoted(value)} is not a base path", "write a path like /opswatch")
    return text


_STRING = WithJsonSchema({"type": "string"})
Seconds = Annotated[timedelta, BeforeValidator(_seconds), _STRING]
Switch = Annotated[bool, BeforeValidator(_switch)]
Port = Annotated[int, _whole(1, 65_535)]


class Environment(BaseModel):
    """Every variable that is read. An empty one counts as not set."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True, arbitrary_types_allowed=True)

    opswatch_config: str | None = Field(
        default=None,
        alias="OPSWATCH_CONFIG",
        description="The configuration file; without it `./opswatch.yaml` where it exists, else none.",
    )
    opswatch_data_dir: str = Field(
        default="./.opswatch", alias="OPSWATCH_DATA_DIR", description="Where everything is kept."
    )
    opswatch_listen: Listen = Field(
        default=("127.0.0.1", 8321),
        alias="OPSWATCH_LISTEN",
        description="Address of the page and the API; port 0 picks a free one.",
    )
    opswatch_base_path: Annotated[str, BeforeValidator(_base_path)] = Field(
        default="", alias="OPSWATCH_BASE_PATH", description="Path below which a reverse proxy shows OpsWatch."
    )
    opswatch_storage: Annotated[Literal["embedded", "influxdb"], _word("embedded", "influxdb")] = Field(
        default="embedded", alias="OPSWATCH_STORAGE", description="The store: `embedded`, or `influxdb`."
    )
    influxdb_v2_url: ServerUrl | None = Field(
        default=None, alias="INFLUXDB_V2_URL", description="Where InfluxDB answers, for the store `influxdb`."
    )
    influxdb_v2_org: str | None = Field(
        default=None, alias="INFLUXDB_V2_ORG", description="Name of the organisation in InfluxDB."
    )
    influxdb_v2_token: Annotated[SecretStr, BeforeValidator(_token)] | None = Field(
        default=None,
        alias="INFLUXDB_V2_TOKEN",
        description="Token that may read and write the buckets. A file may be given a new one without a restart.",
    )
    influxdb_v2_ssl_ca_cert: str | None = Field(
        default=None,
        alias="INFLUXDB_V2_SSL_CA_CERT",
        description="File with the authorities to trust for InfluxDB instead of the system's, PEM.",
    )
    opswatch_url: ServerUrl | None = Field(
        default=None, alias="OPSWATCH_URL", description="The server that commands ask; else the one that runs here."
    )
    opswatch_token: SecretStr | None = Field(
        default=None, alias="OPSWATCH_TOKEN", description="Token that commands show to the server."
    )
    opswatch_owner_token_file: str | None = Field(
        default=None,
        alias="OPSWATCH_OWNER_TOKEN_FILE",
        description="File with the first owner's token, for starts without anybody present.",
    )
    log_level: Annotated[str, BeforeValidator(_level)] = Field(
        default="INFO", alias="LOG_LEVEL", description="Least level that is logged: DEBUG, INFO, WARN, ERROR, CRITICAL."
    )
    log_format: Annotated[Literal["json", "text"], _word("json", "text")] = Field(
        default="json", alias="LOG_FORMAT", description="`json`, or `text` for people."
    )
    log_rotation_enabled: Switch = Field(
        default=True,
        alias="LOG_ROTATION_ENABLED",
        description="Whether the log is kept and rotated by OpsWatch.",
    )
    log_retention_days: Annotated[int, _whole(1, 3_650)] = Field(
        default=30, alias="LOG_RETENTION_DAYS", description="Days that rotated logs are kept."
    )
    log_max_size_mb: Annotated[int, _whole(1, 100_000)] = Field(
        default=100,
        alias="LOG_MAX_SIZE_MB",
        description="Size in MB at which it is rotated, beside every midnight.",
    )
    metrics_collection_enabled: Switch = Field(
        default=True, alias="METRICS_COLLECTION_ENABLED", description="Whether anything is sampled and probed at all."
    )
    metrics_interval: Seconds = Field(
        default=timedelta(seconds=60),
        alias="METRICS_INTERVAL_SECONDS",
        description="How often the host is sampled, unless the file says `host.interval`.",
    )
    health_check_interval: Seconds = Field(
        default=timedelta(seconds=30),
        alias="HEALTH_CHECK_INTERVAL_SECONDS",
        description="How often a probe is attempted, unless the file says an `interval`.",
    )
    dashboard_refresh_interval: Seconds = Field(
        default=timedelta(seconds=5),
        alias="DASHBOARD_REFRESH_INTERVAL_SECONDS",
        description="How often a page is brought up to date.",
    )
    alerting_enabled: Switch = Field(
        default=True,
        alias="ALERTING_ENABLED",
        description="`false`: no rule is evaluated; what is known of incidents is shown.",
    )
    alert_email_enabled: Switch = Field(
        default=False,
        alias="ALERT_EMAIL_ENABLED",
        description="Whether incidents are told by e-mail, where the file names no `receivers`.",
    )
    alert_webhook_url: Annotated[SecretStr, BeforeValidator(_webhook)] | None = Field(
        default=None,
        alias="ALERT_WEBHOOK_URL",
        description="Incidents are posted there as JSON, where the file names no `receivers`.",
    )
    alert_thresholds_config_file: str = Field(
        default="/config/alert_thresholds.json",
        alias="ALERT_THRESHOLDS_CONFIG_FILE",
        description="The rules, as JSON or YAML (docs/alerting-rules.md). A file that is named must exist; where there"
        " is none at the default place, the rules that come with OpsWatch hold.",
    )
    log_aggregation_enabled: Switch = Field(default=True, alias="LOG_AGGREGATION_ENABLED", description=WITHOUT_EFFECT)
    log_aggregation_host: str = Field(default="localhost", alias="LOG_AGGREGATION_HOST", description=WITHOUT_EFFECT)
    log_aggregation_port: Port = Field(default=514, alias="LOG_AGGREGATION_PORT", description=WITHOUT_EFFECT)
    log_aggregation_protocol: Annotated[str, _word("udp", "tcp", "tls")] = Field(
        default="udp", alias="LOG_AGGREGATION_PROTOCOL", description=WITHOUT_EFFECT
    )
    smtp_host: str | None = Field(default=None, alias="SMTP_HOST", description="Server that e-mail is handed to.")
    smtp_port: Port = Field(default=587, alias="SMTP_PORT", description="Its port.")
    smtp_username: str | None = Field(default=None, alias="SMTP_USERNAME", description="Whom to log in as there.")
    smtp_password: SecretStr | None = Field(default=None, alias="SMTP_PASSWORD", description="The password for that.")
    smtp_starttls: Switch = Field(
        default=True,
        alias="SMTP_STARTTLS",
        description="Whether STARTTLS must come first; else no password goes.",
    )
    alert_email_from: Address | None = Field(default=None, alias="ALERT_EMAIL_FROM", description="Sender of the mails.")
    alert_email_to: Annotated[tuple[str, ...], BeforeValidator(_addresses)] = Field(
        default=(), alias="ALERT_EMAIL_TO", description="Addresses that incidents are mailed to, with commas between."
    )


VARIABLES = {str(field.alias): field for field in Environment.model_fields.values()}
# A file may hold them instead: NAME_FILE.
SECRETS = ("OPSWATCH_TOKEN", "INFLUXDB_V2_TOKEN", "SMTP_PASSWORD", "ALERT_WEBHOOK_URL")
