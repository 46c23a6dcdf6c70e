"""What rules would have read at every instant of a stretch of history, from a few large questions. Shell.

The evaluator asks for one window per instant. Here these are put together from tumbling windows of the distance
between two instants, which are asked for in large pieces: sums, counts, extremes, first values and the growth of
counters add up exactly, so that replay reads what live evaluation read of the same samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from operator import itemgetter

from telemetry.errors import QueryTooLarge
from telemetry.points import FieldValue
from telemetry.ports import DEFAULT_DEADLINE, QueryReader
from telemetry.series import (
    Function,
    Latest,
    Predicate,
    Series,
    SeriesQuery,
    SeriesResult,
    SeriesSamples,
    Window,
)
from telemetry.times import NANOSECONDS_PER_SECOND

CELLS_AT_ONCE = 5_000  # of one series in one question, unless there are too many series
_FEWEST_CELLS = 20
_STRETCHES = 2  # of one topic that are remembered
_PARTS: dict[Function, tuple[Function, ...]] = {
    Function.MEAN: (Function.SUM, Function.COUNT),
    Function.SUM: (Function.SUM,),
    Function.COUNT: (Function.COUNT,),
    Function.MIN: (Function.MIN,),
    Function.MAX: (Function.MAX,),
    Function.FIRST: (Function.FIRST,),
    Function.LAST: (Function.LAST,),
    Function.INCREASE: (Function.INCREASE,),
    Function.RATE: (Function.INCREASE,),
}

_COMBINE: dict[Function, Callable[[list[float]], float]] = {
    Function.MIN: min,
    Function.MAX: max,
    Function.FIRST: itemgetter(0),
    Function.LAST: itemgetter(-1),
}
Numbers = Sequence[FieldValue | None]


@dataclass(frozen=True, slots=True)
class _Stretch:
    """What was asked for in one piece: cells of `tick` from `start` on, by series and function."""

    start: int
    stop: int
    columns: dict[Series, dict[Function, Numbers]]


@dataclass(slots=True)
class _Topic:
    measurement: str
    field: str
    where: Predicate
    functions: frozenset[Function]
    stretches: tuple[_Stretch, ...] = ()  # the newest first: a change is asked for now and then, far apart


@dataclass(slots=True)
class HistoryReader:
    """Implements `telemetry.ports.QueryReader` for an evaluator that goes through `[start, stop)` in steps of `tick`.

    Questions that cannot be put together (quantiles, windows that are no multiple of the tick) are asked as they are.
    """

    inner: QueryReader
    tick: int
    stop: int
    warnings: set[str] = field(default_factory=set)
    _cells: int = CELLS_AT_ONCE
    _topics: dict[tuple[str, str, Predicate, frozenset[Function]], _Topic] = field(default_factory=dict)

    async def read(self, query: SeriesQuery, deadline: timedelta = DEFAULT_DEADLINE) -> SeriesResult:
        """As the inner reader would answer. Raises as it does."""
        functions = _wanted(query)
        shape = query.shape
        step = shape.step if isinstance(shape, Window) else self.tick
        if not functions or step % self.tick or query.start % self.tick or query.stop % self.tick:
            return await self.inner.read(query, deadline)
        topic = self._topic(query, functions)
        stretch = await self._stretch(topic, query)
        series: list[SeriesSamples] = []
        for one, columns in stretch.columns.items():
            series += self._answered(query, one, columns, stretch)
        series.sort(key=lambda samples: (samples.series.tags, samples.series.field))
        return SeriesResult(query, "history", tuple(series))

    def _topic(self, query: SeriesQuery, functions: frozenset[Function]) -> _Topic:
        key = (query.measurement, query.fields[0], query.where, functions)
        return self._topics.setdefault(key, _Topic(*key))

    async def _stretch(self, topic: _Topic, query: SeriesQuery) -> _Stretch:
        for known in topic.stretches:
            if known.start <= query.start and query.stop <= known.stop:
                return known
        start = query.start
        stop = max(query.stop, min(self.stop, start + self._cells * self.tick))
        columns: dict[Series, dict[Function, Numbers]] = {}
        while start < stop:
            end = min(stop, start + self._cells * self.tick)
            shape = Window(self.tick, tuple(sorted(topic.functions)))
            asked = SeriesQuery(topic.measurement, (topic.field,), start, end, shape, topic.where)
            try:
                result = await self.inner.read(asked, timedelta(minutes=5))
            except QueryTooLarge:
                if self._cells <= _FEWEST_CELLS:
                    raise
                self._cells //= 4
                return await self._stretch(topic, query)
            self.warnings.update(result.warnings)
            self._append(columns, result, (start - query.start) // self.tick, (end - start) // self.tick)
            start = end
        made = _Stretch(query.start, stop, columns)
        topic.stretches = (made, *topic.stretches[: _STRETCHES - 1])
        return made

    def _append(
        self, columns: dict[Series, dict[Function, Numbers]], result: SeriesResult, before: int, cells: int
    ) -> None:
        for one in result.series:
            assert one.function is not None
            kept = columns.setdefault(one.series, {}).setdefault(one.function, [None] * before)
            kept = [*kept, *([None] * (before - len(kept))), *one.values]
            columns[one.series][one.function] = kept
        for by_function in columns.values():
            for function, kept in by_function.items():
                if len(kept) < before + cells:
                    by_function[function] = [*kept, *([None] * (before + cells - len(kept)))]

    def _answered(
        self, query: SeriesQuery, series: Series, columns: dict[Function, Numbers], stretch: _Stretch
    ) -> Iterable[SeriesSamples]:
        first = (query.start - stretch.start) // self.tick
        last = (query.stop - stretch.start) // self.tick
        if isinstance(query.shape, Latest):
            values = columns.get(Function.LAST, ())[first:last]
            for place in range(len(values) - 1, -1, -1):
                value = values[place]
                if value is not None:
                    # Where in its cell the sample stood is not known: its end is the latest it can have been.
                    yield SeriesSamples(series, (query.start + (place + 1) * self.tick - 1,), (value,))
                    return
            return
        assert isinstance(query.shape, Window)
        width = query.shape.step // self.tick
        axis = query.axis
        for function in query.shape.functions:
            cells = [
                _together(function, columns, first + number * width, width, query.shape.step)
                for number in range(len(axis))
            ]
            if any(cell is not None for cell in cells):
                yield SeriesSamples(series, axis, cells, function)


def _wanted(query: SeriesQuery) -> frozenset[Function]:
    """The functions of the cells that a query can be put together from; none when it cannot."""
    if query.group_by is not None or query.top is not None or len(query.fields) != 1:
        return frozenset()
    if isinstance(query.shape, Latest):
        return frozenset({Function.LAST})
    if not isinstance(query.shape, Window):
        return frozenset()
    return frozenset(part for function in query.shape.functions for part in _PARTS[function])


def _together(
    function: Function, columns: dict[Function, Numbers], first: int, width: int, step: int
) -> FieldValue | None:
    """The value of `width` cells from `first` on."""

    def cells(part: Function) -> list[float]:
        column = columns.get(part, ())
        return [float(value) for value in column[first : first + width] if value is not None]

    parts = cells(_PARTS[function][0])
    if not parts:
        return None
    if function is Function.MEAN:
        return sum(parts) / sum(cells(Function.COUNT))
    value: float = _COMBINE.get(function, sum)(parts)
    return value * NANOSECONDS_PER_SECOND / step if function is Function.RATE else value
