"""The user's own body of a webhook: it says what they want, and whatever is written in it ends and stays small."""

import json
from pathlib import Path
from time import perf_counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerting.message_template import MAX_BODY, MAX_TEMPLATE, check_body, templated
from tests.alerting.notices import digest, notice, told

LISTING = """{"summary": {{ title | json }}, "incidents": [
{% for one in incidents %}
  {"what": {{ one.summary | json }}, "value": {{ one.value | json }}, "facts": [
    {% for label in one.labels %}{"name": {{ label.name | json }}, "value": {{ label.value | json }}}
    {% if not loop.last %},{% endif %}{% endfor %}
  ]}{% if not loop.last %},{% endif %}
{% endfor %}
]}"""


def test_a_loop_within_a_loop_makes_json() -> None:
    """Incidents and their labels, of one, of fifty, of none."""
    assert check_body(LISTING, "application/json") is None
    assert json.loads(templated(LISTING, notice(told(summary='"\\\n'))))["incidents"] == [
        {
            "what": '"\\',
            "value": 1240.0,
            "facts": [
                {"name": "host", "value": "web-1"},
                {"name": "path", "value": "/pay"},
                {"name": "service", "value": "checkout"},
                {"name": "severity", "value": "critical"},
            ],
        }
    ]
    assert len(json.loads(templated(LISTING, digest()))["incidents"]) == 50
    assert json.loads(templated(LISTING, notice()))["incidents"] == []


@pytest.mark.parametrize(
    ("template", "made"),
    [
        ("{{ status }} {{ counts.firing }}", "firing 1"),
        ("{{ links.page }}", "https://ops.example/alerts"),
        ("{% if severity == 'critical' %}P1{% else %}P3{% endif %}", "P1"),
        ("{% for one in incidents %}{{ one.labels.host }}{{ one.labels.rack | default('-') }}{% endfor %}", "web-1-"),
        ("{% for one in incidents %}{{ one.labels['path'] }}{% endfor %}", "/pay"),
        ("{% for one in incidents %}{{ one.resolved }}{{ one.flapping }}{% endfor %}", "false"),
        ("{% for one in incidents %}{{ one.labels.rack | json }}{% endfor %}", "null"),
        ("{{ counts | json }}", '{"firing": 1, "resolved": 0, "critical": 1, "warning": 0, "left_out": 0}'),
        ("{% for one in incidents %}{{ one.labels.items }}{{ one.labels.keys }}{% endfor %}", "things"),
    ],
)
def test_it_says_what_it_should(template: str, made: str) -> None:
    """By the names of our own JSON."""
    labels = (("host", "web-1"), ("items", "things"), ("path", "/pay"))

    assert check_body(template) is None
    assert templated(template, notice(told(labels=labels))) == made


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{{ titel }}", "did you mean title"),
        ("{% for one in incidents %}{{ one.sumary }}{% endfor %}", "did you mean summary"),
        ("{{ incidents }}", "more than one thing"),
        ("{{ incidents | json | truncate }}", "more than one thing"),
        ("{% if incidents | json %}{% endif %}", "more than one thing"),
        ("{% for one in title %}{% endfor %}", "goes through incidents, labels or group"),
        ("{% for one in incidents if one.value %}{% endfor %}", "without recursion, condition"),
        ("{% for one in incidents recursive %}{% endfor %}", "without recursion, condition"),
        ("{% for title in incidents %}{% endfor %}", "take another"),
        ("{% for x in range(10 ** 9) %}{% endfor %}", "is a name"),
        ("{{ title.upper() }}", "a call"),
        ("{{ 'x' * 1000000000 }}", "a multiplication"),
        ("{{ 9 ** 9 ** 9 }}", "a power"),
        ("{% set x = 1 %}", "an assignment"),
        ("{% include 'secret' %}", "include"),
        ("{{ title.__class__ }}", "has nothing called __class__"),
        ("{{ incidents.__class__ }}", "has nothing called __class__"),
        ("{{ links[title] }}", "a name in quotes"),
        ("{{ title | jsn }}", "did you mean json"),
        ("{{ attempt / 0 }}", "fails"),
        ("{{", "cannot be read"),
        ("x" * (MAX_TEMPLATE + 1), "at most 10,000 characters"),
        ("{{ " + "(" * 400 + "1" + ")" * 400 + " }}", "cannot be read"),
        ("{{ " + "not " * 200 + "title }}", "nested more than 20 deep"),
        ("{{ " + "9" * 5000 + " }}", "too large"),
    ],
)
def test_what_is_wrong_is_said(template: str, words: str) -> None:
    """Before it is used, and when it is used all the same."""
    assert words in str(check_body(template))
    with pytest.raises(ValueError, match=r"."):
        templated(template, notice(told()))


@pytest.mark.parametrize(
    "template",
    [
        '{"title": "{{ title }}", "note": "{{ note }}"}',
        '{"title": {{ title }}}',
        '[{% for one in incidents %}{{ one.summary | json }},{% endfor %} ""',
        "[{% for one in incidents %}{{ one.summary | json }}{% endfor %}]",
    ],
)
def test_what_is_no_json_is_refused_where_json_is_said(template: str) -> None:
    """Quotes within quotes, a comma too few: when it is written, not at night."""
    assert "no JSON" in str(check_body(template, "application/json; charset=utf-8"))
    assert check_body(template, "text/plain") is None


TWICE = "{% for a in incidents %}{% for b in incidents %}", "{% endfor %}{% endfor %}"


@pytest.mark.parametrize(
    ("inside", "words"),
    [
        ("{% for c in incidents %}x{% endfor %}", "goes through too much"),
        ("{{ incidents | json }}", "larger than 64 KiB"),
        ("x" * 2_000, "larger than 64 KiB"),
    ],
)
def test_what_runs_away_is_stopped(inside: str, words: str) -> None:
    """In work and in size."""
    started = perf_counter()

    with pytest.raises(ValueError, match=words):
        templated(inside.join(TWICE), digest())
    assert perf_counter() - started < 2


def test_the_costliest_template_ends_soon() -> None:
    """As many long texts as fit are put together and compared, as often as is allowed."""
    inside = "{% if " + " ~ ".join(["text"] * 1_300) + " == '' %}{% endif %}"
    started = perf_counter()

    with pytest.raises(ValueError, match="goes through too much"):
        templated(inside.join(TWICE), digest())
    assert perf_counter() - started < 5


PIECES = st.lists(
    st.sampled_from(
        ["{{ title }}", "{% for a in incidents %}", "{% endfor %}", "{{ a.summary | json }}", "{% for b in a.labels %}",
         "{{ b.name }}", "{% if status %}", "{% endif %}", "{{ loop.last }}", "{{ a }}", "{{ incidents | json }}", "\n",
         "{{ counts.firing - 1 }}", "{% else %}", "{{ a.labels.x ~ title }}", "{{ created | upper | truncate(3) }}"]
    ),
    max_size=12,
)  # fmt: skip


@given(PIECES.map("".join) | st.text(max_size=60))
@settings(deadline=None)
def test_whatever_is_written_it_makes_a_small_body_or_says_why_not(template: str) -> None:
    """A ValueError with words, and nothing else."""
    try:
        made = templated(template, notice(told(), told(number=2)))
    except ValueError as error:
        made = str(error)

    assert len(made.encode()) <= MAX_BODY


def test_the_example_of_the_documentation_is_json() -> None:
    """docs/webhook-body.md: for incidents and for a test."""
    text = (Path(__file__).parents[2] / "docs" / "webhook-body.md").read_text(encoding="utf-8")
    template = text.split("```jinja\n")[1].split("```")[0]

    assert check_body(template, "application/json") is None
    assert json.loads(templated(template, digest()))["event_action"] == "trigger"
