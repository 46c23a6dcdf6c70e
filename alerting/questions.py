"""Which queries answer all rules: one for those that look at the same field of the same stretch of time. Pure.

The cost grows with the series there are, not with the rules: which series a rule means is found in the answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from alerting.rules import FORECAST_WINDOWS, Change, Expression, Forecast, Ratio, Selection, Value
from telemetry.points import Tags
from telemetry.series import (
    EVERYTHING,
    Function,
    GroupBy,
    Latest,
    Predicate,
    Quantile,
    SeriesQuery,
    Window,
)


@dataclass(frozen=True, slots=True)
class Question:
    """The samples of one field over `window` ns that end `shift` ns before the evaluation.

    `windows`: how many equal parts it is cut into. `quantile` and `group_by` are asked of the store, because quantiles
    of quantiles mean nothing; all else is put together from the answer. `newest`: the newest samples are asked for.
    """

    measurement: str
    field: str
    window: int
    shift: int = 0
    windows: int = 1
    newest: bool = False
    quantile: float | None = None
    where: Predicate = EVERYTHING
    group_by: tuple[str, ...] | None = None

    def query(self, now: int, functions: Iterable[Function], where: Predicate) -> SeriesQuery:
        """What the store is asked at `now` (ns). Raises InvalidQuery, QueryTooLarge."""
        stop, step = now - self.shift, self.window // self.windows
        start = stop - step * self.windows
        shape: Latest | Quantile | Window
        group = None
        if self.newest:
            shape = Latest()
        elif self.quantile is not None:
            shape = Quantile(step, (self.quantile,), start)
            group = None if self.group_by is None else GroupBy(self.group_by)
        else:
            shape = Window(step, tuple(sorted(functions)), start)
        return SeriesQuery(self.measurement, (self.field,), start, stop, shape, where, group)


Lookback = Callable[[str], int]  # of a measurement's name: how far back its newest sample is looked for, in ns


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, with how each window becomes a value, and which of the series are meant."""

    question: Question
    function: Function | None
    where: Predicate


def asked_by(expression: Expression, lookback: Lookback) -> tuple[Asked, ...]:
    """What an expression asks, in the order of its parts: value; part and whole; now and then; trend."""
    match expression:
        case Value(of):
            return (_asked(of, lookback),)
        case Ratio(part, whole):
            return (_asked(part, lookback), _asked(whole, lookback))
        case Change(of, against):
            return (_asked(of, lookback), _asked(of, lookback, shift=against))
        case Forecast(of, _, over):
            question = Question(of.measurement, of.field, over, windows=FORECAST_WINDOWS)
            return (Asked(question, Function.MEAN, of.where),)


def _asked(of: Selection, lookback: Lookback, shift: int = 0) -> Asked:
    if of.function is None:
        question = Question(
            of.measurement, of.field, of.window, shift, quantile=of.quantile, where=of.where, group_by=of.group_by
        )
        return Asked(question, None, of.where)
    if of.function is Function.LAST:
        window = max(of.window, lookback(of.measurement))
        return Asked(Question(of.measurement, of.field, window, shift, newest=True), of.function, of.where)
    return Asked(Question(of.measurement, of.field, of.window, shift), of.function, of.where)


@dataclass(slots=True)
class Plan:
    """Questions with the functions that somebody wants of each, and the predicate that all who ask it share."""

    functions: dict[Question, set[Function]]
    predicates: dict[Question, set[Predicate]]

    @classmethod
    def of(cls, asked: Iterable[Asked]) -> Plan:
        """The least that answers all of these."""
        plan = cls({}, {})
        for one in asked:
            functions = plan.functions.setdefault(one.question, set())
            if one.function is not None:
                functions.add(one.function)
            plan.predicates.setdefault(one.question, set()).add(one.where)
        return plan

    def query(self, question: Question, now: int) -> SeriesQuery:
        """The query of a question at `now`. A predicate that all share is left to the store. Raises InvalidQuery."""
        predicates = self.predicates[question]
        where = next(iter(predicates)) if len(predicates) == 1 else EVERYTHING
        return question.query(now, self.functions[question], where)


Freshness = Callable[
    [str, Tags], int | None
]  # ns: how old the newest sample of a series may be; None: as the rule says
