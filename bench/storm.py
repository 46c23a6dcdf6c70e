"""Ten thousand series that cross their threshold at once in the store, and a receiver that is told of it. Shell.

From samples to messages: an embedded store, the evaluator, the ledger, telling, and a receiver whose budget is ten
messages a minute, each host a group of its own. Measured is the resident memory at its peak against that of the same
process while the same ten thousand series were well and evaluated; and how many messages were sent.
"""

from __future__ import annotations

import asyncio
import resource
import tempfile
from datetime import timedelta
from pathlib import Path

import psutil

from alerting.receivers import Budget
from alerting.routes import Route
from alerting.rules import Selection, Value
from telemetry.points import Point
from telemetry.series import Function
from telemetry.times import from_datetime
from tests.alerting.house import MINUTE, START, House, house, load_rule
from tests.alerting.office import EVERYTHING, Office, receiver

SERIES = 10_000
ROUNDS = 8  # of evaluation, before and after


def main() -> str:
    """One line for the table, and what it was made of."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measured(Path(folder)))


async def _measured(folder: Path) -> str:
    process = psutil.Process()
    busy = Value(Selection("cpu", "usage_active", Function.MEAN, MINUTE))
    rule = load_rule("cpu_high", expression=busy, hold_for=0)
    async with house(folder, rule) as it:
        it.wall = START
        await _pass(it, 1.0, ROUNDS)
        idle = process.memory_info().rss
        named = {"mail": receiver("mail", budget=Budget(10))}
        telling = Office(it.state, named, (Route("all", EVERYTHING, "mail", group_by=("host",)),))
        await _pass(it, 20.0, 5)
        telling.seconds = (it.wall - START).total_seconds()
        await telling.go(60)
        sent = telling.mailbox.sent
        critical_first = all(told.severity.word == "critical" for notice in sent for told in notice.items)
        firing = sum(notice.firing for notice in sent)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1_024
    return (
        f"storm: {peak / idle:.2f}x of the memory of the same process at rest ({idle >> 20} MiB -> {peak >> 20} MiB),"
        f" {len(sent)} messages in the first minute tell of {firing:,} incidents, criticals first: {critical_first}"
    )


async def _pass(it: House, value: float, rounds: int) -> None:
    for _ in range(rounds):
        it.wall += timedelta(seconds=15)
        it.monotonic += 15
        time = from_datetime(it.wall - timedelta(seconds=1))
        points = [
            Point.of("cpu", {"host": f"host-{number:05d}", "cpu": "cpu-total"}, {"usage_active": value}, time)
            for number in range(SERIES)
        ]
        for start in range(0, SERIES, 5_000):
            await it.store.write(points[start : start + 5_000])
        await it.evaluator.evaluate_once()
