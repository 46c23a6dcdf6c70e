"""The templates of summaries: a few words of Jinja2 in its sandbox, which cannot fail to end. Pure.

A template prints names, chooses between texts and formats values; it knows neither loops nor calls, neither
multiplication nor assignment, so that what it makes is not much longer than what it is made of, and soon made. Names:
`rule`, `severity`, `value`, `unit`, `reason`, `tags.NAME`, `labels.NAME`. Filters: `unit` (the value with the unit of
its field), `duration` (seconds in words), `round`, `upper`, `lower`, `default`, `truncate`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeGuard

from jinja2 import Template, TemplateError, TemplateSyntaxError, nodes, pass_context
from jinja2.runtime import Context, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from telemetry.conditions import near_miss
from telemetry.health import State

MAX_TEMPLATE = 1_000  # characters
MAX_RESULT = 500
MAX_DEPTH = 20  # of a template's tree; what Jinja2 and Python do with a deep one takes seconds, or fails
_NAMES = ("rule", "severity", "value", "unit", "reason", "tags", "labels")
_MAPS = frozenset({"tags", "labels"})
_ALLOWED = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.Filter, nodes.Getattr,
    nodes.Getitem, nodes.CondExpr, nodes.If, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Add,
    nodes.Sub, nodes.Div, nodes.Neg, nodes.Pos, nodes.Concat,
)  # fmt: skip
# Whatever a template may trip over at the moment. SyntaxError is Python's, of the code that Jinja2 makes.
FAILURES = (
    *(TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError),
    *(RecursionError, MemoryError, SyntaxError, NameError),
)
_BINARY_PREFIXES = ("", "k", "M", "G", "T", "P")


@dataclass(frozen=True, slots=True)
class SummaryContext:
    """What a template may print; `value` is None where there is none, `unit` as the registry writes it."""

    rule: str
    severity: str
    value: float | None
    unit: str
    reason: str
    tags: Mapping[str, str]
    labels: Mapping[str, str]


class _Names:
    """Tags or labels: an attribute for each, whatever it is called; `sample` gives every name a text."""

    __slots__ = ("_named", "_sample")

    def __init__(self, named: Mapping[str, str], sample: str | None = None) -> None:
        self._named = named
        self._sample = sample

    def __getattr__(self, name: str) -> str:
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(name) from error

    def __getitem__(self, name: str) -> str:
        found = self._named.get(name, self._sample)
        if found is None:
            raise KeyError(name)
        return found


@lru_cache(maxsize=25_000)
def check(template: str) -> str | None:
    """What is wrong with a template, for people; None when it is good."""
    if len(template) > MAX_TEMPLATE:
        return f"a template has at most {MAX_TEMPLATE:,} characters; this one has {len(template):,}"
    try:
        tree = _ENVIRONMENT.parse(template)
    except TemplateSyntaxError as error:
        return f"the template cannot be read: {error.message}"
    except (ValueError, OverflowError, RecursionError, MemoryError):
        return "the template cannot be read: a number or a nesting in it is too large"
    return _wrong_tree(tree) or _failure(template)


def _wrong_tree(tree: nodes.Template) -> str | None:
    level: list[nodes.Node] = [tree]
    for _ in range(MAX_DEPTH):
        for node in level:
            wrong = _wrong(node)
            if wrong:
                return wrong
        level = [child for node in level for child in node.iter_child_nodes()]
        if not level:
            return None
    return f"the template is nested more than {MAX_DEPTH} deep: write it simpler"


def _failure(template: str) -> str | None:
    sample = SummaryContext("rule", "warning", 1.5, "percent", "reason", {}, {})
    try:
        _rendered(template, sample, "text")
    except FAILURES as error:
        return f"the template fails: {error}"
    return None


@lru_cache(maxsize=25_000)
def tags_of(template: str) -> frozenset[str]:
    """The tags that a good template names."""
    tree = _ENVIRONMENT.parse(template)
    plain = {one.attr for one in tree.find_all(nodes.Getattr) if _is_tags(one.node)}
    return frozenset(plain | {str(one.arg.as_const()) for one in tree.find_all(nodes.Getitem) if _is_tags(one.node)})


def render(template: str, context: SummaryContext) -> str:
    """The text of a template on one line; one that fails is replaced by words that say so."""
    try:
        text = _rendered(template, context)
    except FAILURES as error:
        text = f"{context.rule}: its summary failed ({type(error).__name__})"
    text = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return text if len(text) <= MAX_RESULT else text[: MAX_RESULT - 1] + "…"


def with_unit(value: float | None, unit: str) -> str:
    """A number with its unit, as people write it: `91.2 %`, `1.5 GiB`, `340 ms`, `23 h`; a `state` by name."""
    if value is None or math.isnan(value):
        return "no value"
    match unit:
        case "percent":
            text = f"{_plain(value)} %"
        case "state" if value in State.__members__.values():
            text = State(int(value)).word
        case "bytes":
            text = _bytes(value)
        case "s":
            text = in_words(value)
        case "ms" if abs(value) >= 10_000:
            text = in_words(value / 1_000)
        case _:
            text = _plain(value) if unit in {"1", "", "state"} else f"{_plain(value)} {unit}"
    return text


def in_words(seconds: float) -> str:
    """Seconds as people say them: `40 s`, `12 m`, `3.5 h`, `2 d`."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if abs(seconds) >= size:
            return f"{_plain(round(seconds / size, 1))} {unit}"
    return f"{_plain(round(seconds, 1))} s"


def _plain(value: float) -> str:
    if abs(value) >= 1e15 or not math.isfinite(value):
        return f"{value:.4g}"
    return f"{value:,.0f}" if abs(value) >= 1_000 or value == int(value) else f"{value:.3g}"


def _bytes(value: float) -> str:
    step = 0
    while abs(value) >= 1_024 and step < len(_BINARY_PREFIXES) - 1:
        value, step = value / 1_024, step + 1
    return f"{value:.3g} {_BINARY_PREFIXES[step]}{'iB' if step else 'B'}"


def _rendered(template: str, context: SummaryContext, sample: str | None = None) -> str:
    return _compiled(template).render(
        rule=context.rule,
        severity=context.severity,
        value=context.value,
        unit=context.unit,
        reason=context.reason,
        tags=_Names(context.tags, sample),
        labels=_Names(context.labels, sample),
    )


@lru_cache(maxsize=25_000)
def _compiled(template: str) -> Template:
    return _ENVIRONMENT.from_string(template)


def _wrong(node: nodes.Node) -> str | None:
    if not isinstance(node, _ALLOWED):
        return f"a template cannot hold {_word(node)}: it prints names and chooses between texts, nothing else"
    if isinstance(node, nodes.Name) and node.name not in _NAMES:
        return f"a template knows no {node.name!r}{near_miss(node.name, _NAMES)}"
    if isinstance(node, nodes.Const) and isinstance(node.value, float) and not math.isfinite(node.value):
        return "a number in the template is too large"
    bare = next((one for one in node.iter_child_nodes() if _is_map(one)), None)
    if bare is not None and not isinstance(node, nodes.Getattr | nodes.Getitem):
        return f"{bare.name} cannot be printed or compared as a whole: write {bare.name}.NAME"
    if isinstance(node, nodes.Filter) and node.name not in _ENVIRONMENT.filters:
        return f"a template knows no filter {node.name!r}{near_miss(node.name, list(_ENVIRONMENT.filters))}"
    return _wrong_owner(node) if isinstance(node, nodes.Getattr | nodes.Getitem) else None


def _wrong_owner(node: nodes.Getattr | nodes.Getitem) -> str | None:
    owner = node.node
    if isinstance(owner, nodes.Name) and owner.name not in _NAMES:
        return None  # that is told of the name
    if not isinstance(owner, nodes.Name) or owner.name not in _MAPS:
        return "only tags and labels hold something: write tags.NAME or labels.NAME"
    if isinstance(node, nodes.Getitem) and not (isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str)):
        return "what stands in brackets is a name in quotes, as tags['host']"
    return None


def _is_map(node: nodes.Node) -> TypeGuard[nodes.Name]:
    return isinstance(node, nodes.Name) and node.name in _MAPS


def _is_tags(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Name) and node.name == "tags"


def _word(node: nodes.Node) -> str:
    words = {"For": "a loop", "Call": "a call", "Mul": "a multiplication", "Pow": "a power", "Assign": "an assignment"}
    name = type(node).__name__
    return words.get(name, f"this ({name.lower()})")


@pass_context
def _unit(context: Context, value: object) -> str:
    if isinstance(value, Undefined) or value is None:
        return "no value"
    return with_unit(float(value), str(context.resolve("unit")))  # type: ignore[arg-type]


def _duration(value: object) -> str:
    return "no value" if value is None else in_words(float(value))  # type: ignore[arg-type]


def _round(value: object, digits: int = 0) -> str:
    return "no value" if value is None else f"{float(value):.{max(0, min(int(digits), 9))}f}"  # type: ignore[arg-type]


def _truncate(value: object, length: int = 60) -> str:
    text = str(value)
    return text if len(text) <= length else text[: max(0, int(length) - 1)] + "…"


def _default(value: object, other: object = "") -> object:
    return other if isinstance(value, Undefined) or value in {None, ""} else value


def _finished(printed: object) -> object:
    if printed is None:
        return "no value"
    return f"{printed:.6g}" if isinstance(printed, float) else printed


def sandbox(finalize: Callable[[object], object], **more: Callable[..., object]) -> ImmutableSandboxedEnvironment:
    """A sandbox with nothing in it but the filters that every template of ours knows, and `more`."""
    made = ImmutableSandboxedEnvironment(autoescape=False, finalize=finalize)
    made.globals.clear()
    made.tests.clear()
    made.filters.clear()
    made.filters.update(
        duration=_duration,
        round=_round,
        truncate=_truncate,
        default=_default,
        upper=lambda value: str(value).upper(),
        lower=lambda value: str(value).lower(),
        **more,
    )
    return made


_ENVIRONMENT = sandbox(_finished, unit=_unit)
