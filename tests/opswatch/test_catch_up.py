"""How long a backlog will take."""

from datetime import UTC, datetime, timedelta

from opswatch.catch_up import CatchUp

NOW = datetime(2026, 11, 26, tzinfo=UTC)


def after(seconds: int) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_a_backlog_that_shrinks_ends_at_its_pace() -> None:
    """From 1,000 to 900 in 10 s: 90 s to go."""
    told = CatchUp()
    told.note(NOW, 1_000)

    assert told.seconds(after(10), 900) == 90


def test_a_backlog_that_grows_or_stands_still_has_no_end() -> None:
    """And a handful that are on their way are no backlog."""
    told = CatchUp()
    assert told.seconds(NOW, 1_000) is None
    told.note(NOW, 1_000)

    assert told.seconds(NOW, 900) is None
    assert told.seconds(after(10), 1_000) is None
    assert told.seconds(after(10), 1_001) is None
    assert told.seconds(after(10), 20) is None


def test_only_the_last_minute_counts() -> None:
    """What went fast an hour ago says nothing; nor does what a clock that was set back has seen."""
    told = CatchUp()
    told.note(NOW, 10_000)
    told.note(after(120), 1_000)
    assert told.seconds(after(130), 990) == 990

    told.note(after(60), 900)
    assert told.seconds(after(70), 800) == 80
