"""The state machine agrees with an independent model over any order of whatever can happen to an alert."""

from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from alerting.machine import Alert, Kind, Reading, Transition, is_quiet, step
from alerting.rules import Comparison, NoData, Rule, Selection, Severity, Threshold, Value
from opswatch.state.ledger_rows import alert_of, alert_row
from telemetry.series import Function
from tests.alerting.machine_model import Happened, expected, known

SECOND = 10**9
INTERVAL = 15 * SECOND
VALUES = st.sampled_from([0.0, 3.0, 4.0, 5.0, 6.0, 8.0, 9.0, 10.0, 11.0])
READINGS = VALUES | st.just("nothing") | st.just("missing")
PASSING = st.sampled_from([INTERVAL, INTERVAL, INTERVAL, 2 * INTERVAL, 5 * INTERVAL, 40 * INTERVAL])
STEPS = st.sampled_from([-3_600 * SECOND, -INTERVAL, 0, 600 * SECOND, 86_400 * SECOND])


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    upward = draw(st.booleans())
    side = draw(
        st.sampled_from([Comparison.ABOVE, Comparison.AT_LEAST] if upward else [Comparison.BELOW, Comparison.AT_MOST])
    )
    mild, bad = (5.0, 10.0) if upward else (9.0, 4.0)
    clears = draw(st.booleans())
    thresholds = [
        (Severity.WARNING, Threshold(side, mild, (4.0 if upward else 10.0) if clears else None)),
        (Severity.CRITICAL, Threshold(side, bad, (8.0 if upward else 6.0) if clears else None)),
    ]
    kept = draw(st.sampled_from([thresholds, thresholds[:1], thresholds[1:]]))
    return Rule(
        "load",
        Value(Selection("system", "load1", Function.MEAN, INTERVAL)),
        tuple(kept),
        INTERVAL,
        hold_for=draw(st.sampled_from([0, INTERVAL, 4 * INTERVAL])),
        keep_firing_for=draw(st.sampled_from([0, INTERVAL, 3 * INTERVAL])),
        no_data=draw(st.sampled_from(list(NoData))),
    )


def reading(value: float | str) -> Reading:
    if value == "nothing":
        return Reading.nothing("idle")
    return Reading.missing("gone") if isinstance(value, str) else Reading.of(value)


class AlertMachine(RuleBasedStateMachine):
    """Readings, gaps, clocks that are set, edited rules, restarts; after each the model is asked."""

    @initialize(first=rules())
    def begin(self, first: Rule) -> None:
        self.rule = first
        self.now = 1_000_000 * INTERVAL
        self.alert = Alert("load", (("host", "a"),), since=self.now)
        self.history: list[Happened] = []
        self.made: list[Transition] = []

    @rule(value=READINGS, passing=PASSING)
    def look(self, value: float | str, passing: int) -> None:
        """Time passes, and the rule reads something."""
        self.now += passing
        before, quiet = self.alert, is_quiet(self.alert, reading(value), self.rule)
        self.alert, made = step(self.alert, reading(value), self.rule, self.now)
        self.history.append(Happened(self.now, value, self.rule))
        if made is not None:
            self.made.append(made)
            assert (made.before, made.severity_before) == (before.status, before.severity)
            assert (made.after, made.severity_after) == (self.alert.status, self.alert.severity)
        if quiet:
            assert made is None
            assert replace(self.alert, known=None, value=None, reason="") == replace(
                before, known=None, value=None, reason=""
            )
        if value == "missing" and self.rule.no_data is NoData.UNKNOWN:
            assert self.alert.severity is before.severity

    @rule(value=READINGS, by=STEPS)
    def set_clock(self, value: float | str, by: int) -> None:
        """The wall clock is set, and then something is read: by itself that makes nothing last long enough."""
        before = self.alert
        self.now += by
        self.alert, made = step(self.alert, reading(value), self.rule, self.now)
        self.history.append(Happened(self.now, value, self.rule))
        if made is not None:
            self.made.append(made)
        began = before.warning.held or before.critical.held
        if self.rule.hold_for > 2 * INTERVAL and not before.is_open and not began:
            assert not self.alert.is_open

    @rule(edited=rules())
    def edit(self, edited: Rule) -> None:
        """A reload: the alert keeps its identity and its state."""
        self.rule = edited

    @rule()
    def restart(self) -> None:
        """What the ledger keeps of an alert is all of it."""
        row = alert_row(self.alert)
        self.alert = alert_of({"rule": row["rule"], "tags": row["tags"], "state": row["state"], "incident": None})

    @invariant()
    def agrees(self) -> None:
        """Status and severity are what the model says of everything that happened."""
        severity = self.alert.severity.word if self.alert.severity else ""
        assert (self.alert.status.value, severity) == expected(self.history)

    @invariant()
    def opens_and_resolves_in_turn(self) -> None:
        """Openings and ends alternate, and begin with an opening."""
        ends = [one.kind for one in self.made if one.kind in {Kind.OPENED, Kind.RESOLVED}]
        assert ends == [Kind.OPENED, Kind.RESOLVED] * (len(ends) // 2) + [Kind.OPENED] * (len(ends) % 2)

    def teardown(self) -> None:
        """Replay of what was read makes the very transitions that were made."""
        alert, made = Alert("load", (("host", "a"),), since=1_000_000 * INTERVAL), []
        for one in self.history:
            alert, transition = step(alert, reading(one.value), one.rule, one.at)
            if transition is not None:
                made.append(transition)
        assert made == self.made
        assert len(known(self.history)) <= len(self.history)


TestAlertMachine = AlertMachine.TestCase
TestAlertMachine.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
