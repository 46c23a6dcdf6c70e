"""Runs as a process of its own, to be measured or killed: exports what a reader of any length gives.

`stream_victim.py FOLDER FORM SAMPLES` prints how many bytes came and the greatest size of the process in MB.
"""

import asyncio
import resource
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path

from embedded.engine import EngineOptions
from embedded.stream_export import StreamExporter, StreamOptions
from telemetry.measurements import BUILT_IN
from telemetry.ports import DEFAULT_DEADLINE, TableForm
from telemetry.series import Function, Raw, Series, SeriesQuery, SeriesResult, SeriesSamples, ValuesQuery, Window

SLICE = 50_000
START = 1_795_521_600 * 10**9
SERIES = Series("system", (("host", "web"),), "load1")
OPTIONS = StreamOptions(EngineOptions(memory_limit="64MB", threads=1))


class LongReader:
    """One series with a sample in each microsecond, made as it is read."""

    def __init__(self, samples: int) -> None:
        self._samples = samples

    async def read(self, query: SeriesQuery, deadline: timedelta = DEFAULT_DEADLINE) -> SeriesResult:
        assert isinstance(query.shape, Window)
        count = min(query.stop, START + self._samples * 1_000) // 1_000 - query.start // 1_000
        counted = SeriesSamples(SERIES, query.axis, [max(0, count)], Function.COUNT)
        return SeriesResult(query, "raw", (counted,))

    async def stream(self, query: SeriesQuery) -> AsyncGenerator[list[SeriesSamples]]:
        assert isinstance(query.shape, Raw)
        stop = min(query.stop, START + self._samples * 1_000)
        for first in range(query.start, stop, SLICE * 1_000):
            times = list(range(first, min(stop, first + SLICE * 1_000), 1_000))
            yield [SeriesSamples(SERIES, times, [(time * 7919 % 1_000_003) / 7 for time in times])]

    async def values(self, query: ValuesQuery, deadline: timedelta = DEFAULT_DEADLINE) -> tuple[str, ...]:
        raise NotImplementedError


async def export(folder: Path, form: TableForm, samples: int) -> int:
    query = SeriesQuery("system", ("load1",), START, START + 10**14, Raw())
    exporter = StreamExporter(LongReader(samples), BUILT_IN, folder, OPTIONS)
    prepared = await exporter.prepare(query, form, unlimited=True)
    assert prepared.samples == samples
    size = 0
    async with aclosing(prepared.pieces()) as pieces:
        async for piece in pieces:
            size += len(piece)
    return size


if __name__ == "__main__":
    came = asyncio.run(export(Path(sys.argv[1]), TableForm(sys.argv[2]), int(sys.argv[3])))
    print(came, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1_000, flush=True)
