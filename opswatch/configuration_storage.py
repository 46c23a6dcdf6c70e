"""Which store the settings name, and what is missing to reach it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from influx.settings import InfluxSettings
from opswatch.configuration import InfluxDb, Storage
from opswatch.configuration_faults import fault_at
from opswatch.environment import Environment
from opswatch.yaml_document import Document
from telemetry.errors import Fault

_KINDS = ("embedded", "influxdb")
ENVIRONMENT = "environment"


@dataclass(frozen=True, slots=True)
class StorageSources:
    """What the store's settings are made of. `token_file` is that of INFLUXDB_V2_TOKEN_FILE.

    `made` is the file of a token that `opswatch provision apply` makes or has made; the last one that is looked for.
    """

    written: Storage
    environment: Environment
    token_file: Path | None
    place: Callable[[str], Path]
    made: Path | None = None

    @property
    def kind(self) -> str:
        """`embedded` or `influxdb`: what the file says, else the environment."""
        return self.written.kind or self.environment.opswatch_storage


def influx_of(sources: StorageSources) -> InfluxSettings | None:
    """How InfluxDB is reached, with what the environment says where the file is silent; None for the embedded store.

    Only for settings in which `missing_of` finds nothing.
    """
    if sources.kind != "influxdb":
        return None
    written, environment = sources.written.influxdb or InfluxDb(), sources.environment
    in_file, in_environment = written.ca_file, environment.influxdb_v2_ssl_ca_cert
    ca_file = sources.place(in_file) if in_file is not None else Path(in_environment) if in_environment else None
    token_file = sources.token_file
    if written.token_file is not None:
        token_file = sources.place(written.token_file)
    elif token_file is None and _token(environment) is None:
        token_file = sources.made
    return InfluxSettings(
        url=written.url or environment.influxdb_v2_url or "",
        org=written.org or environment.influxdb_v2_org or "",
        token=None if token_file is not None else _token(environment),
        token_file=token_file,
        bucket_prefix=written.bucket_prefix,
        ca_file=ca_file,
        awaits_token=written.provision,
    )


def missing_of(sources: StorageSources, document: Document, source: str) -> Iterator[Fault]:
    """What InfluxDB cannot be reached without, each where the store is chosen."""
    if sources.kind != "influxdb":
        return
    written, environment = sources.written.influxdb or InfluxDb(), sources.environment
    token = written.token_file or sources.token_file or _token(environment) or sources.made
    for is_there, what, variable, key in (
        (written.url or environment.influxdb_v2_url, "URL", "INFLUXDB_V2_URL", "url"),
        (written.org or environment.influxdb_v2_org, "organisation", "INFLUXDB_V2_ORG", "org"),
        (token, "token", "INFLUXDB_V2_TOKEN_FILE", "token_file"),
    ):
        if not is_there:
            made = "; `opswatch provision apply` makes one" if key == "token_file" else ""
            message, hint = f"InfluxDB has no {what}", f"set {variable}, or write storage.influxdb.{key}{made}"
            if sources.written.kind is None:
                yield Fault(message, ENVIRONMENT, "OPSWATCH_STORAGE", hint=hint)
            else:
                yield fault_at(document, source, ("storage", "kind"), message, hint)


def _token(environment: Environment) -> SecretStr | None:
    return environment.influxdb_v2_token
