"""What is not wrong with the settings, and yet probably not what was meant. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from opswatch.configuration import Configuration, HttpProbe, InfluxDb
from opswatch.environment import Environment
from opswatch.yaml_document import Document, Path
from telemetry.times import format_duration

# A counter's window is made from the hour before it as well, and what is late is mostly later than a minute.
SHORTEST_REPAIR = timedelta(hours=3)


def warnings_of(
    configuration: Configuration, document: Document, written: frozenset[str], environment: Environment
) -> tuple[str, ...]:
    """One sentence each; `written` are the environment variables that are set."""
    return (
        *_overruled(configuration, document, written, environment),
        *_without_effect(configuration, written, environment),
        *_probe_warnings(configuration, document),
    )


def _overruled(
    configuration: Configuration, document: Document, written: frozenset[str], environment: Environment
) -> Iterator[str]:
    influx, in_storage = configuration.storage.influxdb or InfluxDb(), ("storage", "influxdb")
    pairs = (
        ("OPSWATCH_LISTEN", ("listen",), configuration.listen, environment.opswatch_listen),
        ("OPSWATCH_DATA_DIR", ("data_dir",), configuration.data_dir, environment.opswatch_data_dir),
        ("OPSWATCH_STORAGE", ("storage", "kind"), configuration.storage.kind, environment.opswatch_storage),
        ("INFLUXDB_V2_URL", (*in_storage, "url"), influx.url, environment.influxdb_v2_url),
        ("INFLUXDB_V2_ORG", (*in_storage, "org"), influx.org, environment.influxdb_v2_org),
        ("INFLUXDB_V2_TOKEN", (*in_storage, "token_file"), influx.token_file, None),  # or what its file holds
        ("INFLUXDB_V2_SSL_CA_CERT", (*in_storage, "ca_file"), influx.ca_file, environment.influxdb_v2_ssl_ca_cert),
        ("METRICS_INTERVAL_SECONDS", ("host", "interval"), configuration.host.interval, environment.metrics_interval),
        (
            "HEALTH_CHECK_INTERVAL_SECONDS",
            ("defaults", "interval"),
            configuration.defaults.interval,
            environment.health_check_interval,
        ),
    )
    for name, path, in_file, in_environment in pairs:
        if name in written and in_file is not None and in_file != in_environment:
            yield f"{name} is set, but `{'.'.join(map(str, path))}`{_line(document, path)} of the file wins"


def _without_effect(configuration: Configuration, written: frozenset[str], environment: Environment) -> Iterator[str]:
    wanted = [name for name in ("ALERT_EMAIL_ENABLED", "ALERT_EMAIL_TO", "ALERT_WEBHOOK_URL") if name in written]
    if wanted and configuration.receivers:
        yield f"{', '.join(wanted)}: without effect, for the file names receivers of its own"
    routed = {one.receiver for one in configuration.routes}
    routed |= {step.receiver for one in configuration.escalations for step in one.steps}
    routed |= {person.receiver for one in configuration.duty for person in one.people}
    routed |= {one.fallback for one in configuration.receivers}
    lost = [one.name for one in configuration.receivers if configuration.routes and one.name not in routed]
    if lost:
        yield f"no route leads to {', '.join(lost)}"
    kind = configuration.storage.kind or environment.opswatch_storage
    if configuration.storage.influxdb is not None and kind != "influxdb":
        yield "storage.influxdb has no effect: the store is the embedded one (storage.kind, OPSWATCH_STORAGE)"
    raw = configuration.storage.retention.raw
    if raw is not None and raw < SHORTEST_REPAIR:
        yield (
            f"storage.retention.raw: {format_duration(raw)} is less than {format_duration(SHORTEST_REPAIR)}:"
            " samples that come late do not get into the rolled-up levels"
        )


def _probe_warnings(configuration: Configuration, document: Document) -> Iterator[str]:
    for number, service in enumerate(configuration.services):
        for index, probe in enumerate(service.probes):
            for key, sentence in _oddities(probe):
                path: Path = ("services", number, "probes", index, *key)
                yield f"{service.name}/{probe.name}{_line(document, path)}: {sentence}"


def _oddities(probe: HttpProbe) -> Iterator[tuple[tuple[str, ...], str]]:
    latency = probe.expect.latency
    if latency is not None and probe.timeout is not None and latency >= probe.timeout:
        words = f"latency {format_duration(latency)} is never reached, the timeout is {format_duration(probe.timeout)}"
        yield ("expect", "latency"), words
    if not probe.verify_tls and probe.ca_file is not None:
        yield ("ca_file",), "ca_file has no effect while verify_tls is false"


def _line(document: Document, path: Path) -> str:
    span = document.spans.get(path)
    return f" in line {span.line + 1}" if span is not None else ""
