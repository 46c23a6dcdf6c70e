"""A message as HTML mail, and as the body of a webhook by a user's template. Pure.

The user's template is Jinja2 in its immutable sandbox, over plain values (those of `messages.json_of`), with the one
filter `json`. It may loop over lists of the message, one level deep; what it makes is cut off at 64 KB.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from jinja2 import Environment, StrictUndefined, Template, TemplateError, TemplateSyntaxError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from alerting.messages import counts_of, facts_of, json_of, own_words, status_of, subject_of, title_of
from alerting.outbox import Notice, NoticeKind, Told
from telemetry.visible_text import visible

MAX_TEMPLATE = 10_000  # characters
MAX_RESULT = 65_536
_MOST_ITEMS = 25  # of an HTML mail, in full; the rest are lines
_DEPTH = 30
_ALLOWED = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.Filter, nodes.Getattr,
    nodes.Getitem, nodes.CondExpr, nodes.If, nodes.For, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not,
    nodes.Concat,
)  # fmt: skip
_FAILURES = (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError)
_COLOURS = {"CRITICAL": "#b3261e", "WARNING": "#a15c00", "RESOLVED": "#1b7a3d"}


def check(template: str) -> str | None:
    """What is wrong with a user's template, for people; None when it is good."""
    if len(template) > MAX_TEMPLATE:
        return f"a template has at most {MAX_TEMPLATE:,} characters; this one has {len(template):,}"
    try:
        tree = _SANDBOX.parse(template)
    except TemplateSyntaxError as error:
        return f"the template cannot be read: {error.message}, line {error.lineno}"
    except (ValueError, OverflowError, RecursionError, MemoryError):
        return "the template cannot be read: a number or a nesting in it is too large"
    return _wrong(tree, loops=0, depth=0)


def _wrong(node: nodes.Node, loops: int, depth: int) -> str | None:
    if depth > _DEPTH:
        return f"the template is nested more than {_DEPTH} deep"
    if not isinstance(node, _ALLOWED):
        return f"a template cannot hold this ({type(node).__name__.lower()})"
    if isinstance(node, nodes.Filter) and node.name not in _SANDBOX.filters:
        return f"a template knows no filter {node.name!r}: {', '.join(sorted(_SANDBOX.filters))}"
    if isinstance(node, nodes.For):
        loops += 1
        if loops > 1 or node.recursive:
            return "a loop within a loop is not taken"
    return next((found for child in node.iter_child_nodes() if (found := _wrong(child, loops, depth + 1))), None)


def templated(template: str, notice: Notice) -> str:
    """A body by a user's template. Raises ValueError, with words for people, when the template is bad or fails."""
    wrong = check(template)
    if wrong is not None:
        raise ValueError(wrong)
    pieces: list[str] = []
    room = MAX_RESULT
    try:
        for piece in _compiled(template).generate(json_of(notice)):
            pieces.append(piece)
            room -= max(1, len(piece))
            if room < 0:
                break
    except _FAILURES as error:
        raise ValueError(f"the template fails: {error}") from error
    made = "".join(pieces)
    if room < 0:
        raise ValueError(f"what the template makes is longer than {MAX_RESULT:,} characters")
    return made


@lru_cache(maxsize=1_000)
def _compiled(template: str) -> Template:
    return _SANDBOX.from_string(template)


def _sandbox() -> ImmutableSandboxedEnvironment:
    made = ImmutableSandboxedEnvironment(autoescape=False, undefined=StrictUndefined)
    made.globals.clear()
    made.tests.clear()
    made.filters.clear()
    made.filters["json"] = _json
    return made


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


_SANDBOX = _sandbox()


def html_of(notice: Notice) -> str:
    """The whole as an HTML mail: tables and styles of its own, nothing from outside, for a phone and at night, too."""
    shown = notice.items[:_MOST_ITEMS]
    return _PAGE.render(
        subject=subject_of(notice),
        counts=counts_of(notice) if len(notice.items) + notice.left_out > 1 else "",
        words=visible(own_words(notice), 2_000) if notice.kind is not NoticeKind.ALERT else "",
        note=visible(notice.note, 500) if notice.kind is NoticeKind.ALERT else "",
        items=[_item(told) for told in shown],
        others=[(status_of(told), visible(title_of(told), 120)) for told in notice.items[_MOST_ITEMS:]],
        colours=_COLOURS,
        notice=notice,
        host=visible(notice.host, 100),
        receiver=visible(notice.receiver, 100),
    )


def _item(told: Told) -> dict[str, Any]:
    status = status_of(told)
    facts = [
        (name, value, value if name == "Runbook" and value.startswith("https://") else "")
        for name, value in facts_of(told)
    ]
    return {"status": status, "colour": _COLOURS[status], "title": title_of(told), "facts": facts, "page": told.page}


_PAGE = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
    """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>{{ subject }}</title>
<style>
body { margin: 0; background: #f2f4f7; color: #16202c; }
.card { background: #ffffff; border-color: #d5dbe3; }
.name { color: #5a6675; }
.button { background: #1f5fbf; color: #ffffff; }
.plain { background: #e4e9f0; color: #16202c; }
@media (prefers-color-scheme: dark) {
  body { background: #10161d !important; color: #e6ebf2 !important; }
  .card { background: #1a222c !important; border-color: #33404f !important; }
  .name { color: #9aa7b7 !important; }
  .plain { background: #2b3746 !important; color: #e6ebf2 !important; }
  a { color: #8ab4f8 !important; }
  a.button { color: #ffffff !important; }
  a.plain { color: #e6ebf2 !important; }
}
</style>
</head>
<body style="margin:0;font:15px/1.45 -apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif">
<table role="presentation" width="100%" cellpadding="0" cellspacing="0"><tr><td align="center" style="padding:12px 8px">
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" style="max-width:600px">
{% if words %}
<tr><td class="card" style="padding:18px;border-width:1px;border-style:solid;border-radius:8px">{{ words }}</td></tr>
{% endif %}
{% if counts %}<tr><td style="padding:4px 6px 12px;font-size:17px;font-weight:600">{{ counts }}</td></tr>{% endif %}
{% if note %}<tr><td class="name" style="padding:0 6px 12px">{{ note }}</td></tr>{% endif %}
{% for item in items %}
<tr><td style="padding-bottom:12px">
<table role="presentation" class="card" width="100%" cellpadding="0" cellspacing="0" \
style="border-width:1px 1px 1px 5px;border-style:solid;border-left-color:{{ item.colour }} !important;\
border-radius:8px">
<tr><td style="padding:14px 16px">
<span style="display:inline-block;background:{{ item.colour }};color:#ffffff;font-size:12px;font-weight:700;\
padding:2px 8px;border-radius:4px">{{ item.status }}</span>
<div style="font-size:17px;font-weight:600;margin:8px 0;overflow-wrap:anywhere">{{ item.title }}</div>
{% if loop.first and notice.picture %}
<img src="cid:trend" alt="The values over time, with the thresholds and where they were crossed" width="100%" \
style="display:block;width:100%;height:auto;margin:8px 0;border-radius:4px">
{% endif %}
<table role="presentation" cellpadding="0" cellspacing="0" style="font-size:14px">
{% for name, value, link in item.facts %}
<tr><td class="name" style="padding:2px 14px 2px 0;vertical-align:top">{{ name }}</td>
<td style="padding:2px 0;overflow-wrap:anywhere;word-break:break-word">\
{% if link %}<a href="{{ link }}">{{ value }}</a>{% else %}{{ value }}{% endif %}</td></tr>
{% endfor %}
</table>
{% if item.page %}<div style="margin-top:8px"><a href="{{ item.page }}">Open the incident</a></div>{% endif %}
</td></tr></table></td></tr>
{% endfor %}
{% if others or notice.left_out %}
<tr><td style="padding:4px 6px 12px;font-size:14px;overflow-wrap:anywhere">
{% for status, title in others %}<div><b>{{ status }}</b> {{ title }}</div>{% endfor %}
{% if notice.left_out %}<div>… and {{ "{:,}".format(notice.left_out) }} more</div>{% endif %}
</td></tr>
{% endif %}
{% if notice.acknowledge or notice.snooze or notice.page %}
<tr><td style="padding:4px 0 12px">
{% if notice.acknowledge %}<a class="button" href="{{ notice.acknowledge }}" style="display:inline-block;\
padding:11px 18px;margin:0 8px 8px 0;border-radius:6px;text-decoration:none;font-weight:600">Acknowledge</a>{% endif %}
{% if notice.snooze %}<a class="plain" href="{{ notice.snooze }}" style="display:inline-block;padding:11px 18px;\
margin:0 8px 8px 0;border-radius:6px;text-decoration:none;font-weight:600">Snooze</a>{% endif %}
{% if notice.page %}<a class="plain" href="{{ notice.page }}" style="display:inline-block;padding:11px 18px;\
margin:0 8px 8px 0;border-radius:6px;text-decoration:none;font-weight:600">All alerts</a>{% endif %}
</td></tr>
{% endif %}
<tr><td class="name" style="padding:6px;font-size:12px;overflow-wrap:anywhere">
OpsWatch on {{ host }}, to {{ receiver }} · {{ notice.id }}</td></tr>
</table></td></tr></table>
</body>
</html>
"""
)
