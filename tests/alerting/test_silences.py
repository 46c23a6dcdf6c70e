"""What makes no sense is refused before it is kept."""

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from alerting.duty import Override
from alerting.label_match import LabelMatch
from alerting.receivers import HOUR
from alerting.silences import (
    OverrideDraft,
    SilenceDraft,
    WindowDraft,
    check_override,
    check_silence,
    check_window,
)
from alerting.windows import Once, Times, Weekly, Window
from telemetry.errors import InvalidRequest
from telemetry.times import from_datetime

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
NOW_NS = from_datetime(NOW)
CHECKOUT = LabelMatch.of({"service": "checkout"})
YEARS = timedelta(days=3_660)
SUNDAYS = Weekly(frozenset({6}), time(3))


def silence(
    starts: timedelta = timedelta(0),
    ends: timedelta = timedelta(hours=1),
    match: LabelMatch = CHECKOUT,
    comment: str = "",
    everything: bool = False,
) -> None:
    check_silence(SilenceDraft(match, NOW + starts, NOW + ends, comment, everything), NOW)


def window(
    times: Times = SUNDAYS,
    duration: int = HOUR,
    match: LabelMatch = CHECKOUT,
    name: str = "sunday",
    everything: bool = False,
) -> None:
    check_window(WindowDraft(Window(name, match, duration, ZoneInfo("UTC"), times), "", everything), NOW)


def override(start: int, stop: int) -> None:
    check_override(OverrideDraft("ops", Override(NOW_NS + start, NOW_NS + stop, "ada")), NOW)


@pytest.mark.parametrize(
    ("check", "field", "words"),
    [
        (lambda: silence(ends=timedelta(0)), "until", "ends after it starts"),
        (lambda: silence(starts=-timedelta(2), ends=-timedelta(1)), "until", "still to come"),
        (lambda: silence(ends=YEARS), "until", "ten years at most"),
        (lambda: silence(starts=YEARS, ends=YEARS + timedelta(1)), "starts", "within ten years"),
        (lambda: silence(comment="x" * 4_001), "comment", "at most 4,000 characters; this one has 4,001"),
        (lambda: silence(match=LabelMatch()), "match", "everything: true"),
        (lambda: silence(match=LabelMatch.of({"service": "~.*"})), "match", "everything: true"),
        (lambda: window(match=LabelMatch()), "match", "everything: true"),
        (lambda: window(name=" "), "name", "1 to 100 printable"),
        (lambda: window(name="a\r\nb"), "name", "1 to 100 printable"),
        (lambda: window(duration=0), "duration", "a second at least"),
        (lambda: window(duration=10**18), "duration", "ten years at most"),
        (lambda: window(Once(NOW_NS - 10 * HOUR, NOW_NS - HOUR)), "stop", "over already"),
        (lambda: window(Once(NOW_NS + 10**18, NOW_NS + 10**18 + HOUR)), "start", "within ten years"),
        (lambda: window(Once(NOW_NS, NOW_NS + 10**18)), "duration", "ten years at most"),
        (lambda: override(HOUR, HOUR), "stop", "ends after it starts"),
        (lambda: override(-2 * HOUR, -HOUR), "stop", "still to come"),
        (lambda: override(10**18, 10**18 + HOUR), "stop", "within ten years"),
    ],
)
def test_what_makes_no_sense_is_refused(check: Callable[[], None], field: str, words: str) -> None:
    """With the field that is wrong, and the way out."""
    with pytest.raises(InvalidRequest, match=words) as refused:
        check()
    assert refused.value.field == field


def test_what_makes_sense_is_taken() -> None:
    """Also everything, where that is said to be meant."""
    silence()
    silence(starts=-timedelta(days=1))
    silence(match=LabelMatch(), everything=True, comment="x" * 4_000)
    window()
    window(match=LabelMatch(), everything=True)
    window(Once(NOW_NS - HOUR, NOW_NS + HOUR), duration=0)
    override(0, HOUR)
