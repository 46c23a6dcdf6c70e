"""Incidents as bands on the charts of a service or of this host. Shell."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from alerting.ledger import Incident, IncidentQuery
from api.doors import Doors
from dashboards.time_range import TimeRange
from dashboards.views import MarkView
from telemetry.errors import OpsWatchError
from telemetry.times import NANOSECONDS_PER_MILLISECOND, from_datetime, to_datetime

logger = logging.getLogger(__name__)

_MOST = 200  # the newest of the range


async def incident_marks(doors: Doors, shown: TimeRange, page: str, subject: str) -> Mapping[str, Sequence[MarkView]]:
    """Those that were open in the range of a page, by the measurement that their rule reads; on other pages none."""
    if page not in {"service", "host"}:
        return {}
    query = IncidentQuery(
        limit=_MOST,
        service=subject if page == "service" else "",
        start=to_datetime(shown.start),
        stop=to_datetime(shown.stop),
    )
    try:
        found = (await doors.incidents.list(query)).incidents
    except OpsWatchError as error:
        logger.debug("incidents cannot be drawn", extra={"reason": error.message})  # the page says it elsewhere
        return {}
    read = {
        one.rule.name: {selection.measurement for selection in one.rule.selections}
        for one in doors.rules.standing().rules
    }
    now = doors.clock.now()
    marks: dict[str, list[MarkView]] = defaultdict(list)
    for one in found:
        if page == "service" or dict(one.tags).get("host") == doors.settings.host:
            for measurement in read.get(one.rule, ()):
                marks[measurement].append(mark_of(one, now))
    return marks


def mark_of(one: Incident, now: datetime) -> MarkView:
    """The band of an incident, up to now while it is open."""
    start, stop = (from_datetime(moment) // NANOSECONDS_PER_MILLISECOND for moment in (one.opened, one.resolved or now))
    return MarkView(start, stop, one.worst.word, one.facts.summary or one.rule, one.id)
