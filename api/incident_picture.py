"""The picture of an incident for a message: what its page shows as a chart, drawn here. Shell.

A message never waits long for it, nor fails because of it: where there is no picture in time, there is none.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from zoneinfo import ZoneInfo

from alerting.ledger import Incident, IncidentBook
from alerting.rule_status import RuleStatus
from alerting.rule_words import limit_words
from alerting.rules import Severity, Threshold
from alerting.template import with_unit
from api.doors import EvaluationReader, Evaluations, RuleDesk
from api.incident_chart import natural_span
from dashboards.trend_picture import TrendFacts, TrendLimit, trend_png
from telemetry.clock import Clock
from telemetry.errors import OpsWatchError

logger = logging.getLogger(__name__)

DEADLINE = 5.0  # seconds


class IncidentPicture:
    """Implements `alerting.outbox.TrendPicture`. One picture is drawn at a time, in a thread of its own."""

    def __init__(
        self, incidents: IncidentBook, rules: RuleDesk, evaluations: EvaluationReader, clock: Clock, zone: ZoneInfo
    ) -> None:
        self._incidents = incidents
        self._rules = rules
        self._evaluations = evaluations
        self._clock = clock
        self._zone = zone
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="picture")

    async def draw(self, incident: int) -> bytes | None:
        """See `TrendPicture.draw`; never raises but CancelledError, and ends within `DEADLINE`."""
        try:
            async with asyncio.timeout(DEADLINE):
                facts = await self._facts(incident)
                if facts is None:
                    return None
                return await asyncio.get_running_loop().run_in_executor(self._thread, trend_png, facts)
        except (OpsWatchError, TimeoutError) as error:
            reason = str(error) or f"it took more than {DEADLINE:g} s"
            logger.info("a message goes without its picture", extra={"incident": incident, "reason": reason})
        except Exception:
            logger.exception("a picture could not be drawn", extra={"incident": incident})
        return None

    def close(self) -> None:
        """Draw nothing more; what is being drawn is not waited for."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _facts(self, number: int) -> TrendFacts | None:
        incident, _ = await self._incidents.show(number)
        status = next((one for one in self._rules.standing().rules if one.rule.name == incident.rule), None)
        if status is None:
            return None
        start, stop = natural_span(incident, status, self._clock.now())
        read = await self._evaluations.evaluations(incident, start, stop)
        if all(value is None for value in read.values):
            return None
        return trend_facts(incident, status, read, self._zone)


def trend_facts(incident: Incident, status: RuleStatus, read: Evaluations, zone: ZoneInfo) -> TrendFacts:
    """What is drawn of an incident."""
    where = ", ".join(f"{name} {value}" for name, value in incident.tags)
    return TrendFacts(
        title=f"{incident.rule}: {where}" if where else incident.rule,
        unit=status.unit,
        written=partial(with_unit, unit=status.unit),
        times=read.times,
        values=read.values,
        limits=tuple(_limit(severity, threshold, status.unit) for severity, threshold in status.rule.thresholds),
        opened=incident.opened,
        resolved=incident.resolved,
        zone=zone,
    )


def _limit(severity: Severity, threshold: Threshold, unit: str) -> TrendLimit:
    words = f"{severity.word} {limit_words(replace(threshold, clear=None), unit)}"
    return TrendLimit(severity.word, threshold.limit, threshold.comparison.is_upward, words)
