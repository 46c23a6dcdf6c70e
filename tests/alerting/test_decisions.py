"""Who is to be told of what, and why: every kind of transition in every standing."""

from itertools import product

import pytest

from alerting.decisions import Cause, Standing, decide
from alerting.machine import Kind, Status, Transition

NOW = 1_000


def made(kind: Kind) -> Transition:
    return Transition(NOW, kind, Status.INACTIVE, Status.FIRING, None, None, 1.0)


STANDINGS = [
    Standing(acknowledged, snoozed, told, suppressed)
    for acknowledged, snoozed, told, suppressed in product(
        (False, True), (None, NOW, NOW + 1), (False, True), ("", "db")
    )
]


@pytest.mark.parametrize(
    ("kind", "standing", "cause"),
    [
        (Kind.OPENED, Standing(), Cause.OPENED),
        (Kind.OPENED, Standing(suppressed_by="db"), Cause.DEPENDENCY),
        (Kind.RAISED, Standing(acknowledged=True, told=True), Cause.RAISED),
        (Kind.RAISED, Standing(snoozed_until=NOW + 1), Cause.SNOOZED),
        (Kind.RAISED, Standing(snoozed_until=NOW), Cause.RAISED),
        (Kind.FLAPPING, Standing(told=True), Cause.FLAPPING),
        (Kind.FLAPPING, Standing(acknowledged=True), Cause.ON_RECORD),
        (Kind.LOWERED, Standing(told=True), Cause.LOWERED),
        (Kind.STEADY, Standing(told=True), Cause.STEADY),
        (Kind.RESOLVED, Standing(told=True, suppressed_by="db", snoozed_until=NOW + 1), Cause.RESOLVED),
        (Kind.RESOLVED, Standing(), Cause.NOT_TOLD_BEFORE),
    ],
)
def test_each_decision_has_its_cause(kind: Kind, standing: Standing, cause: Cause) -> None:
    """And words for people."""
    found = decide(made(kind), standing)
    assert found is not None
    assert found.cause is cause
    assert found.words


@pytest.mark.parametrize("standing", STANDINGS)
def test_a_told_firing_is_always_followed_by_its_resolved_and_no_other_is(standing: Standing) -> None:
    """Whatever is snoozed, acknowledged or suppressed."""
    found = decide(made(Kind.RESOLVED), standing)
    assert found is not None
    assert found.tell is standing.told


@pytest.mark.parametrize("kind", [Kind.PENDING, Kind.DROPPED, Kind.RECOVERING, Kind.RELAPSED, Kind.UNKNOWN, Kind.KNOWN])
def test_what_neither_begins_nor_ends_nor_rises_is_not_decided_on(kind: Kind) -> None:
    """It is on the page."""
    assert all(decide(made(kind), standing) is None for standing in STANDINGS)
