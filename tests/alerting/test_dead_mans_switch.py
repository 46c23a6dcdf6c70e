"""Which stage of the loop is broken: the first that is late, by watched time alone."""

from hypothesis import given
from hypothesis import strategies as st

from alerting.dead_mans_switch import ORDER, Stage, breakage


@given(st.sampled_from(ORDER), st.floats(0, 1_000))
def test_the_first_stage_that_is_late_is_named(broken: Stage, ago: float) -> None:
    """Those behind it are late as well, and not to blame."""
    place = ORDER.index(broken)
    passes = {stage: 1_000.0 if number < place else 1_000.0 - ago for number, stage in enumerate(ORDER)}
    found = breakage(passes, 0, 1_000, 60)
    assert found is None if ago <= 120 else (found is not None and found.stage is broken)


def test_nothing_is_broken_before_it_could_be_passed() -> None:
    """Two intervals after the start."""
    assert breakage({}, 100, 220, 60) is None
    found = breakage({}, 100, 221, 60)
    assert found is not None
    assert (
        found.words
        == "the loop is broken at the stage probe: the probe of OpsWatch's own page has not succeeded for 121 s"
    )


def test_what_did_not_answer_is_told_before_what_it_holds() -> None:
    """A store that cannot be asked does not show that it lost something."""
    now = dict.fromkeys(ORDER, 500.0)
    found = breakage(now | {Stage.QUERY: 0.0, Stage.STORE: 0.0}, 0, 500, 60)
    assert found is not None
    assert found.stage is Stage.QUERY
