"""The state machine of one alert, sentence by sentence of its docstring."""

from dataclasses import replace

import pytest

from alerting.machine import Alert, Kind, Reading, Status, step
from alerting.rules import Comparison, Flapping, NoData, Rule, Selection, Severity, Threshold, Value, alert_key
from telemetry.series import Function

SECOND = 10**9
INTERVAL = 15 * SECOND
START = 1_000_000 * INTERVAL


def load(**changes: object) -> Rule:
    rule = Rule(
        "load",
        Value(Selection("system", "load1", Function.MEAN, INTERVAL)),
        (
            (Severity.WARNING, Threshold(Comparison.ABOVE, 5, 4)),
            (Severity.CRITICAL, Threshold(Comparison.ABOVE, 10, 8)),
        ),
        INTERVAL,
    )
    return replace(rule, **changes)  # type: ignore[arg-type]


def story(rule: Rule, *values: float | None) -> tuple[Alert, list[str]]:
    """The alert after a reading each interval, None one that is missing; and the kinds of its transitions."""
    alert, kinds = Alert(rule.name, (("host", "a"),), since=START), []
    for number, value in enumerate(values, 1):
        reading = Reading.missing("gone") if value is None else Reading.of(value)
        alert, made = step(alert, reading, rule, START + number * INTERVAL)
        kinds += [made.kind.value] if made else []
    return alert, kinds


@pytest.mark.parametrize(
    ("side", "value", "fires"),
    [
        (Comparison.ABOVE, 5.0, False),
        (Comparison.ABOVE, 5.1, True),
        (Comparison.AT_LEAST, 5.0, True),
        (Comparison.AT_LEAST, 4.9, False),
        (Comparison.BELOW, 5.0, False),
        (Comparison.BELOW, 4.9, True),
        (Comparison.AT_MOST, 5.0, True),
        (Comparison.AT_MOST, 5.1, False),
    ],
)
def test_a_value_equal_to_the_limit_is_what_the_comparison_says(side: Comparison, value: float, fires: bool) -> None:
    """`above` and `below` leave it out, `at_least` and `at_most` have it in."""
    alert, _ = story(load(thresholds=((Severity.WARNING, Threshold(side, 5.0)),)), value)
    assert alert.is_open is fires


def test_between_limit_and_clear_value_nothing_changes() -> None:
    """What fires goes on firing, what does not does not begin."""
    assert story(load(), 4.5)[0].status is Status.INACTIVE
    assert story(load(), 6, 4.5)[0].status is Status.FIRING
    assert story(load(), 6, 4)[0].status is Status.INACTIVE


def test_a_rise_and_a_fall_are_transitions_of_one_incident() -> None:
    """From warning to critical and back, and over."""
    assert story(load(), 6, 20, 9, 7, 1)[1] == ["opened", "raised", "lowered", "resolved"]


def test_a_jump_to_critical_opens_as_critical() -> None:
    """Both have lasted long enough at the same time."""
    alert, kinds = story(load(hold_for=2 * INTERVAL), 20, 20, 20)
    assert (alert.severity, kinds) == (Severity.CRITICAL, ["pending", "opened"])


def test_for_is_time_beyond_the_threshold_without_a_break() -> None:
    """One reading that is not, and it begins anew."""
    held = load(hold_for=3 * INTERVAL)
    assert story(held, 6, 6, 6, 6)[1] == ["pending", "opened"]
    assert story(held, 6, 6, 6, 5, 6, 6, 6)[1] == ["pending", "dropped", "pending"]


def test_keep_firing_for_is_time_in_the_clear_without_a_break() -> None:
    """A relapse is no new incident."""
    kept = load(keep_firing_for=2 * INTERVAL)
    assert story(kept, 6, 1, 1, 6, 1, 1, 1)[1] == ["opened", "recovering", "relapsed", "recovering", "resolved"]


def test_what_is_missing_neither_fires_nor_resolves_and_is_not_counted() -> None:
    """Firing stays firing with the same severity; what is pending does not get older by it."""
    alert, kinds = story(load(), 6, *[None] * 100)
    assert (alert.status, alert.severity, kinds) == (Status.UNKNOWN, Severity.WARNING, ["opened", "unknown"])
    assert story(load(), 6, None, 6)[1] == ["opened", "unknown", "known"]
    assert story(load(), 6, None, 1)[1] == ["opened", "unknown", "resolved"]
    assert story(load(hold_for=4 * INTERVAL), 6, 6, None, 6, 6)[0].status is Status.FIRING
    assert story(load(hold_for=5 * INTERVAL), 6, 6, None, 6, 6)[0].status is Status.PENDING


@pytest.mark.parametrize(("policy", "severity"), [(NoData.ALERT, Severity.CRITICAL), (NoData.OK, None)])
def test_a_rule_may_say_what_missing_means(policy: NoData, severity: Severity | None) -> None:
    """The trouble itself, at its worst; or that all is well."""
    assert story(load(no_data=policy), 6, None)[0].severity is severity


def test_nothing_to_judge_is_clear() -> None:
    """No traffic has no errors."""
    alert, _ = story(load(), 6)
    after, made = step(alert, Reading.nothing("idle"), load(), START + 2 * INTERVAL)
    assert made is not None
    assert (after.status, made.kind) == (Status.INACTIVE, Kind.RESOLVED)


def test_a_gap_counts_for_two_intervals_at_most() -> None:
    """A stop of an hour, or a clock set forward, makes nothing last for long enough; longer than `for`, it restarts."""
    held = load(hold_for=10 * INTERVAL)
    alert, _ = story(held, 6, 6)
    for span, expected in ((8 * INTERVAL, 3 * INTERVAL), (11 * INTERVAL, 0), (-4 * INTERVAL, INTERVAL)):
        after, _ = step(alert, Reading.of(6), held, START + 2 * INTERVAL + span)
        assert after.warning.held == expected


def test_an_edited_threshold_is_that_of_the_next_reading() -> None:
    """The alert is the same one; a severity that is gone has no track."""
    alert, _ = story(load(), 20)
    milder = load(thresholds=((Severity.WARNING, Threshold(Comparison.ABOVE, 5, 4)),))
    after, made = step(alert, Reading.of(20), milder, START + 2 * INTERVAL)
    assert made is not None
    assert (made.kind, after.severity) == (Kind.LOWERED, Severity.WARNING)


def test_flapping_is_one_state_told_once_until_it_has_calmed_down() -> None:
    """More than four openings and closings in ten intervals; it ends when no more than two are left, and is clear."""
    damped = load(flapping=Flapping(4, 10 * INTERVAL))
    alert, kinds = story(damped, 6, 1, 6, 1, 6, 1, 6, 1, 6, 1, 1, 1, 1, 1)
    assert (
        kinds == ["opened", "resolved", "opened", "resolved", "opened", "recovering"] + ["relapsed", "recovering"] * 2
    )
    assert alert.flapping
    alert, kinds = story(damped, 6, 1, 6, 1, 6, 1, 6, 1, *[1] * 12)
    assert (alert.status, alert.flapping, kinds[-1]) == (Status.INACTIVE, False, "resolved")
    alert, kinds = story(damped, 1, 6, 1, 6, 1, 6, *[6] * 12)
    assert (alert.status, alert.flapping, kinds[-1]) == (Status.FIRING, False, "steady")


def test_a_flapping_alert_stays_open_and_says_so() -> None:
    """It is told as flapping when it closes once too often."""
    damped = load(flapping=Flapping(3, 10 * INTERVAL))
    alert, kinds = story(damped, 6, 1, 6, 1)
    assert (kinds, alert.is_open, alert.flapping) == (["opened", "resolved", "opened", "flapping"], True, True)


def test_a_sine_at_the_threshold_makes_few_incidents() -> None:
    """B6: 600 readings that cross it each time are a handful of transitions that open or close."""
    damped = load(flapping=Flapping(4, 40 * INTERVAL))
    _, kinds = story(damped, *[6, 1] * 300)
    assert sum(kind in {"opened", "resolved", "flapping", "steady"} for kind in kinds) <= 6


def test_an_alert_is_its_rule_and_its_tags_and_nothing_else() -> None:
    """16 hex digits, the same whatever the thresholds are."""
    assert alert_key("load", (("host", "a"),)) == Alert("load", (("host", "a"),)).key
    assert len({alert_key("load", ()), alert_key("load", (("host", "a"),)), alert_key("loa", (("d", ""),))}) == 3
    assert len(alert_key("load", ())) == 16
