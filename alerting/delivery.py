"""Send what is due: each receiver on its own, so that one that hangs keeps nobody waiting. Shell."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from alerting.outbox import Answer, Claimed, DeliveryState, Notice, NoticeKind, Outbox, Outcome, Sender
from alerting.receivers import EmailTarget, Receiver, ReceiverKind, second_of
from alerting.retries import Verdict, verdict
from telemetry.clock import Clock
from telemetry.errors import OpsWatchError
from telemetry.times import NANOSECONDS_PER_SECOND, from_datetime

logger = logging.getLogger(__name__)

_BEYOND_TIMEOUT = 30.0  # seconds that a try may take beyond its own limits, before another is made
Write = Callable[[Claimed], Awaitable[Notice]]


@dataclass(frozen=True, slots=True)
class Post:
    """What sending needs. `write` makes the message of a delivery; `chance` gives numbers in [0, 1)."""

    outbox: Outbox
    senders: Mapping[ReceiverKind, Sender]
    write: Write
    clock: Clock
    chance: Callable[[], float]


class Deliverer:
    """One task for each receiver to whom something is due."""

    def __init__(self, post: Post, receivers: Mapping[str, Receiver]) -> None:
        self._post = post
        self._receivers = receivers
        self._running: dict[str, asyncio.Task[None]] = {}
        self.counts: Counter[DeliveryState] = Counter()  # of tries since the start, by what became of them

    async def deliver_due(self, names: Sequence[str]) -> None:
        """Begin to send to these receivers; to those that are being sent to already it goes on."""
        for name in names:
            receiver = self._receivers.get(name)
            if receiver is not None and name not in self._running:
                task = asyncio.create_task(self._deliver(receiver), name=f"deliver to {name}")
                self._running[name] = task
                task.add_done_callback(lambda _, name=name: self._running.pop(name, None))  # type: ignore[misc]

    async def idle(self, *names: str) -> None:
        """Wait until nothing is being sent, to these receivers or to any."""
        while waited := [task for name, task in self._running.items() if not names or name in names]:
            await asyncio.gather(*waited)

    async def close(self) -> None:
        """Stop sending at once: what was being sent is sent again at the next start."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _deliver(self, receiver: Receiver) -> None:
        lease = int((receiver.target_timeout + _BEYOND_TIMEOUT) * NANOSECONDS_PER_SECOND)
        try:
            while (claimed := await self._post.outbox.claim(receiver.name, self._now(), lease)) is not None:
                await self._send(receiver, claimed)
        except OpsWatchError as error:
            # The lease ends, and then it is sent again: twice is better than never.
            logger.warning("a delivery could not be kept", extra={"receiver": receiver.name, "reason": error.message})
        except Exception:
            logger.exception("a delivery failed", extra={"receiver": receiver.name})  # likewise

    async def _send(self, receiver: Receiver, claimed: Claimed) -> None:
        served = [answer for answer in claimed.answers if answer.outcome is not Outcome.LATER]
        done = {answer.recipient for answer in served}
        left = [one for one in _wanted(receiver, claimed) if one not in done]
        answers = await self._tried(receiver, claimed, left) if left else []
        now = self._now()
        if answers or served:
            found = verdict([*served, *answers], claimed.attempt, claimed.deadline, now, self._post.chance())
        else:  # each of its addresses gets it later, or the one that it is for is there no more
            found = Verdict(DeliveryState.DEAD if claimed.only else DeliveryState.COMBINED)
        if found.state is DeliveryState.DEAD:
            found = replace(found, second=self._second(receiver, claimed))
        self._note(receiver, claimed, answers, found)
        await self._post.outbox.settle(claimed, answers, found, now)

    async def _tried(self, receiver: Receiver, claimed: Claimed, left: Sequence[str]) -> Sequence[Answer]:
        """What was answered; a message that cannot be written is tried again like any other, until its deadline."""
        try:
            notice = await self._post.write(claimed)
            return await self._post.senders[receiver.kind].send(receiver, notice, left)
        except Exception as error:
            logger.exception("a message could not be written", extra={"receiver": receiver.name})
            words = error.message if isinstance(error, OpsWatchError) else type(error).__name__
            return [Answer(Outcome.LATER, "internal", words, 0.0, one) for one in left]

    def _second(self, receiver: Receiver, claimed: Claimed) -> str:
        """Who gets a dead letter: the fallback, else the first other receiver. What came so already goes nowhere.

        Nor does what only one address of the receiver did not get: the others have it.
        """
        if claimed.kind is not NoticeKind.ALERT or claimed.is_second_route or claimed.only:
            return ""
        return second_of(self._receivers, receiver)

    def _note(self, receiver: Receiver, claimed: Claimed, answers: Sequence[Answer], found: Verdict) -> None:
        self.counts[found.state] += 1
        if found.state is DeliveryState.DELIVERED and not found.partly:
            return
        facts = {
            "receiver": receiver.name,
            "delivery": claimed.identifier,
            "attempt": claimed.attempt,
            "answers": [f"{answer.recipient} {answer.code}".strip() for answer in answers],
        }
        words = {
            DeliveryState.DELIVERED: "a message reached some of its recipients only",
            DeliveryState.WAITING: "a message could not be delivered yet",
            DeliveryState.DEAD: "a message could not be delivered: it is a dead letter",
            DeliveryState.COMBINED: "a message waits for each of its addresses behind an older one",
        }
        logger.warning(words[found.state], extra=facts)

    def _now(self) -> int:
        return from_datetime(self._post.clock.now())


def _wanted(receiver: Receiver, claimed: Claimed) -> Sequence[str]:
    """The recipients of a delivery; of what is no e-mail, the one."""
    addresses = receiver.target.to if isinstance(receiver.target, EmailTarget) else ("",)
    return [one for one in addresses if one not in claimed.without and (not claimed.only or one == claimed.only)]
