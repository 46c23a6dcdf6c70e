"""Exports from any reader, for stores that have no engine of ours beside them: slices in, a file out. Shell.

CSV is made slice by slice as they come. Parquet needs an engine: an empty one of its own takes the slices, in bounded
memory and beyond that on the disk, and writes the file as the store's engine would.
"""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import duckdb

from embedded.engine import EngineOptions, open_in_memory, took_too_much
from embedded.export import (
    CSV_FORMS,
    PIECE_BYTES,
    PREFIX,
    ExportQuestion,
    Plan,
    fields_of,
    header_of,
    pieces_of,
    plan_in_one,
    remove_leftovers,
    write_part,
)
from embedded.reader_pool import ReaderPool
from embedded.selection import Selected, described, first_line, in_order
from telemetry.csv_export import long_rows, wide_rows
from telemetry.errors import InvalidQuery, QueryTooLarge, StoreUnavailable
from telemetry.points import Tags
from telemetry.ports import SeriesReader, TableForm
from telemetry.schema import FieldKind, Measurement, Registry
from telemetry.series import (
    MAX_RAW_LIMIT,
    MAX_SPAN,
    Function,
    Raw,
    Series,
    SeriesQuery,
    SeriesSamples,
    Window,
)

T = TypeVar("T")

_TABLE = "samples"
_SCHEMA = f"CREATE TABLE {_TABLE} (ts BIGINT, series_id INTEGER, value DOUBLE, text VARCHAR)"
_WAIT = 5.0  # seconds for others to end
_SHORTEST = 1_000_000  # ns, of a window
_Row = tuple[int, int, float | None, str | None]


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """`engine`: bounds of each engine that makes a Parquet file; `at_once`: exports that may run together.

    An export that nobody limited is asked for in stretches of time in which a series has about `stretch_samples`.
    """

    engine: EngineOptions = field(default_factory=EngineOptions)
    at_once: int = 2
    stretch_samples: int = MAX_RAW_LIMIT // 2


class StreamExporter:
    """Implements `telemetry.ports.TableExporter`. `folder` is where files are put while they are made."""

    def __init__(self, reader: SeriesReader, registry: Registry, folder: Path, options: StreamOptions) -> None:
        self._reader = reader
        self._registry = registry
        self._folder = folder
        self._options = options
        self._running = asyncio.Semaphore(options.at_once)
        remove_leftovers(folder)

    async def prepare(self, query: SeriesQuery, form: TableForm, *, unlimited: bool) -> StreamExport:
        """Count what is to come. Raises InvalidQuery for windows and unknown measurements; as `SeriesReader.read`."""
        if not isinstance(query.shape, Raw):
            raise InvalidQuery("only samples are exported as a table", field="every")
        measurement = self._registry.get(query.measurement)
        if measurement is None:
            raise InvalidQuery(f"there is no measurement {query.measurement!r}", field="measurement")
        asked = replace(query, fields=fields_of(query, measurement))
        question = ExportQuestion(asked, form, unlimited=unlimited)
        counts = await _count(self._reader, measurement, asked)
        limit = query.shape.limit
        samples = sum(count if unlimited else min(count, limit) for count in counts.values())
        most = max(counts.values(), default=0)
        return StreamExport(self, measurement, question, samples, most)

    @asynccontextmanager
    async def _room(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(_WAIT):
                await self._running.acquire()
        except TimeoutError as error:
            raise StoreUnavailable("too many exports are under way: try again when one has ended") from error
        try:
            yield
        finally:
            self._running.release()

    async def pieces(self, export: StreamExport) -> AsyncGenerator[bytes]:
        """See `StreamExport.pieces`."""
        async with self._room():
            made = self._csv(export) if export.question.form in CSV_FORMS else self._parquet(export)
            async with aclosing(made) as pieces:
                async for piece in pieces:
                    yield piece

    async def _csv(self, export: StreamExport) -> AsyncGenerator[bytes]:
        plan = plan_in_one(_TABLE, export.measurement, export.question, ())
        yield header_of(plan)
        async with aclosing(self._slices(export)) as slices:
            async for one in slices:
                text = await asyncio.to_thread(_lines, plan, one)
                for start in range(0, len(text), PIECE_BYTES):
                    yield text[start : start + PIECE_BYTES]

    async def _parquet(self, export: StreamExport) -> AsyncGenerator[bytes]:
        work = self._folder / f"{PREFIX}{uuid4().hex}.tmp"
        try:
            file = await self._written(export, work)
            async with aclosing(pieces_of(file)) as pieces:
                async for piece in pieces:
                    yield piece
        except OSError as error:
            raise StoreUnavailable(f"the export cannot be written: {error.strerror or error}") from error
        finally:
            shutil.rmtree(work, ignore_errors=True)

    async def _written(self, export: StreamExport, work: Path) -> Path:
        """The whole file; the engine and what it has spilled are gone when this returns."""
        connection = _engine_in(work, self._options.engine)
        try:
            engine = ReaderPool(connection, 1, self._translated)
            try:
                async with engine.for_stream() as cursor:
                    selected = await self._filled(export, engine, cursor)
                    plan = plan_in_one(_TABLE, export.measurement, export.taken_as_it_came, in_order(selected))
                    return await engine.run(cursor, lambda: write_part(cursor, plan, plan.parts[0], work))
            finally:
                engine.close()
        finally:
            connection.close()

    async def _filled(
        self, export: StreamExport, engine: ReaderPool, cursor: duckdb.DuckDBPyConnection
    ) -> Sequence[Selected]:
        selected: dict[Series, Selected] = {}

        def append(one: list[SeriesSamples]) -> None:
            try:
                for samples in one:
                    series = samples.series
                    known = selected.get(series)
                    if known is None:
                        known = described(len(selected) + 1, series, export.measurement.field(series.field))
                        selected[series] = known
                    appender.append_rows(_rows(known.identifier, samples))
                appender.flush()
            except BaseException:
                appender.clear()
                raise

        appender = cursor.appender(_TABLE)
        async with aclosing(self._slices(export)) as slices:
            async for one in slices:
                await engine.run(cursor, lambda one=one: append(one))  # type: ignore[misc]
        return list(selected.values())

    async def _translated(self, work: Awaitable[T]) -> T:
        try:
            return await work
        except duckdb.Error as error:
            too_much = took_too_much(error, self._options.engine)
            raise too_much or StoreUnavailable(f"the export cannot be made: {first_line(error)}") from error

    async def _slices(self, export: StreamExport) -> AsyncGenerator[list[SeriesSamples]]:
        query = export.question.query
        if not export.question.unlimited:
            async with aclosing(self._reader.stream(query)) as slices:
                async for one in slices:
                    yield one
            return
        limit = min(2 * self._options.stretch_samples, MAX_RAW_LIMIT)
        async with aclosing(self._stretches(export)) as stretches:
            async for start, stop in stretches:
                counted: Counter[Series] = Counter()
                asked = replace(query, start=start, stop=stop, shape=Raw(limit))
                async with aclosing(self._reader.stream(asked)) as slices:
                    async for one in slices:
                        yield one
                        counted.update({samples.series: len(samples.times) for samples in one})
                if max(counted.values(), default=0) >= limit:
                    raise QueryTooLarge(f"a series has {limit:,} samples or more in a stretch: export it in parts")

    async def _stretches(self, export: StreamExport) -> AsyncGenerator[tuple[int, int]]:
        """Stretches [start, stop) (ns) in order, in each of which no series has too many samples for one question."""
        query, bound = export.question.query, self._options.stretch_samples
        waiting = [(query.start, query.stop, export.most)]
        while waiting:
            start, stop, most = waiting.pop()
            if most <= bound or stop - start < 2 * _SHORTEST:
                yield start, stop
                continue
            middle = (start + stop) // 2
            for begin, end in ((middle, stop), (start, middle)):
                counts = await _count(self._reader, export.measurement, replace(query, start=begin, stop=end))
                waiting.append((begin, end, max(counts.values(), default=0)))


@dataclass(frozen=True, slots=True)
class StreamExport:
    """Implements `telemetry.ports.TableExport`. `most` is how many samples the longest series has."""

    exporter: StreamExporter
    measurement: Measurement
    question: ExportQuestion
    samples: int
    most: int

    @property
    def taken_as_it_came(self) -> ExportQuestion:
        """The question to an engine that has only what the reader gave, where a limit has been kept already."""
        return replace(self.question, unlimited=True)

    def pieces(self) -> AsyncGenerator[bytes]:
        """The file, piece by piece, while the reader is asked; see the port."""
        return self.exporter.pieces(self)


async def _count(reader: SeriesReader, measurement: Measurement, query: SeriesQuery) -> Counter[Series]:
    """How many samples each series has in the query's range.

    No store counts texts: a text is taken to be as frequent as the most frequent number of its tag set, which it
    stands beside. So the number may be too high where there are texts, and misses those that stand alone.
    """
    numeric = [one.name for one in measurement.plain_fields if one.kind is not FieldKind.TEXT]
    texts = [name for name in query.fields if name not in numeric and _is_text(measurement, name)]
    fields = numeric if texts else [name for name in query.fields if not _is_text(measurement, name)]
    if not fields:
        return Counter()
    start = max(query.start, query.stop - MAX_SPAN)
    window = Window(max(query.stop - start, _SHORTEST), (Function.COUNT,), start)
    answer = await reader.read(replace(query, fields=tuple(fields), start=start, shape=window))
    found: Counter[Series] = Counter()
    most: defaultdict[Tags, int] = defaultdict(int)
    for one in answer.series:
        count = sum(int(value) for value in one.values if value is not None)
        most[one.series.tags] = max(most[one.series.tags], count)
        if one.series.field in query.fields:
            found[one.series] = count
    for tags, count in most.items():
        found.update({Series(query.measurement, tags, name): count for name in texts})
    return found


def _engine_in(work: Path, options: EngineOptions) -> duckdb.DuckDBPyConnection:
    work.mkdir(mode=0o700, parents=True)
    connection = open_in_memory(work, options)
    connection.execute(_SCHEMA)
    return connection


def _is_text(measurement: Measurement, name: str) -> bool:
    known = measurement.field(name)
    return known is not None and known.kind is FieldKind.TEXT


def _lines(plan: Plan, one: list[SeriesSamples]) -> bytes:
    tags = plan.measurement.tags
    if plan.form is TableForm.CSV_WIDE:
        return wide_rows(one, tags, [name for name, _, _ in plan.columns]).encode("utf-8", "replace")
    return long_rows(one, tags).encode("utf-8", "replace")


def _rows(identifier: int, samples: SeriesSamples) -> list[_Row]:
    # Numbers are doubles in every table of ours; the registry lets no integer in that is none exactly.
    return [
        (time, identifier, None, value) if isinstance(value, str) else (time, identifier, float(value), None)
        for time, value in zip(samples.times, samples.values, strict=True)
        if value is not None
    ]
