"""Why somebody was told: what is shown of a minute is what was so then."""

from datetime import timedelta
from pathlib import Path

from alerting.outbox import Answer, DeliveryState, Outcome
from tests.alerting.office import START, office, receiver


async def test_a_minute_in_the_middle_knows_nothing_of_what_came_later(tmp_path: Path) -> None:
    """One try had been made and the message waited; that it arrived in the end is seen from then on."""
    async with office(tmp_path, receiver("mail")) as it:
        it.mailbox.answer = lambda _receiver, _notice: Answer(Outcome.LATER, "503", "busy", 1.0)
        await it.fire("a")
        await it.go(12)
        it.mailbox.answer = lambda _receiver, _notice: Answer(Outcome.DELIVERED, "200", "thanks", 1.0)
        await it.go(3_600, 5)
        explain = it.state.explanations.explain
        (whole,) = (await explain(1, START + timedelta(hours=1))).deliveries
        first, *_, last = whole.tries
        (during,) = (await explain(1, first.time)).deliveries
        (after,) = (await explain(1, last.time)).deliveries

    assert after == whole
    assert (whole.state, first.code, last.code) == (DeliveryState.DELIVERED, "503", "200")
    assert during.tries == (first,)
    assert (during.state, during.finished, during.attempts) == (DeliveryState.WAITING, None, 1)
