"""What becomes of a delivery after a try: done, again later, or a dead letter. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from alerting.outbox import Answer, DeliveryState, Outcome
from alerting.receivers import MINUTE
from telemetry.times import NANOSECONDS_PER_SECOND

FIRST_DELAY = 2 * NANOSECONDS_PER_SECOND
LONGEST_DELAY = 5 * MINUTE
LONGEST_RETRY_AFTER = 60 * MINUTE


@dataclass(frozen=True, slots=True)
class Verdict:
    """`due`: when to try again (ns, wall clock), all or the `rest`. `partly`: delivered, not to all recipients.

    `second`: the receiver that gets it instead, when it is dead and there is one.
    """

    state: DeliveryState
    due: int | None = None
    partly: bool = False
    second: str = ""
    rest: tuple[str, ...] = ()


def verdict(answers: Sequence[Answer], attempt: int, deadline: int, now: int, chance: float) -> Verdict:
    """After the `attempt`-th try (from 1), with the newest answer of every recipient; `chance` in [0, 1).

    The delay is between nothing and a bound that doubles with each try ("full jitter": Brooker, AWS Architecture Blog,
    2015), and at least what the receiver asked for. Nothing is tried after the deadline. Once some recipients have it,
    the others (`rest`) get messages of their own.
    """
    later = [answer for answer in answers if answer.outcome is Outcome.LATER]
    if later:
        asked = max((answer.retry_after or 0 for answer in later), default=0)
        bound = min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(attempt - 1, 30))
        due = now + max(min(asked, LONGEST_RETRY_AFTER), int(bound * chance), NANOSECONDS_PER_SECOND // 2)
        # Once more at the deadline itself, if the next try would be after it.
        if now < deadline:
            has_some = any(answer.outcome is Outcome.DELIVERED for answer in answers)
            rest = tuple(answer.recipient for answer in later) if has_some else ()
            state = DeliveryState.DELIVERED if has_some else DeliveryState.WAITING
            return Verdict(state, min(due, deadline), partly=has_some, rest=rest)
    failed = [answer for answer in answers if answer.outcome is not Outcome.DELIVERED]
    if len(failed) < len(answers):
        return Verdict(DeliveryState.DELIVERED, partly=bool(failed))
    return Verdict(DeliveryState.DEAD)
