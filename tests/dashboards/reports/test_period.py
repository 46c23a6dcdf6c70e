"""The period of a report: what was asked for, rounded to what the store keeps."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dashboards.reports.period import PRESETS, Asked, Period, Span, resolve
from telemetry.errors import InvalidRequest
from telemetry.rollup import Retention
from telemetry.times import duration_nanoseconds, format_instant, from_datetime

NOW = datetime(2026, 11, 24, 12, 3, 7, tzinfo=UTC)
UTC_ZONE, BERLIN = ZoneInfo("UTC"), ZoneInfo("Europe/Berlin")
MINUTE = 60 * 10**9
HOUR = 60 * MINUTE


def span(start: str = "", stop: str = "", preset: str = "", zone: ZoneInfo = UTC_ZONE, now: datetime = NOW) -> Span:
    return resolve(Asked(start, stop, preset), now, zone, Retention())


def written(period: Period) -> tuple[str, str]:
    return format_instant(period.start), format_instant(period.stop)


def test_nothing_asked_is_the_last_seven_days() -> None:
    """To the next whole five minutes, as long as its name says, against the seven days before."""
    found = span()

    assert written(found.period) == ("2026-11-17T12:05:00Z", "2026-11-24T12:05:00Z")
    assert written(found.previous) == ("2026-11-10T12:05:00Z", "2026-11-17T12:05:00Z")
    assert (found.step, found.until, found.keeps_samples) == (5 * MINUTE, from_datetime(NOW), False)


def test_days_are_those_of_the_time_zone() -> None:
    """Today and yesterday begin at midnight in Berlin, which is 23:00 UTC."""
    assert written(span(preset="today", zone=BERLIN).period) == ("2026-11-23T23:00:00Z", "2026-11-24T12:05:00Z")
    assert written(span(preset="yesterday", zone=BERLIN).period) == ("2026-11-22T23:00:00Z", "2026-11-23T23:00:00Z")
    assert written(span("2026-11-20", "2026-11-21", zone=BERLIN).period) == (
        "2026-11-19T23:00:00Z",
        "2026-11-20T23:00:00Z",
    )


def test_a_time_without_a_zone_is_one_of_the_settings() -> None:
    """As a date is: both in one form mean the same midnight."""
    assert span("2026-11-20T00:00", "2026-11-21T00:00:00", zone=BERLIN).period == (
        span("2026-11-20", "2026-11-21", zone=BERLIN).period
    )


def test_last_month_has_all_its_hours() -> None:
    """October in Berlin ends an hour later than it began, and its outages are still looked at by five minutes."""
    found = span(preset="last-month", zone=BERLIN)

    assert written(found.period) == ("2026-09-30T22:00:00Z", "2026-10-31T23:00:00Z")
    assert (found.period.length, found.step) == ((31 * 24 + 1) * HOUR, 5 * MINUTE)


def test_ends_are_rounded_outwards() -> None:
    """To five minutes, and to an hour where the period begins more than 30 days ago."""
    assert written(span("2026-11-20T10:02:00Z", "2026-11-20T11:01:00Z").period) == (
        "2026-11-20T10:00:00Z",
        "2026-11-20T11:05:00Z",
    )
    assert written(span("2026-10-01T10:02:00Z", "2026-10-03T11:01:00Z").period) == (
        "2026-10-01T10:00:00Z",
        "2026-10-03T12:00:00Z",
    )


def test_what_lies_in_the_future_is_cut_off() -> None:
    """A month that is not over is compared as far as it has come."""
    found = span("2026-11-01", "2026-12-01")

    assert found.period.stop == from_datetime(NOW.replace(minute=5, second=0))
    assert found.is_open


def test_coarse_windows_where_fine_ones_are_not_kept() -> None:
    """Longer than a month, or beyond the retention of five minutes: windows and ends of an hour."""
    assert span("-60d").step == HOUR
    assert span("-300d", "-295d").step == HOUR
    short = resolve(Asked(preset="7d"), NOW, UTC_ZONE, Retention(five_minutes=timedelta(days=8)))
    assert (short.step, short.period.stop % HOUR) == (HOUR, 0)


def test_samples_are_kept_for_a_week() -> None:
    """Only where both periods lie within it are percentiles exact."""
    assert span(preset="yesterday").keeps_samples
    assert span("-3d").keeps_samples
    assert not span("-4d").keeps_samples


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        (Asked(start="yesterdy"), "start"),
        (Asked(start="-1h", stop="-2h"), "stop"),
        (Asked(start="2027-01-01"), "start"),
        (Asked(start="1960-01-01", stop="1960-01-02"), "start"),
        (Asked(start="-401d"), "start"),
        (Asked(start="2026-02-30"), "start"),
        (Asked(preset="last-year"), "period"),
        (Asked(start="-1d", preset="today"), "period"),
    ],
)
def test_a_senseless_period_is_refused_by_name(asked: Asked, field: str) -> None:
    """The error names the parameter."""
    with pytest.raises(InvalidRequest) as error:
        resolve(asked, NOW, UTC_ZONE, Retention())

    assert error.value.field == field


@given(
    st.sampled_from([*PRESETS, ""]),
    st.datetimes(datetime(2026, 1, 1), datetime(2028, 12, 31), timezones=st.just(UTC)),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Chatham"]),
)
def test_every_preset_at_any_moment_is_made_of_whole_windows(preset: str, now: datetime, zone: str) -> None:
    """Whole windows of its step, whose ends the levels have; the period before is as long and ends where it begins."""
    found = span(preset=preset, zone=ZoneInfo(zone), now=now)
    moment = from_datetime(now)

    assert found.period.length > 0
    assert found.period.length % found.step == found.period.start % found.step == found.period.stop % found.step == 0
    assert found.previous == Period(found.period.start - found.period.length, found.period.start)
    assert found.period.stop < moment + HOUR
    assert found.period.length // found.step <= 9_600


@given(st.integers(1, 400 * 24 * 60), st.integers(0, 900 * 24 * 60))
def test_any_period_contains_what_was_asked_for(minutes: int, ago: int) -> None:
    """Rounding takes nothing away of what lies in the past."""
    stop = from_datetime(NOW) - ago * MINUTE
    start = stop - minutes * MINUTE
    assume(minutes * MINUTE <= duration_nanoseconds(timedelta(days=400)) - 2 * HOUR)
    found = span(format_instant(start), format_instant(stop))

    assert found.period.start <= start < stop <= found.period.stop
    assert max(start - found.period.start, found.period.stop - stop) < HOUR
    assert found.period.length // found.step <= 9_700
