"""The arithmetic of availability, against models that count second by second."""

from itertools import groupby, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.reports.states import (
    StateSeconds,
    StateWindows,
    levelled,
    of_service,
    outages,
    slots,
)
from telemetry.health import State, worst_state

SECOND = 10**9
STEP_S = 300
STEP = STEP_S * SECOND
START = 1_700_000_100 // STEP_S * STEP
WORDS = ("up", "degraded", "down")
STATES = {"up": State.UP, "degraded": State.DEGRADED, "down": State.DOWN, "unknown": State.UNKNOWN}


def windows_of(seconds: list[tuple[float, float, float]], until: int | None = None) -> StateWindows:
    """From (up, degraded, down) per window."""
    up, degraded, down = (tuple(row[column] for row in seconds) for column in range(3))
    return StateWindows(START, STEP, START + len(seconds) * STEP if until is None else until, up, degraded, down)


def stored(attempts: list[tuple[int, int, str]], count: int) -> StateWindows:
    """What sums per window hold of attempts (second of the period, seconds accounted, state)."""
    rows = [[0.0, 0.0, 0.0] for _ in range(count)]
    for second, accounted, word in attempts:
        if word != "unknown":
            rows[second // STEP_S][WORDS.index(word)] += accounted
    return windows_of([(row[0], row[1], row[2]) for row in rows])


def timeline(attempts: list[tuple[int, int, str]], length: int) -> list[str]:
    """The state of every second of the period: that of the attempt that accounts for it."""
    seconds = ["unknown"] * length
    for second, accounted, word in attempts:
        for one in range(max(0, second + 1 - accounted), second + 1):
            seconds[one] = word
    return seconds


@st.composite
def steady_attempts(draw: st.DrawFn) -> tuple[list[tuple[int, int, str]], int]:
    """A probe asked every so many whole windows, at their last second; some attempts are missing."""
    per_attempt = draw(st.integers(1, 4))
    words = draw(st.lists(st.sampled_from([*WORDS, "unknown", "missing"]), min_size=1, max_size=30))
    interval = per_attempt * STEP_S
    attempts = [((number + 1) * interval - 1, interval, word) for number, word in enumerate(words) if word != "missing"]
    return attempts, len(words) * per_attempt


@st.composite
def any_attempts(draw: st.DrawFn) -> tuple[list[tuple[int, int, str]], int]:
    """A probe asked whenever, each attempt accounting for at most the time since the one before."""
    count = draw(st.integers(1, 20))
    moments = sorted(draw(st.sets(st.integers(0, count * STEP_S - 1), max_size=60)))
    attempts, before = [], -draw(st.integers(1, 2_000))
    for moment in moments:
        accounted = draw(st.integers(1, moment - before))
        attempts.append((moment, accounted, draw(st.sampled_from([*WORDS, "unknown"]))))
        before = moment
    return attempts, count


@given(steady_attempts())
def test_seconds_stand_where_they_were_spent(case: tuple[list[tuple[int, int, str]], int]) -> None:
    """However far apart attempts are, each window says what a clock that ran along would say."""
    attempts, count = case
    found = levelled(stored(attempts, count))
    model = timeline(attempts, count * STEP_S)

    for number in range(count):
        part = model[number * STEP_S : (number + 1) * STEP_S]
        assert (found.up_s[number], found.degraded_s[number], found.down_s[number]) == tuple(map(part.count, WORDS))


@given(steady_attempts())
def test_outages_are_the_runs_of_seconds_down(case: tuple[list[tuple[int, int, str]], int]) -> None:
    """Begin, end and length of each are those of the model that counts seconds."""
    attempts, count = case
    found = outages(levelled(stored(attempts, count)))
    runs, position = [], 0
    for word, run in groupby(timeline(attempts, count * STEP_S)):
        length = len(list(run))
        if word == "down":
            runs.append((START + position * SECOND, START + (position + length) * SECOND, length))
        position += length

    assert [(one.start, one.stop, one.down_s) for one in found] == runs


@given(any_attempts())
def test_levelling_neither_makes_nor_loses_a_second(case: tuple[list[tuple[int, int, str]], int]) -> None:
    """Totals per state stay, windows hold no more than their length, and the availability is that of the points."""
    attempts, count = case
    before = stored(attempts, count)
    found = levelled(before)
    sums = {word: sum(accounted for _, accounted, one in attempts if one == word) for word in WORDS}
    known = sum(sums.values())

    total = found.total()
    assert (total.up_s, total.degraded_s, total.down_s) == pytest.approx(tuple(sums[word] for word in WORDS))
    assert all(found.known_s(number) <= STEP_S + 1e-5 for number in range(1, count))
    if known:
        assert total.availability == pytest.approx((sums["up"] + sums["degraded"]) / known)
    else:
        assert total.availability is None


@given(any_attempts())
def test_outages_account_for_every_second_down(case: tuple[list[tuple[int, int, str]], int]) -> None:
    """Their lengths add up to the seconds down; they neither touch nor overlap, and lie within the period."""
    attempts, count = case
    found = outages(levelled(stored(attempts, count)))

    assert sum(one.down_s for one in found) == pytest.approx(sum(s for _, s, word in attempts if word == "down"))
    assert all(before.stop < after.start for before, after in pairwise(found))
    assert all(START <= one.start < one.stop <= START + count * STEP for one in found)


@given(st.lists(st.lists(st.sampled_from(list(STATES)), min_size=6, max_size=6), min_size=1, max_size=4))
def test_a_service_is_its_worst_probe(probes: list[list[str]]) -> None:
    """Where windows are wholly of one state, it is `worst_state` of the probes that are there in the window."""
    columns = [windows_of([tuple(STEP_S * (word == one) for one in WORDS) for word in words]) for words in probes]  # type: ignore[misc]
    found = of_service(columns)
    for number in range(6):
        there = []
        for words in probes:
            known = [at for at, word in enumerate(words) if word != "unknown"]
            if known and known[0] <= number <= known[-1]:
                there.append(STATES[words[number]])
        expected = worst_state(there).word
        assert found.known_s(number) == (0 if expected == "unknown" else STEP_S)
        if expected != "unknown":
            assert getattr(found, f"{expected}_s")[number] == STEP_S


@given(any_attempts())
def test_a_service_of_one_probe_is_that_probe(case: tuple[list[tuple[int, int, str]], int]) -> None:
    """Second by second, also where it is not wholly known."""
    one = levelled(stored(*case))
    found = of_service([one])

    for mine, its in zip(
        (found.up_s, found.degraded_s, found.down_s), (one.up_s, one.degraded_s, one.down_s), strict=True
    ):
        assert mine == pytest.approx(its, abs=1e-6)


def test_a_service_is_down_as_long_as_the_probe_that_was_down_longest() -> None:
    """100 s and 60 s of two probes in one window count as having happened together; unknown time comes next."""
    first = windows_of([(200.0, 0.0, 100.0)])
    second = windows_of([(120.0, 60.0, 60.0)])  # 60 s are not known

    assert of_service([first, second]).total() == StateSeconds(300.0, up_s=80.0, degraded_s=60.0, down_s=100.0)


def test_a_probe_that_was_added_does_not_make_its_service_unknown() -> None:
    """Before its first attempt it does not belong to the service, nor after its last."""
    old = windows_of([(300.0, 0.0, 0.0)] * 4)
    young = windows_of([(0.0, 0.0, 0.0), (0.0, 0.0, 0.0), (300.0, 0.0, 0.0), (0.0, 0.0, 0.0)])

    assert of_service([old, young]).total().unknown_s == 0


def test_of_a_window_with_several_states_the_good_ones_go_back_first() -> None:
    """An attempt that came a little late makes no outage of the window before."""
    found = levelled(windows_of([(290.0, 0.0, 0.0), (210.0, 0.0, 100.0)]))

    assert (found.up_s, found.down_s) == ((300.0, 200.0), (0.0, 100.0))


def test_what_is_not_over_is_not_unknown() -> None:
    """Of a period that goes on, only what lies before the report can be known."""
    windows = windows_of([(300.0, 0.0, 0.0), (60.0, 0.0, 0.0)], until=START + 360 * SECOND)

    assert windows.total().unknown_s == 0
    assert windows.total().availability == 1


def test_an_outage_that_reaches_to_now_goes_on() -> None:
    """Only where the probe is down at this moment; it ends at the report, not at the end of its window."""
    until = START + 400 * SECOND
    windows = windows_of([(300.0, 0.0, 0.0), (0.0, 0.0, 100.0)], until=until)

    (still,) = outages(windows, down_now=True)
    (over,) = outages(windows)
    assert (still.ongoing, still.stop) == (True, until)
    assert (over.ongoing, over.stop) == (False, START + 2 * STEP)


def test_nothing_known_is_not_nothing() -> None:
    """No availability, all of it unknown, and no outage."""
    windows = windows_of([(0.0, 0.0, 0.0)] * 3)

    assert windows.total().availability is None
    assert windows.total().unknown_share == 1
    assert outages(windows, down_now=True) == ()


@given(any_attempts(), st.integers(1, 5))
def test_slots_hold_all_seconds(case: tuple[list[tuple[int, int, str]], int], per_slot: int) -> None:
    """The segments of a strip add up to the period."""
    windows = levelled(stored(*case))
    bounds = (*range(windows.start, windows.stop, per_slot * STEP), windows.stop)
    found = slots(windows, bounds)

    assert sum(slot.down_s for slot in found) == pytest.approx(sum(windows.down_s))
    assert sum(slot.period_s for slot in found) == pytest.approx(windows.total().period_s)
