"""What OpsWatch runs by: the environment, `opswatch.yaml` and the defaults, made one. Shell.

The only module that reads the environment. An environment variable replaces a default; what the file says wins.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError

from collector.targets import ServiceSpec
from influx.settings import InfluxSettings
from opswatch.configuration import Configuration, InfluxDb
from opswatch.configuration_checks import check
from opswatch.configuration_excerpt import excerpts
from opswatch.configuration_faults import validated
from opswatch.configuration_files import (
    NamedFiles,
    UnusableFile,
    check_authorities,
    check_readable,
    read_document_bytes,
    read_secret,
)
from opswatch.configuration_receivers import TellingSources, telling_of
from opswatch.configuration_storage import StorageSources, influx_of, missing_of
from opswatch.configuration_targets import Surroundings, retention_of, services_of
from opswatch.configuration_telling_checks import check_telling, missing_mail
from opswatch.configuration_urls import is_of_telling, without_urls
from opswatch.configuration_values import BadValue, near_miss
from opswatch.configuration_warnings import warnings_of
from opswatch.data_directory import DataDirectory
from opswatch.environment import SECRETS, VARIABLES, Environment
from opswatch.telling_settings import TellingSettings
from opswatch.yaml_document import decode, parse_document
from telemetry.errors import ConfigurationError, Fault
from telemetry.rollup import Retention

DEFAULT_CONFIG_FILE = Path("opswatch.yaml")
ENVIRONMENT = "environment"
_TOKEN_FILES = frozenset({"storage.influxdb.token_file", "INFLUXDB_V2_TOKEN_FILE"})


@dataclass(frozen=True, slots=True)
class LogSettings:
    """The program's own log: `level` is a word of R9, `format` is `json` or `text`."""

    level: str
    format: str
    rotation_enabled: bool
    retention_days: int
    max_size_mb: int


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """Certificate chain and key of the page and the API, PEM; they were seen to fit together."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class ProvisionSettings:
    """That a start provisions InfluxDB by itself; in whose name, where that is not the owner whom it made."""

    admin_token_file: Path | None


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that was decided before the start. Nothing in it prints a secret."""

    listen_host: str  # an address or a name, without the brackets of IPv6
    listen_port: int  # 0 picks a free one
    data_dir: Path
    base_path: str  # empty, or `/opswatch`: begins with a slash and does not end with one
    time_zone: str  # name of the zone for display and days
    tls: TlsSettings | None
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...]
    allow_private: tuple[IPv4Network | IPv6Network, ...]
    influx: InfluxSettings | None  # None: the embedded store
    influx_dashboards: bool  # whether our pages are to be InfluxDB's dashboards too
    provision: ProvisionSettings | None  # None: only the command provisions
    retention: Retention
    disk_reserve: int | None  # bytes; None: what is usual for the filesystem
    host_enabled: bool
    host_interval: timedelta
    collection_enabled: bool  # false: nothing is sampled or probed, what is there is shown
    services: tuple[ServiceSpec, ...]
    refresh_interval: timedelta  # of live pages
    log: LogSettings
    dashboards_file: Path | None  # None: those that come with OpsWatch
    alerting_enabled: bool  # false: no rule is evaluated, what is known of incidents is shown
    thresholds_file: Path | None  # of rules; None: those that come with OpsWatch
    telling: TellingSettings  # how people are told
    owner_token_file: Path | None  # exists, when it is named
    server_url: str | None  # what commands ask; None: the server of the data directory
    server_token: SecretStr | None
    config_file: Path | None  # None: there is none, and the defaults hold
    warnings: tuple[str, ...]  # what is not wrong, and yet worth a line in the log


@dataclass(slots=True)
class _Reading:
    """What has been read of the environment; what is wrong does not stop the rest from being looked at."""

    environment: Environment
    written: frozenset[str]  # variables that are set, and good
    faults: list[Fault] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    influx_token_file: Path | None = None


def current_settings(config_file: Path | None = None) -> Settings:
    """The settings of this process. Raises ConfigurationError with every fault."""
    return load_settings(os.environ, config_file)


def settings_to_provision(config_file: Path | None, admin_token_file: Path | None) -> tuple[Settings, SecretStr | None]:
    """The settings, and the token to make things with where one is named: that file's, else INFLUXDB_V2_TOKEN.

    OpsWatch's own token need not be there, since it is to be made; where, `influx.token_file` says. Raises
    ConfigurationError with every fault.
    """
    environ = dict(os.environ)
    token = environ.pop("INFLUXDB_V2_TOKEN", "")
    settings = load_settings(environ, config_file, makes_token=True)
    if admin_token_file is None:
        return settings, SecretStr(token) if token else None
    try:
        return settings, read_secret(admin_token_file)
    except UnusableFile as error:
        raise ConfigurationError([Fault(str(error), "command line", "--admin-token-file")]) from error


def load_settings(
    environ: Mapping[str, str], config_file: Path | None = None, *, makes_token: bool = False
) -> Settings:
    """Read everything; `config_file` is the command line's word. Raises ConfigurationError with every fault.

    When it `makes_token`, whatever is wrong with the file of InfluxDB's token is no fault.
    """
    reading = _read_environment(environ)
    file = config_file_of(reading.environment, config_file)
    configuration, files, faults = _read_file(file, reading.environment)
    faults += reading.faults
    faults += missing_mail(files.document, reading.environment, {fault.field for fault in reading.faults})
    if configuration is None:
        raise ConfigurationError(faults)
    written = configuration.storage.influxdb or InfluxDb()
    makes_token = makes_token or written.provision
    if makes_token:
        faults = [fault for fault in faults if fault.field not in _TOKEN_FILES]
    data_dir = _data_dir(configuration, reading.environment, files)
    made = DataDirectory(data_dir).influx_token
    storage = StorageSources(
        configuration.storage,
        reading.environment,
        reading.influx_token_file,
        files.place,
        made if makes_token or os.access(made, os.F_OK) else None,
    )
    wrong = {fault.field for fault in reading.faults}  # which counts as not set; that it is missing too is no news
    missing = missing_of(storage, files.document, files.source)
    faults += [fault for fault in missing if not any(name in fault.hint for name in wrong)]
    if faults:
        raise ConfigurationError(faults)
    warnings = (*reading.warnings, *warnings_of(configuration, files.document, reading.written, reading.environment))
    joined = _joined(configuration, reading.environment, files, file, warnings)
    provision = None
    if storage.kind == "influxdb" and written.provision:
        admin = written.admin_token_file
        provision = ProvisionSettings(None if admin is None else files.place(admin))
    return replace(joined, influx=influx_of(storage), provision=provision, influx_dashboards=written.dashboards)


def chosen_config_file(config_file: Path | None) -> Path:
    """The file that a command reads or writes: the one that was named, else the usual one, there or not."""
    return config_file_of(_read_environment(os.environ).environment, config_file) or DEFAULT_CONFIG_FILE


def config_file_of(environment: Environment, config_file: Path | None) -> Path | None:
    if config_file is not None:
        return config_file
    if environment.opswatch_config is not None:
        return Path(environment.opswatch_config)
    return DEFAULT_CONFIG_FILE if DEFAULT_CONFIG_FILE.exists() else None


def check_text(text: str, file: Path, environ: Mapping[str, str] | None = None) -> list[Fault]:
    """What would be wrong if `file` held this text."""
    environment = _read_environment(os.environ if environ is None else environ).environment
    return _check_text(text, file, environment)[2]


def excerpts_of(error: ConfigurationError) -> list[str]:
    """For each fault the line that it is about, as far as it may be shown; see configuration_excerpt."""
    found: dict[str, Iterator[str]] = {}
    for source in {fault.source for fault in error.faults}:
        faults = [fault for fault in error.faults if fault.source == source]
        found[source] = iter(excerpts(_text_or_nothing(Path(source)), faults))
    return [next(found[fault.source]) for fault in error.faults]


def _text_or_nothing(file: Path) -> str:
    try:
        text = decode(read_document_bytes(file), str(file)) if file.is_file() else ""
    except UnusableFile:
        return ""
    return text if isinstance(text, str) else ""


def _read_file(file: Path | None, environment: Environment) -> tuple[Configuration | None, NamedFiles, list[Fault]]:
    if file is None:
        return _check_text("", DEFAULT_CONFIG_FILE, environment)
    try:
        content = read_document_bytes(file)
    except UnusableFile as error:
        fault = Fault(str(error), str(file), hint="`opswatch init` writes one to start with")
        return None, NamedFiles(parse_document("", str(file)), str(file), file.parent), [fault]
    text = decode(content, str(file))
    if isinstance(text, Fault):
        return None, NamedFiles(parse_document("", str(file)), str(file), file.parent), [text]
    return _check_text(text, file, environment)


def _check_text(
    text: str, file: Path, environment: Environment
) -> tuple[Configuration | None, NamedFiles, list[Fault]]:
    source = str(file)
    document = parse_document(text, source)
    files = NamedFiles(document, source, file.parent)
    faults = list(document.faults)
    if document.value is None and faults:
        return None, files, faults
    configuration, refused = validated(document, source)
    faults += refused
    faults += check(document, source, environment.health_check_interval)
    faults += check_telling(document, source, environment)
    files.look_at(document.value)
    faults += files.faults
    faults.sort(key=lambda fault: (fault.line or 0, fault.column or 0))
    return configuration, files, faults


def _read_environment(environ: Mapping[str, str]) -> _Reading:
    faults: list[Fault] = []
    values: dict[str, Any] = {name: environ[name] for name in VARIABLES if environ.get(name, "").strip()}
    for name in SECRETS:
        file = environ.get(f"{name}_FILE", "")
        if not file:
            continue
        if name in values:
            message = f"{name} and {name}_FILE are both set"
            faults.append(Fault(message, ENVIRONMENT, name, hint="unset one of them"))
            continue
        try:
            values[name] = read_secret(Path(file)).get_secret_value()
        except UnusableFile as error:
            faults.append(Fault(str(error), ENVIRONMENT, f"{name}_FILE"))
    faults += _missing_files(values)
    environment, refused = _validated_environment(values)
    faults += [fault for fault in refused if fault.field not in {each.field for each in faults}]
    good = frozenset(values) - {fault.field for fault in faults}
    token_file = environ.get("INFLUXDB_V2_TOKEN_FILE")
    return _Reading(
        environment, good, faults, list(_unknown_variables(environ)), Path(token_file) if token_file else None
    )


def _missing_files(values: Mapping[str, Any]) -> Iterator[Fault]:
    for name, look in (
        ("OPSWATCH_OWNER_TOKEN_FILE", check_readable),
        ("ALERT_THRESHOLDS_CONFIG_FILE", check_readable),
        ("INFLUXDB_V2_SSL_CA_CERT", check_authorities),
    ):
        if name in values:
            try:
                look(Path(values[name]))
            except (UnusableFile, ValueError) as error:
                yield Fault(str(error), ENVIRONMENT, name)


def _validated_environment(values: dict[str, Any]) -> tuple[Environment, list[Fault]]:
    """The variables as a model, and what is wrong; a wrong one counts as not set, so that the rest can be read."""
    try:
        return Environment.model_validate(values), []
    except ValidationError as error:
        faults = []
        for one in error.errors(include_url=False, include_input=False):
            cause = one.get("ctx", {}).get("error")
            hint = cause.hint if isinstance(cause, BadValue) else ""
            message = str(cause) if isinstance(cause, BadValue) else one["msg"]
            name = str(one["loc"][0])
            faults.append(
                Fault(without_urls(message) if is_of_telling(name) else message, ENVIRONMENT, name, hint=hint)
            )
        bad = {fault.field for fault in faults}
        good = {name: value for name, value in values.items() if name not in bad}
        return Environment.model_validate(good), faults


def _unknown_variables(environ: Mapping[str, str]) -> Iterator[str]:
    # Not a fault: they may be for another version, or for a script beside us.
    known = [*VARIABLES, *(f"{name}_FILE" for name in SECRETS)]
    for name in sorted(environ):
        if name.startswith("OPSWATCH_") and name not in known:
            hint = near_miss(name, known)
            yield f"environment: {name[:80]!r} means nothing to this version" + (f"; {hint}" if hint else "")


def _joined(
    configuration: Configuration,
    environment: Environment,
    files: NamedFiles,
    file: Path | None,
    warnings: tuple[str, ...],
) -> Settings:
    listen = configuration.listen or environment.opswatch_listen
    surroundings = Surroundings(files.place, files.passwords, environment.health_check_interval)
    sources = TellingSources(files.place, files.passwords, files.texts, configuration.allow_private)
    pages, tls = configuration.dashboards.config_file, configuration.tls
    owner = environment.opswatch_owner_token_file
    return Settings(
        listen_host=listen[0],
        listen_port=listen[1],
        data_dir=_data_dir(configuration, environment, files),
        base_path=environment.opswatch_base_path,
        time_zone=configuration.time_zone.key if configuration.time_zone is not None else "UTC",
        tls=None if tls is None else TlsSettings(files.place(tls.certificate), files.place(tls.key)),
        trusted_proxies=configuration.trusted_proxies,
        allow_private=configuration.allow_private,
        influx=None,
        influx_dashboards=True,
        provision=None,
        retention=retention_of(configuration.storage.retention),
        disk_reserve=configuration.storage.disk_reserve,
        host_enabled=configuration.host.enabled,
        host_interval=configuration.host.interval or environment.metrics_interval,
        collection_enabled=environment.metrics_collection_enabled,
        services=services_of(configuration, surroundings),
        refresh_interval=environment.dashboard_refresh_interval,
        log=_log_settings(environment),
        dashboards_file=None if pages is None else files.place(pages),
        alerting_enabled=environment.alerting_enabled,
        thresholds_file=_thresholds_file(environment),
        telling=telling_of(configuration, environment, sources),
        owner_token_file=None if owner is None else Path(owner),
        server_url=environment.opswatch_url,
        server_token=environment.opswatch_token,
        config_file=file,
        warnings=warnings,
    )


def _data_dir(configuration: Configuration, environment: Environment, files: NamedFiles) -> Path:
    written = configuration.data_dir
    return files.place(written) if written is not None else Path(environment.opswatch_data_dir)


def _thresholds_file(environment: Environment) -> Path | None:
    # Of a file that is named it was seen that it is there; the usual place may be empty.
    file = Path(environment.alert_thresholds_config_file)
    return file if file.exists() else None


def _log_settings(environment: Environment) -> LogSettings:
    return LogSettings(
        environment.log_level,
        environment.log_format,
        environment.log_rotation_enabled,
        environment.log_retention_days,
        environment.log_max_size_mb,
    )
