"""Who is on duty, compared with a wall clock that is watched every minute."""

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.duty import Override, Person, Rotation, Shift, on_duty, shifts
from telemetry.times import from_datetime
from tests.alerting.wall_clock_oracle import DAY, MINUTE, Watched, clocks, minutes, times

ADA, BEN, CYD = PEOPLE = tuple(Person(name, f"{name}-pager") for name in ("ada", "ben", "cyd"))
# Mondays at nine in Berlin, from Monday 19 October 2026 on; the clock goes back on the 25th.
ROTATION = Rotation("ops", ZoneInfo("Europe/Berlin"), 0, time(9), date(2026, 10, 19), PEOPLE)


def at(text: str) -> int:
    """An instant, by a time with its offset."""
    return from_datetime(datetime.fromisoformat(text))


def told(rotation: Rotation, start: str, stop: str) -> list[tuple[str, str, str, bool]]:
    """Shifts, short: name, first and last wall time, whether it is an override."""

    def shown(instant: int) -> str:
        return f"{datetime.fromtimestamp(instant / 1e9, rotation.zone):%m-%d %H:%M}"

    return [
        (one.person.name, shown(one.since), shown(one.until), one.override)
        for one in shifts(rotation, at(start), at(stop))
    ]


spans = st.tuples(
    st.integers(8 * DAY, 12 * DAY), st.integers(1, 2 * DAY), st.sampled_from(["ada", "ben", "cyd", "gone"])
)


@given(
    clock=clocks,
    day=st.integers(0, 6),
    handover=times,
    start=st.integers(-40, 40),
    spans=st.lists(spans, max_size=5),
    now=minutes,
)
def test_duty_is_handed_over_as_the_wall_clock_says(
    clock: Watched, day: int, handover: time, start: int, spans: list[tuple[int, int, str]], now: int
) -> None:
    """Over both changes of four zones, with overrides that overlap: who has each minute, and what is one shift."""
    first = clock.shown[0].date() + timedelta(days=start)
    overrides = tuple(
        Override(clock.instant(begin), clock.instant(begin + length), name) for begin, length, name in spans
    )
    rotation = Rotation("ops", clock.zone, day, handover, first, PEOPLE, overrides)
    begins = [first - timedelta(days=back) for back in range(7)]
    anchor = next(one for one in begins if one.weekday() == day)

    def meant(wall: datetime) -> bool:
        return wall.weekday() == day and wall.time() == handover

    handovers = clock.starts(meant)
    week_of = {}  # by the minute at which it begins
    for minute in handovers:
        (wall,) = [one for one in clock.came[minute] if meant(one)]
        week_of[minute] = (wall.date() - anchor).days // 7

    def holder(minute: int) -> tuple[str, int]:
        """Whose it is, and a number that is the same for as long as it is one shift."""
        for place, (begin, length, name) in reversed(list(enumerate(spans))):
            if begin <= minute < begin + length and name != "gone":
                return name, 1_000 + place
        week = week_of[max(one for one in handovers if one <= minute)]
        return PEOPLE[week % 3].name, week

    shift = on_duty(rotation, clock.instant(now))
    low = (shift.since - clock.first) // MINUTE
    high = (shift.until - clock.first) // MINUTE
    assert low <= now < high
    assert (shift.person.name, shift.override) == (holder(now)[0], holder(now)[1] >= 1_000)
    seen = range(max(low, handovers[0]), min(high, len(clock.came)))
    assert {holder(minute) for minute in seen} == {holder(now)}
    assert low <= handovers[0] or holder(low - 1) != holder(now)
    assert high >= len(clock.came) or holder(high) != holder(now)


def test_each_has_a_week_and_the_hour_of_the_handover_stays() -> None:
    """The week in which the clock goes back has an hour more."""
    assert told(ROTATION, "2026-10-20T00:00+02:00", "2026-11-10T00:00+01:00") == [
        ("ada", "10-19 09:00", "10-26 09:00", False),
        ("ben", "10-26 09:00", "11-02 09:00", False),
        ("cyd", "11-02 09:00", "11-09 09:00", False),
        ("ada", "11-09 09:00", "11-16 09:00", False),
    ]
    assert (
        on_duty(ROTATION, at("2026-10-20T00:00+02:00")).until - at("2026-10-19T09:00+02:00") == (7 * DAY + 60) * MINUTE
    )


def test_whoever_steps_in_has_it_and_the_week_goes_on_afterwards() -> None:
    """Of two that overlap the one added last; then the first goes on."""
    rotation = replace(
        ROTATION,
        overrides=(
            Override(at("2026-10-21T08:00+02:00"), at("2026-10-23T08:00+02:00"), "ben"),
            Override(at("2026-10-22T00:00+02:00"), at("2026-10-22T12:00+02:00"), "cyd"),
        ),
    )
    assert told(rotation, "2026-10-20T00:00+02:00", "2026-10-24T00:00+02:00") == [
        ("ada", "10-19 09:00", "10-21 08:00", False),
        ("ben", "10-21 08:00", "10-22 00:00", True),
        ("cyd", "10-22 00:00", "10-22 12:00", True),
        ("ben", "10-22 12:00", "10-23 08:00", True),
        ("ada", "10-23 08:00", "10-26 09:00", False),
    ]


def test_before_its_start_a_rotation_is_counted_backwards() -> None:
    """Somebody is always on duty; a start in the middle of a week names that week."""
    rotation = replace(ROTATION, start=date(2026, 10, 22))
    assert on_duty(rotation, at("2026-10-20T00:00+02:00")).person == ADA
    assert on_duty(rotation, at("2026-10-19T08:59+02:00")).person == CYD


def test_an_override_for_somebody_who_is_gone_does_not_count() -> None:
    """It neither takes the duty nor cuts the week in two."""
    override = Override(at("2026-10-21T08:00+02:00"), at("2026-10-23T08:00+02:00"), "eve")
    assert on_duty(replace(ROTATION, overrides=(override,)), at("2026-10-22T00:00+02:00")) == Shift(
        ADA, at("2026-10-19T09:00+02:00"), at("2026-10-26T09:00+01:00"), override=False
    )


def test_a_rotation_of_nobody_is_refused() -> None:
    """In words for people."""
    with pytest.raises(ValueError, match="nobody in the rotation ops"):
        replace(ROTATION, people=())
    with pytest.raises(ValueError, match=r"from 0 \(Monday\)"):
        replace(ROTATION, handover_day=7)
