"""Write the JSON Schema of rules beside the rules that come with OpsWatch: `python -m opswatch.rules_schema`. Shell."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from opswatch.rule_models import rules_schema

FILE = Path(__file__).parents[1] / "infrastructure" / "monitoring" / "alert_thresholds.schema.json"


def text() -> str:
    """The file."""
    return json.dumps(rules_schema(), indent=2) + "\n"


def main() -> None:
    FILE.write_text(text(), encoding="utf-8")
    sys.stdout.write(f"wrote infrastructure/monitoring/{FILE.name}\n")


if __name__ == "__main__":
    main()
