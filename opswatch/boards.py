"""The pages that the settings name, else those that come with OpsWatch. Shell."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from dashboards.panels import DashboardConfig, parse_config
from telemetry.errors import ConfigurationError, Fault
from telemetry.measurements import BUILT_IN


def load_boards(file: Path | None) -> DashboardConfig:
    """The pages: those of the file, else those that come with OpsWatch. Raises ConfigurationError."""
    if file is None:
        shipped = files("infrastructure.monitoring").joinpath("dashboard_config.json")
        return parse_config(shipped.read_text(encoding="utf-8"), "dashboard_config.json", BUILT_IN)
    try:
        return parse_config(file.read_text(encoding="utf-8"), str(file), BUILT_IN)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError([Fault(f"cannot be read: {error}", str(file), "dashboards.config_file")]) from error
