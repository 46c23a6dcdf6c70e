"""Runs as a process of its own, whose memory is measured: an intake in front of a spool, and very many lines.

`flood.py LINES KIND` takes lines of a kind (`distinct`: each with a tag value of its own, ten thousand a body; `short`
and `bad`: all in one body) and prints what the last answer was, and by how many kilobytes the process has grown.
"""

import asyncio
import resource
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from collector.intake import Intake
from collector.quarantine import Quarantine
from collector.spool import Spool, SpoolLimits
from telemetry.measurements import BUILT_IN
from telemetry.schema import Measurement
from tests.collector.doubles import START, Destination, SetClock

_BODY = 10_000  # lines


class Forgetful(Destination):
    """Takes everything, and keeps only how many points of the neighbour there were."""

    def __init__(self) -> None:
        super().__init__()
        self.neighbours = 0

    async def write(self, points):  # type: ignore[no-untyped-def]
        outcome = await super().write(points)
        self.neighbours += sum(point.measurement == "mem" for point in points)
        self.batches.clear()
        return outcome


class Nowhere:
    """Learned measurements that need not outlive the process."""

    async def save(self, measurements: Sequence[Measurement]) -> None:
        pass


def bodies(lines: int, kind: str) -> list[range]:
    return (
        [range(start, min(start + _BODY, lines)) for start in range(0, lines, _BODY)]
        if kind == "distinct"
        else [range(lines)]
    )


def body(numbers: range, kind: str) -> bytes:
    if kind == "distinct":
        some = [f"orders,id={number} total=1 {START}" for number in numbers]
        return "\n".join([*some, f"mem,host=a used=1i {START + numbers[0]}"]).encode()
    return {"short": b"a b=1\n", "bad": b"x\n"}[kind] * len(numbers)


def most_kilobytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


async def main(lines: int, kind: str, folder: Path) -> None:
    clock, destination = SetClock().clock, Forgetful()
    quarantine = Quarantine(folder / "quarantine", clock)
    async with Spool.opened(folder / "spool.sqlite", destination, quarantine, SpoolLimits(), clock) as spool:
        intake = Intake(spool, BUILT_IN.learning(), Nowhere(), quarantine, clock)
        await intake.take(f"mem,host=a used=1i {START - 1}".encode(), "ns")
        before = most_kilobytes()
        for numbers in bodies(lines, kind):
            outcome = await intake.take(body(numbers, kind), "ns")
        grown = most_kilobytes() - before
    status = 400 if outcome.unparseable else 422 if outcome.dropped else 204
    print(f"status={status}\nmessage={outcome.refused}\nkilobytes={grown}\nneighbours={destination.neighbours - 1}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(main(int(sys.argv[1]), sys.argv[2], Path(directory)))
