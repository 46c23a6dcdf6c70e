"""B10, B11: whatever happens in whatever order, a look tells what is to be told, once, and nothing else."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from alerting.label_match import LabelMatch
from alerting.outbox import URGING, Occasion
from alerting.outlook import Known, Ladder, Muting, Outlook, Policy, Subject, Why
from alerting.receivers import MINUTE, Receiver
from alerting.routes import Escalation, Route, Step
from alerting.rules import Severity
from alerting.telling import look
from tests.alerting.office import receiver

RECEIVERS = {name: receiver(name) for name in ("mail", "phone", "boss")}
ROUTES = (
    Route("ladder", LabelMatch(), "", "night", goes_on=True, repeat=((Severity.CRITICAL, 40 * MINUTE),)),
    Route("plain", LabelMatch(), "mail", repeat=((Severity.CRITICAL, 60 * MINUTE), (Severity.WARNING, 90 * MINUTE))),
)
NIGHT = Escalation("night", (Step(0, "phone"), Step(10 * MINUTE, "boss")))
EVENTS = ("nothing", "raise", "lower", "flap", "ack", "snooze", "silence", "unsilence", "suppress", "release", "send")
STEPS = st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(1, 30)), max_size=30)


class Simulation:
    """What the store keeps between looks, as plain values."""

    def __init__(self) -> None:
        self.now = 1_000 * MINUTE
        self.subject = Subject(1, {}, Severity.WARNING, flapping=False, risen=self.now)
        self.known: dict[str, Known] = {}
        self.ladders: dict[str, Ladder] = {}
        self.silenced_until = 0

    def policy(self) -> Policy:
        muting = Muting(Why.SILENCE, "a silence", self.silenced_until) if self.now < self.silenced_until else None
        receivers: dict[str, Receiver] = RECEIVERS
        return Policy(
            ROUTES,
            {"night": NIGHT},
            receivers,
            lambda name: name if name in receivers else None,
            lambda _: muting,
            lambda *_: None,
        )

    @property
    def is_held(self) -> bool:
        snoozed = self.subject.snoozed_until
        return (
            bool(self.subject.suppressed_by)
            or self.now < self.silenced_until
            or (snoozed is not None and self.now < snoozed)
        )

    def happen(self, event: str) -> None:
        one = self.subject
        match event:
            case "raise" if one.severity is Severity.WARNING:
                self.subject = replace(one, severity=Severity.CRITICAL, risen=self.now)
            case "lower":
                self.subject = replace(one, severity=Severity.WARNING)
            case "flap":
                self.subject = replace(one, flapping=True)
            case "ack" if not one.is_answered:
                self.subject = replace(one, acknowledged=self.now, acknowledged_by="anna")
            case "snooze":
                self.subject = replace(one, snoozed_until=self.now + 20 * MINUTE, acknowledged=None)
            case "silence":
                self.silenced_until = self.now + 15 * MINUTE
            case "unsilence":
                self.silenced_until = 0
            case "suppress" | "release":
                self.subject = replace(one, suppressed_by="service db" if event == "suppress" else "")
            case "send":
                self.known = {name: replace(known, first_unsent=False) for name, known in self.known.items()}

    def look(self) -> Outlook:
        outlook = look(self.subject, self.known, self.ladders, self.policy(), self.now)
        for name in outlook.withdrawn:
            del self.known[name]
        if outlook.withdrawn and not self.known:
            self.ladders.clear()
        self.known |= outlook.known
        self.ladders |= outlook.ladders
        self.subject = replace(self.subject, held=outlook.held)
        return outlook


def check(it: Simulation, before: dict[str, Known], outlook: Outlook) -> None:
    occasions = [one.occasion for one in outlook.tellings]
    receivers = [one.receiver for one in outlook.tellings]
    assert len(receivers) == len(set(receivers))  # at most one of each look
    assert outlook.due is None or outlook.due > it.now  # no look leads to the same look
    if it.is_held:
        assert occasions == []
    if it.subject.is_answered:
        assert URGING.isdisjoint(occasions)
        assert Occasion.OPENED not in occasions
    for one in outlook.tellings:
        began = one.occasion in {Occasion.OPENED, Occasion.RELEASED}
        known = before.get(one.receiver)
        assert not (began and known is not None)  # nothing begins twice
        if one.occasion is Occasion.RAISED:
            assert known is not None
            assert known.severity < it.subject.severity
    if not it.is_held and not it.subject.is_answered:
        # Nobody is forgotten: who is to know of it knows, and as bad as it is.
        for name in ("mail", "phone"):
            assert it.known[name].severity >= it.subject.severity


@settings(max_examples=400, deadline=None)
@given(STEPS)
def test_whatever_happens_people_are_told_what_is_so(steps: list[tuple[str, int]]) -> None:
    """Looked at after each event, and again at once: the second look tells nothing."""
    it = Simulation()
    for event, minutes in [("nothing", 0), *steps]:
        it.now += minutes * MINUTE
        it.happen(event)
        before = dict(it.known)
        check(it, before, it.look())
        again = it.look()
        assert again.tellings == []
        assert again.reasons == []
    told = set(it.known)
    it.subject = replace(it.subject, resolved=True)
    over = it.look()
    assert {one.receiver for one in over.tellings} == told  # whoever heard of it hears that it is over
    assert {one.occasion for one in over.tellings} <= {Occasion.RESOLVED}
    assert it.look().tellings == []


@given(st.lists(st.integers(1, 25), min_size=1, max_size=20))
def test_each_step_of_a_ladder_is_climbed_once_however_rarely_it_is_looked_at(pauses: list[int]) -> None:
    """As after stops of any length, and by a clock that only goes on."""
    it = Simulation()
    it.subject = replace(it.subject, severity=Severity.WARNING)
    seen: list[str] = []
    for pause in [0, *pauses]:
        it.now += pause * MINUTE
        outlook = it.look()
        seen += [one.receiver for one in outlook.tellings if one.occasion is not Occasion.REMINDER]
    assert len(seen) == len(set(seen))
    assert ("boss" in seen) is (sum(pauses) >= 10)
