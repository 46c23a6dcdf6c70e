"""Replay a rule over stored history: how often it would have fired, and for how long. Shell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from alerting.evaluate import Surroundings
from alerting.history import HistoryReader
from alerting.ledger import AlertChange
from alerting.machine import Alert
from alerting.replay_report import ReplayReport, incidents_of
from alerting.rule_set import RuleSet
from alerting.rules import FORECAST_WINDOWS, Change, Forecast, Ratio, Rule, Selection, Value
from alerting.trial import Watch, tried
from telemetry.ports import QueryReader
from telemetry.times import duration_nanoseconds, from_datetime, to_datetime

COARSE = 300 * 1_000_000_000  # ns: beyond the raw samples there are levels of five minutes


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """Before `raw_since` there are no samples any more, and a rule is looked at in steps of five minutes."""

    rule: Rule
    start: datetime
    stop: datetime
    raw_since: datetime


async def replayed(
    request: ReplayRequest, reader: QueryReader, around: Surroundings, progress: Callable[[float], None]
) -> ReplayReport:
    """Take the rule through the period. Raises ServerError, QueryTooLarge, StoreUnavailable."""
    rule, stop = request.rule, request.stop
    seam = min(max(request.start, request.raw_since), stop)
    parts = [(coarse(rule), request.start, seam), (rule, seam, stop)]
    spans = [(one, _span(start, end, one.interval)) for one, start, end in parts]
    whole = sum(len(span) for _, span in spans) or 1
    changes: list[AlertChange] = []
    notes: set[str] = set()
    before = 0
    alerts: Sequence[Alert] = ()
    for one, span in spans:
        if not span:
            continue
        history = HistoryReader(reader, one.interval, span[-1])
        alone = RuleSet((replace(one, depends_on=()),), one.interval, 0, "replay", one.version)
        trial = await tried(
            alone,
            history,
            around,
            span,
            Watch(progress=_share(progress, before / whole, len(span) / whole)),
            alerts,
        )
        before += len(span)
        changes += trial.changes
        alerts = trial.alerts  # what is open goes on beyond the seam
        notes |= history.warnings
    if request.start < seam:
        notes.add(f"before {seam:%Y-%m-%d %H:%M} UTC it was looked at in steps of 5m, because only those are kept")
    return ReplayReport(
        rule.name, rule.version, request.start, stop, whole, incidents_of(changes), tuple(sorted(notes))
    )


def _share(progress: Callable[[float], None], before: float, part: float) -> Callable[[float], None]:
    return lambda share: progress(before + share * part)


def coarse(rule: Rule) -> Rule:
    """The rule as it can be looked at where windows of five minutes are all that is kept."""
    interval = _up(rule.interval, COARSE)
    match rule.expression:
        case Value(of):
            wide: Value | Ratio | Change | Forecast = Value(_widened(of, interval))
        case Ratio() as ratio:
            wide = replace(ratio, part=_widened(ratio.part, interval), whole=_widened(ratio.whole, interval))
        case Change() as change:
            wide = replace(change, of=_widened(change.of, interval))
        case Forecast() as forecast:
            wide = replace(forecast, over=_up(forecast.over, interval * FORECAST_WINDOWS))
    return replace(rule, expression=wide, interval=interval)


def _widened(of: Selection, interval: int) -> Selection:
    return replace(of, window=_up(of.window, interval))


def _up(length: int, step: int) -> int:
    return -(-length // step) * step


def _span(start: datetime, stop: datetime, interval: int) -> range:
    first = _up(from_datetime(start), interval)
    return range(first, from_datetime(stop), interval)


def raw_since(now: datetime, retention: timedelta) -> datetime:
    """From when on there are samples."""
    return to_datetime(from_datetime(now) - duration_nanoseconds(retention))
