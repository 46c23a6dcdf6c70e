"""Telling people as one thing for the rest of the house: looks, makes messages, sends them. Shell."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from alerting.delivery import Deliverer, Post
from alerting.duty import on_duty
from alerting.explanation import DeliveryLine
from alerting.muting import muting_of
from alerting.outbox import NoticeKind
from alerting.outlook import Policy
from alerting.receiver_status import ReceiverStatus
from alerting.receivers import Receiver, whom
from alerting.silences import with_overrides
from alerting.windows import quiet_until
from opswatch.scheduler import Job, Scheduler
from opswatch.state import State
from opswatch.telling_settings import TellingSettings
from telemetry.clock import Clock
from telemetry.errors import NotFound
from telemetry.points import FieldValue, Tags
from telemetry.times import from_datetime

logger = logging.getLogger(__name__)

EVERY = timedelta(seconds=1)
_TEST_WAITS = 45.0  # seconds that somebody waits for the answer to one
_TEST_FOR = 60 * 10**9  # ns that a test message is tried
_OWN_FOR = 3_600 * 10**9
Suppressed = Callable[[], Callable[[str, Tags], str]]


@dataclass(frozen=True, slots=True)
class TellingParts:
    """What telling is made of. `suppressed` takes a look at what is in trouble now."""

    settings: TellingSettings
    state: State
    post: Post
    suppressed: Suppressed
    clock: Clock


@dataclass(slots=True)
class _Seen:
    """What the last round went by; when it is another, every open incident is looked at."""

    mutes: object = None
    rounds: int = 0
    last: datetime | None = None
    figures: Mapping[str, int] = field(default_factory=dict)


class Telling:
    """The jobs of telling people, and what others want of it."""

    def __init__(self, parts: TellingParts) -> None:
        self._parts = parts
        self._receivers: Mapping[str, Receiver] = {one.name: one for one in parts.settings.receivers}
        self._escalations = {one.name: one for one in parts.settings.escalations}
        self._deliverer = Deliverer(parts.post, self._receivers)
        self._seen = _Seen()
        self._round = asyncio.Lock()

    async def _take_up(self) -> None:
        """What was on its way when the process before ended is sent; by a server alone, never by a command."""
        now = self._now()
        again = await self._parts.state.outbox.reclaim(now)
        if again:
            logger.info("messages whose fate is not known are sent again", extra={"messages": again})
        lost = await self._parts.state.outbox.abandon(tuple(self._receivers), now)
        if lost:
            logger.warning("messages waited for receivers that there are no more", extra={"messages": lost})
        await self._parts.state.telling.touch(now)

    def plan_jobs(self, scheduler: Scheduler) -> None:
        """A round each second."""
        scheduler.add(Job("notifications", self.notify_once, EVERY))

    async def close(self) -> None:
        """Stop sending."""
        await self._deliverer.close()

    async def notify_once(self) -> None:
        """Look at what is due, make messages, and begin to send them. Raises StoreUnavailable."""
        async with self._round:
            if not self._seen.rounds:
                await self._take_up()
            moment, state = self._parts.clock.now(), self._parts.state
            now = from_datetime(moment)
            policy = await self.policy(moment)
            while await state.telling.plan(policy, now):
                pass
            await state.telling.batch(policy, now)
            await self._deliverer.deliver_due(await state.outbox.waiting(now))
            self._seen.rounds += 1
            self._seen.last = self._parts.clock.now()

    async def idle(self) -> None:
        """Wait until what is being sent is sent."""
        await self._deliverer.idle()

    @property
    def last_round(self) -> datetime | None:
        """When the last round ended."""
        return self._seen.last

    async def policy(self, moment: datetime) -> Policy:
        """How people are told at this moment, which a look must be of, too.

        Open incidents are touched when that is another than in the round before. Raises StoreUnavailable.
        """
        state, settings = self._parts.state, self._parts.settings
        now = from_datetime(moment)
        silences = await state.silences.list(moment)
        planned = [one.window for one in await state.maintenance.list()]
        windows = [*settings.windows, *planned]
        stored = await state.duty.list(moment)
        duty = {one.name: on_duty(with_overrides(one, stored), now).person.receiver for one in settings.rotations}
        held = ([one.id for one in silences if one.holds(moment)], silences, windows, duty)
        if self._seen.mutes is not None and held != self._seen.mutes:
            await state.telling.touch(now)
        self._seen.mutes = held
        return Policy(
            settings.routes,
            self._escalations,
            self._receivers,
            lambda name: name if name in self._receivers else duty.get(name),
            muting_of(silences, windows, moment),
            lambda quiet, severity: quiet_until(quiet, severity, now),
            self._parts.suppressed(),
        )

    async def figures(self) -> dict[str, FieldValue]:
        """The fields of `opswatch_notify`. Raises StoreUnavailable."""
        return await self._parts.state.explanations.figures(self._now())

    async def receivers(self) -> Sequence[ReceiverStatus]:
        """See `ReceiverDesk.receivers`."""
        found, routes = [], self._parts.settings.routes
        for one in self._receivers.values():
            standing = await self._parts.state.explanations.standing(one.name)
            found.append(
                ReceiverStatus(
                    one.name,
                    one.kind.value,
                    whom(one.target),
                    one.fallback,
                    tuple(route.name for route in routes if route.receiver == one.name),
                    standing.waiting,
                    standing.last_delivered,
                    standing.last_failed,
                    standing.last_answer,
                )
            )
        return found

    async def test(self, name: str, author: str) -> DeliveryLine:
        """See `ReceiverDesk.test`: it has a minute; what it answers until then is what is said."""
        if name not in self._receivers:
            raise NotFound(f"there is no receiver {name}", field="receiver", value=name)
        state, note = self._parts.state, f"{author} tries whether this receiver hears of incidents"
        identifier = await state.outbox.add(name, NoticeKind.TEST, note, self._now(), _TEST_FOR)
        await self._deliverer.deliver_due([name])
        with suppress(TimeoutError):  # then it is said how it stands
            async with asyncio.timeout(_TEST_WAITS):
                await self._deliverer.idle(name)
        return await self._parts.state.explanations.delivery(identifier)

    async def tell_own(self, words: str, but: Sequence[str] = ()) -> None:
        """Tell every receiver, but for these, something of OpsWatch itself; all of them or none. StoreUnavailable."""
        names = [name for name in self._receivers if name not in but]
        await self._parts.state.outbox.add_to_all(names, NoticeKind.OWN, words, self._now(), _OWN_FOR)

    def _now(self) -> int:
        return from_datetime(self._parts.clock.now())
