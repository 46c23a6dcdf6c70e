"""Our pages as dashboards of InfluxDB and of Grafana. Shell.

`python -m opswatch.influx_dashboards` writes the committed files of Grafana, dashboards/grafana/*.json. With
`--config FILE` it writes your own pages, with `--bucket-prefix` for buckets of another name, with `--into` elsewhere.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

from dashboards.grafana_board import board_names, boards
from dashboards.influx_template import CHOICES, Naming, template
from dashboards.panels import DashboardConfig
from influx.dialects import Grafana, InfluxUi
from influx.panel_flux import PanelFlux
from influx.settings import InfluxSettings
from opswatch.boards import load_boards
from telemetry.errors import OpsWatchError
from telemetry.measurements import BUILT_IN
from telemetry.schema import Registry

FOLDER = Path(__file__).parents[1] / "dashboards" / "grafana"


def template_objects(
    influx: InfluxSettings, config: DashboardConfig, registry: Registry = BUILT_IN
) -> list[dict[str, Any]]:
    """The template of InfluxDB's dashboards: a label, variables, and one or two dashboards for each page."""
    names = {name: variable_name(influx.bucket_prefix, name) for name in CHOICES}
    flux_of = PanelFlux(influx, registry, InfluxUi(names))
    return template(config, registry, flux_of, Naming(influx.bucket_prefix, names))


def variable_name(prefix: str, name: str) -> str:
    """What a variable is called in InfluxDB, where `v.NAME` must be a name of Flux: `opswatch_host`."""
    clean = re.sub(r"[^A-Za-z0-9_]", "_", prefix)
    if clean[:1].isdigit():
        clean = f"o{clean}"
    if clean != prefix:  # another prefix may come to the same
        clean = f"{clean}_{hashlib.sha256(prefix.encode()).hexdigest()[:8]}"
    return f"{clean}_{name}"


def grafana_files(
    config: DashboardConfig, registry: Registry = BUILT_IN, bucket_prefix: str = "opswatch"
) -> dict[str, str]:
    """The texts of Grafana's dashboards by the names of their files."""
    settings = InfluxSettings("", "", bucket_prefix=bucket_prefix)
    flux_of = PanelFlux(settings, registry, Grafana(board_names(config, registry), bucket_prefix))
    made = boards(config, registry, flux_of, bucket_prefix)
    return {f"{name}.json": json.dumps(one, indent=1, ensure_ascii=False) + "\n" for name, one in made.items()}


def main(arguments: list[str] | None = None) -> int:
    """Write them; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m opswatch.influx_dashboards", description="Dashboards for Grafana")
    parser.add_argument("--config", type=Path, help="your dashboard_config.json; without it the pages of OpsWatch")
    parser.add_argument("--bucket-prefix", default="opswatch", help="what the names of the buckets begin with")
    parser.add_argument("--into", type=Path, default=FOLDER, help="the folder to write into")
    asked = parser.parse_args(arguments)
    try:
        files = grafana_files(load_boards(asked.config), BUILT_IN, asked.bucket_prefix)
    except OpsWatchError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    asked.into.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (asked.into / name).write_text(text, encoding="utf-8")
        sys.stdout.write(f"wrote {asked.into.name}/{name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
