"""Our pages as dashboards of InfluxDB and of Grafana; `python -m opswatch.influx_dashboards` writes those. Shell."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dashboards.grafana_board import GRAFANA_VARIABLES, grafana_boards
from dashboards.influx_template import influx_template, variable_names
from dashboards.panels import DashboardConfig
from influx.panel_flux import PanelFlux
from influx.settings import InfluxSettings
from opswatch.boards import load_boards
from telemetry.measurements import BUILT_IN
from telemetry.schema import Registry

FOLDER = Path(__file__).parents[1] / "dashboards" / "grafana"


def template_objects(
    influx: InfluxSettings, boards: DashboardConfig, registry: Registry = BUILT_IN
) -> Sequence[dict[str, Any]]:
    """The objects of the template of InfluxDB's dashboards."""
    variables = {name: f"v.{own}" for name, own in variable_names(influx.bucket_prefix).items()}
    return influx_template(boards, registry, PanelFlux(influx, variables), influx.bucket_prefix)


def grafana_files(boards: DashboardConfig, registry: Registry = BUILT_IN) -> dict[str, str]:
    """Each file by its name: dashboards on an OpsWatch whose buckets begin with `opswatch`."""
    texts = PanelFlux(InfluxSettings("", ""), GRAFANA_VARIABLES)
    return {
        f"{name}.json": json.dumps(board, indent=1, ensure_ascii=False) + "\n"
        for name, board in grafana_boards(boards, registry, texts).items()
    }


def main() -> None:
    for name, text in grafana_files(load_boards(None)).items():
        (FOLDER / name).write_text(text, encoding="utf-8")
        sys.stdout.write(f"wrote dashboards/grafana/{name}\n")


if __name__ == "__main__":
    main()
