"""What is wrong with rules beyond their form: what does not fit together, within a rule and between rules. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import timedelta

from alerting.rules import FORECAST_WINDOWS, SOURCE_BLIND
from alerting.template import tags_of
from opswatch.configuration_checks import MAX_NEAR_MISSES, rings
from opswatch.configuration_values import near_miss, quoted
from opswatch.rule_models import (
    COMPARISONS,
    EXPRESSIONS,
    FlappingModel,
    RatioModel,
    RuleModel,
    RulesModel,
    ThresholdModel,
)
from opswatch.rule_query_checks import (
    LONGEST,
    Finding,
    forecast_findings,
    measurement_of,
    queries_of,
    query_findings,
    window_findings,
)
from opswatch.rule_salvage import UNKNOWN, is_unknown_group
from opswatch.yaml_document import Path
from telemetry.schema import Registry
from telemetry.times import format_duration

_UPWARD = frozenset({"above", "at_least"})
_STRICT = frozenset({"above", "below"})  # the limit itself is no trouble yet


def findings(model: RulesModel, registry: Registry) -> Iterator[Finding]:
    """Everything that is wrong; also of a model that was salvaged."""
    base = None if model.interval == UNKNOWN else model.interval
    if base is not None and not timedelta(seconds=1) <= base <= timedelta(hours=1):
        yield ("interval",), f"rules cannot be looked at every {_d(base)}", "1s to 1h"
    if model.lag > timedelta(minutes=10):
        yield ("lag",), f"a lag of {_d(model.lag)} is too long", "at most 10m"
    yield from _names(model)
    for number, rule in enumerate(model.rules):
        for place, words, hint in _of_rule(rule, base, registry):
            yield ("rules", number, *place), words, hint


def _names(model: RulesModel) -> Iterator[Finding]:
    first: dict[str, int] = {}
    for number, rule in enumerate(model.rules):
        if rule.name in first:
            words = f"the rule {quoted(rule.name)} stands twice; first as rules[{first[rule.name]}]"
            yield ("rules", number, "name"), words, "rename or remove one of them"
        elif rule.name == SOURCE_BLIND:
            yield ("rules", number, "name"), f"{SOURCE_BLIND} is OpsWatch's own rule", "rename it"
        elif rule.name:
            first[rule.name] = number
    unknown = 0
    for number, rule in enumerate(model.rules):
        for place, name in enumerate(rule.depends_on):
            if name not in first:
                # Comparing with thousands of names takes time: after a few, people have understood.
                unknown += 1
                hint = near_miss(name, list(first)) if unknown <= MAX_NEAR_MISSES else ""
                yield (
                    ("rules", number, "depends_on", place),
                    f"there is no rule {quoted(name)}",
                    hint or "name a rule of this file",
                )
    for ring, edge in rings({name: list(_needs(model, number, first)) for name, number in first.items()}):
        words = f"rules depend on each other in a ring: {' → '.join(ring[:20])}"
        yield edge, words, "which of them explains the others?"


def _needs(model: RulesModel, number: int, known: Collection[str]) -> Iterator[tuple[str, Path]]:
    for place, needed in enumerate(model.rules[number].depends_on):
        if needed in known:
            yield needed, ("rules", number, "depends_on", place)


def _of_rule(rule: RuleModel, base: timedelta | None, registry: Registry) -> Iterator[Finding]:
    given = [name for name in EXPRESSIONS if getattr(rule, name) is not None]
    if len(given) != 1:
        words = f"{' and '.join(given)} stand together" if given else "the rule looks at nothing"
        yield (), words, f"write exactly one of {', '.join(EXPRESSIONS)}"
    yield from _thresholds(rule)
    for place, query in queries_of(rule):
        for within, words, hint in query_findings(query, registry):
            yield (*place, *within), words, hint
        for within, words, hint in forecast_findings(query) if place[0] == "forecast" else ():
            yield (*place, *within), words, hint
    if rule.ratio is not None:
        yield from _ratio(rule.ratio, registry)
    yield from _summary(rule, registry)
    if base is not None and rule.interval != UNKNOWN:
        yield from _times(rule, rule.interval or base, base)


def _times(rule: RuleModel, interval: timedelta, base: timedelta) -> Iterator[Finding]:
    if interval % base:
        words = f"an interval of {_d(interval)} is no multiple of the file's, {_d(base)}"
        yield ("interval",), words, f"write {_d(max(1, round(interval / base)) * base)}"
    for key, length in (("for", rule.for_), ("keep_firing_for", rule.keep_firing_for)):
        if timedelta(0) < length < interval:
            words = f"`{key}` {_d(length)} is shorter than the interval, {_d(interval)}"
            yield (key,), words, f"write 0s, or {_d(interval)} and more"
    if rule.flapping is not None and rule.flapping.window != UNKNOWN:
        yield from _flapping(rule, rule.flapping, interval)
    for place, query in queries_of(rule):
        for within, words, hint in window_findings(query, interval, base) if place[0] != "forecast" else ():
            yield (*place, *within), words, hint
    if rule.forecast is not None and rule.forecast.over != UNKNOWN:
        least = interval * FORECAST_WINDOWS
        if not least <= rule.forecast.over <= LONGEST:
            words = f"a slope cannot be taken over {_d(rule.forecast.over)}"
            yield ("forecast", "over"), words, f"write {_d(least)} to {_d(LONGEST)}"


def _flapping(rule: RuleModel, flapping: FlappingModel, interval: timedelta) -> Iterator[Finding]:
    place = ("flapping", "window")
    if flapping.window < 2 * interval:
        words = f"in {_d(flapping.window)} nothing can open and close: the interval is {_d(interval)}"
        yield place, words, f"write {_d(2 * interval)} or more"
        return
    # From opening to closing, and from closing to opening: an evaluation that sees it, and the delay after it.
    shorter, longer = sorted((interval + rule.for_, interval + rule.keep_firing_for))
    count = flapping.transitions
    least = (count + 1) // 2 * shorter + count // 2 * longer
    if least >= flapping.window:
        words = f"more than {count} openings and closings do not fit into {_d(flapping.window)}"
        yield place, words, f"with this interval, for and keep_firing_for they take more than {_d(least)}"


def _thresholds(rule: RuleModel) -> Iterator[Finding]:
    sides = {}
    for key, threshold in (("warning", rule.warning), ("critical", rule.critical)):
        side = None if threshold is None else _side(threshold)
        if side is not None:
            sides[key] = side
            if rule.forecast is not None and side[0] in _UPWARD:
                words = "a forecast is in hours, of which fewer are worse"
                yield (key, side[0]), words, "write below or at_most"
    if rule.warning is None and rule.critical is None:
        yield (), "the rule has no threshold", "write warning, critical, or both"
    if len(sides) < 2:
        return
    (milder, warning), (worse, critical) = sides["warning"], sides["critical"]
    if (milder in _UPWARD) is not (worse in _UPWARD):
        yield (
            ("critical",),
            "warning and critical look in different directions",
            "write both as above, or both as below",
        )
    elif critical < warning if worse in _UPWARD else critical > warning:
        words = f"critical at {critical:g} is milder than warning at {warning:g}"
        yield ("critical",), words, "exchange them"
    elif critical == warning and not (worse in _STRICT and milder not in _STRICT):
        yield (
            ("critical",),
            f"warning and critical are both at {warning:g}: a warning never shows",
            "remove the warning",
        )


def _side(threshold: ThresholdModel) -> tuple[str, float] | None:
    return next(
        ((name, limit) for name in COMPARISONS if (limit := getattr(threshold, name)) is not None),
        None,
    )


def _ratio(ratio: RatioModel, registry: Registry) -> Iterator[Finding]:
    part, whole = ratio.part, ratio.whole
    if is_unknown_group(part) or is_unknown_group(whole):
        return
    if (part.group_by is None) is not (whole.group_by is None) or set(part.group_by or ()) != set(whole.group_by or ()):
        words = "part and whole are grouped otherwise: their tag sets do not meet"
        yield ("ratio", "whole"), words, "give both the same group_by"
    elif part.group_by is None:
        tags = [None if one is None else one.tags for one in map(registry.get, (part.measurement, whole.measurement))]
        if None not in tags and tags[0] != tags[1]:
            words = f"series of {part.measurement} and of {whole.measurement} have other tags: they do not meet"
            yield ("ratio", "whole"), words, "give both the same group_by"


def _summary(rule: RuleModel, registry: Registry) -> Iterator[Finding]:
    possible = _tags_of_alerts(rule, registry)
    if possible is None or not rule.summary:
        return
    for name in sorted(tags_of(rule.summary) - set(possible)):
        hint = near_miss(name, list(possible)) or f"there are {', '.join(possible) or 'none'}"
        yield ("summary",), f"no alert of this rule has the tag {quoted(name)}", hint


def _tags_of_alerts(rule: RuleModel, registry: Registry) -> Collection[str] | None:
    """The tags that alerts of a rule may have; None where that cannot be said."""
    for _, query in queries_of(rule):
        if is_unknown_group(query) or not query.measurement:
            return None
        if query.group_by is not None:
            return query.group_by
        known = registry.get(query.measurement)
        return None if known is None or known.is_learned else measurement_of(query, registry).tags
    return None


def _d(duration: timedelta) -> str:
    return format_duration(duration)
