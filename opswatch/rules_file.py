"""Read a file of rules: every fault at once, with its place; or the rules as alerting takes them. Shell."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

from alerting.rule_set import RuleSet
from alerting.rules import (
    Change,
    Comparison,
    Expression,
    Flapping,
    Forecast,
    NoData,
    Ratio,
    Rule,
    Selection,
    Severity,
    Threshold,
    Value,
)
from opswatch.configuration_faults import fault_at, validated_as, written
from opswatch.configuration_files import UnusableFile, read_document_bytes
from opswatch.rule_checks import findings
from opswatch.rule_models import COMPARISONS, MAX_RULES, QueryModel, RuleModel, RulesModel, ThresholdModel
from opswatch.rule_query_checks import WINDOW, measurement_of
from opswatch.rule_salvage import salvaged
from opswatch.yaml_document import decode, parse_document
from telemetry.conditions import parse_conditions
from telemetry.errors import ConfigurationError, Fault
from telemetry.schema import Registry
from telemetry.series import Function
from telemetry.times import duration_nanoseconds

SHIPPED = "alert_thresholds.json"
MAX_BYTES = 1 << 24
MAX_NODES = 600_000  # of 20,000 rules
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
_AGAINST = {"yesterday": timedelta(days=1), "last_week": timedelta(days=7)}


def load_rules(file: Path | None, registry: Registry) -> RuleSet:
    """The rules of a file, else those that come with OpsWatch. Raises ConfigurationError with every fault."""
    if file is None:
        shipped = files("infrastructure.monitoring").joinpath(SHIPPED)
        return parse_rules(shipped.read_bytes(), SHIPPED, registry)
    try:
        content = read_document_bytes(file, MAX_BYTES)
    except UnusableFile as error:
        raise ConfigurationError([Fault(str(error), str(file))]) from error
    return parse_rules(content, str(file), registry)


def parse_rules(content: bytes, source: str, registry: Registry) -> RuleSet:
    """The rules of a text, JSON or YAML. Raises ConfigurationError with every fault."""
    text = decode(content, source, MAX_BYTES)
    if isinstance(text, Fault):
        raise ConfigurationError([text])
    model = _good_json(text, source, registry)
    if model is None:
        model, faults = _read(text, source, registry)
        if faults or model is None:
            raise ConfigurationError(sorted(faults, key=lambda fault: (fault.line or 0, fault.column or 0)))
    base = model.interval
    rules = tuple(_rule(one, base, registry) for one in model.rules if one.enabled)
    version = sha256(" ".join(sorted(f"{rule.name} {rule.version}" for rule in rules)).encode()).hexdigest()[:12]
    return RuleSet(rules, duration_nanoseconds(base), duration_nanoseconds(model.lag), source, version)


def _good_json(text: str, source: str, registry: Registry) -> RulesModel | None:
    """The file, if it is JSON and nothing is wrong with it; reading it as YAML takes a hundred times as long.

    Only the YAML reader knows places, keys that stand twice and halves of characters.
    """
    try:
        value = json.loads(text, object_pairs_hook=_mapping)
        _check_number(value, source)
        model = None if _HALF.search(text) else RulesModel.model_validate(value)
    except (ValueError, RecursionError):
        return None
    return None if model is None or any(findings(model, registry)) else model


def _check_number(value: Any, source: str) -> None:
    """Before places are looked for, which takes long for so many. Raises ConfigurationError."""
    rules = value.get("rules") if isinstance(value, dict) else None
    if isinstance(rules, list) and len(rules) > MAX_RULES:
        message = f"there are {len(rules):,} rules; at most {MAX_RULES:,} rules can stand in a file"
        raise ConfigurationError([Fault(message, source, "rules", hint="group_by makes one rule do for many series")])


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice")
    return found


def _read(text: str, source: str, registry: Registry) -> tuple[RulesModel | None, list[Fault]]:
    document = parse_document(text, source, MAX_NODES)
    faults = list(document.faults)
    if document.value is None and faults:
        return None, faults
    model, refused = validated_as(RulesModel, document, source, "begin with `rules:`")
    faults += refused
    # Of what cannot be read, more is not said; of all else everything.
    told = {fault.field for fault in refused}
    for path, words, hint in findings(model or salvaged(document.value), registry):
        if written(path) not in told:
            faults.append(fault_at(document, source, path, words, hint))
    return model, faults


def _rule(model: RuleModel, base: timedelta, registry: Registry) -> Rule:
    thresholds = [(Severity.WARNING, model.warning), (Severity.CRITICAL, model.critical)]
    flapping = model.flapping
    return Rule(
        name=model.name,
        expression=_expression(model, registry),
        thresholds=tuple((severity, _threshold(one)) for severity, one in thresholds if one is not None),
        interval=duration_nanoseconds(model.interval or base),
        hold_for=duration_nanoseconds(model.for_),
        keep_firing_for=duration_nanoseconds(model.keep_firing_for),
        no_data=NoData(model.no_data),
        flapping=None if flapping is None else Flapping(flapping.transitions, duration_nanoseconds(flapping.window)),
        labels=tuple(sorted(model.labels.items())),
        summary=model.summary,
        description=model.description,
        runbook=model.runbook or "",
        depends_on=model.depends_on,
    )


def _expression(model: RuleModel, registry: Registry) -> Expression:
    if model.ratio is not None:
        ratio = model.ratio
        part, whole = (_selection(one, registry) for one in (ratio.part, ratio.whole))
        return Ratio(part, whole, ratio.percent, ratio.least)
    if model.change is not None:
        against = duration_nanoseconds(_AGAINST[model.change.against])
        return Change(_selection(model.change.query, registry), against, model.change.in_ == "percent")
    if model.forecast is not None:
        over = duration_nanoseconds(model.forecast.over)
        return Forecast(_selection(model.forecast.query, registry), model.forecast.reaches, over)
    assert model.query is not None
    return Value(_selection(model.query, registry))


def _selection(model: QueryModel, registry: Registry) -> Selection:
    function = model.fn if model.fn is not None or model.q is not None else Function.MEAN
    return Selection(
        model.measurement,
        model.field,
        function,
        duration_nanoseconds(model.window or WINDOW),
        model.q,
        parse_conditions(model.where, measurement_of(model, registry)),
        model.group_by,
        model.group_fn,
    )


def _threshold(model: ThresholdModel) -> Threshold:
    name = next(name for name in COMPARISONS if getattr(model, name) is not None)
    return Threshold(Comparison(name), getattr(model, name), model.clear)
