"""Where InfluxDB is, who we are there, and what our buckets are called. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from telemetry.rollup import Level
from telemetry.schema import MeasurementClass


@dataclass(frozen=True, slots=True)
class InfluxSettings:
    """Where the server is and who we are there. `token_file` wins over `token`; `url` does not end with a slash.

    `awaits_token` when the file of the token may be made later.
    """

    url: str
    org: str
    token: SecretStr | None = None
    token_file: Path | None = None
    bucket_prefix: str = "opswatch"
    ca_file: Path | None = None
    awaits_token: bool = False

    def bucket(self, measurement_class: MeasurementClass) -> str:
        """The bucket that holds the samples of a class (design.md 4)."""
        word = {MeasurementClass.METRICS: "raw", MeasurementClass.EVENTS: "events", MeasurementClass.SELF: "self"}
        return f"{self.bucket_prefix}_{word[measurement_class]}"

    def level_bucket(self, level: Level) -> str:
        """The bucket that holds a rolled-up level of the class metrics."""
        return f"{self.bucket_prefix}_{level.name}"
