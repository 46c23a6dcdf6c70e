"""From attempts to a confirmed state, and the time that is accounted to it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.attempt import Attempt
from collector.confirmation import ProbeMemory, confirm, probe_point, remembered
from collector.targets import HttpRequestSpec, ProbeSpec
from telemetry.health import Outcome, State
from telemetry.measurements import BUILT_IN

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
INTERVAL = timedelta(seconds=30)
UP, DOWN, SLOW, OURS = Outcome.OK, Outcome.REFUSED, Outcome.LATENCY, Outcome.ERROR


def spec(failures: int = 2, successes: int = 1) -> ProbeSpec:
    request = HttpRequestSpec("http://shop/")
    return ProbeSpec(
        "shop", "health", "http", request, interval=INTERVAL, failure_threshold=failures, success_threshold=successes
    )


def states(outcomes: list[Outcome], probe: ProbeSpec) -> list[tuple[State, int]]:
    memory, seen = ProbeMemory(), []
    for number, outcome in enumerate(outcomes):
        memory, _ = confirm(memory, Attempt(outcome, 1.0), NOW + number * INTERVAL, probe)
        seen.append((memory.state, memory.streak))
    return seen


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([UP], [(State.UP, 0)]),
        ([DOWN, DOWN], [(State.UNKNOWN, 1), (State.DOWN, 0)]),
        ([UP, DOWN, UP], [(State.UP, 0), (State.UP, 1), (State.UP, 0)]),
        ([UP, DOWN, DOWN, UP], [(State.UP, 0), (State.UP, 1), (State.DOWN, 0), (State.UP, 0)]),
        ([UP, SLOW, SLOW], [(State.UP, 0), (State.UP, 1), (State.DEGRADED, 0)]),
        ([UP, OURS, OURS], [(State.UP, 0), (State.UP, 1), (State.UNKNOWN, 0)]),
        ([DOWN, DOWN, OURS, OURS], [(State.UNKNOWN, 1), (State.DOWN, 0), (State.DOWN, 1), (State.UNKNOWN, 0)]),
    ],
)
def test_a_state_is_believed_after_its_threshold(outcomes: list[Outcome], expected: list[tuple[State, int]]) -> None:
    """Two failures confirm a worse state, one success a better one; our own trouble is no success (G5)."""
    assert states(outcomes, spec()) == expected


@pytest.mark.parametrize(
    ("state", "failures", "successes", "outcomes"),
    [(State.DEGRADED, 2, 3, [UP, DOWN]), (State.UNKNOWN, 2, 3, [UP, DOWN]), (State.DOWN, 3, 2, [OURS, UP])],
)
def test_attempts_that_contradict_each_other_do_not_add_up(
    state: State, failures: int, successes: int, outcomes: list[Outcome]
) -> None:
    """One failure after one success is one failure, whatever the streak of disagreeing was."""
    memory = ProbeMemory(state)
    for number, outcome in enumerate(outcomes):
        memory, _ = confirm(memory, Attempt(outcome, 1.0), NOW + number * INTERVAL, spec(failures, successes))

    assert (memory.state, memory.streak) == (state, 1)


def test_several_successes_may_be_asked_for() -> None:
    """success_threshold 3: the third in a row confirms, and a failure between begins anew."""
    assert [state for state, _ in states([UP, UP, DOWN, UP, UP, UP], spec(successes=3))][-1] is State.UP
    assert [state for state, _ in states([UP, UP], spec(successes=3))] == [State.UNKNOWN, State.UNKNOWN]


@given(
    st.lists(st.sampled_from([UP, DOWN, SLOW]), max_size=30),
    st.integers(1, 4),
    st.integers(1, 4),
)
def test_a_state_changes_only_on_a_full_streak(outcomes: list[Outcome], failures: int, successes: int) -> None:
    """Against a second, naive reading: look back over the attempts that disagree with the state."""
    word = {UP: State.UP, DOWN: State.DOWN, SLOW: State.DEGRADED}
    goodness = [State.DOWN, State.UNKNOWN, State.DEGRADED, State.UP]
    state, disagreeing, was_better, naive = State.UNKNOWN, 0, False, []
    for outcome in outcomes:
        argued = word[outcome]
        better = goodness.index(argued) > goodness.index(state)
        turned = disagreeing > 0 and better is not was_better
        disagreeing = 0 if argued is state else 1 if turned else disagreeing + 1
        was_better = better
        if argued is not state and disagreeing >= (successes if better else failures):
            state, disagreeing = argued, 0
        naive.append((state, disagreeing))

    assert states(outcomes, spec(failures, successes)) == naive


@given(st.lists(st.tuples(st.sampled_from(list(Outcome)), st.floats(0.1, 1_000)), min_size=2, max_size=30))
def test_every_second_is_accounted_once_and_to_the_state_before(attempts: list[tuple[Outcome, float]]) -> None:
    """The seconds since the previous attempt, at most twice the interval, in the state that was confirmed then."""
    probe, memory, now = spec(), ProbeMemory(), NOW
    for number, (outcome, seconds) in enumerate(attempts):
        now += timedelta(seconds=seconds)
        before = memory.state
        memory, accounting = confirm(memory, Attempt(outcome, 1.0), now, probe)
        fields = probe_point(probe, "web", Attempt(outcome, 1.0), memory, accounting).fields
        told = {state: float(fields[f"{state.word}_s"]) for state in State}

        expected = 0.0 if number == 0 else min(seconds, 60.0)
        assert sum(told.values()) == pytest.approx(expected, abs=1e-5)
        assert [state for state, value in told.items() if value] in ([before], [])


def test_a_clock_that_was_set_back_accounts_nothing() -> None:
    """A23: durations are never negative."""
    memory, _ = confirm(ProbeMemory(), Attempt(UP, 1.0), NOW, spec())

    _, accounting = confirm(memory, Attempt(UP, 1.0), NOW - timedelta(hours=1), spec())

    assert accounting.seconds == 0


def test_a_long_silence_is_accounted_for_two_intervals_only() -> None:
    """A24: after a suspend of two hours, what was not observed stays unknown."""
    memory, _ = confirm(ProbeMemory(), Attempt(UP, 1.0), NOW, spec())

    _, accounting = confirm(memory, Attempt(UP, 1.0), NOW + timedelta(hours=2), spec())

    assert accounting.seconds == 60


@pytest.mark.parametrize(
    ("age", "state", "expected"),
    [
        (timedelta(seconds=59), 0, State.DOWN),
        (timedelta(seconds=61), 0, State.UNKNOWN),
        (timedelta(seconds=-1), 2, State.UNKNOWN),
        (timedelta(seconds=1), 9, State.UNKNOWN),
    ],
)
def test_a_stored_state_is_believed_for_two_intervals(age: timedelta, state: int, expected: State) -> None:
    """After a restart the streak goes on; an old, future or senseless state is not taken over."""
    memory = remembered(state, 1, NOW - age, NOW, spec())

    assert memory.state is expected
    assert memory.streak == (1 if expected is State.DOWN else 0)


def test_a_restart_is_not_the_beginning_of_a_state() -> None:
    """Since when is known where the change was seen, and not invented where it was not."""
    seen, _ = confirm(ProbeMemory(), Attempt(UP, 1.0), NOW, spec())
    read_back, _ = confirm(remembered(2, 0, NOW, NOW, spec()), Attempt(UP, 1.0), NOW, spec())

    assert (seen.since, read_back.since) == (NOW, None)


@pytest.mark.parametrize(("outcome", "up"), [(UP, 1), (SLOW, 1), (DOWN, 0), (OURS, None)])
def test_a_point_says_of_the_attempt_and_of_the_state(outcome: Outcome, up: int | None) -> None:
    """`up` is absent when nothing is known; times are whole milliseconds; the registry takes every field."""
    at = NOW + timedelta(microseconds=1_999)
    memory, accounting = confirm(ProbeMemory(), Attempt(outcome, 12.5), at, spec())
    point = BUILT_IN.coerce(probe_point(spec(), "web", Attempt(outcome, 12.5, "why", 200), memory, accounting))

    assert point.fields.get("up") == up
    assert point.fields["outcome"] == int(outcome)
    assert point.fields["latency_ms"] == 12.5
    assert point.time % 1_000_000 == 0
    assert dict(point.tags) == {"service": "shop", "probe": "health", "kind": "http", "host": "web"}
