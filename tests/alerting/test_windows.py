"""Maintenance windows and quiet hours hold when a wall clock that is watched every minute says so."""

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from alerting.label_match import LabelMatch
from alerting.receivers import HOUR, QuietHours
from alerting.rules import Severity
from alerting.windows import Cron, Monthly, Once, Times, Weekly, Window, active, next_start, quiet_until
from telemetry.times import from_datetime
from tests.alerting.wall_clock_oracle import CHANGES, DAY, MINUTE, Watched, clocks, minutes, times, watched

BERLIN = ZoneInfo("Europe/Berlin")
Meant = Callable[[datetime], bool]


def window(times: Times, duration: int = HOUR, zone: ZoneInfo = BERLIN) -> Window:
    return Window("sunday", LabelMatch(), duration, zone, times)


def at(text: str) -> int:
    """An instant, by a time with its offset."""
    return from_datetime(datetime.fromisoformat(text))


def weekly(days: frozenset[int], at: time) -> tuple[Times, Meant]:
    return Weekly(days, at), lambda wall: wall.weekday() in days and wall.time() == at


def monthly(day: int, at: time) -> tuple[Times, Meant]:
    def meant(wall: datetime) -> bool:
        is_last = (wall + timedelta(days=1)).day == 1
        return wall.time() == at and (wall.day == day or (day == -1 and is_last))

    return Monthly(day, at), meant


def cron(
    minutes: frozenset[int] | None, hours: frozenset[int] | None, days: frozenset[int] | None
) -> tuple[Times, Meant]:
    """Sunday is 0 in cron; None is a star."""
    parts = ["*" if one is None else ",".join(map(str, sorted(one))) for one in (minutes, hours, days)]

    def meant(wall: datetime) -> bool:
        shown = (wall.minute, wall.hour, wall.isoweekday() % 7)
        return all(one is None or value in one for one, value in zip((minutes, hours, days), shown, strict=True))

    return Cron(f"{parts[0]} {parts[1]} * * {parts[2]}"), meant


def some(most: int) -> st.SearchStrategy[frozenset[int] | None]:
    return st.none() | st.frozensets(st.integers(0, most), min_size=1, max_size=4)


planned = st.one_of(
    st.builds(weekly, st.frozensets(st.integers(0, 6), min_size=1), times),
    st.builds(monthly, st.integers(1, 31) | st.just(-1), times),
    st.builds(cron, some(59), some(23), some(6)),
)
durations = st.integers(1, 3 * DAY) | st.integers(1, 90)


@given(clock=clocks, now=minutes, planned=planned, duration=durations)
@example(watched(*CHANGES[0]), 9 * DAY + 60, weekly(frozenset({6}), time(2, 30)), 60)  # left out
@example(watched(*CHANGES[1]), 9 * DAY + 65, weekly(frozenset({6}), time(2, 30)), 120)  # shown again, still holds
@example(watched(*CHANGES[1]), 9 * DAY + 95, weekly(frozenset({6}), time(2, 30)), 30)  # twice: at the first only
@example(watched(*CHANGES[1]), 9 * DAY + 95, cron(None, None, None), 1)
@example(watched(*CHANGES[5]), 9 * DAY + 945, cron(frozenset({10}), frozenset({2}), None), 30)
def test_a_window_holds_when_the_wall_clock_says_so(
    clock: Watched, now: int, planned: tuple[Times, Meant], duration: int
) -> None:
    """Whatever is planned, over both changes of four zones: until when it holds, and when it next begins."""
    one, instant = window(planned[0], duration * MINUTE, clock.zone), clock.instant(now)
    starts = clock.starts(planned[1])
    begun = [start for start in starts if start <= now]
    until = begun[-1] + duration if begun and begun[-1] + duration > now else None
    later = [start for start in starts if start > now]
    following = next_start(one, instant)

    assert active(one, instant) == (None if until is None else clock.instant(until))
    if later:
        assert following == clock.instant(later[0])
    else:
        assert following is not None
        assert following >= clock.instant(len(clock.came))


@given(clock=clocks, now=minutes, start=times, stop=times)
@example(watched(*CHANGES[0]), 9 * DAY + 60, time(22), time(2, 30))
@example(watched(*CHANGES[1]), 9 * DAY + 95, time(22), time(2, 30))
@example(watched(*CHANGES[1]), 9 * DAY + 65, time(2, 30), time(2, 50))
def test_quiet_hours_are_those_of_the_wall_clock(clock: Watched, now: int, start: time, stop: time) -> None:
    """They begin and end once a day, over midnight too."""
    quiet = QuietHours(start, stop, clock.zone)
    starts = [one for one in clock.starts(lambda wall: wall.time() == start) if one <= now]
    stops = clock.starts(lambda wall: wall.time() == stop)
    # Over midnight the stop is another day's; else both may be the same minute, when they are left out.
    until = next(one for one in stops if (one > starts[-1] if stop < start else one >= starts[-1]))
    expected = None if until <= now or start == stop else clock.instant(until)

    assert quiet_until(quiet, Severity.WARNING, clock.instant(now)) == expected
    assert quiet_until(quiet, Severity.CRITICAL, clock.instant(now)) is None


def test_a_window_within_the_hour_that_is_left_out_begins_when_the_hour_is_over() -> None:
    """02:30 in Berlin on 29 March 2026: at 03:00 summer time, and for an hour."""
    one = window(Weekly(frozenset({6}), time(2, 30)))
    start = at("2026-03-29T03:00+02:00")
    assert next_start(one, at("2026-03-29T01:59:59+01:00")) == start
    assert active(one, start - 1) is None
    assert active(one, start) == start + HOUR
    assert active(one, start + HOUR) is None


def test_a_window_within_the_hour_that_comes_twice_begins_at_the_first() -> None:
    """02:30 in Berlin on 25 October 2026; two hours are two hours of elapsed time."""
    one = window(Cron("30 2 * * SUN"), 2 * HOUR)
    start = at("2026-10-25T02:30+02:00")
    assert active(one, start - 1) is None
    assert active(one, at("2026-10-25T02:29+01:00")) == active(one, start) == at("2026-10-25T03:30+01:00")
    assert next_start(one, start) == at("2026-11-01T02:30+01:00")


def test_once_holds_from_its_start_to_its_stop() -> None:
    """The stop is outside."""
    one = window(Once(10, 20))
    assert [active(one, now) for now in (9, 10, 19, 20)] == [None, 20, 20, None]
    assert [next_start(one, now) for now in (9, 10)] == [10, None]


def test_a_month_without_the_day_has_no_window() -> None:
    """The 31st after 31 January is that of March; the last day is each month's own."""
    january = at("2027-01-31T05:00+01:00")
    assert next_start(window(Monthly(31, time(4))), january) == at("2027-03-31T04:00+02:00")
    assert next_start(window(Monthly(-1, time(4))), january) == at("2027-02-28T04:00+01:00")
    assert (
        active(window(Monthly(31, time(4)), 60 * 24 * HOUR), at("2027-03-01T00:00+01:00"))
        == at("2027-01-31T04:00+01:00") + 60 * 24 * HOUR
    )


def test_a_day_that_a_zone_leaves_out_begins_what_it_held_with_the_next() -> None:
    """Samoa had no 30 December 2011."""
    one = window(Weekly(frozenset({4}), time(9)), zone=ZoneInfo("Pacific/Apia"))
    assert next_start(one, at("2011-12-29T12:00-10:00")) == at("2011-12-31T00:00+14:00")


def test_a_date_that_comes_every_few_years_is_found() -> None:
    """29 February, forwards and backwards."""
    one = window(Cron("0 0 29 2 *"), zone=ZoneInfo("UTC"))
    leap_day = at("2028-02-29T00:00+00:00")
    assert next_start(one, at("2026-11-24T12:00+00:00")) == leap_day
    assert active(one, at("2026-11-24T12:00+00:00")) is None
    assert active(one, leap_day + 1) == leap_day + HOUR


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Once(5, 5), "ends after it starts"),
        (lambda: Weekly(frozenset(), time(3)), "at least one day"),
        (lambda: Weekly(frozenset({7}), time(3)), "from 0"),
        (lambda: Monthly(0, time(3)), "from 1 to 31, or -1"),
        (lambda: Cron("0 3 * *"), "five fields"),
        (lambda: Cron("0 0 3 * * *"), "five fields"),
        (lambda: Cron("0 25 * * *"), "Bad hour"),
        (lambda: Cron("0 0 30 2 *"), "Bad day-of-month"),
        (lambda: Cron("0 0 1-3 * " + "1," * 200 + "1"), "five fields"),
    ],
)
def test_what_can_never_hold_is_refused(make: Callable[[], Times], words: str) -> None:
    """In words for people."""
    with pytest.raises(ValueError, match=words):
        make()


@given(expression=st.text("0123456789*/-,#LWMONSUJA ?", max_size=30))
def test_an_expression_is_taken_or_refused(expression: str) -> None:
    """Whatever somebody writes: nothing else is raised."""
    try:
        one = window(Cron(expression), zone=ZoneInfo("UTC"))
    except ValueError:
        return
    now = from_datetime(datetime(2026, 11, 24, tzinfo=UTC))
    following = next_start(one, now)
    assert following is None or active(one, following) == following + HOUR
