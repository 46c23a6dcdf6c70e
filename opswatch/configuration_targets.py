"""From the models of `opswatch.yaml` to what the collector watches. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from pydantic import SecretStr

from collector.targets import (
    BasicAuth,
    Comparison,
    HttpExpectation,
    HttpRequestSpec,
    JsonExpectation,
    ProbeSpec,
    ServiceSpec,
)
from opswatch.configuration import (
    COMPARISONS,
    Configuration,
    Defaults,
    Expectations,
    HttpProbe,
    JsonValueExpectation,
    RetentionTimes,
    Service,
)
from opswatch.configuration_checks import ProbeDefaults
from telemetry.rollup import Retention

DEFAULT_RETENTION = Retention()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the file does not say itself: where relative names begin, what passwords the files hold, what holds else."""

    place: Callable[[str], Path]
    passwords: Mapping[str, SecretStr]  # by the path of the file that holds it
    interval: timedelta


def services_of(configuration: Configuration, surroundings: Surroundings) -> tuple[ServiceSpec, ...]:
    """What is watched, with every default filled in."""
    defaults = _probe_defaults(configuration.defaults, surroundings.interval)
    return tuple(_service(service, defaults, surroundings) for service in configuration.services)


def retention_of(times: RetentionTimes) -> Retention:
    """How long everything is kept; a coarser level, where nothing is written, at least as long as the finer one."""
    raw = times.raw or DEFAULT_RETENTION.raw
    five_minutes = times.five_minutes or max(raw, DEFAULT_RETENTION.five_minutes)
    return Retention(
        raw=raw,
        five_minutes=five_minutes,
        one_hour=times.one_hour or max(five_minutes, DEFAULT_RETENTION.one_hour),
        events=times.events or DEFAULT_RETENTION.events,
        own=times.own or DEFAULT_RETENTION.own,
    )


def _probe_defaults(written: Defaults, interval: timedelta) -> ProbeDefaults:
    built_in = ProbeDefaults()
    return ProbeDefaults(
        written.interval or interval,
        written.timeout,
        written.failure_threshold or built_in.failure_threshold,
        written.success_threshold or built_in.success_threshold,
    )


def _service(service: Service, defaults: ProbeDefaults, surroundings: Surroundings) -> ServiceSpec:
    return ServiceSpec(
        service.name,
        tuple(_probe(service.name, probe, defaults, surroundings) for probe in service.probes),
        service.depends_on,
        tuple(sorted(service.labels.items())),
    )


def _probe(service: str, probe: HttpProbe, defaults: ProbeDefaults, surroundings: Surroundings) -> ProbeSpec:
    interval = probe.interval or defaults.interval
    return ProbeSpec(
        service=service,
        name=probe.name,
        kind=probe.kind,
        request=_request(probe, surroundings),
        expect=_expectation(probe.expect),
        interval=interval,
        timeout=probe.timeout or defaults.timeout_for(interval),
        failure_threshold=probe.failure_threshold or defaults.failure_threshold,
        success_threshold=probe.success_threshold or defaults.success_threshold,
    )


def _request(probe: HttpProbe, surroundings: Surroundings) -> HttpRequestSpec:
    def place(name: str | None) -> Path | None:
        return None if name is None else surroundings.place(name)

    return HttpRequestSpec(
        url=probe.url,
        method=probe.method,
        headers=tuple(probe.headers.items()),
        body=probe.body,
        basic_auth=_basic_auth(probe, surroundings),
        follow_redirects=probe.follow_redirects,
        redirect_hosts=probe.redirect_hosts,
        verify_tls=probe.verify_tls,
        ca_file=place(probe.ca_file),
        client_certificate=place(probe.client_certificate),
        client_key=place(probe.client_key),
        proxy=probe.proxy,
    )


def _basic_auth(probe: HttpProbe, surroundings: Surroundings) -> BasicAuth | None:
    written = probe.basic_auth
    if written is None:
        return None
    if written.password_file is None:
        return BasicAuth(written.username, written.password or SecretStr(""))
    return BasicAuth(written.username, surroundings.passwords[str(surroundings.place(written.password_file))])


def _expectation(written: Expectations) -> HttpExpectation:
    return HttpExpectation(
        status=written.status or HttpExpectation().status,
        latency=written.latency,
        body_contains=written.body_contains,
        body_matches=written.body_matches,
        json=tuple(_json(one) for one in written.json_values),
        header=tuple(written.header.items()),
        certificate_days=written.certificate_days,
    )


def _json(written: JsonValueExpectation) -> JsonExpectation:
    (name,) = (name for name in COMPARISONS if name in written.model_fields_set)
    return JsonExpectation(written.path, Comparison(name), getattr(written, name))
