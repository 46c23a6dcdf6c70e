"""Which stage of the loop is broken: the first that is late, by watched time alone."""

from hypothesis import given
from hypothesis import strategies as st

from alerting.dead_mans_switch import ORDER, Judgement, Stage, judged, late


@given(st.sampled_from(ORDER), st.floats(0, 1_000))
def test_the_first_stage_that_is_late_is_named(broken: Stage, ago: float) -> None:
    """Those behind it are late as well, and not to blame."""
    place = ORDER.index(broken)
    passes = {stage: 1_000.0 if number < place else 1_000.0 - ago for number, stage in enumerate(ORDER)}
    found = late(passes, 0, 1_000, 120)
    assert found is None if ago <= 120 else (found is not None and found.stage is broken)


def test_nothing_is_broken_before_it_could_be_passed() -> None:
    """Two intervals after the start."""
    assert late({}, 100, 220, 120) is None
    found = late({}, 100, 221, 120)
    assert found is not None
    assert (
        found.words
        == "the loop is broken at the stage probe: the probe of OpsWatch's own page has not succeeded for 121 s"
    )


def test_what_did_not_answer_is_told_before_what_it_holds() -> None:
    """A store that cannot be asked does not show that it lost something."""
    now = dict.fromkeys(ORDER, 500.0)
    found = late(now | {Stage.QUERY: 0.0, Stage.STORE: 0.0}, 0, 500, 120)
    assert found is not None
    assert found.stage is Stage.QUERY


@given(st.sampled_from(ORDER), st.integers(1, 30), st.lists(st.integers(0, 2), min_size=5, max_size=5))
def test_while_it_mends_it_is_one_breakage_and_then_none(broken: Stage, minutes: int, later: list[int]) -> None:
    """Those behind it are passed some pulses after it: nothing else is blamed, and nothing is whole too early."""
    place, mended = ORDER.index(broken), minutes + 3
    passed_from = dict.fromkeys(ORDER[:place], 0) | {broken: mended}
    for stage, pulses in zip(ORDER[place + 1 :], sorted(later), strict=False):
        passed_from[stage] = mended + pulses
    judgement, passes, named = Judgement(0.0), dict.fromkeys(ORDER, 0.0), []
    for pulse in range(1, mended + 5):
        passes |= {stage: pulse * 60.0 for stage, first in passed_from.items() if pulse >= first}
        judgement = judged(judgement, passes, pulse * 60.0, 60)
        named.append(judgement.breakage.stage if judgement.breakage else None)
    whole = max(passed_from.values())
    late_by = whole - 1 - 2  # pulses that find it late
    assert named == [None, None, *[broken] * late_by, *[None] * (mended + 4 - whole + 1)]


def test_a_second_breakage_behind_the_first_is_named_once_its_time_is_over() -> None:
    """The spool is well again, and the store is not."""
    judgement, passes, named = Judgement(0.0), dict.fromkeys(ORDER, 0.0), []
    for pulse in range(1, 12):
        now = pulse * 60.0
        passes[Stage.PROBE] = passes[Stage.QUERY] = now
        if pulse >= 6:
            passes[Stage.SPOOL] = now
        judgement = judged(judgement, passes, now, 60)
        named.append(judgement.breakage.stage if judgement.breakage else None)
    assert named == [None, None, *[Stage.SPOOL] * 6, *[Stage.STORE] * 3]
