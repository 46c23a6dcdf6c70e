"""From a URL's parameters to a series query, with errors that name the parameter and the near miss. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import re2
from multidict import MultiMapping

from api.route_table import Parameter
from telemetry.conditions import near_miss, parse_conditions
from telemetry.errors import InvalidQuery, InvalidRequest, NotFound
from telemetry.schema import Measurement, Registry
from telemetry.series import (
    EVERYTHING,
    AllOf,
    Coverage,
    Function,
    GroupBy,
    GroupFunction,
    Latest,
    Matches,
    Not,
    Predicate,
    Quantile,
    Raw,
    SeriesQuery,
    Shape,
    ValuesOf,
    ValuesQuery,
    Window,
)
from telemetry.times import duration_nanoseconds, parse_duration, parse_instant

NANOSECONDS_PER_MILLISECOND = 1_000_000
WHOLE_RANGE = "range"
_DECIMAL = re.compile(r"[01]|0?\.[0-9]{1,12}|1\.0{1,12}", re.ASCII)
_COVERAGE = "coverage"

PARAMETERS = (
    Parameter("measurement", "What: cpu, mem, disk, net, system, probe, ... (see /api/v1/schema)", required=True),
    Parameter("field", "A field of it; all when none is given", repeatable=True),
    Parameter(
        "where",
        "tag:value, tag|:one|other or tag~:regex (RE2); with ! not so, as tag!:value; tag: is not there; all must hold",
        repeatable=True,
    ),
    Parameter("start", "RFC 3339, unix seconds, or relative as -1h (the default)"),
    Parameter("stop", "as start, not included; now when not given"),
    Parameter("every", "one value per window of this length, as 5m; range: one window from start to stop"),
    Parameter(
        "fn",
        "with every: " + ", ".join(Function) + f", {_COVERAGE} (samples, also 0); mean when not given",
        repeatable=True,
    ),
    Parameter(
        "q", "with every, instead of fn: a quantile, as 0.95; of samples, or of a histogram's buckets", repeatable=True
    ),
    Parameter("group_by", "with every: one series for all that agree in this tag; empty: for all", repeatable=True),
    Parameter("group_fn", "with group_by: " + ", ".join(GroupFunction) + "; what fits fn when not given"),
    Parameter("top", "with every or latest: only the so many series with the greatest values, of each field"),
    Parameter("limit", "without every: at most so many samples of each series, oldest first (10000)"),
    Parameter("latest", "true: only the newest sample of each series"),
)


@dataclass(frozen=True, slots=True)
class SeriesRequest:
    """A query, and the measurement it asks."""

    query: SeriesQuery
    measurement: Measurement


def series_request(
    parameters: MultiMapping[str],
    registry: Registry,
    now: datetime,
    further: Iterable[str] = (),
    raw_limit: int = 10_000,
) -> SeriesRequest:
    """Read the parameters; `further` names others that the caller reads. Raises InvalidRequest, NotFound."""
    _check_names(parameters, further)
    measurement = _measurement(parameters, registry)
    fields = _fields(parameters, measurement)
    start = _instant(parameters, "start", "-1h", now)
    stop = _instant(parameters, "stop", "now", now)
    where = parse_conditions(parameters.getall("where", ()), measurement)
    _check_patterns(where)
    shape = _shape(parameters, raw_limit, start, stop)
    query = SeriesQuery(
        measurement.name, fields, start, stop, shape, where, _group_by(parameters, measurement), _top(parameters)
    )
    return SeriesRequest(query, measurement)


def values_request(parameters: MultiMapping[str], registry: Registry, now: datetime) -> ValuesQuery:
    """Read the parameters of a question for values. Raises InvalidRequest, NotFound."""
    known = {"values", "measurement", "where", "start", "stop", "limit"}
    for name in parameters:
        if name not in known:
            raise InvalidRequest(f"{name[:60]} does not go together with values", field=name[:60])
    text = parameters["values"]
    word, _, tag = text.partition(":")
    if word not in set(ValuesOf) or (tag and word != ValuesOf.TAG):
        raise InvalidRequest("values is tag:NAME, field or measurement", field="values", value=text[:60])
    where: Predicate = EVERYTHING
    measurement = ""
    if word != ValuesOf.MEASUREMENT or parameters.get("measurement"):
        asked = _measurement(parameters, registry)
        measurement = asked.name
        where = parse_conditions(parameters.getall("where", ()), asked)
        _check_patterns(where)
        if tag and tag not in asked.tags:
            hint = near_miss(tag, asked.tags)
            raise InvalidQuery(f"{asked.name} has no tag {tag[:60]!r}{hint}", field="values", value=text[:60])
    elif "where" in parameters:
        raise InvalidRequest("where needs a measurement, which has the tags", field="where")
    start, stop = _instant(parameters, "start", "-1h", now), _instant(parameters, "stop", "now", now)
    return ValuesQuery(ValuesOf(word), start, stop, measurement, tag, where, _limit(parameters, 10_000))


def _check_names(parameters: MultiMapping[str], further: Iterable[str]) -> None:
    known = {parameter.name for parameter in PARAMETERS} | set(further)
    for name in parameters:
        if name not in known:
            raise InvalidRequest(
                f"there is no parameter {name[:60]!r}{near_miss(name, sorted(known))}", field=name[:60]
            )
    for parameter in PARAMETERS:
        if not parameter.repeatable and len(parameters.getall(parameter.name, ())) > 1:
            raise InvalidRequest(f"{parameter.name} is given more than once", field=parameter.name)


def _measurement(parameters: MultiMapping[str], registry: Registry) -> Measurement:
    name = parameters.get("measurement")
    if not name:
        raise InvalidRequest("measurement is missing: name what to read, as measurement=cpu", field="measurement")
    measurement = registry.get(name)
    if measurement is None:
        raise NotFound(
            f"there is no measurement {name[:60]!r}{near_miss(name, registry.names())}",
            field="measurement",
            value=name[:60],
        )
    return measurement


def _fields(parameters: MultiMapping[str], measurement: Measurement) -> tuple[str, ...]:
    fields = tuple(dict.fromkeys(parameters.getall("field", ())))
    known = {field.name for field in measurement.fields}
    if "q" in parameters:
        known |= set(measurement.histograms)
    for field in fields:
        if field not in known:
            plain = [field.name for field in measurement.plain_fields]
            hint = "; it is a histogram, ask for q" if field in measurement.histograms else near_miss(field, plain)
            raise InvalidQuery(
                f"{measurement.name} has no field {field[:60]!r}{hint}",
                field="field",
                value=field[:60],
            )
    return fields


def _instant(parameters: MultiMapping[str], name: str, default: str, now: datetime) -> int:
    text = parameters.get(name) or default
    try:
        return parse_instant(text, now)
    except ValueError as error:
        raise InvalidRequest(str(error), field=name, value=text[:60]) from error


def _check_patterns(predicate: Predicate) -> None:
    # Here, because an engine that finds no series never looks at the pattern, and would answer as if it were good.
    match predicate:
        case AllOf(predicates):
            for one in predicates:
                _check_patterns(one)
        case Not(inner):
            _check_patterns(inner)
        case Matches(_, pattern):
            options = re2.Options()
            options.log_errors = False  # RE2 would print to stderr by itself
            try:
                re2.compile(pattern, options)
            except re2.error as error:
                reason = error.args[0].decode("utf-8", "replace") if isinstance(error.args[0], bytes) else str(error)
                raise InvalidQuery(
                    f"{pattern[:60]!r} is not a regular expression as RE2 knows them: {reason[:100]}",
                    field="where",
                    value=pattern[:60],
                ) from error


def _shape(parameters: MultiMapping[str], raw_limit: int, start: int, stop: int) -> Shape:
    every, functions, quantiles = parameters.get("every"), parameters.getall("fn", ()), parameters.getall("q", ())
    latest = _flag(parameters)
    for name in ("fn", "q", "group_by"):
        if name in parameters and every is None:
            raise InvalidRequest(
                f"{name} needs every: the length of the windows, as every=5m", field=name, value=parameters[name][:60]
            )
    if every is None:
        return Latest() if latest else Raw(_limit(parameters, raw_limit))
    if latest or "limit" in parameters:
        raise InvalidRequest("every goes together with neither limit nor latest", field="every", value=every)
    step, origin = (stop - start, start) if every == WHOLE_RANGE else (_step(every), 0)
    if every == WHOLE_RANGE and stop <= start:
        raise InvalidQuery("the range is empty: stop must be after start", field="stop", value=stop)
    if quantiles:
        if functions:
            raise InvalidRequest("q goes instead of fn, not together with it", field="q", value=quantiles[0][:20])
        return Quantile(step, _quantiles(quantiles), origin)
    if _COVERAGE in functions:
        if len(functions) > 1:
            raise InvalidRequest("fn=coverage stands alone", field="fn", value=_COVERAGE)
        return Coverage(step, origin)
    return Window(step, _functions(functions), origin)


def _quantiles(texts: Sequence[str]) -> tuple[float, ...]:
    found = []
    for text in texts:
        if not _DECIMAL.fullmatch(text):
            raise InvalidQuery(f"q is a number from 0 to 1, as 0.95, not {text[:20]!r}", field="q", value=text[:20])
        found.append(float(text))
    return tuple(dict.fromkeys(found))


def _group_by(parameters: MultiMapping[str], measurement: Measurement) -> GroupBy | None:
    tags = [tag for tag in parameters.getall("group_by", ()) if tag]
    for tag in tags:
        if tag not in measurement.tags:
            hint = near_miss(tag, measurement.tags)
            raise InvalidQuery(f"{measurement.name} has no tag {tag[:60]!r}{hint}", field="group_by", value=tag[:60])
    name = parameters.get("group_fn")
    if name is not None and "group_by" not in parameters:
        raise InvalidRequest("group_fn needs group_by: which series go together", field="group_fn", value=name[:20])
    if name is not None and name not in set(GroupFunction):
        raise InvalidRequest(
            f"there is no group_fn {name[:20]!r}{near_miss(name, sorted(GroupFunction))}", field="group_fn"
        )
    if "group_by" not in parameters:
        return None
    return GroupBy(tuple(dict.fromkeys(tags)), None if name is None else GroupFunction(name))


def _top(parameters: MultiMapping[str]) -> int | None:
    text = parameters.get("top")
    return None if text is None else _whole_number("top", text)


def _flag(parameters: MultiMapping[str]) -> bool:
    text = parameters.get("latest", "false").lower()
    if text not in {"true", "false", "1", "0"}:
        raise InvalidRequest(f"latest is true or false, not {text[:20]!r}", field="latest", value=text[:20])
    return text in {"true", "1"}


def _step(text: str) -> int:
    try:
        step = duration_nanoseconds(parse_duration(text))
    except (ValueError, OverflowError) as error:
        raise InvalidRequest(str(error), field="every", value=text[:20]) from error
    if step < NANOSECONDS_PER_MILLISECOND or step % NANOSECONDS_PER_MILLISECOND:
        raise InvalidRequest("every is a whole number of milliseconds, 1 or more", field="every", value=text[:20])
    return step


def _functions(names: Sequence[str]) -> tuple[Function, ...]:
    known = [*(function.value for function in Function), _COVERAGE]
    for name in names:
        if name not in known:
            raise InvalidRequest(
                f"there is no fn {name[:20]!r}{near_miss(name, sorted(known))}", field="fn", value=name[:20]
            )
    return tuple(dict.fromkeys(Function(name) for name in names)) or (Function.MEAN,)


def _limit(parameters: MultiMapping[str], raw_limit: int) -> int:
    text = parameters.get("limit")
    return raw_limit if text is None else _whole_number("limit", text)


def _whole_number(name: str, text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise InvalidRequest(
            f"{name} is a whole number of at most nine digits, not {text[:20]!r}", field=name, value=text[:20]
        )
    return int(text)
