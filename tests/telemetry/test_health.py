"""States and availability."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.health import Outcome, State, Verdict, availability, verdict_of, worst_state


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([], State.UNKNOWN),
        ([State.UP, State.UP], State.UP),
        ([State.UP, State.DEGRADED], State.DEGRADED),
        ([State.DEGRADED, State.UNKNOWN], State.UNKNOWN),
        ([State.UNKNOWN, State.DOWN], State.DOWN),
    ],
)
def test_a_service_has_the_worst_of_its_probes(states: list[State], expected: State) -> None:
    """In the order down, unknown, degraded, up; of no probes nothing is known."""
    assert expected is worst_state(states)


def test_unknown_time_counts_neither_for_nor_against() -> None:
    """Availability is a share of the time that is known."""
    assert availability(up_s=90, degraded_s=5, down_s=5) == 0.95


def test_where_nothing_is_known_there_is_no_availability() -> None:
    """Not 0 %, and not 100 % either."""
    assert availability(0, 0, 0) is None


@given(st.floats(0, 1e9), st.floats(0, 1e9), st.floats(0, 1e9))
def test_availability_is_a_share(up: float, degraded: float, down: float) -> None:
    """From 0 to 1, whatever the seconds."""
    share = availability(up, degraded, down)

    assert share is None or 0 <= share <= 1


def test_only_latency_degrades_and_only_our_own_trouble_is_unknown() -> None:
    """Every other outcome than ok says that the target is down."""
    verdicts = {outcome: verdict_of(outcome) for outcome in Outcome}

    assert verdicts.pop(Outcome.OK) is Verdict.UP
    assert verdicts.pop(Outcome.LATENCY) is Verdict.DEGRADED
    assert {verdicts.pop(Outcome.ERROR), verdicts.pop(Outcome.CONNECTIVITY)} == {Verdict.UNKNOWN}
    assert set(verdicts.values()) == {Verdict.DOWN}
