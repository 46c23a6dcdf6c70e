"""Files of rules: read as they are meant, and every fault at once with line, column and the way out."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerting.rules import Change, Comparison, Flapping, Forecast, NoData, Ratio, Selection, Severity, Threshold, Value
from opswatch.rules_file import load_rules, parse_rules
from opswatch.rules_schema import FILE, text
from telemetry.errors import ConfigurationError, Fault
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
        rule(name="c", query=None, forecast={"query": CPU, "reaches": 100, "over": "6h"}, warning={"below": 24}),
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
        ({"query": CPU | {"where": ["host~:("]}}, "is not a regular expression of RE2: missing )"),
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
        ({"depends_on": ["one"]}, "in a ring: one → one"),
        ({"name": "source_blind"}, "source_blind is OpsWatch's own rule"),
        ({"query": CPU | {"window": "365d"}}, "a window of 365d is too long (at most 31d)"),
        ({"query": CPU | {"window": "30d"}}, "30d would be read every 15s (give the rule an interval of 525s or more)"),
        ({"query": None}, "the rule looks at nothing"),
        ({"ratio": {"part": CPU, "whole": CPU}}, "query and ratio stand together"),
        ({"query": None, "ratio": {"part": CPU, "whole": CPU | {"group_by": ["host"]}}}, "are grouped otherwise"),
        ({"query": None, "forecast": {"query": CPU, "reaches": 1, "over": "1m"}}, "a slope cannot be taken over 1m"),
        ({"query": None, "forecast": {"query": CPU | {"q": 0.5}, "reaches": 1, "over": "6h"}}, "made of means"),
        ({"labels": {f"l{number}": "x" for number in range(51)}}, "there are 51 labels"),
        ({"summary": "{% for x in tags %}{% endfor %}"}, "a template cannot hold a loop"),
        ({"summary": "{{ tags.hots }}"}, "no alert of this rule has the tag 'hots' (did you mean `host`?)"),
        ({"query": CPU | {"group_by": ["host"]}, "summary": "{{ tags.cpu }}"}, "has the tag 'cpu' (there are host)"),
        ({"critical": {"above": 80}}, "warning and critical are both at 80: a warning never shows"),
        ({"query": None, "forecast": {"query": CPU, "reaches": 1, "over": "6h"}}, "in hours, of which fewer are worse"),
        (
            {"query": None, "forecast": {"query": CPU | {"fn": "max"}, "reaches": 1, "over": "6h"}},
            "a forecast is made of means, not of max",
        ),
        (
            {"query": None, "forecast": {"query": CPU | {"window": "5m"}, "reaches": 1, "over": "6h"}},
            "a forecast has no window of its own",
        ),
        (
            {
                "query": None,
                "ratio": {
                    "part": {"measurement": "app_errors", "field": "errors"},
                    "whole": {"measurement": "app", "field": "events"},
                },
            },
            "series of app_errors and of app have other tags: they do not meet",
        ),
        ({"query": CPU | {"group_fn": "max"}}, "group_fn without group_by has nothing to put together"),
        ({"query": CPU | {"q": 0.5, "group_by": ["host"], "group_fn": "max"}}, "are taken together for q"),
        ({"query": CPU | {"q": "0.5"}}, "'0.5' stands where a number is expected"),
        ({"query": CPU | {"fn": "median"}}, "'median' cannot stand here (write 'min', 'max'"),
        ({"query": CPU | {"group_by": ["host", "host"]}}, "the tag 'host' stands twice"),
        ({"query": {"measurement": "app", "field": "latency_ms"}}, "is a histogram, which has quantiles only"),
        ({"query": {"measurement": "_x", "field": "y", "learned": True}}, "'_x' cannot be a name"),
        ({"query": {"measurement": "app", "field": "y", "learned": True, "where": ["x:1"]}}, "app has no tag 'x'"),
        ({"query": {"measurement": "", "field": "y"}}, "the name is empty"),
        (
            {"flapping": {"transitions": 6, "window": "30m"}, "for": "5m", "keep_firing_for": "5m"},
            "more than 6 openings and closings do not fit into 30m",
        ),
        ({"for_": "5m"}, "unknown key 'for_' (did you mean `for`?)"),
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


def test_a_circle_of_dependencies_is_told_with_the_way_around_it() -> None:
    """None of them explains the other."""
    (found,) = faults_of(rule(name="a", depends_on=["b"]), rule(name="b", depends_on=["a"]))
    assert "rules[1].depends_on[0]: rules depend on each other in a ring: a → b → a" in found


def test_a_long_chain_of_dependencies_is_no_circle() -> None:
    """Three thousand rules, each needing the next, are read without recursion and in time that grows with them."""
    chain = [rule(name=f"r{number}", depends_on=[f"r{number + 1}"]) for number in range(3_000)]
    assert len(rules_of(*chain, rule(name="r3000")).rules) == 3_001


def test_faults_of_form_hide_no_other_faults() -> None:
    """One bad word in the first rule, and what is wrong between and within the others is told all the same."""
    found = faults_of(
        rule(name="Bad Name", runbook="ftp://x"),
        rule(name="b", query=CPU | {"fn": "median", "where": ["hots:a"], "group_by": ["hots"]}, interval="7s"),
        rule(name="b", query={"measurement": "cqu", "field": "x"}, warning={"above": 1, "clear": 2}),
        rule(name="c", **{"for": "5"}, critical={"above": 1}, depends_on=["nobody"], summary="{{ tags.hots }}"),
        rule(name="d", ratio={"part": CPU, "whole": 5}, colour="red"),
        {"name": "e"},
        7,  # type: ignore[arg-type]
    )
    assert [fault.split(": ")[1] for fault in found] == [
        "rules[0].name",
        "rules[0].runbook",
        "rules[1].query.fn",
        "rules[1].query.where[0]",
        "rules[1].query.group_by[0]",
        "rules[1].interval",
        "rules[2].name",
        "rules[2].query.measurement",
        "rules[2].warning.clear",
        "rules[3].for",
        "rules[3].critical",
        "rules[3].depends_on[0]",
        "rules[3].summary",
        "rules[4]",
        "rules[4].ratio.whole",
        "rules[4].colour",
        "rules[5]",
        "rules[5]",
        "rules[6]",
    ]


@pytest.mark.parametrize(
    "broken",
    [
        {"interval": "soon", "query": CPU | {"window": "30d"}},
        {"query": {"measurement": "probe", "field": "state", "fn": "median"}},
        {"query": {"measurement": "probe", "fn": "last"}},
        {"warning": {"over": 80}},
        {"warning": 80},
        {"query": 5},
        {"query": None, "ratio": {"part": CPU | {"group_by": "host"}, "whole": CPU | {"group_by": ["host"]}}},
        {"query": None, "forecast": {"query": CPU, "reaches": "x", "over": "6h"}, "warning": {"below": 1}},
        {"query": None, "forecast": {"query": CPU, "reaches": 1, "over": "6"}, "warning": {"below": 1}},
        {
            "query": None,
            "forecast": {"query": CPU | {"fn": "median"}, "reaches": 1, "over": "6h"},
            "warning": {"below": 1},
        },
        {"name": None, "depends_on": []},
        {"flapping": {"transitions": 6}},
        {"flapping": {"window": "1h", "transitions": "many"}},
        {"depends_on": "two"},
    ],
)
def test_one_mistake_is_told_once(broken: dict[str, Any]) -> None:
    """What cannot be read brings no second fault that is none."""
    assert len(faults_of(rule(**broken))) == 1
    assert len(faults_of(rule(), interval="soon")) == 1


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(
        [0, -1, 1e308, float("nan"), 10**400, "", "x", "5m", "0s", "36500d", "{{", "last", "\x00", "é" * 3_000]
    ),
    st.sampled_from([[], [1], ["host"], [None], {}, {"a": 1}, {"above": 1}, {"": 0}, [[]]]),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from places(inner, (*path, key))


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_whatever_stands_anywhere_in_a_file_is_read_or_told_with_its_place(data: st.DataObject) -> None:
    """No value in no place makes the reader raise anything but faults, and each of these has a line."""
    document = json.loads(FILE.with_name("alert_thresholds.json").read_text())
    document["rules"] = [data.draw(st.sampled_from(document["rules"])) for _ in range(2)]
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(list(places(document))))
        owner = document
        for key in path[:-1]:
            owner = owner[key]
        owner[path[-1]] = data.draw(JUNK)
    faults: tuple[Fault, ...] = ()
    try:
        parse_rules(json.dumps(document).encode(), "rules.json", BUILT_IN)
    except ConfigurationError as error:
        faults = error.faults
    assert all(fault.line and fault.column for fault in faults)
    assert not any("Input should" in fault.message for fault in faults)


def test_json_and_yaml_mean_the_same_and_keep_whole_characters() -> None:
    """Tabs, escaped slashes and a character in two escaped halves, as JSON has them."""
    text = json.dumps({"rules": [rule(description="\U0001f600", runbook="https://x.example/y")]}, indent="\t")
    (one,) = parse_rules(text.replace("/y", "\\/y").encode(), "rules.json", BUILT_IN).rules
    assert (one.description, one.runbook) == ("\U0001f600", "https://x.example/y")
    assert "half a character" in faults_of(rule(labels={"team": "\ud800"}))[0]
    assert "half a character" in faults_of(rule(query=CPU | {"where": ["host~:\ud800"]}))[0]
    with pytest.raises(ConfigurationError, match="the key 'version' stands twice; first in line 1"):
        parse_rules(b'{"version": 1, "version": 1}', "rules.json", BUILT_IN)


def test_twenty_thousand_rules_are_read_and_no_more() -> None:
    """They are more than a configuration may hold, and they are JSON that a program wrote."""
    rules = [rule(name=f"r{number}") for number in range(20_001)]
    assert len(rules_of(*rules[:20_000]).rules) == 20_000
    with pytest.raises(ConfigurationError, match="at most 20,000 rules"):
        rules_of(*rules)


def test_what_is_pushed_needs_the_word_learned_even_while_it_is_known() -> None:
    """Else the file is good until the day on which it is read before the first point."""
    registry = BUILT_IN.learning()
    registry.learn("queue", ["service"], ["length"])
    registry.learn("app", ["service"], ["retries"])
    for query in ({"measurement": "queue", "field": "length"}, {"measurement": "app", "field": "retries"}):
        content = json.dumps({"rules": [rule(query=query)]}).encode()
        with pytest.raises(ConfigurationError, match='add "learned": true'):
            parse_rules(content, "rules.json", registry)
        assert rules_of(rule(query=query | {"learned": True})).rules


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
        (b"x" * 2_000_000, "stands where a mapping|must hold a mapping"),
    ],
)
def test_a_file_of_another_form_is_refused(content: bytes, words: str) -> None:
    """With what it should be."""
    with pytest.raises(ConfigurationError, match=words):
        parse_rules(content, "rules.json", BUILT_IN)


def test_a_key_with_nothing_behind_it_is_no_key() -> None:
    """People comment out what stands below it."""
    text = b"rules:\n- name: one\n  query: {measurement: cpu, field: usage_active}\n  warning: {above: 1}\n  labels:\n"
    assert parse_rules(text, "rules.yaml", BUILT_IN).rules[0].labels == ()


def test_no_rules_at_all_are_rules(tmp_path: Path) -> None:
    """An empty file watches nothing, which somebody may want; a missing one is told."""
    (tmp_path / "empty.json").write_text("{}")
    assert load_rules(tmp_path / "empty.json", BUILT_IN).rules == ()
    with pytest.raises(ConfigurationError, match=r"missing\.json"):
        load_rules(tmp_path / "missing.json", BUILT_IN)
