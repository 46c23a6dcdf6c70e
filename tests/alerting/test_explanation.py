"""Why somebody was told: what is shown of a minute is what was so then."""

import re
from datetime import timedelta
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import pytest

from alerting.ledger import Action
from alerting.outbox import Answer, DeliveryState, Outcome
from alerting.receivers import MINUTE
from alerting.routes import Escalation, Route, Step
from tests.alerting.office import ANSWERED, EVERYTHING, START, office, receiver, refusing

TOLD = re.compile(r"(\w+) was told “(.*)” at (.*) UTC \(")


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


async def test_sentences_have_the_times_of_the_readers_clock(tmp_path: Path) -> None:
    """A page that shows Berlin's time does not mix in another."""
    async with office(tmp_path, receiver("mail")) as it:
        await it.fire("a")
        await it.go(20)
        at = (START + timedelta(minutes=5)).astimezone(ZoneInfo("Europe/Berlin"))
        words = (await it.state.explanations.explain(1, at)).words
    assert words == ("mail was told “opened” at 2026-11-26 13:00:10 CET (200).",)


@pytest.mark.parametrize("seed", range(10))
async def test_of_any_minute_of_any_story_it_says_what_had_happened(tmp_path: Path, seed: int) -> None:
    """Whom it says to have been told has just then got that; whoever had got something is in it; it never says nothing.

    The oracle is what arrived, with its time.
    """
    chance = Random(seed)
    ladder = Escalation("ladder", (Step(0, "mail"), Step(15 * MINUTE, "phone"), Step(30 * MINUTE, "boss")))
    names = ("mail", "phone", "boss")
    async with office(
        tmp_path,
        *(receiver(name, retry_for=20 * MINUTE) for name in names),
        routes=(Route("all", EVERYTHING, "", "ladder"),),
        escalations={"ladder": ladder},
    ) as it:
        await it.fire("a")
        for _ in range(14):
            match chance.randrange(6):
                case 0:
                    it.mailbox.answer = refusing(*chance.sample(names, chance.randint(0, 3)))
                case 1:
                    it.silences = [(EVERYTHING, it.seconds + chance.choice([300, 3_600]))]
                    await it.touch()
                case 2:
                    await it.act(1, Action.ACKNOWLEDGE)
                case 3:
                    await it.act(1, Action.SNOOZE, minutes=chance.choice([5, 60]))
            await it.go(chance.choice([30, 300, 900]), 30)
        it.mailbox.answer = lambda *_: ANSWERED
        end = it.seconds
        arrived = [(float(line.split()[0]), *line.split(" ", 1)[1].split(": load a ")) for line in it.log]
        for seconds in [0.0, *(chance.uniform(0, end) for _ in range(60))]:
            words = (await it.state.explanations.explain(1, START + timedelta(seconds=seconds))).words
            assert words
            before = [one for one in arrived if one[0] <= seconds]
            for name, what, moment in (found.groups() for one in words if (found := TOLD.match(one))):
                last = max(one for one in before if one[1] == name)
                assert what.split(" and ")[-1] == last[2], (seconds, words)
                assert moment == f"{START + timedelta(seconds=last[0]):%Y-%m-%d %H:%M:%S}", (seconds, words)
            for name in {one[1] for one in before}:
                assert any(one.startswith(f"{name} ") for one in words), (seconds, words)
            if not before:
                assert not any(TOLD.match(one) for one in words), (seconds, words)
        await it.resolve("a")
        await it.go(3_600, 60)
