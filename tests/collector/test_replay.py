"""Refused items given to the store again: what is stored leaves quarantine, nothing else does, whatever happens."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from collector.disk_room import DiskRoom, Filesystem
from collector.intake import Intake
from collector.quarantine import Quarantine
from collector.replay import Replay, ReplayParts, set_aside_files
from embedded.store import EmbeddedOptions, EmbeddedStore
from telemetry.errors import DiskLow, InvalidRequest, NotFound, PointRejected, StoreUnavailable
from telemetry.measurements import BUILT_IN
from telemetry.points import Point
from telemetry.ports import WRITTEN, PointWriter, Refused, WriteOutcome, WriteStatus
from telemetry.quarantine import QuarantinedItem, QuarantineQuery
from telemetry.schema import Measurement
from telemetry.series import Raw, SeriesQuery
from tests.collector.doubles import SECOND, START, Destination, SetClock, load
from tests.collector.test_quarantine_lines import POINTS

ROOT = Path(__file__).parents[2]
ALL = QuarantineQuery(1_000)


class Learned:
    """Where what was learned is kept, for as long as the test runs."""

    async def save(self, measurements: Sequence[Measurement]) -> None:
        """Nothing outlives this."""


@dataclass
class Desk:
    replay: Replay
    quarantine: Quarantine
    clock: SetClock
    free: list[int]

    async def items(self) -> list[QuarantinedItem]:
        return list((await self.replay.list(ALL)).items)

    async def add(self, *points: Point, reason: str = "broken", source: str = "store") -> list[str]:
        """Keep them; their ids, the oldest first."""
        await asyncio.to_thread(self.quarantine.add, [Refused(point, reason) for point in points], source)
        return [one.id for one in await self.items()][: len(points)][::-1]


def desk_over(store: PointWriter, folder: Path, max_bytes: int = 50_000_000) -> Desk:
    """A replay with everything that is real but the store, if need be."""
    clock, registry, free = SetClock(), BUILT_IN.learning(), [50_000_000_000]
    quarantine = Quarantine(folder / "quarantine", clock.clock, max_bytes)
    room = DiskRoom(lambda: Filesystem(free[0], 100_000_000_000), None, clock.clock)
    intake = Intake(store, registry, Learned(), quarantine, clock.clock)
    return Desk(Replay(quarantine, folder, ReplayParts(intake, registry, store, room)), quarantine, clock, free)


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[EmbeddedStore]:
    async with EmbeddedStore.opened(folder / "metrics.duckdb", EmbeddedOptions(), BUILT_IN.learning()) as store:
        yield store


async def values(store: EmbeddedStore, field: str = "load1") -> list[float | int | str]:
    query = SeriesQuery("system", (field,), START - 10**5 * SECOND, START + 10**5 * SECOND, Raw(100_000))
    return [value for one in (await store.read(query)).series for value in one.values]


# One


async def test_an_item_that_is_stored_leaves_quarantine(tmp_path: Path) -> None:
    """And is in the store itself, not in some buffer before it."""
    async with opened(tmp_path) as store:
        desk = desk_over(store, tmp_path)
        first, second = await desk.add(load(1), load(2))
        await desk.replay.replay(first)

        assert await values(store) == [1.0]
        assert [one.id for one in await desk.items()] == [second]
        with pytest.raises(NotFound):
            await desk.replay.replay(first)


@pytest.mark.parametrize(
    ("point", "source", "words"),
    [
        (Point.of("system", {"host": "a"}, {"load1": "text"}, START), "store", "is a number, not text"),
        (Point.of("system", {"host": "a"}, {"load1": float("nan")}, START), "spool", "nan"),
        (Point.of("nobody_knows", {}, {"x": 1.0}, START), "store", "is not registered"),
        (Point.of("system", {"host": "a"}, {"load1": 1.0}, 2**80), "store", "is not between 1678 and 2262"),
        (Point.of("system", {"host": "a"}, {"load1": 1.0}, 2**80), "push", "more than 1d in the future"),
        (load(-(10**6)), "push", "outside retention policy of duration 7d"),
        (Point.of("opswatch_spool", {"host": "a"}, {"pending_batches": 1}, START), "push", "OpsWatch's own"),
        (Point.of("orders", {}, {"state": "open"}, START), "push", "only text fields"),
    ],
)
async def test_an_item_that_is_refused_again_stays_with_its_new_reason(
    tmp_path: Path, point: Point, source: str, words: str
) -> None:
    """What was pushed passes the rules of the intake as if it came now, everything else the registry."""
    async with opened(tmp_path) as store:
        desk = desk_over(store, tmp_path)
        (identifier,) = await desk.add(point, source=source)
        with pytest.raises(PointRejected, match=words.replace(".", r"\.")):
            await desk.replay.replay(identifier)
        (item,) = await desk.items()

    assert (item.id, words in item.reason, item.source) == (identifier, True, source)


async def test_where_a_new_reason_has_no_room_the_item_stays_as_it_was(tmp_path: Path) -> None:
    """What cannot be written down anew is not taken out either."""
    desk = desk_over(Destination(), tmp_path, max_bytes=600)
    (identifier,) = await desk.add(Point.of("system", {"host": "a"}, {"load1": "x" * 200}, START))
    (before,) = await desk.items()
    with pytest.raises(PointRejected, match="is a number, not text"):
        await desk.replay.replay(identifier)

    assert await desk.items() == [before]


async def test_what_was_pushed_and_is_known_by_now_is_stored(tmp_path: Path) -> None:
    """A measurement that nobody knew is learned, as if it were pushed now."""
    async with opened(tmp_path) as store:
        desk = desk_over(store, tmp_path)
        (identifier,) = await desk.add(Point.of("system", {"host": "a"}, {"load1": 1, "new": 2}, START), source="push")
        await desk.replay.replay(identifier)

        assert await values(store) == [1.0]
        assert await desk.items() == []


async def test_what_is_no_point_can_only_be_discarded(tmp_path: Path) -> None:
    """A broken batch says so, stays as it is, and goes when somebody says so."""
    desk = desk_over(Destination(), tmp_path)
    desk.quarantine.add_bytes(b"\x00\xff", "checksum", "spool")
    (item,) = await desk.items()
    with pytest.raises(PointRejected, match="holds no point"):
        await desk.replay.replay(item.id)
    assert await desk.items() == [item]
    assert (await desk.replay.replay_many(ALL)).reasons == ("it holds no point, so there is nothing to replay",)
    await desk.replay.discard(item.id)

    assert await desk.items() == []
    for work in (desk.replay.discard, desk.replay.show, desk.replay.replay):
        with pytest.raises(NotFound):
            await work(item.id)


# Many


async def test_many_are_stored_page_by_page_and_the_newest_value_wins(tmp_path: Path) -> None:
    """Two values for one time end as they would have: the one that was refused last is the one that counts."""
    async with opened(tmp_path) as store:
        desk = desk_over(store, tmp_path)
        await desk.add(*(load(number) for number in range(20)))
        await desk.add(Point.of("system", {"host": "web"}, {"load1": 99.0}, START + 5 * SECOND))
        first = await desk.replay.replay_many(replace(ALL, limit=15))
        second = await desk.replay.replay_many(replace(ALL, limit=15, cursor=first.cursor))

        assert (first.replayed, second.replayed, second.cursor) == (15, 6, "")
        assert await desk.items() == []
        assert sorted(await values(store)) == sorted([*(float(n) for n in range(20) if n != 5), 5.0])

        await desk.add(load(5), Point.of("system", {"host": "web"}, {"load1": 99.0}, START + 5 * SECOND))
        await desk.replay.replay_many(ALL)
        assert 99.0 in await values(store)


async def test_the_filters_of_the_list_are_those_of_a_replay(tmp_path: Path) -> None:
    """Only what was asked for is tried."""
    async with opened(tmp_path) as store:
        desk = desk_over(store, tmp_path)
        await desk.add(load(1), load(2, measurement="mem"))
        await desk.add(load(3), source="push")
        outcome = await desk.replay.replay_many(replace(ALL, source="store", measurement="system"))

        assert (outcome.replayed, await values(store), len(await desk.items())) == (1, [1.0], 2)


async def test_one_that_is_refused_leaves_its_neighbours_unharmed(tmp_path: Path) -> None:
    """The good ones are stored, the bad one stays, and the reasons are told once each."""
    async with opened(tmp_path) as store:
        desk = desk_over(store, tmp_path)
        bad = [Point.of("system", {"host": "a"}, {"load1": "x"}, START + number) for number in range(3)]
        await desk.add(load(1), *bad, load(2))
        outcome = await desk.replay.replay_many(ALL)

        assert (outcome.replayed, outcome.refused, len(outcome.reasons)) == (2, 3, 1)
        assert sorted(await values(store)) == [1.0, 2.0]
        assert {one.reason for one in await desk.items()} == set(outcome.reasons)


def picky(holds: Callable[[Point], bool], most: int) -> Callable[[Sequence[Point]], WriteOutcome]:
    """A store that takes so many points at once, and of some says that they are poison."""

    def answer(points: Sequence[Point]) -> WriteOutcome:
        if len(points) > most:
            return WriteOutcome(WriteStatus.SPLIT, "too many")
        if all(holds(point) for point in points):
            return WRITTEN
        return WriteOutcome(WriteStatus.POISON if len(points) == 1 else WriteStatus.SPLIT, "not this one")

    return answer


async def test_what_a_store_asks_to_halve_is_halved_down_to_the_one(tmp_path: Path) -> None:
    """In the order in which they were refused; only the one at fault stays."""
    store = Destination(picky(lambda point: point.fields["load1"] != 7.0, most=8))
    desk = desk_over(store, tmp_path)
    await desk.add(*(load(number) for number in range(40)))
    outcome = await desk.replay.replay_many(ALL)

    assert (outcome.replayed, outcome.refused, outcome.reasons) == (39, 1, ("not this one",))
    assert [point.fields["load1"] for point in store.points] == [float(n) for n in range(40) if n != 7]
    assert [one.reason for one in await desk.items()] == ["not this one"]


async def test_a_store_that_is_away_keeps_everything_where_it_is(tmp_path: Path) -> None:
    """What was stored before that is gone from the list, the rest is there as it was."""
    answers = iter([WriteOutcome(WriteStatus.SPLIT), WRITTEN, WriteOutcome(WriteStatus.RETRY, "connection lost")])
    store = Destination(lambda points: next(answers))
    desk = desk_over(store, tmp_path)
    identifiers = await desk.add(*(load(number) for number in range(10)))
    with pytest.raises(StoreUnavailable, match="the rest stays: connection lost"):
        await desk.replay.replay_many(ALL)

    assert [one.id for one in await desk.items()] == identifiers[:4:-1]
    assert {one.reason for one in await desk.items()} == {"broken"}


async def test_partial_means_that_the_rest_landed(tmp_path: Path) -> None:
    """What the store names stays with its word for it."""
    store = Destination(lambda points: WriteOutcome(WriteStatus.PARTIAL, refused=(Refused(points[1], "not you"),)))
    desk = desk_over(store, tmp_path)
    identifiers = await desk.add(load(1), load(2), load(3))
    outcome = await desk.replay.replay_many(ALL)

    assert (outcome.replayed, outcome.refused) == (2, 1)
    assert [(one.id, one.reason) for one in await desk.items()] == [(identifiers[1], "not you")]


async def test_a_disk_that_is_low_has_no_room_for_replays(tmp_path: Path) -> None:
    """They can wait; looking and discarding cannot be refused, for they give room."""
    store = Destination()
    desk = desk_over(store, tmp_path)
    first, second = await desk.add(load(1), load(2))
    desk.free[0] = 1
    with pytest.raises(DiskLow, match="replays are refused while the disk is low"):
        await desk.replay.replay(first)
    with pytest.raises(DiskLow):
        await desk.replay.replay_many(ALL)
    await desk.replay.discard(first)

    assert [one.id for one in await desk.items()] == [second]
    assert store.asked == 0


async def test_large_items_are_replayed_in_small_pages(tmp_path: Path) -> None:
    """All of them in the end, never all of them in memory."""
    store = Destination()
    desk = desk_over(store, tmp_path)
    for number in range(12):
        await desk.add(Point.of("probe", {"host": "a"}, {"message": "x" * 900_000}, START + number))
    pages, query = 0, ALL
    while pages == 0 or query.cursor:
        outcome = await desk.replay.replay_many(query)
        query = replace(query, cursor=outcome.cursor)
        pages += 1

    assert pages >= 3
    assert max(sum(len(str(point.fields["message"])) for point in batch) for batch in store.batches) <= 5_000_000
    assert len(store.points) == 12
    assert await desk.items() == []


async def test_items_that_are_refused_on_and_on_do_not_keep_a_replay_going(tmp_path: Path) -> None:
    """Their new lines come after those that are still to be tried, so every item is tried once."""
    number = iter(range(10**6))
    store = Destination(lambda points: WriteOutcome(WriteStatus.POISON, f"no {next(number)}"))
    desk = desk_over(store, tmp_path)
    await desk.add(*(load(number) for number in range(10)))
    refused, query, pages = 0, replace(ALL, limit=3), 0
    while pages == 0 or query.cursor:
        outcome = await desk.replay.replay_many(query)
        refused, pages, query = refused + outcome.refused, pages + 1, replace(query, cursor=outcome.cursor)

    assert (refused, pages) == (10, 4)
    assert len(await desk.items()) == 10


async def test_a_cursor_that_nobody_gave_is_refused(tmp_path: Path) -> None:
    """Before anything is tried."""
    with pytest.raises(InvalidRequest):
        await desk_over(Destination(), tmp_path).replay.replay_many(QuarantineQuery(cursor="yesterday"))


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(point=POINTS)
def test_no_point_is_too_strange_to_be_tried(tmp_path_factory: pytest.TempPathFactory, point: Point) -> None:
    """By whomever it was refused: it is stored or refused again, with a reason and without a crash."""

    async def attempt(folder: Path) -> None:
        desk = desk_over(Destination(), folder)
        for source in ("push", "store", "spool", "\udcff"):
            await desk.add(point, source=source)
        outcome = await desk.replay.replay_many(ALL)
        assert outcome.replayed + outcome.refused == 4
        # A text field that is left out beside others leaves its example behind.
        assert len([one for one in await desk.items() if "left out" not in one.reason]) == outcome.refused

    asyncio.run(attempt(tmp_path_factory.mktemp("strange")))


async def test_a_folder_that_cannot_be_used_is_said_in_words(tmp_path: Path) -> None:
    """Not as a traceback."""
    desk = desk_over(Destination(), tmp_path)
    (tmp_path / "quarantine").mkdir()
    (tmp_path / "quarantine" / "points-20261124.jsonl").mkdir()
    for work in (desk.replay.list(ALL), desk.replay.show("20261124-000000000000"), desk.replay.replay_many(ALL)):
        with pytest.raises(StoreUnavailable, match="quarantine cannot be used: Is a directory"):
            await work


async def test_whoever_leaves_in_the_middle_loses_nothing(tmp_path: Path) -> None:
    """Cancelled at any moment, the next one finds every item in the store or in quarantine."""
    for pause in (0.0, 0.001, 0.003, 0.01, 0.03):
        folder = tmp_path / str(pause)
        folder.mkdir()
        store = Destination()
        desk = desk_over(store, folder)
        await desk.add(*(load(number) for number in range(200)))
        task = asyncio.create_task(desk.replay.replay_many(ALL))
        await asyncio.sleep(pause)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await desk.replay.replay_many(ALL)

        assert {point.fields["load1"] for point in store.points} == {float(number) for number in range(200)}
        assert await desk.items() == []


# Killed

VICTIM = """
import asyncio, sys
from pathlib import Path
from telemetry.quarantine import QuarantineQuery
from tests.collector.test_replay import desk_over, opened
from dataclasses import replace

async def main(folder):
    async with opened(folder) as store:
        desk = desk_over(store, folder)
        print("ready", flush=True)
        outcome = await desk.replay.replay_many(QuarantineQuery(20))
        while outcome.cursor:
            outcome = await desk.replay.replay_many(QuarantineQuery(20, outcome.cursor))
asyncio.run(main(Path(sys.argv[1])))
"""


@pytest.mark.parametrize("wait", [0.0, 0.02, 0.05, 0.1, 0.2])
async def test_killed_in_the_middle_of_a_replay_no_item_is_lost(tmp_path: Path, wait: float) -> None:
    """SIGKILL: each item is in the store or still in quarantine, and another replay finishes it, each point once."""
    desk = desk_over(Destination(), tmp_path)
    for number in range(300):
        point = load(number) if number % 10 else Point.of("system", {"host": "a"}, {"load1": "bad"}, START + number)
        desk.quarantine.add([Refused(point, "broken")], "store")
    good = {float(number) for number in range(300) if number % 10}
    with subprocess.Popen([sys.executable, "-c", VICTIM, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE) as victim:
        assert victim.stdout is not None
        assert victim.stdout.readline() == b"ready\n"
        time.sleep(wait)
        victim.send_signal(signal.SIGKILL)
        victim.wait()
    async with opened(tmp_path) as store:
        again = desk_over(store, tmp_path)
        stored = set(await values(store))
        waiting = {one.point.fields["load1"] for one in await again.items() if one.point is not None}
        assert stored | waiting == good | {"bad"}
        outcome = await again.replay.replay_many(ALL)

        assert outcome.cursor == ""
        assert sorted(await values(store)) == sorted(good)
        assert len({one.id for one in await again.items()}) == 30


# Set aside


def test_files_that_were_set_aside_are_listed_the_newest_first(tmp_path: Path) -> None:
    """Not the parts that belong to them."""
    for number, name in enumerate(
        ["a.duckdb.broken-1", "b.sqlite.broken-2", "b.sqlite.broken-2-wal", "metrics.duckdb"]
    ):
        (tmp_path / name).write_bytes(b"x" * number)

    assert {Path(one.path).name: one.size for one in set_aside_files(tmp_path)} == {
        "a.duckdb.broken-1": 0,
        "b.sqlite.broken-2": 1,
    }
