"""`opswatch rules test`: series in a small notation, a timeline that is held against what the rule does."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from alerting.notation import NotationError, parse_samples, parse_series, write_samples, write_series
from opswatch.cli.main import app
from opswatch.rule_test_file import load_tests
from opswatch.rules_file import load_rules
from telemetry.errors import ConfigurationError
from telemetry.measurements import BUILT_IN
from telemetry.points import canonical_tags
from telemetry.series import Series

GOOD = """
version: 1
tests:
  - name: a processor that stays busy fires after ten minutes
    rule: host_cpu_high
    series:
      'cpu{cpu="cpu-total",host="web-1"} usage_active': 50x10 99x30 50x20
      'cpu{cpu="cpu-total",host="web-2"} usage_active': 50x60
    timeline:
      - {at: 10m, alerts: []}
      - {at: 18m, alerts: [{tags: {host: web-1}, status: pending}]}
      - {at: 35m, alerts: [{tags: {host: web-1}, status: firing, severity: critical}]}
      - {at: 55m, alerts: []}
  - name: a processor that is busy for a moment does not
    rule: host_cpu_high
    series: {'cpu{cpu="cpu-total",host="web-1"} usage_active': "50x10 99x6 50x10"}
    timeline:
      - {at: 20m, alerts: []}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the command runs, far from any configuration."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_good_tests_pass_and_are_reported_for_continuous_integration(folder: Path) -> None:
    """Exit code 0, a line for each, and JUnit's XML."""
    (folder / "t.yaml").write_text(GOOD)
    ran = CliRunner().invoke(app, ["rules", "test", "t.yaml", "--junit", "out.xml"])
    suite = ET.fromstring((folder / "out.xml").read_text())
    assert ran.exit_code == 0, ran.output
    assert "2 passed, 0 failed" in ran.output
    assert (suite.get("tests"), suite.get("failures")) == ("2", "0")


def test_what_is_otherwise_is_told_and_the_exit_code_is_1(folder: Path) -> None:
    """When, which tag set, what was expected, what it is, and the value that made it so."""
    (folder / "t.yaml").write_text(GOOD.replace("status: pending", "status: firing, severity: warning"))
    ran = CliRunner().invoke(app, ["rules", "test", "t.yaml", "--junit", "out.xml"])
    failure = ET.fromstring((folder / "out.xml").read_text()).find("testcase/failure")
    assert ran.exit_code == 1
    assert "at 18m: {host=web-1} should be firing warning, and is pending at 99" in ran.output
    assert failure is not None
    assert "should be firing" in str(failure.get("message"))


def test_a_fault_in_the_rule_under_test_is_noticed(folder: Path) -> None:
    """The file of rules that is tested may be another than the one in force."""
    (folder / "t.yaml").write_text(GOOD)
    (folder / "rules.yaml").write_text(
        "rules: [{name: host_cpu_high, query: {measurement: cpu, field: usage_active, group_by: [host]}, "
        "critical: {above: 98}}]"
    )
    ran = CliRunner().invoke(app, ["rules", "test", "t.yaml", "--rules", "rules.yaml"])
    assert ran.exit_code == 1
    assert "at 18m: {host=web-1} should be pending, and is firing critical" in ran.output


def test_every_fault_of_a_file_is_told_with_its_place(folder: Path) -> None:
    """Rules that are not there, series that cannot be read, instants at which nothing is looked at."""
    (folder / "t.yaml").write_text(
        GOOD.replace("rule: host_cpu_high", "rule: host_cpu_hihg", 1)
        .replace("99x6", "99xx6")
        .replace("at: 20m", "at: 20500ms")
        .replace("status: pending", "status: glowing")
    )
    with pytest.raises(ConfigurationError) as caught:
        load_tests(folder / "t.yaml", load_rules(None, BUILT_IN))
    assert [fault.line for fault in caught.value.faults] == [11]
    (folder / "t.yaml").write_text(
        GOOD.replace("rule: host_cpu_high", "rule: host_cpu_hihg", 1)
        .replace("99x6", "99xx6")
        .replace("at: 20m", "at: 20500ms")
    )
    with pytest.raises(ConfigurationError) as caught:
        load_tests(folder / "t.yaml", load_rules(None, BUILT_IN))
    assert [fault.line for fault in caught.value.faults] == [5, 16, 18]
    assert "did you mean `host_cpu_high`?" in str(caught.value)


def test_a_pushed_measurement_can_be_tested(folder: Path) -> None:
    """The series of the test say what it looks like."""
    (folder / "rules.yaml").write_text(
        "rules: [{name: queue, query: {measurement: queue, field: length, fn: last, learned: true, "
        "group_by: [service]}, warning: {above: 10}, no_data: alert}]"
    )
    (folder / "t.yaml").write_text(
        "tests: [{name: a queue, rule: queue, series: {'queue{service=\"shop\"} length': '1x5 20x5 _x10'}, timeline: "
        "[{at: 4m, alerts: []}, {at: 9m, alerts: [{tags: {service: shop}, status: firing, severity: warning}]}, "
        "{at: 20m, alerts: [{tags: {service: shop}, status: firing}]}]}]"
    )
    ran = CliRunner().invoke(app, ["rules", "test", "t.yaml", "--rules", "rules.yaml"])
    assert ran.exit_code == 0, ran.output


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1", [1]),
        ("50x3", [50, 50, 50]),
        ("98+0.1x4", [98, 98.1, 98.2, 98.3]),
        ("5-1x3 _ 7", [5, 4, 3, None, 7]),
        ("_x2 -1.5e3", [None, None, -1500]),
        ("", []),
    ],
)
def test_samples_are_read_as_they_are_meant(text: str, values: list[float | None]) -> None:
    """Repeats, growth, gaps."""
    assert parse_samples(text) == values


@pytest.mark.parametrize("text", ["x5", "1x", "1+x3", "one", "1,2", "1x999999999", "9e999", "1+2"])
def test_samples_that_mean_nothing_are_quoted(text: str) -> None:
    """With how they are written."""
    with pytest.raises(NotationError, match=text.replace("+", r"\+")):
        parse_samples(text)


@pytest.mark.parametrize(
    "text", ["cpu", "cpu{host=a} usage", 'cpu{host="a",host="b"} usage', 'cpu{host="a" usage', "{} x"]
)
def test_series_that_mean_nothing_are_quoted(text: str) -> None:
    """With how they are written."""
    with pytest.raises(NotationError):
        parse_series(text)


@given(st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False, width=32), max_size=30))
def test_what_is_written_reads_back(values: list[float | None]) -> None:
    """To the last digit that people see."""
    found = parse_samples(write_samples(values))
    assert [None if value is None else pytest.approx(value, rel=1e-11) for value in values] == found


@given(
    st.dictionaries(
        st.text("abc_-.", min_size=1, max_size=5),
        st.text(max_size=20).filter(lambda text: text.isprintable()),
        max_size=4,
    )
)
def test_a_series_is_named_so_that_its_name_reads_back(tags: dict[str, str]) -> None:
    """Whatever stands in its tags."""
    series = Series("cpu", canonical_tags(tags), "usage_active")
    assert parse_series(write_series(series)) == series


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (
            "      - {at: 20m, alerts: []}",
            "      - {at: 20m, alerts: []}\n      - {at: 20m, alerts: []}",
            "stands twice",
        ),
        ("    timeline:\n      - {at: 20m, alerts: []}", "    timeline: []", "timeline"),
    ],
)
def test_a_test_that_would_pass_unseen_is_refused(folder: Path, before: str, after: str, words: str) -> None:
    """Of two states at one instant only one would be looked at; without any, nothing would."""
    (folder / "t.yaml").write_text(GOOD.replace(before, after))
    ran = CliRunner().invoke(app, ["rules", "test", "t.yaml"])
    assert ran.exit_code != 0
    assert words in (ran.output + str(ran.exception))
