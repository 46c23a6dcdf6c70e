"""Runs as a process of its own: evaluates a story, and is killed at each point of its transactions in turn.

`ledger_victim.py FOLDER` makes a directory for each point, in which a child that was killed there has left its ledger;
it prints how many points there are. The points are found by SQLAlchemy's events: before and after every statement,
before every commit and, as the next begin, after it.
"""

import asyncio
import os
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine, event

from alerting.evaluate import Evaluator, Surroundings
from alerting.rule_set import RuleSet
from alerting.rules import Comparison, Flapping, Rule, Selection, Severity, Threshold, Value
from opswatch.state import State
from telemetry.clock import Clock
from telemetry.errors import StoreUnavailable
from telemetry.ports import DEFAULT_DEADLINE
from telemetry.series import Function, Series, SeriesQuery, SeriesResult, SeriesSamples
from telemetry.times import from_datetime

SECOND = 1_000_000_000
INTERVAL = 60 * SECOND
START = datetime(2026, 11, 26, 12, tzinfo=UTC)
# What each host's load is, minute by minute; None where it is not known, and a minute in which the store is away.
STORY: dict[str, list[float | None]] = {
    "a": [1, 7, 20, 7, None, 7, 1, 1],
    "b": [1, 7, 1, 7, 1, 7, 1, 1],
}
AWAY = {5}
MINUTES = len(STORY["a"])


class StoryReader:
    """Answers from the story, as of the end of what is asked for."""

    async def read(self, query: SeriesQuery, deadline: timedelta = DEFAULT_DEADLINE) -> SeriesResult:
        minute = (query.stop - from_datetime(START)) // INTERVAL
        if minute in AWAY:
            raise StoreUnavailable("away")
        series = tuple(
            SeriesSamples(Series("system", (("host", host),), "load1"), query.axis, [values[minute]], Function.MEAN)
            for host, values in STORY.items()
            if values[minute] is not None
        )
        return SeriesResult(query, "raw", series)


def rules() -> RuleSet:
    value = Value(Selection("system", "load1", Function.MEAN, INTERVAL))
    levels = (
        (Severity.WARNING, Threshold(Comparison.ABOVE, 5)),
        (Severity.CRITICAL, Threshold(Comparison.ABOVE, 10)),
    )
    load = Rule("load", value, levels, INTERVAL, flapping=Flapping(3, 6 * INTERVAL))
    held = Rule("held", value, levels, INTERVAL, hold_for=INTERVAL, keep_firing_for=INTERVAL, depends_on=("load",))
    return RuleSet((load, held), INTERVAL, 0, "test", "1")


async def live(path: Path, first: int) -> None:
    """From a minute of the story to its end."""
    minute = first
    clock = Clock(lambda: START + timedelta(minutes=minute), lambda: minute * 60.0)
    async with State.opened(path) as state:
        around = Surroundings(clock, lambda _: 0, lambda *_: None, lambda _: (), lambda rule, _: rule.name)
        evaluator = Evaluator(StoryReader(), state.ledger, rules(), around)
        await evaluator.restore()
        for minute in range(first, MINUTES):  # the clock reads it
            (path.parent / "minute").write_text(str(minute))
            await evaluator.evaluate_once()
            written = await state.ledger.unwritten(1_000)
            await state.ledger.mark_written([number for number, _ in written])


def killed_at(point: int) -> None:
    """From now on, the process ends at this point."""
    seen = 0

    def reached(*_: object, **__: object) -> None:
        nonlocal seen
        seen += 1
        if seen == point:
            os.kill(os.getpid(), signal.SIGKILL)

    for name in ("before_cursor_execute", "after_cursor_execute", "commit", "begin"):
        event.listen(Engine, name, reached)


def main(folder: Path) -> None:
    asyncio.run(_prepare(folder / "empty"))
    point = 0
    while True:
        point += 1
        place = folder / str(point)
        place.mkdir()
        (place / "state.sqlite").write_bytes((folder / "empty" / "state.sqlite").read_bytes())
        child = os.fork()  # before any thread: the loop above runs none
        if child == 0:
            killed_at(point)
            asyncio.run(live(place / "state.sqlite", 0))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            print(point, os.WEXITSTATUS(status))
            return


async def _prepare(folder: Path) -> None:
    folder.mkdir()
    async with State.opened(folder / "state.sqlite"):
        pass


if __name__ == "__main__":
    main(Path(sys.argv[1]))
