"""Files of rules: read as they are meant, and every fault at once with line, column and the way out."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from alerting.rules import Change, Comparison, Flapping, Forecast, NoData, Ratio, Selection, Severity, Threshold, Value
from opswatch.rules_file import load_rules, parse_rules
from opswatch.rules_schema import FILE, text
from telemetry.errors import ConfigurationError
from telemetry.measurements import BUILT_IN
from telemetry.series import AllOf, Equals, Function

SECOND = 1_000_000_000
CPU = {"measurement": "cpu", "field": "usage_active"}


def rules_of(*rules: dict[str, Any], **further: Any) -> Any:
    return parse_rules(json.dumps({"rules": rules, **further}).encode(), "rules.json", BUILT_IN)


def rule(**changes: Any) -> dict[str, Any]:
    whole: dict[str, Any] = {"name": "one", "query": CPU, "warning": {"above": 80}, **changes}
    return {key: value for key, value in whole.items() if value is not None}


def faults_of(*rules: dict[str, Any], **further: Any) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        rules_of(*rules, **further)
    return [str(fault) for fault in caught.value.faults]


def test_the_shipped_rules_are_good_and_cover_what_was_asked_for() -> None:
    """R113 to R116: services, latency and throughput, errors and validation, processor, memory and disk."""
    rules = load_rules(None, BUILT_IN)
    names = {one.name for one in rules.rules}
    assert {"service_health", "probe_slow", "app_throughput_low", "app_error_rate", "app_validation_failures"} <= names
    assert {"host_cpu_high", "host_memory_high", "disk_full", "disk_full_soon"} <= names
    assert all(one.description and one.summary for one in rules.rules)


def test_the_shipped_rules_fit_their_published_schema() -> None:
    """And the schema that is committed is the one that the models make."""
    schema = json.loads(FILE.read_text())
    jsonschema.validate(json.loads(FILE.with_name("alert_thresholds.json").read_text()), schema)
    assert FILE.read_text() == text()


def test_a_rule_is_read_as_it_is_written() -> None:
    """Every word of it."""
    (one,) = rules_of(
        rule(
            query=CPU
            | {"fn": "max", "window": "2m", "where": ["cpu:cpu-total"], "group_by": ["host"], "group_fn": "mean"},
            warning={"at_least": 80, "clear": 70},
            critical={"at_least": 95},
            **{"for": "1m"},
            keep_firing_for="2m",
            no_data="alert",
            interval="30s",
            flapping={"transitions": 4, "window": "10m"},
            labels={"team": "ops"},
            summary="CPU {{ value | unit }}",
            runbook="https://wiki.example/cpu",
        )
    ).rules
    where = AllOf((Equals("cpu", "cpu-total"),))
    assert one.expression == Value(
        Selection("cpu", "usage_active", Function.MAX, 120 * SECOND, None, where, ("host",), "mean")  # type: ignore[arg-type]
    )
    assert one.thresholds == (
        (Severity.WARNING, Threshold(Comparison.AT_LEAST, 80, 70)),
        (Severity.CRITICAL, Threshold(Comparison.AT_LEAST, 95)),
    )
    assert (one.hold_for, one.keep_firing_for, one.interval) == (60 * SECOND, 120 * SECOND, 30 * SECOND)
    assert (one.no_data, one.flapping, one.labels) == (NoData.ALERT, Flapping(4, 600 * SECOND), (("team", "ops"),))


def test_every_expression_is_read() -> None:
    """A ratio, a change against yesterday, a forecast, a quantile."""
    app = {"measurement": "app", "field": "events", "fn": "increase"}
    found = rules_of(
        rule(name="a", query=None, ratio={"part": app | {"field": "errors"}, "whole": app, "least": 20}),
        rule(name="b", query=None, change={"query": app, "against": "last_week", "as": "difference"}),
        rule(name="c", query=None, forecast={"query": CPU, "reaches": 100, "over": "6h"}),
        rule(name="d", query={"measurement": "app", "field": "latency_ms", "q": 0.95}),
    ).rules
    ratio, change, forecast, quantile = (one.expression for one in found)
    assert isinstance(ratio, Ratio)
    assert (ratio.percent, ratio.least) == (True, 20)
    assert isinstance(change, Change)
    assert (change.against, change.percent) == (7 * 86_400 * SECOND, False)
    assert isinstance(forecast, Forecast)
    assert (forecast.reaches, forecast.over) == (100, 6 * 3_600 * SECOND)
    assert isinstance(quantile, Value)
    assert (quantile.of.function, quantile.of.quantile) == (None, 0.95)


def test_yaml_is_read_too_and_a_rule_can_be_switched_off(tmp_path: Path) -> None:
    """The same words; a rule that is not enabled is as if it were not there."""
    file = tmp_path / "rules.yaml"
    file.write_text(
        """
        interval: 30s
        rules:
          - &one
            name: one
            query: {measurement: mem, field: used_percent}
            critical: {above: 97}
          - {<<: *one, name: two, enabled: false}
        """
    )
    rules = load_rules(file, BUILT_IN)
    assert [one.name for one in rules.rules] == ["one"]
    assert rules.interval == 30 * SECOND


def test_a_pushed_measurement_may_not_be_known_yet() -> None:
    """If the rule says so."""
    queue = {"measurement": "queue", "field": "length", "where": ["region:eu"], "group_by": ["service"]}
    assert rules_of(rule(query=queue | {"learned": True})).rules
    assert 'add "learned": true' in faults_of(rule(query=queue))[0]


def test_ten_faults_are_told_at_once_with_line_and_column() -> None:
    """In the order of the file, as its editor shows it."""
    content = b"""{
  "rules": [
    {"name": "Bad Name", "query": {"measurement": "cpu", "field": "usage_active"}, "warning": {"above": 1}},
    {"name": "b", "query": {"measurement": "cpu", "field": "usage_active"}, "warning": {"above": 1, "clear": 2}},
    {"name": "c", "query": {"measurement": "cpu", "field": "usage_active"}, "warning": {"over": 1}},
    {"name": "d", "query": {"measurement": "cpu", "field": "usage_active"}},
    {"name": "e", "query": {"measurement": "cpu", "field": "usage_active", "fn": "median"}, "warning": {"above": 1}},
    {"name": "f", "query": {"measurement": "cpu", "field": "usage_active"}, "warning": {"above": 1}, "for": "5"},
    {"name": "g", "query": {"measurement": "mem", "field": "used"}, "warning": {"above": 1}, "summary": "{{vlaue}}"},
    {"name": "h", "query": {"measurement": "cpu", "field": "usage_active"}, "warning": {"above": 1}, "runbook": "ftp://x"},
    {"name": "i", "warning": {"above": 1}},
    {"name": "j", "query": {"measurement": "cpu", "field": "usage_active"}, "warning": {"above": 1}, "sevrity": "x"}
  ]
}"""
    with pytest.raises(ConfigurationError) as caught:
        parse_rules(content, "rules.json", BUILT_IN)
    faults = caught.value.faults
    assert sorted({fault.line for fault in faults}) == list(range(3, 13))  # type: ignore[type-var]
    assert all(fault.column and fault.source == "rules.json" for fault in faults)
    assert "did you mean value" in str(faults)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"query": {"measurement": "cqu", "field": "usage_active"}},
            "there is no measurement 'cqu' (did you mean `cpu`?)",
        ),
        ({"query": CPU | {"field": "usage_activ"}}, "cpu has no field 'usage_activ' (did you mean `usage_active`?)"),
        ({"query": {"measurement": "probe", "field": "message"}}, "message is text, which has no threshold"),
        ({"query": {"measurement": "probe", "field": "state"}}, "a state has no mean"),
        ({"query": CPU | {"where": ["hots:a"]}}, "cpu has no tag 'hots'"),
        ({"query": CPU | {"where": ["host~:("]}}, "is no pattern that can be searched for"),
        ({"query": CPU | {"group_by": ["hots"]}}, "cpu has no tag 'hots' (did you mean `host`?)"),
        ({"query": CPU | {"fn": "max", "q": 0.5}}, "fn and q stand together"),
        ({"warning": {"above": 80, "clear": 81}}, "clear 81 is on the wrong side of above 80"),
        ({"warning": {"below": 10, "clear": 9}}, "clear 9 is on the wrong side of below 10"),
        ({"warning": {"at_least": 1, "clear": 1}}, "clear 1 is on the wrong side of at_least 1"),
        ({"warning": {"above": 1, "below": 0}}, "above and below stand together"),
        ({"warning": {"clear": 1}}, "a threshold has no limit"),
        ({"warning": None}, "the rule has no threshold"),
        ({"critical": {"above": 70}}, "critical at 70 is milder than warning at 80"),
        ({"critical": {"below": 70}}, "warning and critical look in different directions"),
        ({"for": "10s"}, "`for` 10s is shorter than the interval, 15s"),
        ({"keep_firing_for": "1s"}, "`keep_firing_for` 1s is shorter than the interval, 15s"),
        ({"interval": "20s"}, "an interval of 20s is no multiple of the file's, 15s"),
        ({"flapping": {"transitions": 4, "window": "20s"}}, "in 20s nothing can open and close"),
        ({"depends_on": ["tow"]}, "there is no rule 'tow'"),
        ({"depends_on": ["one"]}, "the rule 'one' depends on itself"),
        ({"name": "source_blind"}, "source_blind is OpsWatch's own rule"),
        ({"query": CPU | {"window": "365d"}}, "a window of 365d is too long (at most 31d)"),
        ({"query": CPU | {"window": "30d"}}, "30d would be read every 15s (give the rule an interval of 519s or more)"),
        ({"query": None}, "the rule looks at nothing"),
        ({"ratio": {"part": CPU, "whole": CPU}}, "query and ratio stand together"),
        ({"query": None, "ratio": {"part": CPU, "whole": CPU | {"group_by": ["host"]}}}, "are grouped otherwise"),
        ({"query": None, "forecast": {"query": CPU, "reaches": 1, "over": "1m"}}, "a slope cannot be taken over 1m"),
        ({"query": None, "forecast": {"query": CPU | {"q": 0.5}, "reaches": 1, "over": "6h"}}, "made of means"),
        ({"labels": {f"l{number}": "x" for number in range(51)}}, "there are 51 labels"),
        ({"summary": "{% for x in tags %}{% endfor %}"}, "a template cannot hold a loop"),
        ({"no_data": "explode"}, "'explode' cannot stand here"),
        ({"warning": {"above": "90"}}, "stands where a number is expected"),
    ],
)
def test_what_is_wrong_is_told_with_the_way_out(changes: dict[str, Any], words: str) -> None:
    """The field, the value, the near miss."""
    assert any(words in fault for fault in faults_of(rule(**changes))), faults_of(rule(**changes))


def test_two_rules_of_one_name_are_told_with_the_place_of_the_first() -> None:
    """A name is an identity."""
    assert "stands twice; first as rules[0]" in faults_of(rule(), rule())[0]


def test_a_circle_of_dependencies_is_told_at_each_of_its_rules() -> None:
    """None of them explains the other."""
    found = faults_of(rule(name="a", depends_on=["b"]), rule(name="b", depends_on=["a"]))
    assert len(found) == 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[]", "the file must hold a mapping"),
        (b"{", "the file ends where"),
        (b"\xff", "is not UTF-8"),
        (b'{"rules": 3}', "stands where a list is expected"),
        (b'{"version": 2}', "cannot stand here"),
        (b'{"interval": "1ms"}', "rules cannot be looked at every 1ms"),
        (b'{"lag": "1h"}', "a lag of 1h is too long"),
        (b"x" * 2_000_000, "at most 1,048,576 are read"),
    ],
)
def test_a_file_of_another_form_is_refused(content: bytes, words: str) -> None:
    """With what it should be."""
    with pytest.raises(ConfigurationError, match=words):
        parse_rules(content, "rules.json", BUILT_IN)


def test_no_rules_at_all_are_rules(tmp_path: Path) -> None:
    """An empty file watches nothing, which somebody may want; a missing one is told."""
    (tmp_path / "empty.json").write_text("{}")
    assert load_rules(tmp_path / "empty.json", BUILT_IN).rules == ()
    with pytest.raises(ConfigurationError, match=r"missing\.json"):
        load_rules(tmp_path / "missing.json", BUILT_IN)
