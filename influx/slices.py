"""Samples in slices of bounded size, for who takes more than fits in memory. Shell."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace

from influx.annotated_csv import Rows
from influx.asked import Asked
from influx.asking import FluxAsker, Take, within
from influx.flux import Selection, samples_query, windows_query
from influx.parameters import FluxQuery
from influx.samples import Samples, SeriesRows
from influx.window_columns import WindowColumns
from telemetry.points import Tags
from telemetry.ports import DEFAULT_DEADLINE
from telemetry.schema import FieldType
from telemetry.series import AllOf, Equals, Exists, Function, Not, Predicate, Raw, Series, SeriesSamples

SLICE_ROWS = 50_000
_TEXT_ROWS = 10  # a text may be as large as so many numbers, and more
_MOST_TAG_SETS = 60  # of one question
_MOST_PARTS = 2_000  # that a stretch of time is cut into at once

Stretch = tuple[int, int, int]  # from, to (ns), and about how many rows


class Slicer:
    """Reads a `Raw` query tag set by tag set, every selected field over one stretch of time, oldest first.

    How many samples there are is asked first, for the server counts without reading them. Methods raise as a reader.
    """

    def __init__(self, asker: FluxAsker, asked: Asked) -> None:
        assert isinstance(asked.query.shape, Raw)
        self._asker = asker
        self._asked = asked
        self._limit = asked.query.shape.limit
        self._fields = asked.fields(numeric=False)
        self._texts = {field.name for field in asked.measurement.fields if field.type is FieldType.TEXT}

    async def slices(self) -> AsyncGenerator[list[SeriesSamples]]:
        """All of them; what comes between is fetched when it is asked for."""
        counts = await self._counts()
        names = {name for tags in counts for name, _ in tags}
        few: dict[Tags, int] = {}
        for tags in sorted(counts):
            rows = sum(self._weight(series, min(count, self._limit)) for series, count in counts[tags].items())
            if few and (len(few) == _MOST_TAG_SETS or sum(few.values()) + rows > SLICE_ROWS):
                for one in await self._whole(list(few), names):
                    yield one
                few = {}
            if rows <= SLICE_ROWS:
                few[tags] = rows
                continue
            everything = sum(self._weight(series, count) for series, count in counts[tags].items())
            async with aclosing(self._in_stretches(_just(tags, names), everything)) as parts:
                async for one in parts:
                    yield one
        if few:
            for one in await self._whole(list(few), names):
                yield one

    async def _counts(self) -> Mapping[Tags, Mapping[Series, int]]:
        selection = self._asked.selection(self._fields)
        found: dict[Tags, dict[Series, int]] = defaultdict(dict)
        everything = range(selection.start, selection.stop, selection.stop - selection.start)
        if self._fields:
            for series, (count,) in (await self._counts_by_window(selection, everything)).items():
                found[series.tags][series] = count
        return found

    async def _whole(self, few: Sequence[Tags], names: set[str]) -> list[list[SeriesSamples]]:
        """A slice of each of these tag sets, which are small."""
        where = Not(AllOf(tuple(Not(_just(tags, names)) for tags in few)))  # one of them
        found = await self._samples(replace(self._asked.selection(self._fields), where=where), self._limit)
        by_tags: dict[Tags, list[SeriesSamples]] = defaultdict(list)
        for one in found:
            by_tags[one.series.tags].append(one)
        return list(by_tags.values())

    async def _in_stretches(self, where: Predicate, rows: int) -> AsyncGenerator[list[SeriesSamples]]:
        """One tag set that is large."""
        left: dict[Series, int] = defaultdict(lambda: self._limit)
        whole = replace(self._asked.selection(self._fields), where=where)
        async for start, stop, _ in self._stretches(whole, rows):
            most = max(left.values()) if len(left) == len(self._fields) else self._limit
            if most == 0:
                return
            kept = []
            for one in await self._samples(replace(whole, start=start, stop=stop), most):
                if (rest := left[one.series]) > 0:
                    kept.append(SeriesSamples(one.series, one.times[:rest], one.values[:rest]))
                    left[one.series] -= len(kept[-1].times)
            if kept:
                yield kept

    async def _stretches(self, selection: Selection, rows: int) -> AsyncIterator[Stretch]:
        """Stretches of some SLICE_ROWS, in order of time; found by counting, and counting again where it is dense."""
        waiting: list[Stretch] = [(selection.start, selection.stop, rows)]
        while waiting:
            start, stop, rows = waiting.pop()
            if rows <= SLICE_ROWS or stop - start <= 1:
                yield start, stop, rows
                continue
            parts = min(_MOST_PARTS, 4 * -(-rows // SLICE_ROWS))
            axis = range(start, stop, -(-(stop - start) // parts))
            found = await self._counts_by_window(selection, axis)
            weights = ([self._weight(series, count) for count in counts] for series, counts in found.items())
            counts = [sum(column) for column in zip(*weights, strict=True)] or [0] * len(axis)
            waiting += reversed(list(_merged(axis, stop, counts)))

    async def _counts_by_window(self, selection: Selection, axis: range) -> Mapping[Series, Sequence[int]]:
        reader = SeriesRows(self._asked.measurement, selection.where, are_counts=True)
        windows = WindowColumns(axis)

        def take(rows: Rows) -> None:
            if (series := reader.series(rows)) is not None:
                windows.take(series, reader.times(rows) if len(axis) > 1 else None, reader.values(rows))

        await self._ask(windows_query(selection, axis, (Function.COUNT,)), take)
        return {series: [int(count or 0) for count in counts] for series, counts in windows.columns.items()}

    async def _samples(self, selection: Selection, limit: int) -> list[SeriesSamples]:
        samples = Samples(SeriesRows(self._asked.measurement, selection.where))
        await self._ask(samples_query(selection, limit), samples.take)
        found = samples.found()
        return [
            SeriesSamples(series, *found[series]) for series in sorted(found, key=lambda one: (one.tags, one.field))
        ]

    async def _ask(self, flux: FluxQuery | None, take: Take) -> None:
        if flux is not None:
            async with within(DEFAULT_DEADLINE):
                await self._asker.ask(flux, take)

    def _weight(self, series: Series, count: int) -> int:
        return count * (_TEXT_ROWS if series.field in self._texts else 1)


def _just(tags: Tags, names: set[str]) -> Predicate:
    """These tags, and none of the other names."""
    others = sorted(names - {name for name, _ in tags})
    return AllOf((*(Equals(name, value) for name, value in tags), *(Not(Exists(name)) for name in others)))


def _merged(axis: range, end: int, counts: Sequence[int]) -> Iterator[Stretch]:
    """Neighbours together, as long as they have no more than SLICE_ROWS."""
    start, rows = axis.start, 0
    for moment, count in zip(axis, counts, strict=True):
        if rows and rows + count > SLICE_ROWS:
            yield start, moment, rows
            start, rows = moment, 0
        rows += count
    yield start, end, rows
