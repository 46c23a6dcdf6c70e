"""What becomes of a message after a try."""

from hypothesis import given
from hypothesis import strategies as st

from alerting.outbox import Answer, DeliveryState, Outcome
from alerting.receivers import MINUTE
from alerting.retries import LONGEST_DELAY, LONGEST_RETRY_AFTER, verdict

NOW = 1_000 * MINUTE
ANSWERS = st.lists(
    st.builds(
        lambda outcome, after: Answer(outcome, "500", "", 1.0, retry_after=after),
        st.sampled_from(list(Outcome)),
        st.one_of(st.none(), st.integers(0, 10**18)),
    ),
    min_size=1,
    max_size=4,
)


@given(ANSWERS, st.integers(1, 200), st.integers(-10, 500), st.floats(0, 1, exclude_max=True))
def test_it_is_tried_until_it_is_taken_or_its_time_is_over(
    answers: list[Answer], attempt: int, left: int, chance: float
) -> None:
    """Never after its deadline, never at once, at least as long as was asked for, and never for ever."""
    deadline = NOW + left * MINUTE
    found = verdict(answers, attempt, deadline, NOW, chance)
    later = [answer for answer in answers if answer.outcome is Outcome.LATER]
    if found.state is DeliveryState.WAITING:
        assert later
        assert found.due is not None
        assert NOW < found.due <= deadline
        asked = min(max(answer.retry_after or 0 for answer in later), LONGEST_RETRY_AFTER)
        assert found.due >= min(NOW + asked, deadline)
        assert found.due - NOW <= max(LONGEST_DELAY, LONGEST_RETRY_AFTER)
    elif found.rest:
        assert found.state is DeliveryState.DELIVERED
        assert found.due is not None
        assert NOW < found.due <= deadline
        assert found.rest == tuple(answer.recipient for answer in later)
    else:
        assert not later or deadline <= NOW
        taken = any(answer.outcome is Outcome.DELIVERED for answer in answers)
        assert found.state is (DeliveryState.DELIVERED if taken else DeliveryState.DEAD)
        assert found.partly is (taken and any(answer.outcome is not Outcome.DELIVERED for answer in answers))
