"""Which stage of the loop from a probe to a message is broken: for whoever waits outside for a sign of life. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Stage(StrEnum):
    """The way of a canary, in this order; the last is the address outside."""

    PROBE = "probe"
    SPOOL = "spool"
    STORE = "store"
    QUERY = "query"
    RULE = "rule"
    DELIVERY = "delivery"
    HEARTBEAT = "heartbeat"


# A store that cannot be asked does not show what it holds: so the question comes before what it finds.
ORDER = (Stage.PROBE, Stage.SPOOL, Stage.QUERY, Stage.STORE, Stage.RULE, Stage.DELIVERY)
WORDS = {
    Stage.PROBE: "the probe of OpsWatch's own page has not succeeded",
    Stage.SPOOL: "the spool has not taken the canary's point",
    Stage.STORE: "the store does not hold the canary's point",
    Stage.QUERY: "the store does not answer",
    Stage.RULE: "rules are not evaluated",
    Stage.DELIVERY: "the outbox is not worked on",
    Stage.HEARTBEAT: "the dead man's switch outside does not answer",
}


@dataclass(frozen=True, slots=True)
class Breakage:
    """`stage` has not been passed for `seconds`, which is longer than two intervals."""

    stage: Stage
    seconds: float

    @property
    def words(self) -> str:
        """For people."""
        return f"the loop is broken at the stage {self.stage}: {WORDS[self.stage]} for {self.seconds:.0f} s"


@dataclass(frozen=True, slots=True)
class Judgement:
    """`breakage`: what is broken, None: nothing. From `since` on each stage has its time (monotonic seconds).

    `mending`: the broken stage is passed again, and those behind it are waited for.
    """

    since: float
    breakage: Breakage | None = None
    mending: bool = False


def late(passes: Mapping[Stage, float], since: float, now: float, longest: float) -> Breakage | None:
    """The first stage that was not passed for longer than that; None when each was. Times are monotonic seconds.

    `passes`: when each stage was passed last; what was not, or before `since`, is given the time from then on.
    """
    for stage in ORDER:
        silent = now - max(passes.get(stage, since), since)
        if silent > longest:
            return Breakage(stage, silent)
    return None


def judged(before: Judgement, passes: Mapping[Stage, float], now: float, interval: float) -> Judgement:
    """What a pulse finds, given what the one before it found.

    While a stage is broken those behind it are late as well. So when it is passed again, they have two intervals from
    then on, and it counts as broken until all of them were passed.
    """
    found, broken = late(passes, before.since, now, 2 * interval), before.breakage
    if broken is None or (found is not None and ORDER.index(found.stage) <= ORDER.index(broken.stage)):
        return Judgement(before.since, found)
    if before.mending and found is None:
        is_whole = all(passes.get(stage, before.since - 1) >= before.since for stage in ORDER)
        return Judgement(before.since) if is_whole else before
    if before.mending or found is None:
        return Judgement(before.since, found)
    return Judgement(passes.get(broken.stage, now), broken, mending=True)
