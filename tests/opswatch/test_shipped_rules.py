"""What the rules that come with OpsWatch do, as tests of rules say it (R113 to R116)."""

from pathlib import Path

import pytest

from alerting.rule_test import RuleTest
from opswatch.rule_test_file import load_tests
from opswatch.rule_tests import run_tests
from opswatch.rules_file import load_rules
from telemetry.measurements import BUILT_IN

RULES = load_rules(None, BUILT_IN)
TESTS = load_tests(Path(__file__).with_name("shipped_rules.yaml"), RULES)


@pytest.mark.parametrize("test", TESTS, ids=[one.name for one in TESTS])
async def test_a_shipped_rule_does_what_is_said_of_it(test: RuleTest) -> None:
    """Through the live evaluator, on a real store."""
    (outcome,) = await run_tests([test], RULES, lambda _: None)
    assert outcome.differences == ()
