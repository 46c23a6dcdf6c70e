"""docs/alerting-rules.md knows every word of the file, and its examples are good."""

import re
from pathlib import Path
from textwrap import indent

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
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("model", MODELS)
def test_every_word_of_the_file_is_explained(model: type[BaseModel]) -> None:
    """Who adds a word and does not say what it means is told."""
    words = [field.alias or name for name, field in model.model_fields.items()]
    assert [word for word in words if f"`{word}`" not in PAGE] == []


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_good(example: str) -> None:
    """What people copy works; a part of a rule, once it has a name."""
    whole = example if "rules:" in example else "rules:\n- name: example\n" + indent(example, "  ")
    assert parse_rules(whole.encode(), "example.yaml", BUILT_IN).rules


@pytest.mark.parametrize("name", ["unit", "duration", "round", "upper", "lower", "default", "truncate"])
def test_every_filter_is_named_and_works(name: str) -> None:
    """As the page says."""
    assert f"`{name}`" in PAGE
    assert check(f"{{{{ value | {name} }}}}") is None


def test_every_field_of_the_schema_is_described() -> None:
    """An editor shows it where one writes."""
    assert [(model, name) for model in MODELS for name, one in model.model_fields.items() if not one.description] == []
