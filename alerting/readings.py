"""From the answers of a store to what each rule reads of each tag set. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache

from alerting.machine import Reading
from alerting.matching import holds, required
from alerting.questions import Asked, Freshness, Question
from alerting.rules import Change, Forecast, Ratio, Rule, Selection
from alerting.trend import hours_until
from telemetry.grouping import group_tags, grouped
from telemetry.health import State
from telemetry.points import Tags
from telemetry.series import EVERYTHING, AllOf, Equals, Function, GroupBy, Predicate, SeriesResult, SeriesSamples
from telemetry.times import NANOSECONDS_PER_SECOND as SECOND
from telemetry.times import format_duration

# Of these the absence of any sample means that there was nothing to count.
_COUNTING = frozenset({Function.SUM, Function.COUNT, Function.INCREASE, Function.RATE})
_UNKNOWN_STATE = ("probe", "state")  # a field in which State.UNKNOWN is no value, but the want of one


@dataclass(slots=True)
class Answer:
    """The answer to one question, with its series by the values of tags, so that a rule finds its own at once."""

    result: SeriesResult
    _of_function: dict[Function | None, list[SeriesSamples]] = field(default_factory=dict)
    _by_tag: dict[tuple[Function | None, str], dict[str, list[SeriesSamples]]] = field(default_factory=dict)

    def selected(self, function: Function | None, where: Predicate) -> Sequence[SeriesSamples]:
        """The series of a function that a predicate means."""
        some = self._with(function)
        if where == EVERYTHING:
            return some
        wanted = required(where)
        if wanted is not None:
            some = self._tagged(function, wanted[0]).get(wanted[1], [])
            if where in _only(*wanted):
                return some
        return [one for one in some if holds(where, dict(one.series.tags))]

    def _with(self, function: Function | None) -> list[SeriesSamples]:
        if not self._of_function:
            for one in self.result.series:
                self._of_function.setdefault(one.function, []).append(one)
        return self._of_function.get(None if function is Function.LAST else function, [])

    def _tagged(self, function: Function | None, tag: str) -> dict[str, list[SeriesSamples]]:
        known = self._by_tag.get((function, tag))
        if known is None:
            known = defaultdict(list)
            for one in self._with(function):
                known[dict(one.series.tags).get(tag, "")].append(one)
            self._by_tag[function, tag] = known
        return known


@lru_cache(maxsize=50_000)
def _only(tag: str, value: str) -> tuple[Predicate, Predicate]:
    """The predicates that ask for this value and nothing else."""
    return Equals(tag, value), AllOf((Equals(tag, value),))


@dataclass(frozen=True, slots=True)
class Values:
    """What a selection came to, by tag set; `missing` are those that are there and say nothing, with the reason."""

    known: Mapping[Tags, float]
    missing: Mapping[Tags, str] = field(default_factory=dict)


def readings_of(
    rule: Rule, asked: Sequence[Asked], answers: Mapping[Question, Answer], now: int, freshness: Freshness
) -> dict[Tags, Reading]:
    """What the rule reads at `now` (ns), of each tag set of which anything can be said. `asked`: by `asked_by`."""
    match rule.expression:
        case Ratio() as ratio:
            part, whole = (
                _values(of, one, answers[one.question], now, freshness)
                for of, one in zip((ratio.part, ratio.whole), asked, strict=True)
            )
            return _ratios(ratio, part, whole)
        case Change() as change:
            present, then = (_values(change.of, one, answers[one.question], now, freshness) for one in asked)
            return _changes(change, present, then)
        case Forecast() as forecast:
            return _forecasts(forecast, asked[0], answers[asked[0].question])
        case value:
            found = _values(value.of, asked[0], answers[asked[0].question], now, freshness)
            return _missing(found) | {tags: Reading.of(number) for tags, number in found.known.items()}


def _values(of: Selection, asked: Asked, answer: Answer, now: int, freshness: Freshness) -> Values:
    some = answer.selected(asked.function, asked.where)
    if asked.question.newest:
        return _newest(of, some, now - asked.question.shift, freshness)
    if of.group_by is not None and of.function is not None:
        some = grouped(GroupBy(of.group_by, of.group_function), some)
    return Values(_last_numbers(some))


def _last_numbers(some: Sequence[SeriesSamples]) -> dict[Tags, float]:
    return {one.series.tags: float(one.values[-1]) for one in some if isinstance(one.values[-1], int | float)}


def _newest(of: Selection, some: Sequence[SeriesSamples], now: int, freshness: Freshness) -> Values:
    """The newest samples that are new enough; a confirmed state that is unknown says nothing."""
    fresh: list[SeriesSamples] = []
    missing: dict[Tags, str] = {}
    for one in some:
        series = one.series
        group = series.tags if of.group_by is None else group_tags(series.tags, GroupBy(of.group_by))
        most = max(of.window, freshness(of.measurement, series.tags) or 0)
        if now - one.times[-1] > most:
            missing[group] = f"the newest sample is older than {_words(most)}"
        elif (of.measurement, of.field) == _UNKNOWN_STATE and one.values[-1] == State.UNKNOWN:
            missing[group] = "its state is unknown"
        else:
            # One window for all, so that they can be put together.
            fresh.append(SeriesSamples(series, (now,), (one.values[-1],), Function.LAST))
    if of.group_by is not None:
        fresh = grouped(GroupBy(of.group_by, of.group_function), fresh)
    known = _last_numbers(fresh)
    return Values(known, {tags: reason for tags, reason in missing.items() if tags not in known})


def _missing(values: Values) -> dict[Tags, Reading]:
    return {tags: Reading.missing(reason) for tags, reason in values.missing.items()}


def _ratios(ratio: Ratio, part: Values, whole: Values) -> dict[Tags, Reading]:
    found = _missing(whole) | _missing(part)
    for tags, number in whole.known.items():
        of_it = part.known.get(tags)
        if of_it is None and tags not in part.missing and ratio.part.function in _COUNTING:
            of_it = 0.0
        if number < ratio.least or number == 0:
            found[tags] = Reading.nothing(f"of {number:g} there is nothing to judge")
        elif of_it is None:
            found[tags] = Reading.missing(f"there is no {ratio.part.field} to be compared")
        else:
            found[tags] = Reading.of(of_it / number * (100 if ratio.percent else 1))
    for tags in part.known.keys() - whole.known.keys() - whole.missing.keys():
        found[tags] = Reading.missing(f"there is no {ratio.whole.field} to compare with")
    return found


def _changes(change: Change, present: Values, then: Values) -> dict[Tags, Reading]:
    found = _missing(present)
    ago = _words(change.against)
    for tags, number in present.known.items():
        before = then.known.get(tags)
        if before is None:
            found[tags] = Reading.missing(f"there is no value of {ago} ago to compare with")
        elif not change.percent:
            found[tags] = Reading.of(number - before)
        elif before == 0:
            found[tags] = Reading.missing(f"the value was 0 {ago} ago, of which there is no percentage")
        else:
            found[tags] = Reading.of((number - before) / abs(before) * 100)
    return found


def _forecasts(forecast: Forecast, asked: Asked, answer: Answer) -> dict[Tags, Reading]:
    some = answer.selected(asked.function, asked.where)
    if forecast.of.group_by is not None:
        some = grouped(GroupBy(forecast.of.group_by, forecast.of.group_function), some)
    found = {}
    for one in some:
        values = [value if not isinstance(value, str) else None for value in one.values]
        hours = hours_until(one.times, values, forecast.reaches)
        if hours is None:
            found[one.series.tags] = Reading.missing(f"less than half of {_words(forecast.over)} is known")
        elif math.isinf(hours):
            found[one.series.tags] = Reading.nothing(f"it is not going towards {forecast.reaches:g}")
        else:
            found[one.series.tags] = Reading.of(hours)
    return found


def _words(nanoseconds: int) -> str:
    return format_duration(timedelta(seconds=nanoseconds // SECOND))
