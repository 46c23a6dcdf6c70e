"""Incidents as bands on the charts of a service or of this host. Shell."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from alerting.ledger import Incident, IncidentQuery
from api.alert_words import summary_of
from api.doors import Doors
from dashboards.time_range import TimeRange
from dashboards.views import MarkView
from telemetry.errors import OpsWatchError
from telemetry.times import NANOSECONDS_PER_MILLISECOND, from_datetime, to_datetime
from telemetry.visible_text import visible

_MOST = 200  # the newest of the range


async def incident_marks(
    doors: Doors, shown: TimeRange, page: str, subject: str
) -> tuple[Mapping[str, Sequence[MarkView]], tuple[str, ...]]:
    """Those that were open in the range of a page, by the measurement that their rule reads; on other pages none.

    And why they are not known, where they are not.
    """
    if page not in {"service", "host"}:
        return {}, ()
    query = IncidentQuery(
        limit=_MOST,
        service=subject if page == "service" else "",
        start=to_datetime(shown.start),
        stop=to_datetime(shown.stop),
    )
    try:
        found = (await doors.incidents.list(query)).incidents
    except OpsWatchError as error:
        return {}, (f"Incidents are not known at the moment: {error.message}",)
    read = {
        one.rule.name: {selection.measurement for selection in one.rule.selections}
        for one in doors.rules.standing().rules
    }
    marks: dict[str, list[MarkView]] = defaultdict(list)
    for one in found:
        if page == "service" or dict(one.tags).get("host") == doors.settings.host:
            for measurement in read.get(one.rule, ()):
                marks[measurement].append(mark_of(one))
    return marks, ()


def mark_of(one: Incident) -> MarkView:
    """The band of an incident."""
    start = from_datetime(one.opened) // NANOSECONDS_PER_MILLISECOND
    stop = None if one.resolved is None else from_datetime(one.resolved) // NANOSECONDS_PER_MILLISECOND
    return MarkView(start, stop, one.worst.word, summary_of(one), one.id, visible(one.rule))
