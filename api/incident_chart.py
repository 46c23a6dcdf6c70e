"""The chart of an incident: what its rule read around it, against its thresholds. Shell."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from alerting.ledger import Incident
from alerting.rule_status import RuleStatus
from api.doors import Doors
from api.incident_marks import mark_of
from api.incidents import check_span
from dashboards.charts import chart_row
from dashboards.panels import Unit
from dashboards.views import ChartView, LimitView
from telemetry.times import NANOSECONDS_PER_MILLISECOND, to_datetime
from telemetry.visible_text import visible

_LEAST_AROUND = timedelta(minutes=10)
_MOST_AROUND = timedelta(hours=12)
_LONGEST_SHOWN = timedelta(days=7)
_UNITS: Mapping[str, Unit] = {"percent": "percent", "bytes": "bytes", "ms": "ms", "s": "s", "days": "days"}


def rule_of(doors: Doors, incident: Incident) -> RuleStatus | None:
    """The rule of an incident as it is in force now, or None."""
    return next((one for one in doors.rules.standing().rules if one.rule.name == incident.rule), None)


def natural_range(incident: Incident, status: RuleStatus | None, doors: Doors) -> tuple[str, str]:
    """Start and stop, as a URL has them: the incident, with some time before and after it."""
    now = doors.clock.now()
    start, stop = natural_span(incident, status, now)
    return _written(start.isoformat(timespec="seconds")), (
        "now" if stop == now else _written(stop.isoformat(timespec="seconds"))
    )


def natural_span(incident: Incident, status: RuleStatus | None, now: datetime) -> tuple[datetime, datetime]:
    """The incident, with some time before and after it; of a long one its end."""
    end = incident.resolved or now
    around = min(max((end - incident.opened) / 4, _LEAST_AROUND), _MOST_AROUND)
    before = around
    if status is not None:
        longest = max((one.window for one in status.rule.selections), default=0)
        before = max(before, timedelta(microseconds=(status.rule.hold_for + longest) // 1_000))
    stop = min(end + around, now)
    return max(incident.opened - before, stop - _LONGEST_SHOWN), stop


async def incident_chart(doors: Doors, incident: Incident, status: RuleStatus, span: tuple[int, int]) -> ChartView:
    """With its thresholds, its band, and a table that says the same.

    Raises InvalidRequest for a stretch that is too long, and as `EvaluationReader` does.
    """
    start, stop = (to_datetime(instant) for instant in span)
    check_span(start, stop)
    read = await doors.evaluations.evaluations(incident, start, stop)
    unit = _UNITS.get(status.unit, "count")
    known = any(value is not None for value in read.values)
    return ChartView(
        identifier="incident",
        title=visible(", ".join(f"{name} {value}" for name, value in incident.tags), 600) or visible(incident.rule),
        unit=unit,
        source=f"/api/v1/incidents/{incident.id}/evaluations?field=value&fn=evaluated",
        labels=("field",),
        stacked=False,
        maximum=None,
        step_ms=read.times.step // NANOSECONDS_PER_MILLISECOND,
        rows=(chart_row("value", read.values, unit),) if known else (),
        limits=tuple(LimitView(threshold.limit, severity.word) for severity, threshold in status.rule.thresholds),
        marks=(mark_of(incident),),
    )


def _written(text: str) -> str:
    return text.replace("+00:00", "Z")
