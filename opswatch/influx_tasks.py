"""Writes InfluxDB's tasks as they are committed, for people to read: `python -m opswatch.influx_tasks`. Shell."""

from __future__ import annotations

import sys
from pathlib import Path

from influx.rollup_tasks import rollup_tasks
from influx.settings import InfluxSettings

FOLDER = Path(__file__).parents[1] / "influx" / "tasks"


def texts() -> dict[str, str]:
    """Each file by its name: the tasks of an OpsWatch whose buckets begin with `opswatch`."""
    return {f"{task.name}.flux": task.flux for task in rollup_tasks(InfluxSettings("", ""))}


def main() -> None:
    for name, text in texts().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
        sys.stdout.write(f"wrote influx/tasks/{name}\n")


if __name__ == "__main__":
    main()
