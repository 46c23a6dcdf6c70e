"""What a rule read of one tag set over a stretch of time, as it is stored now. Shell."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from alerting.history import HistoryReader
from alerting.machine import Reading
from alerting.questions import Freshness, Lookback, Plan, Question, asked_by
from alerting.readings import Answer, readings_of
from alerting.rules import Change, Expression, Forecast, Ratio, Rule, Selection, Value
from telemetry.points import Tags
from telemetry.ports import QueryReader
from telemetry.series import AllOf, Equals

MOST_INSTANTS = 1_000
_DEADLINE = timedelta(seconds=10)
_BREATH = 100


async def evaluations(
    rule: Rule, tags: Tags, reader: QueryReader, span: range, told: tuple[Lookback, Freshness]
) -> list[Reading]:
    """The reading at each instant of `span` (ns, multiples of the rule's interval). Raises as the reader does.

    At most `MOST_INSTANTS`: choose the step so.
    """
    lookback, freshness = told
    asked = asked_by(_narrowed(rule.expression, tags), lookback)
    plan = Plan.of(asked)
    history = HistoryReader(reader, rule.interval, span.stop)
    missing = Reading.missing("there was no sample")
    found = []
    for number, now in enumerate(span[:MOST_INSTANTS]):
        answers: dict[Question, Answer] = {}
        for question in plan.functions:
            answers[question] = Answer(await history.read(plan.query(question, now), _DEADLINE))
        found.append(readings_of(rule, asked, answers, now, freshness).get(tags, missing))
        if number % _BREATH == _BREATH - 1:
            await asyncio.sleep(0)
    return found


def _narrowed(expression: Expression, tags: Tags) -> Expression:
    """Asks for the series of one alert alone."""

    def narrow(of: Selection) -> Selection:
        wanted: Sequence[Equals] = [Equals(name, value) for name, value in tags]
        return replace(of, where=AllOf((of.where, *wanted)))

    match expression:
        case Ratio(part, whole):
            return replace(expression, part=narrow(part), whole=narrow(whole))
        case Value(of) | Change(of) | Forecast(of):
            return replace(expression, of=narrow(of))
