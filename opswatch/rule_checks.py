"""What is wrong with rules beyond their form: names that stand nowhere, times that do not fit, circles. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import re2

from alerting.rules import FORECAST_WINDOWS, SOURCE_BLIND
from opswatch.configuration_faults import fault_at
from opswatch.configuration_values import near_miss, quoted
from opswatch.rule_models import COMPARISONS, QueryModel, RuleModel, RulesModel, ThresholdModel
from opswatch.yaml_document import Document, Path
from telemetry.conditions import parse_conditions
from telemetry.errors import Fault, InvalidQuery
from telemetry.schema import Field, FieldKind, FieldType, Measurement, MeasurementClass, Registry
from telemetry.series import AllOf, Function, Matches, Not, Predicate
from telemetry.times import format_duration

WINDOW = timedelta(minutes=5)
LONGEST = timedelta(days=31)
MOST_INTERVALS = 5_000  # of a window: what is read each time must be little against how often it is read


def measurement_of(query: QueryModel, registry: Registry) -> Measurement:
    """The measurement of a query; of one that is still to be learned, what its rule says of it."""
    known = registry.get(query.measurement)
    if known is not None and (known.field(query.field) is not None or not query.learned):
        return known
    names = {text.partition(":")[0].rstrip("!~|") for text in query.where} | set(query.group_by or ())
    field = Field(query.field, FieldType.FLOAT, FieldKind.UNTYPED)
    return Measurement(
        query.measurement, MeasurementClass.METRICS, tuple(sorted(names)), (field,), 1, "", is_learned=True
    )


class RuleChecks:
    """Checks a file that has the right form; each check yields faults with their places."""

    def __init__(self, document: Document, source: str, registry: Registry) -> None:
        self._document = document
        self._source = source
        self._registry = registry

    def of(self, model: RulesModel) -> list[Fault]:
        """Every fault."""
        found = list(self._times(model))
        names = [rule.name for rule in model.rules]
        seen: dict[str, int] = {}
        for number, rule in enumerate(model.rules):
            path: Path = ("rules", number)
            if rule.name in seen:
                words = f"the rule {quoted(rule.name)} stands twice; first as rules[{seen[rule.name]}]"
                found.append(self._fault((*path, "name"), words, "rename or remove one of them"))
            if rule.name == SOURCE_BLIND:
                found.append(self._fault((*path, "name"), f"{SOURCE_BLIND} is OpsWatch's own rule", "rename it"))
            seen.setdefault(rule.name, number)
            found += self._rule(path, rule, model)
            for place, name in enumerate(rule.depends_on):
                if name not in names:
                    words, hint = f"there is no rule {quoted(name)}", near_miss(name, names)
                    found.append(self._fault((*path, "depends_on", place), words, hint))
        found += self._circles(model)
        return found

    def _fault(self, path: Path, message: str, hint: str = "") -> Fault:
        return fault_at(self._document, self._source, path, message, hint)

    def _times(self, model: RulesModel) -> Iterator[Fault]:
        if not timedelta(seconds=1) <= model.interval <= timedelta(hours=1):
            yield self._fault(("interval",), f"rules cannot be looked at every {_d(model.interval)}", "1s to 1h")
        if model.lag > timedelta(minutes=10):
            yield self._fault(("lag",), f"a lag of {_d(model.lag)} is too long", "at most 10m")

    def _rule(self, path: Path, rule: RuleModel, model: RulesModel) -> Iterator[Fault]:
        interval = rule.interval or model.interval
        if interval % model.interval:
            words = f"an interval of {_d(interval)} is no multiple of the file's, {_d(model.interval)}"
            yield self._fault((*path, "interval"), words)
        for key, length in (("for", rule.for_), ("keep_firing_for", rule.keep_firing_for)):
            if timedelta(0) < length < interval:
                words = f"`{key}` {_d(length)} is shorter than the interval, {_d(interval)}"
                yield self._fault((*path, key), words, f"write 0s, or {_d(interval)} and more")
        if rule.flapping is not None and rule.flapping.window < 2 * interval:
            words = f"in {_d(rule.flapping.window)} nothing can open and close: the interval is {_d(interval)}"
            yield self._fault((*path, "flapping", "window"), words)
        yield from self._thresholds(path, rule)
        for place, query in _queries(rule):
            yield from self._query((*path, *place), query, interval, is_forecast=place[0] == "forecast")
        if rule.ratio is not None and rule.ratio.part.group_by != rule.ratio.whole.group_by:
            words = "part and whole are grouped otherwise: their tag sets do not meet"
            yield self._fault((*path, "ratio", "whole"), words, "give both the same group_by")
        if rule.forecast is not None:
            least = interval * FORECAST_WINDOWS
            if not least <= rule.forecast.over <= LONGEST:
                words = f"a slope cannot be taken over {_d(rule.forecast.over)}"
                yield self._fault((*path, "forecast", "over"), words, f"write {_d(least)} to {_d(LONGEST)}")

    def _thresholds(self, path: Path, rule: RuleModel) -> Iterator[Fault]:
        if rule.warning is None or rule.critical is None:
            return
        (upward, warning), (also, critical) = _side(rule.warning), _side(rule.critical)
        if upward is not also:
            yield self._fault((*path, "critical"), "warning and critical look in different directions")
        elif critical < warning if upward else critical > warning:
            words = f"critical at {critical:g} is milder than warning at {warning:g}"
            yield self._fault((*path, "critical"), words, "exchange them")

    def _query(self, path: Path, query: QueryModel, interval: timedelta, *, is_forecast: bool) -> Iterator[Fault]:
        measurement = self._registry.get(query.measurement)
        if measurement is None and not query.learned:
            words = f"there is no measurement {quoted(query.measurement)}"
            hint = near_miss(query.measurement, list(self._registry.names()))
            hint = hint or 'if applications push it, add "learned": true'
            yield self._fault((*path, "measurement"), words, hint)
            return
        yield from self._field(path, query, measurement)
        measurement = measurement_of(query, self._registry)
        for place, text in enumerate(query.where):
            try:
                _check_patterns(parse_conditions((text,), measurement))
            except InvalidQuery as error:
                yield self._fault((*path, "where", place), error.message)
        for place, tag in enumerate(query.group_by or ()):
            if tag not in measurement.tags:
                words = f"{query.measurement} has no tag {quoted(tag)}"
                yield self._fault((*path, "group_by", place), words, near_miss(tag, list(measurement.tags)))
        if is_forecast:
            if query.q is not None:
                yield self._fault((*path, "q"), "a forecast is made of means", "remove it")
            return
        window = query.window or WINDOW
        if window > LONGEST:
            yield self._fault((*path, "window"), f"a window of {_d(window)} is too long", f"at most {_d(LONGEST)}")
        elif window > MOST_INTERVALS * interval:
            least = timedelta(seconds=-(-window.total_seconds() // MOST_INTERVALS))
            words = f"{_d(window)} would be read every {_d(interval)}"
            yield self._fault((*path, "window"), words, f"give the rule an interval of {_d(least)} or more")

    def _field(self, path: Path, query: QueryModel, measurement: Measurement | None) -> Iterator[Fault]:
        field = None if measurement is None else measurement.field(query.field)
        if (
            measurement is not None
            and field is None
            and query.field not in measurement.histograms
            and not query.learned
        ):
            known = [one.name for one in measurement.plain_fields]
            words = f"{query.measurement} has no field {quoted(query.field)}"
            yield self._fault((*path, "field"), words, near_miss(query.field, known))
        if field is not None and field.type is FieldType.TEXT:
            yield self._fault((*path, "field"), f"{query.field} is text, which has no threshold")
        if (query.measurement, query.field) == ("probe", "state") and query.fn is not Function.LAST:
            yield self._fault((*path, "fn"), "a state has no mean: what counts is the last one", "write fn: last")

    def _circles(self, model: RulesModel) -> Iterator[Fault]:
        needs = {rule.name: rule.depends_on for rule in model.rules}
        for number, rule in enumerate(model.rules):
            way, waiting = {rule.name}, list(rule.depends_on)
            while waiting:
                name = waiting.pop()
                if name == rule.name:
                    words = f"the rule {quoted(rule.name)} depends on itself"
                    yield self._fault(("rules", number, "depends_on"), words, "a circle explains nothing")
                    break
                if name not in way:
                    way.add(name)
                    waiting += needs.get(name, ())


def _queries(rule: RuleModel) -> Iterator[tuple[Path, QueryModel]]:
    if rule.query is not None:
        yield ("query",), rule.query
    if rule.ratio is not None:
        yield ("ratio", "part"), rule.ratio.part
        yield ("ratio", "whole"), rule.ratio.whole
    if rule.change is not None:
        yield ("change", "query"), rule.change.query
    if rule.forecast is not None:
        yield ("forecast", "query"), rule.forecast.query


def _side(threshold: ThresholdModel) -> tuple[bool, float]:
    name = next(name for name in COMPARISONS if getattr(threshold, name) is not None)
    return name in {"above", "at_least"}, getattr(threshold, name)


def _check_patterns(predicate: Predicate) -> None:
    match predicate:
        case AllOf(predicates):
            for one in predicates:
                _check_patterns(one)
        case Not(inner):
            _check_patterns(inner)
        case Matches(_, pattern):
            try:
                re2.compile(pattern)
            except re2.error as error:
                raise InvalidQuery(f"{pattern[:60]!r} is no pattern that can be searched for: {error}") from error


def _d(duration: timedelta) -> str:
    return format_duration(duration)
