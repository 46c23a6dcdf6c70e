"""Whether people are to be told of a transition, and why, or why not. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from alerting.machine import Kind, Transition


class Cause(StrEnum):
    """Why somebody is, or is not, told."""

    OPENED = "opened"
    RAISED = "raised"
    FLAPPING = "flapping"
    RESOLVED = "resolved"
    LOWERED = "lowered"
    STEADY = "steady"
    DEPENDENCY = "dependency"
    SNOOZED = "snoozed"
    NOT_TOLD_BEFORE = "not_told_before"
    ON_RECORD = "on_record"


@dataclass(frozen=True, slots=True)
class Decision:
    """`tell`: a notification is to be sent. `words` say why, or why not, to people."""

    cause: Cause
    words: str
    tell: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of the incident that a transition belongs to. Instants in ns.

    `suppressed_by`: what it depends on and that is in trouble itself, in words; empty when there is none. `told`:
    whether people were told that it is open.
    """

    acknowledged: bool = False
    snoozed_until: int | None = None
    told: bool = False
    suppressed_by: str = ""


def decide(transition: Transition, standing: Standing) -> Decision | None:
    """The decision on a transition; None where there is nothing to decide, because no incident begins, rises or ends.

    A sent "firing" is always followed by its "resolved": neither a dependency nor a snooze holds that back. An
    acknowledgement does not hold back a rise: who acknowledged a warning has not seen the critical.
    """
    match transition.kind:
        case Kind.RESOLVED if standing.told:
            return Decision(Cause.RESOLVED, "it is over, and people were told that it had begun", tell=True)
        case Kind.RESOLVED:
            return Decision(Cause.NOT_TOLD_BEFORE, "it is over, and nobody was told that it had begun")
        case Kind.LOWERED | Kind.STEADY as kind:
            return Decision(Cause(kind.value), "it is less bad than people were told; that is on the page")
        case Kind.OPENED | Kind.RAISED | Kind.FLAPPING as kind:
            return _held_back(transition, standing) or Decision(Cause(kind.value), _TOLD[kind], tell=True)
    return None


def _held_back(transition: Transition, standing: Standing) -> Decision | None:
    if standing.suppressed_by:
        return Decision(Cause.DEPENDENCY, f"it depends on what is in trouble itself: {standing.suppressed_by}")
    if standing.snoozed_until is not None and transition.time < standing.snoozed_until:
        return Decision(Cause.SNOOZED, "somebody wants to hear nothing of it until then")
    if transition.kind is Kind.FLAPPING and standing.acknowledged:
        return Decision(Cause.ON_RECORD, "somebody has acknowledged it; that it is flapping is on the page")
    return None


_TOLD = {
    Kind.OPENED: "a new incident",
    Kind.RAISED: "it is worse than people were told",
    Kind.FLAPPING: "it opens and closes again and again; that is told once",
}
