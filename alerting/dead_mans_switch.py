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


def breakage(passes: Mapping[Stage, float], started: float, now: float, interval: float) -> Breakage | None:
    """The first stage that is late; None when none is. Times are monotonic seconds, so that no set clock is blamed.

    `passes`: when each stage was passed last; one that was not, since the start. A stage after a broken one is late as
    well, so the first is the one to name.
    """
    for stage in ORDER:
        silent = now - passes.get(stage, started)
        if silent > 2 * interval:
            return Breakage(stage, silent)
    return None
