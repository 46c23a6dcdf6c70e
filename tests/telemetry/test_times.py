"""Durations and instants."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.times import (
    format_duration,
    format_instant,
    format_instants,
    from_datetime,
    parse_duration,
    parse_instant,
    to_datetime,
)

NOW = datetime(2026, 11, 24, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("500ms", timedelta(milliseconds=500)),
        ("30s", timedelta(seconds=30)),
        ("1.5h", timedelta(minutes=90)),
        ("7d", timedelta(days=7)),
        (" 2w ", timedelta(weeks=2)),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text: str, expected: timedelta) -> None:
    """Durations read as people write them."""
    assert expected == parse_duration(text)


@pytest.mark.parametrize("text", ["", "5", "5 m", "m5", "-5s", "1h30m", "5 minutes", "٣s", "1e3s", "9999999999s"])
def test_what_is_no_duration_is_quoted_back(text: str) -> None:
    """The message quotes the text and shows what to write."""
    with pytest.raises(ValueError, match="is not a duration: write a number and a unit") as caught:
        parse_duration(text)

    assert repr(text) in str(caught.value)


@given(st.integers(min_value=0, max_value=10**10).map(lambda number: timedelta(milliseconds=number)))
def test_a_formatted_duration_reads_back(duration: timedelta) -> None:
    """format_duration and parse_duration are inverse, to the millisecond."""
    text = format_duration(duration)

    if len(text) < 10:
        assert duration == parse_duration(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", "2026-11-24T12:00:00.123456Z"),
        ("-1h", "2026-11-24T11:00:00.123456Z"),
        ("now-7d", "2026-11-17T12:00:00.123456Z"),
        ("now+30s", "2026-11-24T12:00:30.123456Z"),
        ("2026-11-24", "2026-11-24T00:00:00Z"),
        ("2026-11-24T12:00:00+01:00", "2026-11-24T11:00:00Z"),
        ("2026-11-24T12:00:00.123456789Z", "2026-11-24T12:00:00.123456789Z"),
        ("1764000000", "2025-11-24T16:00:00Z"),
        ("1764000000.000000001", "2025-11-24T16:00:00.000000001Z"),
        ("-5", "1969-12-31T23:59:55Z"),
        ("-0.5", "1969-12-31T23:59:59.500Z"),
    ],
)
def test_an_instant_is_rfc_3339_unix_seconds_or_relative(text: str, expected: str) -> None:
    """Each of the three ways of the interface is understood, to the nanosecond."""
    assert expected == format_instant(parse_instant(text, NOW))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "-",
        "now-",
        "-1y",
        "2026-13-01",
        "2026-02-30T00:00:00Z",
        "9" * 11,
        "0001-01-01",
        "-" + "9" * 9 + "w",
    ],
)
def test_what_is_no_instant_is_refused(text: str) -> None:
    """A bad time names itself, and also one that 64 bits of nanoseconds cannot hold."""
    with pytest.raises(ValueError, match="is not a time"):
        parse_instant(text, NOW)


@given(st.text(max_size=30))
def test_any_text_is_an_instant_or_a_value_error(text: str) -> None:
    """What people type never raises anything else."""
    try:
        instant = parse_instant(text, NOW)
    except ValueError:
        return

    assert -(2**63) <= instant < 2**63


@given(st.integers(min_value=-(2**62), max_value=2**62))
def test_a_formatted_instant_reads_back(instant: int) -> None:
    """format_instant and parse_instant are inverse, to the nanosecond."""
    assert instant == parse_instant(format_instant(instant), NOW)


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC)))
def test_a_datetime_survives_the_way_to_nanoseconds_and_back(moment: datetime) -> None:
    """No microsecond is lost to floating point."""
    assert moment == to_datetime(from_datetime(moment))


@given(
    st.lists(st.integers(min_value=-(2**62), max_value=2**62)),
    st.integers(min_value=-(2**62), max_value=2**62),
    st.sampled_from([1, 1_000, 1_000_000, 10**9]),
)
def test_many_instants_are_written_as_each_of_them(instants: list[int], near: int, unit: int) -> None:
    """Whether they lie near each other or not, and however many decimals they need."""
    near -= near % unit
    instants += [near + step * unit for step in range(5)]

    assert format_instants(instants) == [format_instant(one) for one in instants]
