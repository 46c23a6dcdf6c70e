"""Templates of summaries: they say what they should, and whatever is written in them ends and stays small."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.template import MAX_RESULT, MAX_TEMPLATE, SummaryContext, check, in_words, render, tags_of, with_unit


def context(value: float | None = 91.2, unit: str = "percent", **tags: str) -> SummaryContext:
    return SummaryContext("host_cpu_high", "critical", value, unit, "why", tags, {"team": "shop"})


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("CPU of {{ tags.host }} is at {{ value | unit }}", "CPU of web-1 is at 91.2 %"),
        ("{% if severity == 'critical' %}now{% else %}soon{% endif %}", "now"),
        ("{{ tags['host'] | upper }} {{ labels.team }}", "WEB-1 shop"),
        ("{{ tags.rack | default('no rack') }}", "no rack"),
        ("{{ tags.rack }}.", "."),
        ("{{ tags.items }}{{ tags.keys }}", "tag called items"),
        ("{{ value | round(1) }} and {{ 100 - value }}", "91.2 and 8.8"),
        ("{{ tags.host | truncate(3) }}", "we…"),
        ("{{ value | duration }}", "1.5 m"),
        ("{{ value }}", "91.2"),
    ],
)
def test_it_says_what_it_should(template: str, expected: str) -> None:
    """Names, choices and values in the units of their fields."""
    tags = {"host": "web-1", **({"items": "tag called items"} if "items" in template else {})}

    assert check(template) is None
    assert render(template, context(**tags)) == expected


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{% for x in tags %}{{ x }}{% endfor %}", "a loop"),
        ("{{ range(10 ** 9) }}", "cannot hold"),
        ("{{ rule.upper() }}", "a call"),
        ("{{ 'x' * 1000000000 }}", "a multiplication"),
        ("{{ 9 ** 9 ** 9 }}", "a power"),
        ("{% set x = 1 %}", "an assignment"),
        ("{% include 'secret' %}", "include"),
        ("{% macro m() %}{% endmacro %}", "macro"),
        ("{{ rule.__class__ }}", "only tags and labels"),
        ("{{ tags.host.__class__ }}", "only tags and labels"),
        ("{{ tags[rule] }}", "a name in quotes"),
        ("{{ tasg.host }}", "did you mean tags"),
        ("{{ value | unt }}", "did you mean unit"),
        ("{{ value | replace('a', 'aaaa') }}", "knows no filter"),
        ("{{ value / 0 }}", "fails"),
        ("{{ tags.host - 1 }}", "fails"),
        ("{{", "cannot be read"),
        ("x" * (MAX_TEMPLATE + 1), "at most 1,000 characters"),
        ("{{ " + "(" * 400 + "1" + ")" * 400 + " }}", "cannot be read"),
        ("{{ " + "not " * 200 + "value }}", "nested more than 20 deep"),
        ("{{ " + "-" * 300 + "value }}", "nested more than 20 deep"),
        ("{{ value" + "|upper" * 120 + " }}", "nested more than 20 deep"),
        ("{% if value %}" * 30 + "{% endif %}" * 30, "nested more than 20 deep"),
        ("{{ 1e999 | unit }}", "too large"),
        ("{{ tags }}", "write tags.NAME"),
        ("{% if labels == 1 %}x{% endif %}", "write labels.NAME"),
        ("{{ tags[0] }}", "a name in quotes"),
    ],
)
def test_what_could_fail_or_never_end_is_refused_with_its_reason(template: str, words: str) -> None:
    """It is told what it is, and the near miss where there is one."""
    assert words in (check(template) or "")


def test_hostile_tags_stay_text_on_one_line() -> None:
    """Newlines, escapes and markup are what they are; braces in a tag are no template."""
    text = render("{{ tags.host }}", context(host="a\r\nBcc: x\x1b[2J {{ 7 + 7 }} <b>"))

    assert text == "a Bcc: x [2J {{ 7 + 7 }} <b>"


def test_what_is_too_long_is_cut() -> None:
    """A summary is one line that people read."""
    assert len(render("{{ tags.host }}", context(host="x" * 10_000))) == MAX_RESULT


@pytest.mark.parametrize("template", ["{{ " + "not " * 200 + "value }}", "{{ 1e999 | unit }}", "{{", "{{ nobody() }}"])
def test_even_a_template_that_nobody_checked_raises_nothing(template: str) -> None:
    """An alert is told whatever became of its template: Python's own compiler refuses some."""
    assert render(template, context()).startswith("host_cpu_high: its summary failed")


def test_it_says_which_tags_a_template_names() -> None:
    """So that one can be told that no alert of the rule has them."""
    assert tags_of("{{ tags.host }} {{ tags['k8s.pod'] | default('') }} {{ labels.team }}") == {"host", "k8s.pod"}


def test_a_template_that_fails_at_the_moment_says_so() -> None:
    """Where there is no value, nothing can be subtracted from it; the alert is told nevertheless."""
    assert render("now {{ value }}", context(None)) == "now no value"
    assert render("{{ value - 1 }}", context(None)) == "host_cpu_high: its summary failed (TypeError)"


@given(st.text(alphabet="{}%| .'()[]*+-abtagsvalueunitxif=\"0123456789_~,", max_size=120))
def test_whatever_is_written_is_refused_or_rendered(template: str) -> None:
    """No exception, never more than the cap, one line."""
    if check(template) is None:
        text = render(template, context(host="h"))
        assert len(text) <= MAX_RESULT
        assert "\n" not in text


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (0.5, "percent", "0.5 %"),
        (1536, "bytes", "1.5 kiB"),
        (5 * 1024**3, "bytes", "5 GiB"),
        (340, "ms", "340 ms"),
        (65_000, "ms", "1.1 m"),
        (7_200, "s", "2 h"),
        (21, "days", "21 days"),
        (3, "1", "3"),
        (0, "state", "down"),
        (1.5, "state", "1.5"),  # a mean of states is none
        (1_234_567, "1", "1,234,567"),
        (None, "percent", "no value"),
        (1e300, "1", "1e+300"),
    ],
)
def test_units_are_written_as_people_read_them(value: float | None, unit: str, expected: str) -> None:
    """The registry's units."""
    assert with_unit(value, unit) == expected


@pytest.mark.parametrize(("seconds", "expected"), [(40, "40 s"), (90, "1.5 m"), (12_600, "3.5 h"), (-172_800, "-2 d")])
def test_seconds_in_words(seconds: float, expected: str) -> None:
    """The largest unit that fits."""
    assert in_words(seconds) == expected
