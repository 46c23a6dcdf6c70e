"""What waits is made into messages: nothing is lost in between, never more than the budget, the worst first."""

from hypothesis import given
from hypothesis import strategies as st

from alerting.batches import DIGEST, Pace, Pending, Recent, batches
from alerting.outbox import Occasion
from alerting.receivers import MINUTE, Budget
from alerting.rules import Severity

NOW = 1_000 * MINUTE
PACE = {"all": Pace(MINUTE, 5 * MINUTE)}


@st.composite
def pending(draw: st.DrawFn) -> list[Pending]:
    return [
        Pending(
            number,
            number,
            "all",
            (("host", draw(st.sampled_from("abcdef"))),),
            draw(st.sampled_from(list(Occasion))),
            draw(st.sampled_from(list(Severity))),
            NOW - draw(st.integers(0, 10)) * MINUTE,
        )
        for number in range(draw(st.integers(0, 30)))
    ]


def worst(items: tuple[Pending, ...]) -> int:
    """Of what is news; 0 where all of it is over."""
    return max((one.severity for one in items if one.occasion is not Occasion.RESOLVED), default=0)


@given(pending(), st.lists(st.integers(0, 3 * 60), max_size=6), st.integers(2, 6))
def test_nothing_is_lost_and_the_budget_holds(items: list[Pending], sent: list[int], messages: int) -> None:
    """Each item is in one message or waits, and what waits has a time to look again."""
    made = [NOW - ago * MINUTE // 60 for ago in sent]
    found, due = batches(items, Recent(made, {}), PACE, Budget(messages, MINUTE), NOW)
    told = [item.id for batch in found for item in batch.items]
    assert len(told) == len(set(told))
    within = sum(NOW - MINUTE < time <= NOW for time in made)
    assert len(found) <= max(0, messages - within)
    if len(told) < len(items):
        assert due is not None
        assert due > NOW
    assert all(batch.route == DIGEST for batch in found if batch.groups > 1)
    worst = [
        max((one.severity for one in batch.items if one.occasion is not Occasion.RESOLVED), default=0)
        for batch in found
    ]
    plain = [severity for batch, severity in zip(found, worst, strict=True) if batch.groups == 1]
    assert plain == sorted(plain, reverse=True)


def test_a_group_waits_for_others_and_then_for_its_interval() -> None:
    """What is critical and new does not."""
    one = Pending(1, 1, "all", (), Occasion.OPENED, Severity.WARNING, NOW)
    assert batches([one], Recent([], {}), PACE, Budget(), NOW) == ([], NOW + MINUTE)
    lately = Recent([NOW], {("all", ()): NOW})
    assert batches([one], lately, PACE, Budget(), NOW + MINUTE) == ([], NOW + 5 * MINUTE)
    urgent = Pending(2, 2, "all", (), Occasion.OPENED, Severity.CRITICAL, NOW)
    assert [len(batch.items) for batch in batches([one, urgent], lately, PACE, Budget(), NOW + MINUTE)[0]] == [2]
