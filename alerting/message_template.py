"""The body of a webhook by the user's own template: Jinja2 in its immutable sandbox, and bounded. Pure.

A template sees what `alerting.message_json.json_of` gives, by its names, and no more: it prints them, chooses between
texts, and goes through `incidents`, and through `labels` and `group` as things with a `name` and a `value`. Filters:
`json` (the way to put anything into JSON, with its quotes), `duration` (seconds in words), `round`, `upper`, `lower`,
`default`, `truncate`. It knows neither calls nor assignment nor multiplication. What it may cost is bounded by the size
of the tree times the turns of its loops, what it makes by `MAX_BODY`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from jinja2 import Template, TemplateSyntaxError, nodes
from jinja2.runtime import Undefined

from alerting.message_json import json_of
from alerting.outbox import Notice, NoticeKind, Occasion, Told
from alerting.rules import Severity
from alerting.template import FAILURES, sandbox
from telemetry.conditions import near_miss

MAX_TEMPLATE = 10_000  # characters
MAX_BODY = 64 * 1024  # bytes
MAX_DEPTH = 20  # of the tree
MAX_WORK = 500_000  # nodes of the tree, times turns of loops
_LOOP = ("index", "index0", "first", "last", "length")
_ALLOWED = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.Filter, nodes.Getattr,
    nodes.Getitem, nodes.CondExpr, nodes.If, nodes.For, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not,
    nodes.Add, nodes.Sub, nodes.Div, nodes.Neg, nodes.Pos, nodes.Concat,
)  # fmt: skip
_TEXT = ""  # a shape: something that is printed


def templated(template: str, notice: Notice) -> str:
    """The body. Raises ValueError, with words for people."""
    wrong = check_body(template)
    if wrong:
        raise ValueError(wrong)
    return _rendered(template, json_of(notice))


@lru_cache(maxsize=1_000)
def check_body(template: str, content_type: str = "") -> str | None:
    """What is wrong with a template, for people; None when it is good. Of JSON also whether it makes JSON."""
    if len(template) > MAX_TEMPLATE:
        return f"a template has at most {MAX_TEMPLATE:,} characters; this one has {len(template):,}"
    try:
        tree = _ENVIRONMENT.parse(template)
        _check_depth(tree)
        _check(tree, _shapes(json_of(_SAMPLES[0])))
        for sample in _SAMPLES:
            made = _rendered(template, json_of(sample))
            if content_type.split(";", maxsplit=1)[0].strip().lower().endswith("json"):
                json.loads(made)
    except TemplateSyntaxError as error:
        return f"the template cannot be read: {error.message} (line {error.lineno})"
    except json.JSONDecodeError as error:
        return f"what the template makes is no JSON ({error}): write {{{{ title | json }}}}, without quotes around it"
    except _Fault as error:
        return str(error)
    except (ValueError, OverflowError, RecursionError, MemoryError):
        return "the template cannot be read: a number or a nesting in it is too large"
    return None


class _Fault(ValueError):
    """What is wrong with a template, in words."""


class _Named:
    """Something with names: an attribute for each, whatever it is called."""

    __slots__ = ("_named", "_work")

    def __init__(self, named: Mapping[str, Any], work: _Work) -> None:
        self._named = named
        self._work = work

    def __getattr__(self, name: str) -> object:
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(name) from error

    def __getitem__(self, name: str) -> object:
        return _offered(self._named[name], self._work)

    def __iter__(self) -> Iterator[object]:
        for name, value in self._named.items():
            self._work.turn()
            yield _Named({"name": name, "value": value}, self._work)

    def __len__(self) -> int:
        return len(self._named)


class _Listed:
    """A list that counts the turns that are made through it."""

    __slots__ = ("_listed", "_work")

    def __init__(self, listed: Sequence[Any], work: _Work) -> None:
        self._listed = listed
        self._work = work

    def __iter__(self) -> Iterator[object]:
        for one in self._listed:
            self._work.turn()
            yield _offered(one, self._work)

    def __len__(self) -> int:
        return len(self._listed)


class _Work:
    """How much more may be done."""

    def __init__(self, each: int) -> None:
        self._each = each
        self._left = MAX_WORK

    def turn(self) -> None:
        """One more turn of a loop."""
        self._left -= self._each
        if self._left < 0:
            raise _Fault("the template goes through too much: it has too many loops, or loops in loops")


def _offered(value: object, work: _Work) -> object:
    if isinstance(value, dict):
        return _Named(value, work)
    return _Listed(value, work) if isinstance(value, list) else value


def _rendered(template: str, body: Mapping[str, Any]) -> str:
    compiled, size = _compiled(template)
    work = _Work(size)
    parts, total = [], 0
    try:
        for part in compiled.generate({name: _offered(value, work) for name, value in body.items()}):
            parts.append(part)
            total += len(part.encode())
            if total > MAX_BODY:
                raise _Fault(f"what the template makes is larger than {MAX_BODY // 1024} KiB")
    except FAILURES as error:
        raise _Fault(str(error) if isinstance(error, _Fault) else f"the template fails: {error}") from error
    return "".join(parts)


@lru_cache(maxsize=1_000)
def _compiled(template: str) -> tuple[Template, int]:
    size = sum(1 for _ in _ENVIRONMENT.parse(template).find_all(nodes.Node))
    return _ENVIRONMENT.from_string(template), size


def _check_depth(tree: nodes.Template) -> None:
    level: list[nodes.Node] = [tree]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in node.iter_child_nodes()]
    if level:
        raise _Fault(f"the template is nested more than {MAX_DEPTH} deep: write it simpler")


# What a template may say is checked against the shapes of what it is given: a dict whose names are known, `_Open` whose
# names are the user's, a list of one shape, or `_TEXT`.


class _Open:
    """Labels: any name."""


def _shapes(value: object, name: str = "") -> Any:
    if name in {"labels", "group"}:
        return _Open()
    if isinstance(value, dict):
        return {key: _shapes(one, key) for key, one in value.items()}
    return [_shapes(value[0])] if isinstance(value, list) else _TEXT


def _check(node: nodes.Node, scope: Mapping[str, Any]) -> None:
    if not isinstance(node, _ALLOWED):
        raise _Fault(f"a template cannot hold {_word(node)}")
    if isinstance(node, nodes.For):
        _check_loop(node, scope)
        return
    if isinstance(node, nodes.Output):
        for one in node.nodes:
            _check_printed(one, scope)
        return
    if isinstance(node, nodes.Const) and isinstance(node.value, float) and not math.isfinite(node.value):
        raise _Fault("a number in the template is too large")
    if isinstance(node, nodes.Filter):
        _check_filter(node)
    if isinstance(node, nodes.Name | nodes.Getattr | nodes.Getitem):
        if _shape(node, scope) is not _TEXT:
            raise _Fault(f"{_written(node)} holds more than one thing: print it as {{{{ {_written(node)} | json }}}}")
        return
    for child in node.iter_child_nodes():
        _check(child, scope)


def _check_printed(node: nodes.Node, scope: Mapping[str, Any]) -> None:
    # What holds much is made text here alone, where it counts towards the size of the body at once.
    named = node.node if isinstance(node, nodes.Filter) and node.name == "json" else None
    if isinstance(named, nodes.Name | nodes.Getattr | nodes.Getitem):
        _shape(named, scope)
    else:
        _check(node, scope)


def _check_loop(node: nodes.For, scope: Mapping[str, Any]) -> None:
    if node.recursive or node.test is not None or not isinstance(node.target, nodes.Name):
        raise _Fault("a loop is written {% for one in incidents %}: without recursion, condition or several names")
    gone_through = _shape(node.iter, scope)
    if isinstance(gone_through, list):
        (turn,) = gone_through
    elif isinstance(gone_through, _Open):
        turn = {"name": _TEXT, "value": _TEXT}
    else:
        raise _Fault(f"a loop goes through incidents, labels or group, not through {_written(node.iter)}")
    name = node.target.name
    if name in scope or name == "loop":
        raise _Fault(f"the loop's {name} is the name of something else: take another")
    for child in node.body:
        _check(child, {**scope, name: turn, "loop": dict.fromkeys(_LOOP, _TEXT)})
    for child in node.else_:
        _check(child, scope)


def _check_filter(node: nodes.Filter) -> None:
    if node.name not in _ENVIRONMENT.filters:
        raise _Fault(f"a template knows no filter {node.name!r}{near_miss(node.name, list(_ENVIRONMENT.filters))}")


def _shape(node: nodes.Node, scope: Mapping[str, Any]) -> Any:
    """The shape of a name, or of what stands behind a dot or in brackets."""
    if isinstance(node, nodes.Name):
        if node.name not in scope:
            raise _Fault(f"a template knows no {node.name!r}{near_miss(node.name, list(scope))}")
        return scope[node.name]
    if not isinstance(node, nodes.Getattr | nodes.Getitem):
        raise _Fault("what stands before a dot, or what a loop goes through, is a name")
    if isinstance(node, nodes.Getattr):
        key = node.attr
    elif isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
        key = node.arg.value
    else:
        raise _Fault("what stands in brackets is a name in quotes, as labels['host']")
    owner = _shape(node.node, scope)
    if isinstance(owner, _Open):
        return _TEXT
    if not isinstance(owner, dict):
        raise _Fault(f"{_written(node.node)} has nothing called {key}")
    if key not in owner:
        raise _Fault(f"{_written(node.node)} has nothing called {key}{near_miss(key, list(owner))}")
    return owner[key]


def _written(node: nodes.Node) -> str:
    if isinstance(node, nodes.Getattr):
        return f"{_written(node.node)}.{node.attr}"
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
        return f"{_written(node.node)}[{node.arg.value!r}]"
    return node.name if isinstance(node, nodes.Name) else "this"


def _word(node: nodes.Node) -> str:
    words = {"Call": "a call", "Mul": "a multiplication", "Pow": "a power", "Assign": "an assignment"}
    name = type(node).__name__
    return words.get(name, f"this ({name.lower()})")


def _json(value: object) -> str:
    return json.dumps(_plain(value), ensure_ascii=True, allow_nan=False)


def _plain(value: object) -> object:
    if isinstance(value, _Named | _Listed):
        return value._named if isinstance(value, _Named) else value._listed  # noqa: SLF001
    return None if isinstance(value, Undefined) else value


def _finished(printed: object) -> object:
    if printed is None:
        return ""
    if isinstance(printed, bool):
        return "true" if printed else "false"
    return f"{printed:.6g}" if isinstance(printed, float) else printed


_ENVIRONMENT = sandbox(_finished, json=_json)
_THEN = datetime(2026, 11, 24, 3, 12, tzinfo=UTC)
# Quotes and a backslash, two incidents and none: whoever forgets the filter json, or a comma, hears of it when the
# template is written, not at night.
_INCIDENT = Told(
    number=1, occasion=Occasion.OPENED, severity=Severity.CRITICAL, is_open=True, flapping=False, rule="sample",
    service="sample", summary='a "quoted" \\ summary', labels=(("host", "sample"), ("team", "sample")), value=91.5,
    unit="percent", opened=_THEN, resolved=None,
)  # fmt: skip
_EMPTY = Notice(id="sample", kind=NoticeKind.TEST, receiver="sample", created=_THEN, host="sample")
_SAMPLES = (
    replace(_EMPTY, kind=NoticeKind.ALERT, items=(_INCIDENT, _INCIDENT), firing=2, critical=2, note='a "note"',
            group=(("rule", "sample"), ("host", "sample"))),
    _EMPTY,
)  # fmt: skip
