"""From a URL's parameters to a series query, with errors that name the parameter and the near miss. Pure."""

from __future__ import annotations

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
    AllOf,
    Function,
    Latest,
    Matches,
    Not,
    Predicate,
    Raw,
    SeriesQuery,
    Shape,
    Window,
)
from telemetry.times import duration_nanoseconds, parse_duration, parse_instant

NANOSECONDS_PER_MILLISECOND = 1_000_000

PARAMETERS = (
    Parameter("measurement", "What: cpu, mem, disk, net, system, probe, ... (see /api/v1/schema)", required=True),
    Parameter("field", "A field of it; all when none is given", repeatable=True),
    Parameter("where", "tag:value, tag!:value or tag~:regex (RE2); all must hold", repeatable=True),
    Parameter("start", "RFC 3339, unix seconds, or relative as -1h (the default)"),
    Parameter("stop", "as start, not included; now when not given"),
    Parameter("every", "one value per window of this length, as 5m"),
    Parameter("fn", "with every: " + ", ".join(Function) + "; mean when not given", repeatable=True),
    Parameter("limit", "without every: at most so many samples of each series, oldest first (10000)"),
    Parameter("latest", "true: only the newest sample of each series"),
)
_LATER = frozenset({"group_by", "top", "q"})


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
    shape = _shape(parameters, raw_limit)
    return SeriesRequest(SeriesQuery(measurement.name, fields, start, stop, shape, where), measurement)


def _check_names(parameters: MultiMapping[str], further: Iterable[str]) -> None:
    known = {parameter.name for parameter in PARAMETERS} | set(further)
    for name in parameters:
        if name in _LATER:
            raise InvalidRequest(f"{name} is not available in this version", field=name, value=parameters[name])
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
    known = [field.name for field in measurement.fields]
    for field in fields:
        if field not in known:
            raise InvalidQuery(
                f"{measurement.name} has no field {field[:60]!r}{near_miss(field, known)}",
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
                raise InvalidQuery(
                    f"{pattern[:60]!r} is not a regular expression as RE2 knows them: {error}",
                    field="where",
                    value=pattern[:60],
                ) from error


def _shape(parameters: MultiMapping[str], raw_limit: int) -> Shape:
    every, functions = parameters.get("every"), parameters.getall("fn", ())
    latest = _flag(parameters)
    if functions and every is None:
        raise InvalidRequest("fn needs every: the length of the windows, as every=5m", field="fn", value=functions[0])
    if every is not None:
        if latest or "limit" in parameters:
            raise InvalidRequest("every goes together with neither limit nor latest", field="every", value=every)
        return Window(_step(every), _functions(functions))
    if latest:
        return Latest()
    return Raw(_limit(parameters, raw_limit))


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
    known = [function.value for function in Function]
    for name in names:
        if name not in known:
            raise InvalidRequest(
                f"there is no fn {name[:20]!r}{near_miss(name, sorted(known))}", field="fn", value=name[:20]
            )
    return tuple(dict.fromkeys(Function(name) for name in names)) or (Function.MEAN,)


def _limit(parameters: MultiMapping[str], raw_limit: int) -> int:
    text = parameters.get("limit")
    if text is None:
        return raw_limit
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise InvalidRequest(f"limit is a whole number, not {text[:20]!r}", field="limit", value=text[:20])
    return int(text)
