"""Write our pages as dashboards of Grafana. Shell.

`python -m opswatch.grafana_dashboards` writes the committed files, dashboards/grafana/*.json. With `--config FILE` it
writes your own pages, with `--bucket-prefix` for buckets of another name, with `--into FOLDER` somewhere else.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from dashboards.grafana_board import board_names, boards
from dashboards.panels import DashboardConfig
from influx.dialects import Grafana
from influx.panel_flux import PanelFlux
from influx.settings import InfluxSettings
from opswatch.wiring import load_boards
from telemetry.errors import OpsWatchError
from telemetry.measurements import BUILT_IN
from telemetry.schema import Registry

COMMITTED = Path(__file__).parent.parent / "dashboards" / "grafana"


def grafana_files(config: DashboardConfig, registry: Registry, bucket_prefix: str = "opswatch") -> dict[str, str]:
    """The texts of the dashboards by their files' names."""
    settings = InfluxSettings("", "", bucket_prefix=bucket_prefix)
    flux_of = PanelFlux(settings, registry, Grafana(board_names(config, registry), bucket_prefix))
    made = boards(config, registry, flux_of, bucket_prefix)
    return {f"{name}.json": json.dumps(one, indent=2, ensure_ascii=False) + "\n" for name, one in made.items()}


def main(arguments: list[str] | None = None) -> int:
    """Write them; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m opswatch.grafana_dashboards", description=__doc__)
    parser.add_argument("--config", type=Path, help="your dashboard_config.json; without it the pages of OpsWatch")
    parser.add_argument("--bucket-prefix", default="opswatch", help="what the names of the buckets begin with")
    parser.add_argument("--into", type=Path, default=COMMITTED, help="the folder to write into")
    asked = parser.parse_args(arguments)
    try:
        files = grafana_files(load_boards(asked.config), BUILT_IN, asked.bucket_prefix)
    except OpsWatchError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    asked.into.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (asked.into / name).write_text(text, encoding="utf-8")
        sys.stdout.write(f"wrote {asked.into / name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
