"""What is wrong with the queries of rules: names that stand nowhere, samples that make no value. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from opswatch.configuration_values import BadValue, near_miss, pattern_of, quoted
from opswatch.rule_models import QueryModel, RuleModel
from opswatch.rule_salvage import is_unknown_group
from opswatch.yaml_document import Path
from telemetry.conditions import parse_conditions
from telemetry.errors import InvalidQuery, PointRejected
from telemetry.schema import Field, FieldKind, FieldType, Measurement, MeasurementClass, Registry, check_name
from telemetry.series import AllOf, Function, Matches, Not, Predicate
from telemetry.times import format_duration

Finding = tuple[Path, str, str]  # where, what is wrong, the way out
WINDOW = timedelta(minutes=5)
LONGEST = timedelta(days=31)
MOST_INTERVALS = 5_000  # of a window: what is read each time must be little against how often it is read
_STATE = ("probe", "state")


def queries_of(rule: RuleModel) -> Iterator[tuple[Path, QueryModel]]:
    """Every query of a rule, with its place in it."""
    if rule.query is not None:
        yield ("query",), rule.query
    if rule.ratio is not None:
        yield ("ratio", "part"), rule.ratio.part
        yield ("ratio", "whole"), rule.ratio.whole
    if rule.change is not None:
        yield ("change", "query"), rule.change.query
    if rule.forecast is not None:
        yield ("forecast", "query"), rule.forecast.query


def measurement_of(query: QueryModel, registry: Registry) -> Measurement:
    """The measurement of a query; of one that applications push, what its rule says of it."""
    known = registry.get(query.measurement)
    if known is not None and not known.is_learned:
        return known
    names = {text.partition(":")[0].rstrip("!~|") for text in query.where} | set(query.group_by or ())
    field = Field(query.field, FieldType.FLOAT, FieldKind.UNTYPED)
    return Measurement(
        query.measurement, MeasurementClass.METRICS, tuple(sorted(names)), (field,), 1, "", is_learned=True
    )


def query_findings(query: QueryModel, registry: Registry) -> Iterator[Finding]:
    """What is wrong with a query by itself; the places are within it."""
    if query.fn is not None and query.q is not None:
        yield ("q",), "fn and q stand together", "keep one of them"
    if query.group_fn is not None and query.q is not None:
        yield ("group_fn",), "the samples of a group are taken together for q, by no function", "remove it"
    elif query.group_fn is not None and query.group_by is None:
        yield ("group_fn",), "group_fn without group_by has nothing to put together", "write group_by, or remove it"
    if not query.measurement:  # that it cannot be read is told already
        return
    found = list(_measurement(query, registry))
    yield from found
    if not found:
        yield from _field(query, registry)
        yield from _tags(query, measurement_of(query, registry))


def window_findings(query: QueryModel, interval: timedelta, base: timedelta) -> Iterator[Finding]:
    """What would be read too often for its length; `base` is the file's interval."""
    window = query.window or WINDOW
    if window > LONGEST:
        yield ("window",), f"a window of {_d(window)} is too long", f"at most {_d(LONGEST)}"
    elif window > MOST_INTERVALS * interval:
        least = -(-window // (MOST_INTERVALS * base)) * base
        hint = f"give the rule an interval of {_d(least)} or more"
        yield ("window",), f"{_d(window)} would be read every {_d(interval)}", hint


def forecast_findings(query: QueryModel) -> Iterator[Finding]:
    """What a forecast's query cannot say."""
    if query.window is not None:
        yield ("window",), "a forecast has no window of its own", "remove it; `over` says how far back it looks"
    if query.fn not in {None, Function.MEAN}:
        yield ("fn",), f"a forecast is made of means, not of {query.fn}", "remove it"
    if query.q is not None:
        yield ("q",), "a forecast is made of means", "remove it"


def _measurement(query: QueryModel, registry: Registry) -> Iterator[Finding]:
    known = registry.get(query.measurement)
    if known is None and query.learned:
        yield from _names(("measurement",), query.measurement)
    elif known is None:
        hint = near_miss(query.measurement, list(registry.names())) or 'if applications push it, add "learned": true'
        yield ("measurement",), f"there is no measurement {quoted(query.measurement)}", hint
    elif known.is_learned and not query.learned:
        words = f"{quoted(query.measurement)} is known only because somebody pushes it"
        yield ("measurement",), words, 'add "learned": true, and the rule holds before the first point too'


def _field(query: QueryModel, registry: Registry) -> Iterator[Finding]:
    known = registry.get(query.measurement)
    field = None if known is None else known.field(query.field)
    if not query.field:
        return
    if field is not None and field.type is FieldType.TEXT:
        yield ("field",), f"{query.field} is text, which has no threshold", "name a field that holds numbers"
    elif field is None and known is not None and query.field in known.histograms:
        if query.q is None:
            yield ("field",), f"{query.field} is a histogram, which has quantiles only", "write q instead of fn"
    elif query.learned:
        yield from _names(("field",), query.field)
    elif known is not None and field is None:
        hint = near_miss(query.field, [one.name for one in known.plain_fields])
        hint = hint or 'if applications push it, add "learned": true'
        yield ("field",), f"{query.measurement} has no field {quoted(query.field)}", hint
    elif field is not None and field.kind is FieldKind.UNTYPED:
        yield ("field",), f"{quoted(query.field)} is known only because somebody pushes it", 'add "learned": true'
    if (query.measurement, query.field) == _STATE and query.fn is not Function.LAST:
        place = "fn" if query.q is None else "q"
        yield (place,), "a state has no mean: what counts is the last one", "write fn: last"


def _names(place: Path, name: str) -> Iterator[Finding]:
    try:
        check_name(name)
    except PointRejected as error:
        yield place, error.message, "no point can be pushed under it"


def _tags(query: QueryModel, measurement: Measurement) -> Iterator[Finding]:
    for place, text in enumerate(query.where):
        try:
            for pattern in _patterns(parse_conditions((text,), measurement)):
                pattern_of(pattern)
        except InvalidQuery as error:
            yield ("where", place), error.message, ""
        except BadValue as error:
            yield ("where", place), str(error), error.hint
    if is_unknown_group(query):
        return
    seen: set[str] = set()
    for place, tag in enumerate(query.group_by or ()):
        if tag not in measurement.tags:
            hint = near_miss(tag, list(measurement.tags))
            yield ("group_by", place), f"{query.measurement} has no tag {quoted(tag)}", hint
        elif tag in seen:
            yield ("group_by", place), f"the tag {quoted(tag)} stands twice", "remove one of them"
        seen.add(tag)


def _patterns(predicate: Predicate) -> Iterator[str]:
    match predicate:
        case AllOf(predicates):
            for one in predicates:
                yield from _patterns(one)
        case Not(inner):
            yield from _patterns(inner)
        case Matches(_, pattern):
            yield pattern


def _d(duration: timedelta) -> str:
    return format_duration(duration)
