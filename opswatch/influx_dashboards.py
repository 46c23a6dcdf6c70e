"""Our pages for InfluxDB's own UI: the panels of `dashboards/`, asked in the Flux of `influx/`. Pure."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from dashboards.influx_template import CHOICES, Naming, template
from dashboards.panels import DashboardConfig
from influx.dialects import InfluxUi
from influx.panel_flux import PanelFlux
from influx.settings import InfluxSettings
from telemetry.schema import Registry


def template_objects(influx: InfluxSettings, boards: DashboardConfig, registry: Registry) -> list[dict[str, Any]]:
    """The objects of the template: one label, the variables, and a dashboard or two for each page."""
    names = {name: variable_name(influx.bucket_prefix, name) for name in CHOICES}
    flux_of = PanelFlux(influx, registry, InfluxUi(names))
    return template(boards, registry, flux_of, Naming(influx.bucket_prefix, names))


def variable_name(prefix: str, name: str) -> str:
    """What a variable is called in InfluxDB, where `v.NAME` must be a name of Flux: `opswatch_host`."""
    clean = re.sub(r"[^A-Za-z0-9_]", "_", prefix)
    if clean[:1].isdigit():
        clean = f"o{clean}"
    if clean != prefix:  # another prefix may come to the same
        clean = f"{clean}_{hashlib.sha256(prefix.encode()).hexdigest()[:8]}"
    return f"{clean}_{name}"
