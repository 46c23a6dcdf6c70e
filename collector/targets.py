"""What is to be watched, as values: services, probes and what is expected of them. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from pathlib import Path

from pydantic import SecretStr


@dataclass(frozen=True, slots=True)
class StatusRange:
    """HTTP status codes from `low` to `high`, both included."""

    low: int
    high: int

    def __contains__(self, code: int) -> bool:
        return self.low <= code <= self.high


class Comparison(Enum):
    """How a value found by a JSON path is compared."""

    EQUALS = "equals"
    NOT_EQUALS = "not_equals"
    AT_MOST = "at_most"
    AT_LEAST = "at_least"
    MATCHES = "matches"
    EXISTS = "exists"


JsonValue = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class JsonExpectation:
    """`path` is JSONPath (RFC 9535); a path that finds nothing fails, except for `exists: false`."""

    path: str
    comparison: Comparison
    value: JsonValue


@dataclass(frozen=True, slots=True)
class HttpExpectation:
    """What a good answer looks like. `latency` alone missed is degraded; anything else is down."""

    status: tuple[StatusRange, ...] = (StatusRange(200, 299),)
    latency: timedelta | None = None
    body_contains: str | None = None
    body_matches: str | None = None  # RE2
    json: tuple[JsonExpectation, ...] = ()
    header: tuple[tuple[str, str], ...] = ()  # name, text that the value must contain (case-insensitive)
    certificate_days: float | None = None


@dataclass(frozen=True, slots=True)
class BasicAuth:
    username: str
    password: SecretStr


@dataclass(frozen=True, slots=True)
class HttpRequestSpec:
    """What is asked. Header values are secrets: they often carry tokens."""

    url: str
    method: str = "GET"
    headers: tuple[tuple[str, SecretStr], ...] = ()
    body: str | None = field(default=None, repr=False)
    basic_auth: BasicAuth | None = None
    follow_redirects: bool = True
    redirect_hosts: tuple[str, ...] = ()  # beside the URL's own host
    verify_tls: bool = True
    ca_file: Path | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None
    proxy: str | None = field(default=None, repr=False)  # its address may hold credentials


@dataclass(frozen=True, slots=True)
class ProbeSpec:
    """One probe: what it asks (`request`), how often, and when its state is believed."""

    service: str
    name: str
    kind: str  # "http"
    request: HttpRequestSpec
    expect: HttpExpectation = field(default_factory=HttpExpectation)
    interval: timedelta = timedelta(seconds=30)
    timeout: timedelta = timedelta(seconds=10)
    failure_threshold: int = 2
    success_threshold: int = 1

    @property
    def target(self) -> str:
        """What people see of it: the URL without credentials."""
        return self.request.url


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    name: str
    probes: tuple[ProbeSpec, ...] = ()
    depends_on: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
