"""What `opswatch.yaml` may hold, as models: the reference and the JSON Schema are made from them. Pure."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BeforeValidator,
    Field,
    SecretStr,
    StrictBool,
    StrictStr,
    WithJsonSchema,
    model_validator,
)

from opswatch.configuration_model import Model
from opswatch.configuration_telling import (
    DeadMansSwitch,
    Escalation,
    Maintenance,
    ReceiverItem,
    RotationItem,
    RouteItem,
    Smtp,
)
from opswatch.configuration_values import (
    BadValue,
    BucketPrefix,
    Duration,
    FileName,
    HostName,
    HttpKind,
    Interval,
    JsonPath,
    Listen,
    Method,
    Name,
    Network,
    Number,
    Pattern,
    ProxyUrl,
    Retention,
    Scalar,
    ServerUrl,
    Size,
    Statuses,
    Text,
    Threshold,
    Url,
    Zone,
    headers_of,
    labels_of,
    request_headers_of,
)

_MAPPING = WithJsonSchema({"type": "object", "additionalProperties": {"type": "string"}})
_SECRET_MAPPING = WithJsonSchema({"type": "object", "additionalProperties": {"type": "string"}, "writeOnly": True})

COMPARISONS = ("equals", "not_equals", "at_most", "at_least", "matches", "exists")


class Tls(Model):
    """TLS for the page and the API."""

    certificate: FileName = Field(description="File with the certificate and its chain, PEM.")
    key: FileName = Field(description="File with the private key, PEM, without a passphrase.")


class RetentionTimes(Model):
    """How long each kind of data is kept; at least `1h`."""

    raw: Retention | None = Field(default=None, description="Metrics as they were taken.", examples=["7d"])
    five_minutes: Retention | None = Field(
        default=None,
        alias="5m",
        description="Metrics by 5 minutes; at least as long as `raw`.",
        examples=["180d"],
    )
    one_hour: Retention | None = Field(
        default=None,
        alias="1h",
        description="Metrics by the hour; at least as long as `5m`.",
        examples=["1095d"],
    )
    events: Retention | None = Field(default=None, description="Changes of state, restarts.", examples=["400d"])
    own: Retention | None = Field(default=None, alias="self", description="Of OpsWatch itself.", examples=["31d"])


class InfluxDb(Model):
    """An InfluxDB 2.x server, where `kind` is `influxdb` (docs/influxdb.md)."""

    url: ServerUrl | None = Field(default=None, description="Where it answers.", examples=["http://influxdb:8086"])
    org: Text | None = Field(default=None, description="Name of the organisation.", examples=["ops"])
    token_file: FileName | None = Field(
        default=None,
        description="File with a token that may read and write the buckets; a new token in it is taken without a"
        " restart. Without any it is the one that `opswatch provision apply` has put into the data directory.",
        examples=["/run/secrets/influx_token"],
    )
    bucket_prefix: BucketPrefix = Field(
        default="opswatch", description="Buckets are called so, and `_raw`, `_5m`, `_1h`, `_events`, `_self`."
    )
    ca_file: FileName | None = Field(default=None, description="Authorities to trust instead of the system's, PEM.")
    dashboards: bool = Field(
        default=True,
        description="Whether `opswatch provision` keeps our pages as dashboards in InfluxDB; `false` removes them.",
    )
    provision: bool = Field(
        default=False,
        description="Whether `opswatch run` makes by itself what `opswatch provision apply --setup` makes.",
    )
    admin_token_file: FileName | None = Field(
        default=None,
        description="File with a token that has all rights in the organisation, for `provision`.",
        examples=["/run/secrets/influx_admin_token"],
    )


class Storage(Model):
    """Where measurements are kept."""

    kind: Literal["embedded", "influxdb"] | None = Field(
        default=None, description="The store: `embedded` in the data directory, or `influxdb`."
    )
    influxdb: InfluxDb | None = Field(default=None, description="The server of the store `influxdb`.")
    retention: RetentionTimes = Field(default=RetentionTimes(), description="How long each kind of data is kept.")
    disk_reserve: Size | None = Field(
        default=None,
        description="Room on the disk below which pushed points, exports and snapshots are refused; below half of it"
        " only OpsWatch's own measurements are still kept.",
        examples=["2GB"],
    )


class Host(Model):
    """Sampling of the host that OpsWatch runs on."""

    enabled: StrictBool = Field(default=True, description="Whether this host is sampled.")
    interval: Interval | None = Field(default=None, description="How often.", examples=["10s"])


class Defaults(Model):
    """What holds for every probe that does not say otherwise."""

    interval: Interval | None = Field(default=None, description="How often a probe is attempted.", examples=["30s"])
    timeout: Duration | None = Field(default=None, description="How long an attempt may take in all.", examples=["10s"])
    failure_threshold: Threshold | None = Field(
        default=None, description="Failures in a row that mean down.", examples=[2]
    )
    success_threshold: Threshold | None = Field(
        default=None, description="Successes in a row that mean up.", examples=[1]
    )


class BasicAuthentication(Model):
    """Credentials for HTTP basic authentication; the password stands in one of two places."""

    username: StrictStr = Field(
        description="The user's name.", min_length=1, max_length=256, pattern=r"^[^:\x00-\x1f]*$"
    )
    password: SecretStr | None = Field(default=None, description="The password itself; a file is better.")
    password_file: FileName | None = Field(default=None, description="File that holds the password and nothing else.")


class JsonValueExpectation(Model):
    """A value in a JSON answer: a path, and exactly one comparison."""

    null_is_a_value: ClassVar[bool] = True  # `equals: null` expects null

    path: JsonPath = Field(description="JSONPath (RFC 9535). Finding nothing is a failure.")
    equals: Scalar = Field(default=None, description="The value must be this.")
    not_equals: Scalar = Field(default=None, description="The value must be anything but this.")
    at_most: Number | None = Field(default=None, description="The value must be a number not above this.")
    at_least: Number | None = Field(default=None, description="The value must be a number not below this.")
    matches: Pattern | None = Field(
        default=None, description="The value must be text with a match of this regular expression (RE2)."
    )
    exists: StrictBool | None = Field(default=None, description="`false`: the path must find nothing.")

    @model_validator(mode="after")
    def _has_one_comparison(self) -> JsonValueExpectation:
        given = [name for name in COMPARISONS if name in self.model_fields_set]
        if len(given) != 1:
            words = "no comparison" if not given else " and ".join(given)
            raise BadValue(f"one comparison is needed, and here is {words}", f"one of {', '.join(COMPARISONS)}")
        return self


class Expectations(Model):
    """What a good answer looks like. Missing `latency` alone makes it degraded, anything else down."""

    status: Statuses | None = Field(default=None, description="Status codes and ranges that are good; else `200-299`.")
    latency: Duration | None = Field(default=None, description="Slower than this is degraded.", examples=["800ms"])
    body_contains: Text | None = Field(default=None, description="The body must contain this text.")
    body_matches: Pattern | None = Field(
        default=None, description="The body must match this regular expression (RE2) somewhere."
    )
    json_values: tuple[JsonValueExpectation, ...] = Field(
        default=(), alias="json", description="Values that the body, read as JSON, must hold.", max_length=50
    )
    header: Annotated[dict[str, str], BeforeValidator(headers_of), _MAPPING] = Field(
        default={}, description="Headers of the answer and the text that each must contain; case does not matter."
    )
    certificate_days: Number | None = Field(
        default=None,
        description="Days that the certificate must still be good; https only.",
        gt=0,
        le=3_650,
        examples=[14],
    )


class HttpProbe(Model):
    """One endpoint that is asked by HTTP, again and again."""

    name: Name = Field(default="http", description="Unique within its service.", examples=["health"])
    kind: HttpKind = Field(default="http", description="What it speaks. This version has `http`.")
    url: Url = Field(description="Address to ask: http or https, without credentials.")
    interval: Interval | None = Field(default=None, description="How often; longer than the timeout.", examples=["15s"])
    timeout: Duration | None = Field(default=None, description="How long the whole attempt may take.", examples=["5s"])
    failure_threshold: Threshold | None = Field(
        default=None, description="Failures in a row that mean down.", examples=[2]
    )
    success_threshold: Threshold | None = Field(
        default=None, description="Successes in a row that mean up.", examples=[1]
    )
    method: Method = Field(default="GET", description="Method of the request.")
    headers: Annotated[dict[str, SecretStr], BeforeValidator(request_headers_of), _SECRET_MAPPING] = Field(
        default={}, description="Headers of the request. Their values are kept secret."
    )
    body: Text | None = Field(default=None, description="Body of the request.")
    basic_auth: BasicAuthentication | None = Field(default=None, description="Credentials for basic authentication.")
    follow_redirects: StrictBool = Field(default=True, description="Whether redirects are followed, to the same host.")
    redirect_hosts: tuple[HostName, ...] = Field(
        default=(), description="Further hosts that a redirect may lead to.", max_length=20
    )
    verify_tls: StrictBool = Field(default=True, description="Whether the certificate must be good.")
    ca_file: FileName | None = Field(default=None, description="Authorities to trust instead of the system's, PEM.")
    client_certificate: FileName | None = Field(default=None, description="Certificate to show to the server, PEM.")
    client_key: FileName | None = Field(
        default=None, description="Its private key, PEM; else in the certificate's file."
    )
    proxy: ProxyUrl | None = Field(
        default=None,
        description="HTTP proxy; a user and password may stand in it.",
        examples=["http://proxy:3128"],
    )
    expect: Expectations = Field(default=Expectations(), description="What a good answer looks like.")


class Service(Model):
    """Something that you run and watch."""

    name: Name = Field(description="Unique name, up to 200 characters.", examples=["checkout"])
    depends_on: tuple[Name, ...] = Field(default=(), description="Names of services that it needs.", max_length=100)
    labels: Annotated[dict[str, str], BeforeValidator(labels_of), _MAPPING] = Field(
        default={}, description="Names and values of your own, to sort services by.", max_length=50
    )
    probes: tuple[HttpProbe, ...] = Field(default=(), description="What is asked of it.", max_length=1_000)


class Dashboards(Model):
    """The pages."""

    config_file: FileName | None = Field(
        default=None, description="Pages and panels, JSON; else those that come along."
    )


class Configuration(Model):
    """The whole file. Every key is optional."""

    version: Literal[1] = Field(default=1, description="Version of this format.")
    listen: Listen | None = Field(
        default=None,
        description="Address of page and API; port 0 picks a free one.",
        examples=["127.0.0.1:8321"],
    )
    time_zone: Zone | None = Field(
        default=None, description="Zone for display and days; storage is always UTC.", examples=["UTC"]
    )
    data_dir: FileName | None = Field(default=None, description="Where everything is kept.", examples=["./.opswatch"])
    tls: Tls | None = Field(default=None, description="TLS for the page and the API.")
    trusted_proxies: tuple[Network, ...] = Field(
        default=(), description="Networks of reverse proxies whose `X-Forwarded-*` headers are believed."
    )
    allow_private: tuple[Network, ...] = Field(
        default=(),
        description="Networks where webhooks entered by API or page may go; what this file names may go anywhere.",
    )
    storage: Storage = Field(default=Storage(), description="Where and how long measurements are kept.")
    host: Host = Field(default=Host(), description="Sampling of this host.")
    defaults: Defaults = Field(default=Defaults(), description="What holds for probes that do not say otherwise.")
    services: tuple[Service, ...] = Field(default=(), description="What is watched.", max_length=10_000)
    dashboards: Dashboards = Field(default=Dashboards(), description="The pages.")
    public_url: ServerUrl | None = Field(
        default=None,
        description="Where people reach this server: links in messages lead there.",
        examples=["https://opswatch.example"],
    )
    smtp: Smtp | None = Field(default=None, description="Where e-mail is handed over.")
    receivers: tuple[ReceiverItem, ...] = Field(default=(), description="Who can be told.", max_length=1_000)
    routes: tuple[RouteItem, ...] = Field(
        default=(), description="Which incidents go to whom; without any, all go to every receiver.", max_length=1_000
    )
    escalations: tuple[Escalation, ...] = Field(
        default=(), description="Who is told next when nobody acknowledges.", max_length=1_000
    )
    maintenance: tuple[Maintenance, ...] = Field(
        default=(), description="When nobody is told, because it is planned.", max_length=1_000
    )
    duty: tuple[RotationItem, ...] = Field(
        default=(), description="Who is on duty; its name stands where a receiver's may.", max_length=100
    )
    dead_mans_switch: DeadMansSwitch | None = Field(
        default=None, description="Who hears outside when OpsWatch itself fails."
    )


def json_schema() -> dict[str, Any]:
    """The JSON Schema of `opswatch.yaml`, for editors."""
    schema = Configuration.model_json_schema(by_alias=True)
    return schema | {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "opswatch.yaml"}
