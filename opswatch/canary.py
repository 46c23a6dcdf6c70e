"""The canary: every interval one point goes all the way, and only then the world outside hears that all is well. Shell.

probe → spool → store → query → rule → delivery → heartbeat. When the way is broken the address outside hears nothing,
`/ready` and the page name the stage, and the receivers are told once.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import aiohttp

from alerting.dead_mans_switch import WORDS, Breakage, Stage, breakage
from alerting.machine import Alert, Reading, Status, step
from alerting.rules import Comparison, Rule, Selection, Severity, Threshold, Value
from collector.http_probe import HttpProber
from collector.targets import HttpRequestSpec, ProbeSpec
from opswatch.alerting import Alerting
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
from telemetry.series import Function, Raw, SeriesQuery
from telemetry.times import NANOSECONDS_PER_MILLISECOND, duration_nanoseconds, from_datetime

logger = logging.getLogger(__name__)

MEASUREMENT = "opswatch_loop"
EVERY = timedelta(seconds=60)
_LOOKED_FOR = 3  # points
_PATIENCE = timedelta(seconds=10)
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
        self._heartbeat = heartbeat
        self.interval = heartbeat.interval if heartbeat is not None else EVERY
        self._started = parts.clock.monotonic()
        self._sent: deque[tuple[int, float]] = deque(maxlen=_LOOKED_FOR)  # time of the point, and when it went
        self._is_blind = False  # the store did not answer the last time: what it holds is not known
        self._told: Stage | None = None
        self._address = ""
        self._beats = 0
        self.passes: dict[Stage, float] = {}

    def plan_jobs(self, scheduler: Scheduler, address: str) -> None:
        """A pulse every interval, from now on: the page answers at this address."""
        self.begin(address)
        scheduler.add(Job("canary", self.pulse_once, self.interval, first=_FIRST))

    def begin(self, address: str) -> None:
        """From now on the page answers there."""
        self._address = address
        self._started = self._parts.clock.monotonic()

    async def pulse_once(self) -> None:
        """One round: let a point go, look for those that went before, and say outside that all is well if it is."""
        await self._look()
        await self._send()
        found = self.breakage()
        if found is None and self._is_whole():
            await self._beat()
        await self._tell(found)

    def breakage(self) -> Breakage | None:
        """What is broken; None when nothing is, or before the first point had the time to go all the way."""
        if not self._address:
            return None
        passes = dict(self.passes)
        if self._is_blind and Stage.QUERY in passes:
            passes |= dict.fromkeys((Stage.STORE, Stage.RULE), passes[Stage.QUERY])
        return breakage(passes, self._started, self._parts.clock.monotonic(), self.interval.total_seconds())

    def trouble(self) -> str:
        """For pages: what is broken, also when it is only the address outside that does not answer."""
        found = self.breakage()
        if found is not None:
            return found.words
        silent = self._parts.clock.monotonic() - self.passes.get(Stage.HEARTBEAT, self._started)
        is_late = self._heartbeat is not None and self._address and silent > 2 * self.interval.total_seconds()
        return f"{WORDS[Stage.HEARTBEAT]} for {silent:.0f} s" if is_late else ""

    def _pass(self, stage: Stage, at: float | None = None) -> None:
        self.passes[stage] = self._parts.clock.monotonic() if at is None else at

    def _is_whole(self) -> bool:
        """Whether a point has gone all the way at all."""
        return all(stage in self.passes for stage in Stage if stage is not Stage.HEARTBEAT)

    async def _send(self) -> None:
        spec = ProbeSpec(
            "opswatch",
            "canary",
            "http",
            HttpRequestSpec(f"{self._address}/health", verify_tls=False),
            interval=self.interval,
            timeout=min(_PATIENCE, self.interval / 2),
        )
        attempt = await self._parts.prober.attempt(spec)
        if attempt.outcome is not Outcome.OK:
            logger.warning("the canary's probe failed", extra={"reason": attempt.message})
            return
        self._pass(Stage.PROBE)
        instant = from_datetime(self._parts.clock.now())
        time = instant - instant % NANOSECONDS_PER_MILLISECOND
        fields: dict[str, FieldValue] = {"latency_ms": attempt.latency_ms}
        try:
            outcome = await self._parts.writer.write([Point.of(MEASUREMENT, {"host": self._parts.host}, fields, time)])
        except OpsWatchError as error:
            logger.warning("the canary's point was not taken", extra={"reason": error.message})
            return
        if outcome.status is WriteStatus.OK:
            self._pass(Stage.SPOOL)
            self._sent.append((time, self._parts.clock.monotonic()))

    async def _look(self) -> None:
        """Look for the points that went, by their very times: what a clock that was set leaves is not taken for one."""
        if not self._sent:
            return
        times = [time for time, _ in self._sent]
        asked = SeriesQuery(MEASUREMENT, ("latency_ms",), min(times), max(times) + 1, Raw(100))
        try:
            result = await self._parts.reader.read(asked, _PATIENCE)
        except OpsWatchError as error:
            self._is_blind = True
            logger.warning("the canary's point cannot be asked for", extra={"reason": error.message})
            return
        self._is_blind = False
        self._pass(Stage.QUERY)
        there = {time for one in result.series if ("host", self._parts.host) in one.series.tags for time in one.times}
        found = [went for time, went in self._sent if time in there]
        if not found:
            return
        self._pass(Stage.STORE, max(found))
        if self._is_judged(max(found)):
            self._pass(Stage.RULE, max(found))
            self._look_at_delivery()

    def _is_judged(self, went: float) -> bool:
        """By the function that judges every alert, and only while rules are evaluated."""
        now = self._parts.clock.now()
        if self._parts.alerting_enabled and self._parts.rules_trouble(now):
            return False
        age = self._parts.clock.monotonic() - went
        interval = duration_nanoseconds(self.interval)
        value = Value(Selection(MEASUREMENT, "latency_ms", Function.COUNT, interval))
        limit = Threshold(Comparison.ABOVE, 2 * self.interval.total_seconds())
        rule = Rule("canary", value, ((Severity.CRITICAL, limit),), interval)
        alert, _ = step(Alert("canary", ()), Reading.of(age), rule, from_datetime(now))
        return alert.status is Status.INACTIVE

    def _look_at_delivery(self) -> None:
        if not self._parts.alerting_enabled:
            self._pass(Stage.DELIVERY)
            return
        last = self._parts.delivered()
        if last is not None and self._parts.clock.now() - last <= self.interval:
            self._pass(Stage.DELIVERY)

    async def _beat(self) -> None:
        if self._heartbeat is None:
            return
        timeout = aiohttp.ClientTimeout(total=_PATIENCE.total_seconds())
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session,
                session.get(self._heartbeat.url.get_secret_value(), allow_redirects=False) as answer,
            ):
                if answer.status < 300:  # a redirect is no one who heard it
                    self._pass(Stage.HEARTBEAT)
                    self._beats += 1
                else:
                    logger.warning("the dead man's switch did not take the heartbeat", extra={"status": answer.status})
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            # Not the error's words: they may hold the URL, which is a secret.
            logger.warning("the dead man's switch cannot be reached", extra={"reason": type(error).__name__})

    async def _tell(self, found: Breakage | None) -> None:
        """Once for each breakage, and once when it is over; while it mends, later stages are late for a while."""
        if (found is None) is (self._told is None):
            return
        before, self._told = self._told, None if found is None else found.stage
        if found is not None:
            words = f"{found.words}. Until it is mended OpsWatch may not notice what happens."
        else:
            words = f"the loop is whole again; it was broken at the stage {before}"
        logger.warning("the loop", extra={"outcome": words})
        try:
            await self._parts.tell(words)
        except OpsWatchError as error:
            logger.warning("nobody can be told of the loop", extra={"reason": error.message})


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
