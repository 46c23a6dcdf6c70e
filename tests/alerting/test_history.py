"""Replay reads what live evaluation read: windows put together from cells are the windows of the store."""

from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from alerting.history import HistoryReader
from alerting.questions import Question
from alerting.rules import Flapping
from alerting.trial import tried
from embedded.store import EmbeddedOptions, EmbeddedStore
from telemetry.clock import Clock
from telemetry.measurements import BUILT_IN
from telemetry.points import Point
from telemetry.ports import DEFAULT_DEADLINE
from telemetry.series import EVERYTHING, Function, SeriesQuery, SeriesResult
from telemetry.times import from_datetime
from tests.alerting.house import INTERVAL, MINUTE, SECOND, START, around, house, load_rule, rule_set

NOW = from_datetime(START)
HOUR = 60 * MINUTE
FUNCTIONS = (
    Function.MEAN,
    Function.SUM,
    Function.COUNT,
    Function.MIN,
    Function.MAX,
    Function.FIRST,
    Function.INCREASE,
    Function.RATE,
)


def plain(result: object) -> list[tuple[object, ...]]:
    return [
        (
            one.series,
            one.function,
            list(one.times),
            [None if value is None else pytest.approx(value) for value in one.values],
        )
        for one in result.series  # type: ignore[attr-defined]
    ]


@pytest.mark.parametrize("seed", range(5))
async def test_every_function_of_every_window_is_as_the_store_says(tmp_path: Path, seed: int) -> None:
    """Random samples with gaps and resets; windows of many lengths, also cut into parts, with cells in small pieces."""
    chance = Random(seed)
    times = sorted(chance.sample(range(3_600), 400))
    points = [
        Point.of("net", {"host": host}, {"bytes_recv": chance.randrange(1_000)}, NOW + second * SECOND)
        for host in ("a", "b")
        for second in times
        if chance.random() < 0.7
    ]
    async with EmbeddedStore.opened(tmp_path / "m.duckdb", EmbeddedOptions(), BUILT_IN) as store:
        await store.write(points)
        history = HistoryReader(store, INTERVAL, NOW + HOUR)
        history._cells = 40
        for now in range(NOW + 15 * MINUTE, NOW + HOUR, 7 * INTERVAL):
            for window, parts in ((INTERVAL, 1), (MINUTE, 1), (10 * MINUTE, 1), (6 * MINUTE, 24)):
                question = Question("net", "bytes_recv", window, windows=parts)
                query = question.query(now, FUNCTIONS, EVERYTHING)
                assert plain(await history.read(query)) == plain(await store.read(query))


async def test_replay_makes_the_very_transitions_that_live_evaluation_made(tmp_path: Path) -> None:
    """A random walk over thresholds with for, keep_firing_for and flap damping, for six hours."""
    chance = Random(7)
    rules = (
        load_rule(hold_for=MINUTE, keep_firing_for=MINUTE),
        load_rule("flaps", flapping=Flapping(4, 10 * MINUTE)),
    )
    async with house(tmp_path, *rules) as it:
        value = 5.0
        for _ in range(6 * 240):
            value = max(0.0, value + chance.uniform(-2, 2) + (5 - value) * 0.05)
            await it.go(timedelta(seconds=15), {"a": value} if chance.random() < 0.9 else None)
        live = [(p.tags, p.time, p.fields) for _, p in await it.ledger.unwritten(10_000)]
        first = from_datetime(START) + INTERVAL
        reader = HistoryReader(it.store, INTERVAL, from_datetime(it.wall) + INTERVAL)
        trial = await tried(
            rule_set(*rules),
            reader,
            around(Clock(lambda: it.wall, lambda: 0.0)),
            range(first, from_datetime(it.wall) + INTERVAL, INTERVAL),
        )
        replayed = [
            (one.alert.rule, one.transition.time, one.transition.kind) for one in trial.changes if one.transition
        ]
        lived = [(dict(tags)["rule"], time, str(fields["message"]).split(":")[0]) for tags, time, fields in live]
        assert len(lived) > 50
        assert sorted(replayed) == sorted(one for one in lived if one[0] != "source_blind")


async def test_a_change_against_last_week_is_asked_for_in_large_pieces_too() -> None:
    """What is asked for now and then in turn, too far apart for one piece, is not asked for anew each time."""
    asked: list[SeriesQuery] = []

    class CountingReader:
        async def read(self, query: SeriesQuery, deadline: timedelta = DEFAULT_DEADLINE) -> SeriesResult:
            asked.append(query)
            return SeriesResult(query, "raw", ())

    history = HistoryReader(CountingReader(), MINUTE, NOW + 500 * MINUTE)
    for now in range(NOW, NOW + 500 * MINUTE, MINUTE):
        for shift in (0, 7 * 24 * HOUR):
            question = Question("system", "load1", 5 * MINUTE, shift)
            await history.read(question.query(now, {Function.MEAN}, EVERYTHING))
    assert len(asked) < 10
