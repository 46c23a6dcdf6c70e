"""docs/alerting-rules.md knows every word of the file, and its examples are good."""

import json
import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from alerting.template import check
from opswatch.rule_models import (
    ChangeModel,
    FlappingModel,
    ForecastModel,
    QueryModel,
    RatioModel,
    RuleModel,
    RulesModel,
    ThresholdModel,
)
from opswatch.rules_file import parse_rules
from telemetry.measurements import BUILT_IN

PAGE = (Path(__file__).parents[2] / "docs" / "alerting-rules.md").read_text(encoding="utf-8")
MODELS = (
    *(RulesModel, RuleModel, QueryModel, RatioModel, ChangeModel, ForecastModel),
    *(ThresholdModel, FlappingModel),
)
EXAMPLES = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("model", MODELS)
def test_every_word_of_the_file_is_explained(model: type[BaseModel]) -> None:
    """Who adds a word and does not say what it means is told."""
    words = [field.alias or name for name, field in model.model_fields.items()]
    assert [word for word in words if f"`{word}`" not in PAGE] == []


@pytest.mark.parametrize("example", EXAMPLES, ids=[json.loads(text)["rules"][0]["name"] for text in EXAMPLES])
def test_every_example_is_good(example: str) -> None:
    """What people copy works."""
    assert parse_rules(example.encode(), "example.json", BUILT_IN).rules


def test_the_filters_do_what_the_page_says() -> None:
    """Each of them, in a template that is taken."""
    written = re.findall(r"^\| `[^|]+ \| `([^`]+)` \|", PAGE, re.MULTILINE)
    filters = [text.replace("\\|", "|") for text in written if "\\|" in text and ":" not in text]
    assert len(filters) >= 6
    assert [text for text in filters if check(f"{{{{ {text} }}}}") is not None] == []


def test_every_field_of_the_schema_is_described() -> None:
    """An editor shows it where one writes."""
    assert [(model, name) for model in MODELS for name, one in model.model_fields.items() if not one.description] == []
