"""Silences, planned maintenance and who steps in, as state.sqlite keeps them."""

from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from sqlite3 import connect
from zoneinfo import ZoneInfo

import pytest

from alerting.duty import Override
from alerting.label_match import LabelMatch
from alerting.receivers import HOUR
from alerting.silences import OverrideDraft, SilenceDraft, WindowDraft
from alerting.windows import Cron, Monthly, Once, Times, Weekly, Window
from opswatch.state import State
from telemetry.errors import Conflict, InvalidRequest, NotFound
from telemetry.times import from_datetime

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
NOW_NS = from_datetime(NOW)
CHECKOUT = LabelMatch.of({"service": "checkout", "host": ["a", "!b"]})
DRAFT = SilenceDraft(CHECKOUT, NOW, NOW + timedelta(hours=1), "deploy 7")
WINDOW = Window("sunday", CHECKOUT, HOUR, ZoneInfo("Europe/Berlin"), Cron("0 3 * * SUN"))


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[State]:
    async with State.opened(tmp_path / "state.sqlite") as one:
        yield one


def audit(folder: Path) -> list[tuple[str, str, str]]:
    """Who did what, oldest first."""
    with closing(connect(folder / "state.sqlite")) as file:
        return file.execute("SELECT author, action, words FROM audit ORDER BY id").fetchall()


async def test_a_silence_is_made_changed_and_ended_and_each_is_in_the_audit(state: State, tmp_path: Path) -> None:
    """With who did it; what was ended before its time says by whom."""
    made = await state.silences.add(DRAFT, "ada", NOW)
    longer = replace(DRAFT, ends=NOW + timedelta(hours=2))
    changed = await state.silences.change(1, 1, longer, "ben", NOW)
    ended = await state.silences.end(1, "cyd", NOW + timedelta(minutes=5))

    assert (made.id, made.match, made.author, made.comment, made.version) == (1, CHECKOUT, "ada", "deploy 7", 1)
    assert (changed.ends, changed.author, changed.version) == (NOW + timedelta(hours=2), "ada", 2)
    assert (ended.ends, ended.ended_by, ended.version) == (NOW + timedelta(minutes=5), "cyd", 3)
    assert await state.silences.show(1) == ended
    span = "silence 1 of host=a|!b, service=checkout, 2026-11-24 12:00 to 2026-11-24"
    assert audit(tmp_path) == [
        ("ada", "silence", f"{span} 13:00 UTC: deploy 7"),
        ("ben", "change_silence", f"{span} 14:00 UTC: deploy 7"),
        ("cyd", "end_silence", f"{span} 12:05 UTC: deploy 7"),
    ]


async def test_silences_that_are_not_over_are_listed_by_their_ends(state: State) -> None:
    """All others too where they are asked for, the newest first; what has not begun is among them."""
    later = replace(DRAFT, starts=NOW + timedelta(hours=3), ends=NOW + timedelta(hours=4))
    for draft in (later, DRAFT, replace(DRAFT, ends=NOW + timedelta(minutes=1))):
        await state.silences.add(draft, "ada", NOW)
    then = NOW + timedelta(minutes=1)
    assert [one.id for one in await state.silences.list(then)] == [2, 1]
    assert [one.holds(then) for one in await state.silences.list()] == [False, True, False]
    ended = await state.silences.end(1, "ada", then)
    assert not ended.holds(NOW + timedelta(hours=3))


async def test_of_two_who_edit_a_silence_at_once_the_second_is_told(state: State) -> None:
    """With the version that it has now; nothing is lost (E11)."""
    await state.silences.add(DRAFT, "ada", NOW)
    await state.silences.change(1, 1, replace(DRAFT, comment="first"), "ada", NOW)
    with pytest.raises(Conflict, match="at version 2, not 1") as refused:
        await state.silences.change(1, 1, replace(DRAFT, comment="second"), "ben", NOW)
    assert (refused.value.field, refused.value.value) == ("version", 2)
    assert (await state.silences.show(1)).comment == "first"


async def test_a_silence_that_is_over_stays_as_it_was(state: State) -> None:
    """It is neither changed nor ended again; another one can be made."""
    await state.silences.add(DRAFT, "ada", NOW)
    later = NOW + timedelta(hours=1)
    with pytest.raises(Conflict, match="over since 2026-11-24 13:00 UTC"):
        await state.silences.change(1, 1, replace(DRAFT, ends=later + timedelta(hours=1)), "ada", later)
    with pytest.raises(Conflict, match="over since"):
        await state.silences.end(1, "ada", later)
    with pytest.raises(NotFound, match="there is no silence 9"):
        await state.silences.end(9, "ada", later)
    with pytest.raises(InvalidRequest, match="everything: true"):
        await state.silences.add(replace(DRAFT, match=LabelMatch()), "ada", NOW)


@pytest.mark.parametrize(
    "times",
    [
        Once(NOW_NS, NOW_NS + HOUR + 1),
        Weekly(frozenset({0, 6}), time(3, 30)),
        Monthly(-1, time(23, 59, 30)),
        Cron("*/5 3 * * MON-FRI"),
    ],
)
async def test_every_kind_of_window_comes_back_as_it_was_planned(state: State, times: Times) -> None:
    """With its zone and its conditions."""
    window = replace(WINDOW, times=times)
    await state.maintenance.add(WindowDraft(window, "updates"), "ada", NOW)
    (found,) = await state.maintenance.list()
    assert (found.window, found.author, found.comment, found.created) == (window, "ada", "updates", NOW)


async def test_maintenance_is_changed_and_taken_out_and_each_is_in_the_audit(state: State, tmp_path: Path) -> None:
    """What was taken out is still known, and its name is free again."""
    await state.maintenance.add(WindowDraft(WINDOW), "ada", NOW)
    with pytest.raises(Conflict, match="'sunday' already"):
        await state.maintenance.add(WindowDraft(WINDOW), "ben", NOW)
    monday = replace(WINDOW, name="monday")
    assert (await state.maintenance.change(1, 1, WindowDraft(monday), "ben", NOW)).version == 2
    with pytest.raises(Conflict, match="at version 2, not 1"):
        await state.maintenance.change(1, 1, WindowDraft(WINDOW), "cyd", NOW)
    await state.maintenance.end(1, "cyd", NOW)
    with pytest.raises(Conflict, match="cyd took maintenance window 1 out at 2026-11-24 12:00 UTC"):
        await state.maintenance.end(1, "cyd", NOW)
    await state.maintenance.add(WindowDraft(monday), "ada", NOW)

    assert [one.id for one in await state.maintenance.list()] == [2]
    assert [(one.id, one.ended_by) for one in await state.maintenance.list(with_ended=True)] == [(2, ""), (1, "cyd")]
    assert [(author, action) for author, action, _ in audit(tmp_path)] == [
        ("ada", "maintenance"),
        ("ben", "change_maintenance"),
        ("cyd", "end_maintenance"),
        ("ada", "maintenance"),
    ]


async def test_a_window_cannot_take_the_name_of_another(state: State) -> None:
    """Not by a change either."""
    await state.maintenance.add(WindowDraft(WINDOW), "ada", NOW)
    await state.maintenance.add(WindowDraft(replace(WINDOW, name="monday")), "ada", NOW)
    with pytest.raises(Conflict, match="'sunday' already"):
        await state.maintenance.change(2, 1, WindowDraft(WINDOW), "ada", NOW)


async def test_whoever_steps_in_is_known_until_it_is_over_or_ended(state: State, tmp_path: Path) -> None:
    """In the order in which they were added, for the last wins."""
    first = await state.duty.add(
        OverrideDraft("ops", Override(NOW_NS + HOUR, NOW_NS + 3 * HOUR, "ada"), "dentist"), "ben", NOW
    )
    await state.duty.add(OverrideDraft("ops", Override(NOW_NS, NOW_NS + 2 * HOUR, "cyd")), "ben", NOW)
    assert [one.override.person for one in await state.duty.list(NOW)] == ["ada", "cyd"]
    assert [one.override.person for one in await state.duty.list(NOW + timedelta(hours=2))] == ["ada"]

    await state.duty.end(first.id, "ada", NOW)
    assert [one.override.person for one in await state.duty.list(NOW)] == ["cyd"]
    with pytest.raises(Conflict, match="override 1 is over since"):
        await state.duty.end(first.id, "ada", NOW)
    assert audit(tmp_path)[0] == (
        "ben",
        "duty",
        "override 1, ada in ops, 2026-11-24 13:00 to 2026-11-24 15:00 UTC: dentist",
    )
