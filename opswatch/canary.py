"""The canary: every interval one point goes all the way, and only then the world outside hears that all is well. Shell.

probe → spool → store → query → rule → delivery → heartbeat. When the way is broken the address outside hears nothing,
`/ready` and the page name the stage, and the receivers are told once. Every stage has its time: one that hangs is late
like one that fails, and the next pulse comes all the same.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from alerting.canary_rule import FIELD, MEASUREMENT, CanaryRule
from alerting.dead_mans_switch import WORDS, Breakage, Judgement, Stage, judged, late
from alerting.readings import Answer
from collector.http_probe import HttpProber
from collector.targets import HttpRequestSpec, ProbeSpec
from opswatch.alerting import Alerting
from opswatch.heartbeat import Heartbeat
from opswatch.scheduler import Job, Scheduler
from opswatch.storage import Place
from opswatch.telling import Telling
from opswatch.telling_settings import HeartbeatSettings
from opswatch.write_path import WritePath
from telemetry.clock import Clock
from telemetry.errors import OpsWatchError
from telemetry.health import Outcome
from telemetry.points import FieldValue, Point
from telemetry.ports import PointWriter, SeriesReader, WriteStatus
from telemetry.series import Raw, SeriesQuery, SeriesResult
from telemetry.times import NANOSECONDS_PER_MILLISECOND, duration_nanoseconds, from_datetime

logger = logging.getLogger(__name__)

EVERY = timedelta(seconds=60)
_LOOKED_FOR = 3  # points
_PATIENCE = timedelta(seconds=10)  # for each stage, or half an interval
_FIRST = timedelta(seconds=5)  # after the start


@dataclass(frozen=True, slots=True)
class CanaryParts:
    """What the canary goes through. `rules_trouble` says why rules are not evaluated; `delivered` when the outbox was
    worked on last (None: never); both are asked only where alerting is enabled. `tell` reaches the receivers."""

    prober: HttpProber
    writer: PointWriter
    reader: SeriesReader
    rules_trouble: Callable[[datetime], str]
    delivered: Callable[[], datetime | None]
    tell: Callable[[str], Awaitable[None]]
    clock: Clock
    host: str
    alerting_enabled: bool = True


class Canary:
    """Make it with `heartbeat` None where nobody outside waits: then it is for the page alone."""

    def __init__(self, parts: CanaryParts, heartbeat: HeartbeatSettings | None) -> None:
        self._parts = parts
        self._heartbeat = None if heartbeat is None else Heartbeat(heartbeat)
        self.interval = heartbeat.interval if heartbeat is not None else EVERY
        self._patience = min(_PATIENCE, self.interval / 2)
        self._started = parts.clock.monotonic()
        self._judgement = Judgement(self._started)
        self._pulsed = self._started
        self._sent: deque[tuple[int, float]] = deque(maxlen=_LOOKED_FOR)  # time of the point, and when it went
        self._told: Stage | None = None
        self._address = ""
        self.passes: dict[Stage, float] = {}

    def plan_jobs(self, scheduler: Scheduler, address: str) -> None:
        """A pulse every interval, from now on: the page answers at this address."""
        self.begin(address)
        scheduler.add(Job("canary", self.pulse_once, self.interval, first=_FIRST))

    def begin(self, address: str) -> None:
        """From now on the page answers there."""
        self._address = address
        self._started = self._pulsed = self._now()
        self._judgement = Judgement(self._started)

    async def pulse_once(self) -> None:
        """One round: let a point go, look for those that went before, and say outside that all is well if it is."""
        for stage in (self._look, self._send):
            try:
                await stage()
            except Exception:  # a fault of ours breaks a stage, and not the pulse that tells of it
                logger.exception("a stage of the canary failed")
        self._pulsed = self._now()
        self._judgement = judged(self._judgement, self._known_passes(), self._pulsed, self.interval.total_seconds())
        if self._judgement.breakage is None and self._is_whole():
            await self._beat()
        await self._tell(self._judgement.breakage)

    def breakage(self) -> Breakage | None:
        """What is broken; None when nothing is, or before the first point had the time to go all the way."""
        if not self._address:
            return None
        interval = self.interval.total_seconds()
        if self._now() - self._pulsed > 2 * interval:  # nobody looks any more
            return late(self._known_passes(), self._judgement.since, self._now(), 2 * interval)
        return self._judgement.breakage

    def trouble(self) -> str:
        """For pages: what is broken, also when it is only the address outside that does not answer."""
        found = self.breakage()
        if found is not None:
            return found.words
        silent = self._now() - self.passes.get(Stage.HEARTBEAT, self._started)
        # A beat is as late as its pulse: that is no silence yet.
        longest = 2 * self.interval.total_seconds() + self._patience.total_seconds()
        is_late = self._heartbeat is not None and self._address and silent > longest
        return f"{WORDS[Stage.HEARTBEAT]} for {silent:.0f} s" if is_late else ""

    def _now(self) -> float:
        return self._parts.clock.monotonic()

    def _pass(self, stage: Stage, at: float | None = None) -> None:
        self.passes[stage] = self._now() if at is None else at

    def _known_passes(self) -> dict[Stage, float]:
        """While the store does not answer, what it holds is not known to be late: as late as when it last answered."""
        passes = dict(self.passes)
        if Stage.QUERY in passes:
            blind = self._pulsed - passes[Stage.QUERY]
            for stage in (Stage.STORE, Stage.RULE, Stage.DELIVERY):
                if stage in passes:
                    passes[stage] = min(self._pulsed, passes[stage] + blind)
        return passes

    def _is_whole(self) -> bool:
        """Whether a point has gone all the way at all."""
        return all(stage in self.passes for stage in Stage if stage is not Stage.HEARTBEAT)

    async def _beat(self) -> None:
        if self._heartbeat is not None and await self._heartbeat.beat(self._patience.total_seconds()):
            self._pass(Stage.HEARTBEAT)

    async def _send(self) -> None:
        spec = ProbeSpec(
            "opswatch",
            "canary",
            "http",
            HttpRequestSpec(f"{self._address}/health", verify_tls=False),
            interval=self.interval,
            timeout=self._patience,
        )
        attempt = await self._parts.prober.attempt(spec)
        if attempt.outcome is not Outcome.OK:
            logger.warning("the canary's probe failed", extra={"reason": attempt.message})
            return
        self._pass(Stage.PROBE)
        instant = from_datetime(self._parts.clock.now())
        time = instant - instant % NANOSECONDS_PER_MILLISECOND
        fields: dict[str, FieldValue] = {FIELD: attempt.latency_ms}
        point = Point.of(MEASUREMENT, {"host": self._parts.host}, fields, time)
        try:
            async with asyncio.timeout(self._patience.total_seconds()):
                outcome = await self._parts.writer.write([point])
        except (OpsWatchError, TimeoutError) as error:
            logger.warning("the canary's point was not taken", extra={"reason": _reason(error)})
            return
        if outcome.status is WriteStatus.OK:
            self._pass(Stage.SPOOL)
            self._sent.append((time, self._now()))

    async def _look(self) -> None:
        """Look for the points that went, by their very times: what a clock that was set leaves is not taken for one."""
        if not self._sent:
            return
        went = dict(self._sent)
        asked = SeriesQuery(MEASUREMENT, (FIELD,), min(went), max(went) + 1, Raw(100))
        try:
            result = await self._read(asked)
            self._pass(Stage.QUERY)
            mine = (one for one in result.series if ("host", self._parts.host) in one.series.tags)
            there = {time for one in mine for time in one.times if time in went}
            if not there:
                return
            newest = max(there, key=lambda time: went[time])
            self._pass(Stage.STORE, went[newest])
            if await self._is_judged(newest):
                self._pass(Stage.RULE, went[newest])
                self._look_at_delivery()
        except (OpsWatchError, TimeoutError) as error:
            logger.warning("the canary's point cannot be asked for", extra={"reason": _reason(error)})

    async def _read(self, query: SeriesQuery) -> SeriesResult:
        async with asyncio.timeout(self._patience.total_seconds()):
            return await self._parts.reader.read(query, self._patience)

    async def _is_judged(self, seen: int) -> bool:
        """Whether a rule on the canary's point fires, and the rules of people are looked at."""
        if self._parts.alerting_enabled and self._parts.rules_trouble(self._parts.clock.now()):
            return False
        rule = CanaryRule.of(self._parts.host, duration_nanoseconds(self.interval), seen)
        answers = {question: Answer(await self._read(query)) for question, query in rule.questions().items()}
        return rule.fires(answers)

    def _look_at_delivery(self) -> None:
        if not self._parts.alerting_enabled:
            self._pass(Stage.DELIVERY)
            return
        last = self._parts.delivered()
        if last is not None and self._parts.clock.now() - last <= self.interval:
            self._pass(Stage.DELIVERY)

    async def _tell(self, found: Breakage | None) -> None:
        """Once for each breakage, and once when it is over; what could not be told is told at the next pulse."""
        stage = None if found is None else found.stage
        if stage is self._told:
            return
        if found is not None:
            words = f"{found.words}. Until it is mended OpsWatch may not notice what happens."
        else:
            words = f"the loop is whole again; it was broken at the stage {self._told}"
        logger.warning("the loop", extra={"outcome": words})
        try:
            async with asyncio.timeout(self._patience.total_seconds()):
                await self._parts.tell(words)
        except (OpsWatchError, TimeoutError) as error:
            logger.warning("nobody can be told of the loop", extra={"reason": _reason(error)})
            return
        self._told = stage


def _reason(error: OpsWatchError | TimeoutError) -> str:
    return error.message if isinstance(error, OpsWatchError) else "it did not answer in time"


def canary_of(place: Place, intake: WritePath, reader: SeriesReader, alerting: Alerting, telling: Telling) -> Canary:
    """The canary of this server; the dead man's switch of its settings."""
    settings = place.settings
    parts = CanaryParts(
        intake.prober,
        intake.writer,
        reader,
        alerting.trouble,
        lambda: telling.last_round,
        telling.tell_own,
        place.clock,
        place.host,
        alerting_enabled=settings.alerting_enabled,
    )
    return Canary(parts, settings.telling.heartbeat)
