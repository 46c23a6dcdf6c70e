"""Who is to be told of an incident now, and why, or why not, and when to look again. Pure.

`look` goes by what is so, not by what has just happened: it is given an incident as it stands and what its receivers
have been told, and says what they are still to be told. Looked at twice, nothing is told twice; looked at late, after
a stop, nothing is missed. The stages are, in this order: over, dependency, silence, maintenance, snooze,
acknowledgement, route, quiet hours, what the receiver knows already, repeat, ladder.

Holding back stops telling people of what is new or worse. It never stops "it is over": whoever was told that an
incident is open is told that it ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from alerting.outbox import Occasion
from alerting.outlook import Known, Ladder, Outlook, Policy, Reason, Subject, Telling, Why
from alerting.receivers import MINUTE, Receiver, second_of
from alerting.routes import Escalation, Route, routes_of
from telemetry.times import NANOSECONDS_PER_SECOND

_WHOLE = (Why.DEPENDENCY.value, Why.SILENCE.value, Why.MAINTENANCE.value)  # how what holds back all begins
LOOK_AGAIN = MINUTE // 4  # where nothing says when a hold ends: what it depends on is in trouble


def look(
    subject: Subject, known: Mapping[str, Known], ladders: Mapping[str, Ladder], policy: Policy, now: int
) -> Outlook:
    """What is to be told of an incident at `now` (ns, wall clock); `known` by receiver, `ladders` by route."""
    outlook = Outlook()
    if subject.resolved:
        _end(subject, known, policy, outlook)
        return outlook
    hold = _hold(subject, policy, now)
    if hold is not None:
        _hold_back(subject, known, hold, outlook)
        _not_before(outlook, now)
        return outlook
    if subject.is_answered:
        outlook.is_answered = True
        _take_back(known, f"{subject.acknowledged_by} has acknowledged it", outlook)
        known = {name: one for name, one in known.items() if not one.first_unsent}
    _Open(subject, known, ladders, policy, now, outlook).tell()
    _not_before(outlook, now)
    if subject.held and not outlook.held and not outlook.reasons:
        outlook.reasons.append(Reason(Why.ROUTE, "nothing holds it back any more"))
    return outlook


def _not_before(outlook: Outlook, now: int) -> None:
    """A look never leads to the same look at once, whatever it was told of its own time."""
    if outlook.due is not None:
        outlook.due = max(outlook.due, now + NANOSECONDS_PER_SECOND)


@dataclass(frozen=True, slots=True)
class _Hold:
    key: str
    why: Why
    words: str
    until: int


def _hold(subject: Subject, policy: Policy, now: int) -> _Hold | None:
    """The first stage that holds an incident back as a whole."""
    if subject.suppressed_by:
        words = f"it depends on what is in trouble itself: {subject.suppressed_by}"
        return _Hold(f"dependency {subject.suppressed_by}", Why.DEPENDENCY, words, now + LOOK_AGAIN)
    muting = policy.muting(subject.labels)
    if muting is not None:
        return _Hold(f"{muting.why} {muting.words}", muting.why, muting.words, muting.until)
    if subject.snoozed_until is not None and now < subject.snoozed_until:
        return _Hold(f"snooze {subject.snoozed_until}", Why.SNOOZE, "it is snoozed", subject.snoozed_until)
    return None


def _hold_back(subject: Subject, known: Mapping[str, Known], hold: _Hold, outlook: Outlook) -> None:
    outlook.held = hold.key
    outlook.look_at(hold.until)
    _take_back(known, hold.words, outlook)
    if hold.key != subject.held:
        outlook.reasons.append(Reason(hold.why, hold.words))


def _take_back(known: Mapping[str, Known], words: str, outlook: Outlook) -> None:
    for one in known.values():
        if one.first_unsent:
            outlook.withdrawn.append(one.receiver)
            outlook.reasons.append(Reason(Why.WITHDRAWN, f"before it was sent: {words}", receiver=one.receiver))


def _end(subject: Subject, known: Mapping[str, Known], policy: Policy, outlook: Outlook) -> None:
    """It is over: whoever was told of it is told that."""
    for one in known.values():
        if one.over:
            continue
        outlook.known[one.receiver] = replace(one, over=True)
        receiver = policy.receivers.get(one.receiver)
        if receiver is not None and not receiver.send_resolved:
            words = "it is over; this receiver does not want to hear of ends (send_resolved)"
            outlook.reasons.append(Reason(Why.OVER, words, receiver=one.receiver))
        else:
            outlook.tellings.append(Telling(one.receiver, one.route, one.group, Occasion.RESOLVED, subject.severity))
            words = "it is over, and this receiver was told that it had begun"
            outlook.reasons.append(Reason(Why.OVER, words, tell=True, receiver=one.receiver))


@dataclass(slots=True)
class _Open:
    """Looks at an incident that is open and that nothing holds back as a whole."""

    subject: Subject
    known: Mapping[str, Known]
    ladders: Mapping[str, Ladder]
    policy: Policy
    now: int
    outlook: Outlook
    names: frozenset[str] = frozenset()  # of the routes that it takes

    def tell(self) -> None:
        routes = routes_of(self.policy.routes, self.subject.labels)
        if not routes:
            return self._note_once("no_route", Reason(Why.NO_ROUTE, "no route means it, so nobody is told"))
        reached = [route for route in routes if route.receiver or route.escalation]
        if not reached:
            words = f"the route {routes[0].name} is meant to reach nobody"
            return self._note_once("nobody", Reason(Why.NOBODY, words))
        self.names = frozenset(route.name for route in reached)
        for route in reached:
            if route.receiver:
                self._tell_receiver(route, route.receiver)
            if route.escalation:
                self._climb(route, self.policy.escalations[route.escalation])
        return None

    def _tell_receiver(self, route: Route, name: str) -> None:
        receiver = self._found(route, name)
        if receiver is None or receiver.name in self.outlook.known:
            return  # another route or step has told this receiver just now
        known = self.known.get(receiver.name)
        found = self._news(route, known)
        if found is None:
            return
        if not self._is_quiet(receiver):
            occasion, reason = found
            self._add(route, receiver, occasion, reason)

    def _news(self, route: Route, known: Known | None) -> tuple[Occasion, Reason] | None:
        """What a receiver does not know yet; None when there is nothing."""
        if known is not None:
            return self._later_news(route, known)
        if self.subject.is_answered:
            self._note_once("acknowledged", Reason(Why.ACKNOWLEDGED, f"{self.subject.acknowledged_by} has it already"))
            return None
        held = bool(self.subject.held)
        words = "nothing holds it back any more" if held else "a new incident"
        occasion = Occasion.RELEASED if held else Occasion.OPENED
        return occasion, Reason(Why.ROUTE, f"{words}, by the route {route.name}", tell=True)

    def _later_news(self, route: Route, known: Known) -> tuple[Occasion, Reason] | None:
        subject = self.subject
        if subject.severity > known.severity:
            return Occasion.RAISED, Reason(Why.ROUTE, "it is worse than this receiver was told", tell=True)
        if subject.is_answered:
            return None
        if subject.flapping and not known.flapping:
            words = "it opens and closes again and again; that is told once"
            return Occasion.FLAPPING, Reason(Why.ROUTE, words, tell=True)
        if self._came_back(known.last):
            return Occasion.BACK, Reason(Why.SNOOZE, "the snooze is over, and it is still open", tell=True)
        return self._reminder(route, known)

    def _reminder(self, route: Route, known: Known) -> tuple[Occasion, Reason] | None:
        every = route.repeat_for(self.subject.severity)
        if not every or (known.route != route.name and known.route in self.names):
            return None  # the route that it was told by sees to that
        if self.now < known.last + every:
            self.outlook.look_at(known.last + every)
            return None
        return Occasion.REMINDER, Reason(Why.REPEAT, "still open, and nobody has acknowledged it", tell=True)

    def _came_back(self, since: int) -> bool:
        """Whether a snooze has ended since then."""
        until = self.subject.snoozed_until
        return until is not None and since < until <= self.now

    def _climb(self, route: Route, escalation: Escalation) -> None:
        """The steps of a ladder that are due; an acknowledgement stops it for good, the end of a snooze restarts it."""
        ladder = self.ladders.get(route.name)
        if self.subject.acknowledged is not None:
            ladder = self._stopped(route, escalation, ladder)
        else:
            if ladder is None or self._came_back(ladder.began):
                ladder = Ladder(route.name, self.now)
            elif self.subject.held.startswith(_WHOLE):
                # What was held back did not wait for an answer: the next step has its whole time.
                climbed = escalation.steps[ladder.done - 1].after if ladder.done else 0
                ladder = replace(ladder, began=self.now - climbed)
            ladder = self._climbed(route, escalation, ladder)
        if ladder is not None:
            self.outlook.ladders[route.name] = ladder
        # Whoever was reached by the ladder hears what is new, and once it is at its end, again and again.
        ended = ladder is None or ladder.done >= len(escalation.steps)
        behind = self._behind(escalation)
        for known in self.known.values():
            receiver = behind.get(known.receiver)
            if known.route != route.name or receiver is None or receiver.name in self.outlook.known:
                continue
            found = self._later_news(route, known)
            if found is None or (found[0] in {Occasion.REMINDER, Occasion.BACK} and not ended):
                continue
            if not self._is_quiet(receiver):
                self._add(route, receiver, *found)

    def _behind(self, escalation: Escalation) -> dict[str, Receiver]:
        """Who stands behind the steps now, and who gets their dead letters: who has handed over is left in peace."""
        receivers = self.policy.receivers
        found = [one for step in escalation.steps if (one := self.policy.receiver(step.receiver)) is not None]
        names = {one.name for one in found} | {second_of(receivers, one) for one in found}
        return {name: receivers[name] for name in names if name in receivers}

    def _climbed(self, route: Route, escalation: Escalation, ladder: Ladder) -> Ladder:
        """Whom a step could not tell at its time (quiet hours, nobody on duty) it tells later; the others do not wait.

        So whoever takes over the duty hears of what nobody has acknowledged yet.
        """
        for number, step in enumerate(escalation.steps, 1):
            if self.now < ladder.began + step.after:
                self.outlook.look_at(ladder.began + step.after)
                break
            is_new = number > ladder.done
            ladder = replace(ladder, done=max(number, ladder.done))
            receiver = self._found(route, step.receiver)
            if receiver is None or not (is_new or receiver.name not in self.known) or self._is_quiet(receiver):
                continue
            self._step(route, escalation, number, receiver)
        return ladder

    def _step(self, route: Route, escalation: Escalation, number: int, receiver: Receiver) -> None:
        if receiver.name in self.outlook.known:
            return  # it has heard of it just now
        words = f"step {number} of the ladder {escalation.name}"
        if escalation.steps[number - 1].after == 0:
            found = self._news(route, self.known.get(receiver.name))
            if found is not None:
                self._add(route, receiver, found[0], replace(found[1], why=Why.ESCALATION, words=words))
            return
        reason = Reason(Why.ESCALATION, f"{words}: nobody has acknowledged it", tell=True)
        self._add(route, receiver, Occasion.ESCALATED, reason)

    def _stopped(self, route: Route, escalation: Escalation, ladder: Ladder | None) -> Ladder | None:
        """The ladder at its end, which is recorded once. Who acknowledged has not seen what came after."""
        steps = escalation.steps
        if ladder is not None and ladder.done < len(steps):
            words = f"{self.subject.acknowledged_by} has acknowledged it: the ladder {escalation.name} stops"
            self.outlook.reasons.append(Reason(Why.ACKNOWLEDGED, words))
            ladder = replace(ladder, done=len(steps))
        if not self.subject.is_answered and not any(one.route == route.name for one in self.known.values()):
            self._tell_receiver(route, steps[0].receiver)
        return ladder

    def _found(self, route: Route, name: str) -> Receiver | None:
        receiver = self.policy.receiver(name)
        if receiver is None:
            reason = Reason(Why.UNKNOWN_RECEIVER, f"nobody stands behind {name} now, whom {route.name} names")
            self._note_once(f"unknown {name}", reason)
            self.outlook.look_at(self.now + LOOK_AGAIN)
        return receiver

    def _is_quiet(self, receiver: Receiver) -> bool:
        if receiver.quiet is None:
            return False
        until = self.policy.quiet_until(receiver.quiet, self.subject.severity)
        if until is None:
            return False
        self.outlook.look_at(until)
        words = f"quiet hours: a {self.subject.severity.word} waits until they end"
        self._note_once(f"quiet {receiver.name}", Reason(Why.QUIET, words, receiver=receiver.name))
        return True

    def _note_once(self, key: str, reason: Reason) -> None:
        """Record a reason for telling nobody, unless it was that already."""
        keys = [*self.outlook.held.split("\n"), key] if self.outlook.held else [key]
        self.outlook.held = "\n".join(dict.fromkeys(keys))
        if key not in self.subject.held.split("\n"):
            self.outlook.reasons.append(reason)

    def _add(self, route: Route, receiver: Receiver, occasion: Occasion, reason: Reason) -> None:
        known = self.known.get(receiver.name)
        subject, group = self.subject, route.group_of(self.subject.labels) if known is None else known.group
        through = route.name if known is None else known.route
        self.outlook.tellings.append(Telling(receiver.name, through, group, occasion, subject.severity))
        self.outlook.reasons.append(replace(reason, receiver=receiver.name))
        self.outlook.known[receiver.name] = Known(
            receiver.name,
            through,
            group,
            subject.severity if known is None else max(known.severity, subject.severity),
            subject.flapping or (known is not None and known.flapping),
            self.now,
            first_unsent=known is None or known.first_unsent,
        )
        every = route.repeat_for(subject.severity)
        if every and (through == route.name or through not in self.names) and not subject.is_answered:
            self.outlook.look_at(self.now + every)
